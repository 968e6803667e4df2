//! A topic's configuration changed, and its first records deleted.

use std::collections::BTreeMap;

use rdkafka::admin::{
    AlterConfig, ConfigResource, ConfigSource, OwnedResourceSpecifier, ResourceSpecifier,
};
use rdkafka::{Offset, TopicPartitionList};

use super::{TopicAdmin, TopicsError, kafka};

const WHAT: &str = "change a topic's configuration";

impl TopicAdmin<'_> {
    /// What was set for a topic (by its full name) itself, whatever its brokers have.
    ///
    /// # Errors
    /// If the cluster does not say so.
    pub async fn own_config(&self, name: &str) -> Result<BTreeMap<String, String>, TopicsError> {
        let resource = ResourceSpecifier::Topic(name);
        let answers = self.client.describe_configs([&resource], &self.options()).await;
        let answers = answers.map_err(|error| self.refused(WHAT, &error))?;
        let mut own = BTreeMap::new();
        for answer in answers {
            let ConfigResource { entries, .. } = answer.map_err(|code| self.of_code(WHAT, code))?;
            let set = entries
                .into_iter()
                .filter(|entry| entry.source == ConfigSource::DynamicTopic && !entry.is_default);
            own.extend(set.filter_map(|entry| Some((entry.name, entry.value?))));
        }
        Ok(own)
    }

    /// Gives a topic (by its full name) this configuration of its own, and no other.
    ///
    /// # Errors
    /// If the cluster refuses.
    pub async fn set_own_config(
        &self,
        name: &str,
        own: &BTreeMap<String, String>,
    ) -> Result<(), TopicsError> {
        let config = AlterConfig::new(ResourceSpecifier::Topic(name));
        let config = own.iter().fold(config, |config, (key, value)| config.set(key, value));
        let answers = self.client.alter_configs([&config], &self.options()).await;
        let answers = answers.map_err(|error| self.refused(WHAT, &error))?;
        for answer in answers {
            if let Err((OwnedResourceSpecifier::Topic(_), code)) = answer {
                return Err(self.of_code(WHAT, code));
            }
        }
        Ok(())
    }

    /// Deletes the records of a partition before an offset, which is where it begins then.
    ///
    /// # Errors
    /// If the cluster refuses.
    pub async fn delete_before(
        &self,
        name: &str,
        partition: u32,
        offset: i64,
    ) -> Result<(), TopicsError> {
        const WHAT: &str = "delete a partition's first records";
        let mut before = TopicPartitionList::new();
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        before
            .add_partition_offset(name, number, Offset::Offset(offset))
            .map_err(|error| kafka(WHAT, &error))?;
        let answered = self.client.delete_records(&before, &self.options()).await;
        let answered = answered.map_err(|error| self.refused(WHAT, &error))?;
        answered
            .elements()
            .iter()
            .try_for_each(|element| element.error())
            .map_err(|error| self.refused(WHAT, &error))
    }
}
