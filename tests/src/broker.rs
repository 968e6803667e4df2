//! The broker that a test runs on: librdkafka's embedded one, or the real Kafka that
//! `LAJU_TEST_BROKERS` names, where every test has topics of its own under a random prefix. The
//! same test code runs on both; what it asks of the log it asks of the broker, because on a real
//! one offsets and timestamps are the broker's.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::{CStr, CString, OsString};
use std::process::Command;
use std::time::{Duration, Instant};

use laju_consumer::embedded::EmbeddedBroker;
use laju_consumer::ingest::headers;
use laju_kafka::connection::Connection;
use laju_kafka::publish::{Delivery, PublishError, PublishSettings, Publisher, Record};
use laju_schemas::TimestampMs;
use laju_schemas::quarantine::{HEADER_OFFSET, HEADER_PARTITION};
use laju_schemas::topic::{self, EVENTS, QUARANTINE, Topic};
use rdkafka::admin::{
    AdminClient, AdminOptions, AlterConfig, NewPartitions, NewTopic, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

use crate::log::LogRecord;
use crate::process::wait_until;

/// Names the real broker to run on, as `HOST:PORT`.
pub const BROKERS: &str = "LAJU_TEST_BROKERS";

/// Names the program that the real broker was started with, an absolute path: `pause 1` stops the
/// broker where it stands, `resume 1` lets it go on.
pub const KAFKA_TOOL: &str = "LAJU_TEST_KAFKA_TOOL";

/// How long a broker may take to answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// The real broker to run on, if there is one.
#[must_use]
pub fn real_brokers() -> Option<String> {
    std::env::var(BROKERS).ok().filter(|brokers| !brokers.is_empty())
}

/// How a test's topics differ from the contract.
#[derive(Clone, Copy, Debug)]
pub struct Topics {
    /// Partitions of the events topic.
    pub partitions: u32,
    /// A topic that is not there.
    pub without: Option<&'static str>,
    /// The largest message of the events topic, in bytes. The embedded broker has no such limit.
    pub max_event_bytes: u32,
    /// Copies of every partition. The embedded broker is one, and keeps one.
    pub copies: u16,
}

impl Topics {
    /// As the contract has them.
    #[must_use]
    pub fn of(partitions: u32) -> Self {
        Self { partitions, without: None, max_event_bytes: EVENTS.max_message_bytes, copies: 1 }
    }
}

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

enum Kind {
    Embedded(EmbeddedBroker),
    Real(AdminClient<DefaultClientContext>),
}

/// As long as this is there, the broker is not.
#[must_use]
pub struct Outage<'a>(&'a TestBroker);

impl Drop for Outage<'_> {
    fn drop(&mut self) {
        self.0.come_back();
    }
}

/// A broker with a test's topics.
pub struct TestBroker {
    kind: Kind,
    connection: Connection,
    publisher: Publisher,
    partitions: u32,
    copies: u16,
}

impl TestBroker {
    /// The broker, with topics as the contract has them.
    #[must_use]
    pub fn start(partitions: u32) -> Self {
        Self::with(Topics::of(partitions))
    }

    /// The broker, with these topics.
    ///
    /// # Panics
    /// If it cannot be started or reached.
    #[must_use]
    pub fn with(topics: Topics) -> Self {
        Self::on(real_brokers(), topics)
    }

    /// The broker; a real one without topics, which a program makes that are deleted with this. The
    /// embedded one, whose topics no program can make, has them.
    ///
    /// # Panics
    /// If it cannot be started or reached.
    #[must_use]
    pub fn bare(partitions: u32) -> Self {
        Self::bare_at(real_brokers(), partitions)
    }

    /// The same of a real broker at an address, if there is one.
    ///
    /// # Panics
    /// If it cannot be started or reached.
    #[must_use]
    pub fn bare_at(brokers: Option<String>, partitions: u32) -> Self {
        let topics: &[Topic] = if brokers.is_some() { &[] } else { &topic::ALL };
        Self::having(brokers, Topics::of(partitions), topics)
    }

    /// A real broker at this address, with topics as the contract has them.
    #[must_use]
    pub fn at(brokers: &str, partitions: u32) -> Self {
        Self::on(Some(brokers.to_owned()), Topics::of(partitions))
    }

    /// A real broker at this address, with these topics.
    #[must_use]
    pub fn with_at(brokers: &str, topics: Topics) -> Self {
        Self::on(Some(brokers.to_owned()), topics)
    }

    fn on(brokers: Option<String>, topics: Topics) -> Self {
        Self::having(brokers, topics, &topic::ALL)
    }

