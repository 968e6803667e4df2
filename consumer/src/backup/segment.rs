//! One file of a backup: records of one partition in the order of their offsets, as an Avro object
//! container with zstd, so that any tool that reads Avro reads it. Every block bears zstd's checksum,
//! by which the place of damage is known; the digest of the whole file is in the manifest.

mod format;
mod reader;
mod writer;

pub(super) use reader::SegmentReader;
pub(super) use writer::{Packer, SegmentWriter};
