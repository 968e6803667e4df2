//! Replaying: the events of a log once more, as rows for analysts or as records in another topic,
//! from any position to any other. What is read is named and counted; nothing is left out without
//! a word.
//!
//! It knows no fold and no figures: whether an event counts is not said here.

pub mod checkpoint;
pub mod decode;
pub mod file;
pub mod filter;
pub mod rows;
pub mod run;

use std::path::PathBuf;

use laju_kafka::copy::CopyError;
use laju_kafka::read::TopicReadError;
use laju_schemas::known::SchemaError;
use thiserror::Error;

/// Why a replay ends before its end.
#[derive(Debug, Error)]
pub enum ReplayError {
    /// The log cannot be read.
    #[error(transparent)]
    Range(#[from] TopicReadError),
    /// A schema cannot be used.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Records cannot be copied.
    #[error(transparent)]
    Copy(CopyError),
    /// What was read cannot be written.
    #[error("cannot write {path}")]
    Output {
        /// Where to.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// Nobody reads the standard output any more.
    #[error("the reader of the output is gone")]
    ReaderGone,
    /// Asked to stop.
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
