//! Rules that both sides of the log keep: a producer, so that a mistake is reported at the counter;
//! a worker, so that what breaks them goes to quarantine. They are part of the fold's version.

use crate::time::TimestampMs;

/// When the programme began: 2022-01-01T00:00 in Asia/Jakarta. Nothing occurred before.
pub const PROGRAMME_BEGAN: TimestampMs = TimestampMs(1_640_970_000_000);

/// How far ahead of the present (for a worker: of the record's own timestamp) an event may have
/// occurred, in milliseconds: clocks differ.
pub const MAX_AHEAD_MS: i64 = 24 * 3_600_000;
