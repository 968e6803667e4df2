//! Reads the whole of a topic, from its first record, and may then go on following it: the
//! reference figures, the kiosks' statuses, whatever every node reads for itself.
//!
//! It joins no group and commits nothing. It does not know what the records say.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use laju_kafka::connection::BrokerEvents;
use laju_kafka::connection::ask::{patiently, whole};
use rdkafka::config::{ClientConfig, FromClientConfigAndContext};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message};
use rdkafka::{Offset, TopicPartitionList};
use thiserror::Error;

use super::ask::is_there;
use super::fetch_error;
use super::headers;
use super::probe::{PATIENCE_ASIDE, probe};
use super::topic_id::{Lookout, TopicChange};
use crate::domain::trouble::{Trouble, TroubledPartition};

/// How long a call of librdkafka may keep us from looking at `stop`.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// librdkafka assigns partitions only to clients that name a group. This one is never joined.
const GROUP: &str = "laju-tail";

/// Why a topic cannot be read.
#[derive(Debug, Error)]
pub enum TailError {
    /// The cluster has no such topic, or none that this user may see.
    #[error(
        "there is no topic {0} that this user may see: make the topics with `laju topics create`, or check --topic-prefix and the user's rights"
    )]
    Missing(String),
    /// The user may not read it.
    #[error(
        "the Kafka user lacks the right to Read on the topic {0}: who administers the cluster gives it with `kafka-acls --bootstrap-server … --add --allow-principal User:NAME --operation Read --topic {0}` (consumer/docs/rights.md lists what each program needs)"
    )]
    Forbidden(String),
    /// The topic changed under us: what was to be read next is gone.
    #[error(
        "{topic}: what was to be read next is gone ({reason}); was the topic made anew or cut off? Start again to read it from its beginning"
    )]
    Gone {
        /// The topic.
        topic: String,
        /// What librdkafka says.
        reason: String,
    },
    /// It is not the topic any more that was being read.
    #[error("{topic}: {change}; it has to be read again from its beginning")]
    Changed {
        /// The topic.
        topic: String,
        /// What became of it.
        change: TopicChange,
    },
    /// Nothing more came although there is more.
    #[error(
        "{topic}: nothing came for {seconds} s, but partition {partition} goes up to offset {end} and was read up to {next}: {reason}"
    )]
    Stalled {
        /// The topic.
        topic: String,
        /// How long was waited.
        seconds: u64,
        /// A partition that was not read to its end.
        partition: i32,
        /// Where it was read to.
        next: i64,
        /// Where it ends.
        end: i64,
        /// The last error of the client.
        reason: String,
    },
    /// The brokers did not answer a question.
    #[error("the brokers did not say how far {topic} goes: {reason}")]
    NoAnswer {
        /// The topic.
        topic: String,
        /// The last error of the client.
        reason: String,
    },
    /// A partition stands still, and time alone does not mend it.
    #[error("{0}")]
    Trouble(Box<TroubledPartition>),
    /// Not one that time mends.
    #[error("reading {topic}: {source}")]
    Kafka {
        /// The topic.
        topic: String,
        /// What librdkafka says.
        source: KafkaError,
    },
}

/// A record of the topic. It lives until the callback returns.
#[derive(Clone, Copy, Debug)]
pub struct TailRecord<'a>(&'a BorrowedMessage<'a>);

impl<'a> TailRecord<'a> {
    /// Its partition.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.0.partition()
    }

    /// Its offset.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.0.offset()
    }

    /// Its timestamp in milliseconds since 1970; 0 if it has none.
    #[must_use]
    pub fn timestamp_ms(&self) -> i64 {
        self.0.timestamp().to_millis().unwrap_or(0)
    }

    /// Its key, if it has one.
    #[must_use]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.0.key()
    }

    /// Its value; `None` for a tombstone.
    #[must_use]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.0.payload()
    }

    /// Its headers, in order.
    #[must_use]
    pub fn headers(&self) -> Vec<(String, Option<Vec<u8>>)> {
        headers::owned(self.0)
    }
}

/// What a tail has to tell.
#[derive(Clone, Copy, Debug)]
pub enum Tailed<'a> {
    /// The next record of its partition.
    Record(TailRecord<'a>),
    /// All that was there when the tail was opened has been handed over. Told once.
    CaughtUp,
}

struct Partition {
    /// The offset after the last record handed over.
    next: i64,
    /// Where the partition ended when the tail was opened.
    end: i64,
    /// Whether everything before `end` has been handed over.
    reached: bool,
    /// Whether a record or the end of it came.
    read: bool,
}

/// A topic being read from its beginning, by one thread.
pub struct Tail {
    consumer: Arc<BaseConsumer<BrokerEvents>>,
    lookout: Lookout<BrokerEvents>,
    /// How a client that reads is configured: for finding out which partition an error is of.
    config: ClientConfig,
    topic: String,
    partitions: Vec<Partition>,
    told: bool,
}

