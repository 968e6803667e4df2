//! The naive oracle: what a log means by `consumer/docs/rules-of-the-fold.md`, written from its
//! sentences and by the simplest code that could be right. It recomputes everything from all facts
//! for every question, keeps no differences, and uses nothing of the consumer's but the names of
//! accounts and the constants of the programme. It must never learn how the fold does it.

mod facts;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use laju_consumer::domain::account::Account;
use laju_consumer::domain::day::{LAST_RECORD_MS, PROGRAMME_START_MS};
use laju_schemas::event::FactKind;
use laju_schemas::known::{EventReader, ReadError};
use laju_schemas::partition::partition_for;
use laju_schemas::quarantine::Reason;
use laju_schemas::{
    EventId, Fact, KioskId, OutreachId, RawEvent, RegionCode, RegionTable, Sequence, SubjectId,
};

use self::facts::{Content, Line, contributions, local, standing, taken_back};
use crate::log::LogRecord;

const HOURS_24_MS: i64 = 24 * 60 * 60 * 1000;
const MIB: usize = 1 << 20;

/// What else a balance is about, as text (see [`crate::text`]).
pub type DetailText = String;

/// Amounts by account, region and detail; those of zero are left out.
pub type Balances = BTreeMap<(Account, RegionCode, DetailText), i64>;

/// What is added on each day, by account, region, detail and day; zeros are left out.
pub type ByDay = BTreeMap<(Account, RegionCode, DetailText, Date), i64>;

/// A record that counts.
#[derive(Clone, Debug)]
struct Counted {
    partition: u32,
    own_timestamp: i64,
    subject: SubjectId,
    content: Content,
    recorded: Date,
    late: bool,
}

/// A record that does not count.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: i64,
    /// Its own timestamp as it counts, milliseconds since 1970.
    pub own_timestamp: i64,
    /// The first reason that applies.
    pub reason: Reason,
    /// The day it was recorded.
    pub recorded: Date,
    /// The home region, where it decodes and the region is known.
    pub home: Option<RegionCode>,
    /// The service region, where it decodes and the region is known.
    pub service: Option<RegionCode>,
    /// The kiosk and the sequence, where it decodes and they are well formed.
    pub origin: Option<(String, u32)>,
}

/// What became of an event that counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It stands.
    Stands,
    /// It was taken back.
    Retracted,
    /// This one stands in its place.
    Repeats(EventId),
}

/// Counts of events over all partitions.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Events that count, repeats included.
    pub received: u64,
    /// Facts that stand.
    pub standing: u64,
    /// Distinct facts taken back.
    pub retracted: u64,
    /// Received, but neither standing nor retracted.
    pub repeats: u64,
    /// Recorded more than 24 hours after they happened, repeats included.
    pub late: u64,
    /// By kind, repeats included.
    pub by_kind: BTreeMap<FactKind, u64>,
    /// Refused, by reason.
    pub quarantined: BTreeMap<Reason, u64>,
}

/// What a kiosk has sent to a partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Kiosk {
    /// The sequences received.
    pub sequences: BTreeSet<u32>,
    /// Events received, repeats and refused ones that decode included.
    pub received: u64,
    /// The latest of their own timestamps, milliseconds since 1970.
    pub last_heard: i64,
    /// The service region of the last one that counts.
    pub service: Option<RegionCode>,
    /// The home regions of those that count.
    pub served: BTreeSet<RegionCode>,
    /// The days on which they were recorded, repeats and refused ones that decode included.
    pub days: BTreeSet<Date>,
    /// How many different ones there are of those that count.
    pub facts: u64,
}

/// All that a log says.
#[derive(Clone, Debug, Default)]
pub struct Oracle {
    counted: Vec<Counted>,
    /// What could not be counted, in the order of the log.
    pub refused: Vec<Refused>,
    /// The day on which each record of the log was recorded, in the order of the log.
    pub recorded: Vec<Date>,
}

impl Oracle {
    /// Reads a log of a topic with so many partitions. Records of one partition must stand in the
    /// order of their offsets.
    #[must_use]
    pub fn read(log: &[LogRecord], partitions: u32) -> Self {
        let mut reader = EventReader::new(&[]).expect("no other schemas are given");
        let mut oracle = Self::default();
        let mut latest: BTreeMap<u32, i64> = BTreeMap::new();
        for record in log {
            let own = record.timestamp_ms.clamp(PROGRAMME_START_MS, LAST_RECORD_MS);
            let latest = latest.entry(record.partition).or_insert(own);
            *latest = own.max(*latest);
            let recorded = local(*latest, "Asia/Jakarta").date();
            oracle.recorded.push(recorded);
            let value = record.value.as_deref().unwrap_or_default();
            let decoded = reader.read(value);
            let reason = reason_to_refuse(record, value, own, &decoded, partitions);
            let event = decoded.ok();
            match (reason, event) {
                (None, Some(event)) => oracle.counted.push(Counted {
                    partition: record.partition,
                    own_timestamp: own,
                    subject: event.subject,
                    late: own - event.occurred_at > HOURS_24_MS,
                    content: content_of(&event),
                    recorded,
                }),
                (reason, event) => oracle.refused.push(Refused {
                    partition: record.partition,
                    offset: record.offset,
                    own_timestamp: own,
                    reason: reason.expect("what does not decode has a reason"),
                    recorded,
                    home: event.and_then(|event| regency(event.home_region)),
                    service: event.and_then(|event| regency(event.service_region)),
                    origin: event.and_then(|event| {
                        KioskId::check(event.kiosk_id).ok()?;
                        let sequence = Sequence::try_from(event.sequence).ok()?;
                        Some((event.kiosk_id.to_owned(), sequence.get()))
                    }),
                }),
            }
        }
        oracle
    }

