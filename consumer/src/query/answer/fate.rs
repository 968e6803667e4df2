//! The shape of the answer to what became of an event.

use jiff::civil::Date;
use laju_schemas::event::FactKind;
use laju_schemas::quarantine::Reason;
use laju_schemas::{EventId, TimestampMs};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Evidence, RegionName};

/// What became of an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FateKind {
    /// It stands among its citizen's facts, whether it changed anything or not.
    Counted,
    /// Another event of the same kind and instant stands in its place.
    Repeat,
    /// It was taken back, and counts as never happened.
    Retracted,
    /// It could not be counted.
    Quarantined,
    /// No event of this id is among those that are remembered.
    NotSeen,
}

/// What an event that stands changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum EffectKind {
    /// Inactive to active.
    Activation,
    /// Active to inactive.
    Deactivation,
    /// From one home region to another while active.
    Move,
    /// Asked, but not activated.
    Deferral,
    /// Biometrics recorded.
    CardRecorded,
    /// A printed card asked for.
    CardRequested,
    /// A card printed.
    CardPrinted,
    /// Another event taken back.
    Retraction,
    /// Nothing, as it was so already.
    None,
}

/// What became of an event. It never says whose event it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EventFate {
    /// The event's id.
    pub event_id: EventId,
    /// What became of it.
    pub fate: FateKind,
    /// What happened, as it says: the name of its fact in the contract. None of what was not
    /// folded.
    pub kind: Option<FactKind>,
    /// What it changed; none unless it is counted.
    pub effect: Option<EffectKind>,
    /// The day for which it counts, else its local day; none of what was not folded.
    pub day: Option<Date>,
    /// The region for which it counts, else its home region; none of what was not folded.
    pub region: Option<RegionName>,
    /// When it happened, as it says; none of what was not folded.
    pub occurred_at: Option<TimestampMs>,
    /// The day on which Kafka recorded it first, in Asia/Jakarta.
    pub recorded: Option<Date>,
    /// The kiosk that sent it.
    pub kiosk_id: Option<String>,
    /// The kiosk's own number of it.
    pub sequence: Option<u32>,
    /// The retraction, if it was taken back.
    pub retracted_by: Option<EventId>,
    /// The event that stands in its place, if it is a repeat.
    pub repeat_of: Option<EventId>,
    /// Why it was taken back or could not be counted.
    pub reason: Option<String>,
    /// The same in words for people, where there is more to say.
    pub detail: Option<String>,
    /// The partition of the events topic that it lies in.
    pub partition: Option<u32>,
    /// The latest record of it that could not be counted, also if another record of it was: a
    /// released one, or one before a bad copy.
    pub quarantine: Option<QuarantinedEvent>,
    /// The first day of recording from which on every event is remembered.
    pub remembered_since: Option<Date>,
    /// What the answer rests on.
    pub evidence: Evidence,
}

/// A record that could not be counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuarantinedEvent {
    /// Its partition of the events topic.
    pub partition: u32,
    /// Its offset there.
    pub offset: i64,
    /// Its timestamp.
    pub timestamp: TimestampMs,
    /// Why it could not be counted.
    pub reason: Reason,
    /// What exactly was wrong; none of one that is not among the latest.
    pub detail: Option<String>,
}
