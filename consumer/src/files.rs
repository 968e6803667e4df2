//! Files that are whole or not there: written beside their place, and renamed.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use serde::Serialize;

/// What is appended to the name of a file that is being written.
pub(crate) const PART: &str = ".part";

/// The name under which a file is written.
pub(crate) fn part_of(path: &Path) -> PathBuf {
    with_ending(path, PART)
}

/// A path with something appended to the file's name.
pub(crate) fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}

/// Writes JSON into the file at `new`, and has it take the place of the one at `path`: a reader sees
/// this one or that one, whole.
pub(crate) fn replace_by_json(
    (mut file, new): (File, &Path),
    path: &Path,
    json: &impl Serialize,
) -> io::Result<()> {
    file.write_all(&serde_json::to_vec_pretty(json)?)?;
    file.write_all(b"\n")?;
    file.sync_all()?;
    std::fs::rename(new, path)?;
    sync_directory(path)
}

/// Has the directory of a file know it after a power loss, too.
pub(crate) fn sync_directory(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    File::open(parent.unwrap_or(Path::new(".")))?.sync_all()
}
