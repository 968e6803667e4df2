//! Copies records of the events topic into another topic as they are: keys, values, partitions,
//! headers and timestamps. It does not know what they say.

mod error;

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::connection::Connection;
use crate::connection::ask::ASK_PATIENCE;
use crate::publish::{BulkPublisher, PublishSettings};
use laju_schemas::topic::{ALL, EVENTS};
use rdkafka::message::{BorrowedMessage, Message as _};

use crate::read::headers;
use crate::topics::{Found, Made, TopicAdmin, TopicsError};

pub use error::CopyError;

/// How long a question to the brokers may take, and how long a topic just made is waited for.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long the target's ends are asked for in passing.
const ENDS_TIMEOUT: Duration = Duration::from_secs(2);
/// One turn of waiting for confirmations.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(250);
/// How long confirmations are waited for after being asked to stop.
const STOP_WAIT: Duration = Duration::from_secs(3);
/// The largest record that is handed to librdkafka; what the topic takes is the broker's word. A
/// record of a compressed batch may be larger than the topic's limit.
const MAX_RECORD_BYTES: u32 = 64 << 20;

const TIMESTAMP_TYPE: &str = "message.timestamp.type";
const LARGEST: &str = "max.message.bytes";
const BY_PRODUCER: &str = "CreateTime";

/// What is copied.
#[derive(Clone, Debug)]
pub struct Original {
    /// How to reach its cluster.
    pub connection: Connection,
    /// Its cluster.
    pub cluster_id: String,
    /// Its full name.
    pub topic: String,
    /// How many partitions it has.
    pub partitions: u32,
}

/// Where to.
#[derive(Clone, Debug)]
pub struct Target {
    /// How to reach its cluster.
    pub connection: Connection,
    /// Its full name.
    pub topic: String,
    /// Whether to make it, where it is not there.
    pub create: bool,
    /// Whether the broker may put its own time in place of the records'.
    pub new_timestamps: bool,
}

/// A topic that records are copied into. Dropping it gives up what is not confirmed:
/// [`TopicCopy::confirm`] first.
pub struct TopicCopy {
    publisher: BulkPublisher,
    topic: String,
    partitions: u32,
    cluster_id: String,
}

impl TopicCopy {
    /// Checks that the target will keep the records as they are, and connects.
    ///
    /// # Errors
    /// If it would not, saying what to do about it.
    pub fn open(target: &Target, original: &Original) -> Result<Self, CopyError> {
        let Target { connection, topic, .. } = target;
        let cluster = connection.check(TIMEOUT)?;
        if cluster.cluster_id == original.cluster_id && *topic == original.topic {
            return Err(CopyError::Itself(topic.clone()));
        }
        let is_contract = |name: &str| ALL.iter().any(|t| original.connection.topic(t) == name);
        if cluster.cluster_id == original.cluster_id && is_contract(topic) {
            return Err(CopyError::Reserved(topic.clone()));
        }
        let described = describe(target, original)?;
        let partitions = match &described {
            Some(found) => found.partitions,
            None => match connection.check(TIMEOUT)?.partitions(topic) {
                Some(partitions) => partitions,
                None => return Err(CopyError::Missing(topic.clone())),
            },
        };
        if partitions != original.partitions {
            let (topic, found, wanted) = (topic.clone(), partitions, original.partitions);
            return Err(CopyError::Partitions { topic, found, wanted });
        }
        if let Some(found) = &described {
            require_kept(target, found)?;
        }
        let settings = PublishSettings {
            max_message_bytes: MAX_RECORD_BYTES,
            gapless: true,
            ..PublishSettings::bulk()
        };
        let connection = Connection { registry: None, ..connection.clone() };
        let publisher = BulkPublisher::new(&connection, &settings)?;
        Ok(Self { publisher, topic: topic.clone(), partitions, cluster_id: cluster.cluster_id })
    }

    /// The target's full name.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    /// The target's cluster.
    #[must_use]
    pub fn cluster_id(&self) -> &str {
        &self.cluster_id
    }

