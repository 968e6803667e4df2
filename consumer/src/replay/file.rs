//! The output file: written beside its place as `FILE.part`, and put there when it is whole, so
//! that nothing looks complete before it is.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Seek as _, SeekFrom};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use xxhash_rust::xxh3::xxh3_64;

use crate::files::{part_of, sync_directory};

/// So many bytes before a place in a file tell whether it is the same file.
const TAIL_BYTES: u64 = 64 << 10;

/// A file on its way.
pub struct PartFile {
    file: File,
    path: PathBuf,
    part: PathBuf,
}

/// A digest (xxh3 in hex) of what a file has before its byte `length`: of the last 64 KiB there.
pub fn tail_digest(file: &File, length: u64) -> io::Result<String> {
    let count = length.min(TAIL_BYTES);
    let mut tail = vec![0; usize::try_from(count).map_err(io::Error::other)?];
    file.read_exact_at(&mut tail, length - count)?;
    Ok(format!("{:016x}", xxh3_64(&tail)))
}

/// Whether the file at `path` is the one whose first `bytes` ended in what this digest is of, and
/// has no more.
pub fn is_whole(path: &Path, bytes: u64, tail: &str) -> bool {
    let check = || -> io::Result<bool> {
        let file = File::open(path)?;
        Ok(file.metadata()?.len() == bytes && tail_digest(&file, bytes)? == tail)
    };
    check().unwrap_or(false)
}

impl PartFile {
    /// Goes on with what is there of the file at `path`: with its first `keep` bytes, which end in
    /// what has the digest `tail`.
    pub fn go_on(path: &Path, keep: u64, tail: &str) -> io::Result<Self> {
        Self::open(path, keep, |file, part| match tail_digest(file, keep)? == tail {
            true => Ok(()),
            false => Err(io::Error::other(format!(
                "{} is not the file that the checkpoint is of",
                part.display()
            ))),
        })
    }

    /// Begins the file at `path`.
    pub fn begin(path: &Path, force: bool) -> io::Result<Self> {
        Self::open(path, 0, |file, part| match force || file.metadata()?.len() == 0 {
            true => Ok(()),
            false => Err(io::Error::other(format!(
                "{} was left by another run: --force replaces it",
                part.display()
            ))),
        })
    }

    fn open(
        path: &Path,
        keep: u64,
        check: impl FnOnce(&File, &Path) -> io::Result<()>,
    ) -> io::Result<Self> {
        let part = part_of(path);
        // Nothing is cut off before it is known that nobody else writes it.
        let create = keep == 0;
        let mut file =
            OpenOptions::new().read(true).write(true).create(create).truncate(false).open(&part)?;
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
        check(&file, &part)?;
        file.set_len(keep)?;
        file.seek(SeekFrom::Start(keep))?;
        Ok(Self { file, path: path.to_owned(), part })
    }

    /// Where to write: the file itself, without a buffer.
    pub fn writer(&self) -> io::Result<File> {
        self.file.try_clone()
    }

    /// Makes sure of what was written, and tells how many bytes that is, and [`tail_digest`].
    pub fn sync(&self) -> io::Result<(u64, String)> {
        self.file.sync_data()?;
        let length = self.file.metadata()?.len();
        Ok((length, tail_digest(&self.file, length)?))
    }

    /// Puts the file in its place.
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
        let file = PartFile::begin(&path, false).unwrap();
        file.writer().unwrap().write_all(b"one\ntwo\n").unwrap();
        assert_eq!(file.sync().unwrap(), (8, format!("{:016x}", xxh3_64(b"one\ntwo\n"))));
        let twice = PartFile::begin(&path, true).map(drop).unwrap_err();
        assert!(twice.to_string().contains("another process"), "{twice}");
        drop(file);
        assert!(!path.exists());

        let left = PartFile::begin(&path, false).map(drop).unwrap_err();
        assert!(left.to_string().contains("--force"), "{left}");
        let short = PartFile::go_on(&path, 9, "").map(drop).unwrap_err();
        assert!(short.to_string().contains("8 bytes"), "{short}");
        let one = format!("{:016x}", xxh3_64(b"one\n"));
        let another = PartFile::go_on(&path, 3, &one).map(drop).unwrap_err();
        assert!(another.to_string().contains("is not the file"), "{another}");
        assert_eq!(std::fs::read_to_string(part_of(&path)).unwrap(), "one\ntwo\n");
        assert!(!is_whole(&part_of(&path), 4, &one));
        let file = PartFile::go_on(&path, 4, &one).unwrap();
        file.writer().unwrap().write_all(b"2\n").unwrap();
        let (bytes, tail) = file.sync().unwrap();
        assert_eq!(bytes, 6);
        assert!(is_whole(&part_of(&path), bytes, &tail));
        file.finish(false).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "one\n2\n");
        assert!(!part_of(&path).exists());

        let again = PartFile::begin(&path, false).unwrap();
        assert_eq!(again.finish(false).unwrap_err().kind(), io::ErrorKind::AlreadyExists);
        PartFile::begin(&path, false).unwrap().finish(true).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), "");
    }
}
