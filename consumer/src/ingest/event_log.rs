//! The events topic between offsets, each record judged as a worker judges it and with the day of
//! recording that the fold gives it: for those who take the log apart record by record. The same
//! offsets always give the same records of a partition in the same order.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use laju_kafka::connection::Connection;
use laju_kafka::learning::{NotKnown, SchemaFinder};
use laju_kafka::read::{Order, Polled, Range, RangeReader, Record, TopicReadError};
use laju_schemas::RawEvent;
use laju_schemas::known::{EventReader, SchemaError};
use laju_schemas::topic::EVENTS;
use rdkafka::message::BorrowedMessage;
use thiserror::Error;

use super::judging::ReceivedRecord;
use super::verdicts::{Undecided, VerdictsError, verdicts_now};
use crate::domain::admission::{Admitted, Refusal, Verdict, clamp_timestamp};
use crate::domain::day::Day;
use crate::domain::decisions::DecisionBook;
use crate::projection::partition::{Position, RecordMark};

/// How long a call of the reader may wait for records.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);

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

/// Why the log cannot be read.
#[derive(Debug, Error)]
pub enum EventLogError {
    /// The log is not there up to its offsets, or cannot be read.
    #[error(transparent)]
    Range(#[from] TopicReadError),
    /// A schema cannot be used.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A schema is asked for, and the registry does not answer.
    #[error(transparent)]
    NotKnown(#[from] NotKnown),
    /// The verdicts that the fold follows.
    #[error(transparent)]
    Verdicts(#[from] VerdictsError),
    /// The registry does not have a record's schema, and nothing is written down about that.
    #[error(transparent)]
    Undecided(#[from] Undecided),
    #[error(
        "partition {partition} of {topic} is another log: the record at offset {offset} is not the one that was read before. Was the topic made again?"
    )]
    AnotherLog {
        topic: String,
        partition: u32,
        /// Where the record was.
        offset: i64,
    },
}

/// What becomes of a record.
#[derive(Debug)]
pub enum RecordOutcome<'a> {
    /// It counts.
    Counted(&'a Admitted<'a>),
    /// It cannot be counted; with the event where it decodes that far.
    Refused(&'a Refusal, Option<&'a RawEvent<'a>>),
}

/// A record of the log.
#[derive(Debug)]
pub struct EventRecord<'a> {
    /// Its partition.
    pub partition: u32,
    /// Which record it is.
    pub mark: RecordMark,
    /// The day on which it was recorded: that of the latest timestamp so far in its partition.
    pub recorded: Day,
    /// Bytes of its key.
    pub key_bytes: usize,
    /// Bytes of its value.
    pub value_bytes: usize,
    /// What becomes of it.
    pub outcome: RecordOutcome<'a>,
}

/// The log of the events topic between offsets.
pub struct EventLog {
    log: RangeReader,
    judge: Judge,
}

struct Judge {
    topic: String,
    reader: EventReader,
    registry: SchemaFinder,
    verdicts: DecisionBook,
    /// How many the topic has, which says where a key belongs.
    partitions: u32,
    /// Where each partition stands: what is before has been handed over.
    positions: BTreeMap<u32, Position>,
    /// Records known from an earlier reading that have not been met again.
    known: BTreeMap<u32, RecordMark>,
}

impl EventLog {
    /// Opens the log of every partition from its position up to an offset. `known` are records of
    /// an earlier reading, one a partition, behind which nothing is read unless they are met.
    /// `schemas` are texts of further versions of the schema, as a worker has them.
    ///
    /// # Errors
    /// If the log does not go that far, or a schema cannot be used.
    pub fn open(
        connection: &Connection,
        schemas: &[String],
        from: BTreeMap<u32, Position>,
        to: &BTreeMap<u32, i64>,
        known: BTreeMap<u32, RecordMark>,
    ) -> Result<Self, EventLogError> {
        let topic = connection.topic(&EVENTS);
        let mut positions = from;
        let mut ranges = BTreeMap::new();
        for (&partition, &to) in to {
            let position = positions.entry(partition).or_default();
            // The record met before is read again, whether or not anything is behind it.
            let known = known.get(&partition).map(|mark| mark.offset);
            let from = known.map_or(position.next_offset, |known| known.min(position.next_offset));
            ranges.insert(partition, Range { from, to });
        }
        let partitions = u32::try_from(to.len()).unwrap_or(u32::MAX);
        let part = LogPart { topic, partitions, ranges };
        Self::begin(connection, schemas, &part, Order::OneByOne, (positions, known))
    }

