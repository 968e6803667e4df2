//! A topic of a backup: up to where it goes, and whether one goes from where it has to up to there, and
//! no further.

use laju_kafka::connection::Connection;
use laju_kafka::publish::exact::ExactPublisher;
use laju_schemas::topic::{DECISIONS, Topic};

use super::partition::KeptPartition;
use crate::backup::error::BackupError;
use crate::backup::manifest::TopicPart;

/// A topic of the backup on its way.
pub(super) struct Part<'a> {
    pub(super) topic: &'static Topic,
    /// The full name of the topic that it is put into.
    pub(super) name: String,
    /// None where the original had no such topic.
    pub(super) kept: Option<&'a TopicPart>,
    pub(super) partitions: Vec<KeptPartition<'a>>,
}

impl Part<'_> {
    /// Up to where it goes, of a topic with one partition.
    pub(super) fn end(&self) -> i64 {
        self.partitions.first().map_or(0, |partition| partition.end)
    }

    /// What is wrong with the first partition that does not go from where it has to up to where it has
    /// to once all is there.
    pub(super) fn disturbed(
        &self,
        connection: &Connection,
    ) -> Result<Option<BackupError>, BackupError> {
        let publisher = ExactPublisher::open(connection, &self.name)?;
        for (partition, wanted) in self.spans() {
            let found = publisher.watermarks(partition)?;
            if found != wanted {
                let topic = self.name.clone();
                return Ok(Some(BackupError::Disturbed { topic, partition, wanted, found }));
            }
        }
        Ok(None)
    }

    /// By partition, the first offset and the end; behind the decisions stands that it is a copy.
    fn spans(&self) -> Vec<(u32, (i64, i64))> {
        let behind = i64::from(self.topic.name == DECISIONS.name);
        let partitions = self.partitions.iter();
        let mut spans: Vec<_> = partitions
            .map(|kept| (kept.partition, (kept.begin(&kept.gaps()), kept.end + behind)))
            .collect();
        if spans.is_empty() && behind > 0 {
            spans.push((0, (0, behind)));
        }
        spans
    }
}
