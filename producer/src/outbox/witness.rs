//! The witness: a small file beside the database that remembers how far it had come.
//!
//! A database that finds its last commit damaged may fall back to the one before, and a deleted
//! one is simply not there: neither can tell by itself that something is gone. The witness can.
//! It is written after each durable commit and before anybody is answered. It is not forced to
//! the disk, so after a power failure it may be behind the database, never ahead of it.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use super::files::{private, temporary};
use super::format::{Cursor, FORMAT_VERSION, State};

const MAGIC: [u8; 8] = *b"LAJUWITN";

/// Always this long, within one sector of any disk: it is never half written.
pub(super) const WITNESS_BYTES: usize = 128;

/// What the witness says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct HighWaterMark {
    pub(super) kiosk_id: String,
    pub(super) generation: u64,
    pub(super) highest_sequence: u32,
    pub(super) acknowledged: u64,
}

impl HighWaterMark {
    pub(super) fn new(kiosk_id: &str, state: &State) -> Self {
        Self {
            kiosk_id: kiosk_id.to_owned(),
            generation: state.generation,
            highest_sequence: state.highest_sequence,
            acknowledged: state.acknowledged,
        }
    }

    fn to_bytes(&self) -> [u8; WITNESS_BYTES] {
        let mut out = Vec::with_capacity(WITNESS_BYTES);
        out.extend_from_slice(&MAGIC);
        out.extend_from_slice(&FORMAT_VERSION.to_le_bytes());
        out.extend_from_slice(&self.generation.to_le_bytes());
        out.extend_from_slice(&self.highest_sequence.to_le_bytes());
        out.extend_from_slice(&self.acknowledged.to_le_bytes());
        out.extend_from_slice(&(self.kiosk_id.len() as u16).to_le_bytes());
        out.extend_from_slice(self.kiosk_id.as_bytes());
        let mut bytes = [0; WITNESS_BYTES];
        bytes[..out.len()].copy_from_slice(&out);
        let (payload, checksum) = bytes.split_at_mut(WITNESS_BYTES - 4);
        checksum.copy_from_slice(&crc32fast::hash(payload).to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let (payload, checksum) = bytes.split_last_chunk::<4>()?;
        let right = bytes.len() == WITNESS_BYTES
            && crc32fast::hash(payload) == u32::from_le_bytes(*checksum);
        let mut at = Cursor(right.then_some(payload)?);
        // The witness itself is the same in format 1.
        if at.take::<8>()? != MAGIC || !(1..=FORMAT_VERSION).contains(&at.u32()?) {
            return None;
        }
        Some(Self {
            generation: at.u64()?,
            highest_sequence: at.u32()?,
            acknowledged: at.u64()?,
            kiosk_id: at.text()?.to_owned(),
        })
    }
}

/// What was found where the witness should be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Found {
    Nothing,
    Damaged,
    Mark(HighWaterMark),
}

/// Reads the witness.
pub(super) fn read(path: &Path) -> io::Result<Found> {
    match fs::read(path) {
        Ok(bytes) => Ok(HighWaterMark::from_bytes(&bytes).map_or(Found::Damaged, Found::Mark)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Found::Nothing),
        Err(error) => Err(error),
    }
}

/// The witness, ready to be written.
#[derive(Debug)]
pub(super) struct Witness {
    pub(super) path: PathBuf,
    file: File,
}

impl Witness {
    /// Makes the witness in one step: there is a whole one afterwards, or none.
    pub(super) fn create(path: &Path, mark: &HighWaterMark) -> io::Result<Self> {
        let draft = temporary(path);
        let file = private().create(true).truncate(true).write(true).open(&draft)?;
        let witness = Self { path: path.to_owned(), file };
        witness.write(mark)?;
        witness.file.sync_all()?;
        fs::rename(&draft, path)?;
        Ok(witness)
    }

    /// Opens the one that is there.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let file = File::options().write(true).open(path)?;
        Ok(Self { path: path.to_owned(), file })
    }

    /// Writes a mark over the one before, with one write.
    pub(super) fn write(&self, mark: &HighWaterMark) -> io::Result<()> {
        write_at_start(&self.file, &mark.to_bytes())
    }
}

#[cfg(unix)]
fn write_at_start(file: &File, bytes: &[u8]) -> io::Result<()> {
    std::os::unix::fs::FileExt::write_all_at(file, bytes, 0)
}

#[cfg(not(unix))]
fn write_at_start(mut file: &File, bytes: &[u8]) -> io::Result<()> {
    use std::io::{Seek, SeekFrom, Write};
    file.seek(SeekFrom::Start(0))?;
    file.write_all(bytes)
}
