//! Why there is no export.

use laju_kafka::connection::ConnectionError;
use laju_kafka::read::TopicReadError;
use laju_schemas::known::SchemaError;
use thiserror::Error;

use super::file::WriteError;
use super::place::PlaceError;
use crate::ingest::error::WorkerError;
use crate::ingest::event_log::EventLogError;
use crate::ingest::recompute::RecomputeError;

/// Why there is no export.
#[derive(Debug, Error)]
pub enum ExportError {
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Schema(#[from] SchemaError),
    #[error(transparent)]
    Range(#[from] TopicReadError),
    #[error(transparent)]
    Log(#[from] EventLogError),
    #[error(transparent)]
    Reference(#[from] RecomputeError),
    #[error(transparent)]
    Status(#[from] WorkerError),
    #[error(transparent)]
    Place(#[from] PlaceError),
    #[error(transparent)]
    Write(#[from] WriteError),
    #[error("the cut names {named} partitions, and {topic} has {there}: name each of them once")]
    Partitions { named: usize, topic: String, there: usize },
    #[error("{0}: export into another folder")]
    Other(String),
    #[error("stopped")]
    Stopped,
}
