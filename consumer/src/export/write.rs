//! The formats, and a new file of each.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::avro::AvroFile;
use super::csv::CsvFile;
use super::file::{Digested, Metadata, TableFile, WriteError};
use super::parquet::ParquetFile;
use super::table::Table;

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

    /// A new file of a table. There must be none of this name.
    pub fn create(
        self,
        path: &Path,
        table: &'static Table,
        metadata: &Metadata,
    ) -> Result<Box<dyn TableFile>, WriteError> {
        let file = Digested::create(path)?;
        Ok(match self {
            Self::Parquet => Box::new(ParquetFile::create(file, table, metadata)?),
            Self::Csv => Box::new(CsvFile::create(file, table)?),
            Self::Avro => Box::new(AvroFile::create(file, table, metadata)?),
        })
    }
}
