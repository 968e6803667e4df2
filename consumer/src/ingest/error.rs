//! Why a worker cannot start, or had to stop, and what to do about it.

use laju_kafka::connection::ConnectionError;
use laju_kafka::read::TopicReadError;
use laju_schemas::known::SchemaError;
use rdkafka::error::KafkaError;
use thiserror::Error;

use crate::projection::store::StoreError;

/// Why a worker cannot start, or had to stop.
#[derive(Debug, Error)]
pub enum WorkerError {
    /// Kafka cannot be reached.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The store cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// A schema file cannot be used.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A topic does not exist, or cannot be read.
    #[error(transparent)]
    Read(#[from] TopicReadError),
    #[error("this user may not {0}")]
    Forbidden(String),
    #[error("the brokers refuse this worker: {0}")]
    Refused(&'static str),
    #[error(
        "partition {partition} of {topic} is not the log that the store was made of ({what}): if the topic was made again, use --rebuild; if this is another cluster, give --store another directory"
    )]
    AnotherLog { topic: String, partition: u32, what: String },
    #[error(
        "{topic} was deleted and made again: its id was {was}, which the store was made of, and is {is}. Nothing of the other log was committed. If the new one is to be counted, use --rebuild; else give --store another directory and keep this one"
    )]
    AnotherTopic {
        topic: String,
        /// The id of the log that the store was made of.
        was: String,
        /// The id that the topic has now.
        is: String,
    },
    #[error(
        "partition {partition} of {topic} begins at offset {low}, but what is to be read next is offset {wanted}: the records between are deleted. By retention.ms or retention.bytes, which have to be -1 (see `laju topics check`), or by hand? Figures without them would be wrong: the store is left as it is"
    )]
    LogCut {
        topic: String,
        partition: u32,
        low: i64,
        /// The offset that is to be read.
        wanted: i64,
    },
    #[error(
        "{topic} no longer has the records that come next ({reason}): were they deleted, or is retention not unlimited (see `laju topics check`)? Figures without them would be wrong"
    )]
    LogGone { topic: String, reason: String },
    #[error("Kafka's client gives up: {0}")]
    Client(String),
    #[error("Kafka's client: {0}")]
    Kafka(#[from] KafkaError),
    #[error(
        "{topic} had {partitions} partitions, which its events were spread over by their keys, and was given more: it has {now}. Keys now belong elsewhere, and events would count wrongly. Partitions cannot be added to it: make a new topic with as many partitions as are wanted, and copy the events into that one with `laju replay --to-topic`"
    )]
    MorePartitions { topic: String, partitions: u32, now: u32 },
    #[error(
        "{topic} has {partitions} partitions, but has to have one: its figures replace each other in their order. Make it again with `laju topics create`"
    )]
    SeveralPartitions { topic: String, partitions: u32 },
    /// A thread could not be started, or ended in a panic.
    #[error("{0}")]
    Thread(String),
}
