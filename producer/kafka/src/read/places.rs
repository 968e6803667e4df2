//! Places in a topic: where its partitions begin and end, and where a moment falls.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use rdkafka::consumer::Consumer as _;
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};

use super::client::{Client, client, no_answer, partitions, reading, watermarks};
use super::error::TopicReadError;
use super::range::{Order, Range};
use super::reader::{Polled, RangeReader};
use crate::connection::Connection;
use crate::connection::ask::{ASK_PATIENCE, patiently, whole};

/// How long a search waits for records before it looks at its patience.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// Where each partition of a topic (by its full name) begins and ends now: its first offset, and
/// the one behind its last record.
///
/// # Errors
/// If there is no such topic, or no answer.
pub fn ends(
    connection: &Connection,
    topic: &str,
) -> Result<BTreeMap<u32, (i64, i64)>, TopicReadError> {
    ends_by(&client(reading(connection)?, topic)?, topic)
}

fn ends_by(client: &Client, topic: &str) -> Result<BTreeMap<u32, (i64, i64)>, TopicReadError> {
    (0..partitions(client, topic, ASK_PATIENCE)?)
        .map(|partition| Ok((partition, watermarks(client, topic, partition, ASK_PATIENCE)?)))
        .collect()
}

/// For each partition of a topic (by its full name) the offset of its first record with a
/// timestamp at or after a moment, in milliseconds since 1970; its end, if there is none.
///
/// The embedded broker does not look moments up: there the log is searched.
///
/// # Errors
/// If there is no such topic, or no answer.
pub fn offsets_at(
    connection: &Connection,
    topic: &str,
    timestamp_ms: i64,
) -> Result<BTreeMap<u32, i64>, TopicReadError> {
    let client = client(reading(connection)?, topic)?;
    let ends = ends_by(&client, topic)?;
    let answers = look_up(&client, topic, &ends, timestamp_ms)?;
    let mut found = BTreeMap::new();
    let mut doubtful = BTreeMap::new();
    for (&partition, &(low, end)) in &ends {
        match answers.get(&partition) {
            Some(&offset) if offset < end => drop(found.insert(partition, offset.max(low))),
            _ if low < end => drop(doubtful.insert(partition, Range { from: low, to: end })),
            _ => drop(found.insert(partition, end)),
        }
    }
    if !doubtful.is_empty() {
        // A broker that looks moments up finds the first record behind the beginning of time.
        let first = look_up(&client, topic, &ends, 0)?;
        let knows =
            |partition: &u32| first.get(partition).is_some_and(|at| *at < ends[partition].1);
        doubtful.retain(|partition, range| {
            let knows = knows(partition);
            if knows {
                found.insert(*partition, range.to);
            }
            !knows
        });
        found.extend(search(connection, topic, &doubtful, timestamp_ms)?);
    }
    Ok(found)
}

/// What the brokers say of a moment.
fn look_up(
    client: &Client,
    topic: &str,
    ends: &BTreeMap<u32, (i64, i64)>,
    timestamp_ms: i64,
) -> Result<BTreeMap<u32, i64>, TopicReadError> {
    let kafka = |source| TopicReadError::Kafka { topic: topic.to_owned(), source };
    let mut asked = TopicPartitionList::new();
    for &partition in ends.keys() {
        // Below zero stand librdkafka's own words for beginning and end.
        let moment = Offset::Offset(timestamp_ms.max(0));
        asked.add_partition_offset(topic, partition as i32, moment).map_err(kafka)?;
    }
    let answered = patiently(ASK_PATIENCE, |timeout| {
        let answered = client.offsets_for_times(asked.clone(), timeout)?;
        let errors: Vec<_> = answered.elements().iter().map(|element| element.error()).collect();
        whole(answered, errors.into_iter())
    });
    let answered = answered
        .map_err(|error| no_answer(client, format!("where a moment falls of {topic}"), &error))?;
    let mut offsets = BTreeMap::new();
    for element in answered.elements() {
        if let (Offset::Offset(offset), Ok(partition)) =
            (element.offset(), u32::try_from(element.partition()))
        {
            offsets.insert(partition, offset);
        }
    }
    Ok(offsets)
}

/// Reads each range until a record is at or after the moment.
fn search(
    connection: &Connection,
    topic: &str,
    ranges: &BTreeMap<u32, Range>,
    timestamp_ms: i64,
) -> Result<BTreeMap<u32, i64>, TopicReadError> {
    let mut found: BTreeMap<u32, i64> =
        ranges.iter().map(|(partition, range)| (*partition, range.to)).collect();
    if ranges.is_empty() {
        return Ok(found);
    }
    let mut reader = RangeReader::open(connection, topic, ranges, Order::Together)?;
    loop {
        let mut hit = None;
        let polled = reader.poll(POLL_TIMEOUT, |message| {
            if message.timestamp().to_millis().unwrap_or(-1) < timestamp_ms {
                return Ok::<_, TopicReadError>(ControlFlow::Continue(()));
            }
            hit = Some((message.partition() as u32, message.offset()));
            Ok(ControlFlow::Break(()))
        })?;
        if let Some((partition, offset)) = hit {
            found.insert(partition, offset);
            reader.leave(partition)?;
        }
        if polled == Polled::Done {
            return Ok(found);
        }
    }
}
