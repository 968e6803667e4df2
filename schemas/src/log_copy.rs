//! That a log is a copy of another one: a record of the decisions topic, written by who restored it.
//! What the original's decisions and quoted figures say of places of its log, they say of the copy.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::cursor::DecodeError;
use crate::datum::{offset, record, whole};
use crate::framing::Framing;
use crate::id::CopyId;
use crate::known::{LOG_COPY, OwnSchema, TopicValue};
use crate::time::TimestampMs;

/// The key of such a record on the decisions topic.
pub const COPY_KEY: &str = "copy";

/// How far a partition of the events topic is a copy.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CopiedPartition {
    /// The partition.
    pub partition: u32,
    /// Behind the last record that was copied: every record before stands where it stood.
    pub next_offset: i64,
}

/// That an installation's topics were restored from a backup of another one. Every record before the
/// offsets that it names has the same offset in the original.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogCopy {
    /// A UUID of version 7.
    pub copy_id: CopyId,
    /// The Kafka cluster of the original.
    pub original_cluster_id: String,
    /// The full name of the original's events topic.
    pub original_topic: String,
    /// That topic's own id; none where the brokers gave topics none.
    pub original_topic_id: Option<String>,
    /// The full name of the events topic that is the copy.
    pub topic: String,
    /// Its own id; none where the brokers give topics none.
    pub topic_id: Option<String>,
    /// How far each partition of the events topic is a copy.
    pub partitions: Vec<CopiedPartition>,
    /// How far the reference topic is one.
    pub reference_next_offset: i64,
    /// When the backup looked how far the original went.
    pub copied_at: TimestampMs,
    /// When the copy was made of the backup.
    pub restored_at: TimestampMs,
}

impl LogCopy {
    /// Behind the last record of a partition of the events topic that was copied; 0 for one that was
    /// not.
    #[must_use]
    pub fn next_offset(&self, partition: u32) -> i64 {
        let row = self.partitions.iter().find(|row| row.partition == partition);
        row.map_or(0, |row| row.next_offset)
    }

    /// Whether it is of the events topic with this id: of any where one of both has none.
    #[must_use]
    pub fn is_of_topic(&self, id: Option<&str>) -> bool {
        let named = self.topic_id.as_deref();
        named.is_none() || id.is_none() || named == id
    }

    /// Reads a value of the decisions topic, if it says that it is such a record; none if it is
    /// something else.
    ///
    /// # Errors
    /// If it says so, and is none.
    pub fn read(value: &[u8]) -> Option<Result<Self, DecodeError>> {
        match Framing::split(value) {
            Some((Framing::SingleObject(print), payload)) if print == LOG_COPY.fingerprint => {
                Some(whole(payload))
            }
            _ => None,
        }
    }
}

record!(LogCopy {
    copy_id,
    original_cluster_id,
    original_topic,
    original_topic_id,
    topic,
    topic_id,
    partitions,
    reference_next_offset: offset,
    copied_at,
    restored_at,
});
record!(CopiedPartition in "partitions." { partition, next_offset: offset, });

impl TopicValue for LogCopy {
    const OWN: &'static LazyLock<OwnSchema> = &LOG_COPY;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Encoder;

    fn copy() -> LogCopy {
        LogCopy {
            copy_id: CopyId([7; 16]),
            original_cluster_id: "MkU3OEVBNTcwNTJENDM2Qg".to_owned(),
            original_topic: "ikd.events.v1".to_owned(),
            original_topic_id: Some("AQIDBAUGBwj-_________w".to_owned()),
            topic: "copy.ikd.events.v1".to_owned(),
            topic_id: None,
            partitions: vec![
                CopiedPartition { partition: 0, next_offset: 12 },
                CopiedPartition { partition: 1, next_offset: 0 },
            ],
            reference_next_offset: 3,
            copied_at: TimestampMs(1_700_000_000_000),
            restored_at: TimestampMs(1_700_000_001_000),
        }
    }

    #[test]
    fn it_is_read_as_written_and_what_is_no_such_record_is_none() {
        let value = Encoder::copies().value(&copy()).unwrap();
        assert_eq!(LogCopy::read(&value), Some(Ok(copy())));
        assert!(LogCopy::read(&[&value[..], &[0]].concat()).is_some_and(|read| read.is_err()));
        let cut = LogCopy::read(&value[..value.len() - 1]);
        assert!(cut.is_some_and(|read| read.is_err()));
        for other in [&b""[..], b"junk", &[0, 0, 0, 0, 7, 1], &[0xC3, 1, 2, 3, 4, 5, 6, 7, 8, 9]] {
            assert_eq!(LogCopy::read(other), None);
        }
        let below = LogCopy { reference_next_offset: -1, ..copy() };
        let value = Encoder::copies().value(&below).unwrap();
        let why = LogCopy::read(&value).unwrap().unwrap_err().to_string();
        assert!(why.starts_with("reference_next_offset"), "{why}");
    }

    #[test]
    fn it_says_how_far_each_partition_is_a_copy_and_of_which_topic() {
        let copy = LogCopy { topic_id: Some("a".to_owned()), ..copy() };
        assert_eq!([0, 1, 2].map(|partition| copy.next_offset(partition)), [12, 0, 0]);
        assert!(copy.is_of_topic(Some("a")) && copy.is_of_topic(None));
        assert!(!copy.is_of_topic(Some("b")));
    }
}
