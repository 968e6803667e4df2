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
mod single;

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
        let answers = self
            .client
            .create_topics(&new, &self.options())
            .await
            .map_err(|error| self.refused(WHAT, &error))?;
        answers
            .into_iter()
            .map(|answer| match answer {
                Ok(name) => Ok((name, Made::Created)),
                Err((name, RDKafkaErrorCode::TopicAlreadyExists)) => Ok((name, Made::Existed)),
                Err((name, code)) => match self.of_code(WHAT, code) {
                    TopicsError::Kafka { reason, .. } => Ok((name, Made::Refused(reason))),
                    error => Err(error),
                },
            })
            .collect()
    }

    /// How every topic of the contract is on the cluster; `None` for one that is not there.
    ///
    /// # Errors
    /// If the cluster does not answer, or does not let us see.
    pub async fn describe(&self) -> Result<Description, TopicsError> {
        const WHAT: &str = "describe topics";
        let needs = ALL
            .iter()
            .flat_map(|topic| [(Operation::Describe, topic), (Operation::DescribeConfigs, topic)]);
        self.connection.require_on(&needs.collect::<Vec<_>>(), self.timeout)?;
        let metadata = self.metadata(WHAT)?;
        let mut found = BTreeMap::new();
        for topic in metadata.topics().iter().filter(|t| t.error().is_none()) {
            let partitions = topic.partitions();
            let replication = partitions.iter().map(|p| p.replicas().len()).min().unwrap_or(0);
            let (partitions, replication) = (partitions.len() as u32, replication as u32);
            let config = BTreeMap::new();
            found.insert(topic.name().to_owned(), Found { partitions, replication, config });
        }
        let topics: Vec<_> = ALL
            .iter()
            .map(|topic| {
                let name = self.connection.topic(topic);
                let found = found.remove(&name);
                (topic, name, found)
            })
            .collect();
        let mut description = Description { brokers: metadata.brokers().len() as u32, topics };
        self.add_configs(&mut description).await?;
        Ok(description)
    }

    async fn add_configs(&self, description: &mut Description) -> Result<(), TopicsError> {
        const WHAT: &str = "describe a topic's configuration";
        let there: Vec<_> = description
            .topics
            .iter()
            .filter(|(_, _, found)| found.is_some())
            .map(|(_, name, _)| name.clone())
            .collect();
        if there.is_empty() {
            return Ok(());
        }
        let resources: Vec<_> = there.iter().map(|n| ResourceSpecifier::Topic(n)).collect();
        let answers = self
            .client
            .describe_configs(&resources, &self.options())
            .await
            .map_err(|error| self.refused(WHAT, &error))?;
        for answer in answers {
            let ConfigResource { specifier, entries } =
                answer.map_err(|code| self.of_code(WHAT, code))?;
            let OwnedResourceSpecifier::Topic(name) = specifier else { continue };
            let topic = description.topics.iter_mut().find(|(_, known, _)| *known == name);
            if let Some((_, _, Some(found))) = topic {
                found.config =
                    entries.into_iter().filter_map(|e| Some((e.name, e.value?))).collect();
            }
        }
        Ok(())
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