    fn having(brokers: Option<String>, topics: Topics, made: &[Topic]) -> Self {
        let (kind, connection) = match brokers {
            None => {
                let broker = EmbeddedBroker::without_topics().expect("a port on the loopback");
                let connection = broker.connection();
                (Kind::Embedded(broker), connection)
            }
            Some(brokers) => {
                let config = ClientConfig::new().set("bootstrap.servers", &brokers).clone();
                let mut connection = Connection::to(brokers);
                connection.topic_prefix = format!("test-{:08x}.", rand::random::<u32>());
                (Kind::Real(config.create().expect("a plain client")), connection)
            }
        };
        let settings = PublishSettings { max_message_bytes: 4 << 20, ..PublishSettings::default() };
        let publisher = Publisher::new(&connection, &settings).expect("a plain connection");
        let (partitions, copies) = (topics.partitions, topics.copies);
        let broker = Self { kind, connection, publisher, partitions, copies };
        for topic in made {
            if topics.without != Some(topic.name) {
                let is_events = topic.name == EVENTS.name;
                let largest =
                    if is_events { topics.max_event_bytes } else { topic.max_message_bytes };
                broker.create_topic(topic, topics.partitions, largest);
            }
        }
        broker
    }

    /// Whether it is a real Kafka.
    #[must_use]
    pub fn is_real(&self) -> bool {
        matches!(self.kind, Kind::Real(_))
    }

    /// How to reach it.
    #[must_use]
    pub fn connection(&self) -> Connection {
        self.connection.clone()
    }

    /// Partitions of the events topic.
    #[must_use]
    pub fn partitions(&self) -> u32 {
        self.partitions
    }

    /// Makes a topic; the number of partitions is for those that have many.
    ///
    /// # Panics
    /// If the broker refuses.
    pub fn create_topic(&self, topic: &Topic, partitions: u32, largest: u32) {
        let admin = match &self.kind {
            Kind::Embedded(broker) => {
                return broker.create_topic(topic, partitions).expect("a new topic");
            }
            Kind::Real(admin) => admin,
        };
        let name = self.connection.topic(topic);
        let count = if topic.partitioned { partitions } else { 1 };
        let largest = largest.to_string();
        let config = topic.config();
        let mut new =
            NewTopic::new(&name, count as i32, TopicReplication::Fixed(self.copies.into()));
        for (key, value) in &config {
            let value = if *key == "max.message.bytes" { &largest } else { value };
            new = new.set(key, value);
        }
        let made = wait(admin.create_topics(&[new], &options())).expect("the broker answers");
        made.into_iter().for_each(|made| drop(made.expect("a new topic")));
        self.until(|| self.connection.check(PATIENCE).is_ok_and(|c| c.partitions(&name).is_some()));
    }

    /// Has the events topic take messages of so many bytes from now on, which only a real Kafka does.
    ///
    /// # Panics
    /// On the embedded broker, or if the broker refuses.
    pub fn set_largest_event(&self, bytes: u32) {
        let Kind::Real(admin) = &self.kind else { panic!("the embedded broker has no limit") };
        let name = self.connection.topic(&EVENTS);
        let bytes = bytes.to_string();
        let config = AlterConfig::new(ResourceSpecifier::Topic(&name))
            .set("max.message.bytes", &bytes)
            .set("message.timestamp.type", "LogAppendTime");
        let done = wait(admin.alter_configs(&[config], &options())).expect("the broker answers");
        done.into_iter().for_each(|done| drop(done.expect("a topic of ours")));
    }

    /// Deletes a topic, which only a real Kafka can.
    ///
    /// # Panics
    /// On the embedded broker, or if the broker refuses.
    pub fn delete_topic(&self, topic: &Topic) {
        let Kind::Real(admin) = &self.kind else { panic!("the embedded broker keeps its topics") };
        let name = self.connection.topic(topic);
        let gone = wait(admin.delete_topics(&[&name], &options())).expect("the broker answers");
        gone.into_iter().for_each(|gone| drop(gone.expect("it was there")));
        self.until(|| self.connection.check(PATIENCE).is_ok_and(|c| c.partitions(&name).is_none()));
    }

