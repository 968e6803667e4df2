//! The outbox as its users have it: what they ask goes to the writer's thread.

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::Sender;
use laju_schemas::KioskId;
use laju_schemas::codec::Encoder;
use tokio::sync::{oneshot, watch};

use super::job::{Job, Reply};
use super::pending::{Pending, Shared};
use super::stage::Rules;
use super::writer::Writer;
use super::{
    Accepted, Counts, Draft, OutboxError, OutboxSettings, Outcome, Refusal, Retry, RolledBack, open,
};

/// An open outbox: cheap to clone, shared by the intake and the shipper. When the last clone is
/// dropped, what was asked is still done, and the outbox closed; the drop waits for that.
#[derive(Clone)]
pub struct Outbox {
    pub(super) handle: Arc<Handle>,
}

pub(super) struct Handle {
    /// `None` only while being dropped.
    jobs: Option<Sender<Job>>,
    pub(super) shared: Arc<Shared>,
    thread: Mutex<Option<JoinHandle<()>>>,
    rolled_back: Option<RolledBack>,
}

impl Drop for Handle {
    fn drop(&mut self) {
        drop(self.jobs.take());
        let thread = self.thread.get_mut().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // The thread catches its panics.
            drop(thread.join());
        }
    }
}

impl Outbox {
    /// Opens a kiosk's outbox in a directory, or makes it where there is none. Every page is
    /// verified first: with a million events this takes seconds.
    ///
    /// # Errors
    /// If it is in use, damaged, not this kiosk's, of another format, or cannot be read or
    /// written. Nothing is ever deleted.
    pub fn open(
        dir: &Path,
        kiosk: &KioskId,
        settings: OutboxSettings,
    ) -> Result<Self, OutboxError> {
        let opened = open::open(dir, kiosk, &settings)?;
        let seen = opened.second_witness.as_ref().and_then(|witness| witness.said.as_ref());
        let rolled_back = seen
            .filter(|seen| seen.highest_sequence > opened.state.highest_sequence)
            .map(|seen| RolledBack {
                had_given: opened.state.highest_sequence,
                were_given: seen.highest_sequence,
            });
        let rules = Rules { kiosk: kiosk.clone(), settings, encoder: Encoder::events(None) };
        let (jobs, receiver) = crossbeam_channel::unbounded();
        let (mut writer, shared) = Writer::new(opened, rules, receiver);
        // Before anybody may ask for a number; the caller's thread may be one of tokio's, which
        // must not wait for another.
        if let Some(RolledBack { were_given, .. }) = rolled_back {
            writer.raise(were_given)?;
        }
        let thread = std::thread::Builder::new()
            .name("outbox".to_owned())
            .spawn(move || writer.run())
            .map_err(|error| OutboxError::io(dir, error))?;
        let thread = Mutex::new(Some(thread));
        Ok(Self { handle: Arc::new(Handle { jobs: Some(jobs), shared, thread, rolled_back }) })
    }

    /// Queues drafts; the answer comes once all that are accepted are durable, the `i`th for the
    /// `i`th draft. They become durable together or, on an error, mostly not at all: who sends
    /// again with the same idempotency keys is safe either way. The queue itself has no limit:
    /// bound how many wait for an answer.
    pub fn accept(&self, drafts: Vec<Draft>) -> Pending<Vec<Result<Accepted, Refusal>>> {
        self.ask(|reply| Job::Accept(drafts, reply))
    }

    /// Notes what became of sent events: those acknowledged are taken out and their receipts
    /// remembered, others kept as rejected. What does not wait any more is left as it is.
    pub fn settle(&self, outcomes: Vec<(u32, Outcome)>) -> Pending<()> {
        self.ask(|reply| Job::Settle(outcomes, reply))
    }

    /// Puts rejected events back among the unsent. The answer is the lowest number
    /// put back and how many there were; `None` if there were none.
    pub fn retry(&self, which: Retry) -> Pending<Option<(u32, u64)>> {
        self.ask(|reply| Job::Retry(which, reply))
    }

    /// Goes on numbering above a number that was given before, here before a rollback or elsewhere.
    /// The numbers passed over are announced, so that they count as missing unless their events
    /// are in Kafka. The answer is the highest number before.
    pub fn raise(&self, to: u32) -> Pending<u32> {
        self.ask(|reply| Job::Raise(to, reply))
    }

    /// What the witness on another volume noticed at the opening.
    #[must_use]
    pub fn rolled_back(&self) -> Option<RolledBack> {
        self.handle.rolled_back
    }

    /// What it holds, as of the last transaction. No disk is read.
    #[must_use]
    pub fn counts(&self) -> Counts {
        *self.handle.shared.counts.borrow()
    }

    /// The counts after each transaction.
    #[must_use]
    pub fn changed(&self) -> watch::Receiver<Counts> {
        self.handle.shared.counts.subscribe()
    }

    /// Does what was asked before, and closes the outbox: calls on clones are answered with
    /// [`OutboxError::Closed`] from now on. Blocks: not for async threads.
    ///
    /// # Errors
    /// If it had ended before, or cannot be closed cleanly. Nothing is lost then either: the next
    /// opening recovers it.
    pub fn close(self) -> Result<(), OutboxError> {
        let shared = &self.handle.shared;
        shared.check()?;
        let closing = self.ask(Job::Close);
        shared.end(OutboxError::Closed);
        let closed = closing.wait();
        let thread = self.handle.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            // The thread catches its panics.
            drop(thread.join());
        }
        closed
    }

    fn ask<T>(&self, job: impl FnOnce(Reply<T>) -> Job) -> Pending<T> {
        let (reply, answer) = oneshot::channel();
        // A refused job drops its reply, and the answer says why.
        if self.handle.shared.check().is_ok() {
            drop(self.send(job(reply)));
        }
        Pending { answer, shared: Arc::clone(&self.handle.shared) }
    }

    pub(super) fn send(&self, job: Job) -> Result<(), OutboxError> {
        let jobs = self.handle.jobs.as_ref().ok_or(OutboxError::Closed)?;
        jobs.send(job).map_err(|_| self.handle.shared.why_ended())
    }
}
