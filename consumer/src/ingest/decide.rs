//! Decides about quarantined records: sends those released to the events topic again, and writes
//! down for each who decided what, and why.
//!
//! Exactly once, by Kafka's transactions: an event sent again and the decision about it are one
//! transaction, and every decider has the same transactional id, so that a second one at work
//! stops the first, and whatever the first had not committed is taken back. What was decided is read
//! after that, and what is decided already is left alone. librdkafka's embedded broker takes the
//! requests and does not keep the promise; there the order (first the event, then the decision) and
//! the fold, to which the same event again is a repeat, see to it that it counts once.

mod error;
mod judge;
mod order;
mod transaction;

use std::time::{Duration, Instant};

use laju_kafka::connection::ask::ASK_PATIENCE;
use laju_kafka::connection::{Connection, Operation};
use laju_kafka::learning::LearningReader;
use laju_kafka::read::{READ_TIMEOUT, Tail, TopicReadError};
use laju_kafka::topic_id::topic_id;
use laju_schemas::QuarantineDecision;
use laju_schemas::codec::Encoder;
use laju_schemas::decision::Decision;
use laju_schemas::known::QUARANTINE_DECISION_AVSC;
use laju_schemas::partition::partition_for;
use laju_schemas::topic::{DECISIONS, EVENTS, QUARANTINE};
use rdkafka::message::{Header, OwnedHeaders};
use rdkafka::producer::BaseRecord;

use super::follow::decisions::{self, NoDecision};
use crate::domain::decisions::DecisionBook;

pub use error::DecideError;
pub use judge::{Judge, Judgement};
pub use order::{Order, Republish};

use order::{own_headers, released_headers};
use transaction::{DELIVERIES_TIMEOUT, Transactions};

/// How many records are decided about in one transaction at most.
pub const IN_A_TRANSACTION: usize = 100;
/// How many bytes of events are sent in one transaction, unless a single one has more.
pub const BYTES_IN_A_TRANSACTION: usize = 8 << 20;

/// How long the cluster may take to answer at the start.
const TIMEOUT: Duration = Duration::from_secs(15);

/// Who decides, at work on one cluster.
pub struct Decider {
    transactions: Transactions,
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
        cluster.partitions(&name).ok_or(TopicReadError::Missing(name))
    };
    partitions(&QUARANTINE)?;
    match partitions(&DECISIONS)? {
        1 => Ok(partitions(&EVENTS)?),
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
        Ok(Self {
            transactions: Transactions::open(connection)?,
            connection: connection.clone(),
            encoder: Encoder::decisions(id),
            events,
            decisions,
            partitions,
        })
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
        self.transactions.begin()?;
        tracing::debug!(records = orders.len(), "a transaction begins");
        match self.transact(orders) {
            Ok(decisions) => Ok(decisions),
            Err(error @ DecideError::Fenced) => Err(error),
            Err(error) => Err(match (self.transactions.abort(), error) {
                (Ok(()), DecideError::Kafka(why)) => DecideError::Aborted(why),
                (Err(DecideError::Fenced), _) => DecideError::Fenced,
                // What is wrong is known; if it is not taken back, it ends with this producer, or
                // by its time.
                (Ok(()) | Err(_), error) => error,
            }),
        }
    }

    fn transact(&self, orders: &[Order<'_>]) -> Result<Vec<QuarantineDecision>, DecideError> {
        let deadline = Instant::now() + DELIVERIES_TIMEOUT;
        let mut decisions: Vec<_> = orders.iter().map(|order| order.decision.clone()).collect();
        let mut sent = 0;
        for (number, order) in orders.iter().enumerate() {
            if let Some(republish) = &order.republish {
                self.send_event(number, republish, &order.decision, deadline)?;
                sent += 1;
            }
        }
        for (number, place) in self.transactions.wait_for(sent, deadline)? {
            if place.offset < 0 {
                let why = "a broker did not say at which offset an event stands";
                return Err(DecideError::Kafka(why.to_owned()));
            }
            decisions[number].released_partition = Some(place.partition);
            decisions[number].released_offset = Some(place.offset);
        }
        tracing::debug!(sent, "the events sent again are delivered");
        for (number, decision) in decisions.iter().enumerate() {
            let value = self.encoder.value(decision)?;
            let key = decision.origin().to_string();
            let record = BaseRecord::with_opaque_to(&self.decisions, number)
                .key(key.as_bytes())
                .payload(&value[..])
                .partition(0);
            self.transactions.send(record, deadline)?;
        }
        self.transactions.wait_for(decisions.len(), deadline)?;
        tracing::debug!("the decisions are delivered");
        self.transactions.commit()?;
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
        self.transactions.send(record, deadline)
    }
}

#[cfg(test)]
mod tests;
