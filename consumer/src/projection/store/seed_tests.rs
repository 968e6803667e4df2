//! A store taken chunk by chunk: the same as the one that it is taken from, whatever interrupts it, and
//! not a store before it has everything.

use laju_schemas::quarantine::Reason;
use laju_schemas::{EventId, SubjectId};
use proptest::prelude::*;

use super::*;
use crate::domain::admission::{Admitted, Refusal};
use crate::projection::format::{SeedRow, seed_key};
use crate::projection::partition::{PartitionState, RecordMark};
use crate::query::fixtures::region;
use crate::query::folded_log::ACTIVATED;

/// What the stores made here belong to.
pub(crate) fn log() -> Log {
    Log {
        cluster_id: "a cluster".to_owned(),
        topic_id: Some("an id".to_owned()),
        topic: "ikd.events.v1".to_owned(),
        partitions: 2,
        fold_version: "a version".to_owned(),
    }
}

/// A store with the fold that is committed to it.
pub(crate) struct Made {
    pub(crate) store: Store,
    states: Vec<PartitionState>,
    next: u32,
}

impl Made {
    /// An empty one, of a node of this name.
    pub(crate) fn new(path: &Path, node_id: &str) -> Self {
        let store = Store::open(path, &log(), false, || node_id.to_owned()).unwrap();
        Self { store, states: (0..2).map(PartitionState::new).collect(), next: 0 }
    }

    /// Folds and commits so many events, each of a visit of its own; every tenth cannot be counted.
    pub(crate) fn fold(&mut self, count: u32) -> &mut Self {
        for number in self.next..self.next + count {
            let state = &mut self.states[number as usize % 2];
            let offset = state.position().next_offset;
            let timestamp = 1_700_000_000_000 + i64::from(number) * 60_000;
            let mark = RecordMark { offset, timestamp, digest: number.into() };
            if number % 10 == 9 {
                let refusal = Refusal::new(Reason::InFuture, "occurred_at: made by hand");
                state.refused(mark, &refusal, None);
                continue;
            }
            let mut id = [7; 16];
            id[..4].copy_from_slice(&number.to_le_bytes());
            let event = Admitted {
                event_id: EventId(id),
                subject: SubjectId(id),
                kiosk: ["K-1", "K-2", "K-3"][number as usize % 3],
                sequence: number + 1,
                occurred_at: timestamp - 1_000,
                home: region("18.71"),
                service: region("18.71"),
                outreach: Some(&format!("visit-{number}")),
                fact: ACTIVATED,
                is_released: false,
            };
            state.counted(mark, &event);
        }
        self.next += count;
        let commits: Vec<_> =
            self.states.iter_mut().filter_map(PartitionState::take_commit).collect();
        self.store.commit(&commits).unwrap();
        self
    }

    pub(crate) fn rows(&self) -> Vec<PositionRow> {
        let reader = self.store.reader();
        (0..2).map(|partition| reader.position(partition).unwrap()).collect()
    }
}

fn chunks(
    reader: &StoreReader,
    partition: u32,
    kind: Kind,
    range: std::ops::Range<u64>,
) -> Vec<Chunk> {
    let mut chunks = Vec::new();
    let every = reader.read(partition, kind, range, |value| {
        chunks.push(Chunk::new(value.to_vec()).unwrap());
        true
    });
    assert!(every.unwrap());
    chunks
}

fn seeding(path: &Path) -> Seeding {
    match Store::open_or_seed(path, &log(), || "the new one".to_owned()).unwrap() {
        Opening::Unfinished(seeding) => *seeding,
        Opening::There(_) => panic!("it is a store"),
    }
}

/// Takes what is lacking of a node's chunks, `at_once` together, until `budget` of them came.
fn take(
    seeding: &mut Seeding,
    origin: &Made,
    rows: &[PositionRow],
    at_once: u64,
    budget: &mut u64,
) {
    let reader = origin.store.reader();
    for (partition, row) in (0..).zip(rows) {
        for kind in Kind::ALL {
            loop {
                let (here, wanted) = (seeding.chain(partition, kind), row.chains[kind as usize]);
                let to =
                    wanted.count.min(here.count + at_once).min(here.count.saturating_add(*budget));
                if to == here.count {
                    break;
                }
                *budget -= to - here.count;
                let chunks = chunks(&reader, partition, kind, here.count..to);
                seeding.add(partition, kind, &chunks).unwrap();
            }
        }
    }
}

