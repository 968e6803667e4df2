//! From Kafka to the projection: the only place that knows rdkafka. The partitions are divided among
//! pipelines, each of which polls, judges and folds on one thread; one thread commits what all of
//! them have folded; what every node reads for itself is followed beside them.

mod ask;
pub mod batch;
pub mod commit;
pub mod context;
pub mod copy;
pub mod decide;
pub mod decisions;
pub mod fetch_error;
pub mod figures;
pub mod follow;
pub mod headers;
pub mod judged;
pub mod lag;
mod lease;
mod leaseholder;
pub mod log_fold;
mod lookups;
mod originals;
pub mod patient;
pub mod pipeline;
#[cfg(test)]
mod pipeline_tests;
pub mod probe;
pub mod progress;
mod quarantine;
pub mod quarantined;
pub mod range;
pub mod recompute;
pub mod reference;
mod registrar;
pub mod standing;
pub mod stop;
pub mod tail;
pub mod topic_id;
pub mod topics;
pub mod troubles;
pub mod verdicts;
mod waiting;
pub mod watch;
pub mod worker;
