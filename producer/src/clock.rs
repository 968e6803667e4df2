//! The one place that reads the clock and draws randomness of the system's.

use std::sync::{Arc, LazyLock};
use std::time::{Duration, Instant};

use laju_schemas::{EventId, TimestampMs};

/// What tells the time.
pub type Clock = Arc<dyn Fn() -> TimestampMs + Send + Sync>;

/// The present instant.
#[must_use]
pub fn now() -> TimestampMs {
    TimestampMs(jiff::Timestamp::now().as_millisecond())
}

/// A new event's id, a UUID of version 7, ordered by the present instant.
#[must_use]
pub fn new_event_id() -> EventId {
    EventId(uuid::Uuid::now_v7().into_bytes())
}

/// How long the machine has been running, its sleep included: nobody sets that.
#[cfg(target_os = "linux")]
#[must_use]
pub fn uptime() -> Duration {
    use nix::time::ClockId;
    // This clock is as old as the kernels that Rust runs on.
    ClockId::CLOCK_BOOTTIME.now().map_or_else(|_| running(), Duration::from)
}

/// How long this program has been running.
#[cfg(not(target_os = "linux"))]
#[must_use]
pub fn uptime() -> Duration {
    running()
}

fn running() -> Duration {
    static BEGAN: LazyLock<Instant> = LazyLock::new(Instant::now);
    BEGAN.elapsed()
}
