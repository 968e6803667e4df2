//! librdkafka's queue: records into it, and waiting until it is empty.

use std::time::{Duration, Instant};

use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseRecord, Producer as _, ProducerContext, ThreadedProducer};

use super::confirm::Confirmations;
use super::error::PublishError;

/// How long a turn of flushing lasts.
const FLUSH_TURN: Duration = Duration::from_millis(2);

/// How long a full queue is waited for before looking again.
pub(super) const QUEUE_WAIT: Duration = Duration::from_millis(50);

/// Hands a record to librdkafka, waiting while its queue is full: nothing is ever dropped.
pub(super) fn enqueue<C: ProducerContext + 'static>(
    producer: &ThreadedProducer<C>,
    room: &Confirmations,
    prepared: BaseRecord<'_, [u8], [u8], C::DeliveryOpaque>,
    what: &dyn Fn() -> String,
) -> Result<(), PublishError> {
    enqueue_unless(producer, room, prepared, what, &|| false).map(drop)
}

/// The same, but gives up waiting when told to: answers whether it was handed over.
pub(super) fn enqueue_unless<C: ProducerContext + 'static>(
    producer: &ThreadedProducer<C>,
    room: &Confirmations,
    mut prepared: BaseRecord<'_, [u8], [u8], C::DeliveryOpaque>,
    what: &dyn Fn() -> String,
    gives_up: &dyn Fn() -> bool,
) -> Result<bool, PublishError> {
    loop {
        let Err((error, back)) = producer.send(prepared) else { return Ok(true) };
        if error.rdkafka_error_code() != Some(RDKafkaErrorCode::QueueFull) {
            return Err(PublishError::Queue {
                what: what(),
                topic: back.topic.to_owned(),
                source: Box::new(error),
            });
        }
        if gives_up() {
            return Ok(false);
        }
        prepared = back;
        room.wait_for_room(QUEUE_WAIT);
    }
}

/// Flushes in short steps, because librdkafka forgets the linger time only while it is called.
pub(super) fn flush<C: ProducerContext + 'static>(
    producer: &ThreadedProducer<C>,
    timeout: Duration,
) -> usize {
    let deadline = Instant::now() + timeout;
    loop {
        let left = deadline.saturating_duration_since(Instant::now());
        // In short turns: the producer's own thread may take the last confirmation, and a longer
        // turn would sleep on for a tenth of a second.
        let done = producer.flush(left.min(FLUSH_TURN));
        if done.is_ok() || left.is_zero() {
            return usize::try_from(producer.in_flight_count()).unwrap_or(0);
        }
    }
}
