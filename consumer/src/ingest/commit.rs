//! The folding and the committing thread.
//!
//! Folding goes on while a commit is written: commits are as large as what was folded meanwhile,
//! so that they are small and frequent when live and large when replaying.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, never, select};

use super::batch::{Applied, Batch, End};
use super::lease::Leases;
use super::progress::Progress;
use super::stop::Stop;
use super::watch::LogWatch;
use super::worker::WorkerError;
use crate::projection::desk::Letter;
use crate::projection::partition::{PartitionCommit, PartitionState};
use crate::projection::snapshot::{PartitionView, Snapshot};
use crate::projection::store::Store;

/// Records folded before a commit has to be waited for.
const COMMIT_RECORDS: u64 = 200_000;
/// Records after which a commit is written, if the committer is free.
const COMMIT_SOON: u64 = 1_000;
/// How long a folded record waits for its commit at most.
const COMMIT_WAIT: Duration = Duration::from_millis(50);

/// How long nothing is committed before what was is forced to the disk.
const IDLE: Duration = Duration::from_secs(1);

/// What the folding thread hands to the committing one.
pub struct Commit {
    commits: Vec<PartitionCommit>,
    ends: Vec<End>,
    records: u64,
}

/// The folding thread's state.
pub struct Folder {
    /// By partition number.
    pub partitions: Vec<PartitionState>,
    /// Where batches come from.
    pub batches: Receiver<Batch>,
    /// Where subjects' facts are asked for.
    pub letters: Receiver<Letter>,
    /// Where they go back to, empty: their memory is used again.
    pub spare: Sender<Batch>,
    /// Where commits go: room for one, so that folding is at most one commit ahead.
    pub commits: Sender<Commit>,
    /// Whether the committer has a commit that it has not finished.
    pub busy: Arc<AtomicBool>,
}

impl Folder {
    /// Folds until no more batches come, and gives the rest to be committed.
    pub fn run(mut self) {
        let mut applied = Applied::default();
        let mut since: Option<Instant> = None;
        loop {
            let wait = since.map_or(Duration::from_secs(3600), |since| {
                COMMIT_WAIT.saturating_sub(since.elapsed())
            });
            // Questions wait for one batch at most, and change nothing.
            select! {
                recv(self.batches) -> batch => {
                    let Ok(mut batch) = batch else { break };
                    batch.apply(&mut self.partitions, &mut applied);
                    // With enough of them under way, one more is given up.
                    let _ = self.spare.try_send(batch);
                    since.get_or_insert_with(Instant::now);
                }
                recv(self.letters) -> letter => match letter {
                    Ok(letter) => letter.answer(&self.partitions),
                    // Nobody is left who could ask.
                    Err(_) => self.letters = never(),
                },
                default(wait) => {}
            }
            let Some(first) = since else { continue };
            let due = applied.records >= COMMIT_SOON || first.elapsed() >= COMMIT_WAIT;
            let must = applied.records >= COMMIT_RECORDS;
            if must || (due && !self.busy.swap(true, Ordering::AcqRel)) {
                let commit = self.take(&mut applied);
                if self.commits.send(commit).is_err() {
                    return;
                }
                since = None;
            } else if due {
                // Look again once more has been folded.
                since = Some(Instant::now());
            }
        }
        let last = self.take(&mut applied);
        // The committer may be gone already: then nothing can be committed any more.
        let _ = self.commits.send(last);
    }

    fn take(&mut self, applied: &mut Applied) -> Commit {
        let applied = std::mem::take(applied);
        Commit {
            commits: self.partitions.iter_mut().filter_map(PartitionState::take_commit).collect(),
            ends: applied.ends,
            records: applied.records,
        }
    }
}

/// The committing thread's state.
pub struct Committer {
    /// The store.
    pub store: Store,
    /// Where commits come from.
    pub commits: Receiver<Commit>,
    /// Cleared after each commit.
    pub busy: Arc<AtomicBool>,
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
}

impl Committer {
    /// Commits until no more commits come, and leaves the store in order.
    pub fn run(mut self) {
        loop {
            let commit = match self.commits.recv_timeout(IDLE) {
                Ok(commit) => commit,
                Err(RecvTimeoutError::Timeout) => {
                    if let Err(error) = self.store.sync() {
                        self.stop.fail(error.into());
                        return;
                    }
                    continue;
                }
                Err(RecvTimeoutError::Disconnected) => break,
            };
            match self.commit(commit) {
                Ok(true) => self.busy.store(false, Ordering::Release),
                Ok(false) => return,
                Err(error) => {
                    // Nothing is written after a failed write: the next start finds the last
                    // commit that is whole.
                    self.stop.fail(error);
                    return;
                }
            }
        }
        if let Err(error) = self.store.sync() {
            self.stop.fail(error.into());
        }
    }

    fn commit(&mut self, commit: Commit) -> Result<bool, WorkerError> {
        let Commit { mut commits, ends, records } = commit;
        // Asked for after the last of these records was polled: nothing of another log goes to the
        // store, to quarantine or to readers.
        if !commits.is_empty() {
            let begun = Instant::now();
            if !self.watch.confirm(&self.progress, &self.stop)? {
                return Ok(false);
            }
            metrics::histogram!("laju_confirm_seconds").record(begun.elapsed().as_secs_f64());
        }
        if !commits.is_empty() {
            let again: Vec<u32> =
                commits.iter().filter(|c| c.begins_again).map(|c| c.partition).collect();
            again.iter().for_each(|partition| self.leases.refolding(*partition));
            let begun = Instant::now();
            let cells = self.store.commit(&mut commits)?;
            metrics::histogram!("laju_commit_seconds").record(begun.elapsed().as_secs_f64());
            metrics::histogram!("laju_commit_records").record(records as f64);
            let before = self.snapshot.load_full();
            let mut after = Snapshot::clone(&before);
            let mut positions = Vec::with_capacity(commits.len());
            let mut has_refused = false;
            for (commit, cells) in commits.into_iter().zip(cells) {
                let (partition, position) = (commit.partition, commit.position);
                let Some(view) = after.partitions.get_mut(&partition) else { continue };
                if commit.begins_again {
                    *view = Arc::new(PartitionView::empty(partition));
                    self.progress.partitions[partition as usize].begins_again();
                }
                has_refused |= !commit.quarantined.is_empty();
                for record in commit.quarantined.iter().filter(|_| !commit.begins_again) {
                    let reason = record.key.reason.as_str();
                    metrics::counter!("laju_quarantined_total", "reason" => reason).increment(1);
                }
                *view = Arc::new(view.after(commit, cells));
                positions.push((partition, position));
            }
            self.snapshot.store(Arc::new(after));
            again.iter().for_each(|partition| self.leases.refolded(*partition));
            if has_refused {
                // One that was woken already, or has ended, needs no more.
                let _ = self.refused.try_send(());
            }
            // Only now: who is told that a partition has caught up finds it in the snapshot.
            for (partition, position) in positions {
                self.progress.partitions[partition as usize].committed(position.next_offset);
            }
            self.progress.add_folded(records);
            metrics::counter!("laju_records_folded_total").increment(records);
        }
        for end in ends {
            self.progress.partitions[end.partition as usize].reached_end(end.offset);
        }
        Ok(true)
    }
}
