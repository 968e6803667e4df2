//! Why nothing more can be decided, and what to do about it.

use std::time::Duration;

use laju_kafka::connection::ConnectionError;
use laju_kafka::learning::NotKnown;
use laju_kafka::read::TopicReadError;
use laju_kafka::registry::RegistryError;
use laju_schemas::codec::EncodeError;
use laju_schemas::known::SchemaError;
use thiserror::Error;

/// After how long the brokers take back a transaction that nobody goes on with: readers wait so long
/// for what stands behind it.
pub(super) const TRANSACTION_TIMEOUT: Duration = Duration::from_secs(60);

/// Why nothing more can be decided. What was committed before stays.
#[derive(Debug, Error)]
pub enum DecideError {
    /// The cluster.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The registry.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// The registry, about the schema of a decision.
    #[error(transparent)]
    NotKnown(#[from] NotKnown),
    /// A schema file cannot be used.
    #[error(transparent)]
    Schema(#[from] SchemaError),
    /// A decision that does not fit its schema.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A topic does not exist, or the decisions topic cannot be read.
    #[error(transparent)]
    Read(#[from] TopicReadError),
    #[error(
        "the decision at offset {offset} of {topic} cannot be read: {why}. What it is about would seem undecided: give the --registry that whoever decided has, or take the version of Laju that they have"
    )]
    Unreadable { topic: String, offset: i64, why: String },
    #[error(
        "{topic} has {partitions} partitions and has to have one, as the first decision stands: make it again with `laju topics create`"
    )]
    SeveralPartitions { topic: String, partitions: u32 },
    /// Another one has the same transactional id, or the brokers have taken the transaction back.
    #[error(
        "another release has begun, or this transaction took longer than {} s: what this one had not committed is taken back. Start again when no other is at work; what is decided stays decided",
        TRANSACTION_TIMEOUT.as_secs()
    )]
    Fenced,
    #[error(
        "this user may not {0}: see the rights that a release needs in consumer/docs/quarantine.md"
    )]
    Forbidden(&'static str),
    #[error(
        "the transaction was taken back, and nothing of it counts: {0}. Start again; what is decided stays decided"
    )]
    Aborted(String),
    #[error("{0}. Start again; what is decided stays decided")]
    Kafka(String),
}