impl Tail {
    /// Opens a topic at the first record of every partition, and notes where each ends now.
    ///
    /// `config` is what the connection gives every client.
    ///
    /// # Errors
    /// If there is no such topic, or no answer within `timeout`: the brokers are asked again
    /// meanwhile.
    pub fn open(config: &ClientConfig, topic: &str, timeout: Duration) -> Result<Self, TailError> {
        let kafka = |source| TailError::Kafka { topic: topic.to_owned(), source };
        let mut config = config.clone();
        config
            .set("group.id", GROUP)
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false")
            // The end is reported by the partition and not by its last record: behind that there may
            // be nothing but the marks of transactions and what compaction has left.
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            .set("allow.auto.create.topics", "false")
            .set("fetch.wait.max.ms", "100");
        let events = BrokerEvents::default();
        let consumer: BaseConsumer<BrokerEvents> =
            BaseConsumer::from_config_and_context(&config, events.clone()).map_err(kafka)?;
        let no_answer = |error: KafkaError| TailError::NoAnswer {
            topic: topic.to_owned(),
            reason: events.last_error().unwrap_or_else(|| error.to_string()),
        };

        let count = patiently(timeout, |timeout| {
            // Asked for by name, some brokers would make it.
            let metadata = consumer.fetch_metadata(None, timeout)?;
            let known = metadata.topics().iter().find(|known| known.name() == topic);
            let error = known.and_then(|known| known.error()).map(RDKafkaErrorCode::from);
            let error = error.map(|code| Err(KafkaError::MetadataFetch(code)));
            whole(known.map_or(0, |topic| topic.partitions().len()), error.into_iter())
        });
        let count = count.map_err(no_answer)?;
        if count == 0 {
            return Err(TailError::Missing(topic.to_owned()));
        }

        let consumer = Arc::new(consumer);
        // Before the first record: whatever is read is of this one, or the next look says so.
        let lookout = Lookout::new(&consumer, topic, u32::try_from(count).unwrap_or(u32::MAX));
        let mut partitions = Vec::with_capacity(count);
        let mut assignment = TopicPartitionList::with_capacity(count);
        for number in 0..i32::try_from(count).unwrap_or(i32::MAX) {
            // Before the assignment: what is fetched afterwards goes at least as far.
            let (low, end) =
                patiently(timeout, |timeout| consumer.fetch_watermarks(topic, number, timeout))
                    .map_err(no_answer)?;
            partitions.push(Partition { next: low, end, reached: low >= end, read: false });
            assignment.add_partition_offset(topic, number, Offset::Beginning).map_err(kafka)?;
        }
        consumer.assign(&assignment).map_err(kafka)?;
        let topic = topic.to_owned();
        Ok(Self { consumer, lookout, config, topic, partitions, told: false })
    }

    /// The topic's full name.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// Of every partition the offset after the last record handed over (before the first one, that
    /// of the partition's first record).
    pub fn next_offsets(&self) -> impl Iterator<Item = i64> {
        self.partitions.iter().map(|partition| partition.next)
    }

    /// Of every partition where it ended when the tail was opened.
    pub fn end_offsets(&self) -> impl Iterator<Item = i64> {
        self.partitions.iter().map(|partition| partition.end)
    }

    /// Whether all that was there when the tail was opened has been handed over.
    #[must_use]
    pub fn has_caught_up(&self) -> bool {
        self.partitions.iter().all(|partition| partition.reached)
    }

