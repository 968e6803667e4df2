//! A partition with a ledger of its own: for those who look at one partition, and for those who fold a
//! log without a store. A worker's readers have the ledger of all partitions instead
//! ([`super::node_ledger`]).

use std::collections::BTreeMap;
use std::sync::Arc;

use super::node_ledger::NodeLedger;
use super::partition::PartitionCommit;
use super::partition_view::PartitionView;
use super::runs::Runs;
use super::snapshot::Snapshot;
use crate::domain::cell::sort_and_add;

/// The state of one partition after a commit, with its own ledger.
#[derive(Clone)]
pub struct PartitionLedger {
    /// Its state.
    pub view: PartitionView,
    /// Its ledger, by the numbers of the view's names.
    pub ledger: Runs,
}

impl PartitionLedger {
    /// A partition of which nothing has been read.
    #[must_use]
    pub fn empty(partition: u32) -> Self {
        Self { view: PartitionView::empty(partition), ledger: Runs::default() }
    }

    /// Adds a commit.
    pub fn add(&mut self, mut commit: PartitionCommit) {
        self.ledger.push(sort_and_add(std::mem::take(&mut commit.cells)));
        self.view = self.view.after(commit);
    }

    /// The ledger's bytes: the same for the same log, however it was cut into commits and however
    /// often the worker was killed on the way.
    #[must_use]
    pub fn ledger_bytes(&self) -> Vec<u8> {
        let cells = self.ledger.merged();
        let mut bytes = Vec::with_capacity(cells.len() * 19);
        for cell in cells {
            bytes.extend_from_slice(&cell.key.to_bytes());
            bytes.extend_from_slice(&cell.amount.to_be_bytes());
        }
        bytes
    }
}

/// Every partition with its own ledger, by its number.
#[derive(Clone, Default)]
pub struct PartitionLedgers(pub BTreeMap<u32, PartitionLedger>);

impl PartitionLedgers {
    /// Adds a commit to its partition.
    pub fn add(&mut self, commit: PartitionCommit) {
        let partition = commit.partition;
        let part = self.0.entry(partition).or_insert_with(|| PartitionLedger::empty(partition));
        part.add(commit);
    }

    /// What questions are answered from: all partitions, and one ledger of all of them.
    #[must_use]
    pub fn snapshot(&self) -> Snapshot {
        let mut node = NodeLedger::default();
        for (partition, part) in &self.0 {
            node.note(*partition, &part.view.names, part.ledger.all().copied());
            node.post();
        }
        let view =
            |(partition, part): (&u32, &PartitionLedger)| (*partition, Arc::new(part.view.clone()));
        Snapshot::of(self.0.iter().map(view).collect(), &node)
    }
}
