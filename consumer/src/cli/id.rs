//! Ids of what commands publish.

use laju_schemas::TimestampMs;

/// The bytes of a time-ordered id, like those of events.
pub(super) fn id_at(now: TimestampMs) -> [u8; 16] {
    let (seconds, ms) = (now.0.div_euclid(1000), now.0.rem_euclid(1000));
    let seconds = u64::try_from(seconds).unwrap_or(0);
    let instant = uuid::Timestamp::from_unix(uuid::NoContext, seconds, ms as u32 * 1_000_000);
    uuid::Uuid::new_v7(instant).into_bytes()
}
