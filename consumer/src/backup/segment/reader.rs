//! Reading one file of a backup, by which damage is found and told with its place.

use std::fs::File;
use std::io::{self, BufReader, Read, Seek as _, SeekFrom};
use std::path::{Path, PathBuf};

use super::format::{CODEC, MAGIC, marker};
use crate::backup::error::BackupError;
use crate::backup::manifest::Segment;
use crate::backup::record::{self, Kept, SCHEMA};

/// The largest block that is taken for one: a record may be larger than a block is meant to be.
const MOST_BYTES: usize = 256 << 20;

pub(in crate::backup) struct SegmentReader {
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
    pub(super) block_at: u64,
    /// Behind the last record that was read.
    next: i64,
}

impl SegmentReader {
    pub(in crate::backup) fn open(
        root: &Path,
        topic: &str,
        segment: &Segment,
    ) -> Result<Self, BackupError> {
        let path = root.join(&segment.file);
        let file = File::open(&path).map_err(BackupError::at(&path))?;
        let fault = BackupError::at(&path);
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
    pub(in crate::backup) fn next(&mut self) -> Result<Option<Kept<'_>>, BackupError> {
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
    pub(in crate::backup) fn pass_to_last_block(&mut self) -> Result<(), BackupError> {
        let (mut begin, mut last) = (self.read, self.read);
        while let Some(length) = self.block_head()? {
            last = begin;
            begin = self.read + (length + self.marker.len()) as u64;
            let passed = (length + self.marker.len()) as i64;
            self.file.seek_relative(passed).map_err(BackupError::at(&self.path))?;
            self.read = begin;
        }
        self.left = 0;
        self.file.seek(SeekFrom::Start(last)).map_err(BackupError::at(&self.path))?;
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
        if self.file.read(&mut first).map_err(BackupError::at(&self.path))? == 0 {
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
            Err(error) => Err(BackupError::at(&self.path)(error)),
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
