//! A small replay of the scenario, written from the rules and not from the fold: it decodes every
//! record, refuses what cannot be counted, and adds up what each subject's facts say.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use laju_schemas::event::FactKind;
use laju_schemas::known::{EventReader, ReadError};
use laju_schemas::partition::partition_for;
use laju_schemas::quarantine::Reason;
use laju_schemas::{EventId, Fact, RegionTable, SubjectId};

use super::super::{DemoDay, PARTITIONS};

const HOUR_MS: i64 = 3_600_000;
const PROGRAMME_START: &str = "2022-01-01T00:00:00+07:00";

/// A fact in the order of a timeline: by instant, kind, event id.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Known {
    occurred_at: i64,
    kind: FactKind,
    event_id: EventId,
    home: String,
    service: String,
    outreach: Option<String>,
    kiosk: String,
    sequence: i64,
    fact: Fact<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Account {
    Activations,
    Deactivations,
    MovesIn,
    MovesOut,
}

/// What a fact changed: one posting of amount 1.
pub(super) struct Posting {
    pub(super) region: String,
    pub(super) day: Date,
    pub(super) account: Account,
    pub(super) channel: String,
    pub(super) venue: String,
    pub(super) elsewhere: bool,
}

#[derive(Default)]
pub(super) struct Replay {
    facts: BTreeMap<SubjectId, BTreeSet<Known>>,
    pub(super) received: u64,
    pub(super) late: u64,
    pub(super) quarantined: BTreeMap<Reason, u64>,
    pub(super) sequences: BTreeMap<String, BTreeSet<i64>>,
    seen: BTreeSet<EventId>,
    pub(super) early_retractions: u64,
}

/// What the facts come to.
#[derive(Default)]
pub(super) struct Books {
    pub(super) postings: Vec<Posting>,
    pub(super) standing: u64,
    pub(super) retracted: u64,
    pub(super) retractions: u64,
    pub(super) activated_again: u64,
    pub(super) activated_elsewhere: u64,
    cards: Vec<(String, Date, SubjectId, Fact<String>)>,
}

impl Replay {
    pub(super) fn of<'a>(days: impl IntoIterator<Item = &'a DemoDay>) -> Self {
        let mut replay = Self::default();
        replay.play(days);
        replay
    }

    /// Takes up further days.
    pub(super) fn play<'a>(&mut self, days: impl IntoIterator<Item = &'a DemoDay>) {
        let replay = self;
        let mut reader = EventReader::new(&[]).unwrap();
        let began: jiff::Timestamp = PROGRAMME_START.parse().unwrap();
        for record in days.into_iter().flat_map(|day| &day.records) {
            let read = reader.read(&record.value);
            let (reason, event) = match read {
                Err(ReadError::Decode(_)) => (Some(Reason::Undecodable), None),
                Err(_) => (Some(Reason::UnknownSchema), None),
                Ok(event) => {
                    let right = partition_for(&record.key, PARTITIONS);
                    let known = |text| RegionTable::get().regency(text).is_some();
                    let reason = if record.key != event.subject.0 {
                        Some(Reason::WrongKey)
                    } else if record.partition.is_some_and(|partition| partition != right) {
                        Some(Reason::WrongPartition)
                    } else if !known(event.home_region) || !known(event.service_region) {
                        Some(Reason::UnknownRegion)
                    } else if !(1..1 << 32).contains(&event.sequence) {
                        Some(Reason::SequenceOutOfRange)
                    } else if event.occurred_at < began.as_millisecond() {
                        Some(Reason::BeforeProgramme)
                    } else if event.occurred_at > record.timestamp_ms + 24 * HOUR_MS {
                        Some(Reason::InFuture)
                    } else {
                        None
                    };
                    (reason, Some(event))
                }
            };
            if let Some(event) = event.filter(|event| event.sequence > 0) {
                let sequences = replay.sequences.entry(event.kiosk_id.to_owned()).or_default();
                sequences.insert(event.sequence);
            }
            let Some(event) = event.filter(|_| reason.is_none()) else {
                *replay.quarantined.entry(reason.unwrap()).or_default() += 1;
                continue;
            };
            replay.received += 1;
            let known = Known {
                occurred_at: event.occurred_at,
                kind: event.fact.kind(),
                event_id: event.event_id,
                home: event.home_region.to_owned(),
                service: event.service_region.to_owned(),
                outreach: event.outreach_id.map(str::to_owned),
                kiosk: event.kiosk_id.to_owned(),
                sequence: event.sequence,
                fact: event.fact.try_map_region(|region| Some(region.to_owned())).unwrap(),
            };
            if replay.seen.insert(event.event_id) {
                replay.late += u64::from(record.timestamp_ms - event.occurred_at > 24 * HOUR_MS);
                if let Fact::Retracted { event_id, .. } = event.fact {
                    replay.early_retractions += u64::from(!replay.seen.contains(&event_id));
                }
            }
            replay.facts.entry(event.subject).or_default().insert(known);
        }
    }

    pub(super) fn books(&self) -> Books {
        let mut books = Books::default();
        for (subject, facts) in &self.facts {
            books.add(*subject, facts);
        }
        books
    }
}

