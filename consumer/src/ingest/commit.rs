//! The committing thread: takes what all pipelines have folded, writes it, and shows it to readers.
//!
//! Folding goes on while a commit is written: commits are as large as what was folded meanwhile,
//! so that they are small and frequent when live and large when replaying.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::sync::Arc;
use std::time::Instant;

use arc_swap::ArcSwap;
use crossbeam_channel::Sender;

use super::error::WorkerError;
use super::lease::Leases;
use super::log_watch::LogWatch;
use super::progress::Progress;
use super::stop::Stop;
use super::wake::{Reason, Woken};
use crate::projection::node_ledger::NodeLedger;
use crate::projection::partition::PartitionCommit;
use crate::projection::partition_view::PartitionView;
use crate::projection::shard::{Shards, Uncommitted};
use crate::projection::snapshot::Snapshot;
use crate::projection::store::Store;

/// The committing thread's state.
pub struct Committer {
    /// The store.
    pub store: Store,
    /// What is folded.
    pub shards: Shards,
    /// What all partitions have posted.
    pub ledger: NodeLedger,
    /// Says that there is something to commit.
    pub woken: Woken,
    /// Told of partitions that are folded again.
    pub(super) leases: Leases,
    /// Wakes who puts into quarantine what could not be counted, and ends with this thread.
    pub(super) refused: Sender<()>,
    /// Says whether the log is still the one that the store was made of.
    pub watch: Arc<LogWatch>,
    /// What readers see.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// How far the worker is.
    pub progress: Arc<Progress>,
    /// Whether to stop.
    pub stop: Stop,
    /// What is stored and not shown yet.
    pub(super) unshown: Unshown,
}

/// Records of a commit that are so many only where there are many more behind them.
const BULK: u64 = 10_000;
/// Records that are shown at once while nobody can ask for figures.
const SHOWN_AT_ONCE: u64 = 1_000_000;

impl Committer {
    /// Commits until all pipelines have ended, and leaves the store in order.
    pub fn run(mut self) {
        if let Err(error) = self.work() {
            // Nothing is written after a failed write: the next start finds the last commit that
            // is whole.
            self.stop.fail(error);
        }
    }

    fn work(&mut self) -> Result<(), WorkerError> {
        loop {
            let reason = self.woken.wait();
            let taken = self.take()?;
            if taken.commits.is_empty() && reason == Reason::Nothing {
                self.store.sync()?;
            }
            let records: u64 = taken.commits.iter().map(|commit| commit.records).sum();
            if !self.commit(taken, records)? {
                return Ok(());
            }
            // Before the log has been folded to its end once nobody can ask for figures, and one
            // view of many records is made in a fraction of the time that many views take.
            let can_wait = records >= BULK && self.unshown.ends.is_empty();
            if !can_wait
                || self.unshown.records >= SHOWN_AT_ONCE
                || self.progress.is_complete()
                || reason != Reason::Folded
            {
                self.show();
            }
            if reason == Reason::Ended {
                return Ok(self.store.sync()?);
            }
        }
    }

    /// What was folded and is not committed, in the order of the partitions.
    fn take(&self) -> Result<Uncommitted, WorkerError> {
        let mut all = Uncommitted::default();
        for shard in self.shards.iter() {
            let what = "a thread panicked that had what is folded: nothing of it is committed";
            let taken = shard.take().ok_or_else(|| WorkerError::Thread(what.to_owned()))?;
            all.commits.extend(taken.commits);
            all.ends.extend(taken.ends);
        }
        Ok(all)
    }

    /// Takes back what partitions have posted that are folded again: what the store has of them until
    /// the commit that takes its place.
    fn take_back(&mut self, again: &[u32]) -> Result<(), WorkerError> {
        let reader = self.store.reader();
        for partition in again {
            let before = reader.ledger(*partition)?;
            let cells = before.ledger.all().copied();
            self.ledger.take_back(*partition, &before.view.names, cells);
        }
        Ok(())
    }

    /// Stores what was folded. False if the log could not be confirmed before it was asked to stop.
    fn commit(&mut self, taken: Uncommitted, records: u64) -> Result<bool, WorkerError> {
        let Uncommitted { mut commits, ends } = taken;
        self.unshown.ends.extend(ends);
        if commits.is_empty() {
            return Ok(true);
        }
        // Asked for after the last of these records was polled: nothing of another log goes to the
        // store, to quarantine or to readers.
        let begun = Instant::now();
        if !self.watch.confirm(&self.progress, &self.stop)? {
            return Ok(false);
        }
        metrics::histogram!("laju_confirm_seconds").record(begun.elapsed().as_secs_f64());
        let again: Vec<u32> =
            commits.iter().filter(|c| c.begins_again).map(|c| c.partition).collect();
        again.iter().for_each(|partition| self.leases.refolding(*partition));
        self.take_back(&again)?;
        let begun = Instant::now();
        self.store.commit(&commits)?;
        metrics::histogram!("laju_commit_seconds").record(begun.elapsed().as_secs_f64());
        metrics::histogram!("laju_commit_records").record(records as f64);
        for commit in &mut commits {
            let cells = commit.cells.drain(..);
            self.ledger.note(commit.partition, &commit.names, cells);
        }
        self.unshown.add(commits, records);
        Ok(true)
    }

    /// Shows readers what was stored.
    fn show(&mut self) {
        let Unshown { commits, ends, records } = std::mem::take(&mut self.unshown);
        if !commits.is_empty() {
            self.ledger.post();
            let partitions = self.snapshot.load().partitions.clone();
            let mut after = Snapshot::of(partitions, &self.ledger);
            let mut positions = Vec::with_capacity(commits.len());
            let mut again = Vec::new();
            let mut has_refused = false;
            for (partition, commit) in commits {
                let Some(view) = after.partitions.get_mut(&partition) else { continue };
                if commit.begins_again {
                    *view = Arc::new(PartitionView::empty(partition));
                    self.progress.partitions[partition as usize].begins_again();
                    again.push(partition);
                }
                has_refused |= !commit.quarantined.is_empty();
                for record in commit.quarantined.iter().filter(|_| !commit.begins_again) {
                    let reason = record.key.reason.as_str();
                    metrics::counter!("laju_quarantined_total", "reason" => reason).increment(1);
                }
                positions.push((partition, commit.position));
                *view = Arc::new(view.after(commit));
            }
            self.snapshot.store(Arc::new(after));
            again.iter().for_each(|partition| self.leases.refolded(*partition));
            if has_refused {
                // One that was woken already, or has ended, needs no more.
                let _ = self.refused.try_send(());
            }
            // Only now: a client that learns that a partition has caught up finds it in the snapshot.
            for (partition, position) in positions {
                self.progress.partitions[partition as usize].committed(position.next_offset);
            }
            self.progress.add_folded(records);
            metrics::counter!("laju_records_folded_total").increment(records);
        }
        for (partition, end) in ends {
            self.progress.partitions[partition as usize].reached_end(end);
        }
    }
}

/// What is stored and not shown to readers yet.
#[derive(Default)]
pub(super) struct Unshown {
    /// By partition.
    commits: BTreeMap<u32, PartitionCommit>,
    /// Partitions whose ends were reached, and the offsets of those.
    ends: Vec<(u32, i64)>,
    records: u64,
}

impl Unshown {
    fn add(&mut self, commits: Vec<PartitionCommit>, records: u64) {
        self.records += records;
        for commit in commits {
            match self.commits.entry(commit.partition) {
                Entry::Vacant(place) => drop(place.insert(commit)),
                Entry::Occupied(mut before) => before.get_mut().absorb(commit),
            }
        }
    }
}
