//! From Kafka to the projection. The partitions are divided among pipelines, each of which polls,
//! judges and folds on one thread; one thread commits what all of them have folded; what every node
//! reads for itself is followed beside them. Topics are read elsewhere by `laju_kafka::read`; here is
//! the worker's own loop.

pub mod batch;
pub mod commit;
pub mod decide;
pub mod error;
pub mod event_log;
pub mod figure_publisher;
pub mod follow;
mod judging;
pub mod lag;
mod lease;
mod leaseholder;
pub mod log_fold;
pub mod log_watch;
mod pipeline;
pub mod progress;
pub mod quarantine;
pub mod recompute;
pub mod stop;
pub mod troubles;
pub mod verdicts;
pub mod wake;
pub mod worker;
