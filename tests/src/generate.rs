//! Logs to test with: few subjects, kiosks, regions and instants, so that facts meet, and all
//! that a broker, a kiosk's clock or a wrong producer can do to them. The same seed gives the
//! same log.

mod steps;

use jiff::ToSpan as _;
use jiff::civil::Date;
use laju_consumer::domain::day::PROGRAMME_START_MS;
use laju_schemas::event::{
    CardReason, Channel, DeactivationReason, DeferralReason, RetractionReason, Venue,
};
use laju_schemas::partition::partition_for;
use laju_schemas::raw::RawEvent;
use laju_schemas::{EventId, Fact, SubjectId};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::strategy::ValueTree as _;
use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

use self::steps::{
    DAY_MS, Edit, FactDraft, Fault, HOUR_MS, Id, Occurred, OwnClock, REGIONS, Step, Target,
    new_event, step,
};
use crate::log::LogRecord;
use crate::wire;

/// The first day on which something happens: 2022-02-27T00:00Z, so that a month ends.
const FIRST_DAY_MS: i64 = 1_645_920_000_000;

/// A log and the number of partitions of its topic.
#[derive(Clone, Debug)]
pub struct Log {
    /// How many partitions the topic has.
    pub partitions: u32,
    /// Its records in the order of their appending, over all partitions.
    pub records: Vec<LogRecord>,
}

/// A day in or around a log: 0 is the day before the first on which most things happen, 14 one
/// after the last.
#[must_use]
pub fn day(number: i8) -> Date {
    jiff::civil::date(2022, 2, 26) + i32::from(number).days()
}

/// A day to ask about; none for no end.
pub fn asked_day() -> impl Strategy<Value = Option<Date>> {
    proptest::option::weighted(0.8, (0..=14_i8).prop_map(day))
}

/// The same records in another order and some of them more than once. Each keeps its own
/// timestamp; offsets are assigned again.
#[must_use]
pub fn reordered(records: &[LogRecord], keys: &[u16]) -> Vec<LogRecord> {
    let count = records.len().max(keys.len());
    let key = |place: usize| keys.get(place).copied().unwrap_or_default();
    let mut places: Vec<usize> = (0..count).collect();
    places.sort_by_key(|&place| key(place));
    let again = |(offset, place): (usize, usize)| LogRecord {
        offset: offset as i64,
        ..records[place % records.len()].clone()
    };
    places.into_iter().enumerate().map(again).collect()
}

/// A log of `steps` records at most, on one to three partitions, with a few records that cannot
/// be counted.
pub fn logs(steps: usize) -> impl Strategy<Value = Log> {
    let later = vec(step(), 0..steps.max(1));
    (1..=3_u32, 1..=4_u8, new_event(), later).prop_map(|(partitions, subjects, first, later)| {
        build(partitions, subjects, &[vec![first], later].concat())
    })
}

/// A log of exactly `steps` records, made from a seed.
///
/// # Panics
/// Never: nothing that is made is rejected.
#[must_use]
pub fn seeded(seed: u64, partitions: u32, subjects: u8, steps: usize) -> Log {
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let rng = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    let mut runner = TestRunner::new_with_rng(Config::default(), rng);
    let all = (new_event(), vec(step(), steps.saturating_sub(1)));
    let (first, later) = all.new_tree(&mut runner).expect("nothing is rejected").current();
    build(partitions, subjects.max(1), &[vec![first], later].concat())
}

fn subject(number: u8) -> SubjectId {
    let mut bytes = [0x5a; 16];
    bytes[0] = number.wrapping_mul(157);
    bytes[15] = number;
    SubjectId(bytes)
}

/// Ids in no order, as those of a foreign agent are.
fn event_id(number: usize) -> EventId {
    let number = number as u64;
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&number.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    EventId(bytes)
}

const TOLD_FOR_MS: i64 = 16 * DAY_MS;
const NEVER: usize = 99;
const FIRST_OWN: usize = 100;

