//! The outbox: events on the kiosk's disk, from their acceptance until Kafka has them.
//!
//! It knows nothing of NIKs, HTTP or Kafka: it gets pseudonymous drafts, numbers and stores them,
//! and learns what became of each. What it has accepted it never loses and never drops: it is
//! there, or the outbox refuses to open and says so.
//!
//! # On the disk: format 2
//!
//! A directory (mode 0700) of these files (0600):
//!
//! | file | what it is |
//! | --- | --- |
//! | `outbox.lock` | empty; locked as long as the outbox is open |
//! | `outbox.redb` | the database; on Linux 4 MiB more are allocated behind its end, the reserve |
//! | `outbox.witness` | how far the database had come |
//! | `outbox.clock` | the agent's own, JSON: which events have doubtful times; only if some have |
//! | `outbox.conflicts` | the same: how many events of another device under this id the worker knew |
//! | `outbox.setback` | the same: that the outbox was set back, and when that was noticed |
//!
//! Database and witness are made as `….new` and renamed. The tables of the database (redb 4):
//!
//! | table | key | value |
//! | --- | --- | --- |
//! | `meta` | `identity` | a sealed JSON object: `format_version`, `kiosk_id`, `key_id` (null before anybody has named a key) |
//! | | `state` | sealed: generation 8, highest sequence 4, then 8 each: unsent, their bytes, set aside, their bytes, acknowledged ever, of those forgotten, idempotency keys; the newest receipt's timestamp and the latest acceptance, each 1 (there or not) + 8; numbers passed over 8 |
//! | `unsent` | sequence | sealed: entry, event |
//! | `set_aside` | sequence | sealed: entry, obstacle 1, when 8, length 2 and text of the detail, event |
//! | `acknowledged` | sequence | sealed: entry, partition 4, offset 8, timestamp 1 + 8, its place in `forget` 8 |
//! | `events` | event id | sequence |
//! | `keys` | digest of the idempotency key | sequence |
//! | `forget` | receipt's timestamp, sequence | nothing |
//!
//! An *entry* is event id 16, subject 16, home and service region 2 each, occurred at 8, accepted
//! at 8, and 1 that says whether the digests of the idempotency key and of its content follow, 16
//! each. The *event* is the whole [`ActivationEvent`](laju_schemas::ActivationEvent) in Avro's
//! single-object encoding. Numbers are little endian, instants milliseconds since 1970. *Sealed*
//! is with a CRC-32 in front, of the sequence number (0 in `meta`) and the rest.
//!
//! Every number given is that of an event in `unsent`, in `set_aside`, acknowledged, or was passed
//! over because it had been given before: the four add up to the highest, and this is checked when
//! the outbox is opened, as is every page. Format 1 had neither key nor numbers passed over; it is
//! brought up to format 2 as it is opened, and belongs to the first key that it is opened with.
//!
//! The witness has 128 bytes: `LAJUWITN`, format 4, generation 8, highest sequence 4, acknowledged
//! 8, length 2 and text of the kiosk id, zeros, and the CRC-32 of all that. It is written over
//! after each durable commit and before the answer, without being forced to the disk: behind the
//! database it may be, ahead of it never. So a database that has fallen back to an older commit,
//! or is gone, is noticed. A second witness may lie on another volume: it notices where the whole
//! directory has fallen back, the first one included. Numbers then go on above what it has seen.
//!
//! # What happens when
//!
//! - A transaction is durable before anybody is answered. A kill in between leaves events that
//!   nobody was told of; who sends them again with the same idempotency key gets the same answer.
//! - The disk is full: those who wait get [`OutboxError::DiskFull`]. The database's file is never
//!   sparse, and where the disk has no room to double it, it grows by what there is, the reserve
//!   excepted. The reserve is for settling alone, which goes on in small steps and makes room in
//!   the database; its pages are then moved together, the file is shortened, and the reserve made
//!   again. Once it is whole and there is room besides, or the database has as much within itself,
//!   accepting goes on by itself. Where nothing was settled for minutes, and the oldest acknowledged
//!   events take the room that is missing, they are forgotten before their time. Since redb refuses
//!   everything after a failed write, it is opened again under the same lock.
//! - Something is damaged: [`OutboxError::Damaged`], at opening or at the row.
//! - The writer fails for good: [`OutboxError::Stopped`] to everybody from then on.

mod error;
mod format;
mod open;
mod pending;
mod read;
mod room;
mod stage;
#[cfg(test)]
mod tests;
mod types;
mod witness;
mod writer;

use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;

use crossbeam_channel::Sender;
use laju_schemas::KioskId;
use laju_schemas::codec::Encoder;
use tokio::sync::{oneshot, watch};

pub use error::OutboxError;
pub use format::{FORMAT_VERSION, ROW_OVERHEAD};
pub use pending::Pending;
pub use types::{
    Accepted, Counts, Dated, Draft, IdempotencyKey, Known, Obstacle, OutboxSettings, Outcome,
    Refusal, Retry, RolledBack, SetAside, State, Unsent,
};

use pending::ended;
use stage::Rules;
use writer::{Job, Reply, Shared, Writer};

/// An open outbox: cheap to clone, shared by the intake and the shipper. When the last clone is
/// dropped, what was asked is still done, and the outbox closed; the drop waits for that.
#[derive(Clone)]
pub struct Outbox {
    handle: Arc<Handle>,
}

struct Handle {
    /// `None` only while being dropped.
    jobs: Option<Sender<Job>>,
    shared: Arc<Shared>,
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
        let seen = opened.abroad.as_ref().and_then(|abroad| abroad.said.as_ref());
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
    /// remembered, others set aside. What does not wait any more is left as it is.
    pub fn settle(&self, outcomes: Vec<(u32, Outcome)>) -> Pending<()> {
        self.ask(|reply| Job::Settle(outcomes, reply))
    }

    /// Puts events that were set aside back among the unsent. The answer is the lowest number
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

    /// Told of the counts after each transaction.
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

    fn send(&self, job: Job) -> Result<(), OutboxError> {
        let jobs = self.handle.jobs.as_ref().ok_or(OutboxError::Closed)?;
        jobs.send(job).map_err(|_| ended(&self.handle.shared))
    }
}
