//! The fold of exactly the records before given offsets, in memory and from nothing but Kafka: for
//! those who hold a figure against its log. The same judge and the same fold as a worker's; no
//! store, no group, nothing committed.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};

use laju_kafka::connection::ask::ASK_PATIENCE;
use laju_kafka::connection::{Connection, ConnectionError};
use laju_kafka::learning::{LearningReader, NotKnown};
use laju_kafka::read::{READ_TIMEOUT, Tail, TopicReadError};
use laju_schemas::known::SchemaError;
use laju_schemas::topic::{EVENTS, REFERENCE};
use thiserror::Error;

use super::event_log::{EventLog, EventLogError, EventRecord, LogPart};
use super::follow::reference;
use super::log_fold::{LedgersFold, LogFold};
use crate::domain::reference::ReferenceBook;
use crate::projection::partition::PartitionCommit;
use crate::projection::partition_ledger::PartitionLedgers;
use crate::projection::snapshot::Snapshot;

/// Why a log cannot be folded up to given offsets.
#[derive(Debug, Error)]
pub enum RecomputeError {
    /// The log is not there up to its offsets, or cannot be read.
    #[error(transparent)]
    Read(#[from] TopicReadError),
    /// Kafka cannot be reached.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// A schema cannot be used.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A schema is asked for, and the registry does not answer, or does not have it.
    #[error(transparent)]
    NotKnown(#[from] NotKnown),
    /// The log cannot be read record by record.
    #[error(transparent)]
    Judged(#[from] EventLogError),
    #[error("interrupted")]
    Interrupted,
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
    let told = &mut |records, _| told(records);
    Ok(ledgers_of(connection, &log, schemas, &going_on, told)?.snapshot())
}

/// Folds a part of a log into the state and ledger that each partition has after exactly these
/// records. `told` is
/// called now and then with how many records have been read, and how many offsets passed.
///
/// # Errors
/// If the log is not there, cannot be read, or `stop` is set.
pub fn ledgers_of(
    connection: &Connection,
    log: &LogPart,
    schemas: &[String],
    stop: &AtomicBool,
    told: &mut dyn FnMut(u64, u64),
) -> Result<PartitionLedgers, RecomputeError> {
    let mut fold = LedgersFold::new(log.ranges.keys().copied());
    each_of(connection, log, schemas, stop, told, &mut |record| fold.take(record))?;
    Ok(fold.finish())
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
    let mut fold = LogFold::new(every);
    each_of(connection, log, schemas, stop, told, &mut |record| {
        fold.take(record).into_iter().for_each(&mut *take);
    })?;
    fold.rest().for_each(take);
    Ok(())
}

/// Hands over every record of a part of a log.
fn each_of(
    connection: &Connection,
    log: &LogPart,
    schemas: &[String],
    stop: &AtomicBool,
    told: &mut dyn FnMut(u64, u64),
    each: &mut dyn FnMut(&EventRecord<'_>),
) -> Result<(), RecomputeError> {
    let mut log = EventLog::of(connection, schemas, log)?;
    let mut records = 0;
    loop {
        if stop.load(Ordering::Acquire) {
            return Err(RecomputeError::Interrupted);
        }
        let before = records;
        let is_more = log.read(|record| {
            each(&record);
            records += 1;
            Ok::<_, RecomputeError>(())
        })?;
        if records > before {
            told(records, log.next_offsets().values().map(|at| (*at).max(0) as u64).sum());
        }
        if !is_more {
            return Ok(());
        }
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
    let mut tail = Tail::open(connection, &topic, ASK_PATIENCE)?;
    let (low, end) =
        (tail.next_offsets().max().unwrap_or(0), tail.end_offsets().max().unwrap_or(0));
    if low > 0 {
        return Err(TopicReadError::Cut { topic, partition: 0, low, from: 0 }.into());
    }
    if end < next_offset {
        return Err(TopicReadError::Short { topic, partition: 0, end, wanted: next_offset }.into());
    }
    let mut reader = LearningReader::once(connection.registry_client()?)?;
    tail.read_to_end(READ_TIMEOUT, |record| {
        if record.offset() < next_offset {
            reference::add(&mut reader, &record, &mut book)?;
        }
        Ok::<_, RecomputeError>(())
    })?;
    Ok(book)
}
