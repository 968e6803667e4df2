//! The shapes of the answers about kiosks.

use laju_schemas::{EventId, RegionCode, TimestampMs};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Evidence, QuarantinedRow, schema};

/// The kiosks heard of that were asked for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Kiosks {
    /// In the order of their ids, as many as were asked for.
    pub rows: Vec<KioskRow<u64>>,
    /// How many there are on all pages.
    pub total: u64,
    /// Which key most kiosks make their pseudonyms with; none if none of them says so.
    pub key_id: Option<String>,
    /// A relative link to the next page; none on the last.
    pub next: Option<String>,
    /// What the answer rests on.
    pub evidence: Evidence,
}

/// What is known of a kiosk now. `C` is what is said of its conflicts: how many there are, or
/// [`Conflicts`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KioskRow<C = u64> {
    /// Its id.
    pub kiosk_id: String,
    /// Its own region: as its latest status says, else as its latest event does.
    pub service_region: Option<RegionCode>,
    /// Events received, repeats and quarantined ones that decode included.
    pub received: u64,
    /// Distinct sequences received.
    pub sequences: u64,
    /// The highest sequence received or announced.
    pub highest_sequence: u32,
    /// The highest sequence received; 0 before the first.
    pub highest_received: u32,
    /// The highest sequence ever announced; none of a kiosk that announces none.
    pub highest_announced: Option<u32>,
    /// When it last announced a lower sequence than before: its outbox was set back, or another
    /// device has its id. As far as this node has read of the status topic; none if it never did.
    pub announced_fall: Option<AnnouncedFall>,
    /// Whether it makes its pseudonyms with another key than most kiosks: everybody it serves is
    /// then somebody else, and counted again.
    pub other_key: bool,
    /// Sequences up to the highest that have not come in; 0 of a retired kiosk.
    pub missing: u64,
    /// The first gaps, each from its first to its last sequence.
    pub gaps: Vec<(u32, u32)>,
    /// When Kafka recorded the latest event of it.
    pub last_heard: Option<TimestampMs>,
    /// Events that it usually sends in a day; none before it was heard of on five days.
    pub usual_per_day: Option<u64>,
    /// Whether it is silent beyond its habit; none before it has one.
    pub silent: Option<bool>,
    /// When its last word was recorded, an event or a status; none unless it is silent.
    pub silent_since: Option<TimestampMs>,
    /// Events beyond the first that bear the same sequence: two devices have this id.
    #[schema(schema_with = schema::of_conflicts::<C>)]
    pub conflicts: C,
    /// Its own latest word, if it gives any.
    pub status: Option<StatusRow>,
}

/// All that is known of one kiosk now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KioskDetail {
    /// What is known of each kiosk, here with every gap, at most 1,000, and with the conflicts
    /// themselves.
    #[serde(flatten)]
    pub row: KioskRow<Conflicts>,
    /// Whether there are more gaps than are shown.
    pub gaps_cut: bool,
    /// What of it could not be counted.
    pub quarantined: KioskQuarantine,
    /// Days of recording on which events of it came in.
    pub days_heard: u64,
    /// Days from one on which it is heard of to the next, mostly at most; none before it has a
    /// habit.
    pub usual_gap_days: Option<u32>,
    /// What the answer rests on.
    pub evidence: Evidence,
}

/// A kiosk's events that could not be counted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct KioskQuarantine {
    /// Its sequences of which no event counts because it could not be counted; those not that
    /// somebody discarded lately. Events that cannot be read are not among them.
    pub open: u64,
    /// The latest records of those sequences, the newest first, at most 100.
    pub latest: Vec<QuarantinedRow>,
}

/// Events of one kiosk that bear the same sequence as another of its events.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Conflicts {
    /// Events beyond the first with their sequence. All of them are counted.
    pub events: u64,
    /// Their sequences, as far as they can be told, at most 100.
    pub sequences: Vec<ConflictingSequence>,
    /// What this means, and what cannot be told; none without conflicts.
    pub note: Option<String>,
}

/// A sequence that several events bear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ConflictingSequence {
    /// The sequence.
    pub sequence: u32,
    /// The events, as far as they are remembered; none if none is.
    pub event_ids: Option<Vec<EventId>>,
}

/// A sequence announced that is lower than one announced before.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct AnnouncedFall {
    /// The highest sequence announced before.
    pub from: u32,
    /// The one announced then.
    pub to: u32,
    /// When Kafka recorded that.
    pub recorded_at: TimestampMs,
}

/// A kiosk's own latest word.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct StatusRow {
    /// The highest sequence that it has given to an event.
    pub highest_sequence: u32,
    /// Events that it has not got rid of yet.
    pub unsent: u64,
    /// When the oldest of them occurred.
    pub oldest_unsent: Option<TimestampMs>,
    /// Its clock minus the broker's, in milliseconds.
    pub clock_offset_ms: Option<i64>,
    /// The version of its agent.
    pub agent_version: String,
    /// When it said so, by its clock.
    pub sent_at: TimestampMs,
    /// When Kafka recorded that.
    pub recorded_at: TimestampMs,
    /// Lost or withdrawn: none of its events is awaited any more.
    pub retired: bool,
    /// Which key it makes its pseudonyms with; none of an agent that does not say so.
    pub key_id: Option<String>,
}
