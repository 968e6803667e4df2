//! What became of an event? Found by its id among what was recorded lately; its citizen's facts,
//! read where they are folded, say what came of it. The citizen's pseudonym stays here.

use clap::Args;
use jiff::civil::Date;
use laju_schemas::event::FactKind;
use laju_schemas::quarantine::{Origin, Reason};
use laju_schemas::{EventId, RegionCode, RegionTable, SubjectId, TimestampMs};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::day::Day;
use crate::domain::fate::{Change, Effect, Fate, Outcome, fate as fate_of};
use crate::projection::partition::Position;
use crate::projection::partition_view::PartitionView;
use crate::projection::recent::RecentFact;
use crate::projection::shard::NoFacts;
use crate::query::QueryError;
use crate::query::answer::{Evidence, RegionName};
use crate::query::days::NoDays;
use crate::query::question::{Endpoint, Question, Rests};
use crate::query::scope::region_name;
use crate::query::view::View;

/// What became of an event.
#[derive(Clone, Debug, Args, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct EventQuestion {
    /// The event's id.
    #[arg(value_name = "UUID")]
    pub event_id: EventId,
}

impl Endpoint for EventQuestion {
    const PATH: &'static str = "/v1/events/{event_id}";
    type Days = NoDays;
    type Answer = EventFate;
}

impl Question for EventQuestion {
    const ID: &'static str = "event_fate";
    const TAG: &'static str = "kiosks and events";
    const ANSWER: &'static str = "What became of the event";
    const RESTS: Rests = Rests::OnFold;

    fn answer(&self, _days: &Self::Days, view: &View) -> Result<Self::Answer, QueryError> {
        fate(view, self.event_id)
    }
}

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FateKind {
    /// It stands among its citizen's facts, whether it changed anything or not.
    Counted,
    /// Another event of the same kind and instant stands in its place.
    Repeat,
    /// It was taken back, and counts as never happened.
    Retracted,
    /// It could not be counted.
    Quarantined,
    /// No event of this id is among those that are remembered.
    NotSeen,
}

/// What an event that stands changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EffectKind {
    /// Inactive to active.
    Activation,
    /// Active to inactive.
    Deactivation,
    /// From one home region to another while active.
    Move,
    /// Asked, but not activated.
    Deferral,
    /// Biometrics recorded.
    CardRecorded,
    /// A printed card asked for.
    CardRequested,
    /// A card printed.
    CardPrinted,
    /// Another event taken back.
    Retraction,
    /// Nothing, as it was so already.
    None,
}

/// What became of an event. It never says whose event it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventFate {
    /// The event's id.
    pub event_id: EventId,
    /// What became of it.
    pub fate: FateKind,
    /// What happened, as it says: the name of its fact in the contract. None of what was not
    /// folded.
    pub kind: Option<FactKind>,
    /// What it changed; none unless it is counted.
    pub effect: Option<EffectKind>,
    /// The day for which it counts, else its local day; none of what was not folded.
    pub day: Option<Date>,
    /// The region for which it counts, else its home region; none of what was not folded.
    pub region: Option<RegionName>,
    /// When it happened, as it says; none of what was not folded.
    pub occurred_at: Option<TimestampMs>,
    /// The day on which Kafka recorded it first, in Asia/Jakarta.
    pub recorded: Option<Date>,
    /// The kiosk that sent it.
    pub kiosk_id: Option<String>,
    /// The kiosk's own number of it.
    pub sequence: Option<u32>,
    /// The retraction, if it was taken back.
    pub retracted_by: Option<EventId>,
    /// The event that stands in its place, if it is a repeat.
    pub repeat_of: Option<EventId>,
    /// Why it was taken back or could not be counted.
    pub reason: Option<String>,
    /// The same in words for people, where there is more to say.
    pub detail: Option<String>,
    /// The partition of the events topic that it lies in.
    pub partition: Option<u32>,
    /// The latest record of it that could not be counted, also if another record of it was: a
    /// released one, or one before a bad copy.
    pub quarantine: Option<QuarantinedEvent>,
    /// The first day of recording from which on every event is remembered.
    pub remembered_since: Option<Date>,
    /// What the answer rests on.
    pub evidence: Evidence,
}

/// A record that could not be counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuarantinedEvent {
    /// Its partition of the events topic.
    pub partition: u32,
    /// Its offset there.
    pub offset: i64,
    /// Its timestamp.
    pub timestamp: TimestampMs,
    /// Why it could not be counted.
    pub reason: Reason,
    /// What exactly was wrong; none of one that is not among the latest.
    pub detail: Option<String>,
}

/// What became of the event of this id: of any that was recorded in the last 30 days, as the
/// log's own timestamps have it; of older ones it cannot be told.
///
/// # Errors
/// If citizens' facts cannot be told now: the partition is folded again, or the fold has failed.
pub fn fate(view: &View, event_id: EventId) -> Result<EventFate, QueryError> {
    let blank = blank(view, event_id);
    let folded = find_folded(view, event_id)?;
    Ok(match folded.iter().min_by_key(|found| found.rank()) {
        Some(found) => {
            let mut answer = found.answer(view, blank)?;
            folded.iter().for_each(|found| found.attest(&mut answer.evidence));
            if folded.len() > 1 {
                let others = folded.len() - 1;
                add(&mut answer.detail, format!("the same id came for {others} other citizens"));
            }
            answer
        }
        None if blank.quarantine.is_some() => quarantined(view, blank),
        None => not_seen(blank),
    })
}

