//! Writing one file: what all formats have in common. A file is written from its beginning to its
//! end, so its digest is known when it is whole.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};
use thiserror::Error;

use super::avro::AvroFile;
use super::csv::CsvFile;
use super::parquet::ParquetFile;
use super::table::{Column, Table, Value};

/// What files are written as.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum Format {
    /// Apache Parquet: typed, in columns, compressed with zstd.
    Parquet,
    /// Comma-separated text with a header (RFC 4180), UTF-8; null is empty.
    Csv,
    /// Avro object container files, compressed with deflate.
    Avro,
}

impl Format {
    /// The ending of its files' names, which is its name, too.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Parquet => "parquet",
            Self::Csv => "csv",
            Self::Avro => "avro",
        }
    }
}

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
pub type Metadata = Vec<(&'static str, String)>;

/// A file as it came out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Written {
    /// How many rows it has.
    pub rows: u64,
    /// How many bytes.
    pub bytes: u64,
    /// SHA-256 of these bytes, in hex.
    pub sha256: String,
}

/// A file whose bytes are counted and digested as they are written.
pub struct Digested {
    file: BufWriter<File>,
    digest: Sha256,
    bytes: u64,
}

impl Digested {
    fn create(path: &Path) -> io::Result<Self> {
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

/// A file being written, of whatever format.
pub enum TableFile {
    /// See [`Format::Parquet`].
    Parquet(Box<ParquetFile>),
    /// See [`Format::Csv`].
    Csv(Box<CsvFile>),
    /// See [`Format::Avro`].
    Avro(Box<AvroFile>),
}

impl TableFile {
    /// A new file of a table. There must be none of this name.
    pub fn create(
        path: &Path,
        table: &'static Table,
        format: Format,
        metadata: &Metadata,
    ) -> Result<Self, WriteError> {
        let file = Digested::create(path)?;
        Ok(match format {
            Format::Parquet => Self::Parquet(Box::new(ParquetFile::create(file, table, metadata)?)),
            Format::Csv => Self::Csv(Box::new(CsvFile::create(file, table)?)),
            Format::Avro => Self::Avro(Box::new(AvroFile::create(file, table, metadata)?)),
        })
    }

    /// Adds a row: a value for each column, in their order.
    pub fn row(&mut self, row: &[Value<'_>]) -> Result<(), WriteError> {
        match self {
            Self::Parquet(file) => file.row(row),
            Self::Csv(file) => file.row(row),
            Self::Avro(file) => file.row(row),
        }
    }

    /// Rows that are held in memory until there are enough for a group of rows.
    pub fn held(&self) -> usize {
        match self {
            Self::Parquet(file) => file.held(),
            Self::Csv(_) | Self::Avro(_) => 0,
        }
    }

    /// Writes what is held in memory.
    pub fn release(&mut self) -> Result<(), WriteError> {
        match self {
            Self::Parquet(file) => file.release(),
            Self::Csv(_) | Self::Avro(_) => Ok(()),
        }
    }

    /// Ends the file, and has it on the disk.
    pub fn finish(self) -> Result<Written, WriteError> {
        match self {
            Self::Parquet(file) => file.finish(),
            Self::Csv(file) => file.finish(),
            Self::Avro(file) => file.finish(),
        }
    }
}