/// Everything in a store but what it says of whose it is.
fn contents(store: &Store) -> Vec<(Vec<u8>, Vec<u8>)> {
    let all = store.database.iter().map(|row| row.unwrap());
    let all = all.filter(|(key, _)| key.as_ref() != IDENTITY_KEY);
    all.map(|(key, value)| (key.to_vec(), value.to_vec())).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn wherever_it_is_interrupted_it_becomes_the_same_store(
        commits in prop::collection::vec(1_u32..400, 1..6),
        cuts in prop::collection::vec(0_u64..40, 0..6),
        at_once in 1_u64..9,
        meanwhile in prop::collection::vec(0_u32..200, 6),
    ) {
        let (origin_at, path) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let mut origin = Made::new(origin_at.path(), "the origin");
        for count in commits {
            origin.fold(count);
        }
        for (cut, more) in cuts.into_iter().zip(meanwhile) {
            let mut seeding = seeding(path.path());
            seeding.begin("the origin").unwrap();
            let rows = origin.rows();
            let mut budget = cut;
            take(&mut seeding, &origin, &rows, at_once, &mut budget);
            drop(seeding);
            prop_assert!(matches!(
                Store::open(path.path(), &log(), false, String::new),
                Err(StoreError::Unfinished(_))
            ));
            // The other node goes on.
            if more > 0 {
                origin.fold(more);
            }
        }
        let mut seeding = seeding(path.path());
        seeding.begin("the origin").unwrap();
        let rows = origin.rows();
        let expected = contents(&origin.store);
        origin.fold(10);
        take(&mut seeding, &origin, &rows, at_once, &mut u64::MAX.clone());
        let mut store = seeding.finish(&rows).unwrap();
        prop_assert_eq!(contents(&store), expected);
        let loaded = store.load(&|_| {}).unwrap();
        for (stored, row) in loaded.iter().zip(&rows) {
            prop_assert_eq!(stored.state.position(), &row.position);
        }
        prop_assert_eq!(&store.identity().node_id, "the new one");
        drop((loaded, store));
        let opened = Store::open(path.path(), &log(), false, String::new).unwrap();
        prop_assert_eq!(&opened.identity().node_id, "the new one");
    }
}

#[test]
fn what_is_unfinished_is_nobodys_store_and_can_be_made_from_kafka() {
    let (origin_at, path) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut origin = Made::new(origin_at.path(), "the origin");
    origin.fold(500);
    let mut unfinished = seeding(path.path());
    unfinished.begin("the origin").unwrap();
    take(&mut unfinished, &origin, &origin.rows(), 5, &mut 7);
    // Nor while it is under way.
    let in_use = Store::open(path.path(), &log(), false, String::new).err().unwrap();
    assert!(matches!(in_use, StoreError::InUse(_)), "{in_use}");
    drop(unfinished);
    for refused in [
        Store::open(path.path(), &log(), false, String::new).err().unwrap(),
        Store::open_existing(path.path()).err().unwrap(),
    ] {
        assert!(matches!(refused, StoreError::Unfinished(_)), "{refused}");
        for word in ["--seed", "--rebuild", "not all of it"] {
            assert!(refused.to_string().contains(word), "{refused}");
        }
    }
    let rebuilt = Store::open(path.path(), &log(), true, || "rebuilt".to_owned()).unwrap();
    assert_eq!((rebuilt.chunks(), &*rebuilt.identity().node_id), (0, "rebuilt"));
    drop(rebuilt);
    let opening = Store::open_or_seed(path.path(), &log(), String::new).unwrap();
    assert!(matches!(opening, Opening::There(_)));
}

