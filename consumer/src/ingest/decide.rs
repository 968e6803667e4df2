//! Decides about quarantined records: sends those released to the events topic anew, and writes
//! down for each who decided what, and why.
//!
//! Exactly once, by Kafka's transactions: an event sent anew and the decision about it are one
//! transaction, and whoever decides has the same transactional id, so that a second one at work
//! stops the first, and whatever the first had not committed is taken back. What was decided is read
//! after that, and what is decided already is left alone. librdkafka's embedded broker takes the
//! requests and does not keep the promise; there the order (first the event, then the decision) and
//! the fold, to which the same event again is a repeat, see to it that it counts once.

mod deliveries;
mod error;
mod judge;

use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use laju_producer::connection::{BrokerEvents, Connection, ConnectionError};
use laju_producer::registry::Registry;
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
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};

use super::decisions::DecisionFeed;
use super::quarantined::Headers;
use super::tail::Tail;
use crate::domain::decisions::DecisionBook;

pub use error::DecideError;
pub use judge::{Judge, Judgement};

use deliveries::{Delivered, Deliveries};

/// How many records are decided about in one transaction.
pub const IN_A_TRANSACTION: usize = 100;

/// How long the cluster may take to answer at the start.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long a delivery may take.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(20);
/// After how long the brokers take back a transaction that nobody goes on with: readers wait so long
/// for what stands behind it.
const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(30);
/// How long a step of a transaction may take, tried again and again.
const STEP_TIMEOUT: Duration = Duration::from_secs(60);
/// How long nothing of the decisions topic may come although there is more.
const PATIENCE: Duration = Duration::from_secs(60);
/// How long a turn of polling lasts.
const TURN: Duration = Duration::from_millis(20);
/// What Kafka adds to a single message at most.
const OVERHEAD: usize = 128;

/// An event to be sent anew.
#[derive(Clone, Debug)]
pub struct Anew<'a> {
    /// Its citizen: the key.
    pub subject: SubjectId,
    /// Its bytes as they were.
    pub value: &'a [u8],
    /// Its own headers, as the quarantine topic has them.
    pub headers: &'a Headers,
}

/// One decision to be made. Where a released event stands anew is filled in.
#[derive(Clone, Debug)]
pub struct Order<'a> {
    /// The decision.
    pub decision: QuarantineDecision,
    /// The event, if it is released.
    pub anew: Option<Anew<'a>>,
}

