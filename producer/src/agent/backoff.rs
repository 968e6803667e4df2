//! How long to wait when something is in the way: longer each time, until something goes well.
//!
//! Pure: the clock and the jitter are arguments.

use std::time::Duration;

use tokio::time::Instant;

/// How long to wait before the second attempt; doubled each time.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// How long to wait at most.
const LONGEST_PAUSE: Duration = Duration::from_secs(30);

/// Whether to go on, or to wait and until when.
pub(super) struct Backoff {
    pause: Duration,
    until: Instant,
    /// As of the last look: a caller that waits is woken even if the pause has ended by then.
    holds: bool,
}

impl Backoff {
    /// Nothing is in the way.
    pub(super) fn new(now: Instant) -> Self {
        Self { pause: FIRST_PAUSE, until: now, holds: false }
    }

    /// Something is in the way. `jitter` is the share of the pause to wait for, below 1. Says
    /// whether this is the first time since all went well; nothing while it waits already.
    pub(super) fn hold(&mut self, now: Instant, jitter: f64) -> Option<bool> {
        self.holds = true;
        if self.until > now {
            return None;
        }
        let is_first = self.pause == FIRST_PAUSE;
        self.until = now + self.pause.mul_f64(jitter);
        self.pause = (self.pause * 2).min(LONGEST_PAUSE);
        Some(is_first)
    }

    /// Something went well: the next pause is short again. One that has begun goes on.
    pub(super) fn ease(&mut self) {
        self.pause = FIRST_PAUSE;
    }

    /// Waits no longer.
    pub(super) fn release(&mut self) {
        self.holds = false;
    }

    /// Looks whether to wait.
    pub(super) fn look(&mut self, now: Instant) -> bool {
        self.holds = now < self.until;
        self.holds
    }

    /// Whether to wait, as of the last look.
    pub(super) fn holds(&self) -> bool {
        self.holds
    }

    /// How long the next pause is at most.
    pub(super) fn pause(&self) -> Duration {
        self.pause
    }

    /// When the present pause ends, whether or not it has begun to be waited for.
    pub(super) fn until(&self) -> Instant {
        self.until
    }

    /// When to look again, if it was to be waited at the last look.
    pub(super) fn wake_at(&self) -> Option<Instant> {
        self.holds.then_some(self.until)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_a_limit_and_are_short_again_after_a_success() {
        let mut now = Instant::now();
        let mut backoff = Backoff::new(now);
        assert!(!backoff.look(now));
        let mut pauses = Vec::new();
        for attempt in 0..10 {
            assert_eq!(backoff.hold(now, 1.0), Some(attempt == 0));
            assert_eq!(backoff.hold(now, 1.0), None, "one pause at a time");
            let until = backoff.wake_at().unwrap();
            pauses.push((until - now).as_millis());
            now = until;
        }
        assert_eq!(pauses[..3], [250, 500, 1_000]);
        assert_eq!(pauses[8..], [30_000, 30_000]);
        backoff.ease();
        assert_eq!(backoff.hold(now, 0.5), Some(true));
        assert_eq!(backoff.wake_at(), Some(now + Duration::from_millis(125)));
    }

    /// Else nobody would look again before the next report is due.
    #[test]
    fn who_was_told_to_wait_is_woken_though_the_pause_ended_in_between() {
        let now = Instant::now();
        let mut backoff = Backoff::new(now);
        backoff.hold(now, 1.0);
        let end = now + FIRST_PAUSE;
        assert!(backoff.look(end - Duration::from_nanos(1)));
        // Whatever the time is now.
        assert_eq!(backoff.wake_at(), Some(end));
        assert!(!backoff.look(end));
        assert_eq!(backoff.wake_at(), None);
    }

    #[test]
    fn the_end_waits_for_no_pause() {
        let now = Instant::now();
        let mut backoff = Backoff::new(now);
        backoff.hold(now, 1.0);
        assert!(backoff.holds());
        backoff.release();
        assert!(!backoff.holds());
    }
}
