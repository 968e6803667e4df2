//! The store: a directory with a lock and a sled database.
//!
//! What belongs together is written together: everything that a commit changes goes into one
//! `apply_batch` on one tree, which is what sled 0.34 keeps atomic, then `flush`. A store that is
//! not this worker's, or that does not add up, is refused with what to do about it; it is never
//! replaced without being told to.

mod directory;
mod error;
mod load;
mod reader;
mod refused;
mod seed;
#[cfg(test)]
pub(crate) mod seed_tests;
#[cfg(test)]
mod tests;

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::chunks::{self, Written};
use super::format::{
    self, Chain, IDENTITY_KEY, Identity, Kind, PositionRow, SEED_KEY, position_key,
};
use super::node_ledger::NodeLedger;
use super::partition::{PartitionCommit, PartitionState};
use super::partition_view::PartitionView;
use super::runs::Runs;
use crate::domain::dictionary::Names;
use directory::{
    DATABASE, LOCK, adopted, enter, identity_for, identity_of, lock, open_database, read_identity,
    require_as_many_partitions, wait_until_released,
};

pub use directory::Log;
pub use error::StoreError;
pub use load::StoredPartition;
pub use reader::StoreReader;
pub use seed::{Begun, Chunk, Opening, Seeding};

/// `flush` hands the data to the operating system; this often at most it is forced to the disk as
/// well. A machine that loses power loses at most this much, or finds a store that does not add
/// up; Kafka has it all.
const SYNC_EVERY: Duration = Duration::from_secs(1);

type Chains = [Chain; Kind::ALL.len()];

#[derive(Default)]
struct Writer {
    chains: Chains,
    written: Written,
}

/// An open store. There is one in a process.
pub struct Store {
    path: PathBuf,
    database: sled::Db,
    identity: Identity,
    writers: Vec<Option<Writer>>,
    data_file: File,
    unsynced: bool,
    synced: Instant,
    _lock: File,
}

impl Store {
    /// Whether there is a store in a directory, whosever it is.
    #[must_use]
    pub fn is_there(path: &Path) -> bool {
        path.join(DATABASE).exists()
    }

    /// Opens the store of a log, or makes it where there is none. With `rebuild` what is there is
    /// deleted first, if it is a store, but not if the log was given partitions since: what is made
    /// of that would be wrong.
    ///
    /// # Errors
    /// If the directory cannot be used, belongs to something else, or is damaged.
    pub fn open(
        path: &Path,
        log: &Log,
        rebuild: bool,
        new_node_id: impl FnOnce() -> String,
    ) -> Result<Self, StoreError> {
        let io = |source| StoreError::Io { path: path.to_owned(), source };
        let (lock, is_new) = enter(path)?;
        let database_path = path.join(DATABASE);
        let mut node_id = None;
        if rebuild && database_path.exists() {
            // The node's name outlives a rebuild, where it can still be read.
            let identity = open_database(path).ok().and_then(|database| read_identity(&database));
            wait_until_released(path)?;
            if let Some(identity) = identity {
                require_as_many_partitions(path, &identity, log)?;
                node_id = Some(identity.node_id);
            }
            fs::remove_dir_all(&database_path).map_err(io)?;
        }
        let is_new = is_new || !database_path.exists();
        let database = open_database(path)?;
        let failed = |source| StoreError::database(path, source);
        let identity = match database.get(IDENTITY_KEY).map_err(failed)? {
            Some(value) => adopted(path, &database, &value, log)?,
            None if database.contains_key(SEED_KEY).map_err(failed)? => {
                return Err(StoreError::Unfinished(path.to_owned()));
            }
            // A kill before the very first commit leaves an empty database.
            None if is_new || database.is_empty() => {
                let identity = identity_for(log, node_id.unwrap_or_else(new_node_id));
                database.insert(IDENTITY_KEY, format::row(&identity)).map_err(failed)?;
                database.flush().map_err(failed)?;
                identity
            }
            None => {
                return Err(StoreError::Damaged {
                    path: path.to_owned(),
                    what: "it does not say what it belongs to".to_owned(),
                });
            }
        };
        Self::of(path, lock, database, identity)
    }

