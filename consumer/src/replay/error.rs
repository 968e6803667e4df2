//! Why a replay ends before its end.

use std::path::PathBuf;

use laju_kafka::copy::CopyError;
use laju_kafka::read::TopicReadError;
use thiserror::Error;

use super::checkpoint::CheckpointError;

/// Why a replay ends before its end.
#[derive(Debug, Error)]
pub enum ReplayError {
    #[error(transparent)]
    Range(#[from] TopicReadError),
    #[error(transparent)]
    Copy(CopyError),
    #[error(transparent)]
    Checkpoint(#[from] CheckpointError),
    #[error("cannot write {path}")]
    Output { path: PathBuf, source: std::io::Error },
    #[error("the reader of the output is gone")]
    ReaderGone,
    #[error("interrupted")]
    Interrupted,
}

impl From<CopyError> for ReplayError {
    fn from(error: CopyError) -> Self {
        match error {
            CopyError::Stopped => Self::Interrupted,
            error => Self::Copy(error),
        }
    }
}
