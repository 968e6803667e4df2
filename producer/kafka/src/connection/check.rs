//! What librdkafka reports beside its answers, and the check at start that reads it.
//!
//! Wrong passwords and certificates are not fatal to librdkafka: it tries for ever, and every
//! call ends in a time-out. Only its error callback says what is wrong, so it is remembered.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use rdkafka::ClientContext;
use rdkafka::client::Client;
use rdkafka::config::{ClientConfig, FromClientConfigAndContext, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;
use rdkafka::producer::{DeliveryResult, Producer, ProducerContext, ThreadedProducer};

use super::ask::is_passing;
use super::error::ConnectionError;

/// One question to the cluster; between two of them the remembered error is looked at.
const METADATA_TIMEOUT: Duration = Duration::from_millis(250);

/// How long is waited before a question is asked again that had half an answer.
const METADATA_RETRY_INTERVAL: Duration = Duration::from_millis(100);

#[derive(Clone, Debug)]
struct Reported {
    code: RDKafkaErrorCode,
    reason: String,
}

#[derive(Default)]
struct Memory {
    /// The last error of any kind.
    last: Option<Reported>,
    /// The last error that names a cause: `_ALL_BROKERS_DOWN` comes after it and names none.
    cause: Option<Reported>,
    /// When an error was last logged, by its code.
    logged: Vec<(RDKafkaErrorCode, Instant)>,
}

/// How often an error of one code is logged: librdkafka repeats it several times a second, and a
/// kiosk may be without a connection for days.
const LOG_EVERY: Duration = Duration::from_secs(60);

impl Memory {
    /// Whether an error is to be logged now.
    fn is_news(&mut self, code: RDKafkaErrorCode, now: Instant) -> bool {
        match self.logged.iter_mut().find(|(logged, _)| *logged == code) {
            Some((_, at)) if now.saturating_duration_since(*at) < LOG_EVERY => false,
            Some((_, at)) => {
                *at = now;
                true
            }
            None => {
                self.logged.push((code, now));
                true
            }
        }
    }
}

/// The context of a client: remembers what the error callback said, and logs it.
#[derive(Clone, Default)]
pub struct BrokerEvents {
    memory: Arc<Mutex<Memory>>,
    quiet: bool,
}

impl BrokerEvents {
    /// One that remembers and logs at `debug` only, for a client whose user reports by itself.
    #[must_use]
    pub fn quiet() -> Self {
        Self { quiet: true, ..Self::default() }
    }

    fn memory(&self) -> MutexGuard<'_, Memory> {
        // Nothing can panic while it is held, and it is whole after every statement.
        self.memory.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes an error. Contexts of other shapes call this from their own error callback.
    pub fn note(&self, code: RDKafkaErrorCode, reason: &str) {
        let reported = Reported { code, reason: reason.to_owned() };
        let mut memory = self.memory();
        if !self.quiet && memory.is_news(code, Instant::now()) {
            tracing::warn!(%code, reason, "Kafka client error");
        } else {
            tracing::debug!(%code, reason, "Kafka client error");
        }
        if code != RDKafkaErrorCode::AllBrokersDown {
            memory.cause = Some(reported.clone());
        }
        memory.last = Some(reported);
    }

    /// Forgets what was noted, once the cluster has answered.
    pub fn clear(&self) {
        let mut memory = self.memory();
        (memory.cause, memory.last) = (None, None);
    }

    /// The error that most likely explains why calls time out, in words.
    #[must_use]
    pub fn last_error(&self) -> Option<String> {
        let memory = self.memory();
        memory.cause.as_ref().or(memory.last.as_ref()).map(|reported| reported.reason.clone())
    }

    /// What is wrong between us and the brokers, judged by the error last noted.
    #[must_use]
    pub fn diagnose(&self, brokers: &str) -> ConnectionError {
        let memory = self.memory();
        let brokers = brokers.to_owned();
        let Some(Reported { code, reason }) =
            memory.cause.as_ref().or(memory.last.as_ref()).cloned()
        else {
            let reason = "nothing came back in time; is the address right?".to_owned();
            return ConnectionError::Unreachable { brokers, reason };
        };
        match code {
            RDKafkaErrorCode::Authentication | RDKafkaErrorCode::SaslAuthenticationFailed => {
                ConnectionError::Authentication { brokers, reason }
            }
            RDKafkaErrorCode::SSL => ConnectionError::Certificate { brokers, reason },
            _ if reason.contains("PLAINTEXT broker listener") => {
                ConnectionError::Protocol { brokers, reason }
            }
            RDKafkaErrorCode::Resolve => ConnectionError::Unreachable { brokers, reason },
            _ if reason.contains("Connection refused") => ConnectionError::Unreachable {
                brokers,
                reason: format!("{reason}; is Kafka running, and is the address right?"),
            },
            // A listener that wants TLS just closes the connection of one that does not speak it.
            _ => ConnectionError::Unreachable {
                brokers,
                reason: format!(
                    "{reason}; if a broker runs there, it may want another protocol \
                     (--kafka-property security.protocol=…)"
                ),
            },
        }
    }

    /// Whether waiting longer cannot help.
    fn is_settled(&self) -> bool {
        self.memory().cause.as_ref().is_some_and(|reported| {
            matches!(
                reported.code,
                RDKafkaErrorCode::Authentication
                    | RDKafkaErrorCode::SaslAuthenticationFailed
                    | RDKafkaErrorCode::SSL
            ) || reported.reason.contains("PLAINTEXT broker listener")
        })
    }
}

impl ClientContext for BrokerEvents {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        use RDKafkaLogLevel::{Alert, Critical, Emerg, Error, Warning};
        match level {
            // What these say comes through the error callback as well.
            // And a connection's properties go to consumers and producers alike.
            _ if matches!(facility, "FAIL" | "ERROR" | "CONFWARN") || self.quiet => {
                tracing::debug!(facility, "{message}");
            }
            Emerg | Alert | Critical | Error => tracing::error!(facility, "{message}"),
            Warning => tracing::warn!(facility, "{message}"),
            _ => tracing::debug!(facility, "{message}"),
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Unknown);
        // The end of a partition is news for who reads it, and no error.
        if code != RDKafkaErrorCode::PartitionEOF {
            self.note(code, reason);
        }
    }
}

