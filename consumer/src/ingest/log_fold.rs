//! The fold of a log that is read record by record, in memory: the same judge and the same fold as a
//! worker's, without a store.

use std::collections::BTreeMap;

use super::event_log::{EventRecord, RecordOutcome};
use crate::projection::partition::{PartitionCommit, PartitionState, UnverifiedFields};
use crate::projection::partition_ledger::{PartitionLedger, PartitionLedgers};

/// Records of a partition between two commits to memory: what a commit holds is freed by it.
const COMMIT_EVERY: u64 = 10_000;

/// Folds records into what each partition's fold has added.
pub struct LogFold {
    /// By partition, with how many of its records are in no commit yet.
    states: BTreeMap<u32, (PartitionState, u64)>,
    every: u64,
}

impl LogFold {
    /// A fold that gives a commit after every so many records of a partition.
    #[must_use]
    pub fn new(every: u64) -> Self {
        Self { states: BTreeMap::new(), every }
    }

    /// Folds a record; gives a commit if it is time for one.
    pub fn take(&mut self, record: &EventRecord<'_>) -> Option<PartitionCommit> {
        let partition = record.partition;
        let begin = || (PartitionState::new(partition), 0);
        let (state, uncommitted) = self.states.entry(partition).or_insert_with(begin);
        match &record.outcome {
            RecordOutcome::Counted(event) => state.counted(record.mark, event),
            RecordOutcome::Refused(refusal, raw) => {
                state.refused(record.mark, refusal, raw.map(UnverifiedFields::from).as_ref());
            }
        }
        *uncommitted += 1;
        if *uncommitted < self.every {
            return None;
        }
        *uncommitted = 0;
        state.take_commit()
    }

    /// What is in no commit yet.
    pub fn rest(&mut self) -> impl Iterator<Item = PartitionCommit> {
        self.states.values_mut().filter_map(|(state, _)| state.take_commit())
    }
}

/// Folds records into every partition's state and ledger.
pub struct LedgersFold {
    fold: LogFold,
    ledgers: PartitionLedgers,
}

impl LedgersFold {
    /// Of these partitions, which may have no records.
    #[must_use]
    pub fn new(partitions: impl Iterator<Item = u32>) -> Self {
        let ledgers = partitions.map(|partition| (partition, PartitionLedger::empty(partition)));
        Self { fold: LogFold::new(COMMIT_EVERY), ledgers: PartitionLedgers(ledgers.collect()) }
    }

    /// Folds a record.
    pub fn take(&mut self, record: &EventRecord<'_>) {
        if let Some(commit) = self.fold.take(record) {
            self.ledgers.add(commit);
        }
    }

    /// The state after the last record.
    #[must_use]
    pub fn finish(mut self) -> PartitionLedgers {
        self.fold.rest().for_each(|commit| self.ledgers.add(commit));
        self.ledgers
    }
}
