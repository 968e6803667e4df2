//! The fold of exactly the records before given offsets, in memory and from nothing but Kafka: for
//! those who hold a figure against its log. The same judge and the same fold as a worker's; no
//! store, no group, nothing committed.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use laju_producer::connection::{BrokerEvents, Connection, ConnectionError};
use laju_producer::registry::{Registry, RegistryError};
use laju_schemas::known::{EventReader, SchemaError};
use laju_schemas::topic::{EVENTS, REFERENCE};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use thiserror::Error;

use super::headers;
use super::reference::ReferenceFeed;
use super::tail::{Tail, TailError};
use super::worker::reading;
use crate::domain::admission::{Verdict, clamp_timestamp, judge};
use crate::domain::reference::ReferenceBook;
use crate::projection::partition::{Claims, PartitionState, RecordMark};
use crate::projection::snapshot::{PartitionView, Snapshot};

/// librdkafka assigns partitions only to clients that name a group. This one is never joined.
const GROUP: &str = "laju-recompute";
/// How long a question to the brokers may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long nothing may come although there is more.
const PATIENCE: Duration = Duration::from_secs(60);
const SLICE: Duration = Duration::from_millis(100);
/// Records of a partition between two commits to memory: what a commit holds is freed by it.
const COMMIT_EVERY: u64 = 10_000;
/// Records between two words on how far it is.
const TELL_EVERY: u64 = 4_096;

/// Why a log cannot be folded up to given offsets.
#[derive(Debug, Error)]
pub enum RecomputeError {
    /// Kafka cannot be reached.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// A schema cannot be used.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A topic that every node reads.
    #[error(transparent)]
    Tail(#[from] TailError),
    /// A schema is asked for, and the registry does not answer.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// librdkafka says no.
    #[error("Kafka's client: {0}")]
    Kafka(#[from] KafkaError),
    /// The beginning of the log is gone.
    #[error(
        "the log is cut: partition {partition} of {topic} begins at offset {low}, so that what was counted first is gone"
    )]
    Cut {
        /// The topic.
        topic: String,
        /// The partition.
        partition: u32,
        /// Its first offset.
        low: i64,
    },
    /// The log ends too early.
    #[error(
        "partition {partition} of {topic} ends at offset {end}, but the figure goes up to {wanted}: was the topic made anew?"
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
    /// Nothing came for a while although there is more.
    #[error("nothing came of {topic} for {seconds} s, although there is more: {reason}")]
    Stalled {
        /// The topic.
        topic: String,
        /// How long was waited.
        seconds: u64,
        /// What the client last said of the brokers.
        reason: String,
    },
}

/// A partition on its way to its offset.
struct Part {
    wanted: i64,
    state: PartitionState,
    view: PartitionView,
    uncommitted: u64,
}

impl Part {
    fn new(partition: u32, wanted: i64) -> Self {
        let (state, view) = (PartitionState::new(partition), PartitionView::empty(partition));
        Self { wanted, state, view, uncommitted: 0 }
    }

    fn commit(&mut self) {
        self.uncommitted = 0;
        if let Some(commit) = self.state.take_commit() {
            self.view = self.view.after_unstored(commit);
        }
    }
}

/// Folds every partition of the events topic up to its offset: the state that a worker has after
/// exactly these records. `schemas` are texts of further versions of the schema, as a worker has
/// them; `told` is called now and then with how many records have been read.
///
/// # Errors
/// If the log does not go that far, or cannot be read.
pub fn events_until(
    connection: &Connection,
    offsets: &BTreeMap<u32, i64>,
    schemas: &[String],
    told: &mut dyn FnMut(u64),
) -> Result<Snapshot, RecomputeError> {
    let topic = connection.topic(&EVENTS);
    let mut fold = Fold {
        reader: EventReader::new(schemas)?,
        registry: connection.registry.as_deref().map(Registry::new),
        partitions: u32::try_from(offsets.len()).unwrap_or(u32::MAX),
        parts: offsets
            .iter()
            .map(|(&number, &wanted)| (number, Part::new(number, wanted)))
            .collect(),
    };
    let consumer = assigned(connection, &topic, offsets)?;
    let mut open = offsets.values().filter(|wanted| **wanted > 0).count();
    let (mut records, mut last) = (0, Instant::now());
    while open > 0 {
        let message = match consumer.poll(SLICE) {
            Some(Ok(message)) => message,
            Some(Err(KafkaError::PartitionEOF(number))) => {
                // What is left before the offset are marks of transactions.
                let partition = u32::try_from(number).unwrap_or(u32::MAX);
                open -= usize::from(fold.finish(partition));
                continue;
            }
            Some(Err(error)) => {
                judge_error(&topic, error)?;
                continue;
            }
            None if last.elapsed() < PATIENCE => continue,
            None => {
                let reason = consumer.context().last_error();
                let reason = reason.unwrap_or_else(|| "the brokers gave no reason".to_owned());
                return Err(RecomputeError::Stalled { topic, seconds: PATIENCE.as_secs(), reason });
            }
        };
        last = Instant::now();
        let partition = u32::try_from(message.partition()).unwrap_or(u32::MAX);
        let Some(wanted) = fold.parts.get(&partition).map(|part| part.wanted) else { continue };
        if message.offset() < wanted {
            fold.take(&message, partition)?;
            records += 1;
            if records % TELL_EVERY == 0 {
                told(records);
            }
        }
        if message.offset() + 1 >= wanted && fold.finish(partition) {
            open -= 1;
            let mut done = TopicPartitionList::new();
            done.add_partition(&topic, message.partition());
            consumer.pause(&done)?;
        }
    }
    told(records);
    let views = fold.parts.into_iter().map(|(number, part)| (number, Arc::new(part.view)));
    Ok(Snapshot { partitions: views.collect() })
}

