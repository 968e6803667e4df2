//! The writer: one thread that makes every change, many at a time.
//!
//! It takes whatever waits, makes it one transaction, has the disk confirm it once, writes the
//! witness, and answers everybody: the more clients there are, the more share one `fsync`.

pub(super) mod disk_full;

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, PoisonError};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use redb::Durability;

use super::format::State;
use super::job::{Done, Job, Work};
use super::open::{Checked, Files, Lengthen, Opened};
use super::pending::Shared;
use super::room::Room;
use super::stage::{Rules, Stage};
use super::witness::{HighWaterMark, Witness};
use super::{Counts, Entry, OutboxError};

/// A transaction takes no further job once it has this many events. A job is never divided.
const EVENTS_AT_ONCE: usize = 5_000;

/// At most this many events are forgotten in one transaction.
const FORGET_AT_ONCE: usize = 1_000;

/// The same for settling and forgetting on a full disk: what such a transaction writes before it
/// frees anything has to fit into a part of the reserve.
const SETTLE_AT_ONCE_ON_FULL_DISK: usize = 500;
const FORGET_AT_ONCE_ON_FULL_DISK: usize = 100;

/// While the disk is full, room is looked for this often where nobody asks for anything.
const IDLE_ROOM_CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// A batch is tried so often while its database can be lengthened for it.
const ATTEMPTS: usize = 16;

pub(super) struct Writer {
    files: Files,
    shared: Arc<Shared>,
    rules: Rules,
    jobs: Receiver<Job>,
    state: State,
    oldest_unsent: Option<Entry>,
    witness: Witness,
    /// The one on another volume.
    second_witness: Option<Witness>,
    room: Arc<Room>,
    /// Until when it is not looked for room again: the disk was full.
    room_check_after: Option<Instant>,
    /// Nothing is accepted: the disk is full.
    disk_full: Option<DiskFull>,
    /// Whether the database was lengthened when it was last opened.
    lengthened: bool,
}

/// What there was in the database while the disk is full.
#[derive(Clone, Copy, Debug)]
struct DiskFull {
    /// How many bytes, about, when its pages were last moved together, or the disk became full.
    compacted_at: u64,
    /// How many when there was last no room to move them.
    compaction_failed_at: Option<u64>,
    /// How many events had been acknowledged at the last look, and since when.
    acknowledged: u64,
    idle_since: Instant,
}

impl Writer {
    pub(super) fn new(opened: Opened, rules: Rules, jobs: Receiver<Job>) -> (Self, Arc<Shared>) {
        let Opened { files, database, state, oldest_unsent, witness, second_witness, room } =
            opened;
        let shared = Arc::new(Shared::new(files.directory.clone(), database));
        let mut writer = Self {
            files,
            shared: Arc::clone(&shared),
            rules,
            jobs,
            state,
            oldest_unsent,
            witness,
            second_witness: second_witness.map(|second_witness| second_witness.witness),
            room,
            room_check_after: None,
            disk_full: None,
            lengthened: false,
        };
        if !writer.room.ensure_reserve() {
            writer.note_disk_full();
        }
        writer.publish();
        (writer, shared)
    }

    /// Goes on numbering above a number that was given before, on this thread.
    pub(super) fn raise(&mut self, to: u32) -> Result<(), OutboxError> {
        let mut tried = self.attempt(&[Work::Raise(to)], &mut Vec::new());
        for _ in 1..ATTEMPTS {
            if tried.is_ok() || !self.lengthened {
                break;
            }
            tried = self.attempt(&[Work::Raise(to)], &mut Vec::new());
        }
        tried
    }

    /// Works until the outbox is closed or given up, or something fails permanently.
    pub(super) fn run(self) {
        let shared = Arc::clone(&self.shared);
        if catch_unwind(AssertUnwindSafe(move || self.work())).is_err() {
            shared.end(OutboxError::Stopped("its writer panicked".into()));
        }
        // Whatever the database still holds is for the next opening to recover.
        drop(shared.put(None));
    }

    fn work(mut self) {
        loop {
            let first = if self.disk_full.is_some() {
                match self.jobs.recv_timeout(IDLE_ROOM_CHECK_INTERVAL) {
                    Ok(first) => first,
                    Err(RecvTimeoutError::Timeout) => {
                        self.make_room();
                        continue;
                    }
                    Err(RecvTimeoutError::Disconnected) => break,
                }
            } else {
                let Ok(first) = self.jobs.recv() else { break };
                first
            };
            let mut events = first.events();
            let mut batch = vec![first];
            while events < EVENTS_AT_ONCE
                && !matches!(batch.last(), Some(Job::Close(_)))
                && let Ok(job) = self.jobs.try_recv()
            {
                events += job.events();
                batch.push(job);
            }
            let close = batch.pop_if(|job| matches!(job, Job::Close(_)));
            if !batch.is_empty() {
                self.turn(batch);
            }
            if let Some(Job::Close(reply)) = close {
                let closed = self.close();
                drop(self);
                drop(reply.send(closed));
                return;
            }
            if self.shared.check().is_err_and(|ended| !matches!(ended, OutboxError::Closed)) {
                return;
            }
        }
        // Given up without being closed: every job has been done.
        if let Err(error) = self.close() {
            tracing::warn!(%error, "the outbox was not closed cleanly");
        }
    }

