//! What the client's errors mean for a pipeline: whether time mends them, a partition stands still, or
//! the worker has to stop.

use std::time::Duration;

use laju_kafka::connection::ask::is_there;
use laju_kafka::read::{TopicReadError, fetch_error};
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

use super::Pipeline;
use crate::ingest::error::WorkerError;

/// How long a partition's ends are asked for.
const ENDS_WAIT: Duration = Duration::from_secs(5);
/// How often a partition that seems too short is asked again before it is taken for another log.
const LEADER_TRIES: usize = 3;
/// How long a partition that seems too short is left alone.
const LEADER_WAIT: Duration = Duration::from_secs(1);

/// What comes behind an error.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Follows {
    /// What follows in the log.
    Next,
    /// Every partition is read again from where we stand, or stands still.
    Again,
}

impl Pipeline {
    /// The end was reported before the last record folded came again. A leader just elected may
    /// not know the whole log yet: it is asked again for a while.
    pub(super) fn wait_for_the_last_one(&self, partition: u32) -> Result<(), WorkerError> {
        for _ in 0..LEADER_TRIES {
            let Some(another) = self.too_short() else { return Ok(()) };
            tracing::warn!(partition, "the partition seems to end before what was folded of it");
            std::thread::sleep(LEADER_WAIT);
            if self.stop.is_stopped() {
                return Ok(());
            }
            drop(another);
        }
        self.too_short().map_or(Ok(()), Err)
    }

    /// A partition that ends before the last record folded is not the one that was folded, whereas
    /// one that begins behind it has lost its beginning.
    fn too_short(&self) -> Option<WorkerError> {
        self.shard.partitions().find_map(|partition| {
            let offset = self.expected(partition)?.offset;
            let marks = self.consumer.fetch_watermarks(&self.topic, partition as i32, ENDS_WAIT);
            let (_, end) = marks.ok()?;
            (end <= offset).then(|| WorkerError::AnotherLog {
                topic: self.topic.clone(),
                partition,
                what: format!("it ends before offset {offset}"),
            })
        })
    }

    /// A partition that begins behind what is to be read next has lost its beginning.
    fn cut(&self) -> Option<WorkerError> {
        self.shard.partitions().find_map(|partition| {
            let wanted = self.positions.next(partition);
            let marks = self.consumer.fetch_watermarks(&self.topic, partition as i32, ENDS_WAIT);
            let (low, _) = marks.ok()?;
            let topic = self.topic.clone();
            (low > wanted).then_some(WorkerError::LogCut { topic, partition, low, wanted })
        })
    }

    /// Says what follows an error that time mends: librdkafka goes on trying by itself, or
    /// is given the places to go on from.
    pub(super) fn on_error(&mut self, error: KafkaError) -> Result<Follows, WorkerError> {
        use RDKafkaErrorCode as Code;
        let topic = self.topic.clone();
        match error {
            KafkaError::MessageConsumption(code) => match code {
                Code::AutoOffsetReset | Code::OffsetOutOfRange => {
                    self.watch.look()?;
                    if self.positions.is_there(&self.consumer)? {
                        return Ok(Follows::Again);
                    }
                    Err(self.too_short().or_else(|| self.cut()).unwrap_or_else(|| {
                        WorkerError::LogGone { topic, reason: code.to_string() }
                    }))
                }
                Code::UnknownTopic | Code::UnknownTopicOrPartition => {
                    self.watch.look()?;
                    match is_there(&self.consumer, &topic) {
                        true => Ok(Follows::Next),
                        false => Err(TopicReadError::Missing(topic).into()),
                    }
                }
                Code::TopicAuthorizationFailed if !self.positions.has_read() => {
                    Err(WorkerError::Forbidden(format!(
                        "read the topic {topic}: give them the right to read and describe it"
                    )))
                }
                code if !self.positions.has_read() && refusal(code).is_some() => {
                    Err(WorkerError::Refused(refusal(code).unwrap_or_default()))
                }
                code if fetch_error::is_of_records(code) => {
                    let progress = self.consumer.context().progress();
                    self.positions.examine(code, &self.consumer, progress)?;
                    Ok(Follows::Again)
                }
                _ => {
                    tracing::debug!(%code, "reading goes on after an error");
                    Ok(Follows::Next)
                }
            },
            KafkaError::MessageConsumptionFatal(code) => {
                match self.consumer.client().fatal_error() {
                    Some((code, reason)) => Err(WorkerError::Client(format!("{code}: {reason}"))),
                    None => Err(WorkerError::Client(code.to_string())),
                }
            }
            // Of a partition that has just been assigned again: its own queue says it once more.
            KafkaError::PartitionEOF(_) => Ok(Follows::Next),
            error => Err(error.into()),
        }
    }
}

/// What brokers say that they will say again however often they are asked, with the option to change.
const fn refusal(code: RDKafkaErrorCode) -> Option<&'static str> {
    use RDKafkaErrorCode as Code;
    Some(match code {
        Code::UnsupportedVersion | Code::UnsupportedFeature => {
            "they do not speak a version of the protocol that it needs: this program is tried on \
             Apache Kafka 4.3; if they are older, look at --kafka-property \
             broker.version.fallback and api.version.request"
        }
        Code::ClusterAuthorizationFailed => {
            "this user may not use the cluster: give them the rights in consumer/docs/rights.md"
        }
        _ => return None,
    })
}
