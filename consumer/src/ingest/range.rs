//! Reads the records of a topic between offsets, of every partition asked for, by one thread: for
//! those who read the log again, up to where it was when somebody looked.
//!
//! It joins no group and commits nothing. A position is not a count: transactions leave marks, and
//! what was aborted, between the records. It does not know what the records say.

mod places;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::{Duration, Instant};

use laju_kafka::connection::{BrokerEvents, Connection, ConnectionError};
use rdkafka::config::ClientConfig;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use thiserror::Error;

use super::ask::is_there;
use super::fetch_error;
use super::probe::{PATIENCE_ASIDE, probe};
use super::topic_id::{Lookout, TopicChange};
use super::worker::reading;
use crate::domain::trouble::TroubledPartition;

pub use places::{ends, offsets_at};

/// How long nothing may come although there is more, before reading gives up: a broker's restart
/// is over by then.
pub const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// How long a question to the brokers may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Records handed over by one call at most, so that the caller can look at other things.
pub const MAX_POLL_RECORDS: usize = 1_024;

/// The offsets of a partition that are to be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Range {
    /// The first offset.
    pub from: i64,
    /// The offset behind the last one: that of a record that is not wanted any more.
    /// [`Range::ENDLESS`] for going on with whatever comes.
    pub to: i64,
}

impl Range {
    /// The end of a range that has none.
    pub const ENDLESS: i64 = i64::MAX;

    const fn is_empty(self) -> bool {
        self.from >= self.to
    }
}

/// In which order partitions are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// All at the same time, as the brokers send them.
    Together,
    /// One after the other by their numbers, so that the same ranges always give the same records
    /// in the same order. The next ones are fetched meanwhile, within bounds. A range without an
    /// end never lets the next one begin.
    OneByOne,
}

/// What a call of [`RangeReader::poll`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// So many records were handed over.
    Records(usize),
    /// Nothing was there within the time given.
    Idle,
    /// Every range has been read.
    Done,
}

/// Why a range cannot be read.
#[derive(Debug, Error)]
pub enum RangeError {
    /// The connection's options are wrong.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The cluster has no such topic, or none that this user may see.
    #[error(
        "there is no topic {0} that this user may see: make the topics with `laju topics create`, or check --topic-prefix and the user's rights"
    )]
    Missing(String),
    /// The topic has no such partition.
    #[error("{topic} has no partition {partition}: it has {partitions}, counted from 0")]
    NoPartition {
        /// The topic.
        topic: String,
        /// What was asked for.
        partition: u32,
        /// How many it has.
        partitions: u32,
    },
    /// The user may not read it.
    #[error(
        "the Kafka user lacks the right to Read on the topic {0}: who administers the cluster gives it with `kafka-acls --bootstrap-server … --add --allow-principal User:NAME --operation Read --topic {0}` (consumer/docs/rights.md lists what each program needs)"
    )]
    Forbidden(String),
    /// The beginning of the range is gone.
    #[error(
        "the log is cut: partition {partition} of {topic} begins at offset {low}, so that what came first, from offset {from}, is gone"
    )]
    Cut {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// Its first offset.
        low: i64,
        /// The offset asked for.
        from: i64,
    },
    /// The log ends before the range does.
    #[error(
        "partition {partition} of {topic} ends at offset {end}, but is asked for up to {wanted}: was the topic made anew?"
    )]
    Short {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// Where it ends.
        end: i64,
        /// Up to where it is asked for.
        wanted: i64,
    },
    /// The topic changed while it was read.
    #[error(
        "{topic}: what was to be read next is gone ({reason}); was the topic made anew or cut off?"
    )]
    Gone {
        /// The topic.
        topic: String,
        /// What librdkafka says.
        reason: String,
    },
    /// The brokers did not answer a question.
    #[error("the brokers did not say {what} of {topic}: {reason}")]
    NoAnswer {
        /// What was asked.
        what: &'static str,
        /// The topic.
        topic: String,
        /// The last error of the client.
        reason: String,
    },
    /// It is not the topic any more that was being read.
    #[error("{topic}: {change}; begin again with the one that is there now")]
    Changed {
        /// The topic.
        topic: String,
        /// What became of it.
        change: TopicChange,
    },
    /// Nothing came for a while although there is more.
    #[error(
        "nothing came of {topic} for {seconds} s, although there is more: partition {partition} was read up to offset {next} and is asked for up to {to} ({reason})"
    )]
    Stalled {
        /// The topic.
        topic: String,
        /// How long was waited.
        seconds: u64,
        /// A partition that was not read to the end of its range.
        partition: u32,
        /// Up to where it was read.
        next: i64,
        /// Where its range ends.
        to: i64,
        /// What the client last said of the brokers.
        reason: String,
    },
    /// A partition stands still, and time alone does not mend it.
    #[error("{0}")]
    Trouble(Box<TroubledPartition>),
    /// librdkafka says no.
    #[error("reading {topic}: {source}")]
    Kafka {
        /// The topic.
        topic: String,
        /// What it says.
        source: KafkaError,
    },
}

