//! The partitions in memory, in shards. One thread folds the partitions of a shard; the committer
//! takes what has changed of them, and a query for citizens' facts reads them there, as they
//! are nowhere else in memory. A shard is locked for as long as a block of records is folded.

use std::ops::Range;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use laju_schemas::SubjectId;
use thiserror::Error;

use super::partition::{PartitionCommit, PartitionState, Position};
use crate::domain::fact::CompactFact;

/// Why nothing is known of citizens' facts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NoFacts {
    /// Nothing is folded here: not yet, or not any more.
    #[error("nothing is folded at this node: it is starting, or has failed")]
    NotFolding,
    /// What was counted of the partition is being counted once more.
    #[error("partition {0} is folded again from its beginning")]
    FoldedAgain(u32),
}

/// The facts of a subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct SubjectFacts {
    /// Every fact folded, also those of the commit in the making; none of a subject that is not
    /// there.
    pub facts: Vec<CompactFact>,
    /// How far its partition has been folded: further than its last commit, mostly.
    pub position: Position,
}

/// Partitions that follow each other, which one thread folds.
pub struct Shard {
    partitions: Range<u32>,
    states: Mutex<Vec<PartitionState>>,
    taken: Condvar,
}

/// What is to be committed of a shard.
#[derive(Default)]
pub struct Uncommitted {
    /// The partitions that have changed.
    pub commits: Vec<PartitionCommit>,
    /// Partitions whose ends were reached, and the offsets of those: all before them is in these
    /// commits or in earlier ones.
    pub ends: Vec<(u32, i64)>,
}

impl Shard {
    /// Of partitions in the order of their numbers, none of which is left out.
    #[must_use]
    pub fn new(states: Vec<PartitionState>) -> Self {
        let first = states.first().map_or(0, PartitionState::partition);
        Self {
            partitions: first..first + states.len() as u32,
            states: Mutex::new(states),
            taken: Condvar::new(),
        }
    }

    /// Which partitions these are.
    #[must_use]
    pub fn partitions(&self) -> Range<u32> {
        self.partitions.clone()
    }

    /// How far each partition is folded, in the order of their numbers.
    #[must_use]
    pub fn positions(&self) -> Vec<Position> {
        self.lock().iter().map(|state| *state.position()).collect()
    }

    /// Changes the partitions, given in the order of their numbers; says how many records of them
    /// are not committed then. After a panic, of whichever thread that had the partitions, what comes
    /// of it is never committed.
    pub fn fold(&self, fold: impl FnOnce(&mut [PartitionState])) -> u64 {
        let mut states = self.lock();
        fold(&mut states);
        uncommitted(&states)
    }

    /// Waits until fewer records than these are uncommitted, or for so long.
    pub fn wait_for_room(&self, records: u64, patience: Duration) -> bool {
        let is_full = |states: &mut Vec<PartitionState>| uncommitted(states) >= records;
        let waited = self.taken.wait_timeout_while(self.lock(), patience, is_full);
        !waited.unwrap_or_else(PoisonError::into_inner).1.timed_out()
    }

    /// Takes what has changed since the last time; `None` where a thread has panicked that had the
    /// partitions, and may have left one half folded.
    #[must_use]
    pub fn take(&self) -> Option<Uncommitted> {
        let mut states = self.states.lock().ok()?;
        let taken = Uncommitted {
            commits: states.iter_mut().filter_map(PartitionState::take_commit).collect(),
            ends: states
                .iter_mut()
                .filter_map(|state| Some((state.partition(), state.take_end()?)))
                .collect(),
        };
        drop(states);
        self.taken.notify_all();
        Some(taken)
    }

    /// For what may go on after a panic, because [`Shard::take`] does not.
    fn lock(&self) -> MutexGuard<'_, Vec<PartitionState>> {
        self.states.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn uncommitted(states: &[PartitionState]) -> u64 {
    states.iter().map(PartitionState::uncommitted).sum()
}

/// How many subjects' facts are read at a time: the fold waits meanwhile.
const READ_AT_ONCE: usize = 64;

/// All shards of a node.
#[derive(Clone)]
pub struct Shards(Arc<[Arc<Shard>]>);

impl Shards {
    /// Divides partitions, in the order of their numbers, into so many shards, or fewer where there
    /// are not as many partitions.
    #[must_use]
    pub fn divide(mut states: Vec<PartitionState>, count: usize) -> Self {
        let (all, count) = (states.len(), count.clamp(1, states.len().max(1)));
        let mut shards = Vec::with_capacity(count);
        for shard in (0..count).rev() {
            shards.push(Arc::new(Shard::new(states.split_off(shard * all / count))));
        }
        shards.reverse();
        Self(shards.into())
    }

