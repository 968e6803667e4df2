//! The one place that reads the clock and draws randomness of the system's.

use laju_schemas::{EventId, TimestampMs};

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
