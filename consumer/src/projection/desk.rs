//! A desk at which subjects' facts are asked for. They are in the memory of the folding thread
//! and nowhere else: a question is handed to it, and it answers between two batches, so that the
//! fold shares nothing with those who ask.

use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded};
use laju_schemas::SubjectId;
use thiserror::Error;

use super::partition::{PartitionState, Position};
use crate::domain::fact::CompactFact;

/// Why facts are not told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the thread that folds events did not answer within {0:?}")]
pub struct NoAnswer(pub Duration);

/// What is told of a subject.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Told {
    /// Every fact folded, also those of the commit in the making; none of a subject that is not
    /// there.
    pub facts: Vec<CompactFact>,
    /// How far its partition has been folded: further than its last commit, mostly.
    pub position: Position,
}

/// Some subjects, each with its partition, and where to answer.
pub struct Letter {
    subjects: Vec<(u32, SubjectId)>,
    reply: Sender<Vec<Told>>,
}

impl Letter {
    /// Answers from the fold's state.
    pub fn answer(self, partitions: &[PartitionState]) {
        let told = |(partition, subject): &(u32, SubjectId)| {
            let state = partitions.iter().find(|state| state.partition() == *partition);
            state.map_or_else(Told::default, |state| Told {
                facts: state.fold().subjects().facts(*subject),
                position: *state.position(),
            })
        };
        // Who asked may have given up meanwhile.
        let _ = self.reply.send(self.subjects.iter().map(told).collect());
    }
}

/// Where facts are asked for.
#[derive(Clone)]
pub struct Desk(Sender<Letter>);

impl Desk {
    /// A desk, and the letter-box of the thread that answers. A letter is handed over when that
    /// thread takes it: who gives up leaves none behind, and none is left lying when it ends.
    #[must_use]
    pub fn open() -> (Self, Receiver<Letter>) {
        let (letters, letter_box) = bounded(0);
        (Self(letters), letter_box)
    }

    /// The facts of subjects, each named with its partition, in the same order.
    ///
    /// # Errors
    /// If there is no answer within `patience`: the fold is busy, or has stopped.
    pub fn facts(
        &self,
        subjects: Vec<(u32, SubjectId)>,
        patience: Duration,
    ) -> Result<Vec<Told>, NoAnswer> {
        if subjects.is_empty() {
            return Ok(Vec::new());
        }
        let until = Instant::now() + patience;
        let (reply, answer) = bounded(1);
        self.0
            .send_timeout(Letter { subjects, reply }, patience)
            .map_err(|_| NoAnswer(patience))?;
        answer.recv_deadline(until).map_err(|error| match error {
            RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected => NoAnswer(patience),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_a_thread_that_has_ended() {
        let (desk, letters) = Desk::open();
        let patience = Duration::from_secs(60);
        let askers: Vec<_> = (0..8)
            .map(|_| {
                let desk = desk.clone();
                std::thread::spawn(move || desk.facts(vec![(0, SubjectId([1; 16]))], patience))
            })
            .collect();
        let begun = Instant::now();
        drop((letters.recv().unwrap(), letters));
        for asker in askers {
            assert_eq!(asker.join().unwrap(), Err(NoAnswer(patience)));
        }
        assert!(begun.elapsed() < patience / 2);
    }

    #[test]
    fn who_gives_up_leaves_no_letter_behind() {
        let (desk, letters) = Desk::open();
        let patience = Duration::from_millis(1);
        assert!(desk.facts(vec![(0, SubjectId([1; 16]))], patience).is_err());
        assert!(letters.try_recv().is_err());
    }
}
