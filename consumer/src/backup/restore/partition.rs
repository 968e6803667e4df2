//! One partition of a backup, written where it stood.

use std::collections::VecDeque;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use laju_kafka::connection::Connection;
use laju_kafka::publish::exact::{ExactError, ExactPublisher, ExactRecord};
use laju_schemas::topic::{EVENTS, Topic};

use crate::backup::admin::with_admin;
use crate::backup::error::BackupError;
use crate::backup::manifest::{Gap, Segment, TopicPart};
use crate::backup::record::Kept;
use crate::backup::segment::SegmentReader;

/// Records between two looks at how far it is.
const TELL_EVERY: i64 = 4_096;

/// A partition as it was kept.
pub(super) struct KeptPartition<'a> {
    pub(super) root: &'a Path,
    /// The topic of the contract.
    pub(super) topic: &'static Topic,
    /// The full name of the topic that it is put into.
    pub(super) name: String,
    /// The topic as it was kept.
    pub(super) kept: &'a TopicPart,
    pub(super) partition: u32,
    /// Up to where it is restored.
    pub(super) end: i64,
}

impl KeptPartition<'_> {
    /// Where it has no records.
    pub(super) fn gaps(&self) -> Vec<Gap> {
        self.kept.gaps(self.partition, self.end)
    }

    /// The first offset that was kept; the end, where all records were deleted before.
    fn kept_begin(&self) -> i64 {
        let mut segments = self.kept.segments_of(self.partition, self.end);
        segments.next().map_or(self.end, |segment| segment.from)
    }

    /// The first offset that is to be there: the original's, but that a single one without a record
    /// right behind its beginning is deleted as well, as it cannot be taken.
    pub(super) fn begin(&self, gaps: &[Gap]) -> i64 {
        let begin = self.kept_begin();
        match gaps.first() {
            Some(&(from, to)) if from == begin && to == from + 1 => to,
            _ => begin,
        }
    }

    /// Hands over the records from an offset on, and the one before them first, if there is one.
    pub(super) fn each_from(
        &self,
        from: i64,
        mut each: impl FnMut(&Kept<'_>) -> Result<(), BackupError>,
    ) -> Result<(), BackupError> {
        let segments: Vec<&Segment> = self.kept.segments_of(self.partition, self.end).collect();
        let is_before = |segment: &&Segment| segment.next <= from && segment.records > 0;
        let first = segments.iter().rposition(is_before).unwrap_or(0);
        for segment in &segments[first..] {
            let mut reader = SegmentReader::open(self.root, self.topic.name, segment)?;
            while let Some(record) = reader.next()? {
                each(&record)?;
            }
        }
        Ok(())
    }

    /// Writes what is not there yet. `tell` is given how far it is.
    pub(super) fn write(
        &self,
        publisher: &ExactPublisher,
        connection: &Connection,
        stop: &AtomicBool,
        tell: &mut dyn FnMut(i64),
    ) -> Result<(), BackupError> {
        let (partition, end) = (self.partition, self.end);
        let all_gaps = self.gaps();
        let begin = self.begin(&all_gaps);
        let (low, at) = publisher.watermarks(partition)?;
        // The decisions have what says that this is a copy behind them by then.
        if at >= end && low >= begin {
            tell(end);
            return Ok(());
        }
        if begin > self.kept_begin() && self.topic.name == EVENTS.name {
            let topic = self.name.clone();
            return Err(BackupError::FirstMark { topic, partition });
        }
        if at < begin {
            publisher.pad(partition, (at, begin), self.first_timestamp()?, stop)?;
        }
        if low < begin {
            with_admin(connection, async |admin| {
                Ok(admin.delete_before(&self.name, partition, begin).await?)
            })?;
        }
        let at = at.max(begin);
        let mut writing = Writing {
            publisher,
            stop,
            name: &self.name,
            partition,
            gaps: all_gaps.into_iter().filter(|(_, to)| *to > at).collect(),
            at,
        };
        let (mut before, mut told) = (None, at);
        let mut is_begun = false;
        self.each_from(at, |record| {
            if record.offset < at {
                before = record.timestamp;
                return Ok(());
            }
            if !is_begun {
                is_begun = true;
                writing.fill_here(before.or(record.timestamp))?;
            }
            writing.record(record)?;
            if writing.at - told >= TELL_EVERY {
                told = writing.at;
                tell(told);
            }
            Ok(())
        })?;
        if !is_begun {
            writing.fill_here(before)?;
        }
        publisher.settle(stop)?;
        let (_, found) = publisher.watermarks(partition)?;
        if found != end {
            let (topic, wanted) = (self.name.clone(), end);
            return Err(ExactError::Elsewhere { topic, partition, wanted, found }.into());
        }
        tell(end);
        Ok(())
    }

    fn first_timestamp(&self) -> Result<Option<i64>, BackupError> {
        let mut first = None;
        let segments = self.kept.segments_of(self.partition, self.end);
        for segment in segments.filter(|segment| segment.records > 0).take(1) {
            let mut reader = SegmentReader::open(self.root, self.topic.name, segment)?;
            first = reader.next()?.and_then(|record| record.timestamp);
        }
        Ok(first)
    }
}

/// Where writing a partition is.
struct Writing<'a> {
    publisher: &'a ExactPublisher,
    stop: &'a AtomicBool,
    name: &'a str,
    partition: u32,
    /// What is still to come.
    gaps: VecDeque<Gap>,
    at: i64,
}

impl Writing<'_> {
    /// Takes what is left of the gap that we stand in, if we do.
    fn fill_here(&mut self, timestamp: Option<i64>) -> Result<(), BackupError> {
        let Some(&(from, to)) = self.gaps.front().filter(|(from, _)| *from <= self.at) else {
            return Ok(());
        };
        debug_assert!(from <= self.at);
        if to - self.at == 1 {
            let (topic, partition, offset) = (self.name.to_owned(), self.partition, self.at);
            return Err(BackupError::Stuck { topic, partition, offset });
        }
        self.publisher.fill(self.partition, (self.at, to), timestamp, self.stop)?;
        self.gaps.pop_front();
        self.at = to;
        Ok(())
    }

    /// Writes a record, and takes the gap behind it.
    #[inline]
    fn record(&mut self, record: &Kept<'_>) -> Result<(), BackupError> {
        let headers = record.headers();
        let exact = ExactRecord {
            partition: self.partition,
            offset: record.offset,
            timestamp: record.timestamp,
            key: record.key,
            value: record.value,
            headers: &headers,
        };
        self.at = record.offset + 1;
        match self.gaps.front().filter(|(from, _)| *from == self.at).copied() {
            None => self.publisher.append(&exact, self.stop)?,
            Some((_, to)) if to == self.at + 1 => {
                self.publisher.append_marked(&exact, self.stop)?;
                self.gaps.pop_front();
                self.at = to;
            }
            Some(_) => {
                self.publisher.append(&exact, self.stop)?;
                self.fill_here(record.timestamp)?;
            }
        }
        Ok(())
    }
}
