//! Writing one file: what all formats have in common. A file is written from its beginning to its
//! end, so its digest is known when it is whole.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::table::{Column, Value};

/// Why a file cannot be written.
#[derive(Debug, Error)]
pub enum WriteError {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error("Parquet: {0}")]
    Parquet(#[from] ::parquet::errors::ParquetError),
    #[error("Avro: {0}")]
    Avro(Box<apache_avro::Error>),
    #[error("CSV: {0}")]
    Csv(#[from] ::csv::Error),
    #[error("the column {column} does not take {value}")]
    Value { column: &'static str, value: String },
}

impl From<apache_avro::Error> for WriteError {
    fn from(error: apache_avro::Error) -> Self {
        Self::Avro(Box::new(error))
    }
}

impl WriteError {
    pub(super) fn value(column: &Column, value: &Value<'_>) -> Self {
        Self::Value { column: column.name, value: format!("{value:?}") }
    }
}

/// What a file says of itself, by name: which dataset, which cut, which cluster, which rules.
pub(super) type Metadata = Vec<(&'static str, String)>;

/// A file as it came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    pub rows: u64,
    pub bytes: u64,
    /// SHA-256 of these bytes, in hex.
    pub sha256: String,
}

/// A file whose bytes are counted and digested as they are written.
pub(super) struct Digested {
    file: BufWriter<File>,
    digest: Sha256,
    bytes: u64,
}

impl Digested {
    pub(super) fn create(path: &Path) -> io::Result<Self> {
        let file = File::options().write(true).create_new(true).open(path)?;
        Ok(Self { file: BufWriter::with_capacity(1 << 18, file), digest: Sha256::new(), bytes: 0 })
    }

    /// Has the file on the disk.
    pub(super) fn finish(mut self, rows: u64) -> io::Result<Written> {
        self.file.flush()?;
        self.file.get_ref().sync_all()?;
        Ok(Written { rows, bytes: self.bytes, sha256: hex::encode(self.digest.finalize()) })
    }
}

impl Write for Digested {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write_all(bytes)?;
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A file of a table being written, of whatever format.
pub trait TableFile {
    /// Adds a row: a value for each column, in their order.
    fn row(&mut self, row: &[Value<'_>]) -> Result<(), WriteError>;

    /// Rows that are held in memory until there are enough for a group of rows.
    fn held(&self) -> usize {
        0
    }

    /// Writes what is held in memory.
    fn release(&mut self) -> Result<(), WriteError> {
        Ok(())
    }

    /// Ends the file, and has it on the disk.
    fn finish(self: Box<Self>) -> Result<Written, WriteError>;
}
