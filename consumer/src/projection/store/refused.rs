//! What a store says of records that could not be counted, for who reads it beside the committer.

use std::path::PathBuf;

use super::{Store, StoreError};
use crate::projection::format::{self, Kind};
use crate::projection::snapshot::QuarantinedRecord;

/// The rows of records that could not be counted.
#[derive(Clone)]
pub struct RefusedRows {
    path: PathBuf,
    database: sled::Db,
}

/// Some of them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// In the order of their offsets.
    pub rows: Vec<QuarantinedRecord>,
    /// The number of the chunk to go on with.
    pub next_chunk: u64,
}

impl Store {
    /// The rows of this store's records that could not be counted.
    #[must_use]
    pub fn refused_rows(&self) -> RefusedRows {
        RefusedRows { path: self.path.clone(), database: self.database.clone() }
    }
}

impl RefusedRows {
    /// Those of a partition from a chunk on whose offsets are not before `from`: about `many`, or all
    /// of the commits so far.
    ///
    /// # Errors
    /// If the database cannot be read, or is damaged.
    pub fn after(
        &self,
        partition: u32,
        chunk: u64,
        from: i64,
        many: usize,
    ) -> Result<Refused, StoreError> {
        let damaged = || StoreError::Damaged {
            path: self.path.clone(),
            what: format!("partition {partition}: its quarantined records cannot be read"),
        };
        let mut found = Refused { rows: Vec::new(), next_chunk: chunk };
        let range =
            Kind::Quarantine.key(partition, chunk)..Kind::Quarantine.key(partition, u64::MAX);
        for chunk in self.database.range(range) {
            let (key, value) = chunk.map_err(|source| StoreError::database(&self.path, source))?;
            if key.as_ref() != Kind::Quarantine.key(partition, found.next_chunk) {
                return Err(damaged());
            }
            let rows = format::unseal(&value).and_then(format::read_quarantined);
            let rows = rows.ok_or_else(damaged)?;
            found.rows.extend(rows.into_iter().filter(|row| row.offset >= from));
            found.next_chunk += 1;
            if found.rows.len() >= many {
                break;
            }
        }
        Ok(found)
    }
}
