//! Folds a log as a worker does, without a broker.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::sync::Arc;

use laju_consumer::domain::admission::{Admitted, Refusal, Verdict, clamp_timestamp, judge};
use laju_consumer::projection::partition::{PartitionState, RecordMark, UnverifiedFields};
use laju_consumer::projection::partition_view::PartitionView;
use laju_consumer::projection::snapshot::Snapshot;
use laju_consumer::projection::store::{Log, Store, StoreError};
use laju_schemas::RawEvent;
use laju_schemas::known::EventReader;

use crate::log::LogRecord;

/// The snapshot after the whole of a log of a topic with so many partitions. Each cut is a place
/// in the log before which everything so far is committed; after the last record is another.
///
/// # Panics
/// Never for a log that a broker could have.
#[must_use]
pub fn fold_log(log: &[LogRecord], partitions: u32, cuts: &[usize]) -> Snapshot {
    let mut reader = EventReader::new(&[]).expect("no other schemas are given");
    let mut states: BTreeMap<u32, PartitionState> = BTreeMap::new();
    let mut snapshot = Snapshot::default();
    for (place, record) in log.iter().enumerate() {
        if cuts.contains(&place) {
            commit(&mut states, &mut snapshot);
        }
        let state =
            states.entry(record.partition).or_insert_with(|| PartitionState::new(record.partition));
        fold_record(&mut reader, state, partitions, record);
    }
    commit(&mut states, &mut snapshot);
    snapshot
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
) -> Result<Snapshot, StoreError> {
    let belongs = Log {
        cluster_id: "a cluster".to_owned(),
        topic_id: None,
        topic: "ikd.events.v1".to_owned(),
        partitions,
        fold_version: "a version".to_owned(),
    };
    let mut reader = EventReader::new(&[]).expect("no other schemas are given");
    let ends: BTreeSet<usize> = cuts.iter().copied().chain([log.len()]).collect();
    let mut start = 0;
    for end in ends {
        let mut store = Store::open(directory, &belongs, false, || "a worker".to_owned())?;
        let mut stored = store.load(&|_| ())?;
        for record in &log[start..end] {
            let of_it = &mut stored[record.partition as usize];
            fold_record(&mut reader, &mut of_it.state, partitions, record);
        }
        let commits = stored.iter_mut().filter_map(|stored| stored.state.take_commit());
        store.commit(&mut commits.collect::<Vec<_>>())?;
        start = end;
    }
    let mut store = Store::open(directory, &belongs, false, || "a worker".to_owned())?;
    let views = store.load(&|_| ())?.into_iter().map(|stored| stored.view);
    let told = views.filter(|view| view.next_offset > 0);
    Ok(Snapshot { partitions: told.map(|view| (view.partition, Arc::new(view))).collect() })
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
    store.commit(&mut commits.collect::<Vec<_>>())?;
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

fn commit(states: &mut BTreeMap<u32, PartitionState>, snapshot: &mut Snapshot) {
    for (&partition, state) in states {
        if let Some(commit) = state.take_commit() {
            let view = snapshot
                .partitions
                .entry(partition)
                .or_insert_with(|| Arc::new(PartitionView::empty(partition)));
            *view = Arc::new(view.after_unstored(commit));
        }
    }
}
