//! Makes stores without a broker and without a worker, for what can befall one.

use std::path::Path;

use laju_consumer::projection::format::{
    Chain, Kind, PositionRow, position_key, read_row, row, seal, unseal,
};
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
        let mut commits: Vec<_> =
            states.iter_mut().filter_map(PartitionState::take_commit).collect();
        store.commit(&mut commits).expect("a disk with room");
    }
    store.sync().expect("a disk");
}

/// Adds to the amount of the first cell in a partition's ledger as it is stored, and seals all of it
/// again: a store that is whole, and wrong.
///
/// # Panics
/// If it is no store, or has no such cell.
pub fn falsify_posting(path: &Path, partition: u32, more: i32) {
    const CELL: usize = 19;
    let database = sled::Config::new().path(path.join("db")).open().expect("a stopped store");
    let mut chain = Chain::default();
    let prefix = Kind::Ledger.prefix(partition);
    let chunks: Vec<_> = database.scan_prefix(prefix).map(|chunk| chunk.expect("read")).collect();
    for (number, (key, value)) in chunks.into_iter().enumerate() {
        let mut payload = unseal(&value).expect("sealed").to_vec();
        if number == 0 {
            let amount: &mut [u8; 4] = payload[CELL - 4..].first_chunk_mut().expect("a cell");
            *amount = (i32::from_le_bytes(*amount) + more).to_le_bytes();
            database.insert(key, seal(&payload)).expect("written");
        }
        chain = chain.with(&payload);
    }
    assert!(chain.count > 0, "partition {partition} has no ledger");
    let key = position_key(partition);
    let stored = database.get(key).expect("read").expect("a position");
    let mut position: PositionRow = read_row(&stored).expect("a row");
    position.chains[Kind::Ledger as usize] = chain;
    database.insert(key, row(&position)).expect("written");
    database.flush().expect("a disk");
}
