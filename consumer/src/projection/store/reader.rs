//! Reads a store while its worker goes on writing it: a partition's position row says which chunks it
//! has at one moment, and chunks that are there are never written again.

use std::ops::Range;
use std::path::PathBuf;

use super::load::Loading;
use super::{Store, StoreError, StoredPartition};
use crate::domain::dictionary::Names;
use crate::projection::format::{self, Chain, Identity, Kind, PositionRow, position_key};
use crate::projection::node_ledger::Numbers;
use crate::projection::partition::PartitionState;
use crate::projection::partition_ledger::PartitionLedger;
use crate::projection::partition_view::PartitionView;
use crate::projection::runs::Runs;

/// A partition that is folded again has its chunks replaced, maybe while they are read. It is read so
/// often, if its position has changed.
const ATTEMPTS: usize = 3;

/// A second handle on an open store, to be read only. No commit waits for it.
#[derive(Clone)]
pub struct StoreReader {
    path: PathBuf,
    database: sled::Db,
    identity: Identity,
}

impl Store {
    /// A handle to read by while the store is written.
    #[must_use]
    pub fn reader(&self) -> StoreReader {
        StoreReader {
            path: self.path.clone(),
            database: self.database.clone(),
            identity: self.identity.clone(),
        }
    }
}

impl StoreReader {
    /// What the store belongs to.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// How far a partition is committed, and which chunks it has up to there.
    ///
    /// # Errors
    /// If the row is damaged, or the database cannot be read.
    pub fn position(&self, partition: u32) -> Result<PositionRow, StoreError> {
        let key = position_key(partition);
        let value = self.database.get(key).map_err(|error| self.database_error(error))?;
        let Some(value) = value else { return Ok(PositionRow::default()) };
        format::read_row(&value)
            .ok_or_else(|| self.damaged(partition, "its position cannot be read"))
    }

    /// Hands chunks over in their order, each sealed as it is stored, until `each` has enough. Gives
    /// whether it took them all.
    ///
    /// # Errors
    /// If one is not there, or the database cannot be read.
    pub fn read(
        &self,
        partition: u32,
        kind: Kind,
        numbers: Range<u64>,
        mut each: impl FnMut(&[u8]) -> bool,
    ) -> Result<bool, StoreError> {
        let keys = kind.key(partition, numbers.start)..kind.key(partition, numbers.end);
        let mut chunks = self.database.range(keys);
        for number in numbers {
            let chunk = chunks.next().transpose().map_err(|error| self.database_error(error))?;
            let chunk = chunk.filter(|(key, _)| key.as_ref() == kind.key(partition, number));
            let (_, value) = chunk.ok_or_else(|| self.damaged(partition, "a chunk is missing"))?;
            if !each(&value) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Puts a partition together as it was at a position of its.
    ///
    /// # Errors
    /// If something is missing, damaged, or does not add up; of a partition that was folded again
    /// since, what it was made of is not there any more.
    pub fn load(
        &self,
        partition: u32,
        row: &PositionRow,
        progress: &dyn Fn(u64),
    ) -> Result<StoredPartition, StoreError> {
        let own = Runs::default();
        let (state, view, ledger) = self.load_into(partition, row, progress, own, |_| None)?;
        Ok(StoredPartition { state, ledger: PartitionLedger { view, ledger } })
    }

    /// The same, with its postings added to a ledger, by numbers that `number` makes of its names.
    pub(super) fn load_into(
        &self,
        partition: u32,
        row: &PositionRow,
        progress: &dyn Fn(u64),
        ledger: Runs,
        number: impl FnOnce(&Names) -> Option<Numbers>,
    ) -> Result<(PartitionState, PartitionView, Runs), StoreError> {
        let damaged = |what| self.damaged(partition, what);
        let mut loading = Loading::new(row, ledger);
        let mut number = Some(number);
        for (kind, chain) in Kind::ALL.into_iter().zip(row.chains) {
            let (mut found, mut fault) = (Chain::default(), None);
            self.read(partition, kind, 0..chain.count, |value| {
                let Some(payload) = format::unseal(value) else {
                    fault = Some("a chunk is damaged");
                    return false;
                };
                found = found.with(payload);
                if loading.chunk(kind, payload).is_none() {
                    fault = Some("a chunk cannot be read");
                }
                progress(1);
                fault.is_none()
            })?;
            let adds_up = (found == chain).then_some(()).ok_or("its chunks do not add up");
            if let Some(what) = fault.or(adds_up.err()) {
                return Err(damaged(what));
            }
            // The dictionary is the first kind: the numbers are there before anything is posted.
            if let Some(numbers) = number.take().and_then(|number| number(loading.names())) {
                loading.number(numbers);
            }
        }
        loading.finish(partition, row).ok_or_else(|| damaged("its facts are not those it counts"))
    }

    /// A partition at its last commit, with its own ledger, and how far that is.
    ///
    /// # Errors
    /// If something is missing, damaged, or does not add up.
    pub fn ledger(&self, partition: u32) -> Result<PartitionLedger, StoreError> {
        let mut row = self.position(partition)?;
        let mut attempts = 1..ATTEMPTS;
        loop {
            let loaded = self.load(partition, &row, &|_| {});
            match (loaded, attempts.next()) {
                (Ok(stored), _) => return Ok(stored.ledger),
                (Err(error), None) => return Err(error),
                (Err(error), Some(_)) => {
                    let now = self.position(partition)?;
                    if now == row {
                        return Err(error);
                    }
                    row = now;
                }
            }
        }
    }

    /// That a partition which nobody writes has no chunks behind those that its row counts.
    pub(super) fn require_no_more(
        &self,
        partition: u32,
        row: &PositionRow,
    ) -> Result<(), StoreError> {
        for (kind, chain) in Kind::ALL.into_iter().zip(row.chains) {
            let keys = kind.key(partition, chain.count)..=kind.key(partition, u64::MAX);
            if self.database.range(keys).next().is_some() {
                return Err(self.damaged(partition, "its chunks do not add up"));
            }
        }
        Ok(())
    }

    fn database_error(&self, source: sled::Error) -> StoreError {
        StoreError::database(&self.path, source)
    }

    pub(super) fn damaged(&self, partition: u32, what: &str) -> StoreError {
        let what = format!("partition {partition}: {what}");
        StoreError::Damaged { path: self.path.clone(), what }
    }
}