    /// Deletes a topic and makes it again at once, which only a real Kafka can.
    ///
    /// # Panics
    /// On the embedded broker, or if the broker refuses.
    pub fn make_again(&self, topic: &Topic, partitions: u32) {
        let Kind::Real(admin) = &self.kind else { panic!("the embedded broker keeps its topics") };
        let name = self.connection.topic(topic);
        let gone = wait(admin.delete_topics(&[&name], &options())).expect("the broker answers");
        gone.into_iter().for_each(|gone| drop(gone.expect("it was there")));
        let count = if topic.partitioned { partitions } else { 1 };
        let config = topic.config();
        self.until(|| {
            let new = NewTopic::new(&name, count as i32, TopicReplication::Fixed(1));
            let new = config.iter().fold(new, |new, (key, value)| new.set(key, value));
            let made = wait(admin.create_topics(&[new], &options()));
            made.expect("the broker answers").into_iter().all(|made| made.is_ok())
        });
    }

    /// Gives a topic more partitions, which only a real Kafka can.
    ///
    /// # Panics
    /// On the embedded broker, or if the broker refuses.
    pub fn add_partitions(&self, topic: &Topic, partitions: u32) {
        let Kind::Real(admin) = &self.kind else { panic!("the embedded broker adds none") };
        let name = self.connection.topic(topic);
        let more = NewPartitions::new(&name, partitions as usize);
        let done = wait(admin.create_partitions(&[more], &options())).expect("the broker answers");
        done.into_iter().for_each(|done| drop(done.expect("a topic of ours")));
    }

    /// Deletes the first records of a partition of the events topic, which only a real Kafka does.
    ///
    /// # Panics
    /// On the embedded broker, or if the broker refuses.
    pub fn cut_events(&self, partition: u32, before: i64) {
        let Kind::Real(admin) = &self.kind else { panic!("the embedded broker cuts by itself") };
        let mut until = TopicPartitionList::new();
        let name = self.connection.topic(&EVENTS);
        let until_offset =
            until.add_partition_offset(&name, partition as i32, Offset::Offset(before));
        until_offset.expect("an offset");
        wait(admin.delete_records(&until, &options())).expect("the broker answers");
    }

    /// Whether every partition of every topic of the test has all its copies in sync.
    #[must_use]
    pub fn is_in_sync(&self) -> bool {
        let Ok(config) = self.connection.client_config() else { return false };
        let Ok(client) = config.create::<BaseProducer>() else { return false };
        topic::ALL.iter().all(|topic| {
            let name = self.connection.topic(topic);
            let known = client.client().fetch_metadata(Some(&name), Duration::from_secs(5));
            known.is_ok_and(|known| {
                let partitions = known.topics().iter().flat_map(|topic| topic.partitions());
                let mut copies = partitions.map(|partition| partition.isr().len());
                copies.all(|copies| copies == usize::from(self.copies))
            })
        })
    }

    /// The brokers that lead the partitions of the events topic, as one of them says now.
    #[must_use]
    pub fn leaders(&self) -> Option<BTreeSet<i32>> {
        let client: BaseProducer = self.connection.client_config().ok()?.create().ok()?;
        let name = self.connection.topic(&EVENTS);
        let known = client.client().fetch_metadata(Some(&name), Duration::from_secs(5)).ok()?;
        let partitions = known.topics().iter().flat_map(|topic| topic.partitions());
        Some(partitions.map(|partition| partition.leader()).collect())
    }

