//! Places in a topic: where its partitions begin and end, and where a moment falls.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::time::Duration;

use laju_kafka::connection::ask::{ASK_PATIENCE, patiently, whole};
use laju_kafka::connection::{BrokerEvents, Connection, ConnectionError};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};

use super::{Order, Polled, Range, RangeError, RangeReader};
use crate::ingest::worker::reading;

/// librdkafka assigns partitions only to clients that name a group. This one is never joined.
const GROUP: &str = "laju-range";
/// How long a search waits for records before it looks at its patience.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// How long a question may take that is asked again anyway.
const ATTEMPT: Duration = Duration::from_secs(5);

/// How many records of a partition may wait for their turn, where one is read after the other.
const WAITING_RECORDS: &str = "20000";
/// And how much of it, in KiB.
const WAITING_KIB: &str = "8192";

/// A client that reads at the places that it is given.
pub(super) fn consumer(
    connection: &Connection,
    topic: &str,
    order: Order,
) -> Result<BaseConsumer<BrokerEvents>, RangeError> {
    let mut config = reading(connection)?;
    if order == Order::OneByOne {
        for (key, value) in
            [("queued.min.messages", WAITING_RECORDS), ("queued.max.messages.kbytes", WAITING_KIB)]
        {
            if connection.kafka_properties.iter().all(|property| property.key() != key) {
                config.set(key, value);
            }
        }
    }
    config.set("group.id", GROUP).set("allow.auto.create.topics", "false");
    BaseConsumer::from_config_and_context(&config, BrokerEvents::default()).map_err(|error| {
        match error {
            error @ (KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_)) => {
                ConnectionError::refused(&error).into()
            }
            source => RangeError::Kafka { topic: topic.to_owned(), source },
        }
    })
}

/// How many partitions the topic has.
pub(super) fn partitions(
    consumer: &BaseConsumer<BrokerEvents>,
    topic: &str,
) -> Result<u32, RangeError> {
    let count = patiently(ASK_PATIENCE, |timeout| {
        // Asked for by name, some brokers would make it.
        let metadata = consumer.fetch_metadata(None, timeout)?;
        let known = metadata.topics().iter().find(|known| known.name() == topic);
        let error = known.and_then(|known| known.error()).map(RDKafkaErrorCode::from);
        let error = error.map(|code| Err(KafkaError::MetadataFetch(code)));
        whole(known.map_or(0, |topic| topic.partitions().len()), error.into_iter())
    });
    match count.map_err(|error| no_answer(consumer, topic, "which partitions there are", &error))? {
        0 => Err(RangeError::Missing(topic.to_owned())),
        count => Ok(u32::try_from(count).unwrap_or(u32::MAX)),
    }
}

/// The first offset of a partition, and the one behind its last record that is committed.
pub(super) fn watermarks(
    consumer: &BaseConsumer<BrokerEvents>,
    topic: &str,
    partition: u32,
) -> Result<(i64, i64), RangeError> {
    let number = i32::try_from(partition).unwrap_or(i32::MAX);
    patiently(ASK_PATIENCE, |timeout| consumer.fetch_watermarks(topic, number, timeout))
        .map_err(|error| no_answer(consumer, topic, "where the partitions end", &error))
}

/// Whether a partition goes at least as far as an offset, asked once.
pub(super) fn goes_to(
    consumer: &BaseConsumer<BrokerEvents>,
    topic: &str,
    partition: usize,
    offset: i64,
) -> bool {
    let number = i32::try_from(partition).unwrap_or(i32::MAX);
    let marks = consumer.fetch_watermarks(topic, number, ATTEMPT);
    marks.is_ok_and(|(_, end)| end >= offset)
}

/// What the client last said of the brokers.
pub(super) fn last_word(consumer: &BaseConsumer<BrokerEvents>) -> String {
    let reason = consumer.context().last_error();
    reason.unwrap_or_else(|| "the brokers gave no reason".to_owned())
}

fn no_answer(
    consumer: &BaseConsumer<BrokerEvents>,
    topic: &str,
    what: &'static str,
    error: &KafkaError,
) -> RangeError {
    let reason = consumer.context().last_error().unwrap_or_else(|| error.to_string());
    RangeError::NoAnswer { what, topic: topic.to_owned(), reason }
}

/// Where each partition of a topic (by its full name) begins and ends now: its first offset, and
/// the one behind its last record.
///
/// # Errors
/// If there is no such topic, or no answer.
pub fn ends(connection: &Connection, topic: &str) -> Result<BTreeMap<u32, (i64, i64)>, RangeError> {
    ends_by(&consumer(connection, topic, Order::Together)?, topic)
}

fn ends_by(
    consumer: &BaseConsumer<BrokerEvents>,
    topic: &str,
) -> Result<BTreeMap<u32, (i64, i64)>, RangeError> {
    (0..partitions(consumer, topic)?)
        .map(|partition| Ok((partition, watermarks(consumer, topic, partition)?)))
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
) -> Result<BTreeMap<u32, i64>, RangeError> {
    let consumer = consumer(connection, topic, Order::Together)?;
    let ends = ends_by(&consumer, topic)?;
    let answers = look_up(&consumer, topic, &ends, timestamp_ms)?;
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
        let first = look_up(&consumer, topic, &ends, 0)?;
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
    consumer: &BaseConsumer<BrokerEvents>,
    topic: &str,
    ends: &BTreeMap<u32, (i64, i64)>,
    timestamp_ms: i64,
) -> Result<BTreeMap<u32, i64>, RangeError> {
    let kafka = |source| RangeError::Kafka { topic: topic.to_owned(), source };
    let mut asked = TopicPartitionList::new();
    for &partition in ends.keys() {
        // Below zero stand librdkafka's own words for beginning and end.
        let moment = Offset::Offset(timestamp_ms.max(0));
        asked.add_partition_offset(topic, partition as i32, moment).map_err(kafka)?;
    }
    let answered = patiently(ASK_PATIENCE, |timeout| {
        let answered = consumer.offsets_for_times(asked.clone(), timeout)?;
        let errors: Vec<_> = answered.elements().iter().map(|element| element.error()).collect();
        whole(answered, errors.into_iter())
    });
    let answered =
        answered.map_err(|error| no_answer(consumer, topic, "where a moment falls", &error))?;
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
) -> Result<BTreeMap<u32, i64>, RangeError> {
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
                return Ok::<_, RangeError>(ControlFlow::Continue(()));
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
