//! Decides about quarantined records: sends those released to the events topic again, and writes
//! down for each who decided what, and why.
//!
//! Exactly once, by Kafka's transactions: an event sent again and the decision about it are one
//! transaction, and every decider has the same transactional id, so that a second one at work
//! stops the first, and whatever the first had not committed is taken back. What was decided is read
//! after that, and what is decided already is left alone. librdkafka's embedded broker takes the
//! requests and does not keep the promise; there the order (first the event, then the decision) and
//! the fold, to which the same event again is a repeat, see to it that it counts once.

mod deliveries;
mod error;
mod judge;

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use laju_kafka::connection::ask::ASK_PATIENCE;
use laju_kafka::connection::{
    BrokerEvents, Connection, ConnectionError, Operation, Resource, Right,
};
use laju_kafka::learning::LearningReader;
use laju_kafka::read::headers::Headers;
use laju_kafka::read::{READ_TIMEOUT, Tail};
use laju_kafka::topic_id::topic_id;
use laju_schemas::codec::Encoder;
use laju_schemas::decision::Decision;
use laju_schemas::known::QUARANTINE_DECISION_AVSC;
use laju_schemas::partition::partition_for;
use laju_schemas::quarantine::{
    HEADER_DECIDED_BY, HEADER_DECISION_ID, HEADER_PREFIX, HEADER_RELEASED_ORIGIN, Origin,
};
use laju_schemas::topic::{DECISIONS, EVENTS, QUARANTINE};
use laju_schemas::{QuarantineDecision, SubjectId};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::error::{KafkaError, RDKafkaError, RDKafkaErrorCode};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, PurgeConfig};

use super::follow::decisions::{self, NoDecision};
use crate::domain::decisions::DecisionBook;

pub use error::DecideError;
pub use judge::{Judge, Judgement};

use deliveries::{Delivered, Deliveries};

/// How many records are decided about in one transaction at most.
pub const IN_A_TRANSACTION: usize = 100;
/// How many bytes of events are sent in one transaction, unless a single one has more.
pub const BYTES_IN_A_TRANSACTION: usize = 8 << 20;

/// How long the cluster may take to answer at the start.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long a delivery may take.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(15);
/// How long all of a transaction's deliveries may take. With the step that ends the transaction it
/// is less than [`TRANSACTION_TIMEOUT`].
const DELIVERIES_TIMEOUT: Duration = Duration::from_secs(40);
/// How long the end of a transaction may take, tried again and again.
const END_TIMEOUT: Duration = Duration::from_secs(15);
/// How long one attempt to end a transaction may take. While it lasts nobody serves the events that
/// librdkafka may be waiting for us to take.
const ATTEMPT: Duration = Duration::from_millis(200);
/// After how long the brokers take back a transaction that nobody goes on with: readers wait so long
/// for what stands behind it.
pub(crate) const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);
/// How long it may take to be let in: the brokers take back what another one has not ended.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a turn of polling lasts.
const POLL_TIMEOUT: Duration = Duration::from_millis(20);
/// What Kafka adds to a single message at most.
const OVERHEAD: usize = 128;

/// An event to be sent again.
#[derive(Clone, Debug)]
pub struct Republish<'a> {
    /// Its citizen: the key.
    pub subject: SubjectId,
    /// Its bytes as they were.
    pub value: &'a [u8],
    /// Its own headers, as the quarantine topic has them.
    pub headers: &'a Headers,
}

/// One decision to be made. Where a released event was sent to is filled in.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// The decision.
    pub decision: QuarantineDecision,
    /// The event, if it is released.
    pub republish: Option<Republish<'a>>,
}

impl Order<'_> {
    /// Whether the event is too large for the events topic with what is added to it.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        let Some(republish) = &self.republish else { return false };
        let own = own_headers(republish.headers)
            .map(|(name, value)| (name, value.map_or(0, <[u8]>::len)));
        let ours = released_headers(&self.decision);
        let ours = ours.iter().map(|(name, value)| (*name, value.len()));
        let headers: usize = own.chain(ours).map(|(name, value)| name.len() + value + 8).sum();
        let bytes = republish.value.len() + republish.subject.0.len() + headers + OVERHEAD;
        bytes > EVENTS.max_message_bytes as usize
    }
}

