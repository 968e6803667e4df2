//! The kiosk's status on `ikd.kiosk-status.v1`: every minute, and when the agent stops.

use std::time::Duration;

use laju_schemas::pseudonym::KeyId;
use laju_schemas::{KioskId, KioskStatus, TimestampMs};
use tokio::time::Instant;

use super::kiosk::Kiosk;
use crate::outbox::Counts;

/// Decides when a status is due, and what it says. One is under way at a time, and the final one
/// after it: after days without a connection it says too little, and the next follows at once.
pub(super) struct Reporter {
    kiosk: Kiosk,
    key_id: KeyId,
    every: Duration,
    due: Instant,
    under_way: u32,
}

impl Reporter {
    /// The first status is due at once.
    pub(super) fn new(kiosk: Kiosk, key_id: KeyId, every: Duration) -> Self {
        Self { kiosk, key_id, every, due: Instant::now(), under_way: 0 }
    }

    /// Whose status it is.
    pub(super) fn kiosk_id(&self) -> &KioskId {
        &self.kiosk.id
    }

    /// When the next one is due.
    pub(super) fn due(&self) -> Instant {
        // One under way is waited for without looking at the clock.
        if self.is_under_way() { Instant::now() + self.every } else { self.due }
    }

    /// Whether one is under way.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way > 0
    }

    /// Whether one is to be sent now; it is under way then. With `now` it is, due or not.
    pub(super) fn begin(&mut self, now: bool) -> bool {
        let begins = now || (!self.is_under_way() && Instant::now() >= self.due);
        if begins {
            self.under_way += 1;
            self.due = Instant::now() + self.every;
        }
        begins
    }

    /// One that was sent at `began` has come back.
    pub(super) fn completed(&mut self, delivered: bool, began: Instant) {
        self.under_way = self.under_way.saturating_sub(1);
        if delivered && began.elapsed() >= self.every {
            self.due = Instant::now();
        }
    }

    /// What is under way will not come back.
    pub(super) fn forget(&mut self) {
        self.under_way = 0;
    }

    /// The kiosk's status at an instant.
    pub(super) fn status(
        &self,
        counts: &Counts,
        clock_offset_ms: Option<i64>,
        now: TimestampMs,
    ) -> KioskStatus {
        KioskStatus {
            kiosk_id: self.kiosk.id.clone(),
            service_region: self.kiosk.service_region,
            highest_sequence: counts.highest_sequence,
            unsent: counts.unsent + counts.rejected,
            oldest_unsent: counts.oldest_unsent,
            clock_offset_ms,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            sent_at: now,
            retired: false,
            key_id: Some(self.key_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_final_status_is_waited_for_also_behind_others() {
        let kiosk =
            Kiosk { id: "kbl-01".parse().unwrap(), service_region: "18.71".parse().unwrap() };
        let mut reporter =
            Reporter::new(kiosk, "07c598c15884ead6".parse().unwrap(), Duration::from_secs(60));
        assert!(reporter.begin(false), "the first is due at once");
        assert!(!reporter.begin(false), "one at a time");
        assert!(reporter.begin(true), "the final one");
        reporter.completed(true, Instant::now());
        assert!(reporter.is_under_way());
        reporter.completed(true, Instant::now());
        assert!(!reporter.is_under_way());
        reporter.begin(true);
        reporter.forget();
        assert!(!reporter.is_under_way());
    }
}
