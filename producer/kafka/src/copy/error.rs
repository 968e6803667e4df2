//! Why records cannot be copied, and what to do about it.

use rdkafka::error::RDKafkaErrorCode;
use thiserror::Error;

use crate::connection::ConnectionError;
use crate::publish::{DeliveryError, PublishError};
use crate::topics::TopicsError;

/// Why records cannot be copied.
#[derive(Debug, Error)]
pub enum CopyError {
    #[error("the cluster to copy to: {0}")]
    Connection(#[from] ConnectionError),
    #[error("the topic to copy to: {0}")]
    Topics(#[from] TopicsError),
    #[error("{0} is the topic that is read: a topic is not copied into itself")]
    Itself(String),
    #[error(
        "{0} is a topic of the installation that is read, and its records are not events: choose another name"
    )]
    Reserved(String),
    #[error(
        "{0} has records already: what is copied would stand behind them. Choose an empty topic, or allow it with --append"
    )]
    NotEmpty(String),
    #[error(
        "partition {partition} of {topic} ends at offset {end}, and the checkpoint rests on {noted}: was it made again? Give another --checkpoint to copy from the beginning"
    )]
    MadeAnew {
        topic: String,
        partition: u32,
        end: i64,
        /// Where it ended when the checkpoint was written.
        noted: i64,
    },
    #[error("the brokers did not say where {topic} ends: {reason}")]
    NoEnds { topic: String, reason: String },
    #[error("there is no topic {0} to copy to: --create-topic makes it")]
    Missing(String),
    #[error("the topic {topic} is refused: {reason}")]
    Refused { topic: String, reason: String },
    #[error(
        "{topic} has {found} partitions, and what is copied has {wanted}: a copy keeps its partitions. Choose a topic with as many, or a new one with --create-topic"
    )]
    Partitions { topic: String, found: u32, wanted: u32 },
    #[error(
        "{0} has message.timestamp.type=LogAppendTime: all records would be recorded now, and `recorded` and every `known_at` would change. Set it to CreateTime (kafka-configs.sh --alter --entity-type topics --entity-name {0} --add-config message.timestamp.type=CreateTime), or allow it with --new-timestamps"
    )]
    NewTimestamps(String),
    #[error(
        "{topic} has {key}={value}: what is copied would be deleted again. Set it to {wanted}, or choose a new topic with --create-topic"
    )]
    Forgets { topic: String, key: &'static str, value: String, wanted: &'static str },
    #[error(
        "the headers of the record at offset {offset} of partition {partition} cannot be read ({code}): it cannot be copied as it is"
    )]
    Headers { partition: i32, offset: i64, code: RDKafkaErrorCode },
    #[error("stopped before all that was copied was confirmed")]
    Stopped,
    /// A record cannot be handed over.
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(
        "{failed} records were not delivered to {topic}, the first because {}; of what was copied after it, nothing is sent any more",
        in_a_copy(.topic, .why)
    )]
    Delivery { topic: String, failed: u64, why: DeliveryError },
}

/// Why a record was not delivered, with what mends it in a copy: the target need not be a topic of
/// the contract.
fn in_a_copy(topic: &str, why: &DeliveryError) -> String {
    match why {
        DeliveryError::NoTopic(_) => {
            format!("there is no topic {topic} any more: --create-topic makes it")
        }
        DeliveryError::TooLarge(_) => format!(
            "{topic} refuses it as too large: raise its max.message.bytes to that of the original \
             (kafka-configs.sh --alter --entity-type topics --entity-name {topic} --add-config \
             max.message.bytes=BYTES), or choose a new topic with --create-topic"
        ),
        why => why.to_string(),
    }
}
