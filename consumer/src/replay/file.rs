//! The output file: written beside its place as `FILE.part`, and put there when it is whole, so
//! that nothing looks complete before it is.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

/// A file on its way.
pub struct PartFile {
    file: File,
    path: PathBuf,
    part: PathBuf,
}

/// The name under which a file is written.
#[must_use]
pub fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".part");
    PathBuf::from(name)
}

/// Has the directory of a file know it after a power loss, too.
///
/// # Errors
/// If the directory cannot be opened or synced.
pub fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}

impl PartFile {
    /// Begins the file at `path`, or goes on with what is there of it: with its first `keep` bytes.
    ///
    /// # Errors
    /// If it cannot be opened, is shorter than that, or another process writes it.
    pub fn open(path: &Path, keep: u64) -> io::Result<Self> {
        let part = part_of(path);
        // Nothing is cut off before it is known that nobody else writes it.
        let create = keep == 0;
        let mut file = OpenOptions::new().write(true).create(create).truncate(false).open(&part)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                return Err(io::Error::other("another process is writing it"));
            }
            Err(TryLockError::Error(error)) => return Err(error),
        }
        let length = file.metadata()?.len();
        if length < keep {
            return Err(io::Error::other(format!(
                "{} has {length} bytes, and the checkpoint rests on {keep}",
                part.display()
            )));
        }
        file.set_len(keep)?;
        file.seek(SeekFrom::Start(keep))?;
        Ok(Self { file, path: path.to_owned(), part })
    }

    /// Where to write: the file itself, without a buffer.
    ///
    /// # Errors
    /// If the system has no descriptor left.
    pub fn writer(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Makes sure of what was written, and tells how many bytes that is.
    ///
    /// # Errors
    /// If it cannot be synced.
    pub fn sync(&self) -> io::Result<u64> {
        self.file.sync_data()?;
        Ok(self.file.metadata()?.len())
    }

    /// Puts the file in its place.
    ///
    /// # Errors
    /// If it cannot be synced or moved, or, without `force`, something is there already.
    pub fn finish(self, force: bool) -> io::Result<()> {
        self.file.sync_all()?;
        put(&self.part, &self.path, force)
    }
}

impl Drop for PartFile {
    fn drop(&mut self) {
        // Closing alone does not unlock it while a child that was just forked has it open, too.
        let _ = self.file.unlock();
    }
}

/// Puts a whole part file in its place.
///
/// # Errors
/// If it cannot be moved, or, without `force`, something is there already.
pub fn put(part: &Path, path: &Path, force: bool) -> io::Result<()> {
    if !force && path.try_exists()? {
        return Err(io::Error::new(io::ErrorKind::AlreadyExists, "it is there by now"));
    }
    std::fs::rename(part, path)?;
    sync_directory(path)
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_file_is_in_its_place_only_when_whole_and_goes_on_where_it_was_safe() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("events.ndjson");
        let file = PartFile::open(&path, 0).unwrap();
        file.writer().unwrap().write_all(b"one\ntwo\n").unwrap();
        assert_eq!(file.sync().unwrap(), 8);
        let twice = PartFile::open(&path, 0).map(drop).unwrap_err();
        assert!(twice.to_string().contains("another process"), "{twice}");
        drop(file);
        assert!(!path.exists());

        let short = PartFile::open(&path, 9).map(drop).unwrap_err();
        assert!(short.to_string().contains("8 bytes"), "{short}");
        let file = PartFile::open(&path, 4).unwrap();
        file.writer().unwrap().write_all(b"2\n").unwrap();
        assert_eq!(file.sync().unwrap(), 6);
        file.finish(false).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\n2\n");
        assert!(!part_of(&path).exists());

        let again = PartFile::open(&path, 0).unwrap();
        assert_eq!(again.finish(false).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        PartFile::open(&path, 0).unwrap().finish(true).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    }
}
