//! Each confirmation compared with the offset that was to come of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use laju_schemas::rules::PROGRAMME_BEGAN;
use rdkafka::ClientContext;
use rdkafka::Message as _;
use rdkafka::Timestamp;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::error::KafkaError;
use rdkafka::producer::{DeliveryResult, ProducerContext};

use crate::publish::DeliveryError;
use crate::publish::confirm::Confirmations;

/// What went wrong first.
#[derive(Clone, Debug)]
pub(super) enum Fault {
    Delivery(DeliveryError),
    Elsewhere { partition: u32, wanted: i64, found: i64 },
    Restamped { partition: u32, offset: i64 },
}

/// The producers' context: compares each confirmation with the offset that was expected.
#[derive(Clone, Default)]
pub(super) struct Places {
    pub(super) inner: Confirmations,
    failed: Arc<AtomicBool>,
    first: Arc<Mutex<Option<Fault>>>,
}

impl Places {
    /// What went wrong first, if anything did.
    pub(super) fn fault(&self) -> Option<Fault> {
        if !self.failed.load(Ordering::Acquire) {
            return None;
        }
        self.first.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Whether the broker gave a record its own time. The embedded one says 1234 whatever the time: that is
/// no clock's.
fn is_by_broker(timestamp: Timestamp) -> bool {
    matches!(timestamp, Timestamp::LogAppendTime(at) if at >= PROGRAMME_BEGAN.0)
}

impl ClientContext for Places {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.inner.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.inner.error(error, reason);
    }
}

impl ProducerContext for Places {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, expected: usize) {
        let fault = match result {
            Ok(message) => {
                let (wanted, found) = (expected as i64, message.offset());
                let partition = u32::try_from(message.partition()).unwrap_or(0);
                // Of what was sent twice and taken once the broker does not tell the offset.
                let is_right = found == wanted || found < 0;
                if is_right {
                    let is_restamped = is_by_broker(message.timestamp());
                    is_restamped.then_some(Fault::Restamped { partition, offset: wanted })
                } else {
                    Some(Fault::Elsewhere { partition, wanted, found })
                }
            }
            Err((error, message)) => {
                let why = DeliveryError::new(error, message.topic(), self.inner.events());
                Some(Fault::Delivery(why))
            }
        };
        if let Some(fault) = fault {
            self.first.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(fault);
            self.failed.store(true, Ordering::Release);
        }
        self.inner.announce_room();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_of_the_brokers_own_is_known_but_not_by_the_embedded_ones() {
        let at = PROGRAMME_BEGAN.0;
        assert!(is_by_broker(Timestamp::LogAppendTime(at)));
        for other in
            [Timestamp::LogAppendTime(1_234), Timestamp::CreateTime(at), Timestamp::NotAvailable]
        {
            assert!(!is_by_broker(other), "{other:?}");
        }
    }
}
