//! Room on the disk: the database's file is never sparse, and behind its end lies the reserve.
//!
//! On a full disk nothing more can be accepted, but what was accepted must still be sent, and
//! noted as sent: that is what makes room in the database. redb writes every page to a new place
//! first, so noting takes some room, and it doubles its file as it grows. Two rules follow:
//!
//! - A file that grows is given its blocks there and then, so that no later write into it finds
//!   the disk full: either it grows or it stays as it is.
//! - [`RESERVE_BYTES`] more are given to it *behind its end*, where redb does not see them. Nobody
//!   else can take them. When settling needs them, the end is moved over them, which takes
//!   nothing from the disk and is one step that a kill cannot divide: how long the file is says
//!   what the database has, and what the reserve has is looked up by making it again.
//!
//! A file system that cannot give blocks beforehand is asked how much it has left instead: what it
//! says may go to another file, so the reserve is worth less there.

use std::fs::File;
use std::io;
use std::ops::Bound;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use redb::backends::FileBackend;
use redb::{BackendError, DatabaseError, StorageBackend};

use super::error::is_full;

/// Enough to settle some thousand events, after which their pages are used again.
pub(super) const RESERVE_BYTES: u64 = 4 << 20;

/// What the database is given of the reserve at a time, and the least that a large one grows by
/// where the disk has no room to double it; a small one by an eighth.
pub(super) const STEP_BYTES: u64 = 1 << 20;
pub(super) const LEAST_STEP_BYTES: u64 = 64 << 10;

/// The pages of redb: files grow by whole ones.
const PAGE_BYTES: u64 = 4 << 10;

/// The blocks of a database's file.
#[derive(Debug)]
pub(super) struct Room {
    file: File,
    /// Whether the whole reserve lies behind the end, as far as is known.
    whole: AtomicBool,
}

impl Room {
    pub(super) fn new(file: File) -> Self {
        Self { file, whole: AtomicBool::new(false) }
    }

    /// Makes the reserve whole, if it is not and there is room. Whether it is now.
    pub(super) fn ensure_reserve(&self) -> bool {
        if self.whole.load(Ordering::Acquire) {
            return true;
        }
        let kept = self.length().and_then(|length| self.allocate(length));
        if let Err(error) = &kept {
            tracing::debug!(%error, "no room to keep in reserve");
        }
        kept.is_ok_and(|is_held| {
            // What is not held may be gone the next moment.
            self.whole.store(is_held, Ordering::Release);
            true
        })
    }

    /// Whether the file system has room for the database to grow by a step.
    pub(super) fn can_grow(&self) -> bool {
        let room = || Ok::<_, io::Error>((platform::available(&self.file)?, self.step_bytes()?));
        room().is_ok_and(|(available, step)| available >= 2 * step)
    }

    /// How many bytes of the reserve are held; none if that is not known.
    pub(super) fn held(&self) -> u64 {
        let held = || Ok::<_, io::Error>((platform::allocated(&self.file)?, self.length()?));
        held().map_or(0, |(allocated, length)| allocated.saturating_sub(length).min(RESERVE_BYTES))
    }

    /// How many bytes the disk lacks for the reserve and for a step; all, if it does not tell.
    pub(super) fn missing(&self) -> u64 {
        let missing = || {
            let end = self.length()? + RESERVE_BYTES;
            let reserve = end.saturating_sub(platform::allocated(&self.file)?);
            let needed = reserve + 2 * self.step_bytes()?;
            Ok::<_, io::Error>(needed.saturating_sub(platform::available(&self.file)?))
        };
        missing().unwrap_or(u64::MAX)
    }

    /// The least that the database grows by.
    fn step_bytes(&self) -> io::Result<u64> {
        Ok((self.length()? / 8).clamp(LEAST_STEP_BYTES, STEP_BYTES))
    }

    /// Lengthens the file by as much as the disk has for it without the reserve: half of what is
    /// left, so that a disk shared with others is not filled at once. By nothing if that is little.
    /// For a closed database only.
    pub(super) fn extend_from_disk(&self) -> io::Result<u64> {
        if !self.ensure_reserve() || !self.can_grow() {
            return Ok(0);
        }
        let length = self.length()?;
        let step = self.step_bytes()?;
        let half = (platform::available(&self.file)? / 2).clamp(step, length.max(step));
        let more = half / PAGE_BYTES * PAGE_BYTES;
        self.lengthened(self.set_length(length + more), more)
    }

    /// Gives the database a step of the reserve. By nothing if it is used up. For a closed
    /// database only.
    pub(super) fn extend_from_reserve(&self) -> io::Result<u64> {
        let length = self.length()?;
        self.whole.store(false, Ordering::Release);
        // Of the reserve they are there already: this only fails when it is used up.
        step();
        if platform::allocate(&self.file, 0, length + STEP_BYTES).is_err() {
            return Ok(0);
        }
        step();
        self.lengthened(self.file.set_len(length + STEP_BYTES), STEP_BYTES)
    }