    /// Hands over one piece of news, waiting for it no longer than `wait`; false if there was none.
    ///
    /// # Errors
    /// Those that time does not mend. While brokers are away there is just no news.
    pub fn poll(
        &mut self,
        wait: Duration,
        each: impl FnOnce(Tailed<'_>),
    ) -> Result<bool, TailError> {
        if let Some(change) = self.lookout.look() {
            return Err(TailError::Changed { topic: self.topic.clone(), change });
        }
        if !self.told && self.has_caught_up() {
            self.told = true;
            each(Tailed::CaughtUp);
            return Ok(true);
        }
        match self.consumer.poll(wait) {
            None => Ok(false),
            Some(Ok(message)) => {
                each(Tailed::Record(TailRecord(&message)));
                let (partition, next) = (message.partition(), message.offset() + 1);
                if let Some(partition) = at(&mut self.partitions, partition) {
                    partition.next = next;
                    partition.read = true;
                    partition.reached |= next >= partition.end;
                }
                Ok(true)
            }
            Some(Err(KafkaError::PartitionEOF(number))) => {
                if let Some(partition) = at(&mut self.partitions, number) {
                    partition.reached = true;
                    partition.read = true;
                }
                Ok(false)
            }
            Some(Err(error)) => self.judge(error).map(|()| false),
        }
    }

    /// Hands over everything that was there when the tail was opened, then returns.
    ///
    /// # Errors
    /// If nothing comes for `patience` although there is more, or reading fails for good.
    pub fn read_to_end(
        &mut self,
        patience: Duration,
        mut each: impl FnMut(TailRecord<'_>),
    ) -> Result<(), TailError> {
        let mut last = Instant::now();
        while !self.has_caught_up() {
            let news = self.poll(POLL_TIMEOUT, |tailed| {
                if let Tailed::Record(record) = tailed {
                    each(record);
                }
            })?;
            if news {
                last = Instant::now();
            } else if last.elapsed() >= patience && !self.has_caught_up() {
                return Err(self.stalled(patience));
            }
        }
        Ok(())
    }

    /// Hands over everything there is and everything that comes, until `stop` is set or the
    /// callback breaks off; then returns within a fraction of a second.
    ///
    /// # Errors
    /// If reading fails for good. Brokers that are away are waited for.
    pub fn follow(
        &mut self,
        stop: &AtomicBool,
        mut each: impl FnMut(Tailed<'_>) -> ControlFlow<()>,
    ) -> Result<(), TailError> {
        while !stop.load(Ordering::Relaxed) {
            let mut flow = ControlFlow::Continue(());
            self.poll(POLL_TIMEOUT, |tailed| flow = each(tailed))?;
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    /// Whether an error is one that time mends: librdkafka goes on trying by itself.
    fn judge(&self, error: KafkaError) -> Result<(), TailError> {
        use RDKafkaErrorCode as Code;
        let topic = self.topic.clone();
        match error {
            KafkaError::MessageConsumption(code) => match code {
                Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
                    match is_there(&self.consumer, &topic) {
                        true => Ok(()),
                        false => Err(TailError::Missing(topic)),
                    }
                }
                Code::TopicAuthorizationFailed if !self.has_read() => {
                    Err(TailError::Forbidden(topic))
                }
                Code::TopicAuthorizationFailed => {
                    let next = self.partitions.first().map_or(0, |partition| partition.next);
                    Err(self.troubled(0, fetch_error::unauthorized(next)))
                }
                code if fetch_error::is_of_records(code) => self.examine(),
                Code::AutoOffsetReset | Code::OffsetOutOfRange => {
                    Err(TailError::Gone { topic, reason: code.to_string() })
                }
                // The group is never joined, so it does not matter whether we might.
                Code::GroupAuthorizationFailed | Code::CoordinatorNotAvailable => Ok(()),
                _ => {
                    tracing::debug!(topic, %code, "reading goes on after an error");
                    Ok(())
                }
            },
            source => Err(TailError::Kafka { topic, source }),
        }
    }

    /// Whether anything was handed over, or an end was seen.
    fn has_read(&self) -> bool {
        self.partitions.iter().any(|partition| partition.read)
    }

    /// An error came that may be one of records: tells of a partition that has it. If none has it
    /// any more, all are read again from where we stand, because the client may have gone on behind
    /// what it could not read.
    fn examine(&self) -> Result<(), TailError> {
        let kafka = |source| TailError::Kafka { topic: self.topic.clone(), source };
        let at = (0..).zip(&self.partitions).map(|(number, part)| (number, part.next)).collect();
        let mut probed = probe(&self.config, &self.topic, &at, PATIENCE_ASIDE).map_err(kafka)?;
        probed.blame_the_open(&at);
        if let Some((partition, trouble)) = probed.troubled.into_iter().next() {
            return Err(self.troubled(partition, trouble));
        }
        let mut assignment = TopicPartitionList::new();
        for (number, part) in (0..).zip(&self.partitions) {
            let next = Offset::Offset(part.next);
            assignment.add_partition_offset(&self.topic, number, next).map_err(kafka)?;
        }
        self.consumer.assign(&assignment).map_err(kafka)
    }

    fn troubled(&self, partition: u32, trouble: Trouble) -> TailError {
        let topic = self.topic.as_str().into();
        TailError::Trouble(Box::new(TroubledPartition { topic, partition, trouble }))
    }

    fn stalled(&self, patience: Duration) -> TailError {
        let late = self.partitions.iter().enumerate().find(|(_, p)| !p.reached);
        let (number, next, end) = late.map_or((0, 0, 0), |(n, p)| (n as i32, p.next, p.end));
        TailError::Stalled {
            topic: self.topic.clone(),
            seconds: patience.as_secs(),
            partition: number,
            next,
            end,
            reason: self
                .consumer
                .context()
                .last_error()
                .unwrap_or_else(|| "the brokers gave no reason".to_owned()),
        }
    }
}

fn at(partitions: &mut [Partition], number: i32) -> Option<&mut Partition> {
    partitions.get_mut(usize::try_from(number).ok()?)
}

#[cfg(test)]
mod tests;