    /// The store of a database that is one.
    fn of(
        path: &Path,
        lock: File,
        database: sled::Db,
        identity: Identity,
    ) -> Result<Self, StoreError> {
        let data_file = File::open(path.join(DATABASE).join("db"));
        let data_file =
            data_file.map_err(|source| StoreError::Io { path: path.to_owned(), source })?;
        Ok(Self {
            path: path.to_owned(),
            writers: (0..identity.partitions).map(|_| None).collect(),
            identity,
            database,
            data_file,
            unsynced: false,
            synced: Instant::now(),
            _lock: lock,
        })
    }

    /// Opens a store that is there, whatever it belongs to, to be read: nothing is made where there
    /// is none. No worker can use it meanwhile.
    ///
    /// # Errors
    /// If there is no store, or it is in use, of another format or damaged.
    pub fn open_existing(path: &Path) -> Result<Self, StoreError> {
        if !path.join(LOCK).is_file() || !path.join(DATABASE).join("db").is_file() {
            return Err(StoreError::Missing(path.to_owned()));
        }
        let lock = lock(path, false)?;
        let database = open_database(path)?;
        let failed = |source| StoreError::database(path, source);
        let Some(value) = database.get(IDENTITY_KEY).map_err(failed)? else {
            let is_unfinished = database.contains_key(SEED_KEY).map_err(failed)?;
            let path = path.to_owned();
            return Err(match is_unfinished {
                true => StoreError::Unfinished(path),
                false => StoreError::Missing(path),
            });
        };
        let identity = identity_of(path, &value)?;
        Self::of(path, lock, database, identity)
    }

    /// What the store belongs to.
    #[must_use]
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Bytes on disk.
    #[must_use]
    pub fn size_on_disk(&self) -> u64 {
        self.database.size_on_disk().unwrap_or(0)
    }

