//! Reads records again in the log that could not be counted: their bytes are kept nowhere else, and
//! what the fold found wrong with them stands in the store.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::{Duration, Instant};

use laju_kafka::connection::Connection;
use laju_kafka::read::headers::{self, Headers};
use laju_kafka::read::{Order, Polled, Range, RangeReader, TopicReadError};
use rdkafka::message::Message as _;

use crate::projection::quarantine::QuarantinedRecord;

/// How many are read at a time.
const MANY_RECORDS: usize = 1_000;
/// About how many bytes of them.
const MANY_BYTES: usize = 8 << 20;
/// The next one is read in the same go if it is not further away: what is between is read for nothing.
const NEAR: i64 = 20_000;
/// How long a call of the reader may wait for records.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);
/// How long nothing may come although there is more.
const READ_TIMEOUT: Duration = Duration::from_secs(10);

/// A record that could not be counted, as it stands in the log.
#[derive(Debug)]
pub(in crate::ingest) struct Original {
    /// What the store says of it.
    pub(in crate::ingest) row: QuarantinedRecord,
    /// Its key.
    pub(in crate::ingest) key: Option<Vec<u8>>,
    /// Its value.
    pub(in crate::ingest) value: Option<Vec<u8>>,
    /// Its own headers.
    pub(in crate::ingest) headers: Headers,
    /// Whether the log does not have it any more: nothing is left of it but the row.
    pub(in crate::ingest) is_gone: bool,
}

impl Original {
    fn gone(row: QuarantinedRecord) -> Self {
        Self { row, key: None, value: None, headers: Vec::new(), is_gone: true }
    }
}

/// The first of these rows of a partition, which are in the order of their offsets, with their bytes:
/// as many as stand near each other, are not too many, and do not take much longer than `enough`.
///
/// # Errors
/// If the log cannot be read there.
pub(in crate::ingest) fn read(
    connection: &Connection,
    topic: &str,
    partition: u32,
    rows: &[QuarantinedRecord],
    enough: Duration,
) -> Result<Vec<Original>, TopicReadError> {
    let begun = Instant::now();
    let is_near = |pair: &&[QuarantinedRecord]| pair[1].offset - pair[0].offset <= NEAR;
    let near = 1 + rows.windows(2).take_while(is_near).count();
    let rows = &rows[..near.min(MANY_RECORDS).min(rows.len())];
    let (Some(first), Some(last)) = (rows.first(), rows.last()) else { return Ok(Vec::new()) };
    let range = Range { from: first.offset, to: last.offset + 1 };
    let open = |range| {
        let ranges = BTreeMap::from([(partition, range)]);
        RangeReader::open(connection, topic, &ranges, Order::Together)
    };
    let reader = match open(range) {
        // The log's beginning was deleted meanwhile.
        Err(TopicReadError::Cut { low, .. }) => open(Range { from: low.min(range.to), ..range }),
        other => other,
    };
    let mut reader = reader?.with_patience(READ_TIMEOUT);
    let mut originals = Vec::with_capacity(rows.len());
    let (mut rows, mut bytes) = (rows.iter().peekable(), 0);
    loop {
        let polled = reader.poll(POLL_TIMEOUT, |message| {
            while let Some(row) = rows.next_if(|row| row.offset < message.offset()) {
                originals.push(Original::gone(row.clone()));
            }
            if let Some(row) = rows.next_if(|row| row.offset == message.offset()) {
                if message.timestamp().to_millis().unwrap_or(-1) != row.timestamp {
                    let reason = format!("the record at offset {} is another one", row.offset);
                    return Err(TopicReadError::gone(topic, reason));
                }
                let (key, value) = (message.key(), message.payload());
                bytes += key.map_or(0, <[u8]>::len) + value.map_or(0, <[u8]>::len);
                originals.push(Original {
                    row: row.clone(),
                    key: key.map(<[u8]>::to_vec),
                    value: value.map(<[u8]>::to_vec),
                    headers: headers::owned(message),
                    is_gone: false,
                });
            }
            let is_enough = bytes >= MANY_BYTES || rows.peek().is_none();
            let flow = if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            Ok::<_, TopicReadError>(flow)
        })?;
        if polled == Polled::Done {
            originals.extend(rows.map(|row| Original::gone(row.clone())));
            return Ok(originals);
        }
        let is_late = begun.elapsed() >= enough && !originals.is_empty();
        if bytes >= MANY_BYTES || rows.peek().is_none() || is_late {
            return Ok(originals);
        }
    }
}
