//! What is reported of a store of another version of the program or a damaged one, what is stored of a
//! partition that begins again, and that what is loaded is what was folded.

use std::ops::Range;

use laju_schemas::event::{CardReason, DeactivationReason, DeferralReason, RetractionReason};
use laju_schemas::quarantine::Reason;
use laju_schemas::{EventId, Fact, SubjectId};
use proptest::prelude::*;

use super::*;
use crate::domain::admission::{Admitted, Refusal};
use crate::projection::bitruns::BitRuns;
use crate::projection::format::FORMAT_VERSION;
use crate::projection::partition::{PartitionState, RecordMark};
use crate::projection::partition_ledger::PartitionLedger;
use crate::query::fixtures::region;
use crate::query::folded_log::ACTIVATED;

fn open(path: &Path, rebuild: bool) -> Result<Store, StoreError> {
    let log = Log {
        cluster_id: "a cluster".to_owned(),
        topic_id: Some("an id".to_owned()),
        topic: "ikd.events.v1".to_owned(),
        partitions: 2,
        fold_version: "a version".to_owned(),
    };
    Store::open(path, &log, rebuild, || "a worker".to_owned())
}

#[test]
fn a_store_is_made_beside_what_systems_leave_and_beside_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    for name in ["lost+found", "@eaDir"] {
        fs::create_dir(path.join(name)).unwrap();
    }
    for name in [".DS_Store", "desktop.ini"] {
        fs::write(path.join(name), "theirs").unwrap();
    }
    fs::write(path.join("letter.txt"), "").unwrap();
    assert!(matches!(open(path, false), Err(StoreError::Foreign(_))));
    assert!(matches!(open(path, true), Err(StoreError::Foreign(_))));
    fs::remove_file(path.join("letter.txt")).unwrap();
    drop(open(path, false).unwrap());
    fs::write(path.join(DATABASE).join(".DS_Store"), "theirs").unwrap();
    drop(open(path, false).unwrap());
    drop(open(path, true).unwrap());
    assert_eq!(fs::read(path.join(".DS_Store")).unwrap(), b"theirs");
    assert!(path.join("lost+found").is_dir() && path.join("@eaDir").is_dir());
}

#[test]
fn a_store_of_an_older_format_is_refused_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    drop(open(path, false).unwrap());
    let database = open_database(path).unwrap();
    let mut identity = read_identity(&database).unwrap();
    identity.format_version = FORMAT_VERSION - 1;
    database.insert(IDENTITY_KEY, format::row(&identity)).unwrap();
    database.flush().unwrap();
    drop(database);
    let refused = open(path, false).err().unwrap();
    assert!(matches!(refused, StoreError::Format { found, .. } if found == FORMAT_VERSION - 1));
    assert!(refused.to_string().contains("--rebuild"), "{refused}");
    let rebuilt = open(path, true).unwrap();
    assert_eq!(rebuilt.identity().format_version, FORMAT_VERSION);
}

/// Stores that the records at these offsets of the first partition cannot be counted.
fn refuse(store: &mut Store, state: &mut PartitionState, offsets: Range<i64>) {
    for offset in offsets {
        let mark = RecordMark { offset, timestamp: 1_720_000_000_000, digest: 7 };
        let refusal = Refusal { reason: Reason::WrongKey, detail: "a long reason ".repeat(9) };
        state.refused(mark, &refusal, None);
    }
    store.commit(&[state.take_commit().unwrap()]).unwrap();
}

/// The offsets of the rows from one on, read in bites.
fn offsets(reader: &StoreReader, from: i64) -> Vec<i64> {
    let (mut found, mut chunk) = (Vec::new(), 0);
    loop {
        let bite = reader.refused(0, chunk, from, 10).unwrap();
        if bite.next_chunk == chunk {
            return found;
        }
        found.extend(bite.rows.iter().map(|row| row.offset));
        chunk = bite.next_chunk;
    }
}

