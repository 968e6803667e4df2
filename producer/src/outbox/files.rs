//! The outbox's directory, its lock, and how its files are made.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};

use super::OutboxError;
use laju_kafka::lock;

const LOCK: &str = "outbox.lock";

/// Makes the directory and has the disk confirm that it is there.
pub(super) fn make_directory(directory: &Path) -> Result<(), OutboxError> {
    if directory.is_dir() {
        return Ok(());
    }
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    let failed = |error| OutboxError::io(directory, error);
    builder.create(directory).map_err(failed)?;
    // After a power cut the directory has to be there, or numbers would begin at 1 again.
    let path = directory.canonicalize().map_err(failed)?;
    for parent in path.ancestors().skip(1) {
        let Ok(parent) = File::open(parent) else { break };
        parent.sync_all().map_err(failed)?;
    }
    Ok(())
}

/// Locks the outbox, for as long as the file is open.
pub(super) fn take_lock(directory: &Path) -> Result<File, OutboxError> {
    let path = directory.join(LOCK);
    let file = private()
        .create(true)
        .truncate(false)
        .write(true)
        .open(&path)
        .map_err(|error| OutboxError::io(&path, error))?;
    match lock::take(&file) {
        Ok(()) => Ok(file),
        Err(TryLockError::WouldBlock) => Err(OutboxError::InUse { path: directory.to_owned() }),
        Err(TryLockError::Error(error)) => Err(OutboxError::io(&path, error)),
    }
}

/// Files that only this user may read.
pub(crate) fn private() -> OpenOptions {
    let mut options = File::options();
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options
}

/// The name that a file is made under before it is renamed.
pub(crate) fn temporary(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".new");
    name.into()
}

pub(super) fn sync_directory(directory: &Path) -> Result<(), OutboxError> {
    File::open(directory)
        .and_then(|file| file.sync_all())
        .map_err(|error| OutboxError::io(directory, error))
}
