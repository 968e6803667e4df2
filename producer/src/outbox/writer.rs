//! The writer: one thread that makes every change, many at a time.
//!
//! It takes whatever waits, makes it one transaction, has the disk confirm it once, writes the
//! witness, and answers everybody: the more clients there are, the more share one `fsync`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, RecvTimeoutError};
use redb::{Database, Durability};
use tokio::sync::{oneshot, watch};

use super::format::{Entry, State};
use super::open::{Checked, Files, Lengthen, Opened};
use super::room::{LEAST_STEP_BYTES, RESERVE_BYTES, Room, STEP_BYTES};
use super::stage::{Rules, Stage};
use super::witness::{Testimony, Witness};
use super::{Accepted, Counts, Draft, OutboxError, Outcome, Refusal, Retry};

/// A transaction takes no further job once it has this many events. A job is never divided.
const EVENTS_AT_ONCE: usize = 5_000;

/// At most this many events are forgotten in one transaction.
const FORGET_AT_ONCE: usize = 1_000;

/// The same for settling and forgetting on a full disk: what such a transaction writes before it
/// frees anything has to fit into a part of the reserve.
const FEW_EVENTS: usize = 500;
const FORGET_FEW: usize = 100;

/// While the disk is full, it is looked for room after so long, and this many times as long as
/// looking took: reading and settling go on meanwhile.
const ROOM_CHECK_INTERVAL: Duration = Duration::from_millis(50);
const PAUSE_TIMES: u32 = 10;
/// And this often where nobody asks for anything.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// For so long nothing must have been settled before acknowledged events are forgotten before their
/// time: shipping makes room, too, and what it needs may be somebody else's to make.
pub(super) const QUIET: Duration = Duration::from_secs(if cfg!(test) { 3 } else { 5 * 60 });

/// A batch is tried so often while its database can be lengthened for it.
const ATTEMPTS: usize = 16;

pub(super) type Reply<T> = oneshot::Sender<Result<T, OutboxError>>;

/// What the writer is asked to do.
pub(super) enum Job {
    Accept(Vec<Draft>, Reply<Vec<Result<Accepted, Refusal>>>),
    Settle(Vec<(u32, Outcome)>, Reply<()>),
    Retry(Retry, Reply<Option<(u32, u64)>>),
    /// Numbers go on above this one. The answer is the highest given before.
    Raise(u32, Reply<u32>),
    /// Somebody found the database shut: open it again if that is possible by now.
    Reopen,
    Close(Reply<()>),
}