    fn until(&self, mut done: impl FnMut() -> bool) {
        let deadline = Instant::now() + PATIENCE;
        while !done() {
            assert!(Instant::now() < deadline, "the broker does not do what it was asked to");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Hands a record of the events topic over as it is, into its own partition.
    ///
    /// # Errors
    /// If it cannot be queued.
    pub fn send(
        &self,
        record: &LogRecord,
        headers: &[(&str, &[u8])],
    ) -> Result<Delivery, PublishError> {
        self.publisher.publish_record(&Record {
            topic: &self.connection.topic(&EVENTS),
            key: record.key.as_deref(),
            value: record.value.as_deref(),
            partition: Some(record.partition),
            // librdkafka takes zero for "now".
            timestamp: (record.timestamp_ms != 0).then_some(TimestampMs(record.timestamp_ms)),
            headers,
        })
    }

    /// Publishes records as they are, and waits until all are confirmed.
    ///
    /// # Panics
    /// If one is not.
    pub fn publish(&self, records: &[LogRecord]) {
        let deliveries: Vec<_> =
            records.iter().map(|record| self.send(record, &[]).expect("room for it")).collect();
        for delivery in deliveries {
            delivery.wait().expect("confirmed");
        }
    }

    /// Publishes a record of the events topic with a header whose name may be any bytes, which
    /// rdkafka's safe interface does not let through.
    ///
    /// # Panics
    /// If it is not delivered.
    #[allow(unsafe_code, reason = "the safe interface has no names that are not UTF-8")]
    pub fn publish_with_raw_header(&self, record: &LogRecord, name: &CStr, value: &[u8]) {
        use rdkafka_sys::rd_kafka_vtype_t as Type;
        let config = self.connection.client_config().expect("a plain connection");
        let producer: BaseProducer = config.create().expect("a plain client");
        let topic = CString::new(self.connection.topic(&EVENTS)).expect("no zero in a name");
        let key = record.key.as_deref().unwrap_or_default();
        let payload = record.value.as_deref().unwrap_or_default();
        // SAFETY: every type is followed by what librdkafka.h says it takes, all of it lives
        // during the call, and librdkafka copies it (RD_KAFKA_MSG_F_COPY).
        let error = unsafe {
            rdkafka_sys::rd_kafka_producev(
                producer.client().native_ptr(),
                Type::RD_KAFKA_VTYPE_TOPIC,
                topic.as_ptr(),
                Type::RD_KAFKA_VTYPE_PARTITION,
                record.partition as i32,
                Type::RD_KAFKA_VTYPE_MSGFLAGS,
                rdkafka_sys::RD_KAFKA_MSG_F_COPY,
                Type::RD_KAFKA_VTYPE_KEY,
                key.as_ptr(),
                key.len(),
                Type::RD_KAFKA_VTYPE_VALUE,
                payload.as_ptr(),
                payload.len(),
                Type::RD_KAFKA_VTYPE_TIMESTAMP,
                record.timestamp_ms,
                Type::RD_KAFKA_VTYPE_HEADER,
                name.as_ptr(),
                value.as_ptr(),
                value.len(),
                Type::RD_KAFKA_VTYPE_END,
            )
        };
        assert_eq!(error, rdkafka_sys::rd_kafka_resp_err_t::RD_KAFKA_RESP_ERR_NO_ERROR);
        producer.flush(PATIENCE).expect("delivered");
    }

    /// Has the broker go away until the outage is dropped: the embedded one hangs up, the real one
    /// stops where it stands. None if there is no tool to stop the real one with.
    ///
    /// # Panics
    /// If it does not.
    pub fn outage(&self) -> Option<Outage<'_>> {
        match &self.kind {
            Kind::Embedded(broker) => broker.go_away().expect("the broker is there"),
            Kind::Real(_) if kafka_tool().is_none() => return None,
            Kind::Real(_) => tell_kafka("pause"),
        }
        Some(Outage(self))
    }

    fn come_back(&self) {
        match &self.kind {
            Kind::Embedded(broker) => broker.come_back().expect("the broker is there"),
            Kind::Real(_) => tell_kafka("resume"),
        }
    }

    /// A publisher to this broker.
    #[must_use]
    pub fn publisher(&self) -> &Publisher {
        &self.publisher
    }

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

    /// A topic's configuration, set or not, which only a real Kafka tells.
    ///
    /// # Panics
    /// On the embedded broker, or if the broker refuses.
    #[must_use]
    pub fn config(&self, topic: &Topic) -> BTreeMap<String, String> {
        let Kind::Real(admin) = &self.kind else { panic!("the embedded broker does not tell") };
        let name = self.connection.topic(topic);
        let resource = ResourceSpecifier::Topic(&name);
        let told = wait(admin.describe_configs([&resource], &options())).expect("an answer");
        let told = told.into_iter().map(|config| config.expect("a topic of ours"));
        let entries = told.flat_map(|config| config.entries);
        entries.filter_map(|entry| Some((entry.name, entry.value?))).collect()
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

impl Drop for TestBroker {
    fn drop(&mut self) {
        if let Kind::Real(admin) = &self.kind {
            let names: Vec<_> =
                topic::ALL.iter().map(|topic| self.connection.topic(topic)).collect();
            let names: Vec<_> = names.iter().map(String::as_str).collect();
            // Best effort: the broker belongs to the tests, and one may be gone already.
            drop(wait(admin.delete_topics(&names, &options())));
        }
    }
}

fn kafka_tool() -> Option<OsString> {
    std::env::var_os(KAFKA_TOOL).filter(|tool| !tool.is_empty())
}

fn tell_kafka(what: &str) {
    let tool = kafka_tool().expect("it was there to begin with");
    let ended = Command::new(tool).args([what, "1"]).output().expect("a program");
    assert!(ended.status.success(), "{what}: {ended:?}");
}

fn options() -> AdminOptions {
    AdminOptions::new().operation_timeout(Some(PATIENCE))
}

fn wait<F: Future>(future: F) -> F::Output {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime without threads")
        .block_on(future)
}
