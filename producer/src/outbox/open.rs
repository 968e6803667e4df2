//! Opening an outbox: the lock, the files, and whether everything is there.

use std::fs::{self, File};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use laju_schemas::KioskId;
use laju_schemas::pseudonym::KeyId;
use redb::{Builder, Database, Durability, ReadTransaction, ReadableDatabase, WriteTransaction};

use super::files::{make_directory, private, sync_directory, take_lock, temporary};
use super::format::{
    ACKNOWLEDGED, EVENTS, FORGET, FORMAT_VERSION, IDENTITY, Identity, KEYS, META, REJECTED, STATE,
    State, UNSENT, unseal,
};
use super::room::{Backend, Room};
use super::sums::{Sums, oldest_unsent};
use super::witness::{self, Found, HighWaterMark, Witness};
use super::{Entry, OutboxError, OutboxSettings};

const DATABASE: &str = "outbox.redb";
const WITNESS: &str = "outbox.witness";
/// Where the reserve was before it lay behind the database's end.
const FORMER_RESERVE: &str = "outbox.reserve";

/// What the database may hold in memory: kiosks are small machines.
const CACHE_BYTES: usize = 16 << 20;

/// From this size on, checking a database takes seconds, and the log says so.
const LONG_CHECK_BYTES: u64 = 64 << 20;

/// An outbox, locked, opened and checked.
#[derive(Debug)]
pub(super) struct Opened {
    pub(super) files: Files,
    pub(super) database: Database,
    pub(super) state: State,
    pub(super) oldest_unsent: Option<Entry>,
    pub(super) witness: Witness,
    pub(super) second_witness: Option<SecondWitness>,
    pub(super) room: Arc<Room>,
}

/// What a database's file is lengthened by before it is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Lengthen {
    /// It stays as it is.
    Not,
    /// By what the disk has left, or else by a step of the reserve: for settling only.
    FromReserve,
    /// By what the disk has left.
    FromDisk,
}

/// The witness on another volume.
#[derive(Debug)]
pub(super) struct SecondWitness {
    pub(super) witness: Witness,
    /// What it says, where it can be read.
    pub(super) said: Option<HighWaterMark>,
}

impl SecondWitness {
    /// Opens it, or makes it where there is none.
    fn open(path: &Path, files: &Files, state: &State) -> Result<Self, OutboxError> {
        let io = |error| OutboxError::io(path, error);
        let now = HighWaterMark::new(&files.kiosk_id, state);
        match witness::read(path).map_err(io)? {
            Found::Mark(said) if said.kiosk_id != files.kiosk_id => {
                Err(files.other_kiosk(&said.kiosk_id))
            }
            Found::Mark(said) => {
                let witness = Witness::open(path).map_err(io)?;
                // What it alone knows stays until numbers go on above that.
                if said.highest_sequence <= state.highest_sequence {
                    witness.write(&now).map_err(io)?;
                }
                Ok(Self { witness, said: Some(said) })
            }
            Found::Nothing | Found::Damaged => {
                tracing::warn!(
                    path = %path.display(),
                    "there is no witness that can be read: one is made, which notices what comes \
                     after"
                );
                Ok(Self { witness: Witness::create(path, &now).map_err(io)?, said: None })
            }
        }
    }
}

/// Where an outbox lies and whose it is. Holds the lock.
#[derive(Debug)]
pub(super) struct Files {
    pub(super) directory: PathBuf,
    pub(super) kiosk_id: String,
    pub(super) key_id: Option<KeyId>,
    _lock: File,
}