/// What a transaction does for a job, or for a part of one.
enum Work<'a> {
    Accept(&'a [Draft]),
    Settle(&'a [(u32, Outcome)]),
    Retry(&'a Retry),
    Raise(u32),
    /// So many of the oldest acknowledged, before their time.
    Forget(usize),
    Nothing,
}

impl Job {
    fn accepts(&self) -> bool {
        matches!(self, Self::Accept(..))
    }

    fn work(&self) -> Work<'_> {
        match self {
            Self::Accept(drafts, _) => Work::Accept(drafts),
            Self::Settle(outcomes, _) => Work::Settle(outcomes),
            Self::Retry(which, _) => Work::Retry(which),
            Self::Raise(to, _) => Work::Raise(*to),
            Self::Reopen | Self::Close(_) => Work::Nothing,
        }
    }

    fn events(&self) -> usize {
        match self {
            Self::Accept(drafts, _) => drafts.len(),
            Self::Settle(outcomes, _) => outcomes.len(),
            Self::Retry(..) | Self::Raise(..) | Self::Reopen | Self::Close(_) => 1,
        }
    }

    fn refuse(self, error: OutboxError) {
        // A caller that does not wait any more needs no answer.
        match self {
            Self::Accept(_, reply) => drop(reply.send(Err(error))),
            Self::Settle(_, reply) | Self::Close(reply) => drop(reply.send(Err(error))),
            Self::Retry(_, reply) => drop(reply.send(Err(error))),
            Self::Raise(_, reply) => drop(reply.send(Err(error))),
            Self::Reopen => {}
        }
    }

    fn answer(self, done: Done) {
        match (self, done) {
            (Self::Accept(_, reply), Done::Accepted(answers)) => drop(reply.send(Ok(answers))),
            (Self::Settle(_, reply), Done::Nothing) => drop(reply.send(Ok(()))),
            (Self::Retry(_, reply), Done::Retried(lowest)) => drop(reply.send(Ok(lowest))),
            (Self::Raise(_, reply), Done::Raised(before)) => drop(reply.send(Ok(before))),
            _ => {}
        }
    }
}

/// The answer to a job, until the transaction is durable.
enum Done {
    Accepted(Vec<Result<Accepted, Refusal>>),
    Retried(Option<(u32, u64)>),
    Raised(u32),
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
    /// The one on another volume.
    abroad: Option<Witness>,
    room: Arc<Room>,
    /// Until when it is not looked for room again: the disk was full.
    paused_until: Option<Instant>,
    /// Nothing is accepted: the disk is full.
    pressure: Option<Pressure>,
    /// Whether the database was lengthened when it was last opened.
    lengthened: bool,
}

/// What there was in the database while the disk is full.
#[derive(Clone, Copy, Debug)]
struct Pressure {
    /// How many bytes, about, when its pages were last moved together, or the disk became full.
    packed_at: u64,
    /// How many when there was last no room to move them.
    tried_at: Option<u64>,
    /// How many events had been acknowledged at the last look, and since when.
    acknowledged: u64,
    quiet_since: Instant,
}

impl Pressure {
    fn of(state: &State) -> Self {
        Self {
            packed_at: state.occupied(),
            tried_at: None,
            acknowledged: state.acknowledged,
            quiet_since: Instant::now(),
        }
    }

    /// Whether there is so much less in the database now that it is worth something.
    fn has_eased(&self, state: &State) -> bool {
        is_less(state.occupied(), self.packed_at)
    }

    /// Whether it is worth trying to move its pages together.
    fn may_pack(&self, state: &State) -> bool {
        self.has_eased(state) && self.tried_at.is_none_or(|tried| is_less(state.occupied(), tried))
    }
}

/// Whether so many bytes are a step less than those, or an eighth less of few.
fn is_less(bytes: u64, than: u64) -> bool {
    bytes + STEP_BYTES.min(than / 8).max(1) <= than
}

impl Writer {
    pub(super) fn new(opened: Opened, rules: Rules, jobs: Receiver<Job>) -> (Self, Arc<Shared>) {
        let Opened { files, database, state, oldest_unsent, witness, abroad, room } = opened;
        let (counts, _) = watch::channel(Counts::default());
        let shared = Arc::new(Shared {
            directory: files.directory.clone(),
            database: RwLock::new(Some(database)),
            ended: Mutex::new(None),
            counts,
        });
        let mut writer = Self {
            files,
            shared: Arc::clone(&shared),
            rules,
            jobs,
            state,
            oldest_unsent,
            witness,
            abroad: abroad.map(|abroad| abroad.witness),
            room,
            paused_until: None,
            pressure: None,
            lengthened: false,
        };
        if !writer.room.keep() {
            writer.press();
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
        loop {
            let first = if self.pressure.is_some() {
                match self.jobs.recv_timeout(LOOK_EVERY) {
                    Ok(first) => first,
                    Err(RecvTimeoutError::Timeout) => {
                        self.relieve();
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
        if self.pressure.is_some() {
            self.relieve();
        }
        if self.pressure.is_some() {
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
    /// once more to no effect.
    fn try_turn(&mut self, batch: &mut Vec<Job>) -> Result<(), OutboxError> {
        if batch.is_empty() {
            return Ok(());
        }
        if self.pressure.is_none() {
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
                    for some in outcomes.chunks(FEW_EVENTS) {
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

    /// On a full disk: sees whether there is room by now, or makes some.
    fn relieve(&mut self) {
        let Some(pressure) = self.pressure else { return };
        if self.paused_until.is_some_and(|until| Instant::now() < until) {
            return;
        }
        let began = Instant::now();
        if let Err(error) = self.try_to_relieve(pressure) {
            tracing::debug!(%error, "no room yet");
        }
        self.pause(began.elapsed());
    }

    fn try_to_relieve(&mut self, mut pressure: Pressure) -> Result<(), OutboxError> {
        if !self.is_open() {
            self.reopen(Lengthen::FromReserve)?;
        }
        let is_done = |writer: &Self, pressure: &Pressure| {
            if writer.room.keep() {
                writer.room.can_grow() || pressure.has_eased(&writer.state)
            } else {
                writer.has_room_within()
            }
        };
        if pressure.acknowledged != self.state.acknowledged {
            pressure.acknowledged = self.state.acknowledged;
            pressure.quiet_since = Instant::now();
        }
        self.pressure = Some(pressure);
        if !is_done(self, &pressure) {
            if pressure.may_pack(&self.state) {
                // Noted beforehand: where there is no room for it, it is not tried again before
                // there is less, and forgetting has its turn.
                pressure.tried_at = Some(self.state.occupied());
                self.pressure = Some(pressure);
                self.compact()?;
                (pressure.packed_at, pressure.tried_at) = (self.state.occupied(), None);
            } else if pressure.quiet_since.elapsed() >= QUIET
                && self.state.forgettable() >= self.room.missing()
            {
                // To take events is worth more than to remember what became of the oldest.
                self.forget_some()?;
                pressure.quiet_since = Instant::now();
            }
        }
        self.pressure = Some(pressure);
        if is_done(self, &pressure) {
            tracing::info!("there is room on the disk: events are taken again");
            self.pressure = None;
            self.publish();
        }
        Ok(())
    }

    /// Whether the database has so many free pages that a whole reserve would be there with them,
    /// though a part of it became theirs and the disk has nothing to make it whole again.
    fn has_room_within(&self) -> bool {
        let held = self.room.held();
        held >= RESERVE_BYTES / 2
            && held + self.free_bytes().unwrap_or(0) >= RESERVE_BYTES + LEAST_STEP_BYTES
    }

    /// The free pages of the database, in bytes.
    fn free_bytes(&self) -> Option<u64> {
        let place = self.shared.database.read().unwrap_or_else(PoisonError::into_inner);
        let transaction = place.as_ref()?.begin_write().ok()?;
        let stats = transaction.stats().ok()?;
        let used = stats.allocated_pages() * stats.page_size() as u64;
        drop(transaction);
        Some(self.room.length().ok()?.saturating_sub(used))
    }

    /// Moves the database's pages together and gives what is left behind them back.
    fn compact(&mut self) -> Result<(), OutboxError> {
        let result = {
            let mut place = self.shared.database.write().unwrap_or_else(PoisonError::into_inner);
            // Nobody reads meanwhile.
            place.as_mut().map_or(Ok(true), Database::compact)
        };
        let Err(error) = result else { return Ok(()) };
        let error = OutboxError::database(&self.files.directory, error);
        if error.passes() {
            self.reopen(Lengthen::FromReserve)?;
        }
        Err(error)
    }

    /// Forgets the oldest quarter of what was acknowledged.
    fn forget_some(&mut self) -> Result<(), OutboxError> {
        let remembered = self.state.acknowledged - self.state.forgotten;
        if remembered == 0 {
            return Ok(());
        }
        let goal = self.state.forgotten + remembered.div_ceil(4);
        tracing::warn!(
            events = remembered.div_ceil(4),
            "the disk is full: the oldest acknowledged events are forgotten before their time"
        );
        while self.state.forgotten < goal {
            let left = usize::try_from(goal - self.state.forgotten).unwrap_or(FORGET_FEW);
            let before = self.state.forgotten;
            self.attempt(&[Work::Forget(left.min(FORGET_FEW))], &mut Vec::new())?;
            if self.state.forgotten == before {
                break;
            }
        }
        Ok(())
    }

    fn pause(&mut self, effort: Duration) {
        self.paused_until = Instant::now().checked_add(ROOM_CHECK_INTERVAL + effort * PAUSE_TIMES);
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
            self.press();
        }
        // A commit that failed may be there all the same: the database, reopened and flushed,
        // is what tells.
        if next.is_some_and(|(state, _)| state == self.state) {
            return Ok(());
        }
        Err(error)
    }

    /// The disk is full: nothing is accepted from now on.
    fn press(&mut self) {
        if self.pressure.is_none() {
            tracing::warn!("the disk is full: no events are taken until there is room");
            self.pressure = Some(Pressure::of(&self.state));
            self.publish();
        }
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
        stage.forget(if self.pressure.is_some() { FORGET_FEW } else { FORGET_AT_ONCE })?;
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
        if let Some(abroad) = &self.abroad
            && let Err(error) = abroad.write(&testimony)
        {
            // Its volume may be away; the outbox is not.
            let path = abroad.path.display();
            tracing::warn!(%path, %error, "the witness on another volume could not be written");
        }
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

    /// Reopens the database after a failure: redb refuses everything until then. The lock is
    /// held throughout.
    fn reopen(&mut self, lengthen: Lengthen) -> Result<(), OutboxError> {
        drop(self.shared.put(None));
        let began = Instant::now();
        let opened = self.files.open_database(lengthen);
        self.pause(began.elapsed());
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
        if !self.room.keep() {
            self.press();
        }
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
            passed_over: self.state.passed_over,
            disk_full: self.pressure.is_some(),
            oldest_unsent: self.oldest_unsent.map(|entry| entry.occurred_at),
            waiting_since: self.oldest_unsent.map(|entry| entry.accepted_at),
            latest_accepted_at: self.state.latest_accepted_at,
            newest_receipt: self.state.newest_receipt,
        });
    }
}