impl ConsumerContext for BrokerEvents {}

/// A producer's context for clients that send nothing.
struct Probe(BrokerEvents);

impl ClientContext for Probe {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.error(error, reason);
    }
}

impl ProducerContext for Probe {
    type DeliveryOpaque = ();

    fn delivery(&self, _result: &DeliveryResult<'_>, (): ()) {}
}

/// A topic that the cluster has and this user may see.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TopicInfo {
    /// Its full name.
    pub name: String,
    /// How many partitions it has.
    pub partitions: u32,
}

/// What a cluster says of itself.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClusterInfo {
    /// Its id, which says which log positions belong to.
    pub cluster_id: String,
    /// Its brokers, as `HOST:PORT`, as the cluster itself names them.
    pub brokers: Vec<String>,
    /// Its topics, in the order of their names.
    pub topics: Vec<TopicInfo>,
}

impl ClusterInfo {
    /// How many partitions a topic has; `None` if the cluster has no such topic, or none that
    /// this user may see.
    #[must_use]
    pub fn partitions(&self, topic: &str) -> Option<u32> {
        let index = self.topics.binary_search_by(|known| known.name.as_str().cmp(topic)).ok()?;
        Some(self.topics[index].partitions)
    }
}

/// Connects, and asks for the cluster's id and topics.
pub(super) fn check(
    brokers: &str,
    config: &ClientConfig,
    timeout: Duration,
) -> Result<ClusterInfo, ConnectionError> {
    let events = BrokerEvents::quiet();
    let probe: ThreadedProducer<Probe> =
        ThreadedProducer::from_config_and_context(config, Probe(events.clone()))
            .map_err(|error| ConnectionError::refused(&error))?;
    let deadline = Instant::now() + timeout;
    let metadata = loop {
        match ask(probe.client(), deadline) {
            // A topic without a leader is one that is there.
            Ok(metadata) if is_passing_of_any(&metadata) && Instant::now() < deadline => {
                std::thread::sleep(METADATA_RETRY_INTERVAL);
            }
            Ok(metadata) => break metadata,
            Err(_) if events.is_settled() || Instant::now() >= deadline => {
                return Err(events.diagnose(brokers));
            }
            Err(_) => {}
        }
    };
    let cluster_id = probe
        .client()
        .fetch_cluster_id(deadline.saturating_duration_since(Instant::now()).max(METADATA_TIMEOUT))
        .ok_or_else(|| ConnectionError::NoClusterId(brokers.to_owned()))?;
    let mut topics: Vec<_> = metadata
        .topics()
        .iter()
        .filter(|topic| topic.error().is_none())
        .map(|topic| TopicInfo {
            name: topic.name().to_owned(),
            partitions: topic.partitions().len() as u32,
        })
        .collect();
    topics.sort_by(|a, b| a.name.cmp(&b.name));
    let brokers = metadata.brokers().iter().map(|b| format!("{}:{}", b.host(), b.port())).collect();
    Ok(ClusterInfo { cluster_id, brokers, topics })
}

