//! What the stream promises.

use std::collections::{HashMap, HashSet};

use laju_schemas::RegionTable;
use laju_schemas::codec::Encoder;
use laju_schemas::event::FactKind;
use laju_schemas::known::{EventReader, ReadError};
use laju_schemas::partition::partition_for;
use laju_schemas::quarantine::Reason;

use super::*;
use crate::scenario::Shares;

/// 2024-01-01 to 2024-01-29, in Asia/Jakarta.
const FROM: TimestampMs = TimestampMs(1_704_042_000_000);
const TO: TimestampMs = TimestampMs(1_704_042_000_000 + 28 * 86_400_000);

fn scenario(seed: u64, events: u64) -> Scenario {
    Scenario {
        seed,
        events: Some(events),
        kiosks: 50,
        subjects: 1_000_000,
        from: FROM,
        to: TO,
        shares: Shares { bad: 0.02, disorder: 0.2, duplicates: 0.05, ..Shares::default() },
    }
}

fn records(seed: u64, events: u64) -> Vec<SimulatedRecord> {
    Generator::new(scenario(seed, events)).unwrap().collect()
}

#[test]
fn the_same_seed_gives_the_same_stream_and_another_another() {
    assert_eq!(records(1, 5_000), records(1, 5_000));
    assert_ne!(records(1, 100), records(2, 100));
}

/// Golden: a seed means the same stream in every version of this program.
#[test]
fn a_seed_means_the_same_stream_for_ever() {
    let encoder = Encoder::events(None);
    let mut checksum = crc32fast::Hasher::new();
    for record in records(1, 20_000) {
        let mut bytes = record.key().0.to_vec();
        record.encode(&encoder, &mut bytes).unwrap();
        bytes.extend(record.recorded_at.0.to_le_bytes());
        bytes.extend(record.partition(6).to_le_bytes());
        checksum.update(&bytes);
    }
    assert_eq!(format!("{:08x}", checksum.finalize()), "f8e9309b");
}

#[test]
fn there_are_exactly_as_many_records_as_asked_for_in_the_order_of_their_time() {
    for events in [1, 2, 10, 1_000, 20_000] {
        let records = records(3, events);
        assert_eq!(records.len() as u64, events);
        assert!(records.is_sorted_by_key(|record| record.recorded_at));
        assert!(records.iter().all(|r| (FROM..=TO).contains(&r.recorded_at)));
    }
}

#[test]
fn the_shares_are_kept() {
    let records = records(4, 50_000);
    let share = |test: &dyn Fn(&SimulatedRecord) -> bool| {
        records.iter().filter(|record| test(record)).count() as f64 / records.len() as f64
    };
    let is = |trouble| move |record: &SimulatedRecord| record.trouble == Some(trouble);
    assert!((share(&is(Trouble::Duplicate)) - 0.05).abs() < 0.01);
    assert!((share(&is(Trouble::Late)) - 0.2).abs() < 0.04);
    let bad = share(&|record| matches!(record.trouble, Some(Trouble::Bad(_))));
    assert!((bad - 0.02).abs() < 0.005, "{bad}");
    for kind in FactKind::ALL {
        let found = share(&|record| record.event.fact.kind() == kind);
        assert!(found > 0.001, "{kind}: {found}");
    }
}

#[test]
fn every_kiosk_counts_its_events_without_a_gap_and_late_ones_come_out_of_order() {
    let mut generator = Generator::new(Scenario {
        shares: Shares { bad: 0.0, ..scenario(5, 0).shares },
        ..scenario(5, 30_000)
    })
    .unwrap();
    let mut seen: HashMap<_, Vec<u32>> = HashMap::new();
    for record in &mut generator {
        let event = &record.event;
        if record.trouble != Some(Trouble::Duplicate) {
            seen.entry(event.kiosk_id.clone()).or_default().push(event.sequence.get());
        }
    }
    assert!(seen.values().any(|sequences| !sequences.is_sorted()));
    for status in generator.statuses() {
        let mut sequences = seen.remove(&status.kiosk_id).unwrap_or_default();
        sequences.sort_unstable();
        assert!(sequences.into_iter().eq(1..=status.highest_sequence));
        assert_eq!(status.unsent, 0, "everything held back was sent in the end");
    }
}

#[test]
fn what_a_kiosk_says_holds_at_every_moment_of_the_stream() {
    let shares = Shares { bad: 0.0, ..scenario(5, 0).shares };
    let mut generator = Generator::new(Scenario { shares, ..scenario(5, 3_000) }).unwrap();
    let mut sent: HashMap<_, HashSet<u32>> = HashMap::new();
    while let Some(SimulatedRecord { event, .. }) = generator.next() {
        sent.entry(event.kiosk_id).or_default().insert(event.sequence.get());
        for status in generator.statuses() {
            let sent = sent.get(&status.kiosk_id).map_or(0, HashSet::len) as u64;
            assert_eq!(sent + status.unsent, u64::from(status.highest_sequence), "{status:?}");
            assert_eq!(status.oldest_unsent.is_some(), status.unsent > 0);
        }
    }
}

