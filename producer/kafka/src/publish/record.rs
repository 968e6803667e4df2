//! A record as it goes to Kafka, by librdkafka's queue, and waiting until that is empty.

use std::time::{Duration, Instant};

use laju_schemas::TimestampMs;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};

use super::confirm::Confirmations;
use super::error::PublishError;

/// What Kafka adds to a single message at most: the batch's header (61 bytes) and the record's
/// lengths and deltas.
const OVERHEAD: usize = 128;

/// How long a turn of flushing lasts.
const FLUSH_TURN: Duration = Duration::from_millis(2);

/// How long a full queue is waited for before looking again.
pub(super) const QUEUE_WAIT: Duration = Duration::from_millis(50);

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

/// Hands a record to librdkafka, waiting while its queue is full: nothing is ever dropped.
pub(super) fn enqueue<C: ProducerContext + 'static>(
    producer: &ThreadedProducer<C>,
    room: &Confirmations,
    prepared: BaseRecord<'_, [u8], [u8], C::DeliveryOpaque>,
    what: &dyn Fn() -> String,
) -> Result<(), PublishError> {
    enqueue_unless(producer, room, prepared, what, &|| false).map(drop)
}

/// The same, but gives up waiting when told to: answers whether it was handed over.
pub(super) fn enqueue_unless<C: ProducerContext + 'static>(
    producer: &ThreadedProducer<C>,
    room: &Confirmations,
    mut prepared: BaseRecord<'_, [u8], [u8], C::DeliveryOpaque>,
    what: &dyn Fn() -> String,
    gives_up: &dyn Fn() -> bool,
) -> Result<bool, PublishError> {
    loop {
        let Err((error, back)) = producer.send(prepared) else { return Ok(true) };
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
            return Err(PublishError::Queue {
                what: what(),
                topic: back.topic.to_owned(),
                source: Box::new(error),
            });
        }
        if gives_up() {
            return Ok(false);
        }
        prepared = back;
        room.wait_for_room(QUEUE_WAIT);
    }
}

/// Flushes in short steps, because librdkafka forgets the linger time only while it is called.
pub(super) fn flush<C: ProducerContext + 'static>(
    producer: &ThreadedProducer<C>,
    timeout: Duration,
) -> usize {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // In short turns: the producer's own thread may take the last confirmation, and a longer
        // turn would sleep on for a tenth of a second.
        let done = producer.flush(left.min(FLUSH_TURN));
        if done.is_ok() || left.is_zero() {
            return usize::try_from(producer.in_flight_count()).unwrap_or(0);
        }
    }
}
