//! Is anything missing? What has come in of each kiosk, of what it has numbered or announced;
//! whether it is silent, and whether its id is in use twice.

use clap::Args;
use laju_schemas::pseudonym::KeyId;
use laju_schemas::{RegionCode, RegionTable, TimestampMs};
use roaring::RoaringBitmap;
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{IntoParams, ToSchema};

use crate::projection::kiosk_keys::usual_key;
use crate::projection::snapshot::{Fall, RecordedStatus};
use crate::query::QueryError;
use crate::query::answer::Evidence;
use crate::query::days::NoDays;
use crate::query::kiosks::conflicts::{Conflicts, conflicts};
use crate::query::kiosks::quarantine::{KioskQuarantine, of_kiosk};
use crate::query::kiosks::state::{KioskState, first_gaps, united};
use crate::query::question::{Endpoint, Question, Rests, limit, rows};
use crate::query::view::View;

/// How many kiosks are on a page where nothing else is asked for.
pub const PAGE: u32 = 1_000;
/// The most that can be asked for.
pub const LARGEST_PAGE: u32 = 10_000;
/// How many gaps of one kiosk are shown.
pub const ALL_GAPS: usize = 1_000;
/// Whether anything is missing of any kiosk.
#[derive(Clone, Debug, Default, Args, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KiosksQuestion {
    /// How many at most; 1,000 if it is not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=LARGEST_PAGE.into()))]
    #[serde(default, deserialize_with = "limit::<1, LARGEST_PAGE, _>")]
    #[param(minimum = 1, maximum = 10000)]
    pub limit: Option<u32>,
    /// Only kiosks whose own region lies within this one.
    #[arg(long, value_name = "REGION")]
    #[param(example = "18")]
    pub within: Option<RegionCode>,
    /// Only those that are silent beyond their habit, or only those that are not.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub silent: Option<bool>,
    /// Only those of which events are missing, or only those of which none are.
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub missing: Option<bool>,
    /// Only ids after this one: the page after the one that ended with it.
    #[arg(long, value_name = "KIOSK")]
    pub after: Option<String>,
}

impl Endpoint for KiosksQuestion {
    const PATH: &'static str = "/v1/kiosks";
    type Days = NoDays;
    type Answer = Kiosks;
}

impl Question for KiosksQuestion {
    const ID: &'static str = "list_kiosks";
    const TAG: &'static str = "kiosks and events";
    const ANSWER: &'static str = "The kiosks heard of";
    const RESTS: Rests = Rests::OnMoment;

    fn answer(&self, _days: &Self::Days, view: &View) -> Result<Self::Answer, QueryError> {
        kiosks(view, self)
    }
}

/// What is known of one kiosk.
#[derive(Clone, Debug, Args, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KioskQuestion {
    /// The kiosk's id, percent-encoded; upper and lower case apart.
    #[arg(value_name = "KIOSK", help = "The kiosk's id; upper and lower case apart")]
    pub id: String,
}

impl Endpoint for KioskQuestion {
    const PATH: &'static str = "/v1/kiosks/{id}";
    type Days = NoDays;
    type Answer = KioskDetail;
}

impl Question for KioskQuestion {
    const ID: &'static str = "one_kiosk";
    const TAG: &'static str = "kiosks and events";
    const ANSWER: &'static str = "All that is known of the kiosk";
    const RESTS: Rests = Rests::OnFold;

    fn answer(&self, _days: &Self::Days, view: &View) -> Result<Self::Answer, QueryError> {
        kiosk(view, &self.id)
    }
}

/// The kiosks heard of that were asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Kiosks {
    /// In the order of their ids, as many as were asked for.
    pub rows: Vec<KioskRow<u64>>,
    /// How many there are on all pages.
    pub total: u64,
    /// Which key most kiosks make their pseudonyms with; none if none of them says so.
    pub key_id: Option<String>,
    /// A relative link to the next page; none on the last.
    pub next: Option<String>,
    /// What the answer rests on.
    pub evidence: Evidence,
}

