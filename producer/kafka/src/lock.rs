//! The lock of a directory that one process has at a time.

use std::fs::{File, TryLockError};
use std::time::{Duration, Instant};

/// How long a lock that somebody has is tried again. A process that was killed gives it back a moment
/// later, and one that is being started has a copy of every descriptor until it runs its own program.
const LOCK_TIMEOUT: Duration = Duration::from_secs(1);
/// How often.
const RETRY_INTERVAL: Duration = Duration::from_millis(10);

/// Takes the lock of a file, which lasts as long as the file is open; a kill gives it back.
///
/// # Errors
/// If another process has it and keeps it, or the system does not lock.
pub fn take(file: &File) -> Result<(), TryLockError> {
    let until = Instant::now() + LOCK_TIMEOUT;
    loop {
        match file.try_lock() {
            Err(TryLockError::WouldBlock) if Instant::now() < until => {
                std::thread::sleep(RETRY_INTERVAL);
            }
            taken => return taken,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_about_to_be_given_back_is_waited_for_and_one_that_is_kept_is_not() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let open = || File::open(file.path()).unwrap();
        let (held, second) = (open(), open());
        take(&held).unwrap();
        assert!(matches!(take(&second), Err(TryLockError::WouldBlock)));
        let given_back = std::thread::spawn(move || {
            std::thread::sleep(LOCK_TIMEOUT / 4);
            drop(held);
        });
        take(&second).unwrap();
        given_back.join().unwrap();
    }
}
