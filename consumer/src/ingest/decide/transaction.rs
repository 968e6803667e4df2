//! The transactions of who decides: one at a time, of the only producer with its name.

use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::{Duration, Instant};

use laju_kafka::connection::{
    BrokerEvents, Connection, ConnectionError, Operation, Resource, Right,
};
use laju_schemas::quarantine::Origin;
use laju_schemas::topic::EVENTS;
use rdkafka::ClientContext;
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::error::{KafkaError, RDKafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::producer::{
    BaseProducer, BaseRecord, DeliveryResult, Producer as _, ProducerContext, PurgeConfig,
};

use super::error::{DecideError, TRANSACTION_TIMEOUT};

/// How long a delivery may take.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(15);
/// How long all of a transaction's deliveries may take. With the step that ends the transaction it
/// is less than [`TRANSACTION_TIMEOUT`].
pub(super) const DELIVERIES_TIMEOUT: Duration = Duration::from_secs(40);
/// How long the end of a transaction may take, tried again and again.
const END_TIMEOUT: Duration = Duration::from_secs(15);
/// How long one attempt to end a transaction may take. While it lasts nobody serves the events that
/// librdkafka may be waiting for us to take.
const ATTEMPT: Duration = Duration::from_millis(200);
/// How long it may take to be let in: the brokers take back what another one has not ended.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a turn of polling lasts.
const POLL_TIMEOUT: Duration = Duration::from_millis(20);

/// The name under which only one at a time decides.
fn transactional_id(connection: &Connection) -> String {
    format!("{}laju-quarantine", connection.topic_prefix)
}

/// Which record of a transaction was delivered, and where it stands.
type Delivered = (usize, Result<Origin, KafkaError>);

/// The producer's context: tells where each record stands.
struct Deliveries {
    events: BrokerEvents,
    delivered: Sender<Delivered>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.events.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.events.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let place = match result {
            Ok(message) => Ok(Origin {
                partition: u32::try_from(message.partition()).unwrap_or(0),
                offset: message.offset(),
            }),
            Err((error, _)) => Err(error.clone()),
        };
        // Nobody waits any more where the producer is about to be dropped.
        let _ = self.delivered.send((number, place));
    }
}

/// Transactions, and where the records of the one that is open stand.
pub(super) struct Transactions {
    producer: BaseProducer<Deliveries>,
    delivered: Receiver<Delivered>,
    connection: Connection,
}

