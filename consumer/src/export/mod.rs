//! Exports for analysts: the log, the ledger and what goes with them as files, all at one cut of
//! the log, which every file names and at which the same files can be made again. It knows what
//! the log and the ledger say; how they are read from Kafka is for [`crate::ingest`] to know.
//!
//! From a record to a file: [`run`] reads the log up to the cut, [`datasets`] turn records and the
//! folded ledger into rows, [`parts`] puts them into a file a month, [`mod@write`] and the formats
//! below it into bytes, and [`place`] has all of it appear at once.

mod avro;
mod continued;
mod csv;
pub mod cut;
pub mod datasets;
pub mod error;
mod file;
mod log;
mod parquet;
pub mod parts;
pub mod place;
pub mod run;
pub mod table;
pub mod write;

#[cfg(test)]
mod place_tests;
#[cfg(test)]
mod tests;
