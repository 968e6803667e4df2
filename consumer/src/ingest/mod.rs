//! From Kafka to the projection. The partitions are divided among
//! pipelines, each of which polls, judges and folds on one thread; one thread commits what all of
//! them have folded; what every node reads for itself is followed beside them.

pub mod batch;
pub mod commit;
pub mod context;
pub mod decide;
pub mod decisions;
pub mod error;
pub mod figures;
pub mod follow;
pub mod judged;
pub mod lag;
mod lease;
mod leaseholder;
pub mod log_fold;
mod originals;
pub mod pipeline;
#[cfg(test)]
mod pipeline_tests;
pub mod progress;
mod quarantine;
pub mod quarantined;
pub mod recompute;
pub mod reference;
mod registrar;
pub mod standing;
pub mod stop;
pub mod troubles;
pub mod verdicts;
mod waiting;
pub mod wake;
pub mod watch;
pub mod worker;
