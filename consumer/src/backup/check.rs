//! A backup's files, compared with its manifest: every byte is read, every record taken.

use std::fs::File;
use std::io::Read as _;
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};

use sha2::{Digest as _, Sha256};

use super::directory::Directory;
use super::error::BackupError;
use super::manifest::{Gap, Manifest, Segment};
use super::segment::SegmentReader;

/// Bytes that are read at a time.
const BUFFER: usize = 1 << 20;

/// A backup that was looked at.
#[derive(Debug)]
pub struct Checked {
    /// What it says of itself.
    pub manifest: Manifest,
    /// Files that are not as it says.
    pub faults: Vec<BackupError>,
}

/// Reads all files of the backup in a directory and compares them with its manifest. `tell` is given
/// how many bytes have been read, of how many.
///
/// # Errors
/// If there is no backup, or `stop` is set meanwhile. Files that are damaged are in the answer.
pub fn check(
    root: &Path,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(u64, u64),
) -> Result<Checked, BackupError> {
    let (_directory, manifest) = Directory::read(root)?;
    let faults = check_files(root, manifest.segments(), stop, tell)?;
    Ok(Checked { manifest, faults })
}

pub(super) fn check_files<'a>(
    root: &Path,
    files: impl Iterator<Item = (&'a str, &'a Segment)> + Clone,
    stop: &AtomicBool,
    tell: &mut dyn FnMut(u64, u64),
) -> Result<Vec<BackupError>, BackupError> {
    let all = files.clone().map(|(_, segment)| segment.bytes).sum();
    let (mut read, mut faults) = (0, Vec::new());
    for (topic, segment) in files {
        if stop.load(Ordering::Acquire) {
            return Err(BackupError::Interrupted);
        }
        if let Err(fault) = check_file(root, topic, segment) {
            faults.push(fault);
        }
        read += segment.bytes;
        tell(read, all);
    }
    Ok(faults)
}

/// Where damage stands is known by the records; that there is none, by the digest.
fn check_file(root: &Path, topic: &str, segment: &Segment) -> Result<(), BackupError> {
    let path = root.join(&segment.file);
    let changed = |what: String| BackupError::Changed { path: path.clone(), what };
    let io = BackupError::at(&path);
    let mut file = File::open(&path).map_err(io)?;
    let bytes = file.metadata().map_err(io)?.len();
    let mut reader = SegmentReader::open(root, topic, segment)?;
    let (mut records, mut next, mut gaps) = (0_u64, segment.from, Vec::<Gap>::new());
    while let Some(record) = reader.next()? {
        if record.offset > next {
            gaps.push((next, record.offset));
        }
        next = record.offset + 1;
        records += 1;
    }
    if next < segment.next {
        gaps.push((next, segment.next));
        next = segment.next;
    }
    if bytes != segment.bytes {
        return Err(changed(format!("it has {bytes} bytes, and not {}", segment.bytes)));
    }
    if (records, next) != (segment.records, segment.next) || gaps != segment.gaps {
        return Err(changed(format!(
            "it has {records} records up to offset {next}, and not {} up to {} with the same gaps",
            segment.records, segment.next
        )));
    }
    let (mut digest, mut buffer) = (Sha256::new(), vec![0; BUFFER]);
    loop {
        let length = file.read(&mut buffer).map_err(io)?;
        if length == 0 {
            break;
        }
        digest.update(&buffer[..length]);
    }
    let sha256 = hex::encode(digest.finalize());
    if sha256 != segment.sha256 {
        return Err(changed(format!("its SHA-256 is {sha256}, and not {}", segment.sha256)));
    }
    Ok(())
}