/// Opens an outbox, or makes it where there is none.
pub(super) fn open(
    directory: &Path,
    kiosk: &KioskId,
    settings: &OutboxSettings,
) -> Result<Opened, OutboxError> {
    make_directory(directory)?;
    let files = Files {
        directory: directory.to_owned(),
        kiosk_id: kiosk.as_str().to_owned(),
        key_id: settings.key_id,
        _lock: take_lock(directory)?,
    };
    let witness_path = directory.join(WITNESS);
    let found =
        witness::read(&witness_path).map_err(|error| OutboxError::io(&witness_path, error))?;
    if let Found::Mark(mark) = &found
        && mark.kiosk_id != files.kiosk_id
    {
        return Err(files.other_kiosk(&mark.kiosk_id));
    }
    let database_path = directory.join(DATABASE);
    let exists =
        database_path.try_exists().map_err(|error| OutboxError::io(&database_path, error))?;
    if !exists {
        if found != Found::Nothing {
            return Err(files.damaged(format!(
                "its database {DATABASE} is gone, but {WITNESS} says that there was one"
            )));
        }
        files.create_database()?;
    }
    files.remove_former_reserve()?;
    let checked = match files.open_database(Lengthen::Not) {
        Err(OutboxError::DiskFull { .. }) => files.open_database(Lengthen::FromReserve),
        checked => checked,
    };
    let Checked { database, state, oldest_unsent, room, .. } = checked.map_err(|error| {
        if found == Found::Nothing { foreign(&database_path, error) } else { error }
    })?;
    let witness = match found {
        Found::Mark(mark) => {
            files.check_witness(&mark, &state)?;
            Witness::open(&witness_path)
        }
        // A kill between the very first commit and the making of the witness leaves this.
        Found::Nothing if state.highest_sequence == 0 => files.create_witness(&state),
        Found::Nothing => {
            return Err(files.damaged(format!(
                "{WITNESS} is gone: without it nobody can tell whether the database is the \
                 newest"
            )));
        }
        Found::Damaged => {
            return Err(files.damaged(format!(
                "{WITNESS} cannot be read: without it nobody can tell whether the database is \
                 the newest"
            )));
        }
    }
    .and_then(|witness| {
        // It may be behind: a kill comes between the commit and the witness, too.
        witness.write(&HighWaterMark::new(&files.kiosk_id, &state))?;
        Ok(witness)
    })
    .map_err(|error| OutboxError::io(&witness_path, error))?;
    let second_witness = settings
        .witness
        .as_deref()
        .map(|path| SecondWitness::open(path, &files, &state))
        .transpose()?;
    Ok(Opened { files, database, state, oldest_unsent, witness, second_witness, room })
}

/// A database that was opened and adds up.
pub(super) struct Checked {
    pub(super) database: Database,
    pub(super) state: State,
    pub(super) oldest_unsent: Option<Entry>,
    pub(super) room: Arc<Room>,
    /// By how many bytes its file was lengthened.
    pub(super) lengthened: u64,
}

impl Files {
    fn damaged(&self, what: impl Into<String>) -> OutboxError {
        OutboxError::damaged(&self.directory, what)
    }

    fn other_kiosk(&self, found: &str) -> OutboxError {
        OutboxError::OtherKiosk {
            path: self.directory.clone(),
            found: found.to_owned(),
            expected: self.kiosk_id.clone(),
        }
    }

    fn failed(&self, error: impl Into<redb::Error>) -> OutboxError {
        OutboxError::database(&self.directory, error)
    }

    fn attempt<T>(&self, work: impl FnOnce() -> Result<T, redb::Error>) -> Result<T, OutboxError> {
        work().map_err(|error| self.failed(error))
    }