    /// Opens a part of a log; its partitions are read beside each other.
    ///
    /// # Errors
    /// As [`Self::open`].
    pub fn of(
        connection: &Connection,
        schemas: &[String],
        part: &LogPart,
    ) -> Result<Self, EventLogError> {
        let nothing_before = (BTreeMap::new(), BTreeMap::new());
        Self::begin(connection, schemas, part, Order::Together, nothing_before)
    }

    fn begin(
        connection: &Connection,
        schemas: &[String],
        part: &LogPart,
        order: Order,
        (positions, known): (BTreeMap<u32, Position>, BTreeMap<u32, RecordMark>),
    ) -> Result<Self, EventLogError> {
        let registry = connection.registry_client().map_err(TopicReadError::from)?;
        let judge = Judge {
            topic: part.topic.clone(),
            reader: EventReader::new(schemas)?,
            registry: SchemaFinder::insisting(registry),
            verdicts: verdicts_now(connection)?,
            partitions: part.partitions,
            positions,
            known,
        };
        let log = RangeReader::open(connection, &part.topic, &part.ranges, order)?;
        Ok(Self { log, judge })
    }

    /// Hands over some records; false once there are no more.
    ///
    /// # Errors
    /// Those of `each`, and if the log cannot be read or is another one.
    pub fn read<E: From<EventLogError> + From<TopicReadError>>(
        &mut self,
        mut each: impl FnMut(EventRecord<'_>) -> Result<(), E>,
    ) -> Result<bool, E> {
        let polled = self.log.poll(POLL_TIMEOUT, |message| {
            self.judge.take(message, &mut each)?;
            Ok::<_, E>(ControlFlow::Continue(()))
        })?;
        if polled != Polled::Done {
            return Ok(true);
        }
        match self.judge.known.iter().next() {
            Some((&partition, mark)) => Err(self.judge.another(partition, mark.offset).into()),
            None => Ok(false),
        }
    }

    /// Where each partition stands.
    #[must_use]
    pub fn positions(&self) -> &BTreeMap<u32, Position> {
        &self.judge.positions
    }

    /// How far each partition has been read: offsets, not records.
    #[must_use]
    pub fn next_offsets(&self) -> BTreeMap<u32, i64> {
        self.log.next_offsets()
    }
}

impl Judge {
    fn another(&self, partition: u32, offset: i64) -> EventLogError {
        EventLogError::AnotherLog { topic: self.topic.clone(), partition, offset }
    }

    fn take<E: From<EventLogError>>(
        &mut self,
        message: &BorrowedMessage<'_>,
        each: &mut impl FnMut(EventRecord<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let record = Record::from(message);
        let received = ReceivedRecord::of(&record);
        let ReceivedRecord { origin, mark, key, value, .. } = received;
        let partition = origin.partition;
        if let Some(known) = self.known.get(&partition).copied()
            && mark.offset >= known.offset
        {
            if mark != known {
                return Err(self.another(partition, known.offset).into());
            }
            self.known.remove(&partition);
        }
        let position = self.positions.entry(partition).or_default();
        if mark.offset < position.next_offset {
            return Ok(());
        }
        *position = position.after(mark);
        let until = position.recorded_until.unwrap_or_else(|| clamp_timestamp(mark.timestamp));
        let mut hand_over = |outcome: RecordOutcome<'_>| {
            each(EventRecord {
                partition,
                mark,
                recorded: Day::recorded(until),
                key_bytes: key.map_or(0, <[u8]>::len),
                value_bytes: value.map_or(0, <[u8]>::len),
                outcome,
            })
        };
        loop {
            match received.judge(&mut self.reader, self.partitions, &self.verdicts) {
                Verdict::Counted(event) => return hand_over(RecordOutcome::Counted(&event)),
                Verdict::Refused(refusal, raw) => {
                    return hand_over(RecordOutcome::Refused(&refusal, raw.as_ref()));
                }
                Verdict::NeedsSchema(id) => {
                    let avsc = match self.registry.schema(id) {
                        Err(NotKnown::Lacking { lacking, .. }) => {
                            return Err(EventLogError::from(Undecided { origin, lacking }).into());
                        }
                        known => known.map_err(EventLogError::from)?,
                    };
                    // Without a registry an id is nobody's, whatever the world says.
                    self.reader.book.learn(id, avsc.as_deref());
                }
            }
        }
    }
}
