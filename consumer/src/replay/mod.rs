//! Replaying: the events of a log once more, as rows for analysts or as records in another topic,
//! from any position to any other. What is read is named and counted; nothing is left out without
//! a word.
//!
//! It knows no fold and no figures: whether an event counts is not said here.

pub mod checkpoint;
pub mod decode;
mod error;
pub mod file;
pub mod filter;
pub mod flat;
pub mod rows;
pub mod run;

pub use error::ReplayError;
