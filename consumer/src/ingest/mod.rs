//! From Kafka to the projection: the only place that knows rdkafka. Polling, folding and
//! committing each have a thread of their own, with bounded channels between them; what every
//! node reads for itself is followed beside them.

pub mod batch;
pub mod commit;
pub mod context;
pub mod copy;
pub mod decide;
pub mod decisions;
pub mod figures;
pub mod follow;
pub mod headers;
pub mod judged;
pub mod progress;
pub mod quarantine;
pub mod quarantined;
pub mod range;
pub mod recompute;
pub mod reference;
pub mod source;
pub mod stop;
pub mod tail;
pub mod topics;
pub mod worker;