/// A consumer at the first record of every partition that is needed.
fn assigned(
    connection: &Connection,
    topic: &str,
    offsets: &BTreeMap<u32, i64>,
) -> Result<BaseConsumer<BrokerEvents>, RecomputeError> {
    let mut config = reading(connection)?;
    config.set("group.id", GROUP).set("allow.auto.create.topics", "false");
    let consumer = BaseConsumer::from_config_and_context(&config, BrokerEvents::default())?;
    let mut assignment = TopicPartitionList::new();
    for (&partition, &wanted) in offsets.iter().filter(|(_, wanted)| **wanted > 0) {
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        let (low, end) = consumer.fetch_watermarks(topic, number, TIMEOUT)?;
        if low > 0 {
            return Err(RecomputeError::Cut { topic: topic.to_owned(), partition, low });
        }
        if end < wanted {
            return Err(RecomputeError::Short { topic: topic.to_owned(), partition, end, wanted });
        }
        assignment.add_partition_offset(topic, number, Offset::Offset(0))?;
    }
    consumer.assign(&assignment)?;
    Ok(consumer)
}

/// Whether an error is one that time mends: librdkafka goes on trying by itself.
fn judge_error(topic: &str, error: KafkaError) -> Result<(), RecomputeError> {
    use RDKafkaErrorCode as Code;
    match error {
        KafkaError::MessageConsumption(
            Code::AutoOffsetReset
            | Code::OffsetOutOfRange
            | Code::UnknownTopic
            | Code::UnknownTopicOrPartition
            | Code::UnknownPartition
            | Code::TopicAuthorizationFailed,
        ) => Err(error.into()),
        KafkaError::MessageConsumption(code) => {
            tracing::debug!(topic, %code, "reading goes on after an error");
            Ok(())
        }
        error => Err(error.into()),
    }
}

struct Fold {
    reader: EventReader,
    registry: Option<Registry>,
    /// How many the topic has, which says where a key belongs.
    partitions: u32,
    parts: BTreeMap<u32, Part>,
}

impl Fold {
    fn take(
        &mut self,
        message: &BorrowedMessage<'_>,
        partition: u32,
    ) -> Result<(), RecomputeError> {
        let (key, value) = (message.key(), message.payload());
        let mark = RecordMark {
            offset: message.offset(),
            timestamp: message.timestamp().to_millis().unwrap_or(-1),
            digest: RecordMark::digest(key, value),
        };
        let timestamp = clamp_timestamp(mark.timestamp);
        let Some(part) = self.parts.get_mut(&partition) else { return Ok(()) };
        loop {
            match judge(&mut self.reader, key, value, partition, self.partitions, timestamp) {
                Verdict::Counted(mut event) => {
                    event.is_released = headers::is_released(message);
                    part.state.counted(mark, &event);
                }
                Verdict::Refused(refusal, raw) => {
                    part.state.refused(mark, &refusal, raw.as_ref().map(Claims::from).as_ref());
                }
                Verdict::NeedsSchema(id) => {
                    let avsc = match &self.registry {
                        Some(registry) => registry.schema(id)?,
                        None => None,
                    };
                    self.reader.book.learn(id, avsc.as_deref());
                    continue;
                }
            }
            break;
        }
        part.uncommitted += 1;
        if part.uncommitted >= COMMIT_EVERY {
            part.commit();
        }
        Ok(())
    }

    /// Ends a partition; false if it had ended before.
    fn finish(&mut self, partition: u32) -> bool {
        let Some(part) = self.parts.get_mut(&partition) else { return false };
        part.commit();
        // Nothing of it is wanted any more.
        std::mem::take(&mut part.wanted) > 0
    }
}

/// The reference figures before an offset.
///
/// # Errors
/// If the topic does not go that far, or cannot be read.
pub fn reference_until(
    connection: &Connection,
    next_offset: i64,
) -> Result<ReferenceBook, RecomputeError> {
    let topic = connection.topic(&REFERENCE);
    let mut book = ReferenceBook::default();
    if next_offset <= 0 {
        return Ok(book);
    }
    let mut tail = Tail::open(&connection.client_config()?, &topic, TIMEOUT)?;
    let (low, end) =
        (tail.next_offsets().max().unwrap_or(0), tail.end_offsets().max().unwrap_or(0));
    if low > 0 {
        return Err(RecomputeError::Cut { topic, partition: 0, low });
    }
    if end < next_offset {
        return Err(RecomputeError::Short { topic, partition: 0, end, wanted: next_offset });
    }
    let mut feed = ReferenceFeed::new(connection.registry.as_deref())?;
    let mut outage = None;
    tail.read_to_end(PATIENCE, |record| {
        if record.offset() < next_offset && outage.is_none() {
            outage = feed.add(&record, &mut book).err();
        }
    })?;
    outage.map_or(Ok(book), |error| Err(error.into()))
}