/// Who decides, at work on one cluster.
pub struct Decider {
    producer: BaseProducer<Deliveries>,
    delivered: Receiver<Delivered>,
    connection: Connection,
    encoder: Encoder,
    events: String,
    decisions: String,
    partitions: u32,
}

/// How many partitions the events topic has, once all topics of a decision are there.
///
/// # Errors
/// If one is missing, or the decisions have several partitions.
pub fn check_topics(connection: &Connection) -> Result<u32, DecideError> {
    let needs = [
        (Operation::Read, &QUARANTINE),
        (Operation::Read, &DECISIONS),
        (Operation::Describe, &EVENTS),
    ];
    connection.require_on(&needs, TIMEOUT)?;
    let cluster = connection.check(TIMEOUT)?;
    let partitions = |topic| {
        let name = connection.topic(topic);
        cluster.partitions(&name).ok_or(DecideError::MissingTopic(name))
    };
    partitions(&QUARANTINE)?;
    match partitions(&DECISIONS)? {
        1 => partitions(&EVENTS),
        partitions => {
            let topic = connection.topic(&DECISIONS);
            Err(DecideError::SeveralPartitions { topic, partitions })
        }
    }
}

/// That this connection's user may write what a release writes.
///
/// # Errors
/// If the user may not.
pub fn require_rights(connection: &Connection) -> Result<(), DecideError> {
    let needs = [(Operation::Write, &EVENTS), (Operation::Write, &DECISIONS)];
    Ok(connection.require_on(&needs, TIMEOUT)?)
}

/// The name under which only one at a time decides.
fn transactional_id(connection: &Connection) -> String {
    format!("{}laju-quarantine", connection.topic_prefix)
}

/// What was decided up to now: the whole of the decisions topic. What is no decision at all is passed
/// over; one that is and cannot be read is not, as its record would be taken for undecided.
///
/// # Errors
/// If the topic cannot be read to its end, or a decision on it cannot be read.
pub fn read_decisions(connection: &Connection) -> Result<DecisionBook, DecideError> {
    let topic = connection.topic(&DECISIONS);
    let mut tail = Tail::open(connection, &topic, ASK_PATIENCE)?;
    let mut reader = LearningReader::once(connection.registry_client()?)?;
    // What a verdict says of a topic that had the name before is about other records.
    let id = topic_id(connection, &connection.topic(&EVENTS), ASK_PATIENCE)?;
    let mut book = DecisionBook::of_topic(id.as_deref());
    tail.read_to_end(READ_TIMEOUT, |record| {
        match decisions::add(&mut reader, &record, &mut book)? {
            None => Ok(()),
            Some(NoDecision { offset, why, is_junk: true }) => {
                tracing::warn!(offset, why, "no decision: passed over");
                Ok(())
            }
            Some(NoDecision { offset, why, .. }) => {
                Err(DecideError::Unreadable { topic: topic.clone(), offset, why })
            }
        }
    })?;
    Ok(book)
}

impl Decider {
    /// Goes to work: from here on the decider that was at work before is stopped, and what it had not
    /// committed is taken back.
    ///
    /// # Errors
    /// If a topic is missing, the user may not, or the brokers do not answer.
    pub fn open(connection: &Connection) -> Result<Self, DecideError> {
        require_rights(connection)?;
        let partitions = check_topics(connection)?;
        let (events, decisions) = (connection.topic(&EVENTS), connection.topic(&DECISIONS));
        let registry = connection.registry_client()?;
        let subject = format!("{decisions}-value");
        let id = registry.map(|r| r.register(&subject, QUARANTINE_DECISION_AVSC)).transpose()?;
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
        let decider = Self {
            producer,
            delivered,
            connection: connection.clone(),
            encoder: Encoder::decisions(id),
            events,
            decisions,
            partitions,
        };
        decider.step(OPEN_TIMEOUT, || decider.producer.init_transactions(OPEN_TIMEOUT))?;
        Ok(decider)
    }

    /// How many partitions the events topic has.
    #[must_use]
    pub fn partitions(&self) -> u32 {
        self.partitions
    }

    /// What was decided by those who were at work before.
    ///
    /// # Errors
    /// If it cannot be read to its end.
    pub fn decided(&self) -> Result<DecisionBook, DecideError> {
        read_decisions(&self.connection)
    }