#[test]
fn it_is_no_store_before_every_chunk_is_there() {
    let (origin_at, path) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut origin = Made::new(origin_at.path(), "the origin");
    origin.fold(500);
    let rows = origin.rows();
    let all: u64 = origin.store.chunks();
    for budget in 0..all {
        let mut seeding = seeding(path.path());
        seeding.begin("the origin").unwrap();
        take(&mut seeding, &origin, &rows, 1, &mut budget.min(1));
        let refused = seeding.finish(&rows).err().unwrap();
        assert!(matches!(refused, StoreError::Unfinished(_)), "{refused}");
    }
    let mut seeding = seeding(path.path());
    take(&mut seeding, &origin, &rows, 1, &mut 1);
    assert!(seeding.finish(&rows).is_ok());
}

#[test]
fn chunks_of_another_node_are_taken_away_before_any_of_this_one_comes() {
    let directories = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let mut first = Made::new(directories[0].path(), "the first");
    first.fold(900);
    let mut second = Made::new(directories[1].path(), "the second");
    for _ in 0..30 {
        second.fold(30);
    }
    let path = directories[2].path();
    let mut taken = seeding(path);
    assert_eq!(taken.begin("the first").unwrap(), Begun::Empty);
    take(&mut taken, &first, &first.rows(), 9, &mut u64::MAX.clone());
    drop(taken);
    let mut taken = seeding(path);
    assert_eq!(taken.begin("the first").unwrap(), Begun::GoesOn);
    assert_eq!(taken.chain(1, Kind::Facts), first.rows()[1].chains[Kind::Facts as usize]);
    assert_eq!(taken.begin("the second").unwrap(), Begun::OfAnotherNode);
    assert_eq!(taken.chain(1, Kind::Facts), Chain::default());
    assert_eq!(taken.database.iter().filter(|row| row.as_ref().unwrap().0[0] != b'S').count(), 0);
    take(&mut taken, &second, &second.rows(), 9, &mut u64::MAX.clone());
    let store = taken.finish(&second.rows()).unwrap();
    assert_eq!(contents(&store), contents(&second.store));
}

#[test]
fn what_a_kill_left_of_chunks_that_do_not_count_is_taken_away() {
    let (origin_at, path) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut origin = Made::new(origin_at.path(), "the origin");
    origin.fold(900);
    let rows = origin.rows();
    let mut taken = seeding(path.path());
    taken.begin("the origin").unwrap();
    take(&mut taken, &origin, &rows, 9, &mut u64::MAX.clone());
    // As in the middle of taking them away: they do not count, and are there.
    let mut chains = rows[0].chains;
    chains[Kind::Kiosks as usize] = Chain::default();
    chains[Kind::Facts as usize] = Chain::default();
    taken.database.insert(seed_key(0), format::row(&chains)).unwrap();
    drop(taken);
    let mut taken = seeding(path.path());
    assert_eq!(taken.chain(0, Kind::Kiosks), Chain::default());
    assert_eq!(taken.database.scan_prefix(Kind::Kiosks.prefix(0)).count(), 0);
    assert_eq!(taken.chain(1, Kind::Kiosks), rows[1].chains[Kind::Kiosks as usize]);
    take(&mut taken, &origin, &rows, 9, &mut u64::MAX.clone());
    assert_eq!(contents(&taken.finish(&rows).unwrap()), contents(&origin.store));
}

#[test]
fn rows_of_an_unfinished_store_that_are_damaged_are_said_to_be() {
    let path = tempfile::tempdir().unwrap();
    let mut taken = seeding(path.path());
    taken.begin("the origin").unwrap();
    let row: SeedRow = format::read_row(&taken.database.get(SEED_KEY).unwrap().unwrap()).unwrap();
    assert_eq!(row.node_id, "the origin");
    taken.database.insert(seed_key(1), &b"damaged"[..]).unwrap();
    drop(taken);
    let refused = Store::open_or_seed(path.path(), &log(), String::new).err().unwrap();
    assert!(matches!(refused, StoreError::Damaged { .. }), "{refused}");
}

#[test]
fn a_chunk_with_a_wrong_checksum_is_none() {
    let sealed = format::seal(b"payload");
    assert_eq!(Chunk::new(sealed.clone()).unwrap().value(), sealed);
    for place in 0..sealed.len() {
        let mut damaged = sealed.clone();
        damaged[place] ^= 1;
        assert_eq!(Chunk::new(damaged), None, "{place}");
    }
    assert_eq!(Chunk::new(Vec::new()), None);
}
