//! One file of a backup: records of one partition in the order of their offsets, as an Avro object
//! container with zstd, so that any tool that reads Avro reads it. Every block bears zstd's checksum,
//! by which the place of damage is known; the digest of the whole file is in the manifest.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom, Write as _};
use std::path::{Path, PathBuf};

use rdkafka::message::{BorrowedMessage, Message as _};
use sha2::{Digest as _, Sha256};

use super::directory::create_private;
use super::error::BackupError;
use super::manifest::{Gap, Segment};
use super::record::{self, Kept, SCHEMA, put_bytes, put_long};
use crate::replay::file::sync_directory;

const MAGIC: [u8; 4] = *b"Obj\x01";
const CODEC: &[u8] = b"zstandard";
/// Bytes of records in a block, before they are packed. One is kept for every partition.
const BLOCK_BYTES: usize = 256 << 10;
/// The largest block that is taken for one: a record may be larger than a block is meant to be.
const MOST_BYTES: usize = 256 << 20;
/// What is appended to the name of a file that is being written.
pub(super) const PART: &str = ".part";

/// Packs blocks, of whichever file.
pub(super) struct Packer {
    zstd: zstd::bulk::Compressor<'static>,
    packed: Vec<u8>,
}

impl Packer {
    pub(super) fn new() -> io::Result<Self> {
        let mut zstd = zstd::bulk::Compressor::new(1)?;
        zstd.include_checksum(true)?;
        Ok(Self { zstd, packed: Vec::new() })
    }
}

/// What stands between two blocks: the same for the same file.
fn marker(topic: &str, partition: u32, from: i64) -> [u8; 16] {
    let hash = Sha256::digest(format!("{topic}/{partition}/{from}"));
    let mut marker = [0; 16];
    marker.copy_from_slice(&hash[..16]);
    marker
}

