//! What the log has behind the end of a ledger: a ledger may be right as far as it goes, and go not
//! far enough.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use laju_kafka::connection::Connection;
use laju_kafka::read::{Order, Range, RangeReader, TopicReadError};
use rdkafka::message::Message as _;
use serde::Serialize;

use crate::cli::query::Node;
use crate::cli::tables::number;
use crate::ingest::recompute::RecomputeError;
use crate::query::ledger::summary::{Ledger, LedgerPartition};

/// How long a worker may take to fold what came while its ledger was asked for.
const CATCH_UP: Duration = Duration::from_secs(10);
/// How often it is asked how far it is, and how long a call of the reader may wait for records.
const POLL_INTERVAL: Duration = Duration::from_millis(100);

/// A partition of which the log has more than the ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub(super) struct Behind {
    pub(super) partition: u32,
    /// The offset after the last record in the ledger.
    pub(super) next_offset: i64,
    /// The partition's end when the ledger was asked for.
    pub(super) end_offset: i64,
    /// How many records there are between the two. Where they cannot be read, at most so many.
    pub(super) records: u64,
    /// Why they cannot be read, if they cannot.
    pub(super) unreadable: Option<String>,
    /// The offset after the last of them.
    #[serde(skip)]
    until: i64,
}

impl Behind {
    /// For people.
    pub(super) fn words(&self) -> String {
        let Self { partition, next_offset, end_offset, records, unreadable, .. } = self;
        let noun = if *records == 1 { "record" } else { "records" };
        let at_most = if unreadable.is_some() { "up to " } else { "" };
        let why = unreadable.as_ref().map_or(String::new(), |why| format!(" ({why})"));
        format!(
            "partition {partition} by {at_most}{} {noun}, offsets {next_offset} to {}{why}",
            number(*records),
            end_offset - 1
        )
    }
}

/// Of each partition that ends behind where its ledger goes, how many records the ledger lacks.
/// Between the two there may be nothing but the marks of transactions: such a partition is not
/// behind.
pub(super) fn behind(
    connection: &Connection,
    topic: &str,
    ledger: &BTreeMap<u32, i64>,
    ends: &BTreeMap<u32, (i64, i64)>,
    stop: &AtomicBool,
) -> anyhow::Result<Vec<Behind>> {
    let mut found: BTreeMap<u32, Behind> = BTreeMap::new();
    let mut ranges = BTreeMap::new();
    for (&partition, &next_offset) in ledger {
        let Some(&(low, end_offset)) = ends.get(&partition) else { continue };
        if next_offset < end_offset {
            let (records, until, unreadable) = (0, next_offset, None);
            let row = Behind { partition, next_offset, end_offset, records, unreadable, until };
            found.insert(partition, row);
            ranges.insert(partition, Range { from: next_offset.max(low), to: end_offset });
        }
    }
    if let Err(error) = count(connection, topic, &ranges, stop, &mut found) {
        for row in found.values_mut() {
            row.records = u64::try_from(row.end_offset - row.next_offset).unwrap_or(0);
            row.until = row.end_offset;
            let is_its = match &error {
                TopicReadError::Trouble(troubled) => troubled.partition == row.partition,
                _ => true,
            };
            row.unreadable = is_its.then(|| error.to_string());
        }
    }
    if stop.load(Ordering::Acquire) {
        return Err(RecomputeError::Interrupted.into());
    }
    found.retain(|_, row| row.records > 0);
    Ok(found.into_values().collect())
}

fn count(
    connection: &Connection,
    topic: &str,
    ranges: &BTreeMap<u32, Range>,
    stop: &AtomicBool,
    found: &mut BTreeMap<u32, Behind>,
) -> Result<(), TopicReadError> {
    if ranges.is_empty() {
        return Ok(());
    }
    let mut reader = RangeReader::open(connection, topic, ranges, Order::Together)?;
    reader.read_all(stop, |message| {
        if let Some(row) = found.get_mut(&(message.partition() as u32)) {
            row.records += 1;
            row.until = message.offset() + 1;
        }
        Ok::<_, TopicReadError>(ControlFlow::Continue(()))
    })?;
    Ok(())
}

/// Whether a worker that goes on folding has got to all of that, now or within a few seconds.
pub(super) fn catches_up(
    node: &Node,
    behind: &[Behind],
    stop: &AtomicBool,
) -> anyhow::Result<bool> {
    let deadline = Instant::now() + CATCH_UP;
    loop {
        if stop.load(Ordering::Acquire) {
            return Err(RecomputeError::Interrupted.into());
        }
        // One that does not answer is not known to have got anywhere.
        let ledger = node.ask("/v1/ledger").ok();
        let ledger = ledger.and_then(|answer| serde_json::from_str::<Ledger>(&answer).ok());
        let has_all = ledger.is_some_and(|ledger| {
            behind.iter().all(|row| {
                let has_it = |part: &LedgerPartition| {
                    part.partition == row.partition && part.next_offset >= row.until
                };
                ledger.partitions.iter().any(has_it)
            })
        });
        if has_all || Instant::now() >= deadline {
            return Ok(has_all);
        }
        std::thread::sleep(POLL_INTERVAL);
    }
}
