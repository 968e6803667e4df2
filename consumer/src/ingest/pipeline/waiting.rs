//! Records whose schema is asked for, and those behind them in their partitions: their partitions
//! wait, and no other.
//!
//! A partition that waits is read on for a while, so that all the ids which the next records bear are
//! asked for at the same time; then it is paused.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use laju_kafka::read::Record;
use laju_kafka::read::headers::RecordHeaders;
use laju_schemas::framing::{Framing, SchemaHeader, never_given};
use laju_schemas::quarantine::Origin;

use crate::domain::admission::MAX_VALUE_BYTES;
use crate::ingest::batch::End;
use crate::projection::partition::RecordMark;

/// How many records of a partition that waits are held.
const MANY_RECORDS: usize = 1_000;
/// How many bytes of them.
const MANY_BYTES: usize = 8 << 20;

/// How long until a verdict that could not be written is tried again.
const WRITE_AGAIN: Duration = Duration::from_secs(1);

/// A record as it came, free of the client's memory.
pub(super) struct Held {
    pub(super) origin: Origin,
    pub(super) mark: RecordMark,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    /// The id that the registry may have to be asked for.
    pub(super) id: Option<u32>,
    /// Since when it waits.
    pub(super) since: Instant,
    schema_header: Option<SchemaHeader>,
    is_released: bool,
}

impl Held {
    pub(super) fn of(record: &Record<'_>, mark: RecordMark, now: Instant) -> Self {
        let value = record.value();
        let schema_header = record.schema_header();
        let askable = value.filter(|v| v.len() <= MAX_VALUE_BYTES && schema_header.is_none());
        let id = match askable.and_then(Framing::split) {
            Some((Framing::Confluent(id), _)) if never_given(id).is_none() => Some(id),
            _ => None,
        };
        Self {
            origin: Origin { partition: record.partition(), offset: mark.offset },
            mark,
            key: record.key().map(<[u8]>::to_vec),
            value: value.map(<[u8]>::to_vec),
            id,
            since: now,
            schema_header,
            is_released: record.is_released(),
        }
    }

    fn bytes(&self) -> usize {
        let part = |bytes: &Option<Vec<u8>>| bytes.as_ref().map_or(0, Vec::len);
        part(&self.key) + part(&self.value) + size_of::<Self>()
    }
}

impl RecordHeaders for Held {
    fn is_released(&self) -> bool {
        self.is_released
    }

    fn schema_header(&self) -> Option<SchemaHeader> {
        self.schema_header
    }
}

/// The records of one partition that wait, in their order.
pub(super) struct Line {
    pub(super) held: VecDeque<Held>,
    bytes: usize,
    /// The partition's end, if it was seen behind them.
    pub(super) end: Option<End>,
    /// Whether no more are read for now.
    pub(super) is_paused: bool,
    /// Why verdicts could not be written when that was last tried, and when that was.
    pub(super) unwritten: Option<(String, Instant)>,
}

impl Line {
    /// Adds a record; says whether that is enough for now.
    pub(super) fn push(&mut self, held: Held) -> bool {
        self.bytes += held.bytes();
        self.held.push_back(held);
        self.end = None;
        self.held.len() >= MANY_RECORDS || self.bytes >= MANY_BYTES
    }

    /// Whether verdicts may be written now: not right after that failed.
    pub(super) fn may_write(&self, now: Instant) -> bool {
        self.unwritten.as_ref().is_none_or(|(_, at)| now >= *at + WRITE_AGAIN)
    }

    /// Takes the first record away.
    pub(super) fn pop(&mut self) {
        if let Some(held) = self.held.pop_front() {
            self.bytes -= held.bytes();
        }
    }
}

/// The partitions that wait.
#[derive(Default)]
pub(super) struct Waiting(pub(super) BTreeMap<u32, Line>);

impl Waiting {
    /// Whether none waits: asked for each record.
    #[inline]
    pub(super) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The records of a partition that waits.
    pub(super) fn line(&mut self, partition: u32) -> Option<&mut Line> {
        self.0.get_mut(&partition)
    }

    /// Has a partition wait.
    pub(super) fn begin(&mut self, partition: u32) -> &mut Line {
        self.0.entry(partition).or_insert_with(|| Line {
            held: VecDeque::new(),
            bytes: 0,
            end: None,
            is_paused: false,
            unwritten: None,
        })
    }
}
