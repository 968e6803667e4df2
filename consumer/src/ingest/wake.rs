//! How pipelines wake the committing thread.

use std::time::Duration;

use crossbeam_channel::{Receiver, RecvTimeoutError, Sender, bounded, select};

/// How long folded records wait for their commit, where they are few.
const COMMIT_WAIT: Duration = Duration::from_millis(50);
/// How long nothing is committed before what was is forced to the disk.
const IDLE: Duration = Duration::from_secs(1);

/// How pipelines wake the committing thread. Once woken it takes all that is folded until then, so one
/// that was woken already needs no more.
#[derive(Clone)]
pub struct Wake {
    some: Sender<()>,
    enough: Sender<()>,
}

/// How the committing thread is woken: it ends with the last pipeline.
pub struct Woken {
    some: Receiver<()>,
    enough: Receiver<()>,
}

/// Why the committing thread goes on.
#[derive(PartialEq, Eq)]
pub(super) enum Reason {
    Folded,
    Nothing,
    Ended,
}

/// What wakes the committing thread, and how it is woken.
#[must_use]
pub fn wake() -> (Wake, Woken) {
    let ((some, is_some), (enough, is_enough)) = (bounded(1), bounded(1));
    (Wake { some, enough }, Woken { some: is_some, enough: is_enough })
}

impl Wake {
    /// Something is folded: it is committed within [`COMMIT_WAIT`], whichever pipeline has more then.
    pub(super) fn some(&self) {
        let _ = self.some.try_send(());
    }

    /// So much is folded that it is committed as soon as can be.
    pub(super) fn enough(&self) {
        let _ = self.enough.try_send(());
    }
}

impl Woken {
    /// Waits until there is something to commit, or nothing for a while.
    pub(super) fn wait(&self) -> Reason {
        select! {
            recv(self.enough) -> woken => woken.map_or(Reason::Ended, |()| Reason::Folded),
            recv(self.some) -> woken => match woken.map(|()| self.enough.recv_timeout(COMMIT_WAIT)) {
                Err(_) | Ok(Err(RecvTimeoutError::Disconnected)) => Reason::Ended,
                Ok(Ok(()) | Err(RecvTimeoutError::Timeout)) => Reason::Folded,
            },
            default(IDLE) => Reason::Nothing,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_several_pipelines_have_folded_is_one_commit() {
        let (wake, woken) = wake();
        let other = wake.clone();
        wake.some();
        other.some();
        assert!(woken.wait() == Reason::Folded);
        assert!(woken.wait() == Reason::Nothing);
    }

    #[test]
    fn committing_ends_with_the_last_pipeline_and_not_before() {
        let (wake, woken) = wake();
        let last = wake.clone();
        drop(wake);
        last.some();
        assert!(woken.wait() == Reason::Folded);
        last.some();
        drop(last);
        assert!(woken.wait() == Reason::Ended);
    }
}
