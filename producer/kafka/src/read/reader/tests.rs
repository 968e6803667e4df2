use laju_schemas::TimestampMs;
use laju_schemas::topic::EVENTS;

use super::super::{ends, offsets_at};
use super::*;
use crate::embedded::EmbeddedBroker;
use crate::publish::{PublishSettings, Publisher, Record};

const POLL_TIMEOUT: Duration = Duration::from_millis(100);
const TOPIC: &str = EVENTS.name;

struct Broker {
    embedded: EmbeddedBroker,
    connection: Connection,
    publisher: Publisher,
}

impl Broker {
    fn start(partitions: u32) -> Self {
        let embedded = EmbeddedBroker::start(partitions).unwrap();
        let connection = embedded.connection();
        let publisher = Publisher::new(&connection, &PublishSettings::default()).unwrap();
        Self { embedded, connection, publisher }
    }

    /// Records whose timestamps these are, each at the next offset.
    fn send(&self, partition: u32, timestamps: impl IntoIterator<Item = i64>) {
        let sent: Vec<_> = timestamps
            .into_iter()
            .map(|timestamp| {
                let record = Record {
                    topic: TOPIC,
                    value: Some(b"v"),
                    partition: Some(partition),
                    timestamp: Some(TimestampMs(timestamp)),
                    ..Record::default()
                };
                self.publisher.publish_record(&record).unwrap()
            })
            .collect();
        for delivery in sent {
            delivery.wait().unwrap();
        }
    }

    fn open(
        &self,
        ranges: &[(u32, i64, i64)],
        order: Order,
    ) -> Result<RangeReader, TopicReadError> {
        let ranges = ranges.iter().map(|&(partition, from, to)| (partition, Range { from, to }));
        RangeReader::open(&self.connection, TOPIC, &ranges.collect(), order)
    }
}

/// Reads until everything is read, or so many records have come.
fn read(reader: &mut RangeReader, most: usize) -> Result<Vec<(i32, i64)>, TopicReadError> {
    let mut seen = Vec::new();
    while seen.len() < most {
        let polled = reader.poll(POLL_TIMEOUT, |message| {
            seen.push((message.partition(), message.offset()));
            let flow =
                if seen.len() < most { ControlFlow::Continue(()) } else { ControlFlow::Break(()) };
            Ok::<_, TopicReadError>(flow)
        })?;
        if polled == Polled::Done {
            break;
        }
    }
    Ok(seen)
}

fn offsets(partition: i32, of: std::ops::Range<i64>) -> Vec<(i32, i64)> {
    of.map(|offset| (partition, offset)).collect()
}

#[test]
fn exactly_the_ranges_are_read_one_partition_after_the_other_or_all_together() {
    let broker = Broker::start(4);
    for partition in 0..4 {
        broker.send(partition, 1..=3_000);
    }
    let ranges = [(3, 0, 10), (0, 5, 2_500), (1, 7, 7), (2, 2_990, 3_000)];
    let expected = [offsets(0, 5..2_500), offsets(2, 2_990..3_000), offsets(3, 0..10)].concat();
    for order in [Order::OneByOne, Order::Together] {
        let mut reader = broker.open(&ranges, order).unwrap();
        assert_eq!(reader.next_offsets(), [(0, 5), (1, 7), (2, 2_990), (3, 0)].into());
        let mut seen = read(&mut reader, usize::MAX).unwrap();
        if order == Order::Together {
            seen.sort_unstable();
        }
        assert_eq!(seen, expected, "{order:?}");
        assert_eq!(reader.next_offsets(), [(0, 2_500), (1, 7), (2, 3_000), (3, 10)].into());
        assert_eq!(read(&mut reader, usize::MAX).unwrap(), []);
    }
}

