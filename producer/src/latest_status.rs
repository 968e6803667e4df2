//! The status that a kiosk last sent, read from `ikd.kiosk-status.v1`. It only reads, and one
//! partition: that of the kiosk's id.

use std::ops::Range;
use std::time::{Duration, Instant};

use laju_schemas::known::{ReadError, SchemaError};
use laju_schemas::partition::partition_for;
use laju_schemas::status::StatusReader;
use laju_schemas::topic::KIOSK_STATUS;
use laju_schemas::{KioskId, KioskStatus, TimestampMs};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use thiserror::Error;

use laju_kafka::connection::ask::{is_passing, patiently};
use laju_kafka::connection::{BrokerEvents, Connection, ConnectionError};
use laju_kafka::registry::{Registry, RegistryError};

/// How long one look at the topic waits before it is seen whether the time is over.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// How long is waited before a schema that the registry does not have is asked for again.
const REGISTRY_RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// How many offsets are looked through at a time, at first: about what some hundred kiosks say in
/// some minutes. Twice as many each time as long as that is quick.
const FIRST_STRETCH_OFFSETS: i64 = 1_000;
const LONGEST_STRETCH_OFFSETS: i64 = 1 << 17;
/// A stretch that took less was quick, and one that took more is too long for this connection.
const QUICK_STRETCH: Duration = Duration::from_secs(2);
const SLOW_STRETCH: Duration = Duration::from_secs(5);

/// A status, and when it was recorded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LatestStatus {
    /// The status.
    pub status: KioskStatus,
    /// The record's timestamp; the broker's, as the topic should be made.
    pub recorded_at: Option<TimestampMs>,
}

/// Why it is not known which status a kiosk sent last.
#[derive(Debug, Error)]
pub enum StatusReadError {
    /// No broker answers, or none sends records. It may be tried again.
    #[error("{topic} could not be read: no answer within {} s{}", .patience.as_secs(), .why.as_deref().map(|why| format!(": {why}")).unwrap_or_default())]
    Away {
        /// The topic.
        topic: String,
        /// How long it was tried.
        patience: Duration,
        /// What the brokers said last.
        why: Option<String>,
    },
    /// The brokers answer, but the topic is long or they are slow. The next look goes on.
    #[error("{topic} has not been looked through in the time there was: {left} offsets are left")]
    Unfinished {
        /// The topic.
        topic: String,
        /// How many offsets are left.
        left: i64,
    },
    /// This user may not read the topic.
    #[error("this user may not read {topic}: allow it Describe and Read there ({source})")]
    NotAllowed {
        /// The topic.
        topic: String,
        /// What the broker said.
        source: KafkaError,
    },
    /// There is no such topic.
    #[error("there is no topic {0}: make it with `laju topics create`")]
    NoTopic(String),
    /// The connection's settings.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The registry does not answer. It may be tried again.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The program's own schemas cannot be read: a fault of the program.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// Kafka refuses for another reason.
    #[error("{topic} cannot be read: {source}")]
    Kafka {
        /// The topic.
        topic: String,
        /// What it said.
        source: KafkaError,
    },
}

impl StatusReadError {
    /// Whether it may be known a little later, without anybody doing anything.
    #[must_use]
    pub fn passes(&self) -> bool {
        match self {
            Self::Away { .. }
            | Self::Unfinished { .. }
            | Self::Registry(_)
            // A broker that has just come back does not know all topics.
            | Self::NoTopic(_) => true,
            Self::NotAllowed { .. }
            | Self::Connection(_)
            | Self::Schema(_)
            | Self::Kafka { .. } => false,
        }
    }

    /// Whether a broker has answered, if only that it cannot say it now.
    #[must_use]
    pub fn is_answer(&self) -> bool {
        !matches!(self, Self::Away { .. } | Self::Registry(_))
    }
}

/// How long one look at the topic may take.
#[derive(Clone, Copy, Debug)]
pub struct ReadTimeouts {
    /// How long it waits for a broker's answer, or for the next record.
    pub idle: Duration,
    /// From when on it begins nothing more, though the brokers answer.
    pub total: Duration,
    /// How long a schema is asked for that the registry says it does not have.
    pub schema: Duration,
}

