//! Why topics cannot be made or looked at, and what to do about it.

use thiserror::Error;

use crate::connection::ConnectionError;

/// Why the topics cannot be made or looked at.
#[derive(Debug, Error)]
pub enum TopicsError {
    /// The cluster cannot be reached.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(
        "the broker at {brokers} cannot {what}: it has no admin API. The broker that `laju demo` embeds has none, and the program makes its topics itself; a real one is Apache Kafka 2.4 or newer"
    )]
    NoAdminApi {
        brokers: String,
        /// What was asked of it.
        what: &'static str,
    },
    #[error(
        "the Kafka user lacks a right to {what}: who administers the cluster gives it with {command} (consumer/docs/rights.md lists what each program needs)"
    )]
    Forbidden {
        what: &'static str,
        /// The commands that give it.
        command: String,
    },
    #[error("cannot {what}: {reason}")]
    Kafka { what: &'static str, reason: String },
}
