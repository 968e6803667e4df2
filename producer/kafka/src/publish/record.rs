//! A record as it goes to Kafka.

use laju_schemas::TimestampMs;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;

use super::error::PublishError;

/// What Kafka adds to a single message at most: the batch's header (61 bytes) and the record's
/// lengths and deltas.
const OVERHEAD: usize = 128;

/// A record as it goes to Kafka. Only `topic` must be given.
#[derive(Clone, Copy, Debug, Default)]
pub struct Record<'a> {
    /// The topic's full name.
    pub topic: &'a str,
    /// The key; without a partition it chooses one.
    pub key: Option<&'a [u8]>,
    /// The value; `None` is a tombstone on a compacted topic.
    pub value: Option<&'a [u8]>,
    /// The partition, if not the key's.
    pub partition: Option<u32>,
    /// The record's timestamp, if not now. A topic with LogAppendTime sets its own.
    pub timestamp: Option<TimestampMs>,
    /// The headers, in order.
    pub headers: &'a [(&'a str, &'a [u8])],
}

impl Record<'_> {
    fn bytes(&self) -> usize {
        let part = |bytes: Option<&[u8]>| bytes.map_or(0, <[u8]>::len);
        let headers: usize = self.headers.iter().map(|(k, v)| k.len() + v.len() + 4).sum();
        part(self.key) + part(self.value) + headers
    }

    pub(super) fn check_size(
        &self,
        limit: u32,
        what: &dyn Fn() -> String,
    ) -> Result<(), PublishError> {
        let bytes = self.bytes();
        if bytes + OVERHEAD <= limit as usize {
            return Ok(());
        }
        Err(PublishError::TooLarge { what: what(), bytes, topic: self.topic.to_owned(), limit })
    }

    pub(super) fn prepare<D: rdkafka::IntoOpaque>(
        &self,
        opaque: D,
    ) -> BaseRecord<'_, [u8], [u8], D> {
        let mut record = BaseRecord::with_opaque_to(self.topic, opaque);
        record.key = self.key;
        record.payload = self.value;
        record.partition = self.partition.and_then(|partition| i32::try_from(partition).ok());
        record.timestamp = self.timestamp.map(|timestamp| timestamp.0);
        if !self.headers.is_empty() {
            let mut headers = OwnedHeaders::new_with_capacity(self.headers.len());
            for (key, value) in self.headers {
                headers = headers.insert(Header { key, value: Some(*value) });
            }
            record.headers = Some(headers);
        }
        record
    }
}