fn local_day(ms: i64) -> Date {
    let instant = jiff::Timestamp::from_millisecond(ms).unwrap();
    instant.to_zoned(jiff::tz::TimeZone::fixed(jiff::tz::offset(7))).date()
}

impl Books {
    fn add(&mut self, subject: SubjectId, facts: &BTreeSet<Known>) {
        let retracted: BTreeSet<EventId> = facts
            .iter()
            .filter_map(|known| match known.fact {
                Fact::Retracted { event_id, .. } => Some(event_id),
                _ => None,
            })
            .collect();
        let left: Vec<_> =
            facts.iter().filter(|known| !retracted.contains(&known.event_id)).collect();
        self.retracted += (facts.len() - left.len()) as u64;
        let ids: BTreeSet<_> = left.iter().map(|known| known.event_id).collect();
        assert_eq!(ids.len(), left.len(), "an event id is used once");
        let mut timeline: Vec<&Known> = Vec::new();
        for known in left {
            // In order of the event id among the same kind and instant: the first stands.
            let same =
                |other: &&Known| (other.occurred_at, other.kind) == (known.occurred_at, known.kind);
            if !timeline.last().is_some_and(same) {
                timeline.push(known);
            }
        }
        self.standing += timeline.len() as u64;
        let mut counted_in: Option<&str> = None;
        let mut last = Date::MIN;
        for known in timeline {
            let home = known.home.as_str();
            let day = local_day(known.occurred_at).max(last);
            let mut post = |region: &str, account, channel: &str, venue: &str| {
                last = day;
                self.postings.push(Posting {
                    region: region.to_owned(),
                    day,
                    account,
                    channel: channel.to_owned(),
                    venue: venue.to_owned(),
                    elsewhere: known.service != known.home,
                });
            };
            match (&known.fact, counted_in) {
                (Fact::Activated { channel, venue, .. }, None) => {
                    let venue = venue.map_or("", |venue| venue.as_str());
                    post(home, Account::Activations, channel.as_str(), venue);
                    counted_in = Some(home);
                }
                (Fact::Activated { .. } | Fact::Relocated { .. }, Some(old)) if old != home => {
                    post(old, Account::MovesOut, "", "");
                    post(home, Account::MovesIn, "", "");
                    counted_in = Some(home);
                }
                (Fact::Activated { .. }, Some(_)) => self.activated_again += 1,
                (Fact::Deactivated { .. }, Some(old)) => {
                    post(old, Account::Deactivations, "", "");
                    counted_in = None;
                }
                (Fact::Retracted { .. }, _) => self.retractions += 1,
                (
                    Fact::CardRecorded { .. }
                    | Fact::CardRequested { .. }
                    | Fact::CardPrinted { .. },
                    _,
                ) => self.cards.push((known.home.clone(), day, subject, known.fact.clone())),
                _ => {}
            }
            if known.kind == FactKind::Activated && known.service != known.home {
                self.activated_elsewhere += 1;
            }
        }
    }

    pub(super) fn postings(&self, account: Account) -> impl Iterator<Item = &Posting> {
        self.postings.iter().filter(move |posting| posting.account == account)
    }

    pub(super) fn active(&self, region: &str, as_of: Date) -> i64 {
        let postings = self.postings.iter();
        let counted = postings.filter(|posting| posting.region == region && posting.day <= as_of);
        counted
            .map(|posting| match posting.account {
                Account::Activations | Account::MovesIn => 1,
                Account::Deactivations | Account::MovesOut => -1,
            })
            .sum()
    }

    pub(super) fn first_time_recordings(&self, region: &str, as_of: Date) -> u64 {
        let recorded = self.cards.iter().filter(|(home, day, _, fact)| {
            home == region
                && *day <= as_of
                && *fact == Fact::CardRecorded { first_time_holder: true }
        });
        recorded.count() as u64
    }

    pub(super) fn print_queue(&self, region: &str, as_of: Date) -> u64 {
        let mut latest = BTreeMap::new();
        for (home, day, subject, fact) in &self.cards {
            if *day <= as_of && !matches!(fact, Fact::CardRecorded { .. }) {
                latest.insert(*subject, (home, fact));
            }
        }
        let queue = latest
            .values()
            .filter(|(home, fact)| *home == region && matches!(fact, Fact::CardRequested { .. }));
        queue.count() as u64
    }
}