    /// Loads every partition with its own ledger, `progress` being told of each chunk read.
    ///
    /// # Errors
    /// If something is missing, damaged, or does not add up.
    pub fn load(
        &mut self,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<Vec<StoredPartition>, StoreError> {
        let (loaded, _) = self.load_each(&|reader, partition, row, (): &mut ()| {
            let stored = reader.load(partition, row, progress)?;
            Ok((Arc::clone(&stored.ledger.view.names), stored))
        })?;
        Ok(loaded)
    }

    /// Loads every partition, in the order of their numbers, and the ledger of all of them.
    ///
    /// # Errors
    /// If something is missing, damaged, or does not add up.
    pub fn load_node(
        &mut self,
        progress: &(dyn Fn(u64) + Sync),
    ) -> Result<(Vec<(PartitionState, PartitionView)>, NodeLedger), StoreError> {
        let node = Mutex::new(NodeLedger::default());
        let node_of = || node.lock().unwrap_or_else(PoisonError::into_inner);
        // Each thread adds up what its partitions post.
        let (loaded, ledgers) = self.load_each(&|reader, partition, row, own: &mut Runs| {
            let number = |names: &Names| Some(node_of().numbers_of(partition, names).clone());
            let ledger = std::mem::take(own);
            let (state, view, ledger) =
                reader.load_into(partition, row, progress, ledger, number)?;
            *own = ledger;
            Ok((Arc::clone(&view.names), (state, view)))
        })?;
        let mut node = node.into_inner().unwrap_or_else(PoisonError::into_inner);
        ledgers.into_iter().for_each(|ledger| node.unite(ledger));
        Ok((loaded, node))
    }

    /// Loads every partition, on as many threads as there are processors, each with something of its own.
    /// Gives what was made of the partitions, in the order of their numbers, and that of the threads.
    #[expect(clippy::type_complexity, reason = "named, it would say no more")]
    fn load_each<T: Send, S: Default + Send>(
        &mut self,
        load: &(
             dyn Fn(&StoreReader, u32, &PositionRow, &mut S) -> Result<(Arc<Names>, T), StoreError>
                 + Sync
         ),
    ) -> Result<(Vec<T>, Vec<S>), StoreError> {
        let partitions = self.identity.partitions;
        let workers = std::thread::available_parallelism().map_or(1, usize::from);
        let next = AtomicU32::new(0);
        let reader = self.reader();
        let work = || {
            let (mut own, mut loaded) = (S::default(), Vec::new());
            loop {
                let partition = next.fetch_add(1, Ordering::Relaxed);
                if partition >= partitions {
                    return Ok((own, loaded));
                }
                let row = reader.position(partition)?;
                let (names, made) = load(&reader, partition, &row, &mut own)?;
                reader.require_no_more(partition, &row)?;
                let writer = Writer { chains: row.chains, written: Written::all_of(&names) };
                loaded.push((partition, writer, made));
            }
        };
        let results = std::thread::scope(|scope| {
            let threads: Vec<_> =
                (0..workers.min(partitions as usize)).map(|_| scope.spawn(work)).collect();
            threads
                .into_iter()
                .map(|thread| {
                    // sled 0.34 panics on some damage instead of returning an error.
                    thread.join().unwrap_or_else(|_| Err(self.unreadable()))
                })
                .collect::<Result<Vec<_>, StoreError>>()
        })?;
        let (owns, loaded): (Vec<S>, Vec<Vec<_>>) = results.into_iter().unzip();
        let mut loaded: Vec<_> = loaded.into_iter().flatten().collect();
        loaded.sort_unstable_by_key(|(partition, ..)| *partition);
        let made = loaded.into_iter().map(|(partition, writer, made)| {
            self.writers[partition as usize] = Some(writer);
            made
        });
        Ok((made.collect(), owns))
    }

    fn unreadable(&self) -> StoreError {
        StoreError::Damaged {
            path: self.path.clone(),
            what: "its database cannot be read".to_owned(),
        }
    }

    /// How many chunks there are to load, as the positions say.
    #[must_use]
    pub fn chunks(&self) -> u64 {
        let rows = (0..self.identity.partitions)
            .filter_map(|partition| self.database.get(position_key(partition)).ok()?)
            .filter_map(|value| format::read_row::<PositionRow>(&value));
        rows.flat_map(|row| row.chains).map(|chain| chain.count).sum()
    }

    /// Writes commits of several partitions in one atomic step, and hands it to the system.
    ///
    /// # Errors
    /// If the database cannot be written: nothing may be written after that.
    pub fn commit(&mut self, commits: &[PartitionCommit]) -> Result<(), StoreError> {
        let mut batch = sled::Batch::default();
        for commit in commits {
            let partition = commit.partition;
            let writer = self.writers[partition as usize].get_or_insert_default();
            if commit.begins_again {
                for (kind, chain) in Kind::ALL.into_iter().zip(writer.chains) {
                    (0..chain.count).for_each(|chunk| batch.remove(&kind.key(partition, chunk)));
                }
                *writer = Writer::default();
            }
            let Writer { chains, written } = writer;
            chunks::of_commit(commit, written, |kind, payload| {
                let chain = &mut chains[kind as usize];
                batch.insert(&kind.key(partition, chain.count), format::seal(payload));
                *chain = chain.with(payload);
            });
            let row = PositionRow::new(commit.position, *chains, commit.subjects, &commit.tallies);
            batch.insert(&position_key(partition), format::row(&row));
        }
        let failed = |source| StoreError::database(&self.path, source);
        self.database.apply_batch(batch).map_err(failed)?;
        self.database.flush().map_err(failed)?;
        self.unsynced = true;
        if self.synced.elapsed() >= SYNC_EVERY {
            self.sync()?;
        }
        Ok(())
    }

    /// Forces everything committed to the disk.
    ///
    /// # Errors
    /// If the system cannot.
    pub fn sync(&mut self) -> Result<(), StoreError> {
        if std::mem::take(&mut self.unsynced) {
            self.data_file
                .sync_data()
                .map_err(|source| StoreError::Io { path: self.path.clone(), source })?;
        }
        self.synced = Instant::now();
        Ok(())
    }
}
