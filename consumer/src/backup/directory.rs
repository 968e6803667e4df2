//! The directory that a backup stands in: one process at a time, and nothing but the backup.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use laju_schemas::topic::ALL;
use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};

use super::error::BackupError;
use super::manifest::{MANIFEST, Manifest};
use super::private::create_private_dir;
use crate::bystanders::is_bystander;
use crate::files::PART;

/// A backup's directory, locked to others while this is there.
pub(super) struct Directory {
    pub(super) root: PathBuf,
    _lock: Flock<File>,
}

impl Directory {
    /// Opens a directory to write to it, making it if need be, and clears away what a backup killed
    /// on its way has left; with the manifest, if there is one.
    pub(super) fn open(root: &Path) -> Result<(Self, Option<Manifest>), BackupError> {
        create_private_dir(root).map_err(BackupError::at(root))?;
        let directory = Self::lock(root, FlockArg::LockExclusiveNonblock)?;
        let manifest = Manifest::load(root)?;
        directory.clear(manifest.as_ref())?;
        Ok((directory, manifest))
    }

    /// Opens a directory to read it.
    pub(super) fn read(root: &Path) -> Result<(Self, Manifest), BackupError> {
        if !root.is_dir() {
            return Err(BackupError::None(root.to_owned()));
        }
        let directory = Self::lock(root, FlockArg::LockSharedNonblock)?;
        let manifest = Manifest::load(root)?;
        Ok((directory, manifest.ok_or_else(|| BackupError::None(root.to_owned()))?))
    }

    fn lock(root: &Path, how: FlockArg) -> Result<Self, BackupError> {
        let folder = File::open(root).map_err(BackupError::at(root))?;
        match Flock::lock(folder, how) {
            Ok(lock) => Ok(Self { root: root.to_owned(), _lock: lock }),
            Err((_, Errno::EWOULDBLOCK)) => Err(BackupError::Busy(root.to_owned())),
            Err((_, error)) => Err(BackupError::at(root)(error.into())),
        }
    }

    /// Removes files that the manifest does not list. Everything is looked at before anything is
    /// touched: what is none of a backup's stays, and nothing is begun. Nor is it where files were ended
    /// and there is no manifest, which is written before the first of them: somebody has lost it.
    fn clear(&self, manifest: Option<&Manifest>) -> Result<(), BackupError> {
        let listed: BTreeSet<&str> = manifest
            .into_iter()
            .flat_map(|manifest| manifest.topics.values())
            .flat_map(|part| part.segments.iter().map(|segment| segment.file.as_str()))
            .collect();
        let new_manifest = format!("{MANIFEST}{PART}");
        let mut left = Vec::new();
        for (name, path) in entries(&self.root)? {
            if name == MANIFEST {
                continue;
            }
            if name == new_manifest {
                left.push(path);
                continue;
            }
            if !ALL.iter().any(|topic| topic.name == name) || !path.is_dir() {
                return Err(BackupError::Occupied(path));
            }
            for (file, path) in entries(&path)? {
                if listed.contains(format!("{name}/{file}").as_str()) {
                    continue;
                }
                if !is_segment(file.strip_suffix(PART).unwrap_or(&file)) {
                    return Err(BackupError::Occupied(path));
                }
                if manifest.is_none() && !file.ends_with(PART) {
                    return Err(BackupError::ManifestLost(self.root.clone()));
                }
                left.push(path);
            }
        }
        for path in left {
            fs::remove_file(&path).map_err(BackupError::at(&path))?;
        }
        Ok(())
    }
}

/// Whether a file has a name as the files of a backup have: `3-from-42.avro`.
fn is_segment(name: &str) -> bool {
    let number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let parts = name.strip_suffix(".avro").and_then(|name| name.split_once("-from-"));
    parts.is_some_and(|(partition, from)| number(partition) && number(from))
}

fn entries(folder: &Path) -> Result<Vec<(String, PathBuf)>, BackupError> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).map_err(BackupError::at(folder))? {
        let entry = entry.map_err(BackupError::at(folder))?;
        if !is_bystander(&entry.file_name()) {
            found.push((entry.file_name().to_string_lossy().into_owned(), entry.path()));
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_killed_backup_left_goes_and_what_is_somebody_elses_stays() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        let folder = root.join("ikd.events.v1");
        fs::create_dir(&folder).unwrap();
        let [ended, left @ ..] = [
            folder.join("3-from-42.avro"),
            root.join("manifest.json.part"),
            folder.join("4-from-0.avro.part"),
        ];
        for path in &left {
            fs::write(path, "x").unwrap();
        }
        for other in [root.join("thesis.tex"), folder.join("notes.txt"), folder.join("a-b.avro")] {
            fs::write(&other, "x").unwrap();
            let error = Directory::open(root).map(drop).unwrap_err();
            assert!(matches!(error, BackupError::Occupied(ref path) if *path == other), "{error}");
            assert!(left.iter().all(|path| path.exists()));
            fs::remove_file(&other).unwrap();
        }
        let (held, manifest) = Directory::open(root).unwrap();
        assert_eq!(manifest, None);
        assert!(!left.iter().any(|path| path.exists()));
        // What was ended is removed only where the manifest does not list it.
        drop(held);
        fs::write(&ended, "x").unwrap();
        fs::write(&left[1], "x").unwrap();
        let error = Directory::open(root).map(drop).unwrap_err();
        assert!(matches!(error, BackupError::ManifestLost(_)), "{error}");
        assert!(ended.exists() && left[1].exists());
        Manifest::begin("c".to_owned()).save(root).unwrap();
        let (held, manifest) = Directory::open(root).unwrap();
        assert!(manifest.is_some() && !ended.exists() && !left[1].exists());
        let error = Directory::open(root).map(drop).unwrap_err();
        assert!(matches!(error, BackupError::Busy(_)), "{error}");
        drop(held);
        fs::remove_file(root.join(MANIFEST)).unwrap();
        let error = Directory::read(root).map(drop).unwrap_err();
        assert!(matches!(error, BackupError::None(_)), "{error}");
    }

    #[test]
    fn a_new_backup_is_for_its_owner_alone() {
        use std::os::unix::fs::PermissionsExt as _;
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("laju");
        drop(Directory::open(&root).unwrap());
        Manifest::begin("c".to_owned()).save(&root).unwrap();
        let mode = |path: &Path| path.metadata().unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(&root), mode(&root.join(MANIFEST))), (0o700, 0o600));
    }
}