    /// That nothing is in the target yet.
    ///
    /// # Errors
    /// If there is, or the brokers do not say so.
    pub fn require_empty(&self) -> Result<(), CopyError> {
        let ends = self.watermarks(ASK_PATIENCE)?;
        match ends.values().any(|(low, end)| low < end) {
            true => Err(CopyError::NotEmpty(self.topic.clone())),
            false => Ok(()),
        }
    }

    /// That the target still reaches to where it was seen to end.
    ///
    /// # Errors
    /// If it does not, or the brokers do not say so.
    pub fn require_reaches(&self, noted: &BTreeMap<u32, i64>) -> Result<(), CopyError> {
        let ends = self.watermarks(ASK_PATIENCE)?;
        for (&partition, &noted) in noted {
            let end = ends.get(&partition).map_or(0, |(_, end)| *end);
            if end < noted {
                let topic = self.topic.clone();
                return Err(CopyError::MadeAnew { topic, partition, end, noted });
            }
        }
        Ok(())
    }

    /// Where each partition of the target ends now.
    ///
    /// # Errors
    /// If the brokers do not say so.
    pub fn ends(&self) -> Result<BTreeMap<u32, i64>, CopyError> {
        let marks = self.watermarks(ENDS_TIMEOUT)?;
        Ok(marks.into_iter().map(|(partition, (_, end))| (partition, end)).collect())
    }

    fn watermarks(&self, patience: Duration) -> Result<BTreeMap<u32, (i64, i64)>, CopyError> {
        let marks = (0..self.partitions).map(|partition| {
            let marks = self.publisher.watermarks(&self.topic, partition, patience);
            Ok((partition, marks.map_err(|error| self.no_ends(&error.to_string()))?))
        });
        marks.collect()
    }

    fn no_ends(&self, reason: &str) -> CopyError {
        CopyError::NoEnds { topic: self.topic.clone(), reason: reason.to_owned() }
    }

    /// Hands a record over, waiting while too many are under way.
    ///
    /// # Errors
    /// If it cannot be read whole or sent, or `stop` is set while it waits.
    pub fn copy(&self, record: &BorrowedMessage<'_>, stop: &AtomicBool) -> Result<(), CopyError> {
        headers::require_readable(record).map_err(|code| CopyError::Headers {
            partition: record.partition(),
            offset: record.offset(),
            code,
        })?;
        match self.publisher.copy(&self.topic, record, stop)? {
            true => Ok(()),
            false => Err(CopyError::Stopped),
        }
    }

    /// That nothing has failed so far.
    ///
    /// # Errors
    /// If a record was not delivered.
    pub fn check(&self) -> Result<(), CopyError> {
        let counts = self.publisher.counts();
        match counts.first_failure {
            Some(why) if counts.failed > 0 => {
                let (topic, failed) = (self.topic.clone(), counts.failed);
                Err(CopyError::Delivery { topic, failed, why })
            }
            _ => Ok(()),
        }
    }

    /// Waits until every record handed over is confirmed. Deliveries end by themselves, so this
    /// does; once `stop` is set it waits for a few seconds more at most.
    ///
    /// # Errors
    /// If one was not delivered, or it could not wait for that.
    pub fn confirm(&self, stop: &AtomicBool) -> Result<(), CopyError> {
        let mut until = None;
        while self.publisher.flush(FLUSH_TIMEOUT) > 0 {
            self.check()?;
            if stop.load(Ordering::Acquire)
                && Instant::now() >= *until.get_or_insert_with(|| Instant::now() + STOP_WAIT)
            {
                return Err(CopyError::Stopped);
            }
        }
        self.check()
    }
}

