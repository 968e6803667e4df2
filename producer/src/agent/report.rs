//! What the kiosk says of itself on `ikd.kiosk-status.v1`: every minute, and when it stops.

use std::time::Duration;

use laju_schemas::{KioskStatus, TimestampMs};
use tokio::time::Instant;

use super::submission::Kiosk;
use crate::outbox::Counts;

/// Decides when a status is due, and what it says. One is under way at a time: after days without
/// a connection it says too little, and the next follows at once.
pub(super) struct Reporter {
    kiosk: Kiosk,
    every: Duration,
    due: Instant,
    under_way: bool,
}

impl Reporter {
    /// The first status is due at once.
    pub(super) fn new(kiosk: Kiosk, every: Duration) -> Self {
        Self { kiosk, every, due: Instant::now(), under_way: false }
    }

    /// When the next one is due.
    pub(super) fn due(&self) -> Instant {
        // One under way is waited for without looking at the clock.
        if self.under_way { Instant::now() + self.every } else { self.due }
    }

    /// Whether one is under way.
    pub(super) fn is_under_way(&self) -> bool {
        self.under_way
    }

    /// Whether one is to be sent now; it is under way then. With `now` it is, due or not.
    pub(super) fn begin(&mut self, now: bool) -> bool {
        let begins = now || (!self.under_way && Instant::now() >= self.due);
        if begins {
            self.under_way = true;
            self.due = Instant::now() + self.every;
        }
        begins
    }

    /// One that was sent at `began` has come back.
    pub(super) fn landed(&mut self, delivered: bool, began: Instant) {
        self.under_way = false;
        if delivered && began.elapsed() >= self.every {
            self.due = Instant::now();
        }
    }

    /// The kiosk's word at an instant.
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
            unsent: counts.unsent + counts.set_aside,
            oldest_unsent: counts.oldest_unsent,
            clock_offset_ms,
            agent_version: env!("CARGO_PKG_VERSION").to_owned(),
            sent_at: now,
            retired: false,
        }
    }
}
