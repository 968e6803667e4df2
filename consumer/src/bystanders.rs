//! What stands in folders and is nobody's data: what file systems, desktops and storage boxes put
//! wherever they come by. A folder that has nothing else in it is as good as empty. It is never
//! touched.

use std::ffi::OsStr;

/// Names, in lower case: some of these systems do not care.
const NAMES: [&str; 16] = [
    // File systems and their tools.
    "lost+found",
    ".snapshot",
    ".snapshots",
    ".zfs",
    // macOS.
    ".ds_store",
    ".fseventsd",
    ".spotlight-v100",
    ".temporaryitems",
    ".trashes",
    // Windows.
    "desktop.ini",
    "thumbs.db",
    "system volume information",
    "$recycle.bin",
    // Storage boxes and Linux desktops.
    "@eadir",
    "#recycle",
    ".directory",
];

/// Beginnings: macOS's forks, files deleted while open on NFS, and Linux desktops' bins.
const BEGINNINGS: [&str; 3] = ["._", ".nfs0", ".trash-"];

/// Whether an entry of a folder is one of these, by its name.
#[must_use]
pub(crate) fn is_bystander(name: &OsStr) -> bool {
    let Some(name) = name.to_str() else { return false };
    let name = name.to_ascii_lowercase();
    NAMES.contains(&name.as_str()) || BEGINNINGS.iter().any(|start| name.starts_with(start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_systems_leave_by_themselves_is_a_bystander() {
        for name in ["lost+found", ".DS_Store", "desktop.ini", "Desktop.ini", "@eaDir", "._x"] {
            assert!(is_bystander(OsStr::new(name)), "{name}");
        }
        for name in ["", ".", "notes.txt", "lost", "DS_Store", ".laju-old", "db", ".nfs", "eaDir"] {
            assert!(!is_bystander(OsStr::new(name)), "{name}");
        }
    }
}
