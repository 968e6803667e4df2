//! The files of one topic while they are written: one for each partition, ended when it is large, and
//! then listed in the manifest.

use std::collections::BTreeMap;

use laju_kafka::read::Range;
use rdkafka::message::{BorrowedMessage, Message as _};

use super::directory::Directory;
use super::error::BackupError;
use super::manifest::{Manifest, Segment};
use super::private::create_private_dir;
use super::segment::{Packer, SegmentWriter};

/// Bytes of a file before it is ended.
const FILE_BYTES: u64 = 64 << 20;
/// Bytes of all open files together before all are ended, so that a kill costs no more.
const OPEN_BYTES: u64 = 256 << 20;

/// The files of a topic that are being written.
pub(super) struct Keeping<'a> {
    directory: &'a Directory,
    manifest: &'a mut Manifest,
    topic: &'static str,
    /// By partition; none where nothing came since the last one was ended.
    writers: Vec<Option<SegmentWriter>>,
    /// By partition, where the next file begins.
    from: Vec<i64>,
    packer: Packer,
    records: u64,
}

impl<'a> Keeping<'a> {
    /// For what comes in these ranges.
    pub(super) fn begin(
        directory: &'a Directory,
        manifest: &'a mut Manifest,
        topic: &'static str,
        ranges: &BTreeMap<u32, Range>,
    ) -> Result<Self, BackupError> {
        let folder = directory.root.join(topic);
        let io = BackupError::at(&folder);
        create_private_dir(&folder).map_err(io)?;
        let packer = Packer::new().map_err(io)?;
        let count = ranges.keys().last().map_or(0, |last| *last as usize + 1);
        let mut from = vec![0; count];
        for (&partition, range) in ranges {
            from[partition as usize] = range.from;
        }
        let writers = (0..count).map(|_| None).collect();
        Ok(Self { directory, manifest, topic, writers, from, packer, records: 0 })
    }

    pub(super) fn records(&self) -> u64 {
        self.records
    }

    #[inline]
    pub(super) fn append(&mut self, message: &BorrowedMessage<'_>) -> Result<(), BackupError> {
        let partition = message.partition() as u32;
        let writer = match &mut self.writers[partition as usize] {
            Some(writer) => writer,
            none => none.insert(SegmentWriter::begin(
                &self.directory.root,
                self.topic,
                partition,
                self.from[partition as usize],
            )?),
        };
        self.records += 1;
        writer.append(message, &mut self.packer)
    }

    /// Ends what has grown large, each at where its partition has been read to.
    pub(super) fn end_large(&mut self, at: &BTreeMap<u32, i64>) -> Result<(), BackupError> {
        let bytes = |writer: &SegmentWriter| writer.bytes();
        let open: u64 = self.writers.iter().flatten().map(bytes).sum();
        if open >= OPEN_BYTES {
            return self.end(at);
        }
        let is_large = |writer: &Option<SegmentWriter>| {
            writer.as_ref().is_some_and(|writer| writer.bytes() >= FILE_BYTES)
        };
        let mut is_any = false;
        for (&partition, &next) in at {
            if is_large(&self.writers[partition as usize]) {
                self.end_one(partition, next)?;
                is_any = true;
            }
        }
        if is_any { self.manifest.save(&self.directory.root) } else { Ok(()) }
    }

    /// Ends all, each at where its partition has been read to, and lists them.
    pub(super) fn end(&mut self, at: &BTreeMap<u32, i64>) -> Result<(), BackupError> {
        for (&partition, &next) in at {
            self.end_one(partition, next)?;
        }
        self.manifest.save(&self.directory.root)
    }

    fn end_one(&mut self, partition: u32, next: i64) -> Result<(), BackupError> {
        let place = partition as usize;
        let from = self.from[place];
        let writer = match self.writers[place].take() {
            Some(writer) => writer,
            // Offsets without a record, the last one's mark for one.
            None if from < next => {
                SegmentWriter::begin(&self.directory.root, self.topic, partition, from)?
            }
            None => return Ok(()),
        };
        let segment: Segment = writer.finish(next, &mut self.packer)?;
        self.from[place] = segment.next;
        if let Some(part) = self.manifest.topics.get_mut(self.topic) {
            part.segments.push(segment);
        }
        Ok(())
    }
}
