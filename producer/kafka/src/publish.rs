//! Publishing: events, reference figures, kiosk statuses and quoted figures to their topics, each
//! confirmed.
//!
//! Every producer of the contract is made here, so that they agree on what matters: idempotent,
//! acknowledged by all replicas, and with Java's partitioner (a subject in two partitions would
//! count twice). It knows nothing of NIKs, outboxes or where events come from.

mod bulk;
mod confirm;
mod error;
pub mod exact;
mod lazy;
mod record;
mod settings;

use std::sync::OnceLock;
use std::time::Duration;

use laju_schemas::codec::Encoder;
use laju_schemas::known::{
    ACTIVATION_EVENT_AVSC, KIOSK_STATUS_AVSC, QUOTED_FIGURE_AVSC, REFERENCE_FIGURE_AVSC,
};
use laju_schemas::topic::{EVENTS, FIGURES, KIOSK_STATUS, REFERENCE, Topic};
use laju_schemas::{
    ActivationEvent, EventId, KioskStatus, QuotedFigure, ReferenceFigure, SubjectId,
};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::producer::{Producer as _, ThreadedProducer};

use crate::connection::{BrokerEvents, Connection, ConnectionError};
use crate::registry::{Registry, RegistryError};

pub use bulk::{BulkCounts, BulkPublisher};
pub use confirm::{Delivery, DeliveryError, Receipt};
pub use error::PublishError;
pub use lazy::LazyPublisher;
pub use record::Record;
pub use settings::PublishSettings;

use confirm::Confirmations;
use record::{enqueue, flush};

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
    /// As for [`Publisher::publish`], and if it was written with a schema that this program does not know,
    /// or is not what may be published today.
    pub fn publish_stored(
        &self,
        event_id: EventId,
        subject: SubjectId,
        value: &[u8],
    ) -> Result<Delivery, PublishError> {
        let value = self.events.encoder(self.registry.as_ref())?.stored_event(value)?;
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
