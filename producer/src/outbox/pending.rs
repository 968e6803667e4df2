//! Answers that come once the disk has confirmed them.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::OutboxError;
use super::writer::Shared;

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
        answer.blocking_recv().unwrap_or_else(|_| Err(ended(&shared)))
    }
}

impl<T> Future for Pending<T> {
    type Output = Result<T, OutboxError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.answer)
            .poll(context)
            .map(|answer| answer.unwrap_or_else(|_| Err(ended(&self.shared))))
    }
}

/// Why nobody answers.
pub(super) fn ended(shared: &Shared) -> OutboxError {
    match shared.check() {
        Err(reason) => reason,
        Ok(()) => OutboxError::Stopped("its writer has ended".into()),
    }
}
