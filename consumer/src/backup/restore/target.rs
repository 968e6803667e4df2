//! The topics that a backup is restored to: made if need be, set so that records keep their own
//! timestamps while they are written, and set as the contract has them when all are there.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use laju_kafka::connection::{Connection, Operation};
use laju_kafka::topics::{Found, Made, TopicAdmin, TopicsError};
use laju_schemas::topic::{EVENTS, Topic};

use super::part::Part;
use crate::backup::admin::{TIMEOUT, with_admin};
use crate::backup::error::BackupError;

/// How long until it is asked for again.
const RETRY_INTERVAL: Duration = Duration::from_millis(100);

const LARGEST: &str = "max.message.bytes";

/// How a topic is while it is written. What has no value here by the contract is as before afterwards.
const MEANWHILE: [(&str, &str); 7] = [
    // A record's time is the one that it had.
    ("message.timestamp.type", "CreateTime"),
    // One that is stamped ahead is taken, too.
    ("message.timestamp.after.max.ms", "9223372036854775807"),
    // What takes a place at the beginning can be deleted, and nothing is compacted under us.
    ("cleanup.policy", "delete"),
    ("retention.ms", "-1"),
    ("retention.bytes", "-1"),
    // Years go by in a minute: not a segment for each hour of them.
    ("segment.ms", "3153600000000"),
    // A record of a packed batch may be larger than the original's limit.
    (LARGEST, "67108864"),
];

/// A topic that is written to.
struct TargetTopic {
    topic: &'static Topic,
    name: String,
    /// How many partitions it has or is to have.
    partitions: u32,
    is_there: bool,
    /// The largest message of the original, in bytes.
    largest: u64,
}

/// The topics that are written to.
pub(super) struct Target<'a> {
    connection: &'a Connection,
    topics: Vec<TargetTopic>,
    /// Whether the broker can be asked about topics: the embedded one cannot.
    has_admin: bool,
}

