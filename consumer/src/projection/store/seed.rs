//! A store that is taken from another node, chunk by chunk. It knows nothing of how they come.
//!
//! Which chunks are here is written in the batch that writes them, so that a kill at any moment leaves
//! what can be gone on with. Only the last batch makes a store of it: see [`crate::projection::format`].

use std::fs::File;
use std::path::{Path, PathBuf};

use super::directory::{DATABASE, Log, adopted, enter, identity_for, open_database};
use super::error::StoreError;
use super::{Chains, Store};
use crate::projection::format::{
    self, Chain, IDENTITY_KEY, Kind, PositionRow, SEED_KEY, SeedRow, position_key, seed_key,
};

/// Keys that are taken away in one batch.
const REMOVED_AT_ONCE: usize = 1_000;
/// Bytes of chunks after which they are handed to the system.
const FLUSH_BYTES: usize = 32 << 20;

/// What is in a directory where a store may be taken from another node.
pub enum Opening {
    /// A store, whole.
    There(Box<Store>),
    /// None yet, or a part of one.
    Unfinished(Box<Seeding>),
}

/// A chunk as it is stored: sealed, and the seal is right.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Chunk(Vec<u8>);

impl Chunk {
    /// A value, if its checksum is right.
    #[must_use]
    pub fn new(value: Vec<u8>) -> Option<Self> {
        format::unseal(&value).is_some().then_some(Self(value))
    }

    /// The value: the checksum, then the payload.
    #[must_use]
    pub fn value(&self) -> &[u8] {
        &self.0
    }

    fn payload(&self) -> &[u8] {
        // A sealed value begins with four bytes of checksum.
        self.0.get(4..).unwrap_or_default()
    }
}

/// How taking a store from a node begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Begun {
    /// With nothing.
    Empty,
    /// With what was taken from the same node before.
    GoesOn,
    /// With nothing, as what was there is of another node, whose chunks are cut elsewhere.
    OfAnotherNode,
}

/// A store of which not everything is there.
pub struct Seeding {
    path: PathBuf,
    pub(super) database: sled::Db,
    lock: File,
    log: Log,
    node_id: String,
    origin: Option<SeedRow>,
    chains: Vec<Chains>,
    unflushed: usize,
}

impl Store {
    /// Opens the store of a log, if there is one; else what may become one, by being taken from
    /// another node.
    ///
    /// # Errors
    /// If the directory cannot be used, belongs to something else, or is damaged.
    pub fn open_or_seed(
        path: &Path,
        log: &Log,
        new_node_id: impl FnOnce() -> String,
    ) -> Result<Opening, StoreError> {
        let (lock, is_new) = enter(path)?;
        let is_new = is_new || !path.join(DATABASE).exists();
        let database = open_database(path)?;
        let failed = |source| StoreError::database(path, source);
        if let Some(value) = database.get(IDENTITY_KEY).map_err(failed)? {
            let identity = adopted(path, &database, &value, log)?;
            return Self::of(path, lock, database, identity).map(Box::new).map(Opening::There);
        }
        let damaged = |what: &str| {
            let what = what.to_owned();
            StoreError::Damaged { path: path.to_owned(), what }
        };
        let origin = match database.get(SEED_KEY).map_err(failed)? {
            Some(value) => {
                let row = format::read_row(&value);
                Some(row.ok_or_else(|| damaged("where it is taken from cannot be read"))?)
            }
            // A kill at the very beginning leaves an empty database.
            None if is_new || database.is_empty() => None,
            None => return Err(damaged("it does not say what it belongs to")),
        };
        let mut chains = Vec::new();
        for partition in 0..log.partitions {
            chains.push(match database.get(seed_key(partition)).map_err(failed)? {
                Some(value) => format::read_row(&value)
                    .ok_or_else(|| damaged("which chunks it has cannot be read"))?,
                None => Chains::default(),
            });
        }
        let node_id = new_node_id();
        let (path, log) = (path.to_owned(), log.clone());
        let seeding = Seeding { path, database, lock, log, node_id, origin, chains, unflushed: 0 };
        for partition in 0..seeding.log.partitions {
            for kind in Kind::ALL {
                seeding.remove_from(partition, kind, seeding.chain(partition, kind).count)?;
            }
        }
        Ok(Opening::Unfinished(Box::new(seeding)))
    }
}

impl Seeding {
    /// The store's directory.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What the store is to belong to.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The chunks of a partition that are here.
    #[must_use]
    pub fn chain(&self, partition: u32, kind: Kind) -> Chain {
        self.chains[partition as usize][kind as usize]
    }