#[test]
fn a_partition_that_begins_again_takes_the_place_of_all_that_was_stored_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path(), false).unwrap();
    let reader = store.reader();
    assert_eq!(offsets(&reader, 0), Vec::<i64>::new());
    refuse(&mut store, &mut PartitionState::new(0), 0..500);
    assert!(offsets(&reader, 0).into_iter().eq(0..500));
    assert!(offsets(&reader, 250).into_iter().eq(250..500));
    assert!(offsets(&reader, 500).is_empty());

    refuse(&mut store, &mut PartitionState::again(0), 0..100);
    assert!(offsets(&reader, 0).into_iter().eq(0..100));
    drop((store, reader));
    let mut store = open(directory.path(), false).unwrap();
    let mut stored = store.load(&|_| ()).unwrap();
    assert_eq!(stored[0].ledger.view.tallies.quarantined, 100);
    assert_eq!(stored[0].state.position().next_offset, 100);
    // It goes on like any other.
    refuse(&mut store, &mut stored[0].state, 100..150);
    assert!(offsets(&store.reader(), 0).into_iter().eq(0..150));
}

/// A citizen's event in a log made by hand.
#[derive(Clone, Debug)]
struct Made {
    citizen: u8,
    id: u8,
    kind: u8,
    minutes: u16,
    late_hours: u8,
    visit: Option<u8>,
    is_released: bool,
}

prop_compose! {
    fn made()(
        (citizen, id, kind) in (0..6_u8, 0..60_u8, 0..8_u8),
        (minutes, late_hours) in (any::<u16>(), 0..80_u8),
        visit in prop::option::of(0..3_u8),
        is_released in prop::bool::weighted(0.2),
    ) -> Made {
        Made { citizen, id, kind, minutes, late_hours, visit, is_released }
    }
}

impl Made {
    fn fold(&self, number: u32, state: &mut PartitionState) {
        let fact = match self.kind {
            0 => Fact::Deactivated { reason: DeactivationReason::DeviceLost },
            1 => Fact::Relocated { from_region: "31.71".parse().unwrap() },
            2 => Fact::Deferred { reason: DeferralReason::NoSmartphone },
            3 => Fact::CardRequested { reason: CardReason::Lost },
            4 => Fact::CardPrinted { reason: CardReason::Lost },
            5 => {
                // What is taken back may come later.
                let (event_id, reason) = (EventId([self.id ^ 1; 16]), RetractionReason::Test);
                Fact::Retracted { event_id, reason }
            }
            _ => ACTIVATED,
        };
        let start = 1_700_000_000_000;
        let occurred_at = start + i64::from(self.minutes) * 60_000;
        let timestamp = start + i64::from(number) * 3_600_000 + i64::from(self.late_hours);
        let home = region(["18.71", "18.72", "31.71"][self.id as usize % 3]);
        let visit = self.visit.map(|visit| format!("visit-{visit}"));
        let event = Admitted {
            event_id: EventId([self.id; 16]),
            subject: SubjectId([self.citizen; 16]),
            kiosk: ["K-1", "K-2"][self.id as usize % 2],
            sequence: u32::from(self.id) + 1,
            occurred_at: occurred_at - i64::from(self.late_hours) * 3_600_000,
            home,
            service: region("18.71"),
            outreach: visit.as_deref(),
            fact,
            is_released: self.is_released,
        };
        let offset = state.position().next_offset;
        state.counted(RecordMark { offset, timestamp, digest: 7 }, &event);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    /// The ledger is not stored, and is there again: of events that were released, taken back, sent
    /// twice and late, in whatever commits.
    #[test]
    fn what_is_loaded_posts_what_was_posted(
        log in prop::collection::vec(made(), 1..120),
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..5),
    ) {
        let directory = tempfile::tempdir().unwrap();
        let mut store = open(directory.path(), false).unwrap();
        let mut folded = PartitionLedger::empty(0);
        let mut state = PartitionState::new(0);
        for (place, event) in log.iter().enumerate() {
            event.fold(place as u32, &mut state);
            let is_cut = cuts.iter().any(|cut| cut.index(log.len()) == place);
            if is_cut || place + 1 == log.len() {
                let commits = [state.take_commit().unwrap()];
                store.commit(&commits).unwrap();
                commits.into_iter().for_each(|commit| folded.add(commit));
            }
        }
        let alive = store.reader().ledger(0).unwrap();
        drop(store);
        let mut store = open(directory.path(), false).unwrap();
        let (stored, node) = store.load_node(&|_| ()).unwrap();
        let loaded = store.load(&|_| ()).unwrap().swap_remove(0);
        for part in [&alive, &loaded.ledger] {
            prop_assert!(part.ledger_bytes() == folded.ledger_bytes());
            prop_assert_eq!(part.view.tallies, folded.view.tallies);
            prop_assert_eq!(part.view.subjects, folded.view.subjects);
            let all = |sets: &BitRuns| (0..2).map(|kiosk| sets.of(kiosk)).collect::<Vec<_>>();
            prop_assert_eq!(all(&part.view.received), all(&folded.view.received));
            prop_assert_eq!(all(&part.view.served), all(&folded.view.served));
            prop_assert_eq!(all(&part.view.days), all(&folded.view.days));
            prop_assert!(part.view.recent.by_day().eq(folded.view.recent.by_day()));
        }
        // There is one partition, whose numbers are the node's.
        prop_assert_eq!(node.ledger().merged(), folded.ledger.merged());
        prop_assert_eq!(stored[0].1.tallies, folded.view.tallies);
    }
}