#[test]
fn ordinary_events_can_be_counted_and_retractions_name_an_event_of_the_same_citizen() {
    let table = RegionTable::get();
    let mut owner = HashMap::new();
    let mut retractions = Vec::new();
    for record in records(6, 30_000) {
        if matches!(record.trouble, Some(Trouble::Bad(_))) {
            continue;
        }
        let event = &record.event;
        assert_eq!(record.key(), event.subject);
        assert!(table.index_of(event.home_region).is_some());
        assert!(event.occurred_at <= record.recorded_at && event.occurred_at >= FROM);
        owner.insert(event.event_id, event.subject);
        if let Fact::Retracted { event_id, .. } = event.fact {
            retractions.push((event_id, event.subject));
        }
    }
    assert!(retractions.len() > 100);
    let known = retractions.iter().filter(|(id, _)| owner.contains_key(id));
    // Some retract an event that was spoilt.
    assert!(known.clone().count() > retractions.len() * 9 / 10);
    assert!(known.clone().all(|(id, subject)| owner[id] == *subject));
}

#[test]
fn each_bad_record_is_bad_for_its_reason() {
    let encoder = Encoder::events(None);
    let mut reader = EventReader::new(&[]).unwrap();
    let table = RegionTable::get();
    let mut reasons = HashSet::new();
    for record in records(7, 5_000) {
        let mut value = Vec::new();
        record.encode(&encoder, &mut value).unwrap();
        let Some(Trouble::Bad(reason)) = record.trouble else {
            assert!(reader.read(&value).is_ok());
            continue;
        };
        reasons.insert(reason);
        let read = reader.read(&value);
        match reason {
            Reason::UnknownSchema => assert!(matches!(read, Err(ReadError::UnknownSchema(_)))),
            Reason::Undecodable => assert!(matches!(read, Err(ReadError::Decode(_)))),
            Reason::WrongKey => assert_ne!(read.unwrap().subject, record.key()),
            Reason::WrongPartition => {
                assert_ne!(record.partition(6), partition_for(&record.key().0, 6));
            }
            Reason::UnknownRegion => assert!(table.regency(read.unwrap().home_region).is_none()),
            Reason::SequenceOutOfRange => {
                let read = read.unwrap();
                assert_eq!((read.sequence, read.subject), (0, record.key()));
            }
            Reason::BeforeProgramme => assert!(read.unwrap().occurred_at < 1_640_970_000_000),
            Reason::InFuture => {
                assert!(read.unwrap().occurred_at > record.recorded_at.0 + 86_400_000);
            }
            other => panic!("{other}"),
        }
    }
    assert_eq!(reasons.len(), Trouble::BAD.len());
}

#[test]
fn there_are_no_more_citizens_than_asked_for() {
    let few = Scenario { subjects: 100, ..scenario(8, 20_000) };
    let subjects: HashSet<_> = Generator::new(few)
        .unwrap()
        .filter(|record| !matches!(record.trouble, Some(Trouble::Bad(_))))
        .map(|record| record.key())
        .collect();
    assert!(subjects.len() <= 100 && subjects.len() > 90, "{}", subjects.len());
}

#[test]
fn an_event_has_about_110_bytes() {
    let encoder = Encoder::events(None);
    let mut bytes = Vec::new();
    for record in records(9, 5_000) {
        record.encode(&encoder, &mut bytes).unwrap();
    }
    let mean = bytes.len() / 5_000;
    assert!((95..=125).contains(&mean), "{mean}");
}

#[test]
fn a_stream_without_an_end_stays_within_its_period() {
    let endless = Scenario { events: None, kiosks: 2, ..scenario(10, 0) };
    let last = Generator::new(endless).unwrap().nth(20_000).unwrap();
    assert!(last.recorded_at <= TO);
}

#[test]
fn a_scenario_that_cannot_be_played_is_refused() {
    let refused = |change: &dyn Fn(&mut Scenario)| {
        let mut scenario = scenario(1, 1);
        change(&mut scenario);
        Generator::new(scenario).err().unwrap()
    };
    assert_eq!(refused(&|s| s.shares.outreach = 1.5), ScenarioError::Share("outreach"));
    assert_eq!(refused(&|s| s.shares.bad = f64::NAN), ScenarioError::Share("bad"));
    assert_eq!(refused(&|s| s.shares.cards = 1.0), ScenarioError::Facts);
    assert_eq!(refused(&|s| s.shares.duplicates = 1.0), ScenarioError::Records);
    assert_eq!(refused(&|s| s.kiosks = 0), ScenarioError::Nobody);
    assert_eq!(refused(&|s| s.to = s.from), ScenarioError::Period);
}