/// An event that was folded.
struct Found<'a> {
    part: &'a PartitionView,
    fate: Fate,
    /// How far its partition had been folded when its citizen's facts were read.
    position: Position,
    /// The day on which it was first recorded, if that is remembered.
    recorded: Option<Day>,
}

/// Where an event may be: a citizen, and what was recorded of them under its hash.
struct Place<'a> {
    part: &'a PartitionView,
    subject: SubjectId,
    seen: Vec<(Day, &'a RecentFact)>,
}

fn find_folded(view: &View, event_id: EventId) -> Result<Vec<Found<'_>>, QueryError> {
    let mut places: Vec<Place<'_>> = Vec::new();
    for part in view.snapshot.partitions.values() {
        let first = places.len();
        for (day, recent) in part.recent.find(event_id) {
            match places[first..].iter_mut().find(|place| place.subject == recent.subject) {
                Some(place) => place.seen.push((day, recent)),
                None => {
                    let seen = vec![(day, recent)];
                    places.push(Place { part, subject: recent.subject, seen });
                }
            }
        }
    }
    let subjects: Vec<_> =
        places.iter().map(|place| (place.part.partition, place.subject)).collect();
    let read = view.facts(&subjects)?;
    for (place, read) in places.iter().zip(&read) {
        // What it had is not there yet.
        if read.position.next_offset < place.part.next_offset {
            return Err(NoFacts::FoldedAgain(place.part.partition).into());
        }
    }
    let found = places.into_iter().zip(read).filter_map(|(Place { part, seen, .. }, read)| {
        // Another event may have the same hash.
        let fate = fate_of(&read.facts, &part.names, event_id)?;
        let is_it = |recent: &RecentFact| {
            (recent.sequence, recent.context) == (fate.fact.sequence, fate.fact.context)
        };
        let recorded = seen.iter().find(|(_, recent)| is_it(recent)).map(|(day, _)| *day);
        Some(Found { part, fate, position: read.position, recorded })
    });
    Ok(found.collect())
}

impl Found<'_> {
    /// Of several the one to tell of: one that counts before others, then by partition, then the
    /// first in the log.
    fn rank(&self) -> (u8, u32) {
        let rank = match self.fate.outcome {
            Outcome::Counted(_) => 0,
            Outcome::Retracted { .. } => 1,
            Outcome::Repeat { .. } => 2,
        };
        (rank, self.part.partition)
    }

    /// Facts are reported as they are folded, and may be ahead of the last commit.
    fn attest(&self, evidence: &mut Evidence) {
        let mut parts = evidence.partitions.iter_mut();
        if let Some(part) = parts.find(|part| part.partition == self.part.partition) {
            part.next_offset = part.next_offset.max(self.position.next_offset);
            part.recorded_until =
                part.recorded_until.max(self.position.recorded_until.map(TimestampMs));
        }
    }

    fn answer(&self, view: &View, blank: EventFate) -> Result<EventFate, QueryError> {
        let Self { part, fate, recorded, .. } = self;
        let fact = &fate.fact;
        let context = part.names.context(fact.context);
        let zone = RegionTable::get().at(fact.home()).zone;
        let local_day = Day::of_instant(fact.occurred_at(), zone);
        let (region, day) = match fate.outcome {
            Outcome::Counted(effect) => (effect.region, effect.day),
            _ => (fact.home(), local_day),
        };
        let code: RegionCode = RegionTable::get().at(region).code;
        let mut answer = EventFate {
            fate: FateKind::Counted,
            kind: Some(fact.kind()),
            day: Some(day.date()),
            region: Some(region_name(code)?),
            occurred_at: Some(TimestampMs(fact.occurred_at())),
            recorded: recorded.map(Day::date),
            kiosk_id: Some(part.names.kiosk(context.kiosk).to_owned()),
            sequence: Some(fact.sequence),
            partition: Some(part.partition),
            ..blank
        };
        match fate.outcome {
            Outcome::Counted(effect) => {
                answer.effect = Some(effect_kind(&effect));
                answer.detail = effect_detail(&effect);
            }
            Outcome::Repeat { of } => {
                answer.fate = FateKind::Repeat;
                answer.repeat_of = Some(of);
            }
            Outcome::Retracted { by, reason } => {
                answer.fate = FateKind::Retracted;
                answer.retracted_by = Some(by);
                answer.reason = Some(reason.as_str().to_owned());
            }
        }
        // Whatever becomes of a retraction, what it names is taken out.
        if let Some(of) = fact.retracts(&part.names)
            && answer.effect.is_none()
        {
            add(&mut answer.detail, format!("{of} stays taken back"));
        }
        if fate.other_contents > 0 {
            let others = fate.other_contents;
            add(
                &mut answer.detail,
                format!("{others} other contents came under the same id; none of them is counted"),
            );
        }
        if let Some(record) = &mut answer.quarantine {
            let detail = detail_of(view, record.partition, record.offset);
            record.detail = detail.map(|(detail, _)| detail.to_owned());
            // Without a decision: sent again, or a bad copy of an event that had come in.
            let quarantined = "another record of it is in quarantine";
            let more = match decision_words(view, record.partition, record.offset) {
                Some(decided) => format!("{quarantined}, {decided}"),
                None => quarantined.to_owned(),
            };
            add(&mut answer.detail, more);
        }
        Ok(answer)
    }
}