/// The search for a kiosk's latest status: from the topic's end backwards, some records at a time,
/// because it was sent a short while ago or never. What was looked through in vain need not be
/// looked through again: see [`StatusSearch::look`].
#[derive(Debug)]
pub struct StatusSearch {
    connection: Connection,
    kiosk: KioskId,
    /// From here on it has no status, once something was looked through.
    left: Option<i64>,
    /// So many offsets are looked through next.
    stretch: i64,
}

impl StatusSearch {
    /// For the latest status of a kiosk.
    #[must_use]
    pub fn new(connection: Connection, kiosk: KioskId) -> Self {
        Self { connection, kiosk, left: None, stretch: FIRST_STRETCH_OFFSETS }
    }

    /// What the kiosk last said, if it ever did, as of the first look. It blocks: as long as
    /// records come no longer than `timeouts` say, and it always gets a step further. One that
    /// fails for want of time is gone on with by the next.
    ///
    /// # Errors
    /// If the topic cannot be read, in time or at all.
    pub fn look(
        &mut self,
        timeouts: ReadTimeouts,
    ) -> Result<Option<LatestStatus>, StatusReadError> {
        let until = Instant::now() + timeouts.total;
        let mut topic = StatusTopic::open(&self.connection, timeouts)?;
        let partition = topic.partition_of(&self.kiosk)?;
        let (low, high) = topic.watermarks(partition)?;
        // A topic that was made again ends earlier.
        let mut end = self.left.filter(|left| *left <= high).unwrap_or(high);
        while end > low {
            let began = Instant::now();
            let start = end.saturating_sub(self.stretch).max(low);
            if let Some(latest) = topic.last_within(partition, start..end, &self.kiosk, until)? {
                return Ok(latest);
            }
            self.left = Some(start);
            end = start;
            if began.elapsed() < QUICK_STRETCH {
                self.stretch = (self.stretch * 2).min(LONGEST_STRETCH_OFFSETS);
            } else if began.elapsed() > SLOW_STRETCH {
                self.stretch = (self.stretch / 2).max(FIRST_STRETCH_OFFSETS);
            }
            if end > low && Instant::now() > until {
                let left = end.saturating_sub(low);
                return Err(StatusReadError::Unfinished { topic: topic.name, left });
            }
        }
        Ok(None)
    }
}

/// The topic, as one look reads it.
struct StatusTopic {
    name: String,
    consumer: BaseConsumer<BrokerEvents>,
    events: BrokerEvents,
    reader: StatusReader,
    registry: Option<Registry>,
    timeouts: ReadTimeouts,
}

impl StatusTopic {
    fn open(connection: &Connection, timeouts: ReadTimeouts) -> Result<Self, StatusReadError> {
        let mut config = connection.client_config()?;
        config
            .set("group.id", "laju-kiosk-last-word")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            // The end of a stretch may be the end of the topic, found by an answer without records.
            .set("fetch.wait.max.ms", "50")
            // What follows a stretch is fetched in vain.
            .set("max.partition.fetch.bytes", "262144")
            .set("auto.offset.reset", "earliest");
        let events = BrokerEvents::default();
        let consumer = config
            .create_with_context(events.clone())
            .map_err(|error| ConnectionError::refused(&error))?;
        Ok(Self {
            name: connection.topic(&KIOSK_STATUS),
            consumer,
            events,
            reader: StatusReader::new()?,
            registry: connection.registry_client()?,
            timeouts,
        })
    }