    fn close(&mut self) -> Result<(), OutboxError> {
        let Some(database) = self.shared.put(None) else { return Ok(()) };
        database.close().map_err(|error| OutboxError::database(&self.files.directory, error))
    }

    /// Does a batch of jobs and answers them.
    fn turn(&mut self, mut batch: Vec<Job>) {
        if self.disk_full.is_some() {
            self.make_room();
        }
        if self.disk_full.is_some() {
            self.refuse_accepting(&mut batch);
        }
        let mut error = OutboxError::DiskFull { path: self.files.directory.clone() };
        for _ in 0..ATTEMPTS {
            match self.try_turn(&mut batch) {
                Ok(()) => return,
                Err(failed) => error = failed,
            }
            match self.lengthened {
                _ if !matches!(error, OutboxError::DiskFull { .. }) => break,
                true => {}
                // What makes room may succeed without the rest.
                false if batch.iter().any(Job::accepts) => self.refuse_accepting(&mut batch),
                false => break,
            }
        }
        if !error.passes() {
            tracing::error!(%error, "the outbox has stopped");
            self.shared.end(OutboxError::Stopped(error.to_string().into()));
        }
        batch.into_iter().for_each(|job| job.refuse(error.clone()));
    }

    /// Does a batch of jobs and answers them, unless it fails. On a full disk job by job and in
    /// small steps, each of which makes room for the next: what was done before a failure is done
    /// again without effect.
    fn try_turn(&mut self, batch: &mut Vec<Job>) -> Result<(), OutboxError> {
        if batch.is_empty() {
            return Ok(());
        }
        if self.disk_full.is_none() {
            let work: Vec<_> = batch.iter().map(Job::work).collect();
            let mut done = Vec::with_capacity(batch.len());
            self.attempt(&work, &mut done)?;
            batch.drain(..).zip(done).for_each(|(job, done)| job.answer(done));
            return Ok(());
        }
        while let Some(job) = batch.first() {
            let mut done = Vec::new();
            match job.work() {
                Work::Settle(outcomes) => {
                    for some in outcomes.chunks(SETTLE_AT_ONCE_ON_FULL_DISK) {
                        done.clear();
                        self.attempt(&[Work::Settle(some)], &mut done)?;
                    }
                }
                work => self.attempt(&[work], &mut done)?,
            }
            batch.remove(0).answer(done.pop().unwrap_or(Done::Nothing));
        }
        Ok(())
    }

    fn refuse_accepting(&self, batch: &mut Vec<Job>) {
        for job in batch.extract_if(.., |job| job.accepts()) {
            job.refuse(OutboxError::DiskFull { path: self.files.directory.clone() });
        }
    }

