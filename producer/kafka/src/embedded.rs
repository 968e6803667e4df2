//! librdkafka's in-process broker, for the demo and the tests: it speaks the real protocol over a
//! real socket, and needs neither Docker nor Java.
//!
//! Its log is in memory and dies with it. It keeps 5 MiB or 100,000 batches of a partition and
//! then drops the oldest without a word; timestamps are the producer's; topics are made through
//! its handle, not by an admin client; its cluster id can repeat within a process.

use std::time::Duration;

use laju_schemas::topic::{self, Topic};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::mocking::MockCluster;
use rdkafka::producer::{BaseProducer, Producer as _};
use rdkafka::{ClientConfig, ClientContext, bindings as sys};

use crate::connection::Connection;

/// The id of the only broker.
const THE_BROKER: i32 = 1;

/// How long a group's first members wait for others, in milliseconds: not at all.
const REBALANCE_DELAY_MS: i32 = 0;

/// A broker within this process, stopped when dropped.
pub struct EmbeddedBroker {
    client: BaseProducer,
}

impl EmbeddedBroker {
    /// Starts a broker with every topic of the contract.
    ///
    /// # Errors
    /// If librdkafka cannot start it, which takes a port on the loopback interface.
    pub fn start(partitions: u32) -> KafkaResult<Self> {
        let broker = Self::without_topics()?;
        for topic in topic::ALL {
            broker.create_topic(&topic, partitions)?;
        }
        Ok(broker)
    }

    /// Starts a broker without topics.
    ///
    /// # Errors
    /// As [`EmbeddedBroker::start`].
    pub fn without_topics() -> KafkaResult<Self> {
        let client: BaseProducer =
            ClientConfig::new().set("test.mock.num.brokers", "1").create()?;
        let broker = Self { client };
        broker.shorten_rebalance_delay();
        Ok(broker)
    }

    #[allow(unsafe_code, reason = "the safe interface does not have this call")]
    fn shorten_rebalance_delay(&self) {
        // SAFETY: both calls take handles that live as long as the client, which `self` owns;
        // the cluster's is null only for a client without one.
        unsafe {
            let cluster = sys::rd_kafka_handle_mock_cluster(self.client.client().native_ptr());
            if !cluster.is_null() {
                sys::rd_kafka_mock_group_initial_rebalance_delay_ms(cluster, REBALANCE_DELAY_MS);
            }
        }
    }

    /// Makes a topic: with so many partitions if it is one that has many, else with one.
    ///
    /// # Errors
    /// If it is there already.
    pub fn create_topic(&self, topic: &Topic, partitions: u32) -> KafkaResult<()> {
        let count = if topic.partitioned { partitions } else { 1 };
        self.cluster()?.create_topic(topic.name, i32::try_from(count).unwrap_or(i32::MAX), 1)
    }

    /// Hangs up on everybody and takes no connection until [`EmbeddedBroker::come_back`]. Its log
    /// stays.
    ///
    /// # Errors
    /// If librdkafka refuses, which it has no reason to.
    pub fn go_away(&self) -> KafkaResult<()> {
        self.cluster()?.broker_down(THE_BROKER)
    }

    /// Takes connections again.
    ///
    /// # Errors
    /// If librdkafka refuses, which it has no reason to.
    pub fn come_back(&self) -> KafkaResult<()> {
        self.cluster()?.broker_up(THE_BROKER)
    }

    /// Has the next requests of a kind answered with these errors.
    ///
    /// # Errors
    /// If librdkafka refuses, which it has no reason to.
    pub fn answer_with(
        &self,
        requests: rdkafka::types::RDKafkaApiKey,
        errors: &[rdkafka::types::RDKafkaRespErr],
    ) -> KafkaResult<()> {
        self.cluster()?.request_errors(requests, errors);
        Ok(())
    }

    fn cluster(&self) -> KafkaResult<MockCluster<'_, impl ClientContext>> {
        let cluster = self.client.client().mock_cluster();
        cluster.ok_or(KafkaError::MockCluster(RDKafkaErrorCode::Fail))
    }

    /// Where it listens: `HOST:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        self.client
            .client()
            .mock_cluster()
            .map(|cluster| cluster.bootstrap_servers())
            .unwrap_or_default()
    }

    /// A connection to it, with settings for a broker that is near.
    #[must_use]
    pub fn connection(&self) -> Connection {
        let mut connection = Connection::to(self.address());
        connection.kafka_properties = "fetch.wait.max.ms=10".parse().ok().into_iter().collect();
        connection
    }

    /// The first offset that a partition still has, and the one behind its last.
    ///
    /// # Errors
    /// If the topic has no such partition.
    pub fn watermarks(&self, topic: &str, partition: u32) -> KafkaResult<(i64, i64)> {
        let partition = i32::try_from(partition).unwrap_or(i32::MAX);
        self.client.client().fetch_watermarks(topic, partition, Duration::from_secs(10))
    }
}
