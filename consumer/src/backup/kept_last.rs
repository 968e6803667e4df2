//! Whether the log still has what was kept of it last: another log with the same name is not gone on
//! with.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::path::Path;
use std::sync::atomic::AtomicBool;

use laju_kafka::connection::Connection;
use laju_kafka::read::Range;
use rdkafka::message::Message as _;

use super::error::BackupError;
use super::manifest::{Segment, TopicPart};
use super::record;
use super::records::each_record;
use super::segment::SegmentReader;

/// That the records which were kept last of each partition are those that the log has at their places.
/// One that is gone by retention or compaction tells nothing. `topic` is the name in the contract,
/// `ends` has the first offset and the end by partition.
pub(super) fn require(
    connection: &Connection,
    (root, topic): (&Path, &str),
    kept: &TopicPart,
    ends: &BTreeMap<u32, (i64, i64)>,
    stop: &AtomicBool,
) -> Result<(), BackupError> {
    let (mut last, mut ranges) = (BTreeMap::new(), BTreeMap::new());
    for (&partition, &(low, end)) in ends {
        let segments = kept.segments_of(partition, i64::MAX);
        let Some(segment) = segments.filter(|segment| segment.records > 0).last() else { continue };
        let Some((offset, bytes)) = last_of(root, topic, segment)? else { continue };
        if low <= offset && offset < end {
            ranges.insert(partition, Range { from: offset, to: offset + 1 });
            last.insert(partition, bytes);
        }
    }
    if ranges.is_empty() {
        return Ok(());
    }
    let mut other = None;
    each_record(connection, &kept.name, &ranges, stop, |message| {
        let (partition, mut found) = (message.partition() as u32, Vec::new());
        let is_read = record::put(&mut found, message).is_ok();
        if is_read && last.get(&partition).is_some_and(|last| record::is_same(last, &found)) {
            return ControlFlow::Continue(());
        }
        other = Some((partition, message.offset()));
        ControlFlow::Break(())
    })?;
    match other {
        None => Ok(()),
        Some((partition, offset)) => {
            Err(BackupError::OtherLog { topic: kept.name.clone(), partition, offset })
        }
    }
}

/// The last record of a file, with its offset.
fn last_of(
    root: &Path,
    topic: &str,
    segment: &Segment,
) -> Result<Option<(i64, Vec<u8>)>, BackupError> {
    let mut reader = SegmentReader::open(root, topic, segment)?;
    reader.pass_to_last_block()?;
    let mut last = None;
    while let Some(record) = reader.next()? {
        last = Some((record.offset, record.encoded()));
    }
    Ok(last)
}
