//! Writing one file of a backup.

use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use rdkafka::message::{BorrowedMessage, Message as _};
use sha2::{Digest as _, Sha256};

use super::format::{CODEC, MAGIC, marker};
use crate::backup::error::BackupError;
use crate::backup::manifest::{Gap, Segment};
use crate::backup::private::create_private;
use crate::backup::record::{self, SCHEMA, put_bytes, put_long};
use crate::files::{part_of, sync_directory};

/// Bytes of records in a block, before they are packed. One is kept for every partition.
const BLOCK_BYTES: usize = 256 << 10;

/// Packs blocks, of whichever file.
pub(in crate::backup) struct Packer {
    zstd: zstd::bulk::Compressor<'static>,
    packed: Vec<u8>,
}

impl Packer {
    pub(in crate::backup) fn new() -> io::Result<Self> {
        let mut zstd = zstd::bulk::Compressor::new(1)?;
        zstd.include_checksum(true)?;
        Ok(Self { zstd, packed: Vec::new() })
    }
}

pub(in crate::backup) struct SegmentWriter {
    file: File,
    /// Where it will stand.
    path: PathBuf,
    /// The same below the backup's directory.
    name: String,
    partition: u32,
    from: i64,
    next: i64,
    records: u64,
    gaps: Vec<Gap>,
    marker: [u8; 16],
    block: Vec<u8>,
    in_block: i64,
    bytes: u64,
    digest: Sha256,
}

impl SegmentWriter {
    /// Begins a file of the records of a partition from an offset on.
    pub(in crate::backup) fn begin(
        root: &Path,
        topic: &str,
        partition: u32,
        from: i64,
    ) -> Result<Self, BackupError> {
        let name = format!("{topic}/{partition}-from-{from}.avro");
        let path = root.join(&name);
        let file = create_private(&part_of(&path)).map_err(BackupError::at(&path))?;
        let marker = marker(topic, partition, from);
        let mut writer = Self {
            file,
            path,
            name,
            partition,
            from,
            next: from,
            records: 0,
            gaps: Vec::new(),
            marker,
            block: Vec::with_capacity(BLOCK_BYTES + (4 << 10)),
            in_block: 0,
            bytes: 0,
            digest: Sha256::new(),
        };
        let mut head = MAGIC.to_vec();
        put_long(&mut head, 4);
        for (key, value) in [
            ("avro.schema", SCHEMA.as_bytes()),
            ("avro.codec", CODEC),
            ("laju.topic", topic.as_bytes()),
            ("laju.partition", partition.to_string().as_bytes()),
        ] {
            put_bytes(&mut head, key.as_bytes());
            put_bytes(&mut head, value);
        }
        head.push(0);
        head.extend_from_slice(&marker);
        writer.write(&head)?;
        Ok(writer)
    }

    /// Bytes in it, those that are not packed yet included.
    pub(in crate::backup) fn bytes(&self) -> u64 {
        self.bytes + self.block.len() as u64
    }

    #[inline]
    pub(in crate::backup) fn append(
        &mut self,
        message: &BorrowedMessage<'_>,
        packer: &mut Packer,
    ) -> Result<(), BackupError> {
        let offset = record::put(&mut self.block, message).map_err(|code| {
            let (file, offset) = (self.name.clone(), message.offset());
            BackupError::Headers { file, offset, code }
        })?;
        self.appended(offset, packer)
    }

    #[inline]
    fn appended(&mut self, offset: i64, packer: &mut Packer) -> Result<(), BackupError> {
        self.pass_to(offset);
        self.next = offset + 1;
        self.records += 1;
        self.in_block += 1;
        if self.block.len() >= BLOCK_BYTES { self.write_block(packer) } else { Ok(()) }
    }

    fn pass_to(&mut self, offset: i64) {
        if self.next < offset {
            self.gaps.push((self.next, offset));
            self.next = offset;
        }
    }

    fn write_block(&mut self, packer: &mut Packer) -> Result<(), BackupError> {
        if self.in_block == 0 {
            return Ok(());
        }
        let Packer { zstd, packed } = packer;
        packed.clear();
        packed.reserve(zstd::zstd_safe::compress_bound(self.block.len()));
        let fault = BackupError::at(&self.path);
        zstd.compress_to_buffer(&self.block, packed).map_err(fault)?;
        let mut head = Vec::with_capacity(20);
        put_long(&mut head, self.in_block);
        put_long(&mut head, packed.len() as i64);
        self.write(&head)?;
        self.write(packed)?;
        self.write(&self.marker.clone())?;
        self.block.clear();
        self.in_block = 0;
        Ok(())
    }

    fn write(&mut self, bytes: &[u8]) -> Result<(), BackupError> {
        self.digest.update(bytes);
        self.bytes += bytes.len() as u64;
        self.file.write_all(bytes).map_err(BackupError::at(&self.path))
    }

    /// Ends it at an offset, makes it safe and puts it in its place.
    pub(in crate::backup) fn finish(
        mut self,
        next: i64,
        packer: &mut Packer,
    ) -> Result<Segment, BackupError> {
        self.write_block(packer)?;
        self.pass_to(next);
        let put = || {
            self.file.sync_all()?;
            std::fs::rename(part_of(&self.path), &self.path)?;
            sync_directory(&self.path)
        };
        put().map_err(BackupError::at(&self.path))?;
        Ok(Segment {
            file: self.name,
            partition: self.partition,
            from: self.from,
            next: self.next,
            records: self.records,
            gaps: self.gaps,
            bytes: self.bytes,
            sha256: hex::encode(self.digest.finalize()),
        })
    }
}

#[cfg(test)]
mod tests;
