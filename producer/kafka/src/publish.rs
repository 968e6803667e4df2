//! Publishing: events, reference figures, kiosk statuses and quoted figures to their topics, each
//! confirmed.
//!
//! Every producer of the contract is made here, so that they agree on what matters: idempotent,
//! acknowledged by all replicas, and with Java's partitioner (a subject in two partitions would
//! count twice). It knows nothing of NIKs, outboxes or where events come from.

mod bulk;
mod confirm;
pub mod exact;
mod lazy;

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use laju_schemas::codec::{EncodeError, Encoder};
use laju_schemas::known::{
    ACTIVATION_EVENT_AVSC, KIOSK_STATUS_AVSC, QUOTED_FIGURE_AVSC, REFERENCE_FIGURE_AVSC, ReadError,
};
use laju_schemas::reference::ReferenceError;
use laju_schemas::topic::{EVENTS, FIGURES, KIOSK_STATUS, REFERENCE, Topic};
use laju_schemas::{
    ActivationEvent, EventId, KioskStatus, QuotedFigure, ReferenceFigure, SubjectId, TimestampMs,
};
use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseRecord, Producer, ProducerContext, ThreadedProducer};
use thiserror::Error;

use crate::connection::{BrokerEvents, Connection, ConnectionError};
use crate::registry::{Registry, RegistryError};

pub use bulk::{BulkCounts, BulkPublisher};
pub use confirm::{Delivery, DeliveryError, Receipt};
pub use lazy::LazyPublisher;

use confirm::Confirmations;

/// What Kafka adds to a single message at most: the batch's header (61 bytes) and the record's
/// lengths and deltas.
const OVERHEAD: usize = 128;

/// How long a turn of flushing lasts.
const FLUSH_TURN: Duration = Duration::from_millis(2);

/// How long a full queue is waited for before looking again.
const QUEUE_WAIT: Duration = Duration::from_millis(50);

/// How a publisher works. The defaults suit a program that sends single events.
#[derive(Clone, Copy, Debug)]
pub struct PublishSettings {
    /// How long a delivery is tried before it fails; zero: for ever.
    pub delivery_timeout: Duration,
    /// How long a message waits for others to share its batch.
    pub linger: Duration,
    /// How many messages may wait; more make [`Publisher::publish`] wait.
    pub queue_messages: u32,
    /// How many bytes of messages may wait, in KiB.
    pub queue_kib: u32,
    /// The largest message, in bytes; larger ones are refused.
    pub max_message_bytes: u32,
    /// Whether nothing is sent any more once a record has failed, so that those behind it do not
    /// stand without it.
    pub gapless: bool,
}

impl Default for PublishSettings {
    fn default() -> Self {
        Self {
            delivery_timeout: Duration::from_secs(30),
            linger: Duration::from_millis(5),
            queue_messages: 100_000,
            queue_kib: 64 << 10,
            max_message_bytes: EVENTS.max_message_bytes,
            gapless: false,
        }
    }
}

impl PublishSettings {
    /// For sending as much as the brokers take.
    #[must_use]
    pub fn bulk() -> Self {
        Self {
            delivery_timeout: Duration::from_secs(120),
            linger: Duration::from_millis(20),
            queue_messages: 500_000,
            queue_kib: 256 << 10,
            ..Self::default()
        }
    }

    fn apply(&self, config: &mut ClientConfig) {
        let mut default = |key: &str, value: &str| {
            if config.get(key).is_none() {
                config.set(key, value);
            }
        };
        default("compression.type", "lz4");
        // A topic that is not there is soon said to be; 30 s by default.
        default("topic.metadata.propagation.max.ms", "5000");
        config
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("partitioner", "murmur2_random")
            .set("message.timeout.ms", self.delivery_timeout.as_millis().to_string())
            .set("linger.ms", self.linger.as_millis().to_string())
            .set("queue.buffering.max.messages", self.queue_messages.to_string())
            .set("queue.buffering.max.kbytes", self.queue_kib.to_string())
            .set("message.max.bytes", self.max_message_bytes.to_string());
        if self.gapless {
            config.set("enable.gapless.guarantee", "true");
        }
    }
}

/// Why something could not be handed to Kafka. Nothing of it was sent.
#[derive(Debug, Error)]
pub enum PublishError {
    /// The connection's options are wrong.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The schema could not be registered or looked up.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A reference figure whose fields do not go together, or whose texts are not to be published.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The value does not fit its schema.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A stored value that was written with another schema than this program's.
    #[error("it cannot be read: {0}")]
    Stored(#[from] ReadError),
    #[error(
        "{what} has {bytes} bytes; {topic} takes {limit} at most, with key, headers and framing"
    )]
    TooLarge {
        /// What was to be sent.
        what: String,
        /// How large it is.
        bytes: usize,
        topic: String,
        /// The limit in bytes.
        limit: u32,
    },
    #[error("{what} cannot be sent to {topic}")]
    Queue {
        /// What was to be sent.
        what: String,
        topic: String,
        source: Box<KafkaError>,
    },
}

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

    fn check_size(&self, limit: u32, what: &dyn Fn() -> String) -> Result<(), PublishError> {
        let bytes = self.bytes();
        if bytes + OVERHEAD <= limit as usize {
            return Ok(());
        }
        Err(PublishError::TooLarge { what: what(), bytes, topic: self.topic.to_owned(), limit })
    }

    fn prepare<D: rdkafka::IntoOpaque>(&self, opaque: D) -> BaseRecord<'_, [u8], [u8], D> {
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

