//! What goes wrong with an outbox, and what to do about it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use laju_schemas::pseudonym::KeyId;
use thiserror::Error;

/// What to do with an outbox that cannot be trusted: nothing in it is ever deleted or replaced.
const DAMAGED_ADVICE: &str = "nothing was changed or deleted: take this directory out of service as it \
    is, start the agent with another kiosk id and a new outbox, and send this directory in, so \
    that what it still holds is not lost";

/// Why an outbox cannot be opened, read or written. One failure may answer many, so it is cloned.
#[derive(Clone, Debug, Error)]
pub enum OutboxError {
    /// A file cannot be read or written.
    #[error("{path}: cannot be read or written", path = path.display())]
    Io {
        /// The file or directory.
        path: PathBuf,
        /// Why.
        source: Arc<io::Error>,
    },
    /// No room on the disk, or the file may not become larger. What had been accepted before is
    /// safe; of what this answers nothing is promised. It works again once there is room.
    #[error("no room on the disk for the outbox {path}: make room and send again", path = path.display())]
    DiskFull {
        /// The outbox's directory.
        path: PathBuf,
    },
    /// A read or write had failed and the database was reopened: the same call may be made
    /// again.
    #[error("the outbox {path} was opened again after a failed read or write: try again", path = path.display())]
    Reopened {
        /// The outbox's directory.
        path: PathBuf,
    },
    /// Another process, or another part of this one, has it open.
    #[error("another agent is running on the outbox {path}: stop it first, or give this one an outbox of its own", path = path.display())]
    InUse {
        /// The outbox's directory.
        path: PathBuf,
    },
    /// The files are not those of an outbox.
    #[error("{path} is not an outbox's: {what}; give the agent a directory of its own", path = path.display())]
    Foreign {
        /// The file.
        path: PathBuf,
        /// Why it cannot be one.
        what: String,
    },
    /// Written by another version of the program.
    #[error("the outbox {path} has format {found}, this program has format {expected}: run the version of laju-kiosk that wrote it, let it send everything, then start this one with a new outbox and another kiosk id", path = path.display(), expected = super::format::FORMAT_VERSION)]
    Format {
        /// The outbox's directory.
        path: PathBuf,
        /// The format found.
        found: u32,
    },
    /// It belongs to another kiosk.
    #[error("the outbox {path} belongs to the kiosk '{found}', not to '{expected}': start with --kiosk-id '{found}', or give '{expected}' an outbox of its own", path = path.display())]
    OtherKiosk {
        /// The outbox's directory.
        path: PathBuf,
        /// Whose it is.
        found: String,
        /// Who opens it.
        expected: String,
    },
    /// Its pseudonyms are made with another key.
    #[error("the outbox {path} belongs to the key {found}, and this key is {expected}: under another key everybody is somebody else, and who was counted before would be counted again; start with the programme's key, or, if the programme did change it, start with another kiosk id and a new outbox", path = path.display())]
    OtherKey {
        /// The outbox's directory.
        path: PathBuf,
        /// The id of the key that it belongs to.
        found: KeyId,
        /// That of the key given.
        expected: KeyId,
    },
    /// A file is missing, damaged, or older than it must be.
    #[error("the outbox {path} is damaged: {what}; {DAMAGED_ADVICE}", path = path.display())]
    Damaged {
        /// The outbox's directory.
        path: PathBuf,
        /// What is wrong.
        what: String,
    },
    /// It has been closed.
    #[error("the outbox is closed")]
    Closed,
    /// Its writer has ended after a failure: nothing is accepted any more.
    #[error("the outbox has stopped after a failure ({0}): restart the agent")]
    Stopped(Arc<str>),
    /// An event could not be encoded: a fault of this program.
    #[error("an event cannot be stored: {0}")]
    Encode(Arc<str>),
}

impl OutboxError {
    pub(super) fn io(path: &Path, source: io::Error) -> Self {
        if is_full(&source) {
            Self::DiskFull { path: path.to_owned() }
        } else {
            Self::Io { path: path.to_owned(), source: Arc::new(source) }
        }
    }

    pub(super) fn damaged(path: &Path, what: impl Into<String>) -> Self {
        Self::Damaged { path: path.to_owned(), what: what.into() }
    }

    pub(super) fn damaged_row(path: &Path, sequence: u32) -> Self {
        Self::damaged(path, format!("the row of event {sequence} cannot be read"))
    }

    /// What the database says, in the outbox's words.
    pub(super) fn database(path: &Path, error: impl Into<redb::Error>) -> Self {
        match error.into() {
            redb::Error::Io(source)
                if matches!(
                    source.kind(),
                    io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof
                ) =>
            {
                Self::damaged(path, source.to_string())
            }
            redb::Error::Io(source) => Self::io(path, source),
            redb::Error::PreviousIo => Self::Reopened { path: path.to_owned() },
            redb::Error::DatabaseAlreadyOpen => Self::InUse { path: path.to_owned() },
            other => Self::damaged(path, other.to_string()),
        }
    }

    /// Whether the outbox may work again by itself: there may be room later.
    #[must_use]
    pub fn passes(&self) -> bool {
        matches!(self, Self::DiskFull { .. } | Self::Reopened { .. })
    }
}

/// Whether a failure means that there is no room: a full disk, a quota, a limit on the file.
pub(super) fn is_full(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge
    )
}
