//! The context of the producer that decides: tells where each record of a transaction stands.

use std::sync::mpsc::Sender;

use laju_kafka::connection::BrokerEvents;
use laju_schemas::quarantine::Origin;
use rdkafka::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::producer::{DeliveryResult, ProducerContext};

/// Which record of a transaction was delivered, and where it stands.
pub(super) type Delivered = (usize, Result<Origin, KafkaError>);

/// The producer's context: tells where each record stands.
pub(super) struct Deliveries {
    pub(super) events: BrokerEvents,
    pub(super) delivered: Sender<Delivered>,
}

impl ClientContext for Deliveries {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.events.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.events.error(error, reason);
    }
}

impl ProducerContext for Deliveries {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, number: usize) {
        let place = match result {
            Ok(message) => Ok(Origin {
                partition: u32::try_from(message.partition()).unwrap_or(0),
                offset: message.offset(),
            }),
            Err((error, _)) => Err(error.clone()),
        };
        // Nobody waits any more where the producer is about to be dropped.
        let _ = self.delivered.send((number, place));
    }
}
