//! One topic by itself, whatever its name: a copy of a topic of the contract, for one.

use laju_schemas::topic::EVENTS;
use rdkafka::admin::{NewTopic, TopicReplication};
use rdkafka::error::RDKafkaErrorCode;

use super::{Description, Found, Made, TopicAdmin, TopicsError};

impl TopicAdmin<'_> {
    /// Makes a topic of this full name, with the broker's default of replicas; one that is there
    /// stays as it is.
    ///
    /// # Errors
    /// If the cluster did not take the request; what it refuses of it is in the answer.
    pub async fn create_one(
        &self,
        name: &str,
        partitions: u32,
        config: &[(&str, String)],
    ) -> Result<Made, TopicsError> {
        const WHAT: &str = "make a topic";
        let count = i32::try_from(partitions).unwrap_or(i32::MAX);
        let new = NewTopic::new(name, count, TopicReplication::Fixed(-1));
        let new = config.iter().fold(new, |new, (key, value)| new.set(key, value));
        let answers = self
            .client
            .create_topics(&[new], &self.options())
            .await
            .map_err(|error| self.refused(WHAT, &error))?;
        match answers.into_iter().next() {
            Some(Ok(_)) | None => Ok(Made::Created),
            Some(Err((_, RDKafkaErrorCode::TopicAlreadyExists))) => Ok(Made::Existed),
            Some(Err((_, code))) => match self.of_code(WHAT, code) {
                TopicsError::Kafka { reason, .. } => Ok(Made::Refused(reason)),
                error => Err(error),
            },
        }
    }

    /// How the topic of this full name is; `None` if it is not there.
    ///
    /// # Errors
    /// If the cluster does not answer, or does not let us see.
    pub async fn describe_one(&self, name: &str) -> Result<Option<Found>, TopicsError> {
        let metadata = self.metadata("describe a topic")?;
        let mut topics = metadata.topics().iter().filter(|topic| topic.error().is_none());
        let Some(topic) = topics.find(|topic| topic.name() == name) else { return Ok(None) };
        let replicas = topic.partitions().iter().map(|p| p.replicas().len()).min();
        let found = Found {
            partitions: topic.partitions().len() as u32,
            replication: replicas.unwrap_or(0) as u32,
            config: Default::default(),
        };
        let mut description = Description {
            brokers: metadata.brokers().len() as u32,
            topics: vec![(&EVENTS, name.to_owned(), Some(found))],
        };
        self.add_configs(&mut description).await?;
        Ok(description.topics.pop().and_then(|(_, _, found)| found))
    }
}
