//! The topics of an installation: making them as the contract has them, and telling in which way
//! existing ones differ and what mends it.
//!
//! What a difference means is decided in [`deviations`], which asks nobody.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::connection::ask::{ASK_PATIENCE, patiently};
use crate::connection::{Connection, Operation};
use laju_schemas::topic::{ALL, Topic};
use rdkafka::admin::{
    AdminClient, AdminOptions, ConfigResource, NewTopic, OwnedResourceSpecifier, ResourceSpecifier,
    TopicReplication,
};
use rdkafka::client::DefaultClientContext;
use rdkafka::config::FromClientConfig;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::metadata::Metadata;

mod alter;
mod deviation;
mod error;

pub use deviation::{Deviation, Found, Wanted, deviations, stamped_ahead};
pub use error::TopicsError;

/// How many partitions the events topic has unless told otherwise.
pub const DEFAULT_PARTITIONS: u32 = 12;

/// What became of a topic that was to be made.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Made {
    /// It is there now.
    Created,
    /// It was there before, and was left as it was.
    Existed,
    /// The cluster refused, with its reason.
    Refused(String),
}

/// An installation's topics, to be made or looked at.
pub struct TopicAdmin<'a> {
    connection: &'a Connection,
    client: AdminClient<DefaultClientContext>,
    timeout: Duration,
}

impl<'a> TopicAdmin<'a> {
    /// Connects.
    ///
    /// # Errors
    /// If the cluster does not answer within `timeout`, with what is most likely wrong, or has no
    /// admin API.
    pub async fn connect(
        connection: &'a Connection,
        timeout: Duration,
    ) -> Result<Self, TopicsError> {
        connection.check(timeout)?;
        let config = connection.client_config()?;
        let client = AdminClient::from_config(&config)
            .map_err(|error| kafka("talk to the cluster", &error))?;
        let admin = Self { connection, client, timeout };
        admin.require_admin_api().await?;
        Ok(admin)
    }

    /// A broker that has no admin API knows no controller either, and librdkafka would wait for
    /// one until the time is over. A question to the broker itself is answered at once.
    async fn require_admin_api(&self) -> Result<(), TopicsError> {
        const WHAT: &str = "make or describe topics";
        let metadata = self.metadata(WHAT)?;
        let Some(broker) = metadata.brokers().first() else { return Ok(()) };
        let itself = [ResourceSpecifier::Broker(broker.id())];
        match self.client.describe_configs(&itself, &self.options()).await {
            Err(error) => match self.refused(WHAT, &error) {
                error @ TopicsError::NoAdminApi { .. } => Err(error),
                // What is wrong beside that will be told by the request that matters.
                _ => Ok(()),
            },
            Ok(answers) => {
                let unsupported = answers.into_iter().filter_map(Result::err).find_map(|code| {
                    let error = self.of_code(WHAT, code);
                    matches!(error, TopicsError::NoAdminApi { .. }).then_some(error)
                });
                unsupported.map_or(Ok(()), Err)
            }
        }
    }

    fn metadata(&self, what: &'static str) -> Result<Metadata, TopicsError> {
        let asked = patiently(self.timeout.max(ASK_PATIENCE), |timeout| {
            self.client.inner().fetch_metadata(None, timeout)
        });
        asked.map_err(|error| self.refused(what, &error))
    }

    /// Makes every topic of the contract that is not there yet; those that are stay as they are.
    ///
    /// `partitions` is for the topics that are partitioned; without `replication` the broker's
    /// default applies.
    ///
    /// # Errors
    /// If the cluster did not take the request; what it refuses of it is in the answer.
    pub async fn create(
        &self,
        partitions: u32,
        replication: Option<u16>,
    ) -> Result<Vec<(String, Made)>, TopicsError> {
        const WHAT: &str = "make topics";
        let named: Vec<_> = ALL
            .iter()
            .map(|topic| (self.connection.topic(topic), topic.config(), topic.partitioned))
            .collect();
        let new: Vec<_> = named
            .iter()
            .map(|(name, config, partitioned)| {
                let count = if *partitioned { partitions } else { 1 };
                let replication = TopicReplication::Fixed(replication.map_or(-1, i32::from));
                let count = i32::try_from(count).unwrap_or(i32::MAX);
                config.iter().fold(NewTopic::new(name, count, replication), |t, (k, v)| t.set(k, v))
            })
            .collect();
        self.make(WHAT, &new).await
    }

    /// Makes a topic of this full name, whatever it is, with the broker's default of replicas; one that
    /// is there stays as it is.
    ///
    /// # Errors
    /// As [`Self::create`].
    pub async fn create_one(
        &self,
        name: &str,
        partitions: u32,
        config: &[(&str, String)],
    ) -> Result<Made, TopicsError> {
        let count = i32::try_from(partitions).unwrap_or(i32::MAX);
        let new = NewTopic::new(name, count, TopicReplication::Fixed(-1));
        let new = config.iter().fold(new, |new, (key, value)| new.set(key, value));
        let made = self.make("make a topic", &[new]).await?.pop();
        Ok(made.map_or(Made::Created, |(_, made)| made))
    }

