//! What reader and writer have in common.

use sha2::{Digest as _, Sha256};

pub(super) const MAGIC: [u8; 4] = *b"Obj\x01";
pub(super) const CODEC: &[u8] = b"zstandard";

/// What stands between two blocks: the same for the same file.
pub(super) fn marker(topic: &str, partition: u32, from: i64) -> [u8; 16] {
    let hash = Sha256::digest(format!("{topic}/{partition}/{from}"));
    let mut marker = [0; 16];
    marker.copy_from_slice(&hash[..16]);
    marker
}
