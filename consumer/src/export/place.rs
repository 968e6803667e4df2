//! The folder that an export stands in. What is being written lies in `.laju-partial` and looks
//! like nothing; once whole it is renamed to `.laju-next`, manifest included, and from then on the
//! change will happen, whatever befalls: the old manifest goes to `.laju-old`, each dataset's folder
//! after it, the new ones take their place by a rename, and the new manifest comes last. Where there
//! is a manifest, its export is whole.
//!
//! Nothing is removed that is not an export's own: each of the three folders has a file in it that
//! says so from before its first other file until after its last, and where anything else stands in
//! the folder nothing is begun.

use std::collections::BTreeSet;
use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use laju_kafka::text;
use nix::fcntl::{Flock, FlockArg};
use thiserror::Error;

use crate::bystanders::is_bystander;

use super::cut::{FORM, Manifest};

pub const MANIFEST: &str = "manifest.json";
/// What is being written.
pub(super) const PARTIAL: &str = ".laju-partial";
/// What is whole, and on its way to its place.
pub(super) const NEXT: &str = ".laju-next";
/// What was replaced.
pub(super) const OLD: &str = ".laju-old";
/// The file by which a folder of these is known as an export's own.
pub(super) const MARKER: &str = ".laju-export";

/// Why a folder cannot be used.
#[derive(Debug, Error)]
pub enum PlaceError {
    #[error("{path}: {source}")]
    Io { path: PathBuf, source: io::Error },
    #[error(
        "{0} was not made by an export: name a folder that has nothing else in it, or move this away"
    )]
    Occupied(PathBuf),
    #[error("another export into {0} is under way: wait for it")]
    Busy(PathBuf),
    #[error("{path} is no manifest that this program can read ({why}): export into another folder")]
    Manifest { path: PathBuf, why: String },
    #[error(
        "{0} is not what the manifest says, so the export cannot be continued: export into another folder"
    )]
    Changed(PathBuf),
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> PlaceError {
    let path = path.to_owned();
    move |source| PlaceError::Io { path, source }
}

/// An export's folder, locked against others while this is there.
pub struct Place {
    root: PathBuf,
    was_made: bool,
    _lock: Flock<File>,
    /// What was found of an export that did not come to its end, for people.
    pub found: Option<String>,
    /// What is there now.
    pub manifest: Option<Manifest>,
}

impl Place {
    /// Opens a folder or makes it, and clears away what an export killed on its way has left.
    pub fn open(root: &Path) -> Result<Self, PlaceError> {
        let was_made = !root.exists();
        fs::create_dir_all(root).map_err(at(root))?;
        let folder = File::open(root).map_err(at(root))?;
        let lock = Flock::lock(folder, FlockArg::LockExclusiveNonblock)
            .map_err(|_| PlaceError::Busy(root.to_owned()))?;
        let root = root.to_owned();
        let mut place = Self { root, was_made, _lock: lock, found: None, manifest: None };
        if let Err(error) = place.recover() {
            if was_made {
                // It is empty.
                let _ = fs::remove_dir(&place.root);
            }
            return Err(error);
        }
        place.manifest = place.read(MANIFEST)?;
        Ok(place)
    }

    fn recover(&mut self) -> Result<(), PlaceError> {
        // Everything is looked at before anything is touched.
        let before = self.read(MANIFEST)?;
        let mut has = [false; 3];
        for (has, name) in has.iter_mut().zip([PARTIAL, NEXT, OLD]) {
            *has = self.is_own(name)?;
        }
        let [has_partial, has_next, has_old] = has;
        let within = |folder: &str| self.read(&format!("{folder}/{MANIFEST}"));
        let next = if has_next { within(NEXT)? } else { None };
        // While a change is under way, the old manifest may be where the old files go.
        let before = match before {
            None if next.is_some() && has_old => within(OLD)?,
            before => before,
        };
        self.check(before.as_ref(), next.as_ref())?;
        if next.is_some() {
            self.switch()?;
            self.found = Some("an export killed at its very end was brought to its place".into());
        } else if has_partial {
            self.found = Some("what a killed export had left was removed".into());
        }
        self.remove(PARTIAL)?;
        self.remove(NEXT)?;
        self.remove(OLD)
    }