/// A file being written.
pub(super) struct SegmentWriter {
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
    pub(super) fn begin(
        root: &Path,
        topic: &str,
        partition: u32,
        from: i64,
    ) -> Result<Self, BackupError> {
        let name = format!("{topic}/{partition}-from-{from}.avro");
        let path = root.join(&name);
        let file = create_private(&part_of(&path)).map_err(|error| at(&path, error))?;
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
    pub(super) fn bytes(&self) -> u64 {
        self.bytes + self.block.len() as u64
    }

    /// Appends a record.
    #[inline]
    pub(super) fn append(
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
        let fault = |error| at(&self.path, error);
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
        self.file.write_all(bytes).map_err(|error| at(&self.path, error))
    }

    /// Ends it at an offset, makes it safe and puts it in its place.
    pub(super) fn finish(mut self, next: i64, packer: &mut Packer) -> Result<Segment, BackupError> {
        self.write_block(packer)?;
        self.pass_to(next);
        let put = || {
            self.file.sync_all()?;
            std::fs::rename(part_of(&self.path), &self.path)?;
            sync_directory(&self.path)
        };
        put().map_err(|error| at(&self.path, error))?;
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

fn part_of(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(PART);
    PathBuf::from(name)
}

fn at(path: &Path, source: io::Error) -> BackupError {
    BackupError::Io { path: path.to_owned(), source }
}

/// A file being read.
pub(super) struct SegmentReader {
    file: BufReader<File>,
    path: PathBuf,
    marker: [u8; 16],
    zstd: zstd::bulk::Decompressor<'static>,
    packed: Vec<u8>,
    block: Vec<u8>,
    /// Where in the block the next record stands.
    at: usize,
    /// Records of the block that are left.
    left: i64,
    /// Bytes of the file that were read, and where the block began.
    read: u64,
    block_at: u64,
    /// Behind the last record that was read.
    next: i64,
}

impl SegmentReader {
    /// Opens a file of a topic.
    pub(super) fn open(root: &Path, topic: &str, segment: &Segment) -> Result<Self, BackupError> {
        let path = root.join(&segment.file);
        let file = File::open(&path).map_err(|error| at(&path, error))?;
        let fault = |error| at(&path, error);
        let mut reader = Self {
            file: BufReader::with_capacity(1 << 20, file),
            marker: marker(topic, segment.partition, segment.from),
            zstd: zstd::bulk::Decompressor::new().map_err(fault)?,
            path: path.clone(),
            packed: Vec::new(),
            block: Vec::new(),
            at: 0,
            left: 0,
            read: 0,
            block_at: 0,
            next: segment.from,
        };
        reader.head()?;
        Ok(reader)
    }

    /// The next record; none at the end.
    pub(super) fn next(&mut self) -> Result<Option<Kept<'_>>, BackupError> {
        while self.left == 0 {
            if self.at < self.block.len() {
                return Err(self.damaged("there is a rest behind the block's last record"));
            }
            if !self.next_block()? {
                return Ok(None);
            }
        }
        let mut rest = &self.block[self.at..];
        let (before, least) = (rest.len(), self.next);
        match record::take(&mut rest) {
            Some(kept) if kept.offset >= least => {
                self.at += before - rest.len();
                self.left -= 1;
                self.next = kept.offset + 1;
                Ok(Some(kept))
            }
            Some(_) => Err(self.damaged("an offset is not behind the one before it")),
            None => Err(self.damaged("a record cannot be read")),
        }
    }

    fn head(&mut self) -> Result<(), BackupError> {
        let mut magic = [0; 4];
        self.exact(&mut magic)?;
        if magic != MAGIC {
            return Err(self.damaged("it does not begin as an Avro file does"));
        }
        let count = self.long()?;
        for _ in 0..count.clamp(0, 64) {
            let (key, value) = (self.some_bytes()?, self.some_bytes()?);
            let is_as_written = match &key[..] {
                b"avro.schema" => value == SCHEMA.as_bytes(),
                b"avro.codec" => value == CODEC,
                _ => true,
            };
            if !is_as_written {
                return Err(self.damaged("its head is not that of a backup's file"));
            }
        }
        if self.long()? != 0 {
            return Err(self.damaged("its head does not end"));
        }
        self.marker()
    }

    /// Goes to the last block from where it is, past those before it as they are: of them only how
    /// long they are is read.
    pub(super) fn pass_to_last_block(&mut self) -> Result<(), BackupError> {
        let (mut begin, mut last) = (self.read, self.read);
        while let Some(length) = self.block_head()? {
            last = begin;
            begin = self.read + (length + self.marker.len()) as u64;
            let passed = (length + self.marker.len()) as i64;
            self.file.seek_relative(passed).map_err(|error| at(&self.path, error))?;
            self.read = begin;
        }
        self.left = 0;
        self.file.seek(SeekFrom::Start(last)).map_err(|error| at(&self.path, error))?;
        self.read = last;
        Ok(())
    }

    fn next_block(&mut self) -> Result<bool, BackupError> {
        let Some(length) = self.block_head()? else { return Ok(false) };
        self.unpack(length)?;
        Ok(true)
    }

    /// How many bytes the next block has; none at the end. How many records it has is set.
    fn block_head(&mut self) -> Result<Option<usize>, BackupError> {
        self.block_at = self.read;
        let mut first = [0; 1];
        if self.file.read(&mut first).map_err(|error| at(&self.path, error))? == 0 {
            return Ok(None);
        }
        self.read += 1;
        self.left = self.long_after(first[0])?;
        let length = usize::try_from(self.long()?).unwrap_or(usize::MAX);
        if self.left <= 0 || length > MOST_BYTES {
            return Err(self.damaged("the block's size is none"));
        }
        Ok(Some(length))
    }

    fn unpack(&mut self, length: usize) -> Result<(), BackupError> {
        let mut packed = std::mem::take(&mut self.packed);
        packed.resize(length, 0);
        self.exact(&mut packed)?;
        self.packed = packed;
        let size = zstd::zstd_safe::get_frame_content_size(&self.packed).ok().flatten();
        let size = size.and_then(|size| usize::try_from(size).ok()).unwrap_or(usize::MAX);
        if size > MOST_BYTES {
            return Err(self.damaged("the block is not packed as it was"));
        }
        self.block.clear();
        self.block.reserve(size);
        if let Err(error) = self.zstd.decompress_to_buffer(&self.packed, &mut self.block) {
            return Err(self.damaged(&format!("the block is not what was packed ({error})")));
        }
        self.at = 0;
        self.marker()
    }

    fn marker(&mut self) -> Result<(), BackupError> {
        let mut marker = [0; 16];
        self.exact(&mut marker)?;
        if marker == self.marker {
            return Ok(());
        }
        Err(self.damaged("what has to stand behind the block does not"))
    }

    fn some_bytes(&mut self) -> Result<Vec<u8>, BackupError> {
        let length = usize::try_from(self.long()?).unwrap_or(usize::MAX);
        if length > 64 << 10 {
            return Err(self.damaged("its head is not that of a backup's file"));
        }
        let mut bytes = vec![0; length];
        self.exact(&mut bytes)?;
        Ok(bytes)
    }

    fn long(&mut self) -> Result<i64, BackupError> {
        let mut first = [0; 1];
        self.exact(&mut first)?;
        self.long_after(first[0])
    }

    fn long_after(&mut self, first: u8) -> Result<i64, BackupError> {
        let (mut byte, mut number, mut shift) = (first, 0_u64, 0);
        loop {
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Ok((number >> 1) as i64 ^ -((number & 1) as i64));
            }
            shift += 7;
            if shift > 63 {
                return Err(self.damaged("a number does not end"));
            }
            let mut next = [0; 1];
            self.exact(&mut next)?;
            [byte] = next;
        }
    }

    fn exact(&mut self, into: &mut [u8]) -> Result<(), BackupError> {
        match self.file.read_exact(into) {
            Ok(()) => {
                self.read += into.len() as u64;
                Ok(())
            }
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                Err(self.damaged("it ends in the middle"))
            }
            Err(error) => Err(at(&self.path, error)),
        }
    }

    fn damaged(&self, what: &str) -> BackupError {
        BackupError::Damaged {
            path: self.path.clone(),
            at: self.block_at,
            offset: self.next,
            what: what.to_owned(),
        }
    }
}

#[cfg(test)]
mod tests;
