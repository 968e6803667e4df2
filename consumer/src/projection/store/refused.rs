//! What a store says of records that could not be counted, for who reads it beside the committer.

use super::{StoreError, StoreReader};
use crate::projection::chunks;
use crate::projection::format::{self, Kind};
use crate::projection::quarantine::QuarantinedRecord;

/// Some rows of records that could not be counted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Refused {
    /// In the order of their offsets.
    pub rows: Vec<QuarantinedRecord>,
    /// The number of the chunk to go on with.
    pub next_chunk: u64,
}

impl StoreReader {
    /// The rows of a partition from a chunk on whose offsets are not before `from`: about `many`, or
    /// all of the commits so far.
    ///
    /// # Errors
    /// If the database cannot be read, or is damaged.
    pub fn refused(
        &self,
        partition: u32,
        chunk: u64,
        from: i64,
        many: usize,
    ) -> Result<Refused, StoreError> {
        let end = self.position(partition)?.chains[Kind::Quarantine as usize].count;
        let mut found = Refused { rows: Vec::new(), next_chunk: chunk };
        let mut is_sound = true;
        self.read(partition, Kind::Quarantine, chunk..end, |value| {
            let rows = format::unseal(value).and_then(chunks::read_quarantined);
            is_sound = rows.is_some();
            let rows = rows.into_iter().flatten();
            found.rows.extend(rows.filter(|row| row.offset >= from));
            found.next_chunk += u64::from(is_sound);
            is_sound && found.rows.len() < many
        })?;
        if is_sound { Ok(found) } else { Err(self.damaged(partition, "a chunk cannot be read")) }
    }
}