    fn remove_former_reserve(&self) -> Result<(), OutboxError> {
        let path = self.directory.join(FORMER_RESERVE);
        match fs::remove_file(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(OutboxError::io(&path, error))
            }
            _ => Ok(()),
        }
    }

    /// Makes an empty database in one step: under another name first, so that a kill never leaves
    /// half of one.
    fn create_database(&self) -> Result<(), OutboxError> {
        let path = self.directory.join(DATABASE);
        let draft = temporary(&path);
        let io = |error| OutboxError::io(&path, error);
        private().create(true).truncate(true).write(true).open(&draft).map_err(io)?;
        self.attempt(|| {
            let database = Builder::new().set_cache_size(CACHE_BYTES).create(&draft)?;
            let mut transaction = database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            self.initialise(&transaction)?;
            transaction.commit()?;
            Ok(database.close()?)
        })?;
        File::open(&draft).and_then(|file| file.sync_all()).map_err(io)?;
        fs::rename(&draft, &path).map_err(io)?;
        sync_directory(&self.directory)
    }

    /// Writes what an empty outbox holds.
    fn initialise(&self, transaction: &WriteTransaction) -> Result<(), redb::TableError> {
        let mut meta = transaction.open_table(META)?;
        meta.insert(IDENTITY, self.identity().to_row().as_slice())?;
        meta.insert(STATE, State { generation: 1, ..State::default() }.to_bytes().as_slice())?;
        transaction.open_table(UNSENT)?;
        transaction.open_table(REJECTED)?;
        transaction.open_table(ACKNOWLEDGED)?;
        transaction.open_table(EVENTS)?;
        transaction.open_table(KEYS)?;
        transaction.open_table(FORGET)?;
        Ok(())
    }

    fn identity(&self) -> Identity {
        Identity {
            format_version: FORMAT_VERSION,
            kiosk_id: self.kiosk_id.clone(),
            key_id: self.key_id,
        }
    }

    /// Brings an outbox of an earlier format up to this one, and has one that knows no key belong
    /// to the one given.
    fn migrate(&self, database: &Database) -> Result<(), OutboxError> {
        let meta = self.attempt(|| Ok(database.begin_read()?.open_table(META)?))?;
        let found = self.check_identity(&meta)?;
        drop(meta);
        let wanted = Identity { key_id: found.key_id.or(self.key_id), ..self.identity() };
        if found == wanted {
            return Ok(());
        }
        self.attempt(|| {
            let mut transaction = database.begin_write()?;
            transaction.set_durability(Durability::Immediate)?;
            transaction.open_table(META)?.insert(IDENTITY, wanted.to_row().as_slice())?;
            Ok(transaction.commit()?)
        })?;
        if let (None, Some(key_id)) = (found.key_id, wanted.key_id) {
            tracing::warn!(
                path = %self.directory.display(),
                %key_id,
                "the outbox did not say which key its pseudonyms are made with: from now on it \
                 belongs to this one"
            );
        }
        Ok(())
    }

    fn create_witness(&self, state: &State) -> std::io::Result<Witness> {
        let mark = HighWaterMark::new(&self.kiosk_id, state);
        let witness = Witness::create(&self.directory.join(WITNESS), &mark)?;
        File::open(&self.directory)?.sync_all()?;
        Ok(witness)
    }

    /// Opens the database, verifies every page of it, and sees whether its rows add up.
    pub(super) fn open_database(&self, lengthen: Lengthen) -> Result<Checked, OutboxError> {
        let path = self.directory.join(DATABASE);
        let io = |error| OutboxError::io(&path, error);
        let file = File::options().read(true).write(true).open(&path).map_err(io)?;
        let bytes = file.metadata().map_err(io)?.len();
        // redb would make a new database of it.
        if bytes == 0 {
            return Err(self.damaged(format!("its database {DATABASE} is empty")));
        }
        let room = Arc::new(Room::new(file));
        // redb takes up what was added behind its last page.
        let lengthened = match lengthen {
            Lengthen::Not => Ok(0),
            Lengthen::FromReserve => room.extend_from_disk().and_then(|more| match more {
                0 => room.extend_from_reserve(),
                more => Ok(more),
            }),
            Lengthen::FromDisk => room.extend_from_disk(),
        }
        .map_err(io)?;
        let shown = path.clone();
        let open = || {
            if bytes >= LONG_CHECK_BYTES {
                tracing::info!(path = %path.display(), bytes, "checking the outbox");
            }
            let database = Builder::new()
                .set_cache_size(CACHE_BYTES)
                .set_check_integrity_on_open(true)
                .set_repair_callback(move |session| {
                    if bytes >= LONG_CHECK_BYTES {
                        let percent = (session.progress() * 100.0).round();
                        tracing::info!(path = %shown.display(), percent, "checking the outbox");
                    }
                })
                .create_with_backend(Backend::new(&room).map_err(|error| self.failed(error))?)
                .map_err(|error| self.failed(error))?;
            let transaction = database.begin_read().map_err(|error| self.failed(error))?;
            let (state, oldest_unsent) = self.check(&transaction)?;
            drop(transaction);
            self.migrate(&database)?;
            room.ensure_reserve();
            Ok(Checked { database, state, oldest_unsent, room: Arc::clone(&room), lengthened })
        };
        // redb 4 panics on some damage instead of returning an error.
        catch_unwind(AssertUnwindSafe(open))
            .unwrap_or_else(|_| Err(self.damaged("its database cannot be read")))
    }

    /// Whether the outbox is this kiosk's and its rows add up.
    fn check(&self, transaction: &ReadTransaction) -> Result<(State, Option<Entry>), OutboxError> {
        let meta = match transaction.open_table(META) {
            Ok(meta) => meta,
            Err(redb::TableError::Storage(error)) => return Err(self.failed(error)),
            Err(_) => return Err(self.damaged("it does not say what it is")),
        };
        self.check_identity(&meta)?;
        let state = meta
            .get(STATE)
            .map_err(|error| self.failed(error))?
            .and_then(|row| State::from_bytes(row.value()))
            .ok_or_else(|| self.damaged("what it says of its rows cannot be read"))?;
        let sums = Sums::read(transaction).map_err(|error| self.failed(*error))?;
        sums.check(&state).map_err(|what| self.damaged(what))?;
        let oldest = oldest_unsent(transaction).map_err(|error| self.failed(*error))?;
        match oldest {
            Some(None) => Err(self.damaged("its first event cannot be read")),
            oldest => Ok((state, oldest.flatten())),
        }
    }

    fn check_identity(
        &self,
        meta: &redb::ReadOnlyTable<&'static str, &'static [u8]>,
    ) -> Result<Identity, OutboxError> {
        let identity: Identity = meta
            .get(IDENTITY)
            .map_err(|error| self.failed(error))?
            .and_then(|row| serde_json::from_slice(unseal(0, row.value())?).ok())
            .ok_or_else(|| self.damaged("it does not say whose it is"))?;
        if !(1..=FORMAT_VERSION).contains(&identity.format_version) {
            let found = identity.format_version;
            return Err(OutboxError::Format { path: self.directory.clone(), found });
        }
        if identity.kiosk_id != self.kiosk_id {
            return Err(self.other_kiosk(&identity.kiosk_id));
        }
        if let (Some(found), Some(expected)) = (identity.key_id, self.key_id)
            && found != expected
        {
            let path = self.directory.clone();
            return Err(OutboxError::OtherKey { path, found, expected });
        }
        Ok(identity)
    }

    /// Whether the database has everything that the witness has seen.
    fn check_witness(&self, seen: &HighWaterMark, state: &State) -> Result<(), OutboxError> {
        let behind = state.generation < seen.generation
            || state.highest_sequence < seen.highest_sequence
            || state.acknowledged < seen.acknowledged;
        if !behind {
            return Ok(());
        }
        Err(self.damaged(format!(
            "its database has fallen back to an older state: {} events accepted and {} \
             acknowledged, but {} and {} had been",
            state.highest_sequence, state.acknowledged, seen.highest_sequence, seen.acknowledged
        )))
    }
}

/// Without a witness, a file that cannot be read was perhaps never an outbox's.
fn foreign(path: &Path, error: OutboxError) -> OutboxError {
    match error {
        OutboxError::Damaged { what, .. } => OutboxError::Foreign { path: path.to_owned(), what },
        other => other,
    }
}
