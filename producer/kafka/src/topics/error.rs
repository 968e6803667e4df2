//! Why topics cannot be made or looked at, and what to do about it.

use thiserror::Error;

use crate::connection::ConnectionError;

/// Why the topics cannot be made or looked at.
#[derive(Debug, Error)]
pub enum TopicsError {
    /// The cluster cannot be reached.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The broker lacks the requests: librdkafka's embedded broker has none of them.
    #[error(
        "the broker at {brokers} cannot {what}: it has no admin API. The broker that `laju demo` embeds has none, and the program makes its topics itself; a real one is Apache Kafka 2.4 or newer"
    )]
    NoAdminApi {
        /// The addresses.
        brokers: String,
        /// What was asked of it.
        what: &'static str,
    },
    /// The user may not do it.
    #[error(
        "the Kafka user lacks a right to {what}: who administers the cluster gives it with {command} (consumer/docs/rights.md lists what each program needs)"
    )]
    Forbidden {
        /// What was asked.
        what: &'static str,
        /// The commands that give it.
        command: String,
    },
    /// Anything else that the cluster or librdkafka says.
    #[error("cannot {what}: {reason}")]
    Kafka {
        /// What was asked.
        what: &'static str,
        /// What came back.
        reason: String,
    },
}