/// A store of a few events, and what is in it.
fn small(path: &Path) -> Vec<(sled::IVec, sled::IVec)> {
    let mut made = seed_tests::Made::new(path, "a worker");
    made.fold(24);
    made.fold(8);
    made.store.database.iter().map(Result::unwrap).collect()
}

#[test]
fn a_change_of_any_byte_of_a_chunk_is_refused() {
    let directory = tempfile::tempdir().unwrap();
    let rows = small(directory.path());
    let mut store = Store::open(directory.path(), &seed_tests::log(), false, String::new).unwrap();
    store.load(&|_| ()).unwrap();
    let chunks = rows.iter().filter(|(key, _)| key.len() == 11);
    assert!(chunks.clone().count() >= 10);
    for (key, value) in chunks {
        for place in 0..value.len() {
            let mut changed = value.to_vec();
            changed[place] ^= 1 << (place % 8);
            let mut payload = format::unseal(value).unwrap().to_vec();
            // With a checksum of its own, too.
            if let Some(byte) = payload.get_mut(place) {
                *byte ^= 1 << (place % 8);
            } else {
                payload.push(0);
            }
            for changed in [changed, format::seal(&payload)] {
                store.database.insert(key, changed).unwrap();
                let refused = store.load_node(&|_| ()).err().unwrap();
                assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
            }
        }
        store.database.insert(key, value).unwrap();
    }
    store.load_node(&|_| ()).unwrap();
}

#[test]
fn facts_that_are_not_those_that_were_counted_are_refused_where_all_else_adds_up() {
    let directory = tempfile::tempdir().unwrap();
    small(directory.path());
    let mut store = Store::open(directory.path(), &seed_tests::log(), false, String::new).unwrap();
    let mut row = store.reader().position(0).unwrap();
    store.load_node(&|_| ()).unwrap();
    // The last chunk of facts is left out.
    let chain = &mut row.chains[Kind::Facts as usize];
    let last = chain.count - 1;
    *chain = Chain::default();
    for number in 0..last {
        let value = store.database.get(Kind::Facts.key(0, number)).unwrap().unwrap();
        *chain = chain.with(format::unseal(&value).unwrap());
    }
    store.database.remove(Kind::Facts.key(0, last)).unwrap();
    store.database.insert(position_key(0), format::row(&row)).unwrap();
    let refused = store.load_node(&|_| ()).err().unwrap();
    assert!(refused.to_string().contains("its facts are not those it counts"), "{refused}");
}