#[test]
fn who_breaks_off_goes_on_behind_the_last_record_that_was_taken() {
    let broker = Broker::start(1);
    broker.send(0, 1..=20);
    let mut reader = broker.open(&[(0, 0, 20)], Order::Together).unwrap();
    assert_eq!(read(&mut reader, 7).unwrap(), offsets(0, 0..7));
    assert_eq!(reader.next_offsets(), [(0, 7)].into());
    // A record that fails was not taken.
    let failed = loop {
        match reader.poll(POLL_TIMEOUT, |message| match message.offset() {
            12 => Err(TopicReadError::Missing("no such thing".to_owned())),
            _ => Ok(ControlFlow::Continue(())),
        }) {
            Ok(_) => {}
            Err(error) => break error,
        }
    };
    assert!(matches!(failed, TopicReadError::Missing(_)), "{failed}");
    assert_eq!(reader.next_offsets(), [(0, 12)].into());
}

#[test]
fn what_the_log_does_not_have_is_told_before_anything_is_read() {
    let broker = Broker::start(2);
    broker.send(1, 1..=5);
    let refused = |ranges: &[(u32, i64, i64)]| {
        broker.open(ranges, Order::Together).map(drop).unwrap_err().to_string()
    };
    let short = refused(&[(1, 0, 6)]);
    assert!(short.contains("partition 1") && short.contains("ends at offset 5"), "{short}");
    let short = refused(&[(1, 6, Range::ENDLESS)]);
    assert!(short.contains("asked for up to 6"), "{short}");
    let none = refused(&[(2, 0, 1)]);
    assert!(none.contains("no partition 2") && none.contains("it has 2"), "{none}");
    let ranges = [(0, Range { from: 0, to: 1 })].into();
    let missing = RangeReader::open(&broker.connection, "t", &ranges, Order::Together);
    assert!(matches!(missing, Err(TopicReadError::Missing(topic)) if topic == "t"));
}

#[test]
fn a_range_without_an_end_goes_on_with_what_comes() {
    let broker = Broker::start(1);
    broker.send(0, 1..=3);
    let mut reader = broker.open(&[(0, 1, Range::ENDLESS)], Order::Together).unwrap();
    assert_eq!(read(&mut reader, 2).unwrap(), offsets(0, 1..3));
    // Nothing to come is no stall.
    reader = reader.with_patience(Duration::ZERO);
    let nothing = reader.poll(Duration::ZERO, |_| Ok::<_, TopicReadError>(ControlFlow::Break(())));
    assert_eq!(nothing.unwrap(), Polled::Idle);
    broker.send(0, 4..=5);
    assert_eq!(read(&mut reader, 2).unwrap(), offsets(0, 3..5));
    assert_eq!(reader.next_offsets(), [(0, 5)].into());
}

#[test]
fn who_follows_looks_once_for_what_is_behind_damage_and_then_says_that_it_is_gone() {
    let broker = Broker::start(1);
    broker.send(0, [1, 2, 3]);
    let lost = || KafkaError::MessageConsumption(RDKafkaErrorCode::OffsetOutOfRange);
    let mut follower = broker.open(&[(0, 0, Range::ENDLESS)], Order::Together).unwrap();
    assert_eq!(read(&mut follower, 1).unwrap(), offsets(0, 0..1));
    follower.complaint = Some(RDKafkaErrorCode::BadMessage);
    follower.on_error(lost()).unwrap();
    assert!(matches!(follower.on_error(lost()), Err(TopicReadError::Gone { .. })));
    assert_eq!(read(&mut follower, 2).unwrap(), offsets(0, 1..3));
    // A range ends, and with it the patience.
    let mut reader = broker.open(&[(0, 0, 3)], Order::Together).unwrap();
    assert_eq!(read(&mut reader, 1).unwrap(), offsets(0, 0..1));
    reader.complaint = Some(RDKafkaErrorCode::BadMessage);
    reader.on_error(lost()).unwrap();
    assert!(reader.complaint.is_some());
    assert_eq!(read(&mut reader, 2).unwrap(), offsets(0, 1..3));
}

