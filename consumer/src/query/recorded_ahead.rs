//! Records stamped far in the future, as by a broker whose clock is in 2099. When something was
//! recorded never goes back within a partition, so that one such record moves the day of recording
//! of all that come after it. That rule stays, as the fold takes no clock; here it is seen and said.

use laju_schemas::TimestampMs;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::projection::snapshot::Snapshot;

/// How far ahead of this node's clock a record's timestamp is taken for a fault: a day.
pub const FAR_AHEAD_MS: i64 = 86_400_000;

/// A partition whose records count as recorded on a day that is far ahead.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RecordedAhead {
    /// The partition.
    pub partition: u32,
    /// The record with that timestamp: all that come after it count as recorded no earlier.
    pub offset: Option<i64>,
    /// Its timestamp.
    pub recorded_until: TimestampMs,
}

/// The partitions of a state whose time of recording is more than a day ahead of a clock.
#[must_use]
pub fn recorded_ahead(snapshot: &Snapshot, now: TimestampMs) -> Vec<RecordedAhead> {
    let ahead = snapshot.partitions.values().filter_map(|view| {
        let recorded_until = view.recorded_until?;
        let is_far = recorded_until.0.saturating_sub(now.0) > FAR_AHEAD_MS;
        let (partition, offset) = (view.partition, view.recorded_by);
        is_far.then_some(RecordedAhead { partition, offset, recorded_until })
    });
    ahead.collect()
}
