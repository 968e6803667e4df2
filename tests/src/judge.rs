//! Judges a store against the log that it was made of: what it holds has to be what the oracle
//! says of exactly the records before its positions, and of none behind them.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use jiff::civil::Date;
use laju_consumer::domain::admission::clamp_timestamp;
use laju_consumer::domain::version::fold_version;
use laju_consumer::projection::partition::{Position, RecordMark};
use laju_consumer::projection::partition_ledger::PartitionLedgers;
use laju_consumer::projection::quarantine::QuarantineTally;
use laju_consumer::projection::snapshot::Snapshot;
use laju_consumer::projection::store::{Log, Store, StoreError};
use laju_kafka::connection::Connection;
use laju_kafka::topic_id::topic_id;
use laju_schemas::known::EventReader;
use laju_schemas::topic::EVENTS;
use rand::seq::IndexedRandom as _;

use crate::ledger;
use crate::log::LogRecord;
use crate::oracle::Oracle;

/// How long a broker may take to say which it is.
const PATIENCE: std::time::Duration = std::time::Duration::from_secs(20);

/// What a worker of this connection takes its log for.
///
/// # Panics
/// If the broker does not answer, or has no events topic.
#[must_use]
pub fn log_of(connection: &Connection, schemas: &[String]) -> Log {
    let cluster = connection.check(PATIENCE).expect("the broker answers");
    let topic = connection.topic(&EVENTS);
    let reader = EventReader::new(schemas).expect("schemas that can be read as ours");
    Log {
        cluster_id: cluster.cluster_id.clone(),
        topic_id: topic_id(connection, &topic, PATIENCE).expect("the broker answers"),
        partitions: cluster.partitions(&topic).expect("the events topic"),
        fold_version: fold_version(&reader.book.fingerprints(), connection.registry.is_some()),
        topic,
    }
}

/// What a store holds.
pub struct Stored {
    /// Where each partition stands.
    pub positions: BTreeMap<u32, Position>,
    /// Each partition with its own ledger.
    ledgers: PartitionLedgers,
    /// What readers would see.
    pub snapshot: Snapshot,
    /// The node's name.
    pub node_id: String,
}

impl Stored {
    /// Opens a copy of a store, so that what a kill has left there stays for the next worker.
    ///
    /// # Errors
    /// As [`Store::open`] and [`Store::load`] say.
    ///
    /// # Panics
    /// If it cannot be copied.
    pub fn open_copy(store: &Path, log: &Log) -> Result<Self, StoreError> {
        let copy = tempfile::tempdir().expect("a directory for temporary files");
        copy_tree(store, copy.path());
        Self::open(copy.path(), log)
    }

    /// Opens a store.
    ///
    /// # Errors
    /// As [`Store::open`] and [`Store::load`] say.
    pub fn open(store: &Path, log: &Log) -> Result<Self, StoreError> {
        let mut store = Store::open(store, log, false, || "nobody".to_owned())?;
        let mut stored = Self {
            positions: BTreeMap::new(),
            ledgers: PartitionLedgers::default(),
            snapshot: Snapshot::default(),
            node_id: store.identity().node_id.clone(),
        };
        for partition in store.load(&|_| {})? {
            let number = partition.state.partition();
            stored.positions.insert(number, *partition.state.position());
            stored.ledgers.0.insert(number, partition.ledger);
        }
        stored.snapshot = stored.ledgers.snapshot();
        Ok(stored)
    }

    /// How many offsets have been passed in all partitions together.
    #[must_use]
    pub fn passed(&self) -> i64 {
        self.positions.values().map(|position| position.next_offset).sum()
    }

    /// The ledger of every partition, byte for byte.
    #[must_use]
    pub fn ledger_bytes(&self) -> BTreeMap<u32, Vec<u8>> {
        self.ledgers.0.iter().map(|(number, part)| (*number, part.ledger_bytes())).collect()
    }

    /// Holds everything against the oracle, over exactly the prefix of each partition that the
    /// positions name. `questions` so many pairs of days are asked about, beside the open ends.
    ///
    /// # Panics
    /// If anything differs.
    pub fn assert_is_the_fold_of(
        &self,
        log: &[LogRecord],
        partitions: u32,
        questions: usize,
        random: &mut impl rand::Rng,
    ) {
        self.assert_stands_behind(log, partitions);
        self.assert_counts_as(log, partitions, questions, random);
    }

