//! The reserve: room on the disk that is kept for the day when there is no other.
//!
//! On a full disk nothing more can be accepted, but what was accepted must still be sent, and
//! noted as sent: that is what makes room in the database. Noting it takes some room first, so a
//! file is kept to be given up then. Nothing is accepted until it is there again.

use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// Enough to settle some thousand events, after which their pages are used again.
pub(super) const RESERVE_BYTES: u64 = 4 << 20;

/// How long it is not tried again to make the reserve where there was no room.
const TRY_EVERY: Duration = Duration::from_millis(500);

/// The reserve.
#[derive(Debug)]
pub(super) struct Reserve {
    path: PathBuf,
    is_kept: bool,
    not_before: Option<Instant>,
}

impl Reserve {
    /// The reserve as a former run left it.
    pub(super) fn new(path: &Path) -> Self {
        let is_kept = fs::metadata(path).is_ok_and(|file| file.len() == RESERVE_BYTES);
        Self { path: path.to_owned(), is_kept, not_before: None }
    }

    /// Makes the reserve if it is not there. Whether it is there now.
    pub(super) fn keep(&mut self) -> bool {
        if !self.is_kept && self.not_before.is_none_or(|instant| Instant::now() >= instant) {
            match self.make() {
                Ok(()) => self.is_kept = true,
                Err(error) => {
                    tracing::warn!(path = %self.path.display(), %error, "no room to keep in reserve");
                    self.give_up();
                }
            }
        }
        self.is_kept
    }

    fn make(&self) -> io::Result<()> {
        let mut file =
            super::open::private().create(true).truncate(true).write(true).open(&self.path)?;
        let zeros = [0; 64 << 10];
        for _ in 0..RESERVE_BYTES / zeros.len() as u64 {
            file.write_all(&zeros)?;
        }
        file.sync_all()
    }

    /// Gives the room up.
    pub(super) fn give_up(&mut self) {
        self.is_kept = false;
        self.not_before = Instant::now().checked_add(TRY_EVERY);
        if let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "the reserve cannot be given up");
        }
    }
}