fn build(partitions: u32, subjects: u8, steps: &[Step]) -> Log {
    let id_of = |place: usize, id: &Id| match id {
        Id::Own => event_id(FIRST_OWN + place),
        Id::Shared(number) => event_id(usize::from(*number)),
    };
    let mut ids_of_subject = vec![Vec::new(); usize::from(subjects)];
    for (place, step) in steps.iter().enumerate() {
        if let Step::New(draft) = step {
            ids_of_subject[usize::from(draft.subject % subjects)].push(id_of(place, &draft.id));
        }
    }
    let first_record = FIRST_DAY_MS + 4 * DAY_MS + 16 * HOUR_MS;
    let mut clock = first_record;
    let mut records: Vec<LogRecord> = Vec::new();
    let mut events: Vec<RawEvent<'static>> = Vec::new();
    for (place, step) in steps.iter().enumerate() {
        let going = match step {
            Step::New(draft) => draft.clock,
            Step::Again(_, clock) | Step::Variant(_, _, clock) => *clock,
        };
        clock += going.advance;
        let timestamp_ms = match going.own {
            OwnClock::Off(by) => clock + by,
            OwnClock::Absolute(ms) => ms,
        };
        // In a long log the same six days are reported only so long: else every event would be late.
        let lately = FIRST_DAY_MS + (clock - first_record) / TOLD_FOR_MS * TOLD_FOR_MS;
        let now = Now { timestamp_ms, lately };
        let record = match step {
            Step::New(draft) => {
                let whose = draft.subject % subjects;
                let fact = match &draft.fact {
                    FactDraft::Plain(fact) => *fact,
                    FactDraft::Retracted(target, reason) => Fact::Retracted {
                        event_id: match target {
                            Target::Step(index) => *index.get(&ids_of_subject[usize::from(whose)]),
                            Target::Shared(number) => event_id(usize::from(*number)),
                            Target::Never => event_id(NEVER),
                        },
                        reason: *reason,
                    },
                };
                let event = RawEvent {
                    event_id: id_of(place, &draft.id),
                    kiosk_id: draft.kiosk,
                    sequence: draft.sequence,
                    occurred_at: now.instant(&draft.occurred),
                    subject: subject(whose),
                    home_region: draft.home,
                    service_region: draft.service,
                    outreach_id: draft.visit,
                    fact,
                };
                events.push(event);
                make(event, &draft.faults, subjects, partitions, now)
            }
            Step::Again(of, _) => of.get(&records).clone(),
            Step::Variant(of, edits, _) => {
                let new_id = event_id(FIRST_OWN + place);
                let variant =
                    edits.iter().fold(*of.get(&events), |e, edit| edited(e, edit, new_id));
                make(variant, &[], subjects, partitions, now)
            }
        };
        // Offsets of a topic written with transactions have gaps.
        let offset = 2 * place as i64 + i64::from(place > 7);
        records.push(LogRecord { offset, timestamp_ms, ..record });
    }
    Log { partitions, records }
}

