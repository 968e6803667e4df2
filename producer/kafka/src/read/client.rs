//! The client that reads at the places it is given, and what it asks the brokers.

use rdkafka::config::{ClientConfig, FromClientConfigAndContext as _};
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;

use std::time::Duration;

use super::error::TopicReadError;
use crate::connection::ask::{partitions_of, patiently};
use crate::connection::{BrokerEvents, Connection, ConnectionError};

/// librdkafka assigns partitions only to clients that name a group. This one is never joined.
const GROUP: &str = "laju-range";
/// How long a question may take that is asked again anyway.
const ATTEMPT: Duration = Duration::from_secs(5);
/// What a client keeps of the log at most that was not handed over yet, in KiB.
pub const FETCHED_KIB: usize = 65_536;

/// A client that reads.
pub(super) type Client = BaseConsumer<BrokerEvents>;

/// How a topic is read, by every reader: the connection's options, and what makes reading fast. A
/// benchmark that reads without a worker reads like this too.
///
/// # Errors
/// If the connection's options are wrong.
pub fn reading(connection: &Connection) -> Result<ClientConfig, ConnectionError> {
    reading_ahead(connection, FETCHED_KIB)
}

/// As [`reading`], for a client that keeps at most so many KiB.
///
/// # Errors
/// As there.
pub fn reading_ahead(connection: &Connection, kib: usize) -> Result<ClientConfig, ConnectionError> {
    let mut config = connection.client_config()?;
    let mut default = |key: &str, value: &str| {
        if config.get(key).is_none() {
            config.set(key, value);
        }
    };
    // Without it the fetcher sleeps a second whenever its queue is full.
    default("fetch.queue.backoff.ms", "10");
    default("fetch.wait.max.ms", "100");
    // A broker that hangs says nothing, not even that others lead by now: another one is asked.
    default("topic.metadata.refresh.interval.ms", "5000");
    default("queued.max.messages.kbytes", &kib.to_string());
    config
        .set("enable.auto.commit", "false")
        .set("enable.auto.offset.store", "false")
        // The end is reported by the partition and not by its last record: behind that there may
        // be nothing but the marks of transactions and what compaction has left.
        .set("enable.partition.eof", "true")
        .set("auto.offset.reset", "error");
    Ok(config)
}

/// A client that is configured so.
pub(super) fn client(mut config: ClientConfig, topic: &str) -> Result<Client, TopicReadError> {
    config.set("group.id", GROUP).set("allow.auto.create.topics", "false");
    BaseConsumer::from_config_and_context(&config, BrokerEvents::default()).map_err(|error| {
        match error {
            error @ (KafkaError::ClientConfig(..) | KafkaError::ClientCreation(_)) => {
                ConnectionError::refused(&error).into()
            }
            source => TopicReadError::Kafka { topic: topic.to_owned(), source },
        }
    })
}

/// How many partitions the topic has.
pub(super) fn partitions(
    client: &Client,
    topic: &str,
    patience: Duration,
) -> Result<u32, TopicReadError> {
    let count = patiently(patience, |timeout| partitions_of(client, topic, timeout));
    let what = || format!("which partitions there are of {topic}");
    let count = count.map_err(|error| no_answer(client, what(), &error))?;
    count.ok_or_else(|| TopicReadError::Missing(topic.to_owned()))
}

/// The first offset of a partition, and the one behind its last record that is committed.
pub(super) fn watermarks(
    client: &Client,
    topic: &str,
    partition: u32,
    patience: Duration,
) -> Result<(i64, i64), TopicReadError> {
    let number = i32::try_from(partition).unwrap_or(i32::MAX);
    patiently(patience, |timeout| client.fetch_watermarks(topic, number, timeout))
        .map_err(|error| no_answer(client, format!("where the partitions end of {topic}"), &error))
}

/// Whether a partition goes at least as far as an offset, asked once.
pub(super) fn goes_to(client: &Client, topic: &str, partition: usize, offset: i64) -> bool {
    let number = i32::try_from(partition).unwrap_or(i32::MAX);
    let marks = client.fetch_watermarks(topic, number, ATTEMPT);
    marks.is_ok_and(|(_, end)| end >= offset)
}

/// What the client last said of the brokers.
pub(super) fn last_word(client: &Client) -> String {
    let reason = client.context().last_error();
    reason.unwrap_or_else(|| "the brokers gave no reason".to_owned())
}

/// That the brokers did not say something.
pub(super) fn no_answer(client: &Client, what: String, error: &KafkaError) -> TopicReadError {
    let reason = client.context().last_error().unwrap_or_else(|| error.to_string());
    TopicReadError::NoAnswer { what, reason }
}