impl Order<'_> {
    /// Whether the event is too large for the events topic with what is added to it.
    #[must_use]
    pub fn is_too_large(&self) -> bool {
        let Some(anew) = &self.anew else { return false };
        let own =
            own_headers(anew.headers).map(|(name, value)| (name, value.map_or(0, <[u8]>::len)));
        let ours = released_headers(&self.decision);
        let ours = ours.iter().map(|(name, value)| (*name, value.len()));
        let headers: usize = own.chain(ours).map(|(name, value)| name.len() + value + 8).sum();
        let bytes = anew.value.len() + anew.subject.0.len() + headers + OVERHEAD;
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

/// What was decided up to now: the whole of the decisions topic.
///
/// # Errors
/// If it cannot be read to its end.
pub fn read_decisions(connection: &Connection) -> Result<DecisionBook, DecideError> {
    let topic = connection.topic(&DECISIONS);
    let mut tail = Tail::open(&connection.client_config()?, &topic, TIMEOUT)?;
    let mut feed = DecisionFeed::new(connection.registry.as_deref())?;
    let (mut book, mut outage) = (DecisionBook::default(), None);
    tail.read_to_end(PATIENCE, |record| {
        if outage.is_some() {
            return;
        }
        match feed.add(&record, &mut book) {
            Ok(None) => {}
            Ok(Some(no)) => {
                tracing::warn!(offset = no.offset, why = no.why, "no decision: passed over");
            }
            Err(error) => outage = Some(error),
        }
    })?;
    outage.map_or(Ok(book), |error| Err(error.into()))
}

impl Decider {
    /// Goes to work: from here on whoever was at work before is stopped, and what they had not
    /// committed is taken back.
    ///
    /// # Errors
    /// If a topic is missing, the user may not, or the brokers do not answer.
    pub fn open(connection: &Connection) -> Result<Self, DecideError> {
        let partitions = check_topics(connection)?;
        let (events, decisions) = (connection.topic(&EVENTS), connection.topic(&DECISIONS));
        let registry = connection.registry.as_deref().map(Registry::new);
        let subject = format!("{decisions}-value");
        let id = registry.map(|r| r.register(&subject, QUARANTINE_DECISION_AVSC)).transpose()?;
        let mut config = connection.client_config()?;
        config
            .set("transactional.id", format!("{}laju-quarantine", connection.topic_prefix))
            .set("transaction.timeout.ms", TRANSACTION_TIMEOUT.as_millis().to_string())
            .set("message.timeout.ms", DELIVERY_TIMEOUT.as_millis().to_string())
            .set("enable.idempotence", "true")
            .set("acks", "all")
            .set("linger.ms", "5")
            .set("compression.type", "lz4")
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
        decider.step(|| decider.producer.init_transactions(STEP_TIMEOUT))?;
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

    /// Decides, all or nothing: sends the released events anew, waits until each is delivered,
    /// writes the decisions down and commits. Answers them as they stand in the log.
    ///
    /// # Errors
    /// If it could not be committed; nothing of it counts then.
    pub fn commit(&self, orders: &[Order<'_>]) -> Result<Vec<QuarantineDecision>, DecideError> {
        self.step(|| self.producer.begin_transaction())?;
        tracing::debug!(records = orders.len(), "a transaction begins");
        match self.transact(orders) {
            Ok(decisions) => Ok(decisions),
            Err(error @ DecideError::Fenced) => Err(error),
            Err(error) => Err(match self.step(|| self.producer.abort_transaction(STEP_TIMEOUT)) {
                Ok(()) => DecideError::Aborted(error.to_string()),
                Err(DecideError::Fenced) => DecideError::Fenced,
                // It ends with this producer, or by its time.
                Err(_) => error,
            }),
        }
    }

    fn transact(&self, orders: &[Order<'_>]) -> Result<Vec<QuarantineDecision>, DecideError> {
        // What is left of a transaction before.
        while self.delivered.try_recv().is_ok() {}
        let mut decisions: Vec<_> = orders.iter().map(|order| order.decision.clone()).collect();
        let mut sent = 0;
        for (number, order) in orders.iter().enumerate() {
            if let Some(anew) = &order.anew {
                self.send_event(number, anew, &order.decision)?;
                sent += 1;
            }
        }
        for (number, place) in self.wait_for(sent)? {
            if place.offset < 0 {
                let why = "a broker did not say at which offset an event stands";
                return Err(DecideError::Kafka(why.to_owned()));
            }
            decisions[number].released_partition = Some(place.partition);
            decisions[number].released_offset = Some(place.offset);
        }
        tracing::debug!(sent, "the events sent anew are delivered");
        for (number, decision) in decisions.iter().enumerate() {
            let value = self.encoder.quarantine_decision(decision)?;
            let key = decision.origin().to_string();
            let record = BaseRecord::with_opaque_to(&self.decisions, number)
                .key(key.as_bytes())
                .payload(&value[..])
                .partition(0);
            self.send(record)?;
        }
        self.wait_for(decisions.len())?;
        tracing::debug!("the decisions are delivered");
        self.step(|| self.producer.commit_transaction(STEP_TIMEOUT))?;
        tracing::debug!("the transaction is committed");
        Ok(decisions)
    }

    fn send_event(
        &self,
        number: usize,
        anew: &Anew<'_>,
        decision: &QuarantineDecision,
    ) -> Result<(), DecideError> {
        debug_assert_eq!(decision.decision, Decision::Released);
        let mut headers = OwnedHeaders::new();
        for (key, value) in own_headers(anew.headers) {
            headers = headers.insert(Header { key, value });
        }
        for (key, value) in &released_headers(decision) {
            headers = headers.insert(Header { key, value: Some(value) });
        }
        let partition = partition_for(&anew.subject.0, self.partitions);
        let record = BaseRecord::with_opaque_to(&self.events, number)
            .key(&anew.subject.0[..])
            .payload(anew.value)
            .partition(i32::try_from(partition).unwrap_or(i32::MAX))
            .headers(headers);
        self.send(record)
    }

    fn send(&self, record: BaseRecord<'_, [u8], [u8], usize>) -> Result<(), DecideError> {
        let mut record = record;
        let deadline = Instant::now() + DELIVERY_TIMEOUT;
        loop {
            let Err((error, back)) = self.producer.send(record) else { return Ok(()) };
            let is_full = error.rdkafka_error_code() == Some(RDKafkaErrorCode::QueueFull);
            if !is_full || Instant::now() >= deadline {
                return Err(self.failed(&error));
            }
            self.producer.poll(TURN);
            record = back;
        }
    }

    /// Waits until so many records are delivered, and says where each stands.
    fn wait_for(&self, count: usize) -> Result<Vec<(usize, Origin)>, DecideError> {
        let deadline = Instant::now() + DELIVERY_TIMEOUT + STEP_TIMEOUT;
        let mut places = Vec::with_capacity(count);
        while places.len() < count {
            self.producer.poll(TURN);
            while let Ok((number, place)) = self.delivered.try_recv() {
                places.push((number, place.map_err(|error| self.failed(&error))?));
            }
            if Instant::now() >= deadline {
                return Err(DecideError::Kafka(self.why("no broker confirmed it in time")));
            }
        }
        Ok(places)
    }

    /// A step of a transaction, tried again while time may mend it.
    fn step(&self, mut step: impl FnMut() -> Result<(), KafkaError>) -> Result<(), DecideError> {
        let deadline = Instant::now() + STEP_TIMEOUT;
        loop {
            match step() {
                Ok(()) => return Ok(()),
                Err(KafkaError::Transaction(error))
                    if error.is_retriable() && Instant::now() < deadline =>
                {
                    // Its own time-out has passed, or a broker was busy: librdkafka goes on where
                    // it was.
                    self.producer.poll(TURN);
                }
                Err(error) => return Err(self.failed(&error)),
            }
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
                DecideError::Forbidden("use the transactional id that releases have")
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

/// An event's own headers as they go to the events topic anew. One whose name began as ours do came
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
