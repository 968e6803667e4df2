//! What callers share with the writer: the database to read, the counts, and answers that come once
//! the disk has confirmed them.

use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock};
use std::task::{Context, Poll};

use redb::Database;
use tokio::sync::{oneshot, watch};

use super::{Counts, OutboxError};

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
    pub(super) fn new(directory: PathBuf, database: Database) -> Self {
        let (counts, _) = watch::channel(Counts::default());
        Self { directory, database: RwLock::new(Some(database)), ended: Mutex::default(), counts }
    }

    fn ended(&self) -> MutexGuard<'_, Option<OutboxError>> {
        self.ended.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Why nothing is done any more, if so.
    pub(super) fn check(&self) -> Result<(), OutboxError> {
        self.ended().clone().map_or(Ok(()), Err)
    }

    /// Why the writer does not answer.
    pub(super) fn why_ended(&self) -> OutboxError {
        let stopped = || OutboxError::Stopped("its writer has ended".into());
        self.ended().clone().unwrap_or_else(stopped)
    }

    /// Ends it; the first reason stays.
    pub(super) fn end(&self, reason: OutboxError) {
        self.ended().get_or_insert(reason);
    }

    /// Puts the database in its place, and gives the one before.
    pub(super) fn put(&self, database: Option<Database>) -> Option<Database> {
        let mut place = self.database.write().unwrap_or_else(PoisonError::into_inner);
        std::mem::replace(&mut place, database)
    }
}

/// An answer that comes once the disk has confirmed what it says: await it, or wait for it with
/// [`Pending::wait`]. What was asked is done also if nobody waits.
#[must_use = "nothing is known to be durable before the answer"]
pub struct Pending<T> {
    pub(super) answer: oneshot::Receiver<Result<T, OutboxError>>,
    pub(super) shared: Arc<Shared>,
}

impl<T> Pending<T> {
    /// Blocks until the answer is there. Not for async threads: `await` there.
    ///
    /// # Errors
    /// If it was not done, or may not have been.
    pub fn wait(self) -> Result<T, OutboxError> {
        let Self { answer, shared } = self;
        answer.blocking_recv().unwrap_or_else(|_| Err(shared.why_ended()))
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, OutboxError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer)
            .poll(context)
            .map(|answer| answer.unwrap_or_else(|_| Err(self.shared.why_ended())))
    }
}
