//! How far an event has come: in the outbox, acknowledged by Kafka, and what a worker made of it.

use laju_schemas::position::Position;
use laju_schemas::{EventId, TimestampMs};
use serde::{Serialize, Serializer};

use crate::outbox::{Outcome, Rejection};

/// Where an event is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum EventState {
    /// In the outbox, waiting or on its way.
    Unsent,
    /// In the outbox; Kafka rejected it.
    #[serde(rename = "set_aside")]
    Rejected(Rejection),
    /// In Kafka.
    Acknowledged {
        /// The partition of the events topic.
        partition: u32,
        /// The offset within it; null if the broker did not tell.
        offset: Option<u64>,
        /// When it was recorded, by the broker's clock.
        recorded_at: Option<TimestampMs>,
    },
}

/// What is known of an event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fate {
    /// The event.
    pub event_id: EventId,
    /// The kiosk's own number of it.
    pub sequence: u32,
    /// When it happened.
    pub occurred_at: TimestampMs,
    /// When the agent accepted it, by the kiosk's clock.
    pub accepted_at: TimestampMs,
    /// Where it is.
    #[serde(flatten)]
    pub state: EventState,
    /// A worker that is asked with this (in the header `Laju-At-Least`) has counted the event in its
    /// answer; null as long as the event is not in Kafka or it is not known which log that is.
    #[serde(serialize_with = "as_text")]
    pub position: Option<Position>,
    /// The worker's answer, if the agent knows one and the event is in Kafka; `{"error": …}` if
    /// it did not answer.
    pub worker: Option<serde_json::Value>,
}

fn as_text<S: Serializer>(position: &Option<Position>, to: S) -> Result<S::Ok, S::Error> {
    position.as_ref().map(Position::to_string).serialize(to)
}

impl Fate {
    /// Whether it is not on its way to be counted: rejected, or in quarantine.
    #[must_use]
    pub fn is_stuck(fate: &serde_json::Value) -> bool {
        fate["state"] == "set_aside" || fate["worker"]["fate"] == "quarantined"
    }
}

impl From<Option<Outcome>> for EventState {
    fn from(outcome: Option<Outcome>) -> Self {
        match outcome {
            None => Self::Unsent,
            Some(Outcome::Rejected(rejection)) => Self::Rejected(rejection),
            Some(Outcome::Acknowledged(receipt)) => Self::Acknowledged {
                partition: receipt.partition,
                offset: receipt.offset,
                recorded_at: receipt.timestamp,
            },
        }
    }
}