#[test]
fn an_outage_in_the_middle_is_waited_out_and_one_too_long_is_told() {
    const COUNT: i64 = 2_000;
    let mut broker = Broker::start(1);
    for first in (0..COUNT).step_by(50) {
        broker.send(0, first + 1..=first + 50);
    }
    // So that little is fetched beforehand.
    let little = ["queued.min.messages=1", "fetch.message.max.bytes=1000"];
    broker.connection.kafka_properties.extend(little.map(|property| property.parse().unwrap()));
    let mut reader = broker.open(&[(0, 0, COUNT)], Order::Together).unwrap();
    let mut seen = read(&mut reader, 100).unwrap();
    broker.embedded.go_away().unwrap();
    reader = reader.with_patience(Duration::from_millis(300));
    let error = loop {
        let polled = reader.poll(POLL_TIMEOUT, |message| {
            seen.push((message.partition(), message.offset()));
            Ok::<_, TopicReadError>(ControlFlow::Continue(()))
        });
        match polled {
            Ok(polled) => assert_ne!(polled, Polled::Done, "it was all there already"),
            Err(error) => break error,
        }
    };
    let TopicReadError::Stalled { partition: 0, next, to: COUNT, reason, .. } = &error else {
        panic!("{error}")
    };
    assert!(*next == seen.len() as i64 && !reason.is_empty(), "{error}");
    // What passes while nobody reads is nobody's waiting.
    reader = reader.with_patience(Duration::from_millis(300));
    std::thread::sleep(Duration::from_millis(400));
    let nothing = reader.poll(Duration::ZERO, |_| Ok::<_, TopicReadError>(ControlFlow::Break(())));
    assert_eq!(nothing.unwrap(), Polled::Idle);
    broker.embedded.come_back().unwrap();
    reader = reader.with_patience(READ_TIMEOUT);
    seen.extend(read(&mut reader, usize::MAX).unwrap());
    assert_eq!(seen, offsets(0, 0..COUNT));
}

#[test]
fn a_moment_falls_on_the_first_record_that_is_not_before_it() {
    let broker = Broker::start(3);
    broker.send(0, [1_000, 2_000, 2_000, 1_500, 3_000]);
    broker.send(1, [5_000]);
    assert_eq!(
        ends(&broker.connection, TOPIC).unwrap(),
        [(0, (0, 5)), (1, (0, 1)), (2, (0, 0))].into()
    );
    let at = |moment| offsets_at(&broker.connection, TOPIC, moment).unwrap();
    for (moment, expected) in [(-5, 0), (1_000, 0), (1_001, 1), (2_000, 1), (2_001, 4), (3_001, 5)]
    {
        assert_eq!(at(moment), [(0, expected), (1, 0), (2, 0)].into(), "{moment}");
    }
    assert_eq!(at(5_001), [(0, 5), (1, 1), (2, 0)].into());
}

#[test]
fn ends_and_moments_are_asked_again_while_leaders_change() {
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr as Answer};
    let broker = Broker::start(2);
    broker.send(0, [10, 20, 30]);
    let passing = [
        Answer::RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
        Answer::RD_KAFKA_RESP_ERR_OFFSET_NOT_AVAILABLE,
        Answer::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
        Answer::RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
    ];
    // Each is said so often that the client's own tries do not help.
    let many: Vec<_> = passing.into_iter().flat_map(|answer| [answer; 5]).collect();
    broker.embedded.answer_with(RDKafkaApiKey::ListOffsets, &many).unwrap();
    let found = ends(&broker.connection, TOPIC).unwrap();
    assert_eq!(found, BTreeMap::from([(0, (0, 3)), (1, (0, 0))]));

    broker.embedded.answer_with(RDKafkaApiKey::ListOffsets, &many).unwrap();
    let found = offsets_at(&broker.connection, TOPIC, 20).unwrap();
    assert_eq!(found, BTreeMap::from([(0, 1), (1, 0)]));

    broker.embedded.answer_with(RDKafkaApiKey::ListOffsets, &many).unwrap();
    let mut reader = broker.open(&[(0, 0, 3)], Order::Together).unwrap();
    assert_eq!(read(&mut reader, 3).unwrap(), [(0, 0), (0, 1), (0, 2)]);
}
