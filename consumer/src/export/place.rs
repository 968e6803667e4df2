//! The folder that an export stands in. What is being written lies in `.partial` and looks like
//! nothing; once whole it is renamed to `.next`, manifest included, and from then on the change
//! will happen, whatever befalls: the old manifest goes, each dataset's folder is replaced by a
//! rename, and the new manifest comes last. Where there is a manifest, its export is whole.

use std::fs::{self, File};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use thiserror::Error;

use super::cut::{FORM, Manifest};

/// The manifest's name.
pub const MANIFEST: &str = "manifest.json";
/// What is being written.
const PARTIAL: &str = ".partial";
/// What is whole, and on its way to its place.
const NEXT: &str = ".next";
/// What was replaced.
const OLD: &str = ".old";

/// Why a folder cannot be used.
#[derive(Debug, Error)]
pub enum PlaceError {
    /// The disk says no.
    #[error("{path}: {source}")]
    Io {
        /// What was to be read or written.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// Something else is there.
    #[error(
        "{0} is not empty and has no manifest of an export: name a folder of its own, or remove what is there"
    )]
    Occupied(PathBuf),
    /// Another export is under way.
    #[error("another export into {0} is under way: wait for it")]
    Busy(PathBuf),
    /// A manifest that cannot be read.
    #[error("{path} is no manifest that this program can read ({why}): export into another folder")]
    Manifest {
        /// The manifest.
        path: PathBuf,
        /// What is wrong with it.
        why: String,
    },
    /// A file that the manifest lists is not there, or not as it was.
    #[error(
        "{0} is not what the manifest says, so the export cannot be continued: export into another folder"
    )]
    Changed(PathBuf),
}

fn at(path: &Path) -> impl FnOnce(io::Error) -> PlaceError {
    let path = path.to_owned();
    move |source| PlaceError::Io { path, source }
}

/// An export's folder, held against others while this is there.
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
    ///
    /// # Errors
    /// If something else is there, another export is under way, or the disk says no.
    pub fn open(root: &Path) -> Result<Self, PlaceError> {
        let was_made = !root.exists();
        fs::create_dir_all(root).map_err(at(root))?;
        let folder = File::open(root).map_err(at(root))?;
        let lock = Flock::lock(folder, FlockArg::LockExclusiveNonblock)
            .map_err(|_| PlaceError::Busy(root.to_owned()))?;
        let root = root.to_owned();
        let mut place = Self { root, was_made, _lock: lock, found: None, manifest: None };
        place.recover()?;
        place.manifest = place.read(MANIFEST)?;
        Ok(place)
    }

    fn recover(&mut self) -> Result<(), PlaceError> {
        let has = |name: &str| self.root.join(name).exists();
        let (partial, next, manifest) = (has(PARTIAL), has(NEXT), has(MANIFEST));
        if next {
            self.switch()?;
            self.found = Some("an export killed at its very end was brought to its place".into());
        } else if partial {
            self.found = Some("what a killed export had left was removed".into());
        } else if !manifest && !has(OLD) && !self.is_empty()? {
            return Err(PlaceError::Occupied(self.root.clone()));
        }
        self.remove(PARTIAL)?;
        self.remove(OLD)?;
        if !next && !manifest && !self.is_empty()? {
            return Err(PlaceError::Occupied(self.root.clone()));
        }
        Ok(())
    }

    fn is_empty(&self) -> Result<bool, PlaceError> {
        Ok(fs::read_dir(&self.root).map_err(at(&self.root))?.next().is_none())
    }

    fn read(&self, name: &str) -> Result<Option<Manifest>, PlaceError> {
        let path = self.root.join(name);
        read_manifest(&path)
    }

    fn remove(&self, name: &str) -> Result<(), PlaceError> {
        let path = self.root.join(name);
        match fs::remove_dir_all(&path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(at(&path)(error)),
            _ => Ok(()),
        }
    }

    /// A new, empty folder to write into.
    ///
    /// # Errors
    /// If the disk says no.
    pub fn begin(&self) -> Result<PathBuf, PlaceError> {
        let partial = self.root.join(PARTIAL);
        fs::create_dir(&partial).map_err(at(&partial))?;
        Ok(partial)
    }

    /// Puts a file that is there already beside those being written: the same file under a second
    /// name where the disk can do that, else a copy.
    ///
    /// # Errors
    /// If it is not as the manifest says, or the disk says no.
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
    /// If the disk says no. Once the new state is on the disk, the next [`Place::open`] finishes.
    pub fn commit(&mut self, manifest: &Manifest) -> Result<(), PlaceError> {
        let (partial, next) = (self.root.join(PARTIAL), self.root.join(NEXT));
        let path = partial.join(MANIFEST);
        let json = serde_json::to_vec_pretty(manifest)
            .map_err(|why| PlaceError::Manifest { path: path.clone(), why: why.to_string() })?;
        let mut file = File::create(&path).map_err(at(&path))?;
        file.write_all(&json).and_then(|()| file.sync_all()).map_err(at(&path))?;
        sync_folders(&partial).map_err(at(&partial))?;
        fs::rename(&partial, &next).map_err(at(&next))?;
        self.sync()?;
        self.switch()?;
        self.manifest = Some(manifest.clone());
        Ok(())
    }

    /// From `.next` to its place. However often this is begun, the end is the same.
    fn switch(&self) -> Result<(), PlaceError> {
        let next = self.root.join(NEXT);
        let manifest = self.root.join(MANIFEST);
        // Killed between the last two steps, there is only an empty folder left to remove.
        if self.read(&format!("{NEXT}/{MANIFEST}"))?.is_some() {
            match fs::remove_file(&manifest) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => {
                    return Err(at(&manifest)(error));
                }
                _ => self.sync()?,
            }
            let old = self.root.join(OLD);
            fs::create_dir_all(&old).map_err(at(&old))?;
            for entry in fs::read_dir(&next).map_err(at(&next))? {
                let entry = entry.map_err(at(&next))?;
                if entry.file_name() == MANIFEST {
                    continue;
                }
                let (place, old) = (self.root.join(entry.file_name()), old.join(entry.file_name()));
                if place.exists() {
                    fs::remove_dir_all(&old).or_else(not_found).map_err(at(&old))?;
                    fs::rename(&place, &old).map_err(at(&place))?;
                }
                fs::rename(entry.path(), &place).map_err(at(&place))?;
            }
            self.sync()?;
            fs::rename(next.join(MANIFEST), &manifest).map_err(at(&manifest))?;
            self.sync()?;
        }
        self.remove(NEXT)?;
        self.remove(OLD)
    }

    /// Leaves the folder as it was found.
    ///
    /// # Errors
    /// If the disk says no.
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
///
/// # Errors
/// If it is no manifest of a form that is known.
pub fn read_manifest(path: &Path) -> Result<Option<Manifest>, PlaceError> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(at(path)(error)),
    };
    let wrong = |why: String| PlaceError::Manifest { path: path.to_owned(), why };
    let manifest: Manifest =
        serde_json::from_slice(&bytes).map_err(|error| wrong(error.to_string()))?;
    if manifest.form != FORM {
        return Err(wrong(format!("its form is {}, and this program's is {FORM}", manifest.form)));
    }
    Ok(Some(manifest))
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