    fn is_open(&self) -> bool {
        self.shared.database.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn attempt(&mut self, batch: &[Work<'_>], done: &mut Vec<Done>) -> Result<(), OutboxError> {
        self.lengthened = false;
        if !self.is_open() {
            self.reopen(Lengthen::FromReserve)?;
        }
        let mut next = None;
        let result = self.transact(batch, done, &mut next);
        let Err(error) = result else {
            return next.map_or(Ok(()), |(state, oldest)| self.committed(state, oldest));
        };
        if !error.passes() {
            return Err(error);
        }
        let mut lengthen = Lengthen::Not;
        if matches!(error, OutboxError::DiskFull { .. }) {
            let accepts = batch.iter().any(|work| matches!(work, Work::Accept(_)));
            lengthen = if accepts { Lengthen::FromDisk } else { Lengthen::FromReserve };
        } else {
            tracing::warn!(%error, "the outbox could not be written");
        }
        self.reopen(lengthen)?;
        if lengthen == Lengthen::FromDisk && !self.lengthened {
            self.note_disk_full();
        }
        // A commit that failed may be there all the same: the database, reopened and flushed,
        // is what tells.
        if next.is_some_and(|(state, _)| state == self.state) {
            return Ok(());
        }
        Err(error)
    }

    /// Does a batch in one transaction. `next` is set once a commit is tried.
    fn transact(
        &self,
        batch: &[Work<'_>],
        done: &mut Vec<Done>,
        next: &mut Option<(State, Option<Entry>)>,
    ) -> Result<(), OutboxError> {
        let path = self.files.directory.as_path();
        let place = self.shared.database.read().unwrap_or_else(PoisonError::into_inner);
        let database =
            place.as_ref().ok_or_else(|| OutboxError::DiskFull { path: path.to_owned() })?;
        let mut transaction =
            database.begin_write().map_err(|error| OutboxError::database(path, error))?;
        transaction
            .set_durability(Durability::Immediate)
            .map_err(|error| OutboxError::database(path, error))?;
        let mut stage = Stage::open(&transaction, path, &self.rules, self.state)?;
        for work in batch {
            done.push(match work {
                Work::Accept(drafts) => {
                    let answers: Result<_, _> =
                        drafts.iter().map(|draft| stage.accept(draft)).collect();
                    Done::Accepted(answers?)
                }
                Work::Settle(outcomes) => {
                    for (sequence, outcome) in *outcomes {
                        stage.settle(*sequence, outcome)?;
                    }
                    Done::Nothing
                }
                Work::Retry(which) => Done::Retried(stage.retry(which)?),
                Work::Raise(to) => {
                    let before = stage.state.highest_sequence;
                    stage.raise(*to);
                    Done::Raised(before)
                }
                Work::Forget(count) => {
                    stage.forget_oldest(*count)?;
                    Done::Nothing
                }
                Work::Nothing => Done::Nothing,
            });
        }
        stage.forget(if self.disk_full.is_some() {
            FORGET_AT_ONCE_ON_FULL_DISK
        } else {
            FORGET_AT_ONCE
        })?;
        if !stage.changed {
            drop(stage);
            return transaction.abort().map_err(|error| OutboxError::database(path, error));
        }
        *next = Some(stage.finish()?);
        transaction.commit().map_err(|error| OutboxError::database(path, error))
    }

    /// After a durable commit: the witness, then the counts.
    fn committed(&mut self, state: State, oldest_unsent: Option<Entry>) -> Result<(), OutboxError> {
        self.state = state;
        self.oldest_unsent = oldest_unsent;
        self.publish();
        let mark = HighWaterMark::new(&self.files.kiosk_id, &self.state);
        if let Some(second_witness) = &self.second_witness
            && let Err(error) = second_witness.write(&mark)
        {
            // Its volume may be away; the outbox is not.
            let path = second_witness.path.display();
            tracing::warn!(%path, %error, "the witness on another volume could not be written");
        }
        match self.witness.write(&mark) {
            Ok(()) => Ok(()),
            Err(error) => match OutboxError::io(&self.witness.path, error) {
                // The events are safe, and the witness may be behind.
                error if error.passes() => {
                    tracing::warn!(%error, "the outbox's witness could not be written");
                    Ok(())
                }
                error => Err(error),
            },
        }
    }

    /// Reopens the database after a failure: redb refuses everything until then. The lock is
    /// held throughout.
    fn reopen(&mut self, lengthen: Lengthen) -> Result<(), OutboxError> {
        drop(self.shared.put(None));
        let began = Instant::now();
        let opened = self.files.open_database(lengthen);
        self.delay_room_check(began.elapsed());
        let Checked { database, state, oldest_unsent, room, lengthened } = opened?;
        self.room = room;
        self.lengthened = lengthened > 0;
        // What failed may have been the commit, or its confirmation.
        if state.generation != self.state.generation
            && state.generation != self.state.generation + 1
        {
            return Err(OutboxError::damaged(
                &self.files.directory,
                "after a failed write its database has fallen back to an older state",
            ));
        }
        self.committed(state, oldest_unsent)?;
        drop(self.shared.put(Some(database)));
        if !self.room.ensure_reserve() {
            self.note_disk_full();
        }
        Ok(())
    }

    fn publish(&self) {
        let State { highest_sequence, unsent, unsent_bytes, rejected, acknowledged, .. } =
            self.state;
        self.shared.counts.send_replace(Counts {
            highest_sequence,
            unsent,
            unsent_bytes,
            limit_bytes: self.rules.settings.limit_bytes,
            rejected,
            rejected_bytes: self.state.rejected_bytes,
            acknowledged,
            passed_over: self.state.passed_over,
            disk_full: self.disk_full.is_some(),
            oldest_unsent: self.oldest_unsent.map(|entry| entry.occurred_at),
            waiting_since: self.oldest_unsent.map(|entry| entry.accepted_at),
            latest_accepted_at: self.state.latest_accepted_at,
            newest_receipt: self.state.newest_receipt,
        });
    }
}