    /// What is added on each day, as known on a day (inclusive; none is without an end): the
    /// balances as of every day in one.
    #[must_use]
    pub fn by_day(&self, known_at: Option<Date>) -> ByDay {
        let mut by_day = ByDay::new();
        for facts in self.facts(known_at).values() {
            for Line { account, region, day, detail, amount } in contributions(facts) {
                *by_day.entry((account, region, detail, day)).or_default() += amount;
            }
        }
        by_day.retain(|_, amount| *amount != 0);
        by_day
    }

    /// The balances as of a day, as known on a day (each inclusive; none is without an end).
    #[must_use]
    pub fn balances(&self, as_of: Option<Date>, known_at: Option<Date>) -> Balances {
        let mut balances = Balances::new();
        for ((account, region, detail, day), amount) in self.by_day(known_at) {
            if as_of.is_none_or(|as_of| day <= as_of) {
                *balances.entry((account, region, detail)).or_default() += amount;
            }
        }
        balances.retain(|_, amount| *amount != 0);
        balances
    }

    /// Where the active subjects are, told from the subjects themselves and not from postings.
    #[must_use]
    pub fn active(&self, known_at: Option<Date>) -> BTreeMap<RegionCode, i64> {
        let mut active = BTreeMap::new();
        for facts in self.facts(known_at).values() {
            let mut home = None;
            for fact in standing(facts) {
                match fact.kind {
                    FactKind::Activated => home = Some(fact.home),
                    FactKind::Relocated if home.is_some() => home = Some(fact.home),
                    FactKind::Deactivated => home = None,
                    _ => {}
                }
            }
            if let Some(home) = home {
                *active.entry(home).or_default() += 1;
            }
        }
        active
    }

    /// Where the subjects are whose latest card fact is a request.
    #[must_use]
    pub fn queued(&self, known_at: Option<Date>) -> BTreeMap<RegionCode, i64> {
        let mut queued = BTreeMap::new();
        for facts in self.facts(known_at).values() {
            let card = |fact: &&&Content| {
                matches!(fact.kind, FactKind::CardRequested | FactKind::CardPrinted)
            };
            match standing(facts).iter().rfind(card) {
                Some(fact) if fact.kind == FactKind::CardRequested => {
                    *queued.entry(fact.home).or_default() += 1;
                }
                _ => {}
            }
        }
        queued
    }

    /// The counts of the whole log.
    #[must_use]
    pub fn counts(&self) -> Counts {
        let mut counts = Counts::default();
        for counted in &self.counted {
            counts.received += 1;
            counts.late += u64::from(counted.late);
            *counts.by_kind.entry(counted.content.kind).or_default() += 1;
        }
        for facts in self.facts(None).values() {
            let taken_back = taken_back(facts);
            counts.standing += standing(facts).len() as u64;
            counts.retracted +=
                facts.iter().filter(|fact| taken_back.contains(&fact.event_id)).count() as u64;
        }
        counts.repeats = counts.received - counts.standing - counts.retracted;
        for refused in &self.refused {
            *counts.quarantined.entry(refused.reason).or_default() += 1;
        }
        counts
    }

    /// How many subjects a partition has facts of.
    #[must_use]
    pub fn subjects(&self, partition: u32) -> u64 {
        let of_it = self.counted.iter().filter(|counted| counted.partition == partition);
        of_it.map(|counted| counted.subject).collect::<BTreeSet<_>>().len() as u64
    }

    /// What each kiosk has sent, by partition and kiosk.
    #[must_use]
    pub fn kiosks(&self) -> BTreeMap<(u32, String), Kiosk> {
        let mut kiosks: BTreeMap<(u32, String), Kiosk> = BTreeMap::new();
        let mut heard = |partition: u32, kiosk: &str, sequence: u32, at: (i64, Date)| {
            let (own_timestamp, recorded) = at;
            let kiosk = kiosks.entry((partition, kiosk.to_owned())).or_default();
            kiosk.sequences.insert(sequence);
            kiosk.received += 1;
            kiosk.last_heard = kiosk.last_heard.max(own_timestamp);
            kiosk.days.insert(recorded);
        };
        for Counted { partition, content, own_timestamp, recorded, .. } in &self.counted {
            let sequence = u32::try_from(content.sequence).expect("checked before it was counted");
            heard(*partition, &content.kiosk, sequence, (*own_timestamp, *recorded));
        }
        for refused in &self.refused {
            if let Some((kiosk, sequence)) = &refused.origin {
                let at = (refused.own_timestamp, refused.recorded);
                heard(refused.partition, kiosk, *sequence, at);
            }
        }
        for Counted { partition, content, .. } in &self.counted {
            let kiosk = kiosks.entry((*partition, content.kiosk.clone())).or_default();
            kiosk.service = Some(content.service);
            kiosk.served.insert(content.home);
        }
        // A fact is of one subject, and may have come many times.
        let mut facts: BTreeSet<(u32, SubjectId, &Content)> = BTreeSet::new();
        for Counted { partition, content, subject, .. } in &self.counted {
            if facts.insert((*partition, *subject, content)) {
                kiosks.entry((*partition, content.kiosk.clone())).or_default().facts += 1;
            }
        }
        kiosks
    }

