//! Makes stores without a broker and without a worker, for what can befall one.

use std::path::Path;

use laju_consumer::projection::partition::PartitionState;
use laju_consumer::projection::store::{Log, Store};
use laju_schemas::known::EventReader;

use crate::fold::fold_record;
use crate::log::LogRecord;

/// The store of a log of these records, in so many commits.
///
/// # Panics
/// If it cannot be written.
pub fn store(path: &Path, log: &Log, records: &[LogRecord], commits: usize) {
    let mut store = Store::open(path, log, false, || "laju-made".to_owned()).expect("a new store");
    store.load(&|_| {}).expect("an empty store");
    let mut states: Vec<_> = (0..log.partitions).map(PartitionState::new).collect();
    let mut reader = EventReader::new(&[]).expect("no other schemas are given");
    for bite in records.chunks(records.len().div_ceil(commits).max(1)) {
        for record in bite {
            let state = &mut states[record.partition as usize];
            fold_record(&mut reader, state, log.partitions, record);
        }
        let commits: Vec<_> = states.iter_mut().filter_map(PartitionState::take_commit).collect();
        store.commit(&commits).expect("a disk with room");
    }
    store.sync().expect("a disk");
}
