//! Publishing as fast as the brokers take it, for simulations and load: deliveries are counted,
//! not told one by one.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use rdkafka::ClientContext;
use rdkafka::Message;
use rdkafka::config::{FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedHeaders, BorrowedMessage};
use rdkafka::producer::{BaseRecord, DeliveryResult, Producer, ProducerContext, ThreadedProducer};

use super::confirm::{Confirmations, DeliveryError};
use super::error::PublishError;
use super::record::{Record, enqueue, enqueue_unless, flush};
use super::settings::PublishSettings;
use crate::connection::ask::patiently;
use crate::connection::{BrokerEvents, Connection, ConnectionError};

#[derive(Default)]
struct Tally {
    delivered: AtomicU64,
    failed: AtomicU64,
    first_failure: Mutex<Option<DeliveryError>>,
}

/// How many records were delivered and how many were not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct BulkCounts {
    /// Confirmed by all replicas in sync.
    pub delivered: u64,
    /// Not confirmed.
    pub failed: u64,
    /// Why the first that failed did.
    pub first_failure: Option<DeliveryError>,
}

/// The producer's context: counts.
#[derive(Clone, Default)]
struct Counting {
    inner: Confirmations,
    tally: Arc<Tally>,
}

impl ClientContext for Counting {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.inner.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.inner.error(error, reason);
    }
}

impl ProducerContext for Counting {
    type DeliveryOpaque = ();

    fn delivery(&self, result: &DeliveryResult<'_>, (): ()) {
        match result {
            Ok(_) => {
                self.tally.delivered.fetch_add(1, Ordering::Relaxed);
            }
            Err((error, message)) => {
                self.tally.failed.fetch_add(1, Ordering::Relaxed);
                let mut first =
                    self.tally.first_failure.lock().unwrap_or_else(PoisonError::into_inner);
                first.get_or_insert_with(|| {
                    DeliveryError::new(error, message.topic(), self.inner.events())
                });
            }
        }
        self.inner.announce_room();
    }
}

/// Publishes records and counts what becomes of them. Dropping it gives up what is not delivered
/// yet: [`BulkPublisher::flush`] first.
pub struct BulkPublisher {
    producer: ThreadedProducer<Counting>,
    max_message_bytes: u32,
}

impl BulkPublisher {
    /// A publisher over this connection.
    ///
    /// # Errors
    /// If the connection's options are wrong.
    pub fn new(connection: &Connection, settings: &PublishSettings) -> Result<Self, PublishError> {
        let mut config = connection.client_config()?;
        settings.apply(&mut config);
        let producer = ThreadedProducer::from_config_and_context(&config, Counting::default())
            .map_err(|error| ConnectionError::refused(&error))?;
        Ok(Self { producer, max_message_bytes: settings.max_message_bytes })
    }

    /// Hands a record over, waiting while the queue is full.
    ///
    /// # Errors
    /// If it is too large or librdkafka does not take it.
    pub fn publish(&self, record: &Record<'_>) -> Result<(), PublishError> {
        let what = || "the record".to_owned();
        record.check_size(self.max_message_bytes, &what)?;
        enqueue(&self.producer, &self.producer.context().inner, record.prepare(()), &what)
    }

    /// Hands a record on that was read from another topic, waiting while the queue is full: key,
    /// value, partition, timestamp and headers as they are, headers byte for byte.
    ///
    /// A timestamp of 0, which librdkafka takes for "now", becomes that of a millisecond later.
    ///
    /// Answers whether it was handed on: not if `stop` was set while the queue was full.
    ///
    /// # Errors
    /// If it is too large or librdkafka does not take it.
    pub fn copy(
        &self,
        topic: &str,
        original: &BorrowedMessage<'_>,
        stop: &AtomicBool,
    ) -> Result<bool, PublishError> {
        let mut copy = BaseRecord::<[u8], [u8], ()>::with_opaque_to(topic, ());
        copy.key = original.key();
        copy.payload = original.payload();
        copy.partition = Some(original.partition());
        copy.timestamp = original.timestamp().to_millis().map(|at| if at == 0 { 1 } else { at });
        copy.headers = original.headers().map(BorrowedHeaders::detach);
        let what = || {
            let (partition, offset) = (original.partition(), original.offset());
            format!("the record at offset {offset} of partition {partition}")
        };
        let room = &self.producer.context().inner;
        enqueue_unless(&self.producer, room, copy, &what, &|| stop.load(Ordering::Acquire))
    }

    /// What became of the records so far.
    #[must_use]
    pub fn counts(&self) -> BulkCounts {
        let tally = &self.producer.context().tally;
        BulkCounts {
            delivered: tally.delivered.load(Ordering::Relaxed),
            failed: tally.failed.load(Ordering::Relaxed),
            first_failure: tally
                .first_failure
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
                .clone(),
        }
    }

    /// Waits until everything handed over is delivered or has failed; answers how many records
    /// are still under way when `timeout` is over.
    #[must_use]
    pub fn flush(&self, timeout: Duration) -> usize {
        flush(&self.producer, timeout)
    }

    /// The first offset of a partition, and the one behind its last record.
    ///
    /// # Errors
    /// If the brokers do not say so within `patience`: they are asked again meanwhile.
    pub fn watermarks(
        &self,
        topic: &str,
        partition: u32,
        patience: Duration,
    ) -> Result<(i64, i64), KafkaError> {
        let partition = i32::try_from(partition).unwrap_or(i32::MAX);
        patiently(patience, |timeout| {
            self.producer.client().fetch_watermarks(topic, partition, timeout)
        })
    }

    /// What the brokers last said is wrong.
    #[must_use]
    pub fn events(&self) -> &BrokerEvents {
        self.producer.context().inner.events()
    }
}