fn effect_kind(effect: &Effect) -> EffectKind {
    match effect.change {
        Change::Activation => EffectKind::Activation,
        Change::Deactivation => EffectKind::Deactivation,
        Change::Move { .. } => EffectKind::Move,
        Change::Deferral => EffectKind::Deferral,
        Change::CardRecorded => EffectKind::CardRecorded,
        Change::CardRequested => EffectKind::CardRequested,
        Change::CardPrinted => EffectKind::CardPrinted,
        Change::Retraction { .. } => EffectKind::Retraction,
        Change::None => EffectKind::None,
    }
}

fn effect_detail(effect: &Effect) -> Option<String> {
    match effect.change {
        Change::Move { from } => Some(format!("from {}", RegionTable::get().at(from).code)),
        Change::Retraction { of, received: true } => Some(format!("takes back {of}")),
        Change::Retraction { of, received: false } => {
            Some(format!("takes back {of}, which has not come in"))
        }
        Change::None => Some("the citizen's state was this already".to_owned()),
        _ => None,
    }
}

fn add(detail: &mut Option<String>, more: String) {
    *detail = Some(match detail.take() {
        Some(detail) => format!("{detail}; {more}"),
        None => more,
    });
}

fn quarantined(view: &View, blank: EventFate) -> EventFate {
    let mut answer = EventFate { fate: FateKind::Quarantined, ..blank };
    if let Some(record) = &mut answer.quarantine {
        answer.partition = Some(record.partition);
        answer.reason = Some(record.reason.as_str().to_owned());
        if let Some((detail, origin)) = detail_of(view, record.partition, record.offset) {
            record.detail = Some(detail.to_owned());
            answer.detail = Some(detail.to_owned());
            answer.kiosk_id = origin.map(|(kiosk, _)| kiosk.clone());
            answer.sequence = origin.map(|(_, sequence)| *sequence);
        }
        if let Some(decided) = decision_words(view, record.partition, record.offset) {
            add(&mut answer.detail, decided);
        }
    }
    answer
}

fn not_seen(blank: EventFate) -> EventFate {
    let since = blank.remembered_since;
    let detail = match since {
        Some(since) => format!("no new event of this id was recorded since {since}"),
        None => "no event has come in yet".to_owned(),
    };
    EventFate { detail: Some(detail), ..blank }
}

/// An event that nothing is known of, beside the record of it that could not be counted.
fn blank(view: &View, event_id: EventId) -> EventFate {
    let partitions = view.snapshot.partitions.values();
    let refused = partitions.clone().flat_map(|part| {
        let found = part.recent_refused.find(event_id);
        let found = found.filter(move |(_, refusal)| refusal.event_id == event_id);
        found.map(|(day, refusal)| {
            let record = QuarantinedEvent {
                partition: part.partition,
                offset: refusal.offset,
                timestamp: TimestampMs(refusal.timestamp),
                reason: refusal.reason,
                detail: None,
            };
            (day, record)
        })
    });
    let latest = refused
        .max_by_key(|(day, record)| (*day, record.timestamp, record.partition, record.offset));
    let (recorded, quarantine) = latest.unzip();
    let since = partitions.filter_map(|part| part.remembered_since().map(Day::date));
    EventFate {
        event_id,
        fate: FateKind::NotSeen,
        kind: None,
        effect: None,
        day: None,
        region: None,
        occurred_at: None,
        recorded: recorded.map(Day::date),
        kiosk_id: None,
        sequence: None,
        retracted_by: None,
        repeat_of: None,
        reason: None,
        detail: None,
        partition: None,
        quarantine,
        // Of an event that is in none it is not known in which it would be.
        remembered_since: since.max(),
        evidence: view.evidence(),
    }
}

/// What was decided about a quarantined record, in words.
fn decision_words(view: &View, partition: u32, offset: i64) -> Option<String> {
    let decision = view.decisions.get(Origin { partition, offset })?;
    let again = decision.released().map(|place| format!(" as {place}")).unwrap_or_default();
    Some(format!(
        "{}{again} by {} at {}: {}",
        decision.decision, decision.decided_by, decision.decided_at, decision.reason
    ))
}

/// What was wrong with a record, and which kiosk and sequence it names, if it is among the latest.
fn detail_of(view: &View, partition: u32, offset: i64) -> Option<(&str, Option<&(String, u32)>)> {
    let latest = &view.snapshot.partitions.get(&partition)?.quarantine.latest;
    let record = latest.iter().find(|record| record.offset == offset)?;
    Some((&record.detail, record.origin.as_ref()))
}