/// A partition on the way through its range.
#[derive(Clone, Copy)]
struct Part {
    /// The offset behind the last record handed over; once done, the range's end.
    next: i64,
    to: i64,
    done: bool,
    /// Where its end was reported and asked for again, if it was.
    asked_again_at: Option<i64>,
}

/// Ranges of a topic's partitions being read, by one thread.
pub struct RangeReader {
    consumer: Arc<BaseConsumer<BrokerEvents>>,
    lookout: Lookout<BrokerEvents>,
    /// How a client that reads is configured: for finding out which partition an error is of.
    config: ClientConfig,
    /// Where partitions are read one by one: what each has brought, by their numbers.
    queues: Vec<Option<PartitionQueue<BrokerEvents>>>,
    /// The first partition that is not done.
    current: usize,
    topic: String,
    /// By the partitions' numbers; none for those not asked for.
    parts: Vec<Option<Part>>,
    /// How many are not done.
    open: usize,
    order: Order,
    patience: Duration,
    /// How long was waited for what did not come; nobody waits while nobody polls.
    waited: Duration,
    /// What librdkafka last said is wrong, since something came.
    complaint: Option<RDKafkaErrorCode>,
}

impl RangeReader {
    /// Opens a topic (by its full name) at the beginning of every range.
    ///
    /// # Errors
    /// If the topic does not have what is asked for, or cannot be read. Empty ranges are not
    /// looked at.
    pub fn open(
        connection: &Connection,
        topic: &str,
        ranges: &BTreeMap<u32, Range>,
        order: Order,
    ) -> Result<Self, RangeError> {
        let consumer = places::consumer(connection, topic, order)?;
        let partitions = places::partitions(&consumer, topic)?;
        let mut parts = vec![None; partitions as usize];
        let mut open = 0;
        for (&partition, &range) in ranges {
            let Some(part) = parts.get_mut(partition as usize) else {
                let topic = topic.to_owned();
                return Err(RangeError::NoPartition { topic, partition, partitions });
            };
            if !range.is_empty() {
                let (low, end) = places::watermarks(&consumer, topic, partition)?;
                let (Range { from, to: wanted }, topic) = (range, topic.to_owned());
                if from < low {
                    return Err(RangeError::Cut { topic, partition, low, from });
                }
                let wanted = if wanted == Range::ENDLESS { from } else { wanted };
                if end < wanted {
                    return Err(RangeError::Short { topic, partition, end, wanted });
                }
                open += 1;
            }
            let (next, to, done) = (range.from, range.to, range.is_empty());
            *part = Some(Part { next, to, done, asked_again_at: None });
        }
        let topic = topic.to_owned();
        let (patience, waited, complaint) = (READ_TIMEOUT, Duration::ZERO, None);
        let (consumer, queues, current) = (Arc::new(consumer), Vec::new(), 0);
        let lookout = Lookout::new(&consumer, &topic, partitions);
        let mut reader = Self {
            consumer,
            lookout,
            config: reading(connection)?,
            queues,
            current,
            topic,
            parts,
            open,
            order,
            patience,
            waited,
            complaint,
        };
        reader.assign()?;
        Ok(reader)
    }

