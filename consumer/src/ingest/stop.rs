//! Stopping: asked for from outside, or forced by what went wrong inside.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::error::WorkerError;

/// How long a wait may keep a thread from looking at whether to stop.
const CHECK_INTERVAL: Duration = Duration::from_millis(100);

/// Shared by a worker's threads: whether to stop, and why.
#[derive(Clone, Default)]
pub struct Stop(Arc<Inner>);

#[derive(Default)]
struct Inner {
    stopped: AtomicBool,
    failure: Mutex<Option<WorkerError>>,
    notify: tokio::sync::Notify,
}

impl Stop {
    /// Asks every thread to stop.
    pub fn stop(&self) {
        self.0.stopped.store(true, Ordering::Release);
        self.0.notify.notify_waiters();
    }

    /// Stops because of an error. The first one is kept: those after it follow from it.
    pub fn fail(&self, error: WorkerError) {
        let mut failure = self.0.failure.lock().unwrap_or_else(PoisonError::into_inner);
        match &*failure {
            None => tracing::error!("{error}"),
            Some(_) => tracing::debug!("{error}"),
        }
        failure.get_or_insert(error);
        drop(failure);
        self.stop();
    }

    /// Whether to stop.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.0.stopped.load(Ordering::Acquire)
    }

    /// The flag that [`Stop::is_stopped`] reads, for those who look at a flag.
    #[must_use]
    pub fn flag(&self) -> &AtomicBool {
        &self.0.stopped
    }

    /// Waits for so long, or until asked to stop.
    pub(crate) fn wait(&self, time: Duration) {
        let until = Instant::now() + time;
        while !self.is_stopped() && Instant::now() < until {
            std::thread::sleep(CHECK_INTERVAL);
        }
    }

    /// Waits until asked to stop.
    pub async fn stopped(&self) {
        loop {
            let notified = self.0.notify.notified();
            let mut notified = std::pin::pin!(notified);
            notified.as_mut().enable();
            if self.is_stopped() {
                return;
            }
            notified.await;
        }
    }

    /// What went wrong, if anything did.
    #[must_use]
    pub fn take_failure(&self) -> Option<WorkerError> {
        self.0.failure.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}
