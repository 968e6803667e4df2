//! What the shipper does on threads that may wait: handing events to the producer, asking the
//! outbox.

use std::sync::Arc;

use laju_schemas::known::{EventReader, SchemaError};
use thiserror::Error;

use super::progress::Shipping;
use crate::outbox::{Obstacle, Outbox, Retry, Unsent};
use laju_kafka::connection::Connection;
use laju_kafka::publish::{Delivery, PublishError, PublishSettings, Publisher};

/// Why shipping cannot begin.
#[derive(Debug, Error)]
pub enum ShipError {
    /// The producer cannot be made.
    #[error(transparent)]
    Publish(#[from] PublishError),
    /// The program's own schemas cannot be read: a fault of the program.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

/// What talks to Kafka, moved to a blocking thread for each page of events.
pub(super) struct BlockingPublisher {
    pub(super) publisher: Publisher,
    reader: EventReader,
}

/// Puts back among the unsent what was set aside because this user was not authorised.
pub(super) async fn try_again(outbox: Outbox, shipping: Arc<Shipping>, which: Retry) {
    match outbox.retry(which).await {
        Ok(Some((lowest, _))) => shipping.rewind(lowest),
        Ok(None) => {}
        Err(error) => tracing::warn!(%error, "what was set aside cannot be tried again"),
    }
}

/// Finds out with one event whether this user is authorised by now.
pub(super) async fn probe_authorisation(outbox: Outbox, shipping: Arc<Shipping>) {
    let of = outbox.clone();
    let first = blocking(move || of.first_set_aside(Obstacle::NotAuthorised)).await;
    if let Ok(Some(event_id)) = first {
        try_again(outbox, shipping, Retry::Event(event_id)).await;
    }
}

/// Why an event cannot be handed to the producer.
pub(super) enum Unsendable {
    /// For good.
    For(Obstacle, String),
    /// For the time being.
    Now(String),
}

impl BlockingPublisher {
    /// A new producer.
    pub(super) fn new(
        connection: &Connection,
        settings: &PublishSettings,
    ) -> Result<Self, ShipError> {
        let publisher = Publisher::new(connection, settings)?;
        Ok(Self { publisher, reader: EventReader::new(&[])? })
    }

    /// Hands an event to the producer.
    pub(super) fn publish(&mut self, event: &Unsent) -> Result<Delivery, Unsendable> {
        let refused = |why: String| Unsendable::For(Obstacle::Refused, why);
        let read = self.reader.read(&event.value);
        let read = read.map_err(|error| refused(format!("it cannot be read: {error}")))?;
        let event = read.check().map_err(|error| refused(error.to_string()))?;
        self.publisher.publish(&event).map_err(|error| match error {
            PublishError::TooLarge { .. } => Unsendable::For(Obstacle::TooLarge, error.to_string()),
            PublishError::Encode(_) | PublishError::Reference(_) => refused(error.to_string()),
            PublishError::Connection(_)
            | PublishError::Registry(_)
            | PublishError::Queue { .. } => Unsendable::Now(error.to_string()),
        })
    }
}

/// Runs what blocks away from the threads that serve requests.
pub(super) async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> T {
    match tokio::task::spawn_blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is going down: nothing of this is ever looked at.
            Err(_) => std::future::pending().await,
        },
    }
}