    /// The next offset of a partition.
    fn next(&self, partition: u32) -> i64 {
        self.positions.get(&partition).map_or(0, |position| position.next_offset)
    }

    /// That its positions name the last records before them, byte for byte.
    ///
    /// # Panics
    /// If not.
    pub fn assert_stands_behind(&self, log: &[LogRecord], partitions: u32) {
        for partition in 0..partitions {
            let is_before =
                |r: &&LogRecord| r.partition == partition && r.offset < self.next(partition);
            let of_it: Vec<_> = log.iter().filter(is_before).collect();
            let position = self.positions.get(&partition).copied().unwrap_or_default();
            assert_eq!(position, position_behind(&of_it), "the position of {partition}");
        }
    }

    /// Holds what it counts against the oracle, over the prefix that the positions name.
    ///
    /// # Panics
    /// If anything differs.
    pub fn assert_counts_as(
        &self,
        log: &[LogRecord],
        partitions: u32,
        questions: usize,
        random: &mut impl rand::Rng,
    ) {
        let prefix: Vec<LogRecord> =
            log.iter().filter(|r| r.offset < self.next(r.partition)).cloned().collect();
        let oracle = Oracle::read(&prefix, partitions);
        let rows = ledger::rows(&self.snapshot);
        let as_of: BTreeSet<Date> = rows.iter().map(|row| row.day).collect();
        let known_at: BTreeSet<Date> = oracle.recorded.iter().copied().collect();
        let mut days = |days: &BTreeSet<Date>| {
            let days: Vec<Date> = days.iter().copied().collect();
            days.choose(random).copied()
        };
        let mut asked = vec![(None, None)];
        asked.extend((0..questions).map(|_| (days(&as_of), days(&known_at))));
        for (as_of, known_at) in asked {
            assert_eq!(
                ledger::balances(&rows, as_of, known_at),
                oracle.balances(as_of, known_at),
                "as of {as_of:?}, as known on {known_at:?}"
            );
        }
        assert_eq!(ledger::counts(&self.snapshot), oracle.counts());
        assert_eq!(ledger::kiosks(&self.snapshot), oracle.kiosks());
        for (partition, view) in &self.snapshot.partitions {
            assert_eq!(view.subjects, oracle.subjects(*partition), "subjects of {partition}");
            assert_eq!(view.next_offset, self.next(*partition));
            let kept: Vec<_> = ledger::refused(&self.snapshot)
                .into_iter()
                .filter(|refused| refused.partition == *partition)
                .collect();
            let refused: Vec<_> = oracle
                .refused
                .iter()
                .filter(|refused| refused.partition == *partition)
                .cloned()
                .collect();
            let earlier = refused.len().saturating_sub(QuarantineTally::LATEST);
            assert_eq!(kept, refused[earlier..], "what {partition} could not count");
        }
    }
}

fn position_behind(records: &[&LogRecord]) -> Position {
    let Some(last) = records.last() else { return Position::default() };
    let until = records.iter().map(|record| clamp_timestamp(record.timestamp_ms)).max();
    let by = records.iter().find(|record| Some(clamp_timestamp(record.timestamp_ms)) == until);
    Position {
        next_offset: last.offset + 1,
        last: Some(RecordMark {
            offset: last.offset,
            timestamp: last.timestamp_ms,
            digest: RecordMark::digest(last.key.as_deref(), last.value.as_deref()),
        }),
        recorded_until: until,
        recorded_by: by.map(|record| record.offset),
    }
}

/// Copies a directory with all that is in it.
///
/// # Panics
/// If it cannot be read or the copy cannot be written.
pub fn copy_tree(from: &Path, to: &Path) {
    fs::create_dir_all(to).expect("a directory");
    for entry in fs::read_dir(from).expect("a directory") {
        let entry = entry.expect("an entry");
        let copy = to.join(entry.file_name());
        if entry.file_type().expect("a type").is_dir() {
            copy_tree(&entry.path(), &copy);
        } else {
            fs::copy(entry.path(), copy).expect("a copy");
        }
    }
}