    /// Gives up after another time without news than [`READ_TIMEOUT`], beginning again.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self.news();
        self
    }

    /// Hands over what is there, waiting for the first record no longer than `wait`, until `each`
    /// breaks off. A record that `each` gives an error for does not count as handed over.
    ///
    /// # Errors
    /// Those of `each`; if reading fails for good, or nothing came for a while although a range
    /// with an end goes on. Brokers that are away are waited for meanwhile.
    pub fn poll<E: From<RangeError>>(
        &mut self,
        wait: Duration,
        mut each: impl FnMut(&BorrowedMessage<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<Polled, E> {
        self.check_topic()?;
        let begun = Instant::now();
        let (deadline, open) = (begun + wait, self.open);
        let mut records = 0;
        while self.open > 0 && records < MAX_POLL_RECORDS {
            let wait = match records {
                0 => deadline.saturating_duration_since(Instant::now()),
                _ => Duration::ZERO,
            };
            // What other partitions bring waits in queues of their own, within bounds.
            let polled = match self.queues.get(self.current) {
                Some(Some(queue)) => queue.poll(wait),
                _ => self.consumer.poll(wait),
            };
            match polled {
                None => break,
                Some(Ok(message)) => {
                    let (number, offset) = (message.partition() as usize, message.offset());
                    let Some(Some(part)) = self.parts.get_mut(number) else { continue };
                    // What was under way when a partition was done with may still come.
                    if part.done {
                        continue;
                    }
                    if offset >= part.to {
                        drop(message);
                        self.done(number)?;
                        continue;
                    }
                    let flow = each(&message)?;
                    drop(message);
                    records += 1;
                    part.next = offset + 1;
                    if part.next >= part.to {
                        self.done(number)?;
                    }
                    if flow.is_break() {
                        break;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(number))) => {
                    self.ended(usize::try_from(number).unwrap_or(usize::MAX))?;
                    break;
                }
                Some(Err(error)) => {
                    self.judge(error)?;
                    break;
                }
            }
        }
        if records > 0 {
            self.news();
            return Ok(Polled::Records(records));
        }
        if self.open == 0 {
            return Ok(Polled::Done);
        }
        self.check_errors()?;
        if self.open < open {
            self.news();
        } else {
            self.waited += begun.elapsed();
        }
        self.check_patience()?;
        Ok(Polled::Idle)
    }

    /// Reads no more of a partition, wherever it stands.
    ///
    /// # Errors
    /// If librdkafka refuses, which it has no reason to.
    pub fn leave(&mut self, partition: u32) -> Result<(), RangeError> {
        let Some(Some(part)) = self.parts.get_mut(partition as usize) else { return Ok(()) };
        part.to = part.to.min(part.next);
        self.done(partition as usize)
    }

    /// Where each partition stands: everything before has been handed over. For one whose range
    /// has been read it is the range's end.
    #[must_use]
    pub fn next_offsets(&self) -> BTreeMap<u32, i64> {
        self.each_part().map(|(partition, part)| (partition, part.next)).collect()
    }

    /// The topic's full name.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    fn each_part(&self) -> impl Iterator<Item = (u32, &Part)> {
        (0..).zip(&self.parts).filter_map(|(partition, part)| Some((partition, part.as_ref()?)))
    }

    /// Has the client fetch what is to be read.
    fn assign(&mut self) -> Result<(), RangeError> {
        let mut assignment = TopicPartitionList::new();
        for (partition, part) in self.each_part().filter(|(_, part)| !part.done) {
            assignment
                .add_partition_offset(&self.topic, partition as i32, Offset::Offset(part.next))
                .map_err(|error| self.kafka(error))?;
        }
        self.consumer.assign(&assignment).map_err(|error| self.kafka(error))?;
        if self.order == Order::OneByOne {
            self.queues = (0..)
                .zip(&self.parts)
                .map(|(partition, part)| {
                    part.filter(|part| !part.done)?;
                    self.consumer.split_partition_queue(&self.topic, partition)
                })
                .collect();
            // What came before the queues were apart is dropped by this, and fetched again.
            self.consumer.pause(&assignment).map_err(|error| self.kafka(error))?;
            self.consumer.resume(&assignment).map_err(|error| self.kafka(error))?;
        }
        self.move_on();
        Ok(())
    }

    /// Something came: patience begins again.
    fn news(&mut self) {
        (self.waited, self.complaint) = (Duration::ZERO, None);
    }

    /// Turns to the first partition that is not done.
    fn move_on(&mut self) {
        let is_open = |part: &Option<Part>| part.is_some_and(|part| !part.done);
        self.current = self.parts.iter().position(is_open).unwrap_or(self.parts.len());
    }

    /// Notes that a partition has been read, once.
    fn done(&mut self, number: usize) -> Result<(), RangeError> {
        let Some(Some(part)) = self.parts.get_mut(number) else { return Ok(()) };
        if part.done {
            return Ok(());
        }
        (part.done, part.next) = (true, part.to);
        self.open -= 1;
        self.move_on();
        // What is behind the range is not wanted.
        let mut paused = TopicPartitionList::new();
        paused.add_partition(&self.topic, number as i32);
        self.consumer.pause(&paused).map_err(|error| self.kafka(error))
    }

    /// The end of a partition was reported. If it is that of the range, there is nothing left of
    /// it but marks of transactions. A leader just elected may not know the whole log yet: then it
    /// is asked again.
    fn ended(&mut self, number: usize) -> Result<(), RangeError> {
        let Some(Some(part)) = self.parts.get(number).copied() else { return Ok(()) };
        if part.done {
            return Ok(());
        }
        let at = self.position(number).unwrap_or(part.next).max(part.next);
        // Marks count as passed: a reader that goes on from here need not read them again, and a client
        // told to seek does not know where it stands until something comes.
        if let Some(Some(part)) = self.parts.get_mut(number) {
            part.next = at.min(part.to);
        }
        if at >= part.to {
            return self.done(number);
        }
        if part.to == Range::ENDLESS {
            return Ok(());
        }
        let is_whole = places::goes_to(&self.consumer, &self.topic, number, part.to);
        if is_whole && part.asked_again_at == Some(at) {
            // Said twice from here, by a leader that knows the whole: what was here is gone, as
            // compaction leaves it.
            return self.done(number);
        }
        if let Some(Some(part)) = self.parts.get_mut(number) {
            part.asked_again_at = is_whole.then_some(at);
        }
        self.consumer
            .seek(&self.topic, number as i32, Offset::Offset(at), TIMEOUT)
            .map_err(|error| self.kafka(error))
    }

    /// Where the client stands in a partition, behind marks of transactions as well; `None` if it
    /// has read nothing of it.
    fn position(&self, number: usize) -> Option<i64> {
        let positions = self.consumer.position().ok()?;
        match positions.find_partition(&self.topic, number as i32)?.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }
    }

    /// Whether it is still the topic that is being read. Partitions that were added are of no
    /// interest to who reads up to where the others ended.
    fn check_topic(&mut self) -> Result<(), RangeError> {
        let Some(change) = self.lookout.look() else { return Ok(()) };
        let follows = self.each_part().any(|(_, part)| part.to == Range::ENDLESS);
        if matches!(change, TopicChange::MorePartitions { .. }) && !follows {
            return Ok(());
        }
        Err(RangeError::Changed { topic: self.topic.clone(), change })
    }

    /// Beside the partitions' own queues stands what concerns the whole client.
    fn check_errors(&mut self) -> Result<(), RangeError> {
        if self.queues.is_empty() {
            return Ok(());
        }
        while let Some(polled) = self.consumer.poll(Duration::ZERO) {
            let polled = polled.map(drop);
            match polled {
                Err(KafkaError::PartitionEOF(_)) | Ok(()) => {}
                Err(error) => self.judge(error)?,
            }
        }
        Ok(())
    }

    fn check_patience(&self) -> Result<(), RangeError> {
        if self.waited < self.patience {
            return Ok(());
        }
        let late = self.each_part().find(|(_, part)| !part.done && part.to != Range::ENDLESS);
        let Some((partition, part)) = late else { return Ok(()) };
        Err(RangeError::Stalled {
            topic: self.topic.clone(),
            seconds: self.patience.as_secs(),
            partition,
            next: part.next,
            to: part.to,
            reason: match self.complaint {
                Some(code) => code.to_string(),
                None => places::last_word(&self.consumer),
            },
        })
    }

    /// Whether an error is one that time mends: librdkafka goes on trying by itself.
    fn judge(&mut self, error: KafkaError) -> Result<(), RangeError> {
        use RDKafkaErrorCode as Code;
        let topic = self.topic.clone();
        match error {
            KafkaError::MessageConsumption(code) => match code {
                Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
                    self.complaint = Some(code);
                    match is_there(&self.consumer, &topic) {
                        true => Ok(()),
                        false => Err(RangeError::Missing(topic)),
                    }
                }
                Code::TopicAuthorizationFailed => Err(RangeError::Forbidden(topic)),
                code if fetch_error::is_of_records(code) => self.examine(code),
                // Behind a damaged batch the client loses its way: see `examine`.
                Code::AutoOffsetReset | Code::OffsetOutOfRange
                    if self.complaint.is_some_and(fetch_error::is_of_records) =>
                {
                    self.assign()
                }
                Code::AutoOffsetReset | Code::OffsetOutOfRange => {
                    Err(RangeError::Gone { topic, reason: code.to_string() })
                }
                _ => {
                    tracing::debug!(topic, %code, "reading goes on after an error");
                    self.complaint = Some(code);
                    Ok(())
                }
            },
            source => Err(RangeError::Kafka { topic, source }),
        }
    }

    /// An error came that may be one of records: tells of a partition that has it. If none has it
    /// any more, all are read again from where we stand, because the client may have gone on behind
    /// what it could not read.
    fn examine(&mut self, code: RDKafkaErrorCode) -> Result<(), RangeError> {
        self.complaint = Some(code);
        let is_open = |(_, part): &(u32, &Part)| !part.done;
        let at = self.each_part().filter(is_open).map(|(number, part)| (number, part.next));
        let at = at.collect();
        let mut probed = probe(&self.config, &self.topic, &at, PATIENCE_ASIDE)
            .map_err(|error| self.kafka(error))?;
        probed.blame_the_open(&at);
        if let Some((partition, trouble)) = probed.troubled.into_iter().next() {
            let topic = self.topic.as_str().into();
            let troubled = TroubledPartition { topic, partition, trouble };
            return Err(RangeError::Trouble(Box::new(troubled)));
        }
        self.assign()
    }

    fn kafka(&self, source: KafkaError) -> RangeError {
        RangeError::Kafka { topic: self.topic.clone(), source }
    }
}

#[cfg(test)]
mod tests;
