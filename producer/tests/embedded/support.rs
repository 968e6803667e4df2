//! What the tests share: an embedded broker with the contract's topics, a consumer of all of a
//! topic, a registry of canned answers, and an event.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use laju_producer::connection::Connection;
use laju_schemas::event::Channel;
use laju_schemas::topic;
use laju_schemas::{ActivationEvent, EventId, Fact, SubjectId, TimestampMs};
use rdkafka::consumer::{BaseConsumer, Consumer};
use rdkafka::message::OwnedMessage;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use rdkafka::{Offset, TopicPartitionList};

pub(crate) const PARTITIONS: u32 = 4;

/// An in-process broker with the contract's topics.
pub(crate) struct Broker {
    /// Kept alive with the test.
    _cluster: MockCluster<'static, DefaultProducerContext>,
    pub(crate) connection: Connection,
}

impl Broker {
    pub(crate) fn start() -> Self {
        let cluster = MockCluster::new(1).unwrap();
        for topic in topic::ALL {
            let partitions = if topic.partitioned { PARTITIONS } else { 1 };
            cluster.create_topic(topic.name, partitions as i32, 1).unwrap();
        }
        let connection = Connection::to(cluster.bootstrap_servers());
        Self { _cluster: cluster, connection }
    }

    /// Returns once the topic holds something.
    pub(crate) fn wait_for_records(&self, topic: &str) {
        let consumer: BaseConsumer = self.connection.client_config().unwrap().create().unwrap();
        let timeout = Duration::from_secs(10);
        let deadline = Instant::now() + Duration::from_secs(20);
        let mut partition = 0;
        while consumer.fetch_watermarks(topic, partition, timeout).unwrap().1 == 0 {
            assert!(Instant::now() < deadline, "nothing arrives");
            partition = (partition + 1) % PARTITIONS as i32;
        }
    }

    /// Every record of a topic up to its present end.
    pub(crate) fn read_all(&self, topic: &str) -> Vec<OwnedMessage> {
        let mut config = self.connection.client_config().unwrap();
        config.set("group.id", "test").set("enable.auto.commit", "false");
        let consumer: BaseConsumer = config.create().unwrap();
        let timeout = Duration::from_secs(10);
        let metadata = consumer.fetch_metadata(Some(topic), timeout).unwrap();
        let mut expected = 0;
        let mut list = TopicPartitionList::new();
        for partition in metadata.topics()[0].partitions() {
            let (low, high) = consumer.fetch_watermarks(topic, partition.id(), timeout).unwrap();
            expected += high - low;
            list.add_partition_offset(topic, partition.id(), Offset::Beginning).unwrap();
        }
        consumer.assign(&list).unwrap();
        let mut records = Vec::new();
        let deadline = Instant::now() + Duration::from_secs(20);
        while (records.len() as i64) < expected {
            assert!(Instant::now() < deadline, "{} of {expected} records", records.len());
            if let Some(message) = consumer.poll(Duration::from_millis(100)) {
                records.push(message.unwrap().detach());
            }
        }
        records
    }
}

/// An address of this machine at which nobody listens: a port that was free a moment ago may be another
/// test's by now.
pub(crate) fn nobody() -> String {
    "127.0.0.1:9".to_owned()
}

pub(crate) fn event(number: u8) -> ActivationEvent {
    ActivationEvent {
        event_id: EventId([number; 16]),
        kiosk_id: "kiosk-1".parse().unwrap(),
        sequence: i64::from(number).try_into().unwrap(),
        occurred_at: TimestampMs(1_700_000_000_000),
        subject: SubjectId([number; 16]),
        home_region: "18.71".parse().unwrap(),
        service_region: "18.71".parse().unwrap(),
        outreach_id: None,
        fact: Fact::Activated { channel: Channel::Office, venue: None, first_time_holder: false },
    }
}

/// A registry that gives each request the answer that `answer` has for it.
pub(crate) struct CannedRegistry {
    pub(crate) url: String,
    pub(crate) asked: Arc<Mutex<Vec<String>>>,
}

impl CannedRegistry {
    pub(crate) fn start(
        answer: impl Fn(&str, &str) -> (u16, &'static str) + Send + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let asked = Arc::new(Mutex::new(Vec::new()));
        let log = Arc::clone(&asked);
        // It ends with the test's process.
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                let mut stream = stream.unwrap();
                let (line, body) = request(&mut stream);
                let (status, text) = answer(&line, &body);
                log.lock().unwrap().push(line);
                let length = text.len();
                write!(
                    stream,
                    "HTTP/1.1 {status} X\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n{text}"
                )
                .unwrap();
            }
        });
        Self { url, asked }
    }
}

fn request(stream: &mut TcpStream) -> (String, String) {
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).unwrap();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).unwrap();
        if line.trim().is_empty() {
            break;
        }
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).unwrap();
    let line = first.rsplit_once(" HTTP").unwrap().0.to_owned();
    (line, String::from_utf8(body).unwrap())
}