    async fn make(
        &self,
        what: &'static str,
        new: &[NewTopic<'_>],
    ) -> Result<Vec<(String, Made)>, TopicsError> {
        let answers = self.client.create_topics(new, &self.options()).await;
        let made = |answer| match answer {
            Ok(name) => Ok((name, Made::Created)),
            Err((name, RDKafkaErrorCode::TopicAlreadyExists)) => Ok((name, Made::Existed)),
            Err((name, code)) => match self.of_code(what, code) {
                TopicsError::Kafka { reason, .. } => Ok((name, Made::Refused(reason))),
                error => Err(error),
            },
        };
        answers.map_err(|error| self.refused(what, &error))?.into_iter().map(made).collect()
    }

    /// How every topic of the contract is on the cluster; `None` for one that is not there.
    ///
    /// # Errors
    /// If the cluster does not answer, or does not let us see.
    pub async fn describe(&self) -> Result<Description, TopicsError> {
        let needs = ALL
            .iter()
            .flat_map(|topic| [(Operation::Describe, topic), (Operation::DescribeConfigs, topic)]);
        self.connection.require_on(&needs.collect::<Vec<_>>(), self.timeout)?;
        let names = ALL.each_ref().map(|topic| self.connection.topic(topic));
        let (brokers, mut found) = self.find("describe topics", &names).await?;
        let topics = ALL.iter().zip(names).map(|(topic, name)| {
            let found = found.remove(&name);
            (topic, name, found)
        });
        Ok(Description { brokers, topics: topics.collect() })
    }

    /// How the topic of this full name is, whatever it is; `None` if it is not there.
    ///
    /// # Errors
    /// As [`Self::describe`].
    pub async fn describe_one(&self, name: &str) -> Result<Option<Found>, TopicsError> {
        let (_, mut found) = self.find("describe a topic", &[name.to_owned()]).await?;
        Ok(found.remove(name))
    }

    /// How many brokers there are, and how those of these topics are that are there.
    async fn find(
        &self,
        what: &'static str,
        names: &[String],
    ) -> Result<(u32, BTreeMap<String, Found>), TopicsError> {
        const WHAT: &str = "describe a topic's configuration";
        let metadata = self.metadata(what)?;
        let mut found = BTreeMap::new();
        for topic in metadata.topics().iter().filter(|topic| topic.error().is_none()) {
            let Some(name) = names.iter().find(|name| *name == topic.name()) else { continue };
            let partitions = topic.partitions();
            let replication = partitions.iter().map(|p| p.replicas().len()).min().unwrap_or(0);
            let (partitions, replication) = (partitions.len() as u32, replication as u32);
            let config = BTreeMap::new();
            found.insert(name.clone(), Found { partitions, replication, config });
        }
        let brokers = metadata.brokers().len() as u32;
        if found.is_empty() {
            return Ok((brokers, found));
        }
        let resources: Vec<_> = found.keys().map(|name| ResourceSpecifier::Topic(name)).collect();
        let answers = self.client.describe_configs(&resources, &self.options()).await;
        for answer in answers.map_err(|error| self.refused(WHAT, &error))? {
            let ConfigResource { specifier, entries } =
                answer.map_err(|code| self.of_code(WHAT, code))?;
            let OwnedResourceSpecifier::Topic(name) = specifier else { continue };
            if let Some(found) = found.get_mut(&name) {
                found.config =
                    entries.into_iter().filter_map(|e| Some((e.name, e.value?))).collect();
            }
        }
        Ok((brokers, found))
    }

    fn options(&self) -> AdminOptions {
        AdminOptions::new()
            .request_timeout(Some(self.timeout))
            .operation_timeout(Some(self.timeout))
    }

    fn refused(&self, what: &'static str, error: &KafkaError) -> TopicsError {
        // rdkafka's `rdkafka_error_code` leaves this one out.
        if let KafkaError::AdminOp(code) = error {
            return self.of_code(what, *code);
        }
        error.rdkafka_error_code().map_or_else(|| kafka(what, error), |c| self.of_code(what, c))
    }

    fn of_code(&self, what: &'static str, code: RDKafkaErrorCode) -> TopicsError {
        match code {
            RDKafkaErrorCode::UnsupportedFeature | RDKafkaErrorCode::UnsupportedVersion => {
                TopicsError::NoAdminApi { brokers: self.connection.brokers.clone(), what }
            }
            RDKafkaErrorCode::TopicAuthorizationFailed
            | RDKafkaErrorCode::ClusterAuthorizationFailed => {
                let prefix = &self.connection.topic_prefix;
                let command = format!(
                    "`kafka-acls --bootstrap-server … --add --allow-principal User:NAME --operation \
                     Create --operation Describe --operation DescribeConfigs --topic {prefix}ikd. \
                     --resource-pattern-type prefixed`"
                );
                TopicsError::Forbidden { what, command }
            }
            code => TopicsError::Kafka { what, reason: code.to_string() },
        }
    }
}

/// How the topics of the contract are on a cluster.
#[derive(Clone, Debug)]
pub struct Description {
    /// How many brokers the cluster has.
    pub brokers: u32,
    /// Each topic of the contract with its full name, and how it is; `None` if it is not there.
    pub topics: Vec<(&'static Topic, String, Option<Found>)>,
}

fn kafka(what: &'static str, error: &KafkaError) -> TopicsError {
    TopicsError::Kafka { what, reason: error.to_string() }
}