/// Encodes a topic's values, once its schema is registered.
struct Writer {
    topic: String,
    avsc: &'static str,
    build: fn(Option<u32>) -> Encoder,
    encoder: OnceLock<Encoder>,
}

impl Writer {
    fn new(
        connection: &Connection,
        topic: &Topic,
        avsc: &'static str,
        build: fn(Option<u32>) -> Encoder,
    ) -> Self {
        Self { topic: connection.topic(topic), avsc, build, encoder: OnceLock::new() }
    }

    fn encoder(&self, registry: Option<&Registry>) -> Result<&Encoder, RegistryError> {
        if let Some(encoder) = self.encoder.get() {
            return Ok(encoder);
        }
        let id = schema_id(registry, &self.topic, self.avsc)?;
        Ok(self.encoder.get_or_init(|| (self.build)(id)))
    }
}

/// The registry's id of a topic's schema, registered if need be; none without a registry.
fn schema_id(
    registry: Option<&Registry>,
    topic: &str,
    avsc: &str,
) -> Result<Option<u32>, RegistryError> {
    registry.map(|registry| registry.register(&format!("{topic}-value"), avsc)).transpose()
}

/// An encoder for the events topic as this connection's values are framed, for those who send
/// events by another way than [`Publisher::publish`].
///
/// # Errors
/// If the schema cannot be registered or looked up.
pub fn events_encoder(connection: &Connection) -> Result<Encoder, PublishError> {
    let registry = connection.registry_client()?;
    let topic = connection.topic(&EVENTS);
    Ok(Encoder::events(schema_id(registry.as_ref(), &topic, ACTIVATION_EVENT_AVSC)?))
}

/// Publishes to the topics of the contract and confirms each delivery. Share it by reference; it
/// needs no polling. Dropping it gives up what is not delivered yet: [`Publisher::flush`] first.
pub struct Publisher {
    producer: ThreadedProducer<Confirmations>,
    registry: Option<Registry>,
    max_message_bytes: u32,
    events: Writer,
    reference: Writer,
    status: Writer,
    figures: Writer,
}

impl Publisher {
    /// A publisher over this connection. It does not wait for a broker: see
    /// [`Connection::check`] for that.
    ///
    /// # Errors
    /// If the connection's options are wrong.
    pub fn new(connection: &Connection, settings: &PublishSettings) -> Result<Self, PublishError> {
        let mut config = connection.client_config()?;
        settings.apply(&mut config);
        let producer = ThreadedProducer::from_config_and_context(&config, Confirmations::default())
            .map_err(|error| ConnectionError::refused(&error))?;
        Ok(Self {
            producer,
            registry: connection.registry_client()?,
            max_message_bytes: settings.max_message_bytes,
            events: Writer::new(connection, &EVENTS, ACTIVATION_EVENT_AVSC, Encoder::events),
            reference: Writer::new(
                connection,
                &REFERENCE,
                REFERENCE_FIGURE_AVSC,
                Encoder::reference,
            ),
            status: Writer::new(connection, &KIOSK_STATUS, KIOSK_STATUS_AVSC, Encoder::status),
            figures: Writer::new(connection, &FIGURES, QUOTED_FIGURE_AVSC, Encoder::figures),
        })
    }

    /// Publishes an event to `ikd.events.v1`, keyed by its subject.
    ///
    /// Waits while the queue is full. The delivery must be waited for: an event is safe only
    /// once it is confirmed.
    ///
    /// # Errors
    /// If it cannot be encoded, registered or queued; nothing was sent then.
    pub fn publish(&self, event: &ActivationEvent) -> Result<Delivery, PublishError> {
        let mut value = Vec::with_capacity(160);
        self.events.encoder(self.registry.as_ref())?.event(event, &mut value)?;
        self.send_event(event.event_id, event.subject, &value)
    }

    /// Publishes an event whose value is stored: its Avro bytes go to Kafka as they are.
    ///
    /// # Errors
    /// As for [`Publisher::publish`], and if it was written with another schema.
    pub fn publish_stored(
        &self,
        event_id: EventId,
        subject: SubjectId,
        value: &[u8],
    ) -> Result<Delivery, PublishError> {
        let value = self.events.encoder(self.registry.as_ref())?.reframe(value)?;
        self.send_event(event_id, subject, &value)
    }

