//! The fold of exactly the records before given offsets, in memory and from nothing but Kafka: for
//! those who hold a figure against its log. The same judge and the same fold as a worker's; no
//! store, no group, nothing committed.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use laju_producer::connection::{Connection, ConnectionError};
use laju_producer::registry::{Registry, RegistryError};
use laju_schemas::known::{EventReader, SchemaError};
use laju_schemas::topic::{EVENTS, REFERENCE};
use rdkafka::message::{BorrowedMessage, Message as _};
use thiserror::Error;

use super::headers;
use super::range::{Order, PATIENCE, Polled, Range, RangeError, RangeReader};
use super::reference::ReferenceFeed;
use super::tail::{Tail, TailError};
use crate::domain::admission::{Verdict, clamp_timestamp, judge};
use crate::domain::reference::ReferenceBook;
use crate::projection::partition::{Claims, PartitionState, RecordMark};
use crate::projection::snapshot::{PartitionView, Snapshot};

/// How long a question to the brokers may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long a call of the reader may wait for records.
const SLICE: Duration = Duration::from_millis(100);
/// Records of a partition between two commits to memory: what a commit holds is freed by it.
const COMMIT_EVERY: u64 = 10_000;

/// Why a log cannot be folded up to given offsets.
#[derive(Debug, Error)]
pub enum RecomputeError {
    /// The log is not there up to its offsets, or cannot be read.
    #[error(transparent)]
    Range(#[from] RangeError),
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
}

/// A partition on its way to its offset.
struct Part {
    state: PartitionState,
    view: PartitionView,
    uncommitted: u64,
}

impl Part {
    fn new(partition: u32) -> Self {
        let (state, view) = (PartitionState::new(partition), PartitionView::empty(partition));
        Self { state, view, uncommitted: 0 }
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
        parts: offsets.keys().map(|&number| (number, Part::new(number))).collect(),
    };
    let whole = |(&partition, &to): (&u32, &i64)| (partition, Range { from: 0, to });
    let ranges = offsets.iter().map(whole).collect();
    let mut log = RangeReader::open(connection, &topic, &ranges, Order::Together)?;
    let mut records = 0;
    loop {
        let polled = log.poll(SLICE, |message| {
            fold.take(message, message.partition() as u32)?;
            Ok::<_, RecomputeError>(ControlFlow::Continue(()))
        })?;
        match polled {
            Polled::Records(more) => {
                records += more as u64;
                told(records);
            }
            Polled::Idle => {}
            Polled::Done => break,
        }
    }
    let views = fold.parts.into_iter().map(|(number, mut part)| {
        part.commit();
        (number, Arc::new(part.view))
    });
    Ok(Snapshot { partitions: views.collect() })
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
        return Err(RangeError::Cut { topic, partition: 0, low, from: 0 }.into());
    }
    if end < next_offset {
        return Err(RangeError::Short { topic, partition: 0, end, wanted: next_offset }.into());
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
