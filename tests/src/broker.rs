//! The broker that a test runs on: librdkafka's embedded one, or the real Kafka that
//! `LAJU_TEST_BROKERS` names, where every test has topics of its own under a random prefix. The
//! same test code runs on both; what it asks of the log it asks of the broker, because on a real
//! one offsets and timestamps are the broker's.

mod admin;
mod outage;
mod publish;
mod read;

use std::time::Duration;

use laju_kafka::connection::Connection;
use laju_kafka::embedded::EmbeddedBroker;
use laju_kafka::publish::{PublishSettings, Publisher};
use laju_schemas::topic::{self, EVENTS, Topic};
use rdkafka::ClientConfig;
use rdkafka::admin::AdminClient;
use rdkafka::client::DefaultClientContext;

use admin::{options, wait};
pub use outage::{KAFKA_TOOL, Outage};
pub use read::TopicRecord;

/// Names the real broker to run on, as `HOST:PORT`.
pub const BROKERS: &str = "LAJU_TEST_BROKERS";

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

enum Kind {
    Embedded(EmbeddedBroker),
    Real(AdminClient<DefaultClientContext>),
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