fn edited(event: RawEvent<'static>, edit: &Edit, new_id: EventId) -> RawEvent<'static> {
    match *edit {
        Edit::Id => RawEvent { event_id: new_id, ..event },
        Edit::Kiosk(kiosk_id) => RawEvent { kiosk_id, ..event },
        Edit::Sequence(sequence) => RawEvent { sequence, ..event },
        Edit::Later(by) => RawEvent { occurred_at: event.occurred_at.saturating_add(by), ..event },
        Edit::Home(home_region) => RawEvent { home_region, ..event },
        Edit::Service(service_region) => RawEvent { service_region, ..event },
        Edit::Visit(outreach_id) => RawEvent { outreach_id, ..event },
        Edit::Body(seed) => RawEvent { fact: other_body(event.fact, seed.into()), ..event },
    }
}

/// A fact of the same kind.
fn other_body(fact: Fact<&'static str>, seed: usize) -> Fact<&'static str> {
    fn pick<T: Copy>(all: &[T], seed: usize) -> T {
        all[seed % all.len()]
    }
    match fact {
        Fact::Activated { channel, venue, first_time_holder } => match seed % 3 {
            0 => Fact::Activated { channel: pick(Channel::ALL, seed), venue, first_time_holder },
            1 => {
                let venue = venue.is_none().then(|| pick(Venue::ALL, seed));
                Fact::Activated { channel, venue, first_time_holder }
            }
            _ => Fact::Activated { channel, venue, first_time_holder: !first_time_holder },
        },
        Fact::Deactivated { .. } => {
            Fact::Deactivated { reason: pick(DeactivationReason::ALL, seed) }
        }
        Fact::Relocated { .. } => Fact::Relocated { from_region: pick(&REGIONS, seed) },
        Fact::Deferred { .. } => Fact::Deferred { reason: pick(DeferralReason::ALL, seed) },
        Fact::CardRecorded { first_time_holder } => {
            Fact::CardRecorded { first_time_holder: !first_time_holder }
        }
        Fact::CardRequested { .. } => Fact::CardRequested { reason: pick(CardReason::ALL, seed) },
        Fact::CardPrinted { .. } => Fact::CardPrinted { reason: pick(CardReason::ALL, seed) },
        Fact::Retracted { event_id: target, reason } => {
            let event_id = if seed.is_multiple_of(2) { event_id(seed % 4) } else { target };
            let reason =
                if seed.is_multiple_of(3) { reason } else { pick(RetractionReason::ALL, seed) };
            Fact::Retracted { event_id, reason }
        }
    }
}

/// When a record is made.
#[derive(Clone, Copy)]
struct Now {
    timestamp_ms: i64,
    lately: i64,
}

impl Now {
    fn instant(self, occurred: &Occurred) -> i64 {
        match occurred {
            Occurred::At(ms) => *ms,
            Occurred::Lately(ms) => self.lately + ms,
            Occurred::Before(ms) => self.timestamp_ms.saturating_sub(*ms),
            Occurred::SinceStart(ms) => PROGRAMME_START_MS + ms,
        }
    }
}

/// An event's record, with faults.
fn make(
    event: RawEvent<'_>,
    faults: &[Fault],
    subjects: u8,
    partitions: u32,
    now: Now,
) -> LogRecord {
    let mut event = event;
    for fault in faults {
        match fault {
            Fault::Home(code) => event.home_region = code,
            Fault::Service(code) => event.service_region = code,
            Fault::Sequence(number) => event.sequence = *number,
            Fault::Occurred(at) => event.occurred_at = now.instant(at),
            Fault::Kiosk(id) => event.kiosk_id = id,
            Fault::Visit(id) => event.outreach_id = Some(id),
            Fault::From(from_region) => event.fact = Fact::Relocated { from_region },
            _ => {}
        }
    }
    let mut key = Some(event.subject.0.to_vec());
    let mut partition = partition_for(&event.subject.0, partitions);
    let mut value = Some(wire::single_object(&event));
    for fault in faults {
        match fault {
            Fault::NoValue => value = None,
            Fault::EmptyValue => value = Some(Vec::new()),
            Fault::Padded(length) => {
                if let Some(value) = &mut value {
                    value.resize(*length, 0);
                }
            }
            Fault::NoFraming => value = Some(b"{\"event_id\": 1}".to_vec()),
            Fault::Framed(framing) => value = Some(wire::framed(&event, *framing)),
            Fault::CutOff(at) => {
                if let Some(value) = &mut value {
                    value.truncate(*at);
                }
            }
            Fault::Rest => value.iter_mut().for_each(|value| value.push(0)),
            Fault::NoKey => key = None,
            Fault::KeyOf(other) => {
                let other = subject(other % (subjects + 1));
                partition = partition_for(&other.0, partitions);
                key = Some(other.0.to_vec());
            }
            Fault::LongKey => key.iter_mut().for_each(|key| key.push(0)),
            Fault::Partition => partition = (partition + 1) % partitions,
            _ => {}
        }
    }
    LogRecord { partition, offset: 0, timestamp_ms: now.timestamp_ms, key, value }
}
