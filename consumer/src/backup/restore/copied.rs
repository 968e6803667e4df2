//! What says, in the log itself, that it is a copy: a record right behind the decisions.

use std::collections::BTreeMap;
use std::ops::ControlFlow;

use laju_kafka::publish::exact::{ExactPublisher, ExactRecord};
use laju_kafka::read::Range;
use laju_schemas::LogCopy;
use laju_schemas::codec::Encoder;
use laju_schemas::log_copy::{COPY_KEY, CopiedPartition};
use laju_schemas::topic::{EVENTS, REFERENCE};
use rdkafka::message::Message as _;

use super::Restoring;
use super::part::Part;
use crate::backup::error::BackupError;
use crate::backup::manifest::{Cut, Manifest};
use crate::backup::records::each_record;

impl Restoring<'_> {
    /// Puts it there, unless a restore of the same backup before has. `part` is that of the decisions.
    pub(super) fn put_copy(&self, part: &Part<'_>, copy: LogCopy) -> Result<LogCopy, BackupError> {
        let publisher = ExactPublisher::open(self.connection, &part.name)?;
        let offset = part.end();
        let (_, at) = publisher.watermarks(0)?;
        if at > offset {
            let there = self.copy_at(part, offset)?;
            return there.filter(|there| is_ours(there, &copy)).ok_or_else(|| {
                BackupError::NotEmpty {
                    topic: part.name.clone(),
                    partition: 0,
                    what: format!("at offset {offset} stands something else"),
                }
            });
        }
        let value = Encoder::copies()
            .value(&copy)
            .expect("what is of this shape fits its schema, as its tests say");
        let record = ExactRecord {
            partition: 0,
            offset,
            timestamp: Some(self.now.0),
            key: Some(COPY_KEY.as_bytes()),
            value: Some(&value),
            headers: &[],
        };
        publisher.append(&record, self.stop)?;
        publisher.settle(self.stop)?;
        Ok(copy)
    }

    /// Up to where the decisions go that stand from `low` up to before `at`, without what says that they
    /// are a copy.
    pub(super) fn without_copy(
        &self,
        part: &Part<'_>,
        (low, at): (i64, i64),
        expected: &LogCopy,
    ) -> Result<i64, BackupError> {
        let end = part.end();
        if low >= at || at > end + 1 {
            return Ok(at);
        }
        let Some(there) = self.copy_at(part, at - 1)? else { return Ok(at) };
        if at == end + 1 && is_ours(&there, expected) {
            return Ok(end);
        }
        let is_of_the_backup = LogCopy {
            topic_id: expected.topic_id.clone(),
            copied_at: expected.copied_at,
            partitions: expected.partitions.clone(),
            reference_next_offset: expected.reference_next_offset,
            ..there.clone()
        };
        if !is_ours(&is_of_the_backup, expected) {
            return Ok(at);
        }
        let topic = part.name.clone();
        if there.topic_id != expected.topic_id {
            let events = &expected.topic;
            let what = format!(
                "it belongs to another {events} than is there now: where that was deleted, delete \
             {topic} as well"
            );
            return Err(BackupError::NotEmpty { topic, partition: 0, what });
        }
        Err(BackupError::Outgrown { topic, was: there.copied_at, is: expected.copied_at })
    }

    /// What is to stand there, where the events topic has the id given.
    pub(super) fn expected_copy(
        &self,
        manifest: &Manifest,
        cut: &Cut,
        topic_id: Option<&str>,
    ) -> LogCopy {
        let ends = |topic: &str| cut.ends.get(topic).into_iter().flatten();
        let original = manifest.topics.get(EVENTS.name);
        LogCopy {
            copy_id: self.copy_id,
            original_cluster_id: manifest.cluster_id.clone(),
            original_topic: original.map(|part| part.name.clone()).unwrap_or_default(),
            original_topic_id: original.and_then(|part| part.topic_id.clone()),
            topic: self.connection.topic(&EVENTS),
            topic_id: topic_id.map(str::to_owned),
            partitions: ends(EVENTS.name)
                .map(|(&partition, &next_offset)| CopiedPartition { partition, next_offset })
                .collect(),
            reference_next_offset: ends(REFERENCE.name).next().map_or(0, |(_, end)| *end),
            copied_at: cut.copied_at,
            restored_at: self.now,
        }
    }

    /// What stands at the place, if it is such a record.
    fn copy_at(&self, part: &Part<'_>, offset: i64) -> Result<Option<LogCopy>, BackupError> {
        let ranges = BTreeMap::from([(0, Range { from: offset, to: offset + 1 })]);
        let mut found = None;
        each_record(self.connection, &part.name, &ranges, self.stop, |message| {
            found = message.payload().and_then(LogCopy::read).and_then(Result::ok);
            ControlFlow::Continue(())
        })?;
        Ok(found)
    }
}

/// Whether it says what is expected, whenever it was put there.
fn is_ours(there: &LogCopy, expected: &LogCopy) -> bool {
    let (copy_id, restored_at) = (there.copy_id, there.restored_at);
    LogCopy { copy_id, restored_at, ..expected.clone() } == *there
}
