//! The writer: one thread that makes every change, many at a time.
//!
//! It takes whatever waits, makes it one transaction, has the disk confirm it once, writes the
//! witness, and answers everybody: the more clients there are, the more share one `fsync`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crossbeam_channel::Receiver;
use redb::{Database, Durability};
use tokio::sync::{oneshot, watch};

use super::format::{Entry, State};
use super::open::{Checked, Files, Opened};
use super::reserve::{RESERVE_BYTES, Reserve};
use super::stage::{Rules, Stage};
use super::witness::{Testimony, Witness};
use super::{Accepted, Counts, Draft, OutboxError, Outcome, Refusal, Retry};

/// A transaction takes no further job once it has this many events. A job is never divided.
const EVENTS_AT_ONCE: usize = 5_000;

/// After the disk was full, accepting is not tried again for so long, and this many times as long
/// as opening the database anew took: reading and settling go on meanwhile.
const PAUSE: Duration = Duration::from_millis(50);
const PAUSE_TIMES: u32 = 10;

pub(super) type Reply<T> = oneshot::Sender<Result<T, OutboxError>>;

/// What the writer is asked to do.
pub(super) enum Job {
    Accept(Vec<Draft>, Reply<Vec<Result<Accepted, Refusal>>>),
    Settle(Vec<(u32, Outcome)>, Reply<()>),
    Retry(Retry, Reply<Option<(u32, u64)>>),
    /// Somebody found the database shut: open it again if that is possible by now.
    Reopen,
    Close(Reply<()>),
}

impl Job {
    fn events(&self) -> usize {
        match self {
            Self::Accept(drafts, _) => drafts.len(),
            Self::Settle(outcomes, _) => outcomes.len(),
            Self::Retry(..) | Self::Reopen | Self::Close(_) => 1,
        }
    }

    fn refuse(self, error: OutboxError) {
        // Whoever does not wait any more need not be told.
        match self {
            Self::Accept(_, reply) => drop(reply.send(Err(error))),
            Self::Settle(_, reply) | Self::Close(reply) => drop(reply.send(Err(error))),
            Self::Retry(_, reply) => drop(reply.send(Err(error))),
            Self::Reopen => {}
        }
    }

    fn answer(self, done: Done) {
        match (self, done) {
            (Self::Accept(_, reply), Done::Accepted(answers)) => drop(reply.send(Ok(answers))),
            (Self::Settle(_, reply), Done::Nothing) => drop(reply.send(Ok(()))),
            (Self::Retry(_, reply), Done::Retried(lowest)) => drop(reply.send(Ok(lowest))),
            _ => {}
        }
    }
}

/// The answer to a job, until the transaction is durable.
enum Done {
    Accepted(Vec<Result<Accepted, Refusal>>),
    Retried(Option<(u32, u64)>),
    Nothing,
}

/// What the writer shares with those who read and ask.
pub(super) struct Shared {
    pub(super) directory: PathBuf,
    /// `None` while it cannot be opened for want of room, and once it is closed.
    pub(super) database: RwLock<Option<Database>>,
    /// Why nothing is done any more.
    ended: Mutex<Option<OutboxError>>,
    pub(super) counts: watch::Sender<Counts>,
}

impl Shared {
    fn ended(&self) -> MutexGuard<'_, Option<OutboxError>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nothing is done any more, if so.
    pub(super) fn check(&self) -> Result<(), OutboxError> {
        self.ended().clone().map_or(Ok(()), Err)
    }

    /// Ends it; the first reason stays.
    pub(super) fn end(&self, reason: OutboxError) {
        self.ended().get_or_insert(reason);
    }

    fn put(&self, database: Option<Database>) -> Option<Database> {
        let mut place = self.database.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut place, database)
    }
}

pub(super) struct Writer {
    files: Files,
    shared: Arc<Shared>,
    rules: Rules,
    jobs: Receiver<Job>,
    state: State,
    oldest_unsent: Option<Entry>,
    witness: Witness,
    reserve: Reserve,
    /// Until when accepting is not tried: the disk was full.
    paused_until: Option<Instant>,
    /// How much there was in the database when the disk was full.
    full_at: Option<u64>,
}

impl Writer {
    pub(super) fn new(opened: Opened, rules: Rules, jobs: Receiver<Job>) -> (Self, Arc<Shared>) {
        let Opened { files, database, state, oldest_unsent, witness, reserve } = opened;
        let (counts, _) = watch::channel(Counts::default());
        let shared = Arc::new(Shared {
            directory: files.directory.clone(),
            database: RwLock::new(Some(database)),
            ended: Mutex::new(None),
            counts,
        });
        let writer = Self {
            files,
            shared: Arc::clone(&shared),
            rules,
            jobs,
            state,
            oldest_unsent,
            witness,
            reserve,
            paused_until: None,
            full_at: None,
        };
        writer.publish();
        (writer, shared)
    }

    /// Works until the outbox is closed or given up, or something fails for good.
    pub(super) fn run(self) {
        let shared = Arc::clone(&self.shared);
        if catch_unwind(AssertUnwindSafe(move || self.work())).is_err() {
            shared.end(OutboxError::Stopped("its writer panicked".into()));
        }
        // Whatever the database still holds is for the next opening to recover.
        drop(shared.put(None));
    }