impl<'a> Target<'a> {
    /// Looks which topics there are. Nothing is changed.
    pub(super) fn look(
        connection: &'a Connection,
        parts: &[Part<'_>],
    ) -> Result<Self, BackupError> {
        let cluster = connection.check(TIMEOUT)?;
        let has_admin = match with_admin(connection, async |_| Ok(())) {
            Ok(()) => true,
            Err(BackupError::Topics(TopicsError::NoAdminApi { .. })) => false,
            Err(error) => return Err(error),
        };
        let kept = |topic: &Topic| parts.iter().find(|part| part.topic.name == topic.name);
        let events = kept(&EVENTS).and_then(|part| part.kept).map_or(1, |kept| kept.partitions);
        let mut topics = Vec::new();
        for part in parts {
            let wanted = match part.kept {
                Some(kept) => kept.partitions,
                None if part.topic.partitioned => events,
                None => 1,
            };
            let (topic, name) = (part.topic, part.name.clone());
            let found = cluster.partitions(&name);
            if let Some(found) = found.filter(|found| *found != wanted) {
                return Err(BackupError::Partitions { topic: name, found, wanted });
            }
            if found.is_none() && !has_admin {
                return Err(BackupError::Missing(name));
            }
            let largest = part.kept.and_then(|kept| kept.config.get(LARGEST)?.parse().ok());
            let largest = largest.unwrap_or(0).max(u64::from(topic.max_message_bytes));
            let (partitions, is_there) = (wanted, found.is_some());
            topics.push(TargetTopic { topic, name, partitions, is_there, largest });
        }
        Ok(Self { connection, topics, has_admin })
    }

    /// How many partitions a topic has, if it was there.
    pub(super) fn partitions(&self, name: &str) -> Option<u32> {
        let topic = self.topics.iter().find(|topic| topic.name == name && topic.is_there);
        topic.map(|topic| topic.partitions)
    }

    /// Makes the topics that are not there, and has all of them take records with their own times.
    pub(super) fn prepare(&self) -> Result<(), BackupError> {
        if !self.has_admin {
            return Ok(());
        }
        with_admin(self.connection, async |admin| {
            for topic in self.topics.iter().filter(|topic| !topic.is_there) {
                topic.make(&admin).await?;
            }
            for topic in &self.topics {
                topic.found(&admin).await?;
            }
            // All that is missing is named at once, before the first is changed.
            let operations = [
                Operation::Read,
                Operation::Write,
                Operation::DescribeConfigs,
                Operation::AlterConfigs,
            ];
            let topics = self.topics.iter();
            let needs = topics.flat_map(|t| operations.map(|operation| (operation, t.topic)));
            self.connection.require_on(&needs.collect::<Vec<_>>(), TIMEOUT)?;
            for topic in &self.topics {
                let found = topic.found(&admin).await?;
                let mut own = admin.own_config(&topic.name).await?;
                for (key, value) in
                    MEANWHILE.iter().filter(|(key, _)| found.config.contains_key(*key))
                {
                    own.insert((*key).to_owned(), (*value).to_owned());
                }
                admin.set_own_config(&topic.name, &own).await?;
                topic.wait_until(&admin, "message.timestamp.type", "CreateTime").await?;
            }
            Ok(())
        })
    }

    /// Has the topics as the contract has them, where they are not; whether the broker can be told.
    pub(super) fn finish(&self) -> Result<bool, BackupError> {
        if !self.has_admin {
            return Ok(false);
        }
        with_admin(self.connection, async |admin| {
            for topic in &self.topics {
                let mut own = admin.own_config(&topic.name).await?;
                let wanted = topic.config();
                if wanted.iter().all(|(key, value)| own.get(key) == Some(value)) {
                    continue;
                }
                own.retain(|key, _| MEANWHILE.iter().all(|(meanwhile, _)| meanwhile != key));
                own.extend(wanted);
                admin.set_own_config(&topic.name, &own).await?;
            }
            Ok(true)
        })
    }
}

impl TargetTopic {
    /// Its configuration by the contract, but that it takes what the original took.
    fn config(&self) -> BTreeMap<String, String> {
        let config = self.topic.config().into_iter();
        let mut config: BTreeMap<_, _> =
            config.map(|(key, value)| (key.to_owned(), value)).collect();
        config.insert(LARGEST.to_owned(), self.largest.to_string());
        config
    }

    async fn make(&self, admin: &TopicAdmin<'_>) -> Result<(), BackupError> {
        let config = self.config();
        let config: Vec<_> = config.iter().map(|(key, value)| (&**key, value.clone())).collect();
        match admin.create_one(&self.name, self.partitions, &config).await? {
            Made::Created | Made::Existed => Ok(()),
            Made::Refused(reason) => {
                Err(TopicsError::Kafka { what: "make a topic", reason }.into())
            }
        }
    }

    /// How it is, once every broker that is asked knows it.
    async fn found(&self, admin: &TopicAdmin<'_>) -> Result<Found, BackupError> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            match admin.describe_one(&self.name).await {
                Ok(Some(found)) if found.partitions == self.partitions => return Ok(found),
                Err(error) if Instant::now() >= deadline => return Err(error.into()),
                _ if Instant::now() >= deadline => {
                    return Err(BackupError::Missing(self.name.clone()));
                }
                _ => tokio::time::sleep(RETRY_INTERVAL).await,
            }
        }
    }

    /// Waits until a change of its configuration is seen.
    async fn wait_until(
        &self,
        admin: &TopicAdmin<'_>,
        key: &str,
        value: &str,
    ) -> Result<(), BackupError> {
        let deadline = Instant::now() + TIMEOUT;
        loop {
            let found = self.found(admin).await?;
            if found.config.get(key).is_some_and(|found| found == value) {
                return Ok(());
            }
            if Instant::now() >= deadline {
                let reason = format!("{} does not get {key}={value}", self.name);
                let what = "change a topic's configuration";
                return Err(TopicsError::Kafka { what, reason }.into());
            }
            tokio::time::sleep(RETRY_INTERVAL).await;
        }
    }
}
