//! A disk that is really full: a small file system of a test's own.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

/// A small file system that goes when this is dropped.
pub struct Mounted(PathBuf);

impl Mounted {
    /// One of so many MiB at a path where nothing is. None where this user may not mount one; with
    /// `LAJU_TEST_MOUNT` that is a failure.
    ///
    /// # Panics
    /// If there is no directory to be made, or it is a failure.
    #[must_use]
    pub fn at(path: &Path, mebibytes: u32) -> Option<Self> {
        std::fs::create_dir(path).expect("a new directory");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &format!("size={mebibytes}m"), "tmpfs"]).arg(path);
        if mount.output().is_ok_and(|output| output.status.success()) {
            return Some(Self(path.to_owned()));
        }
        let demanded = std::env::var_os("LAJU_TEST_MOUNT").is_some_and(|value| !value.is_empty());
        assert!(!demanded, "LAJU_TEST_MOUNT is set, and no tmpfs can be mounted");
        eprintln!("NOT TESTED: no tmpfs can be mounted by this user");
        None
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        drop(Command::new("umount").arg("--lazy").arg(&self.0).status());
    }
}

/// Takes what a disk has left, as another program does.
///
/// # Panics
/// If the file cannot be made.
pub fn fill_up(ballast: &Path) {
    let mut file = File::create(ballast).expect("a new file");
    for size in [1 << 16, 4096] {
        while file.write_all(&vec![1; size]).is_ok() {}
    }
}