    fn work(mut self) {
        while let Ok(first) = self.jobs.recv() {
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
        if batch.iter().any(|job| matches!(job, Job::Accept(..))) && !self.may_accept() {
            self.refuse_accepting(&mut batch);
        }
        let Err(error) = self.try_turn(&mut batch) else { return };
        if matches!(error, OutboxError::DiskFull { .. }) {
            // The reserve is given up: what makes room may succeed now.
            self.refuse_accepting(&mut batch);
            if self.try_turn(&mut batch).is_ok() {
                return;
            }
        }
        if !error.passes() {
            tracing::error!(%error, "the outbox has stopped");
            self.shared.end(OutboxError::Stopped(error.to_string().into()));
        }
        batch.into_iter().for_each(|job| job.refuse(error.clone()));
    }

    /// Does a batch of jobs and answers them, unless it fails.
    fn try_turn(&mut self, batch: &mut Vec<Job>) -> Result<(), OutboxError> {
        if batch.is_empty() {
            return Ok(());
        }
        let mut done = Vec::with_capacity(batch.len());
        self.attempt(batch, &mut done)?;
        batch.drain(..).zip(done).for_each(|(job, done)| job.answer(done));
        Ok(())
    }

    /// Whether there is room, as far as can be told without trying.
    fn may_accept(&mut self) -> bool {
        if self.paused_until.is_some_and(|until| Instant::now() < until) {
            return false;
        }
        self.paused_until = None;
        if self.reserve.keep() {
            self.full_at = None;
            return true;
        }
        // The disk is as full as it was, but the database may have room inside by now.
        let occupied = self.state.occupied();
        let full_at = *self.full_at.get_or_insert(occupied);
        occupied.saturating_add(2 * RESERVE_BYTES).min(occupied.saturating_mul(2)) <= full_at
            && full_at > 0
    }

    fn pause(&mut self, reopening: Duration) {
        self.paused_until = Instant::now().checked_add(PAUSE + reopening * PAUSE_TIMES);
    }

    fn refuse_accepting(&self, batch: &mut Vec<Job>) {
        for job in batch.extract_if(.., |job| matches!(job, Job::Accept(..))) {
            job.refuse(OutboxError::DiskFull { path: self.files.directory.clone() });
        }
    }

    fn is_open(&self) -> bool {
        self.shared.database.read().unwrap_or_else(PoisonError::into_inner).is_some()
    }

    fn attempt(&mut self, batch: &[Job], done: &mut Vec<Done>) -> Result<(), OutboxError> {
        if !self.is_open() {
            self.reserve.give_up();
            self.reopen()?;
        }
        let mut next = None;
        let result = self.transact(batch, done, &mut next);
        let Err(error) = result else {
            return next.map_or(Ok(()), |(state, oldest)| self.committed(state, oldest));
        };
        if !error.passes() {
            return Err(error);
        }
        tracing::warn!(%error, "the outbox could not be written");
        if matches!(error, OutboxError::DiskFull { .. }) {
            self.reserve.give_up();
            self.full_at = Some(self.state.occupied());
        }
        self.reopen()?;
        // A commit that failed may be there all the same: the database, opened anew and flushed,
        // is what tells.
        if next.is_some_and(|(state, _)| state == self.state) {
            return Ok(());
        }
        Err(error)
    }

    /// Does a batch in one transaction. `next` is set once a commit is tried.
    fn transact(
        &self,
        batch: &[Job],
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
        for job in batch {
            done.push(match job {
                Job::Accept(drafts, _) => {
                    let answers: Result<_, _> =
                        drafts.iter().map(|draft| stage.accept(draft)).collect();
                    Done::Accepted(answers?)
                }
                Job::Settle(outcomes, _) => {
                    for (sequence, outcome) in outcomes {
                        stage.settle(*sequence, outcome)?;
                    }
                    Done::Nothing
                }
                Job::Retry(which, _) => Done::Retried(stage.retry(which)?),
                Job::Reopen | Job::Close(_) => Done::Nothing,
            });
        }
        stage.forget()?;
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
        let testimony = Testimony::new(&self.files.kiosk_id, &self.state);
        match self.witness.write(&testimony) {
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

    /// Opens the database anew after a failure: redb refuses everything until then. The lock is
    /// held throughout.
    fn reopen(&mut self) -> Result<(), OutboxError> {
        drop(self.shared.put(None));
        let began = Instant::now();
        let opened = self.files.open_database();
        self.pause(began.elapsed());
        let Checked { database, state, oldest_unsent } = opened?;
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
        Ok(())
    }

    fn publish(&self) {
        let State { highest_sequence, unsent, unsent_bytes, set_aside, acknowledged, .. } =
            self.state;
        self.shared.counts.send_replace(Counts {
            highest_sequence,
            unsent,
            unsent_bytes,
            limit_bytes: self.rules.settings.limit_bytes,
            set_aside,
            set_aside_bytes: self.state.set_aside_bytes,
            acknowledged,
            oldest_unsent: self.oldest_unsent.map(|entry| entry.occurred_at),
            waiting_since: self.oldest_unsent.map(|entry| entry.accepted_at),
            latest_accepted_at: self.state.latest_accepted_at,
        });
    }
}
