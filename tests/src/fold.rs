//! Folds a log as a worker does, without a broker.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::Deref;
use std::path::Path;
use std::sync::Arc;

use laju_consumer::domain::admission::{Admitted, Refusal, Verdict, clamp_timestamp, judge};
use laju_consumer::projection::node_ledger::NodeLedger;
use laju_consumer::projection::partition::{
    PartitionCommit, PartitionState, RecordMark, UnverifiedFields,
};
use laju_consumer::projection::partition_ledger::{PartitionLedger, PartitionLedgers};
use laju_consumer::projection::snapshot::Snapshot;
use laju_consumer::projection::store::{Log, Store, StoreError, StoredPartition};
use laju_schemas::RawEvent;
use laju_schemas::known::EventReader;

use crate::log::LogRecord;

/// A log that was folded.
#[derive(Default)]
pub struct Folded {
    /// Each partition with its own ledger.
    pub ledgers: PartitionLedgers,
    /// What a worker's readers see, and the ledger of all partitions.
    pub snapshot: Snapshot,
}

impl Deref for Folded {
    type Target = Snapshot;

    fn deref(&self) -> &Snapshot {
        &self.snapshot
    }
}

/// A log in the making, as a worker's committing thread has it.
#[derive(Default)]
struct Committed {
    ledgers: PartitionLedgers,
    node: NodeLedger,
}

impl Committed {
    fn add(&mut self, commits: impl IntoIterator<Item = PartitionCommit>) {
        for commit in commits {
            self.node.note(commit.partition, &commit.names, commit.cells.iter().copied());
            self.ledgers.add(commit);
        }
        self.node.post();
    }

    fn finish(self) -> Folded {
        let Self { ledgers, node } = self;
        let view = |part: &PartitionLedger| (part.view.partition, Arc::new(part.view.clone()));
        let snapshot = Snapshot::of(ledgers.0.values().map(view).collect(), &node);
        Folded { ledgers, snapshot }
    }
}

/// The state after the whole of a log of a topic with so many partitions. Each cut is a place
/// in the log before which everything so far is committed; after the last record is another.
///
/// # Panics
/// Never for a log that a broker could have.
#[must_use]
pub fn fold_log(log: &[LogRecord], partitions: u32, cuts: &[usize]) -> Folded {
    let mut reader = EventReader::new(&[]).expect("no other schemas are given");
    let mut states: BTreeMap<u32, PartitionState> = BTreeMap::new();
    let mut committed = Committed::default();
    for (place, record) in log.iter().enumerate() {
        if cuts.contains(&place) {
            committed.add(states.values_mut().filter_map(PartitionState::take_commit));
        }
        let state =
            states.entry(record.partition).or_insert_with(|| PartitionState::new(record.partition));
        fold_record(&mut reader, state, partitions, record);
    }
    committed.add(states.values_mut().filter_map(PartitionState::take_commit));
    committed.finish()
}

/// The same through a store in `directory`, which is closed and opened again at every cut: each
/// part of the log is folded by a worker that knows only what the store tells it.
///
/// # Errors
/// If the store cannot be used, or refuses what it wrote itself.
pub fn fold_log_reopening(
    log: &[LogRecord],
    partitions: u32,
    cuts: &[usize],
    directory: &Path,
) -> Result<Folded, StoreError> {
    let belongs = some_log(partitions);
    let mut reader = EventReader::new(&[]).expect("no other schemas are given");
    let open = || {
        let mut store = Store::open(directory, &belongs, false, || "a worker".to_owned())?;
        let stored = store.load(&|_| ())?;
        Ok::<_, StoreError>((store, stored))
    };
    let ends: BTreeSet<usize> = cuts.iter().copied().chain([log.len()]).collect();
    let mut start = 0;
    for end in ends {
        let (mut store, mut stored) = open()?;
        for record in &log[start..end] {
            let of_it = &mut stored[record.partition as usize];
            fold_record(&mut reader, &mut of_it.state, partitions, record);
        }
        let commits = stored.iter_mut().filter_map(|stored| stored.state.take_commit());
        store.commit(&commits.collect::<Vec<_>>())?;
        start = end;
    }
    Ok(loaded(open()?.1))
}

fn some_log(partitions: u32) -> Log {
    Log {
        cluster_id: "a cluster".to_owned(),
        topic_id: None,
        topic: "ikd.events.v1".to_owned(),
        partitions,
        fold_version: "a version".to_owned(),
    }
}

