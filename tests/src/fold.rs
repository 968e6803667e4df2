//! Folds a log as a worker does, without a broker and without a store.

use std::collections::BTreeMap;
use std::sync::Arc;

use laju_consumer::domain::admission::{Verdict, clamp_timestamp, judge};
use laju_consumer::projection::partition::{PartitionState, RecordMark};
use laju_consumer::projection::snapshot::{PartitionView, Snapshot};
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
    let (key, value) = (record.key.as_deref(), record.value.as_deref());
    let mark = RecordMark {
        offset: record.offset,
        timestamp: record.timestamp_ms,
        digest: RecordMark::digest(key, value),
    };
    let timestamp = clamp_timestamp(record.timestamp_ms);
    let judged = judge(reader, key, value, record.partition, partitions, timestamp);
    match judged {
        Verdict::Counted(event) => state.counted(mark, &event),
        Verdict::Refused(refusal, raw) => state.refused(mark, &refusal, raw.as_ref()),
        Verdict::NeedsSchema(id) => {
            reader.book.learn(id, None);
            match judge(reader, key, value, record.partition, partitions, timestamp) {
                Verdict::Refused(refusal, raw) => state.refused(mark, &refusal, raw.as_ref()),
                other => panic!("{record:?} has no schema, but its verdict is {other:?}"),
            }
        }
    }
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