/// What is known of a kiosk now. `C` is what is said of its conflicts: how many there are, or
/// [`Conflicts`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KioskRow<C = u64> {
    /// Its id.
    pub kiosk_id: String,
    /// Its own region: as its latest status says, else as its latest event does.
    pub service_region: Option<RegionCode>,
    /// Events received, repeats and quarantined ones that decode included.
    pub received: u64,
    /// Distinct sequences received.
    pub sequences: u64,
    /// The highest sequence received or announced.
    pub highest_sequence: u32,
    /// The highest sequence received; 0 before the first.
    pub highest_received: u32,
    /// The highest sequence ever announced; none of a kiosk that announces none.
    pub highest_announced: Option<u32>,
    /// When it last announced a lower sequence than before: its outbox was set back, or another
    /// device has its id. As far as this node has read of the status topic; none if it never did.
    pub announced_fall: Option<AnnouncedFall>,
    /// Whether it makes its pseudonyms with another key than most kiosks: everybody it serves is
    /// then somebody else, and counted again.
    pub other_key: bool,
    /// Sequences up to the highest that have not come in; 0 of a retired kiosk.
    pub missing: u64,
    /// The first gaps, each from its first to its last sequence.
    pub gaps: Vec<(u32, u32)>,
    /// When Kafka recorded the latest event of it.
    pub last_heard: Option<TimestampMs>,
    /// Events that it usually sends in a day; none before it was heard of on five days.
    pub usual_per_day: Option<u64>,
    /// Whether it is silent beyond its habit; none before it has one.
    pub silent: Option<bool>,
    /// When its last word was recorded, an event or a status; none unless it is silent.
    pub silent_since: Option<TimestampMs>,
    /// Events beyond the first that bear the same sequence: two devices have this id.
    #[schema(schema_with = of_conflicts::<C>)]
    pub conflicts: C,
    /// Its own latest word, if it gives any.
    pub status: Option<StatusRow>,
}

/// All that is known of one kiosk now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KioskDetail {
    /// What is known of each kiosk, here with every gap, at most 1,000, and with the conflicts
    /// themselves.
    #[serde(flatten)]
    pub row: KioskRow<Conflicts>,
    /// Whether there are more gaps than are shown.
    pub gaps_cut: bool,
    /// What of it could not be counted.
    pub quarantined: KioskQuarantine,
    /// Days of recording on which events of it came in.
    pub days_heard: u64,
    /// Days from one on which it is heard of to the next, mostly at most; none before it has a
    /// habit.
    pub usual_gap_days: Option<u32>,
    /// What the answer rests on.
    pub evidence: Evidence,
}

/// A sequence announced that is lower than one announced before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AnnouncedFall {
    /// The highest sequence announced before.
    pub from: u32,
    /// The one announced then.
    pub to: u32,
    /// When Kafka recorded that.
    pub recorded_at: TimestampMs,
}

/// A kiosk's own latest word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusRow {
    /// The highest sequence that it has given to an event.
    pub highest_sequence: u32,
    /// Events that it has not got rid of yet.
    pub unsent: u64,
    /// When the oldest of them occurred.
    pub oldest_unsent: Option<TimestampMs>,
    /// Its clock minus the broker's, in milliseconds.
    pub clock_offset_ms: Option<i64>,
    /// The version of its agent.
    pub agent_version: String,
    /// When it said so, by its clock.
    pub sent_at: TimestampMs,
    /// When Kafka recorded that.
    pub recorded_at: TimestampMs,
    /// Lost or withdrawn: none of its events is awaited any more.
    pub retired: bool,
    /// Which key it makes its pseudonyms with; none of an agent that does not say so.
    pub key_id: Option<String>,
}

/// What is said of a kiosk's conflicts: a number, or all of them.
fn of_conflicts<C: ToSchema>() -> RefOr<Schema> {
    let mut schema = C::schema();
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        object.description.get_or_insert_with(|| {
            "Events beyond the first that bear the same sequence: two devices have this id."
                .to_owned()
        });
    }
    schema
}

impl KiosksQuestion {
    fn is_asked_for(&self, kiosk: &KioskState, view: &View) -> bool {
        let table = RegionTable::get();
        let lies = |within| kiosk.service.is_some_and(|own| table.at(own).code.is_within(within));
        self.within.is_none_or(|within| within == RegionCode::NATION || lies(within))
            && self.missing.is_none_or(|missing| missing == (kiosk.missing > 0))
            && self.silent.is_none_or(|silent| silent == (kiosk.is_silent(view.now) == Some(true)))
    }
}

/// The kiosks asked for, as far as they are known now.
///
/// # Errors
/// If there is no such region.
pub fn kiosks(view: &View, question: &KiosksQuestion) -> Result<Kiosks, QueryError> {
    if let Some(within) = question.within {
        crate::query::scope::region_name(within)?;
    }
    let asked_for = |kiosk: &&KioskState| question.is_asked_for(kiosk, view);
    let all: Vec<&KioskState> = view.gaps.kiosks.iter().filter(asked_for).collect();
    let after = question.after.as_deref();
    let from = after.map_or(0, |after| all.partition_point(|kiosk| &*kiosk.id <= after));
    let limit = rows(question.limit, PAGE);
    let page = &all[from..all.len().min(from.saturating_add(limit))];
    let next = page.last().filter(|_| from + page.len() < all.len()).map(|last| {
        let (limit, after) = (Some(limit as u32), Some(last.id.to_string()));
        KiosksQuestion { limit, after, ..question.clone() }.link(&NoDays {})
    });
    let usual = usual_key(&view.statuses);
    Ok(Kiosks {
        rows: page.iter().map(|kiosk| row(view, usual, kiosk, kiosk.conflicts)).collect(),
        total: all.len() as u64,
        key_id: usual.map(|key| key.to_string()),
        next,
        evidence: view.evidence(),
    })
}

