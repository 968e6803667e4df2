//! Why a record does not stand where it has to.

use thiserror::Error;

use crate::connection::ConnectionError;
use crate::publish::{DeliveryError, PublishError};

/// Why a record does not stand where it has to.
#[derive(Debug, Error)]
pub enum ExactError {
    /// The connection's options are wrong.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// librdkafka does not take it.
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error("a record was not delivered to {topic}: {why}")]
    Delivery { topic: String, why: DeliveryError },
    #[error(
        "a record that had to stand at offset {wanted} of partition {partition} of {topic} stands at {found}: somebody else writes to the topic. Stop who does, delete the topic, and begin again"
    )]
    Elsewhere {
        topic: String,
        partition: u32,
        /// Where it had to stand.
        wanted: i64,
        /// Where it stands, or where the partition ends.
        found: i64,
    },
    #[error(
        "the record at offset {offset} of partition {partition} of {topic} has got the broker's time instead of its own: something has set message.timestamp.type=LogAppendTime meanwhile, an operator that keeps topics as they are declared for one. Stop it, delete {topic}, and begin again"
    )]
    Restamped { topic: String, partition: u32, offset: i64 },
    #[error(
        "a transaction on {topic} {what}: {reason}. To keep offsets where the original has no record, the user needs the right to Write on the transactional ids that begin with {id} (consumer/docs/rights.md)"
    )]
    Transaction {
        topic: String,
        /// What it did not do.
        what: &'static str,
        reason: String,
        /// What its id begins with.
        id: String,
    },
    #[error("the brokers did not say where partition {partition} of {topic} ends: {reason}")]
    NoEnd { topic: String, partition: u32, reason: String },
    #[error("stopped before all that was sent was confirmed")]
    Stopped,
}
