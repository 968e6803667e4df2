//! Why something could not be handed to Kafka.

use laju_schemas::codec::EncodeError;
use laju_schemas::known::ReadError;
use laju_schemas::reference::ReferenceError;
use rdkafka::error::KafkaError;
use thiserror::Error;

use crate::connection::ConnectionError;
use crate::registry::RegistryError;

/// Why something could not be handed to Kafka. Nothing of it was sent.
#[derive(Debug, Error)]
pub enum PublishError {
    /// The connection's options are wrong.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The schema could not be registered or looked up.
    #[error(transparent)]
    Registry(#[from] RegistryError),
    /// A reference figure whose fields do not go together, or whose texts are not to be published.
    #[error(transparent)]
    Reference(#[from] ReferenceError),
    /// The value does not fit its schema.
    #[error(transparent)]
    Encode(#[from] EncodeError),
    /// A stored value of a schema that this program does not know, or that may not be published today.
    #[error("it cannot be read: {0}")]
    Stored(#[from] ReadError),
    #[error(
        "{what} has {bytes} bytes; {topic} takes {limit} at most, with key, headers and framing"
    )]
    TooLarge {
        /// What was to be sent.
        what: String,
        /// How large it is.
        bytes: usize,
        topic: String,
        /// The limit in bytes.
        limit: u32,
    },
    #[error("{what} cannot be sent to {topic}")]
    Queue {
        /// What was to be sent.
        what: String,
        topic: String,
        source: Box<KafkaError>,
    },
}
