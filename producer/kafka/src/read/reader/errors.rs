//! What stands in the way of a reader: errors of its client, a topic that has changed, silence.

use std::time::Duration;

use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::{Part, RangeReader};
use crate::connection::ask::is_there;
use crate::read::error::{TopicChange, TopicReadError};
use crate::read::fetch_error;
use crate::read::probe::{PATIENCE_ASIDE, probe};
use crate::read::range::Range;
use crate::trouble::TroubledPartition;

impl RangeReader {
    /// Whether it is still the topic that is being read. Partitions that were added are of no
    /// interest to who reads up to where the others ended.
    pub(super) fn check_topic(&mut self) -> Result<(), TopicReadError> {
        let Some(change) = self.lookout.look() else { return Ok(()) };
        if matches!(change, TopicChange::MorePartitions { .. }) && !self.follows() {
            return Ok(());
        }
        Err(TopicReadError::changed(&self.topic, change))
    }

    /// Whether it goes on with whatever comes.
    fn follows(&self) -> bool {
        self.each_part().any(|(_, part)| part.to == Range::ENDLESS)
    }

    /// Beside the partitions' own queues stands what concerns the whole client.
    pub(super) fn check_errors(&mut self) -> Result<(), TopicReadError> {
        if self.queues.is_empty() {
            return Ok(());
        }
        while let Some(polled) = self.client.poll(Duration::ZERO) {
            let polled = polled.map(drop);
            match polled {
                Err(KafkaError::PartitionEOF(_)) | Ok(()) => {}
                Err(error) => self.on_error(error)?,
            }
        }
        Ok(())
    }

    pub(super) fn check_patience(&self) -> Result<(), TopicReadError> {
        if self.waited < self.patience {
            return Ok(());
        }
        let late = self.each_part().find(|(_, part)| !part.done && part.to != Range::ENDLESS);
        let Some((partition, part)) = late else { return Ok(()) };
        Err(TopicReadError::Stalled {
            topic: self.topic.clone(),
            seconds: self.patience.as_secs(),
            partition,
            next: part.next,
            to: part.to,
            reason: match self.complaint {
                Some(code) => code.to_string(),
                None => self.last_word(),
            },
        })
    }

    /// Whether an error is one that time mends: librdkafka goes on trying by itself.
    pub(super) fn on_error(&mut self, error: KafkaError) -> Result<(), TopicReadError> {
        use RDKafkaErrorCode as Code;
        let topic = self.topic.clone();
        match error {
            KafkaError::MessageConsumption(code) => match code {
                Code::UnknownTopic | Code::UnknownTopicOrPartition | Code::UnknownPartition => {
                    self.complaint = Some(code);
                    match is_there(&self.client, &topic) {
                        true => Ok(()),
                        false => Err(TopicReadError::Missing(topic)),
                    }
                }
                Code::TopicAuthorizationFailed => Err(TopicReadError::Forbidden(topic)),
                code if fetch_error::is_of_records(code) => self.examine(code),
                // Behind a damaged batch the client loses its way: see `examine`.
                Code::AutoOffsetReset | Code::OffsetOutOfRange
                    if self.complaint.is_some_and(fetch_error::is_of_records) =>
                {
                    if self.follows() {
                        // Once: no patience ends where nothing is known to come.
                        self.complaint = None;
                    }
                    self.assign()
                }
                Code::AutoOffsetReset | Code::OffsetOutOfRange => {
                    Err(TopicReadError::gone(&topic, code.to_string()))
                }
                _ => {
                    tracing::debug!(topic, %code, "reading goes on after an error");
                    self.complaint = Some(code);
                    Ok(())
                }
            },
            source => Err(TopicReadError::Kafka { topic, source }),
        }
    }

    /// An error came that may be one of records: tells of a partition that has it. If none has it
    /// any more, all are read again from where we stand, because the client may have gone on behind
    /// what it could not read.
    fn examine(&mut self, code: RDKafkaErrorCode) -> Result<(), TopicReadError> {
        self.complaint = Some(code);
        let is_open = |(_, part): &(u32, &Part)| !part.done;
        let at = self.each_part().filter(is_open).map(|(number, part)| (number, part.next));
        let at = at.collect();
        let mut probed = probe(&self.config, &self.topic, &at, PATIENCE_ASIDE)
            .map_err(|error| self.kafka(error))?;
        probed.blame_the_open(&at);
        if let Some((partition, trouble)) = probed.troubled.into_iter().next() {
            let topic = self.topic.as_str().into();
            let troubled = TroubledPartition { topic, partition, trouble };
            return Err(TopicReadError::Trouble(Box::new(troubled)));
        }
        self.assign()
    }
}