    /// Whether there is a folder of one of the three names. One that is empty is as good as marked:
    /// nothing is in it that could be lost, and a run that is killed may leave one.
    fn is_own(&self, name: &str) -> Result<bool, PlaceError> {
        let path = self.root.join(name);
        let metadata = match fs::symlink_metadata(&path) {
            Ok(metadata) => metadata,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
            Err(error) => return Err(at(&path)(error)),
        };
        let is_marked = || fs::symlink_metadata(path.join(MARKER)).is_ok_and(|m| m.is_file());
        if metadata.is_dir() && (is_marked() || names(&path)?.is_empty()) {
            return Ok(true);
        }
        Err(PlaceError::Occupied(path))
    }

    /// That nothing stands here but an export: the datasets of the one that is there, and of one
    /// that is on its way those that have arrived.
    fn check(&self, before: Option<&Manifest>, next: Option<&Manifest>) -> Result<(), PlaceError> {
        for name in names(&self.root)? {
            if is_bystander(name.as_ref()) {
                continue;
            }
            let arrived = |next: &Manifest| {
                next.dataset(&name).is_some() && !self.root.join(NEXT).join(&name).exists()
            };
            let is_own = [MANIFEST, PARTIAL, NEXT, OLD].contains(&name.as_str())
                || before.is_some_and(|before| before.dataset(&name).is_some())
                || next.is_some_and(arrived);
            if !is_own {
                return Err(PlaceError::Occupied(self.root.join(name)));
            }
        }
        Ok(())
    }

    fn read(&self, name: &str) -> Result<Option<Manifest>, PlaceError> {
        let path = self.root.join(name);
        read_manifest(&path)
    }

    /// Removes one of the three folders, its mark last, so that it can be told whenever this ends.
    fn remove(&self, name: &str) -> Result<(), PlaceError> {
        if !self.is_own(name)? {
            return Ok(());
        }
        let folder = self.root.join(name);
        for entry in fs::read_dir(&folder).map_err(at(&folder))? {
            let entry = entry.map_err(at(&folder))?;
            let path = entry.path();
            if entry.file_name() == MARKER {
                continue;
            }
            let is_folder = entry.file_type().map_err(at(&path))?.is_dir();
            let removed =
                if is_folder { fs::remove_dir_all(&path) } else { fs::remove_file(&path) };
            removed.map_err(at(&path))?;
        }
        fs::remove_file(folder.join(MARKER)).or_else(not_found).map_err(at(&folder))?;
        fs::remove_dir(&folder).map_err(at(&folder))
    }

    /// Makes one of the three folders, its mark first; one that is there has to be marked.
    fn make(&self, name: &str) -> Result<PathBuf, PlaceError> {
        let folder = self.root.join(name);
        if !self.is_own(name)? {
            fs::create_dir(&folder).map_err(at(&folder))?;
        }
        let marker = folder.join(MARKER);
        let text = b"Laju made this folder on the way to an export, and removes it.\n";
        let mut file = File::create(&marker).map_err(at(&marker))?;
        file.write_all(text).and_then(|()| file.sync_all()).map_err(at(&marker))?;
        sync_folder(&folder).map_err(at(&folder))?;
        Ok(folder)
    }

    /// A new folder to write into, with nothing but its mark in it.
    pub fn begin(&self) -> Result<PathBuf, PlaceError> {
        self.make(PARTIAL)
    }

    /// Puts a file that is there already beside those being written: the same file under a second
    /// name where the disk can do that, else a copy.
    pub fn keep(&self, path: &str, bytes: u64) -> Result<(), PlaceError> {
        let (from, to) = (self.root.join(path), self.root.join(PARTIAL).join(path));
        if !fs::metadata(&from).is_ok_and(|found| found.len() == bytes) {
            return Err(PlaceError::Changed(from));
        }
        if let Some(folder) = to.parent() {
            fs::create_dir_all(folder).map_err(at(folder))?;
        }
        fs::hard_link(&from, &to).or_else(|_| fs::copy(&from, &to).map(drop)).map_err(at(&to))
    }