/// The same, where a partition was folded by another rule up to a place in the log, and is folded again
/// from there on. Gives what readers see at the end, and what the store has.
///
/// # Errors
/// If the store cannot be used, or refuses what it wrote itself.
///
/// # Panics
/// Never for a log that a broker could have.
pub fn fold_log_again(
    log: &[LogRecord],
    partitions: u32,
    (again, from): (u32, usize),
    directory: &Path,
) -> Result<(Folded, Folded), StoreError> {
    let mut reader = EventReader::new(&[]).expect("no other schemas are given");
    let mut store = Store::open(directory, &some_log(partitions), false, || "a worker".to_owned())?;
    store.load(&|_| ())?;
    let mut states: Vec<_> = (0..partitions).map(PartitionState::new).collect();
    let mut committed = Committed::default();
    let commit = |states: &mut [PartitionState], store: &mut Store, all: &mut Committed| {
        let commits: Vec<_> = states.iter_mut().filter_map(PartitionState::take_commit).collect();
        store.commit(&commits)?;
        all.add(commits);
        Ok::<_, StoreError>(())
    };
    for record in &log[..from] {
        let is_again = record.partition == again;
        fold_by(&mut reader, &mut states[record.partition as usize], partitions, record, &|e| {
            if is_again {
                (e.home, e.outreach) = (e.service, Some("another visit"));
            }
        });
    }
    commit(&mut states, &mut store, &mut committed)?;
    let before = store.reader().ledger(again)?;
    let cells = before.ledger.all().copied();
    committed.node.take_back(again, &before.view.names, cells);
    committed.ledgers.0.remove(&again);
    states[again as usize] = PartitionState::again(again);
    for (place, record) in log.iter().enumerate() {
        if place >= from || record.partition == again {
            let state = &mut states[record.partition as usize];
            fold_record(&mut reader, state, partitions, record);
        }
    }
    commit(&mut states, &mut store, &mut committed)?;
    drop(store);
    let mut store = Store::open(directory, &some_log(partitions), false, || "a worker".to_owned())?;
    Ok((committed.finish(), loaded(store.load(&|_| ())?)))
}

/// What a worker has of a store that is loaded.
#[must_use]
pub fn loaded(stored: Vec<StoredPartition>) -> Folded {
    let told = stored.into_iter().filter(|stored| stored.ledger.view.next_offset > 0);
    let ledgers = told.map(|stored| (stored.ledger.view.partition, stored.ledger));
    let ledgers = PartitionLedgers(ledgers.collect());
    Folded { snapshot: ledgers.snapshot(), ledgers }
}

/// A store of a whole log, folded by rules of which one is another: it says what each event that
/// counts is taken for.
///
/// # Errors
/// If the store cannot be used.
///
/// # Panics
/// Never for a log that a broker could have.
pub fn store_by_another_rule(
    records: &[LogRecord],
    log: &Log,
    directory: &Path,
    rule: impl Fn(&mut Admitted<'_>),
) -> Result<(), StoreError> {
    let mut reader = EventReader::new(&[]).expect("no other schemas are given");
    let mut store = Store::open(directory, log, false, || "a worker".to_owned())?;
    let mut stored = store.load(&|_| ())?;
    for record in records {
        let of_it = &mut stored[record.partition as usize];
        fold_by(&mut reader, &mut of_it.state, log.partitions, record, &rule);
    }
    let commits = stored.iter_mut().filter_map(|stored| stored.state.take_commit());
    store.commit(&commits.collect::<Vec<_>>())?;
    store.sync()
}

/// Judges and folds one record. There is no registry: no id has a schema.
///
/// # Panics
/// If a schema is asked for again after it was said that there is none.
pub fn fold_record(
    reader: &mut EventReader,
    state: &mut PartitionState,
    partitions: u32,
    record: &LogRecord,
) {
    fold_by(reader, state, partitions, record, &|_| ());
}

fn fold_by(
    reader: &mut EventReader,
    state: &mut PartitionState,
    partitions: u32,
    record: &LogRecord,
    rule: &impl Fn(&mut Admitted<'_>),
) {
    let (key, value) = (record.key.as_deref(), record.value.as_deref());
    let mark = RecordMark {
        offset: record.offset,
        timestamp: record.timestamp_ms,
        digest: RecordMark::digest(key, value),
    };
    let timestamp = clamp_timestamp(record.timestamp_ms);
    let judged = judge(reader, key, value, record.partition, partitions, timestamp);
    match judged {
        Verdict::Counted(mut event) => {
            rule(&mut event);
            state.counted(mark, &event);
        }
        Verdict::Refused(refusal, raw) => refused(state, mark, &refusal, raw),
        Verdict::NeedsSchema(id) => {
            reader.book.learn(id, None);
            match judge(reader, key, value, record.partition, partitions, timestamp) {
                Verdict::Refused(refusal, raw) => refused(state, mark, &refusal, raw),
                other => panic!("{record:?} has no schema, but its verdict is {other:?}"),
            }
        }
    }
}

fn refused(
    state: &mut PartitionState,
    mark: RecordMark,
    refusal: &Refusal,
    raw: Option<RawEvent<'_>>,
) {
    state.refused(mark, refusal, raw.as_ref().map(UnverifiedFields::from).as_ref());
}