    /// Has the disk confirm a new length. What may not become longer is as good as full.
    fn lengthened(&self, result: io::Result<()>, by: u64) -> io::Result<u64> {
        step();
        match result {
            Ok(()) => self.file.sync_all().map(|()| by),
            Err(error) if is_full(&error) => Ok(0),
            Err(error) => Err(error),
        }
    }

    pub(super) fn length(&self) -> io::Result<u64> {
        Ok(self.file.metadata()?.len())
    }

    /// Makes sure of the blocks for so many bytes and the reserve behind them. Says whether they
    /// are held, or were only there to be had.
    fn allocate(&self, length: u64) -> io::Result<bool> {
        let end = length + RESERVE_BYTES;
        let missing = end.saturating_sub(platform::allocated(&self.file)?);
        // Asked first, since a file system may keep what it gave before it found too little.
        if missing > platform::available(&self.file)? {
            return Err(io::ErrorKind::StorageFull.into());
        }
        step();
        platform::allocate(&self.file, 0, end)
    }

    /// Changes the length; the file and the reserve are as they were if that fails.
    fn set_length(&self, length: u64) -> io::Result<()> {
        let before = self.length()?;
        let grown = if length > before {
            self.allocate(length).and_then(|_| {
                step();
                self.file.set_len(length)
            })
        } else {
            self.file.set_len(length)
        };
        if grown.is_err() || length < before {
            // Whatever lay behind the end goes with a change of it: the reserve is made again.
            self.whole.store(false, Ordering::Release);
            step();
            if grown.is_err() {
                self.file.set_len(before)?;
                step();
            }
            self.ensure_reserve();
        }
        grown
    }
}

/// The database's file for redb.
#[derive(Debug)]
pub(super) struct Backend {
    inner: FileBackend,
    room: Arc<Room>,
}

impl Backend {
    /// Of an open file.
    pub(super) fn new(room: &Arc<Room>) -> Result<Self, DatabaseError> {
        let file = room.file.try_clone().map_err(redb::StorageError::Io)?;
        Ok(Self { inner: FileBackend::new(file)?, room: Arc::clone(room) })
    }
}

impl StorageBackend for Backend {
    fn len(&self) -> io::Result<u64> {
        self.inner.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.inner.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.room.set_length(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        step();
        self.inner.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.inner.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.inner.close()
    }

    fn try_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.try_lock_range(start, end)
    }

    fn try_lock_shared_range(
        &self,
        start: Bound<u64>,
        end: Bound<u64>,
    ) -> Result<bool, BackendError> {
        self.inner.try_lock_shared_range(start, end)
    }

    fn lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_range(start, end)
    }

    fn lock_shared_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.lock_shared_range(start, end)
    }

    fn unlock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<(), BackendError> {
        self.inner.unlock_range(start, end)
    }

    fn query_lock_range(&self, start: Bound<u64>, end: Bound<u64>) -> Result<bool, BackendError> {
        self.inner.query_lock_range(start, end)
    }
}

/// Where tests end the process.
#[cfg(not(all(test, target_os = "linux")))]
fn step() {}

#[cfg(all(test, target_os = "linux"))]
use super::tests::disk::step;

#[cfg(target_os = "linux")]
mod platform {
    use std::fs::File;
    use std::io;
    use std::os::unix::fs::MetadataExt as _;

    use nix::errno::Errno;
    use nix::fcntl::{FallocateFlags, fallocate};
    use nix::sys::statvfs::fstatvfs;

    /// Gives a file its blocks from here to there, also behind its end, which stays. Nothing
    /// written changes. Whether they are held: some file systems can't.
    pub(super) fn allocate(file: &File, from: u64, to: u64) -> io::Result<bool> {
        let offset = |bytes: u64| i64::try_from(bytes).map_err(|_| io::ErrorKind::FileTooLarge);
        let (from, length) = (offset(from)?, offset(to.saturating_sub(from))?);
        loop {
            match fallocate(file, FallocateFlags::FALLOC_FL_KEEP_SIZE, from, length) {
                Ok(()) => return Ok(true),
                Err(Errno::EINTR) => {}
                Err(Errno::EOPNOTSUPP | Errno::ENOSYS) => return Ok(false),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// How many bytes a file has on the disk.
    pub(super) fn allocated(file: &File) -> io::Result<u64> {
        Ok(file.metadata()?.blocks().saturating_mul(512))
    }

    /// How many bytes this user may still take on the file's file system.
    pub(super) fn available(file: &File) -> io::Result<u64> {
        let found = fstatvfs(file)?;
        // A file system without limits has no blocks to tell of.
        if found.blocks() == 0 {
            return Ok(u64::MAX);
        }
        Ok(found.blocks_available().saturating_mul(found.fragment_size()))
    }
}

#[cfg(not(target_os = "linux"))]
mod platform {
    use std::fs::File;
    use std::io;

    pub(super) fn allocate(_: &File, _: u64, _: u64) -> io::Result<bool> {
        Ok(false)
    }

    pub(super) fn allocated(file: &File) -> io::Result<u64> {
        Ok(file.metadata()?.len())
    }

    pub(super) fn available(_: &File) -> io::Result<u64> {
        Ok(u64::MAX)
    }
}
