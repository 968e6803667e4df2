//! Why a replay ends before its end.

use std::path::PathBuf;

use thiserror::Error;

use super::checkpoint::CheckpointError;
use crate::ingest::copy::CopyError;
use crate::ingest::range::RangeError;

/// Why a replay ends before its end.
#[derive(Debug, Error)]
pub enum ReplayError {
    #[error(transparent)]
    Range(#[from] RangeError),
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