/// Whether a topic is in a state that time mends, and may look as if it were not there.
fn is_passing_of_any(metadata: &Metadata) -> bool {
    let errors = metadata.topics().iter().filter_map(|topic| topic.error());
    errors.map(RDKafkaErrorCode::from).any(is_passing)
}

fn ask<C: ClientContext>(client: &Client<C>, deadline: Instant) -> KafkaResult<Metadata> {
    let left = deadline.saturating_duration_since(Instant::now());
    client.fetch_metadata(None, left.clamp(Duration::from_millis(1), METADATA_TIMEOUT))
}

#[cfg(test)]
mod tests {
    use rdkafka::mocking::MockCluster;

    use super::super::Connection;
    use super::*;

    #[test]
    fn a_cluster_tells_its_id_and_topics() {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic("ikd.events.v1", 6, 1).unwrap();
        let connection = Connection::to(cluster.bootstrap_servers());
        let info = connection.check(Duration::from_secs(10)).unwrap();
        assert!(!info.cluster_id.is_empty());
        assert_eq!(info.partitions("ikd.events.v1"), Some(6));
        assert_eq!(info.partitions("ikd.figures.v1"), None);
    }

    #[test]
    fn an_outage_is_logged_once_a_minute_by_its_code() {
        let mut memory = Memory::default();
        let now = Instant::now();
        let code = RDKafkaErrorCode::BrokerTransportFailure;
        assert!(memory.is_news(code, now));
        assert!(!memory.is_news(code, now + LOG_EVERY / 2));
        assert!(memory.is_news(RDKafkaErrorCode::SSL, now + LOG_EVERY / 2));
        assert!(memory.is_news(code, now + LOG_EVERY));
        assert!(!memory.is_news(code, now + LOG_EVERY));
    }

    #[test]
    fn no_broker_is_said_with_the_address() {
        // A port that was free a moment ago, on which nobody listens.
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap().to_string();
        drop(listener);
        let error = Connection::to(&address).check(Duration::from_millis(600)).unwrap_err();
        let text = error.to_string();
        assert!(matches!(error, ConnectionError::Unreachable { .. }), "{text}");
        assert!(text.contains(&address) && text.contains("refused"), "{text}");
    }

    #[test]
    fn each_failure_has_its_own_words() {
        let diagnose = |code, reason: &str| {
            let events = BrokerEvents::quiet();
            events.note(code, reason);
            events.note(RDKafkaErrorCode::AllBrokersDown, "1/1 brokers are down");
            events.diagnose("k:9092")
        };
        let error = diagnose(RDKafkaErrorCode::Authentication, "Authentication failed");
        assert!(matches!(error, ConnectionError::Authentication { .. }));
        let error = diagnose(RDKafkaErrorCode::SSL, "certificate verify failed");
        assert!(matches!(error, ConnectionError::Certificate { .. }));
        let reason = "connecting to a PLAINTEXT broker listener?";
        let error = diagnose(RDKafkaErrorCode::BrokerTransportFailure, reason);
        assert!(matches!(error, ConnectionError::Protocol { .. }));
        let error = diagnose(RDKafkaErrorCode::BrokerTransportFailure, "Disconnected");
        assert!(error.to_string().contains("security.protocol"), "{error}");
    }

    #[test]
    fn a_refused_configuration_is_said_without_its_value() {
        let mut connection = Connection::to("a:1");
        connection.kafka_properties = vec!["no.such.property=hunter2".parse().unwrap()];
        let error = connection.check(Duration::from_secs(1)).unwrap_err().to_string();
        assert!(error.contains("no.such.property") && !error.contains("hunter2"), "{error}");
    }
}
