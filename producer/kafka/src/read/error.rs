//! Why a topic cannot be read, and what to do about it.

use rdkafka::error::KafkaError;
use thiserror::Error;

use crate::connection::ConnectionError;
use crate::trouble::TroubledPartition;

/// What to do about records that are gone, for who has read the whole of a topic.
pub(super) const START_AGAIN: &str = " Start again to read it from its beginning";
/// What to do about a topic that has changed, for who has read the whole of it.
pub(super) const READ_AGAIN: &str = "it has to be read again from its beginning";
/// The same for who reads ranges.
pub(super) const BEGIN_AGAIN: &str = "begin again with the one that is there now";

/// What became of a topic while it was being read.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum TopicChange {
    #[error("it was deleted and made again meanwhile: its id was {was} and is {is}")]
    MadeAgain {
        /// Its id when reading began.
        was: String,
        is: String,
    },
    #[error("it had {were} partitions when reading began, and has {are}")]
    MorePartitions { were: u32, are: u32 },
}

/// Why a topic cannot be read.
#[derive(Debug, Error)]
pub enum TopicReadError {
    /// The connection's options are wrong.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(
        "there is no topic {0} that this user may see: make the topics with `laju topics create`, or check --topic-prefix and the user's rights"
    )]
    Missing(String),
    #[error("{topic} has no partition {partition}: it has {partitions}, counted from 0")]
    NoPartition { topic: String, partition: u32, partitions: u32 },
    #[error(
        "the Kafka user lacks the right to Read on the topic {0}: who administers the cluster gives it with `kafka-acls --bootstrap-server … --add --allow-principal User:NAME --operation Read --topic {0}` (consumer/docs/rights.md lists what each program needs)"
    )]
    Forbidden(String),
    #[error(
        "the log is cut: partition {partition} of {topic} begins at offset {low}, so that what came first, from offset {from}, is gone"
    )]
    Cut { topic: String, partition: u32, low: i64, from: i64 },
    #[error(
        "partition {partition} of {topic} ends at offset {end}, but is asked for up to {wanted}: was the topic made again?"
    )]
    Short { topic: String, partition: u32, end: i64, wanted: i64 },
    #[error(
        "{topic}: what was to be read next is gone ({reason}); was the topic made again or cut off?{cure}"
    )]
    Gone {
        topic: String,
        reason: String,
        /// What to do about it, a sentence with a space before it; may be empty.
        cure: &'static str,
    },
    #[error("the brokers did not say {what}: {reason}")]
    NoAnswer { what: String, reason: String },
    #[error("{topic}: {change}; {cure}")]
    Changed { topic: String, change: TopicChange, cure: &'static str },
    #[error(
        "nothing came of {topic} for {seconds} s, although there is more: partition {partition} was read up to offset {next} and is asked for up to {to} ({reason})"
    )]
    Stalled {
        topic: String,
        seconds: u64,
        /// A partition that was not read to the end of its range.
        partition: u32,
        next: i64,
        to: i64,
        /// What the client last said of the brokers.
        reason: String,
    },
    #[error(
        "{topic}: nothing came for {seconds} s, but partition {partition} goes up to offset {end} and was read up to {next}: {reason}"
    )]
    Unfinished {
        topic: String,
        seconds: u64,
        /// A partition that was not read to its end.
        partition: u32,
        next: i64,
        end: i64,
        reason: String,
    },
    /// A partition stands still, and time alone does not mend it.
    #[error("{0}")]
    Trouble(Box<TroubledPartition>),
    #[error("reading {topic}: {source}")]
    Kafka { topic: String, source: KafkaError },
}

impl TopicReadError {
    /// Of a topic that is not any more the one of which ranges were being read.
    #[must_use]
    pub fn changed(topic: &str, change: TopicChange) -> Self {
        Self::Changed { topic: topic.to_owned(), change, cure: BEGIN_AGAIN }
    }

    /// Of records that are not there any more where a range was being read.
    #[must_use]
    pub fn gone(topic: &str, reason: String) -> Self {
        Self::Gone { topic: topic.to_owned(), reason, cure: "" }
    }
}
