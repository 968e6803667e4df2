//! Whether a topic is still there, asked when a client that reads it says that it is not: a broker
//! that has just come back may not know it yet.

use std::time::Duration;

use laju_kafka::connection::ask::{patiently, whole};
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};

/// For how long the brokers may know nothing of it.
const METADATA_TIMEOUT: Duration = Duration::from_secs(10);

/// Whether the brokers know the topic (by its full name), now or within a few seconds. Where they
/// do not answer at all it is not known to be gone.
pub(super) fn is_there<C: ConsumerContext>(consumer: &BaseConsumer<C>, topic: &str) -> bool {
    let known = patiently(METADATA_TIMEOUT, |timeout| {
        // Asked for by name, some brokers would make it.
        let metadata = consumer.fetch_metadata(None, timeout)?;
        let found = metadata.topics().iter().find(|known| known.name() == topic);
        let error = match found {
            None => Some(RDKafkaErrorCode::UnknownTopicOrPartition),
            Some(found) => found.error().map(Into::into),
        };
        let error = error.map(|code| Err(KafkaError::MetadataFetch(code)));
        whole((), error.into_iter())
    });
    use RDKafkaErrorCode as Code;
    !matches!(
        known.map_err(|error| error.rdkafka_error_code()),
        Err(Some(Code::UnknownTopicOrPartition | Code::UnknownTopic | Code::UnknownTopicId))
    )
}
