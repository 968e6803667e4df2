//! The quarantine topic: what could not be counted, put there by the holder of a partition's lease and
//! read by people.

pub(super) mod originals;
mod read;
mod write;

pub use read::{Passed, Quarantined, origins_in_quarantine, read_quarantine};
pub(super) use write::QuarantineWriter;
