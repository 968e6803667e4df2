//! The fold of exactly the records before given offsets, in memory and from nothing but Kafka: for
//! those who hold a figure against its log. The same judge and the same fold as a worker's; no
//! store, no group, nothing committed.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use laju_kafka::connection::ask::ASK_PATIENCE;
use laju_kafka::connection::{Connection, ConnectionError};
use laju_schemas::known::{EventReader, SchemaError};
use laju_schemas::quarantine::Origin;
use laju_schemas::topic::{EVENTS, REFERENCE};
use rdkafka::message::{BorrowedMessage, Message as _};
use thiserror::Error;

use super::headers::RecordHeaders as _;
use super::patient::{NotKnown, PatientRegistry};
use super::range::{Order, PATIENCE, Polled, Range, RangeError, RangeReader};
use super::reference::ReferenceFeed;
use super::tail::{Tail, TailError};
use super::verdicts::{self, Undecided, VerdictsError, verdicts_now};
use crate::domain::admission::{Verdict, clamp_timestamp, judge};
use crate::domain::decisions::DecisionBook;
use crate::domain::reference::ReferenceBook;
use crate::projection::partition::{PartitionCommit, PartitionState, RecordMark, UnverifiedFields};
use crate::projection::snapshot::{PartitionView, Snapshot};

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
    /// A schema is asked for, and the registry does not answer, or does not have it.
    #[error(transparent)]
    NotKnown(#[from] NotKnown),
    /// The verdicts that the fold follows.
    #[error(transparent)]
    Verdicts(#[from] VerdictsError),
    /// The registry does not have a record's schema, and nothing is written down about that.
    #[error(transparent)]
    Undecided(#[from] Undecided),
    /// The caller does not want it any more.
    #[error("interrupted")]
    Interrupted,
}

/// The records that are folded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LogPart {
    /// The topic's full name.
    pub topic: String,
    /// How many partitions it has, which says where a key belongs.
    pub partitions: u32,
    /// Of each partition that is folded, which records: from the first one on.
    pub ranges: BTreeMap<u32, Range>,
}

impl LogPart {
    /// The records of a topic before these offsets.
    #[must_use]
    pub fn until(topic: String, partitions: u32, offsets: &BTreeMap<u32, i64>) -> Self {
        let whole = |(&partition, &to): (&u32, &i64)| (partition, Range { from: 0, to });
        Self { topic, partitions, ranges: offsets.iter().map(whole).collect() }
    }

    /// How many offsets there are: at least as many as records.
    #[must_use]
    pub fn offsets(&self) -> u64 {
        self.ranges.values().map(|range| range.to.max(0) as u64).sum()
    }
}

/// A partition on its way to its offset.
struct Part {
    state: PartitionState,
    uncommitted: u64,
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
    let partitions = u32::try_from(offsets.len()).unwrap_or(u32::MAX);
    let log = LogPart::until(connection.topic(&EVENTS), partitions, offsets);
    let going_on = AtomicBool::new(false);
    snapshot_of(connection, &log, schemas, &going_on, &mut |records, _| told(records))
}

/// Folds a part of a log into the state that a worker has after exactly these records. `told` is
/// called now and then with how many records have been read, and how many offsets passed.
///
/// # Errors
/// If the log is not there, cannot be read, or `stop` is set.
pub fn snapshot_of(
    connection: &Connection,
    log: &LogPart,
    schemas: &[String],
    stop: &AtomicBool,
    told: &mut dyn FnMut(u64, u64),
) -> Result<Snapshot, RecomputeError> {
    let empty = |&partition: &u32| (partition, Arc::new(PartitionView::empty(partition)));
    let mut snapshot = Snapshot { partitions: log.ranges.keys().map(empty).collect() };
    commits_of(connection, log, schemas, COMMIT_EVERY, stop, told, &mut |commit| {
        if let Some(view) = snapshot.partitions.get_mut(&commit.partition) {
            *view = Arc::new(view.after_unstored(commit));
        }
    })?;
    Ok(snapshot)
}

/// Folds a part of a log, and hands over what each partition's fold has added, after every so many
/// of its records and at its end. After every one it says what each record has added.
///
/// # Errors
/// If the log is not there, cannot be read, or `stop` is set.
pub fn commits_of(
    connection: &Connection,
    log: &LogPart,
    schemas: &[String],
    every: u64,
    stop: &AtomicBool,
    told: &mut dyn FnMut(u64, u64),
    take: &mut dyn FnMut(PartitionCommit),
) -> Result<(), RecomputeError> {
    let begin = |&number: &u32| {
        let state = PartitionState::new(number);
        (number, Part { state, uncommitted: 0 })
    };
    let mut fold = Fold {
        reader: EventReader::new(schemas)?,
        registry: PatientRegistry::insisting(connection.registry_client()?),
        verdicts: verdicts_now(connection)?,
        partitions: log.partitions,
        parts: log.ranges.keys().map(begin).collect(),
        every,
    };
    let mut reader = RangeReader::open(connection, &log.topic, &log.ranges, Order::Together)?;
    let mut records = 0;
    loop {
        if stop.load(Ordering::Acquire) {
            return Err(RecomputeError::Interrupted);
        }
        let polled = reader.poll(SLICE, |message| {
            fold.take(message, message.partition() as u32, take)?;
            Ok::<_, RecomputeError>(ControlFlow::Continue(()))
        })?;
        match polled {
            Polled::Records(more) => {
                records += more as u64;
                told(records, reader.next_offsets().values().map(|at| (*at).max(0) as u64).sum());
            }
            Polled::Idle => {}
            Polled::Done => break,
        }
    }
    fold.parts.values_mut().filter_map(|part| part.state.take_commit()).for_each(take);
    Ok(())
}

struct Fold {
    reader: EventReader,
    registry: PatientRegistry,
    verdicts: DecisionBook,
    /// How many the topic has, which says where a key belongs.
    partitions: u32,
    parts: BTreeMap<u32, Part>,
    /// Records of a partition between two commits.
    every: u64,
}

impl Fold {
    fn take(
        &mut self,
        message: &BorrowedMessage<'_>,
        partition: u32,
        take: &mut dyn FnMut(PartitionCommit),
    ) -> Result<(), RecomputeError> {
        let (key, value) = (message.key(), message.payload());
        let mark = RecordMark {
            offset: message.offset(),
            timestamp: message.timestamp().to_millis().unwrap_or(-1),
            digest: RecordMark::digest(key, value),
        };
        let timestamp = clamp_timestamp(mark.timestamp);
        let Some(part) = self.parts.get_mut(&partition) else { return Ok(()) };
        let origin = Origin { partition, offset: mark.offset };
        loop {
            if let Some(refusal) = verdicts::refused(&self.verdicts, origin, value, message) {
                part.state.refused(mark, &refusal, None);
                break;
            }
            match judge(&mut self.reader, key, value, partition, self.partitions, timestamp) {
                Verdict::Counted(mut event) => {
                    event.is_released = message.is_released();
                    part.state.counted(mark, &event);
                }
                Verdict::Refused(refusal, raw) => {
                    part.state.refused(
                        mark,
                        &refusal,
                        raw.as_ref().map(UnverifiedFields::from).as_ref(),
                    );
                }
                Verdict::NeedsSchema(id) => {
                    let avsc = match self.registry.schema(id) {
                        Err(NotKnown::Lacking { lacking, .. }) => {
                            return Err(Undecided { origin, lacking }.into());
                        }
                        known => known?,
                    };
                    // Without a registry an id is nobody's, whatever the world says.
                    self.reader.book.learn(id, avsc.as_deref());
                    continue;
                }
            }
            break;
        }
        part.uncommitted += 1;
        if part.uncommitted >= self.every {
            part.uncommitted = 0;
            part.state.take_commit().into_iter().for_each(take);
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
    let mut tail = Tail::open(&connection.client_config()?, &topic, ASK_PATIENCE)?;
    let (low, end) =
        (tail.next_offsets().max().unwrap_or(0), tail.end_offsets().max().unwrap_or(0));
    if low > 0 {
        return Err(RangeError::Cut { topic, partition: 0, low, from: 0 }.into());
    }
    if end < next_offset {
        return Err(RangeError::Short { topic, partition: 0, end, wanted: next_offset }.into());
    }
    let mut feed = ReferenceFeed::once(connection.registry_client()?)?;
    let mut outage = None;
    tail.read_to_end(PATIENCE, |record| {
        if record.offset() < next_offset && outage.is_none() {
            outage = feed.add(&record, &mut book).err();
        }
    })?;
    outage.map_or(Ok(book), |error| Err(error.into()))
}