    /// Each of them.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<Shard>> {
        self.0.iter()
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }

    /// The facts of subjects, each named with its partition, in the same order.
    ///
    /// # Errors
    /// If the fold has failed.
    pub fn facts(&self, subjects: &[(u32, SubjectId)]) -> Result<Vec<SubjectFacts>, NoFacts> {
        let mut facts = vec![SubjectFacts::default(); subjects.len()];
        let pages = facts.chunks_mut(READ_AT_ONCE).zip(subjects.chunks(READ_AT_ONCE));
        for (facts, subjects) in pages {
            self.read(facts, subjects)?;
        }
        Ok(facts)
    }

    fn read(
        &self,
        facts: &mut [SubjectFacts],
        subjects: &[(u32, SubjectId)],
    ) -> Result<(), NoFacts> {
        for shard in self.iter() {
            let is_here =
                |(_, (partition, _)): &(_, &(u32, _))| shard.partitions.contains(partition);
            let mut here = facts.iter_mut().zip(subjects).filter(is_here).peekable();
            if here.peek().is_none() {
                continue;
            }
            let states = shard.states.lock().map_err(|_| NoFacts::NotFolding)?;
            for (found, (partition, subject)) in here {
                let state = &states[(partition - shard.partitions.start) as usize];
                found.facts = state.fold().subjects().facts(*subject);
                found.position = *state.position();
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use laju_schemas::quarantine::Reason;

    use super::*;
    use crate::domain::admission::Refusal;
    use crate::projection::partition::RecordMark;

    fn states(count: u32) -> Vec<PartitionState> {
        (0..count).map(PartitionState::new).collect()
    }

    #[test]
    fn every_partition_is_in_one_shard_and_none_is_empty() {
        for partitions in 1..20 {
            for count in 1..20 {
                let shards = Shards::divide(states(partitions), count);
                assert_eq!(shards.count(), count.min(partitions as usize));
                let numbers: Vec<u32> =
                    shards.iter().flat_map(|shard| shard.partitions()).collect();
                assert_eq!(numbers, (0..partitions).collect::<Vec<_>>());
                let sizes = shards.iter().map(|shard| shard.partitions().len());
                let sizes: Vec<usize> = sizes.collect();
                assert!(sizes.iter().max().unwrap() - sizes.iter().min().unwrap() <= 1);
            }
        }
    }

    #[test]
    fn of_a_fold_that_has_panicked_no_facts_are_told_and_nothing_is_committed() {
        let shards = Shards::divide(states(2), 2);
        let shard = Arc::clone(shards.iter().next().unwrap());
        let fold = move || {
            shard.fold(|states| {
                states[0].reached_end(1);
                panic!("made by hand")
            })
        };
        let fold = std::thread::spawn(fold);
        assert!(fold.join().is_err());
        let subject = SubjectId([1; 16]);
        assert_eq!(shards.facts(&[(0, subject)]), Err(NoFacts::NotFolding));
        assert!(shards.facts(&[(1, subject)]).is_ok());
        assert_eq!(shards.iter().filter(|shard| shard.take().is_some()).count(), 1);
    }

    #[test]
    fn an_end_is_told_once_and_not_after_its_partition_begins_again() {
        let shard = Shard::new(states(2));
        shard.fold(|states| {
            states[0].reached_end(3);
            states[1].reached_end(5);
            states[1] = PartitionState::again(1);
        });
        assert_eq!(shard.take().unwrap().ends, [(0, 3)]);
        assert!(shard.take().unwrap().ends.is_empty());
    }

    #[test]
    fn who_waits_for_room_goes_on_once_what_was_folded_is_taken() {
        let refusal = Refusal::new(Reason::InFuture, "made by hand");
        let shard = Arc::new(Shard::new(vec![PartitionState::new(7)]));
        let mark = |offset| RecordMark { offset, timestamp: 0, digest: 0 };
        let folded = shard.fold(|states| states[0].refused(mark(0), &refusal, None));
        assert_eq!((folded, shard.positions()[0].next_offset), (1, 1));
        assert!(!shard.wait_for_room(1, Duration::ZERO) && shard.wait_for_room(2, Duration::ZERO));
        let waits = Arc::clone(&shard);
        let waiting =
            std::thread::spawn(move || waits.wait_for_room(1, Duration::from_secs(3_600)));
        let taken = shard.take().unwrap();
        assert!(waiting.join().unwrap());
        assert_eq!((taken.commits[0].partition, taken.commits[0].records), (7, 1));
    }
}