    /// Begins to take chunks of a node, by its name, or goes on.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn begin(&mut self, node_id: &str) -> Result<Begun, StoreError> {
        let begun = match &self.origin {
            None => Begun::Empty,
            Some(origin) if origin.node_id == node_id => return Ok(Begun::GoesOn),
            Some(_) => Begun::OfAnotherNode,
        };
        for partition in 0..self.log.partitions {
            for kind in Kind::ALL {
                self.restart(partition, kind)?;
            }
        }
        let origin = self.origin.insert(SeedRow { node_id: node_id.to_owned() });
        let row = format::row(origin);
        self.database.insert(SEED_KEY, row).map_err(|error| self.failed(error))?;
        self.flush()?;
        Ok(begun)
    }

    /// Adds the next chunks of a kind.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn add(&mut self, partition: u32, kind: Kind, chunks: &[Chunk]) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        let mut chains = self.chains[partition as usize];
        let chain = &mut chains[kind as usize];
        for chunk in chunks {
            batch.insert(&kind.key(partition, chain.count), chunk.value());
            *chain = chain.with(chunk.payload());
            self.unflushed += chunk.value().len();
        }
        batch.insert(&seed_key(partition), format::row(&chains));
        self.database.apply_batch(batch).map_err(|error| self.failed(error))?;
        self.chains[partition as usize] = chains;
        if self.unflushed >= FLUSH_BYTES {
            self.flush()?;
        }
        Ok(())
    }

    /// Hands what was added to the system, so that it outlives this process.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn flush(&mut self) -> Result<(), StoreError> {
        self.unflushed = 0;
        self.database.flush().map(drop).map_err(|error| self.failed(error))
    }

    /// Takes the chunks of a kind away again.
    ///
    /// # Errors
    /// If the database cannot be written.
    pub fn restart(&mut self, partition: u32, kind: Kind) -> Result<(), StoreError> {
        if self.chain(partition, kind) == Chain::default() {
            return Ok(());
        }
        // First that they do not count: a kill in between leaves what is taken away at the next start.
        let mut chains = self.chains[partition as usize];
        chains[kind as usize] = Chain::default();
        let row = format::row(&chains);
        self.database.insert(seed_key(partition), row).map_err(|error| self.failed(error))?;
        self.chains[partition as usize] = chains;
        self.remove_from(partition, kind, 0)
    }

    /// Makes a store of it, at these positions, one for each partition.
    ///
    /// # Errors
    /// If not all chunks are there that they count, or the database cannot be written.
    pub fn finish(self, positions: &[PositionRow]) -> Result<Store, StoreError> {
        let is_whole = positions.len() == self.chains.len()
            && positions.iter().zip(&self.chains).all(|(row, chains)| row.chains == *chains);
        if !is_whole {
            return Err(StoreError::Unfinished(self.path));
        }
        // The chunks reach the disk before anything says that they are a store.
        let failed = |source| StoreError::database(&self.path, source);
        self.database.flush().map_err(failed)?;
        sync(&self.path)?;
        let identity = identity_for(&self.log, self.node_id);
        let mut batch = sled::Batch::default();
        for (partition, position) in (0..).zip(positions) {
            // A partition of which nothing was folded has none.
            if *position != PositionRow::default() {
                batch.insert(&position_key(partition), format::row(position));
            }
            batch.remove(&seed_key(partition));
        }
        batch.insert(IDENTITY_KEY, format::row(&identity));
        batch.remove(SEED_KEY);
        self.database.apply_batch(batch).map_err(failed)?;
        self.database.flush().map_err(failed)?;
        sync(&self.path)?;
        Store::of(&self.path, self.lock, self.database, identity)
    }

    fn remove_from(&self, partition: u32, kind: Kind, number: u64) -> Result<(), StoreError> {
        let keys = kind.key(partition, number)..=kind.key(partition, u64::MAX);
        let mut keys = self.database.range(keys).keys().peekable();
        while keys.peek().is_some() {
            let mut batch = sled::Batch::default();
            for key in keys.by_ref().take(REMOVED_AT_ONCE) {
                batch.remove(key.map_err(|error| self.failed(error))?);
            }
            self.database.apply_batch(batch).map_err(|error| self.failed(error))?;
        }
        Ok(())
    }

    fn failed(&self, source: sled::Error) -> StoreError {
        StoreError::database(&self.path, source)
    }
}

/// Forces a database's file to the disk.
fn sync(path: &Path) -> Result<(), StoreError> {
    File::open(path.join(DATABASE).join("db"))
        .and_then(|file| file.sync_data())
        .map_err(|source| StoreError::Io { path: path.to_owned(), source })
}