    fn send_event(
        &self,
        event_id: EventId,
        subject: SubjectId,
        value: &[u8],
    ) -> Result<Delivery, PublishError> {
        let record = Record {
            topic: &self.events.topic,
            key: Some(&subject.0),
            value: Some(value),
            ..Record::default()
        };
        self.send(&record, &|| format!("the event {event_id}"))
    }

    /// Publishes a figure to `ikd.reference.v1`, keyed by its region.
    ///
    /// # Errors
    /// As for [`Publisher::publish`].
    pub fn publish_reference(&self, figure: &ReferenceFigure) -> Result<Delivery, PublishError> {
        let encoder = self.reference.encoder(self.registry.as_ref())?;
        figure.check_new()?;
        let value = encoder.value(figure)?;
        let key = figure.region.to_string();
        let record = Record {
            topic: &self.reference.topic,
            key: Some(key.as_bytes()),
            value: Some(&value),
            ..Record::default()
        };
        self.send(&record, &|| format!("the reference figure {}", figure.reference_id))
    }

    /// Publishes a kiosk's status to `ikd.kiosk-status.v1`, keyed by the kiosk.
    ///
    /// # Errors
    /// As for [`Publisher::publish`].
    pub fn publish_status(&self, status: &KioskStatus) -> Result<Delivery, PublishError> {
        let value = self.status.encoder(self.registry.as_ref())?.value(status)?;
        let record = Record {
            topic: &self.status.topic,
            key: Some(status.kiosk_id.as_str().as_bytes()),
            value: Some(&value),
            ..Record::default()
        };
        self.send(&record, &|| format!("the status of kiosk {}", status.kiosk_id))
    }

    /// Publishes a quoted figure to `ikd.figures.v1`, keyed by its id.
    ///
    /// # Errors
    /// As for [`Publisher::publish`].
    pub fn publish_figure(&self, figure: &QuotedFigure) -> Result<Delivery, PublishError> {
        let value = self.figures.encoder(self.registry.as_ref())?.value(figure)?;
        let record = Record {
            topic: &self.figures.topic,
            key: Some(&figure.figure_id.0),
            value: Some(&value),
            ..Record::default()
        };
        self.send(&record, &|| format!("the figure {}", figure.figure_id))
    }

    /// Publishes a record as it is: for copies to quarantine, simulations and tests.
    ///
    /// # Errors
    /// If it is too large or cannot be queued.
    pub fn publish_record(&self, record: &Record<'_>) -> Result<Delivery, PublishError> {
        self.send(record, &|| "the record".to_owned())
    }

    fn send(
        &self,
        record: &Record<'_>,
        what: &dyn Fn() -> String,
    ) -> Result<Delivery, PublishError> {
        record.check_size(self.max_message_bytes, what)?;
        let confirmations = self.producer.context();
        let (sender, delivery) = confirmations.expect(record.topic);
        enqueue(&self.producer, confirmations, record.prepare(sender), what)?;
        Ok(delivery)
    }

    /// Waits until everything handed over is delivered or has failed.
    ///
    /// Answers how many records are still under way when `timeout` is over: zero is success.
    #[must_use]
    pub fn flush(&self, timeout: Duration) -> usize {
        flush(&self.producer, timeout)
    }

    /// Why this publisher can send nothing any more, if that is so: the brokers have lost track of
    /// it, and only a new one can go on.
    #[must_use]
    pub fn fatal_error(&self) -> Option<String> {
        self.producer.client().fatal_error().map(|(_, reason)| reason)
    }

    /// The cluster's id, once a broker has said it.
    #[must_use]
    pub fn cluster_id(&self) -> Option<String> {
        self.producer.client().fetch_cluster_id(Duration::ZERO)
    }

    /// What the brokers last complained about, if anything.
    #[must_use]
    pub fn last_broker_error(&self) -> Option<String> {
        self.producer.context().events().last_error()
    }

    /// What the brokers complain about, for a caller that wants to look at it later.
    #[must_use]
    pub fn broker_events(&self) -> BrokerEvents {
        self.producer.context().events().clone()
    }
}

/// Hands a record to librdkafka, waiting while its queue is full: nothing is ever dropped.
fn enqueue<C: ProducerContext + 'static>(
    producer: &ThreadedProducer<C>,
    room: &Confirmations,
    prepared: BaseRecord<'_, [u8], [u8], C::DeliveryOpaque>,
    what: &dyn Fn() -> String,
) -> Result<(), PublishError> {
    enqueue_unless(producer, room, prepared, what, &|| false).map(drop)
}

/// The same, but gives up waiting when told to: answers whether it was handed over.
fn enqueue_unless<C: ProducerContext + 'static>(
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
fn flush<C: ProducerContext + 'static>(producer: &ThreadedProducer<C>, timeout: Duration) -> usize {
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