    fn failed(&self, source: KafkaError) -> StatusReadError {
        let topic = self.name.clone();
        match source.rdkafka_error_code() {
            Some(Code::TopicAuthorizationFailed) => StatusReadError::NotAllowed { topic, source },
            Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownPartition) => {
                StatusReadError::NoTopic(topic)
            }
            _ if is_for_now(&source) => self.away(),
            _ => StatusReadError::Kafka { topic, source },
        }
    }

    fn away(&self) -> StatusReadError {
        StatusReadError::Away {
            topic: self.name.clone(),
            patience: self.timeouts.idle,
            why: self.events.last_error(),
        }
    }

    /// The partition that a kiosk speaks on.
    fn partition_of(&self, kiosk: &KioskId) -> Result<i32, StatusReadError> {
        let asked = patiently(self.timeouts.idle, |time| {
            let metadata = self.consumer.fetch_metadata(Some(&self.name), time)?;
            let found = metadata.topics().iter().find(|found| found.name() == self.name);
            if let Some(code) = found.and_then(|found| found.error()) {
                return Err(KafkaError::MetadataFetch(code.into()));
            }
            match found.map_or(0, |found| found.partitions().len()) {
                0 => Err(KafkaError::MetadataFetch(Code::UnknownTopicOrPartition)),
                count => Ok(count),
            }
        });
        let count = u32::try_from(asked.map_err(|error| self.failed(error))?).unwrap_or(u32::MAX);
        Ok(i32::try_from(partition_for(kiosk.as_str().as_bytes(), count)).unwrap_or(0))
    }

    /// The first offset and the one behind the last.
    fn watermarks(&self, partition: i32) -> Result<(i64, i64), StatusReadError> {
        patiently(self.timeouts.idle, |time| {
            self.consumer.fetch_watermarks(&self.name, partition, time)
        })
        .map_err(|error| self.failed(error))
    }

    /// What the kiosk said last within these offsets: nothing, if that was deleted; `None` if it
    /// said nothing there.
    fn last_within(
        &mut self,
        partition: i32,
        offsets: Range<i64>,
        kiosk: &KioskId,
        until: Instant,
    ) -> Result<Option<Option<LatestStatus>>, StatusReadError> {
        let mut assignment = TopicPartitionList::new();
        assignment
            .add_partition_offset(&self.name, partition, Offset::Offset(offsets.start))
            .and_then(|()| self.consumer.assign(&assignment))
            .map_err(|error| self.failed(error))?;
        let mut last = None;
        let mut heard = Instant::now();
        loop {
            if heard.elapsed() > self.timeouts.idle {
                return Err(self.away());
            }
            if Instant::now() > until + self.timeouts.idle {
                let left = offsets.end;
                return Err(StatusReadError::Unfinished { topic: self.name.clone(), left });
            }
            let message = match self.consumer.poll(POLL_TIMEOUT) {
                None => continue,
                Some(Ok(message)) => message,
                Some(Err(KafkaError::PartitionEOF(_))) => return Ok(last),
                Some(Err(error)) if is_for_now(&error) => continue,
                Some(Err(error)) => return Err(self.failed(error)),
            };
            heard = Instant::now();
            // Compaction leaves gaps: the stretch ends with whatever lies behind it.
            if message.offset() >= offsets.end {
                return Ok(last);
            }
            if message.key() == Some(kiosk.as_str().as_bytes()) {
                let recorded_at = message.timestamp().to_millis().map(TimestampMs);
                // A status that nobody can read is none; one that was deleted is none any more.
                match message.payload() {
                    None => last = Some(None),
                    Some(value) => {
                        let registry = self.registry.as_ref();
                        let status = read(&mut self.reader, registry, value, self.timeouts.schema)?;
                        last = status
                            .map(|status| Some(LatestStatus { status, recorded_at }))
                            .or(last);
                    }
                }
            }
            if message.offset() + 1 >= offsets.end {
                return Ok(last);
            }
        }
    }
}

fn read(
    reader: &mut StatusReader,
    registry: Option<&Registry>,
    value: &[u8],
    patience: Duration,
) -> Result<Option<KioskStatus>, RegistryError> {
    if let (Err(ReadError::Unlearned(id)), Some(registry)) = (reader.read(value), registry) {
        let until = Instant::now() + patience;
        let mut avsc = registry.schema(id)?;
        // Some registries say so for seconds after a schema was registered.
        while avsc.is_none() && Instant::now() < until {
            std::thread::sleep(REGISTRY_RETRY_INTERVAL);
            avsc = registry.schema(id)?;
        }
        reader.learn(id, avsc.as_deref());
    }
    Ok(reader.read(value).ok())
}

/// Errors after which librdkafka goes on by itself, and those that time mends.
fn is_for_now(error: &KafkaError) -> bool {
    // The group is never joined, so it does not matter whether we might.
    error
        .rdkafka_error_code()
        .is_some_and(|code| is_passing(code) || code == Code::GroupAuthorizationFailed)
}