/// How the target is, made if need be; `None` if it is not there, or the broker cannot tell, as
/// the embedded one.
fn describe(target: &Target, original: &Original) -> Result<Option<Found>, CopyError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| TopicsError::Kafka {
        what: "wait for the cluster's answers",
        reason: error.to_string(),
    })?;
    let topic = &target.topic;
    runtime.block_on(async {
        let admin = match TopicAdmin::connect(&target.connection, TIMEOUT).await {
            Err(TopicsError::NoAdminApi { .. }) if !target.create => return Ok(None),
            admin => admin?,
        };
        if let Some(found) = admin.describe_one(topic).await? {
            return Ok(Some(found));
        }
        if !target.create {
            return Err(CopyError::Missing(topic.clone()));
        }
        let largest = largest(original).await;
        let config = EVENTS.config().into_iter().map(|(key, value)| match (key, &largest) {
            (TIMESTAMP_TYPE, _) => (key, BY_PRODUCER.to_owned()),
            (LARGEST, Some(bytes)) => (key, bytes.clone()),
            _ => (key, value),
        });
        let config: Vec<_> = config.collect();
        let made = admin.create_one(topic, original.partitions, &config).await?;
        if let Made::Refused(reason) = made {
            return Err(CopyError::Refused { topic: topic.clone(), reason });
        }
        let deadline = Instant::now() + TIMEOUT;
        loop {
            match admin.describe_one(topic).await {
                Ok(Some(found)) => return Ok(Some(found)),
                Err(error) if Instant::now() >= deadline => return Err(error.into()),
                Ok(None) if Instant::now() >= deadline => {
                    return Err(CopyError::Missing(topic.clone()));
                }
                // Every broker hears of it a little later.
                _ => tokio::time::sleep(Duration::from_millis(100)).await,
            }
        }
    })
}

/// The largest message that the original takes, if we may see that.
async fn largest(original: &Original) -> Option<String> {
    let admin = TopicAdmin::connect(&original.connection, TIMEOUT).await.ok()?;
    admin.describe_one(&original.topic).await.ok()??.config.remove(LARGEST)
}

/// That the target keeps every record, with its own timestamp.
fn require_kept(target: &Target, found: &Found) -> Result<(), CopyError> {
    let topic = &target.topic;
    let value = |key: &str| found.config.get(key).map_or("", String::as_str);
    if !target.new_timestamps && !["", BY_PRODUCER].contains(&value(TIMESTAMP_TYPE)) {
        return Err(CopyError::NewTimestamps(topic.clone()));
    }
    for (key, wanted) in
        [("cleanup.policy", "delete"), ("retention.ms", "-1"), ("retention.bytes", "-1")]
    {
        if !["", wanted].contains(&value(key)) {
            let (topic, value) = (topic.clone(), value(key).to_owned());
            return Err(CopyError::Forgets { topic, key, value, wanted });
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::publish::DeliveryError;

    fn found(config: &[(&str, &str)]) -> Found {
        let config = config.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        Found { partitions: 3, replication: 1, config }
    }

    #[test]
    fn what_is_not_delivered_is_told_with_what_mends_a_copy() {
        let told =
            |why| CopyError::Delivery { topic: "copy".to_owned(), failed: 3, why }.to_string();
        let gone = told(DeliveryError::NoTopic("copy".to_owned()));
        assert!(gone.contains("--create-topic") && !gone.contains("laju topics"), "{gone}");
        let large = told(DeliveryError::TooLarge("copy".to_owned()));
        assert!(large.contains("max.message.bytes=") && !large.contains("laju topics"), "{large}");
        let other = told(DeliveryError::Refused("so it is".to_owned()));
        assert!(other.starts_with("3 records") && other.contains("so it is"), "{other}");
    }

    #[test]
    fn a_target_that_would_not_keep_the_records_is_refused_with_what_mends_it() {
        let mut target = Target {
            connection: Connection::to("a:1"),
            topic: "copy".to_owned(),
            create: false,
            new_timestamps: false,
        };
        let kept = [("message.timestamp.type", "CreateTime"), ("retention.ms", "-1")];
        assert!(require_kept(&target, &found(&kept)).is_ok());
        // A broker that does not let us see is not refused for it.
        assert!(require_kept(&target, &found(&[])).is_ok());
        for (config, words) in [
            (("message.timestamp.type", "LogAppendTime"), "--new-timestamps"),
            (("retention.ms", "604800000"), "retention.ms=604800000"),
            (("cleanup.policy", "compact"), "Set it to delete"),
        ] {
            let error = require_kept(&target, &found(&[config])).unwrap_err().to_string();
            assert!(error.contains(words), "{error}");
        }
        target.new_timestamps = true;
        let by_broker = found(&[("message.timestamp.type", "LogAppendTime")]);
        assert!(require_kept(&target, &by_broker).is_ok());
    }
}
