//! A store's directory: its lock, its database, and what it says it belongs to.

use std::fs::{self, File};
use std::path::Path;

use super::error::StoreError;
use crate::bystanders::is_bystander;
use crate::projection::format::{self, FORMAT_VERSION, IDENTITY_KEY, Identity};

pub(super) const LOCK: &str = "laju.lock";
pub(super) const DATABASE: &str = "db";
const CACHE_BYTES: u64 = 64 << 20;

/// What a store has to belong to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Log {
    /// The Kafka cluster's id.
    pub cluster_id: String,
    /// The events topic's full name.
    pub topic: String,
    /// The topic's own id; none if its brokers have none.
    pub topic_id: Option<String>,
    /// Its number of partitions.
    pub partitions: u32,
    /// The rules of the fold.
    pub fold_version: String,
}

/// Takes a directory for a store: makes it, and locks it. Gives whether there was none yet.
pub(super) fn enter(path: &Path) -> Result<(File, bool), StoreError> {
    let io = |source| StoreError::Io { path: path.to_owned(), source };
    fs::create_dir_all(path).map_err(io)?;
    let is_new = !path.join(LOCK).exists();
    if is_new {
        for entry in fs::read_dir(path).map_err(io)? {
            if !is_bystander(&entry.map_err(io)?.file_name()) {
                return Err(StoreError::Foreign(path.to_owned()));
            }
        }
    }
    Ok((lock(path, true)?, is_new))
}

/// What a new store of a log says of itself.
pub(super) fn identity_for(log: &Log, node_id: String) -> Identity {
    Identity {
        format_version: FORMAT_VERSION,
        cluster_id: log.cluster_id.clone(),
        topic: log.topic.clone(),
        topic_id: log.topic_id.clone(),
        partitions: log.partitions,
        fold_version: log.fold_version.clone(),
        node_id,
    }
}

/// The identity of a store that is there, if it is of this log.
pub(super) fn adopted(
    path: &Path,
    database: &sled::Db,
    value: &[u8],
    log: &Log,
) -> Result<Identity, StoreError> {
    let failed = |source| StoreError::database(path, source);
    let mut identity = check_identity(path, value, log)?;
    if identity.topic_id.is_none() && log.topic_id.is_some() {
        // Its brokers had no ids when it was made. That the log is the same is seen by the last
        // records.
        identity.topic_id = log.topic_id.clone();
        database.insert(IDENTITY_KEY, format::row(&identity)).map_err(failed)?;
        database.flush().map_err(failed)?;
    }
    Ok(identity)
}

/// Waits until a database that this process has closed is let go of: sled's own threads hold its
/// lock a little longer than its last handle lives. No other process can have it, as the store's
/// own lock is taken first.
pub(super) fn wait_until_released(path: &Path) -> Result<(), StoreError> {
    let released = match File::open(path.join(DATABASE).join("db")) {
        Ok(file) => file.lock(),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    };
    released.map_err(|source| StoreError::Io { path: path.to_owned(), source })
}

/// Opens the database, behind what a kill may have left: a snapshot that was being written while
/// sled opened makes it refuse ever after. The store's lock is held, so nobody is writing one now.
pub(super) fn open_database(path: &Path) -> Result<sled::Db, StoreError> {
    wait_until_released(path)?;
    let database_path = path.join(DATABASE);
    if let Ok(entries) = fs::read_dir(&database_path) {
        for entry in entries.flatten() {
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("snap.") && name.ends_with(".generating") {
                fs::remove_file(entry.path())
                    .map_err(|source| StoreError::Io { path: path.to_owned(), source })?;
            }
        }
    }
    let open = || {
        sled::Config::new()
            .path(&database_path)
            .cache_capacity(CACHE_BYTES)
            .flush_every_ms(None)
            .open()
    };
    // sled 0.34 panics on some damage instead of returning an error.
    match std::panic::catch_unwind(open) {
        Ok(Ok(database)) => Ok(database),
        Ok(Err(sled::Error::Io(source))) => Err(StoreError::Io { path: path.to_owned(), source }),
        Ok(Err(error)) => {
            Err(StoreError::Damaged { path: path.to_owned(), what: error.to_string() })
        }
        Err(_) => Err(StoreError::Damaged {
            path: path.to_owned(),
            what: "its database cannot be opened".to_owned(),
        }),
    }
}

pub(super) fn read_identity(database: &sled::Db) -> Option<Identity> {
    format::read_row(&database.get(IDENTITY_KEY).ok()??)
}

/// That the log of a store was not given partitions since: then a rebuild would put the events from
/// before into quarantine, as being in the wrong one. A topic that was made again is another log.
pub(super) fn require_as_many_partitions(
    path: &Path,
    identity: &Identity,
    log: &Log,
) -> Result<(), StoreError> {
    let ids = (&identity.topic_id, &log.topic_id);
    let is_other = matches!(ids, (Some(found), Some(expected)) if found != expected);
    let is_same = identity.cluster_id == log.cluster_id && identity.topic == log.topic && !is_other;
    if is_same && identity.partitions < log.partitions {
        return Err(StoreError::Partitions {
            path: path.to_owned(),
            topic: log.topic.clone(),
            found: identity.partitions,
            expected: log.partitions,
        });
    }
    Ok(())
}

/// Takes the lock of a store, which its holder has until it ends.
pub(super) fn lock(path: &Path, create: bool) -> Result<File, StoreError> {
    let io = |source| StoreError::Io { path: path.to_owned(), source };
    let lock = File::options()
        .create(create)
        .truncate(false)
        .write(true)
        .open(path.join(LOCK))
        .map_err(io)?;
    match laju_kafka::lock::take(&lock) {
        Ok(()) => Ok(lock),
        Err(fs::TryLockError::WouldBlock) => Err(StoreError::InUse(path.to_owned())),
        Err(fs::TryLockError::Error(source)) => Err(io(source)),
    }
}

pub(super) fn identity_of(path: &Path, value: &[u8]) -> Result<Identity, StoreError> {
    let identity: Identity = format::read_row(value).ok_or_else(|| StoreError::Damaged {
        path: path.to_owned(),
        what: "what it says of itself cannot be read".to_owned(),
    })?;
    if identity.format_version != FORMAT_VERSION {
        return Err(StoreError::Format { path: path.to_owned(), found: identity.format_version });
    }
    Ok(identity)
}

pub(super) fn check_identity(path: &Path, value: &[u8], log: &Log) -> Result<Identity, StoreError> {
    let identity = identity_of(path, value)?;
    let texts = |text: &String| Some(text.clone());
    let differences = [
        ("cluster", texts(&identity.cluster_id), texts(&log.cluster_id)),
        ("topic", texts(&identity.topic), texts(&log.topic)),
        ("topic id", identity.topic_id.clone(), log.topic_id.clone()),
        ("fold version", texts(&identity.fold_version), texts(&log.fold_version)),
    ];
    for (what, found, expected) in differences {
        let (Some(found), Some(expected)) = (found, expected) else { continue };
        if what == "topic id" && found != expected {
            let (path, topic) = (path.to_owned(), log.topic.clone());
            return Err(StoreError::AnotherTopic { path, topic, found, expected });
        }
        if found != expected {
            return Err(StoreError::Belongs { path: path.to_owned(), what, found, expected });
        }
    }
    if identity.partitions != log.partitions {
        return Err(StoreError::Partitions {
            path: path.to_owned(),
            topic: log.topic.clone(),
            found: identity.partitions,
            expected: log.partitions,
        });
    }
    Ok(identity)
}