/// All that is known of a kiosk now.
///
/// # Errors
/// If nothing was ever heard of it.
pub fn kiosk(view: &View, id: &str) -> Result<KioskDetail, QueryError> {
    let place = view.gaps.kiosks.binary_search_by(|kiosk| (*kiosk.id).cmp(id));
    let state = place.map_err(|_| QueryError::UnknownKiosk(shown(id)))?;
    let state = &view.gaps.kiosks[state];
    let sets = Sets::of(view, id);
    let usual = usual_key(&view.statuses);
    let mut row = row(view, usual, state, conflicts(view, state, &sets.in_several));
    let mut gaps_cut = false;
    if state.missing > 0 {
        let all = united(&sets.received, &sets.refused);
        row.gaps = first_gaps(&all, state.highest(), ALL_GAPS + 1);
        gaps_cut = row.gaps.len() > ALL_GAPS;
        row.gaps.truncate(ALL_GAPS);
    }
    Ok(KioskDetail {
        row,
        gaps_cut,
        quarantined: of_kiosk(view, id, &sets.refused - &sets.received),
        days_heard: sets.days.len(),
        usual_gap_days: state.habit.map(|habit| habit.usual_gap_days),
        evidence: view.evidence(),
    })
}

/// The beginning of an id that was asked for.
fn shown(id: &str) -> String {
    id.chars().take(64).collect()
}

/// One kiosk's sets over all partitions.
#[derive(Default)]
struct Sets {
    received: RoaringBitmap,
    refused: RoaringBitmap,
    days: RoaringBitmap,
    /// Sequences of events that count in more than one partition. An event has one subject, so it
    /// is in one partition: these are several events.
    in_several: RoaringBitmap,
}

impl Sets {
    fn of(view: &View, id: &str) -> Self {
        let mut sets = Self::default();
        for part in view.snapshot.partitions.values() {
            let Some(kiosk) = part.kiosk_number(id) else { continue };
            let received = part.received.of(kiosk);
            sets.in_several |= &sets.received & &received;
            sets.received |= received;
            sets.refused |= part.refused.of(kiosk);
            sets.days |= part.days.of(kiosk);
        }
        sets
    }
}

fn row<C>(view: &View, usual: Option<KeyId>, kiosk: &KioskState, conflicts: C) -> KioskRow<C> {
    let silent = kiosk.is_silent(view.now);
    let recorded = view.statuses.get(&*kiosk.id);
    let fall = recorded.and_then(|recorded| recorded.fall);
    let key = recorded.filter(|recorded| !recorded.status.retired);
    let key = key.and_then(|recorded| recorded.status.key_id);
    KioskRow {
        kiosk_id: kiosk.id.to_string(),
        service_region: kiosk.service.map(|region| RegionTable::get().at(region).code),
        received: kiosk.received,
        sequences: kiosk.sequences,
        highest_sequence: kiosk.highest(),
        highest_received: kiosk.highest_received,
        highest_announced: kiosk.highest_announced,
        announced_fall: fall.map(|Fall { from, to, recorded_at }| AnnouncedFall {
            from,
            to,
            recorded_at,
        }),
        other_key: key.is_some_and(|key| usual.is_some_and(|usual| usual != key)),
        missing: kiosk.missing,
        gaps: kiosk.gaps.clone(),
        last_heard: kiosk.last_heard,
        usual_per_day: kiosk.habit.map(|habit| habit.usual_per_day),
        silent,
        silent_since: kiosk.last_word.filter(|_| silent == Some(true)),
        conflicts,
        status: recorded.map(status_row),
    }
}

fn status_row(recorded: &RecordedStatus) -> StatusRow {
    let RecordedStatus { status, recorded_at, .. } = recorded;
    StatusRow {
        highest_sequence: status.highest_sequence,
        unsent: status.unsent,
        oldest_unsent: status.oldest_unsent,
        clock_offset_ms: status.clock_offset_ms,
        agent_version: status.agent_version.clone(),
        sent_at: status.sent_at,
        recorded_at: *recorded_at,
        retired: status.retired,
        key_id: status.key_id.map(|key| key.to_string()),
    }
}