impl Transactions {
    /// From here on the one with this name that was at work before is stopped, and what it had not
    /// committed is taken back.
    pub(super) fn open(connection: &Connection) -> Result<Self, DecideError> {
        let mut config = connection.client_config()?;
        if config.get("compression.type").is_none() {
            config.set("compression.type", "lz4");
        }
        config
            .set("transactional.id", transactional_id(connection))
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT.as_millis().to_string())
            .set("message.timeout.ms", DELIVERY_TIMEOUT.as_millis().to_string())
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "5")
            .set("message.max.bytes", EVENTS.max_message_bytes.to_string());
        let (sender, delivered) = channel();
        let context = Deliveries { events: BrokerEvents::default(), delivered: sender };
        let producer = BaseProducer::from_config_and_context(&config, context)
            .map_err(|error| ConnectionError::refused(&error))?;
        let new = Self { producer, delivered, connection: connection.clone() };
        new.step(OPEN_TIMEOUT, || new.producer.init_transactions(OPEN_TIMEOUT))?;
        Ok(new)
    }

    /// Begins one.
    pub(super) fn begin(&self) -> Result<(), DecideError> {
        self.step(END_TIMEOUT, || self.producer.begin_transaction())?;
        // What is left of a transaction before.
        while self.delivered.try_recv().is_ok() {}
        Ok(())
    }

    /// Commits it.
    pub(super) fn commit(&self) -> Result<(), DecideError> {
        self.step(END_TIMEOUT, || self.producer.commit_transaction(ATTEMPT))
    }

    /// Takes a transaction back. What is not sent is given up first, and what is on its way is
    /// waited for: librdkafka ends no transaction before we have heard of each of its records.
    pub(super) fn abort(&self) -> Result<(), DecideError> {
        self.producer.purge(PurgeConfig::default().queue());
        self.step(END_TIMEOUT, || {
            self.producer.poll(Duration::ZERO);
            self.producer.abort_transaction(ATTEMPT)
        })
    }

    /// Why a record was not delivered. Where one of them fails, librdkafka gives up the others of the
    /// transaction, and what it says of those is no reason: the transaction itself has it, and says
    /// so where it is to be committed, which it cannot be any more.
    fn not_delivered(&self, error: &KafkaError) -> DecideError {
        use RDKafkaErrorCode::{PurgeInflight, PurgeQueue};
        if !matches!(error.rdkafka_error_code(), Some(PurgeQueue | PurgeInflight)) {
            return self.failed(error);
        }
        let commit = || self.producer.commit_transaction(ATTEMPT);
        self.step(END_TIMEOUT, commit).err().unwrap_or_else(|| self.failed(error))
    }

    /// Hands a record over, waiting while the queue is full.
    pub(super) fn send(
        &self,
        mut record: BaseRecord<'_, [u8], [u8], usize>,
        deadline: Instant,
    ) -> Result<(), DecideError> {
        loop {
            let Err((error, back)) = self.producer.send(record) else { return Ok(()) };
            let is_full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            if !is_full || Instant::now() >= deadline {
                return Err(self.not_delivered(&error));
            }
            self.producer.poll(POLL_TIMEOUT);
            record = back;
        }
    }

    /// Waits until so many records are delivered, and says where each stands.
    pub(super) fn wait_for(
        &self,
        count: usize,
        deadline: Instant,
    ) -> Result<Vec<(usize, Origin)>, DecideError> {
        let mut places = Vec::with_capacity(count);
        while places.len() < count {
            self.producer.poll(POLL_TIMEOUT);
            while let Ok((number, place)) = self.delivered.try_recv() {
                places.push((number, place.map_err(|error| self.not_delivered(&error))?));
            }
            if places.len() < count && Instant::now() >= deadline {
                return Err(DecideError::Kafka(self.why("no broker confirmed it in time")));
            }
        }
        Ok(places)
    }

    /// A step of a transaction, tried again while time may mend it.
    fn step(
        &self,
        timeout: Duration,
        mut step: impl FnMut() -> Result<(), KafkaError>,
    ) -> Result<(), DecideError> {
        let deadline = Instant::now() + timeout;
        loop {
            let Err(error) = step() else { return Ok(()) };
            let may_mend = match &error {
                // Its own time-out has passed, or a broker was busy: librdkafka goes on where it
                // was.
                KafkaError::Transaction(error) => error.is_retriable(),
                KafkaError::Flush(code) => *code == RDKafkaErrorCode::OperationTimedOut,
                _ => false,
            };
            if !may_mend || Instant::now() >= deadline {
                return Err(self.failed(&error));
            }
            self.producer.poll(POLL_TIMEOUT);
        }
    }

    fn failed(&self, error: &KafkaError) -> DecideError {
        use RDKafkaErrorCode as Code;
        let fatal = self.producer.client().fatal_error();
        let code = match (&fatal, error) {
            (Some((code, _)), _) => Some(*code),
            (None, KafkaError::Transaction(error)) => Some(RDKafkaError::code(error)),
            (None, error) => error.rdkafka_error_code(),
        };
        match code {
            Some(Code::Fenced | Code::ProducerFenced | Code::InvalidProducerEpoch) => {
                DecideError::Fenced
            }
            Some(Code::TransactionalIdAuthorizationFailed) => {
                let resource = Resource::TransactionalId(transactional_id(&self.connection));
                let right = Right { operation: Operation::Write, resource };
                ConnectionError::from(self.connection.lacks(vec![right])).into()
            }
            Some(Code::TopicAuthorizationFailed) => {
                DecideError::Forbidden("write to the events topic and to the decisions topic")
            }
            Some(Code::ClusterAuthorizationFailed) => {
                DecideError::Forbidden("be a producer of this cluster")
            }
            _ => DecideError::Kafka(self.why(&match fatal {
                Some((code, reason)) => format!("{code}: {reason}"),
                None => error.to_string(),
            })),
        }
    }

    /// What went wrong, with what the brokers last complained about.
    fn why(&self, what: &str) -> String {
        match self.producer.context().events.last_error() {
            Some(last) => format!("{what}; last heard: {last}"),
            None => what.to_owned(),
        }
    }
}
