//! Each confirmation held against the offset that was to come of it.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use rdkafka::ClientContext;
use rdkafka::Message as _;
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
}

/// The producers' context: holds each confirmation against the offset that was expected.
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
                (!is_right).then_some(Fault::Elsewhere { partition, wanted, found })
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
