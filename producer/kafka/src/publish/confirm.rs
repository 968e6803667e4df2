//! The fate of each record: delivered to a place in the log, or not and why.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use laju_schemas::TimestampMs;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{DeliveryResult, ProducerContext};
use rdkafka::{Message, Timestamp};
use thiserror::Error;
use tokio::sync::oneshot;

use crate::connection::BrokerEvents;
use laju_schemas::rules::PROGRAMME_BEGAN;

/// Where a record stands in the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Receipt {
    pub partition: u32,
    /// The offset within it; unknown if the broker recognised a retry of what it had already.
    pub offset: Option<u64>,
    /// When it was recorded: the broker's word on a topic with LogAppendTime.
    pub timestamp: Option<TimestampMs>,
    /// Whether the timestamp is the broker's word; else it is the producer's own.
    pub by_broker: bool,
}

impl Receipt {
    /// Where the record stands, in words.
    #[must_use]
    pub fn place(&self) -> String {
        match self.offset {
            Some(offset) => format!("partition {}, offset {offset}", self.partition),
            None => {
                format!("partition {}, at an offset that the broker did not tell", self.partition)
            }
        }
    }
}

/// Why a record was not delivered. Unless it says otherwise, it may be sent again as it is: the
/// same event twice counts once.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DeliveryError {
    /// Nobody confirmed it in time. It may still have arrived.
    #[error("no broker confirmed it in time{}", because(.0.as_deref()))]
    TimedOut(Option<String>),
    #[error(
        "the Kafka user lacks the right to Write on the topic {0}: who administers the cluster gives it with `kafka-acls --bootstrap-server … --add --allow-principal User:NAME --operation Write --topic {0}` (consumer/docs/rights.md lists what each program needs)"
    )]
    NotAllowed(String),
    #[error("there is no topic {0}: make it with `laju topics create`")]
    NoTopic(String),
    /// The topic takes smaller messages than the contract says.
    #[error(
        "{0} refuses it as too large: its max.message.bytes is not what `laju topics check` wants"
    )]
    TooLarge(String),
    /// The brokers have lost track of this publisher. It says nothing of the record: another
    /// publisher can send it.
    #[error("the brokers have lost track of this publisher: {0}")]
    PublisherLost(String),
    #[error("the publisher was closed before it was sent")]
    Closed,
    #[error("the brokers refuse it: {0}")]
    Refused(String),
}

fn because(reason: Option<&str>) -> String {
    reason.map(|reason| format!("; last heard: {reason}")).unwrap_or_default()
}

impl DeliveryError {
    pub(super) fn new(error: &KafkaError, topic: &str, events: &BrokerEvents) -> Self {
        use RDKafkaErrorCode as Code;
        match error.rdkafka_error_code() {
            Some(Code::MessageTimedOut) => Self::TimedOut(events.last_error()),
            Some(Code::TopicAuthorizationFailed) => Self::NotAllowed(topic.to_owned()),
            Some(Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition) => {
                Self::NoTopic(topic.to_owned())
            }
            Some(Code::MessageSizeTooLarge) => Self::TooLarge(topic.to_owned()),
            Some(Code::PurgeQueue | Code::PurgeInflight) => Self::Closed,
            Some(
                code @ (Code::OutOfOrderSequenceNumber
                | Code::InvalidProducerEpoch
                | Code::InvalidProducerIdMapping
                | Code::UnknownProducerId
                | Code::ProducerFenced
                | Code::Fatal),
            ) => Self::PublisherLost(code.to_string()),
            Some(code) => Self::Refused(code.to_string()),
            None => Self::Refused(error.to_string()),
        }
    }
}

/// Where the fate of one record is reported to.
pub(super) struct Expectation {
    topic: Box<str>,
    sender: oneshot::Sender<Result<Receipt, DeliveryError>>,
}

/// The fate of one record, to be awaited, or waited for with [`Delivery::wait`].
#[must_use = "a record is safe only once its delivery is confirmed"]
#[derive(Debug)]
pub struct Delivery(oneshot::Receiver<Result<Receipt, DeliveryError>>);

impl Delivery {
    /// Blocks until the record is delivered or has failed, which is at most the publisher's
    /// delivery timeout from its sending. Not for async threads: `await` there.
    ///
    /// # Errors
    /// If it was not delivered.
    pub fn wait(self) -> Result<Receipt, DeliveryError> {
        self.0.blocking_recv().unwrap_or(Err(DeliveryError::Closed))
    }
}

impl Future for Delivery {
    type Output = Result<Receipt, DeliveryError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        Pin::new(&mut self.0).poll(context).map(|fate| fate.unwrap_or(Err(DeliveryError::Closed)))
    }
}

/// The producer's context: tells each record's fate to the caller that waits for it, and that there is
/// room in the queue.
#[derive(Clone, Default)]
pub(super) struct Confirmations {
    events: BrokerEvents,
    room: Arc<Room>,
}

#[derive(Default)]
struct Room {
    waiting: AtomicUsize,
    lock: Mutex<()>,
    changed: Condvar,
}

impl Confirmations {
    pub(super) fn events(&self) -> &BrokerEvents {
        &self.events
    }

    pub(super) fn expect(&self, topic: &str) -> (Box<Expectation>, Delivery) {
        let (sender, receiver) = oneshot::channel();
        (Box::new(Expectation { topic: topic.into(), sender }), Delivery(receiver))
    }

    /// Waits until some record has left the queue, or the time is over.
    pub(super) fn wait_for_room(&self, timeout: Duration) {
        let guard = self.room.lock.lock().unwrap_or_else(PoisonError::into_inner);
        self.room.waiting.fetch_add(1, Ordering::SeqCst);
        // A record that left just before only costs the time-out.
        drop(self.room.changed.wait_timeout(guard, timeout));
        self.room.waiting.fetch_sub(1, Ordering::SeqCst);
    }

    pub(super) fn announce_room(&self) {
        if self.room.waiting.load(Ordering::SeqCst) > 0 {
            drop(self.room.lock.lock().unwrap_or_else(PoisonError::into_inner));
            self.room.changed.notify_all();
        }
    }
}

impl ClientContext for Confirmations {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.events.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.events.error(error, reason);
    }
}

impl ProducerContext for Confirmations {
    type DeliveryOpaque = Box<Expectation>;

    fn delivery(&self, result: &DeliveryResult<'_>, expected: Box<Expectation>) {
        let Expectation { topic, sender } = *expected;
        let fate = match result {
            Ok(message) => {
                // What went wrong before explains no later failure.
                self.events.clear();
                let by_broker = matches!(message.timestamp(), Timestamp::LogAppendTime(_));
                let timestamp = message.timestamp().to_millis().map(TimestampMs);
                // librdkafka's embedded broker says 1234 whatever the time: that is no clock's.
                let timestamp = timestamp.filter(|at| !by_broker || *at >= PROGRAMME_BEGAN);
                Ok(Receipt {
                    partition: u32::try_from(message.partition()).unwrap_or(0),
                    offset: u64::try_from(message.offset()).ok(),
                    timestamp,
                    by_broker: by_broker && timestamp.is_some(),
                })
            }
            Err((error, _)) => Err(DeliveryError::new(error, &topic, &self.events)),
        };
        // A caller that does not wait for it has dropped the receiver.
        let _ = sender.send(fate);
        self.announce_room();
    }
}