    /// Decides, all or nothing: sends the released events again, waits until each is delivered,
    /// writes the decisions down and commits. Answers them as they stand in the log.
    ///
    /// # Errors
    /// If it could not be committed; nothing of it counts then.
    pub fn commit(&self, orders: &[Order<'_>]) -> Result<Vec<QuarantineDecision>, DecideError> {
        self.step(END_TIMEOUT, || self.producer.begin_transaction())?;
        tracing::debug!(records = orders.len(), "a transaction begins");
        match self.transact(orders) {
            Ok(decisions) => Ok(decisions),
            Err(error @ DecideError::Fenced) => Err(error),
            Err(error) => Err(match (self.abort(), error) {
                (Ok(()), DecideError::Kafka(why)) => DecideError::Aborted(why),
                (Err(DecideError::Fenced), _) => DecideError::Fenced,
                // What is wrong is known; if it is not taken back, it ends with this producer, or
                // by its time.
                (Ok(()) | Err(_), error) => error,
            }),
        }
    }

    /// Takes a transaction back. What is not sent is given up first, and what is on its way is
    /// waited for: librdkafka ends no transaction before we have heard of each of its records.
    fn abort(&self) -> Result<(), DecideError> {
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

    fn transact(&self, orders: &[Order<'_>]) -> Result<Vec<QuarantineDecision>, DecideError> {
        let deadline = Instant::now() + DELIVERIES_TIMEOUT;
        // What is left of a transaction before.
        while self.delivered.try_recv().is_ok() {}
        let mut decisions: Vec<_> = orders.iter().map(|order| order.decision.clone()).collect();
        let mut sent = 0;
        for (number, order) in orders.iter().enumerate() {
            if let Some(republish) = &order.republish {
                self.send_event(number, republish, &order.decision, deadline)?;
                sent += 1;
            }
        }
        for (number, place) in self.wait_for(sent, deadline)? {
            if place.offset < 0 {
                let why = "a broker did not say at which offset an event stands";
                return Err(DecideError::Kafka(why.to_owned()));
            }
            decisions[number].released_partition = Some(place.partition);
            decisions[number].released_offset = Some(place.offset);
        }
        tracing::debug!(sent, "the events sent anew are delivered");
        for (number, decision) in decisions.iter().enumerate() {
            let value = self.encoder.value(decision)?;
            let key = decision.origin().to_string();
            let record = BaseRecord::with_opaque_to(&self.decisions, number)
                .key(key.as_bytes())
                .payload(&value[..])
                .partition(0);
            self.send(record, deadline)?;
        }
        self.wait_for(decisions.len(), deadline)?;
        tracing::debug!("the decisions are delivered");
        self.step(END_TIMEOUT, || self.producer.commit_transaction(ATTEMPT))?;
        tracing::debug!("the transaction is committed");
        Ok(decisions)
    }

    fn send_event(
        &self,
        number: usize,
        republish: &Republish<'_>,
        decision: &QuarantineDecision,
        deadline: Instant,
    ) -> Result<(), DecideError> {
        debug_assert_eq!(decision.decision, Decision::Released);
        let mut headers = OwnedHeaders::new();
        for (key, value) in own_headers(republish.headers) {
            headers = headers.insert(Header { key, value });
        }
        for (key, value) in &released_headers(decision) {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let partition = partition_for(&republish.subject.0, self.partitions);
        let record = BaseRecord::with_opaque_to(&self.events, number)
            .key(&republish.subject.0[..])
            .payload(republish.value)
            .partition(i32::try_from(partition).unwrap_or(i32::MAX))
            .headers(headers);
        self.send(record, deadline)
    }

    fn send(
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
    fn wait_for(
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

/// An event's own headers as they go to the events topic again. One whose name began as ours do came
/// to quarantine as `original-…`, and keeps that name.
fn own_headers(headers: &Headers) -> impl Iterator<Item = (&str, Option<&[u8]>)> {
    let own = headers.iter().filter(|(name, _)| !name.starts_with(HEADER_PREFIX));
    own.map(|(name, value)| (name.as_str(), value.as_deref()))
}

/// What a release adds to an event's headers.
fn released_headers(decision: &QuarantineDecision) -> [(&'static str, String); 3] {
    [
        (HEADER_RELEASED_ORIGIN, decision.origin().to_string()),
        (HEADER_DECISION_ID, decision.decision_id.to_string()),
        (HEADER_DECIDED_BY, decision.decided_by.clone()),
    ]
}

#[cfg(test)]
mod tests;
