//! What stands in the topics, and what consumer groups have committed.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use laju_kafka::read::headers;
use laju_schemas::quarantine::{HEADER_OFFSET, HEADER_PARTITION};
use laju_schemas::topic::{EVENTS, QUARANTINE, Topic};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};

use super::{PATIENCE, TestBroker};
use crate::log::LogRecord;
use crate::process::wait_until;

/// A record of any topic, as it stands there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicRecord {
    /// What the broker says of it.
    pub record: LogRecord,
    /// Its headers, in order.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
}

impl TopicRecord {
    /// A header's value as text; `None` if it is not there.
    ///
    /// # Panics
    /// If it is not text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        let (_, value) = self.headers.iter().find(|(key, _)| key == name)?;
        let text = std::str::from_utf8(value.as_deref().unwrap_or_default());
        Some(text.expect("our own headers are text"))
    }
}

impl TestBroker {
    /// The whole events topic, partition by partition in the order of the offsets.
    #[must_use]
    pub fn read_log(&self) -> Vec<LogRecord> {
        self.read(&EVENTS).into_iter().map(|record| record.record).collect()
    }

    /// The whole quarantine topic, in its order.
    #[must_use]
    pub fn read_quarantine(&self) -> Vec<TopicRecord> {
        self.read(&QUARANTINE)
    }

    /// The quarantine topic, once it has records of so many origins: who holds the leases puts them
    /// there.
    ///
    /// # Panics
    /// If that takes too long.
    #[must_use]
    pub fn wait_quarantine(&self, origins: usize) -> Vec<TopicRecord> {
        let mut copies = Vec::new();
        wait_until("all is in quarantine", || {
            copies = self.read_quarantine();
            let origin = |copy: &TopicRecord| {
                let header = |name| copy.header(name).map(str::to_owned);
                (header(HEADER_PARTITION), header(HEADER_OFFSET))
            };
            copies.iter().map(origin).collect::<BTreeSet<_>>().len() >= origins
        });
        copies
    }

    /// Is a member of a consumer group of the events topic for so long after it has got a share of the
    /// partitions, and does nothing with it. False if it gets none for longer than `patience`.
    ///
    /// # Panics
    /// If it cannot be one at all.
    #[must_use]
    pub fn join_for(&self, group: &str, lasts: Duration, patience: Duration) -> bool {
        let mut config = self.connection.client_config().expect("a plain connection");
        config.set("group.id", group).set("partition.assignment.strategy", "cooperative-sticky");
        config.set("enable.auto.commit", "false").set("auto.offset.reset", "latest");
        let member: BaseConsumer = config.create().expect("a plain client");
        member.subscribe(&[&self.connection.topic(&EVENTS)]).expect("a topic");
        let has_some = || member.assignment().is_ok_and(|held| held.count() > 0);
        let deadline = Instant::now() + patience;
        while !has_some() {
            if Instant::now() > deadline {
                return false;
            }
            drop(member.poll(Duration::from_millis(100)));
        }
        let until = Instant::now() + lasts;
        while Instant::now() < until {
            drop(member.poll(Duration::from_millis(50)));
        }
        true
    }

    /// What a consumer group has committed of each partition of the events topic, if anything.
    ///
    /// # Panics
    /// If nobody says.
    #[must_use]
    pub fn committed(&self, group: &str) -> Vec<Option<i64>> {
        let mut config = self.connection.client_config().expect("a plain connection");
        let asker: BaseConsumer = config.set("group.id", group).create().expect("a plain client");
        let topic = self.connection.topic(&EVENTS);
        let mut list = TopicPartitionList::new();
        list.add_partition_range(&topic, 0, self.partitions as i32 - 1);
        let committed = asker.committed_offsets(list, PATIENCE).expect("a group's offsets");
        let offset =
            |element: rdkafka::topic_partition_list::TopicPartitionListElem<'_>| match element
                .offset()
            {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            };
        committed.elements().into_iter().map(offset).collect()
    }

    /// Where each partition of a topic begins.
    #[must_use]
    pub fn begins(&self, topic: &Topic) -> Vec<i64> {
        self.watermarks(topic).into_iter().map(|(low, _)| low).collect()
    }

    /// Where each partition of a topic ends.
    #[must_use]
    pub fn ends(&self, topic: &Topic) -> Vec<i64> {
        self.watermarks(topic).into_iter().map(|(_, end)| end).collect()
    }

    fn watermarks(&self, topic: &Topic) -> Vec<(i64, i64)> {
        let config = self.connection.client_config().expect("a plain connection");
        let consumer: BaseConsumer = config.create().expect("a plain client");
        let name = self.connection.topic(topic);
        let count = if topic.partitioned { self.partitions } else { 1 };
        (0..count as i32)
            .map(|partition| {
                consumer.fetch_watermarks(&name, partition, PATIENCE).expect("watermarks")
            })
            .collect()
    }

    /// A whole topic, partition by partition in the order of the offsets.
    ///
    /// # Panics
    /// If it cannot be read to its end, or its beginning is gone.
    #[must_use]
    pub fn read(&self, topic: &Topic) -> Vec<TopicRecord> {
        let begins = self.begins(topic);
        assert!(begins.iter().all(|low| *low == 0), "{} has lost its beginning", topic.name);
        self.read_from_begin(topic)
    }

    /// What there is of a topic, partition by partition in the order of the offsets.
    ///
    /// # Panics
    /// If it cannot be read to its end.
    #[must_use]
    pub fn read_from_begin(&self, topic: &Topic) -> Vec<TopicRecord> {
        let name = self.connection.topic(topic);
        let consumer: BaseConsumer = self
            .connection
            .client_config()
            .expect("a plain connection")
            .set("group.id", "not used")
            .set("enable.auto.commit", "false")
            .set("enable.partition.eof", "true")
            .set("auto.offset.reset", "error")
            .set("fetch.queue.backoff.ms", "10")
            .set("fetch.wait.max.ms", "10")
            .create()
            .expect("a plain client");
        let count = if topic.partitioned { self.partitions } else { 1 };
        let mut places = TopicPartitionList::new();
        for partition in 0..count as i32 {
            let (low, _) = consumer.fetch_watermarks(&name, partition, PATIENCE).expect("marks");
            places.add_partition_offset(&name, partition, Offset::Offset(low)).expect("an offset");
        }
        consumer.assign(&places).expect("an assignment");
        let mut records: BTreeMap<u32, Vec<TopicRecord>> = BTreeMap::new();
        let mut ended = 0;
        let deadline = Instant::now() + PATIENCE;
        while ended < count {
            assert!(Instant::now() < deadline, "{name} cannot be read to its end");
            match consumer.poll(Duration::from_millis(100)) {
                None => {}
                Some(Err(KafkaError::PartitionEOF(_))) => ended += 1,
                Some(Err(error)) => panic!("{name} cannot be read: {error}"),
                Some(Ok(message)) => {
                    let partition = message.partition() as u32;
                    let owned = |bytes: Option<&[u8]>| bytes.map(<[u8]>::to_vec);
                    let record = LogRecord {
                        partition,
                        offset: message.offset(),
                        timestamp_ms: message.timestamp().to_millis().unwrap_or(-1),
                        key: owned(message.key()),
                        value: owned(message.payload()),
                    };
                    let headers = headers::owned(&message);
                    records.entry(partition).or_default().push(TopicRecord { record, headers });
                }
            }
        }
        records.into_values().flatten().collect()
    }
}
