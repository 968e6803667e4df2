//! What tells the time.

use std::sync::Arc;

use laju_schemas::TimestampMs;

/// What tells the time: the machine, or a test.
pub type Clock = Arc<dyn Fn() -> TimestampMs + Send + Sync>;