    /// What became of each event that counts, by subject and event id.
    #[must_use]
    pub fn fates(&self) -> BTreeMap<(SubjectId, EventId), Fate> {
        let mut fates = BTreeMap::new();
        for (subject, facts) in &self.facts(None) {
            let (taken_back, standing) = (taken_back(facts), standing(facts));
            for fact in facts {
                // The set goes from the smallest by content to the largest: only that can stand.
                if fates.contains_key(&(*subject, fact.event_id)) {
                    continue;
                }
                let same = |other: &&&Content| {
                    (other.occurred_at, other.kind) == (fact.occurred_at, fact.kind)
                };
                let fate = if taken_back.contains(&fact.event_id) {
                    Fate::Retracted
                } else if standing.iter().any(|other| other.event_id == fact.event_id) {
                    Fate::Stands
                } else {
                    let other = standing.iter().find(same).expect("somebody stands in its place");
                    Fate::Repeats(other.event_id)
                };
                fates.insert((*subject, fact.event_id), fate);
            }
        }
        fates
    }

    /// Each subject's distinct facts recorded on or before a day.
    fn facts(&self, known_at: Option<Date>) -> BTreeMap<SubjectId, BTreeSet<Content>> {
        let mut facts: BTreeMap<SubjectId, BTreeSet<Content>> = BTreeMap::new();
        for counted in &self.counted {
            if known_at.is_none_or(|known_at| counted.recorded <= known_at) {
                facts.entry(counted.subject).or_default().insert(counted.content.clone());
            }
        }
        facts
    }
}

/// The first reason, in the order of [`Reason`], why a record cannot be counted.
fn reason_to_refuse(
    record: &LogRecord,
    value: &[u8],
    own_timestamp: i64,
    decoded: &Result<RawEvent<'_>, ReadError>,
    partitions: u32,
) -> Option<Reason> {
    if value.len() > MIB {
        return Some(Reason::TooLarge);
    }
    let event = match decoded {
        Ok(event) => event,
        Err(ReadError::Unlearned(_) | ReadError::UnknownSchema(_)) => {
            return Some(Reason::UnknownSchema);
        }
        Err(ReadError::Decode(_)) => return Some(Reason::Undecodable),
    };
    let from_region = match event.fact {
        Fact::Relocated { from_region } => Some(from_region),
        _ => None,
    };
    if record.key.as_deref() != Some(&event.subject.0) {
        Some(Reason::WrongKey)
    } else if record.partition != partition_for(&event.subject.0, partitions) {
        Some(Reason::WrongPartition)
    } else if regency(event.home_region).is_none() || regency(event.service_region).is_none() {
        Some(Reason::UnknownRegion)
    } else if event.sequence < 1 || event.sequence > 4_294_967_295 {
        Some(Reason::SequenceOutOfRange)
    } else if event.occurred_at < PROGRAMME_START_MS {
        Some(Reason::BeforeProgramme)
    } else if event.occurred_at > own_timestamp + HOURS_24_MS {
        Some(Reason::InFuture)
    } else if KioskId::check(event.kiosk_id).is_err()
        || event.outreach_id.is_some_and(|id| OutreachId::check(id).is_err())
        || from_region.is_some_and(|code| RegionCode::parse(code).is_none())
    {
        Some(Reason::MalformedField)
    } else {
        None
    }
}

fn content_of(event: &RawEvent<'_>) -> Content {
    let checked = "checked before it is counted";
    Content {
        occurred_at: event.occurred_at,
        kind: event.fact.kind(),
        home: regency(event.home_region).expect(checked),
        service: regency(event.service_region).expect(checked),
        outreach: event.outreach_id.map(str::to_owned),
        kiosk: event.kiosk_id.to_owned(),
        sequence: event.sequence,
        fact: event.fact.try_map_region(|code| RegionCode::parse(today(code))).expect(checked),
        event_id: event.event_id,
    }
}

fn regency(text: &str) -> Option<RegionCode> {
    let table = RegionTable::get();
    table.regency(today(text)).map(|index| table.at(index).code)
}

/// Today's code, read from the table itself.
fn today(text: &str) -> &str {
    let rows = include_str!("../../schemas/data/former-papua-codes.csv").lines();
    let mut rows = rows.map(|row| row.split(',').collect::<Vec<_>>());
    rows.find(|row| row[0] == text).map_or(text, |row| row[2])
}
