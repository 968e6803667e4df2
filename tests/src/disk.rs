//! A disk that is really full, a small file system of a test's own, and one that is slow.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

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

/// Makes programs' disks slow, each while its own file is there.
pub struct SlowDisks {
    directory: TempDir,
}

impl SlowDisks {
    /// Builds what stands between a program and its disk. None but on Linux.
    ///
    /// # Panics
    /// If the C compiler does not build it, which has built Kafka's client.
    #[must_use]
    pub fn build() -> Option<Self> {
        if !cfg!(target_os = "linux") {
            eprintln!("NOT TESTED: disks are made slow on Linux only");
            return None;
        }
        let directory = tempfile::tempdir().expect("a directory");
        let disks = Self { directory };
        let mut compiler = Command::new(std::env::var_os("CC").unwrap_or_else(|| "cc".into()));
        compiler.args(["-shared", "-fPIC", SOURCE, "-ldl", "-o"]).arg(disks.shared_object());
        let ended = compiler.output().expect("a C compiler");
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        Some(disks)
    }

    fn shared_object(&self) -> PathBuf {
        self.directory.path().join("slow_disk.so")
    }

    /// Has a program's disk be slow while there is a file at this path, which gets a byte for each time
    /// that the program waited.
    pub fn stand_before(&self, program: &mut Command, file: &Path) {
        program.env("LD_PRELOAD", self.shared_object()).env("LAJU_TEST_SLOW_DISK", file);
    }
}

const SOURCE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/src/slow_disk.c");
