//! The agent's own small files beside the outbox's.

use std::fs;
use std::io::{self, Write as _};
use std::path::Path;

use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::outbox::files::{private, temporary};

/// What was written down before; none if there is nothing. A file that cannot be read is no reason
/// to take no events.
pub(super) fn read<T: DeserializeOwned>(path: &Path, what: &str) -> Option<T> {
    let found = match fs::read(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return None,
        found => found.and_then(|bytes| Ok(serde_json::from_slice(&bytes)?)),
    };
    found
        .inspect_err(|error| {
            let path = path.display();
            tracing::warn!(%path, %error, "{what} is not known any more");
        })
        .ok()
}

/// Writes a small file in one step: there is the former one or this.
pub(super) fn write<T: Serialize + ?Sized>(path: &Path, content: &T) -> io::Result<()> {
    let draft = temporary(path);
    let mut file = private().create(true).truncate(true).write(true).open(&draft)?;
    file.write_all(&serde_json::to_vec(content)?)?;
    file.sync_all()?;
    fs::rename(&draft, path)
}