    /// Has what was written take its place, all of it.
    ///
    /// # Errors
    /// If something else has been put here meanwhile, or the disk says no. Once the new state is
    /// on the disk, the next [`Place::open`] finishes.
    pub fn commit(&mut self, manifest: &Manifest) -> Result<(), PlaceError> {
        let (partial, next) = (self.root.join(PARTIAL), self.root.join(NEXT));
        let path = partial.join(MANIFEST);
        let json = serde_json::to_vec_pretty(manifest)
            .map_err(|why| PlaceError::Manifest { path: path.clone(), why: why.to_string() })?;
        let mut file = File::create(&path).map_err(at(&path))?;
        file.write_all(&json).and_then(|()| file.sync_all()).map_err(at(&path))?;
        sync_folders(&partial).map_err(at(&partial))?;
        self.check(self.manifest.as_ref(), None)?;
        fs::rename(&partial, &next).map_err(at(&next))?;
        self.sync()?;
        self.switch()?;
        self.manifest = Some(manifest.clone());
        Ok(())
    }

    /// From [`NEXT`] to its place. However often this is begun, the end is the same.
    fn switch(&self) -> Result<(), PlaceError> {
        let next = self.root.join(NEXT);
        let manifest = self.root.join(MANIFEST);
        let old = self.make(OLD)?;
        fs::rename(&manifest, old.join(MANIFEST)).or_else(not_found).map_err(at(&manifest))?;
        sync_folder(&old).map_err(at(&old))?;
        self.sync()?;
        for name in names(&next)? {
            if [MANIFEST, MARKER].contains(&name.as_str()) || is_bystander(name.as_ref()) {
                continue;
            }
            let place = self.root.join(&name);
            if fs::symlink_metadata(&place).is_ok() {
                fs::rename(&place, old.join(&name)).map_err(at(&place))?;
            }
            fs::rename(next.join(&name), &place).map_err(at(&place))?;
        }
        self.sync()?;
        fs::rename(next.join(MANIFEST), &manifest).map_err(at(&manifest))?;
        self.sync()?;
        // Killed from here on, there is no manifest in it, and what is left is removed.
        self.remove(NEXT)?;
        self.remove(OLD)
    }

    /// Leaves the folder as it was found.
    pub fn abandon(&self) -> Result<(), PlaceError> {
        self.remove(PARTIAL)?;
        if self.was_made {
            // Somebody else may have put something there meanwhile.
            let _ = fs::remove_dir(&self.root);
        }
        Ok(())
    }

    fn sync(&self) -> Result<(), PlaceError> {
        sync_folder(&self.root).map_err(at(&self.root))
    }
}

/// The manifest at a path; none if there is no such file.
pub fn read_manifest(path: &Path) -> Result<Option<Manifest>, PlaceError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(path)(error)),
    };
    let wrong = |why: String| PlaceError::Manifest { path: path.to_owned(), why };
    let text = text::decode(&bytes).map_err(|error| wrong(error.to_string()))?;
    let manifest: Manifest =
        serde_json::from_str(text).map_err(|error| wrong(error.to_string()))?;
    if manifest.form != FORM {
        return Err(wrong(format!("its form is {}, and this program's is {FORM}", manifest.form)));
    }
    Ok(Some(manifest))
}

/// What stands in a folder, in the order of its names. Of one that is no text what can be read.
fn names(path: &Path) -> Result<BTreeSet<String>, PlaceError> {
    let name = |entry: io::Result<fs::DirEntry>| {
        Ok(entry.map_err(at(path))?.file_name().to_string_lossy().into_owned())
    };
    fs::read_dir(path).map_err(at(path))?.map(name).collect()
}

fn not_found(error: io::Error) -> io::Result<()> {
    if error.kind() == io::ErrorKind::NotFound { Ok(()) } else { Err(error) }
}

fn sync_folder(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// Has the names of all files below a folder on the disk; the files are there already.
fn sync_folders(path: &Path) -> io::Result<()> {
    for entry in fs::read_dir(path)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            sync_folders(&entry.path())?;
        }
    }
    sync_folder(path)
}
