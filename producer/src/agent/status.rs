//! Where the kiosk stands, as `/v1/status` answers it.

use laju_schemas::pseudonym::KeyId;
use laju_schemas::{RegionCode, TimestampMs};
use serde::{Deserialize, Serialize};

use super::advice::Advice;
use super::best_clock::{Moment, Now};
use super::doubt::DoubtfulEvents;
use super::worker_report::WorkerReport;
use crate::outbox::Rejected;

/// Where a kiosk stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Status {
    /// The kiosk.
    pub kiosk_id: String,
    /// The regency or city whose office it serves.
    pub service_region: RegionCode,
    /// The agent's version.
    pub agent_version: String,
    /// When the agent was started, by the kiosk's clock.
    pub started_at: TimestampMs,
    /// The kiosk's clock.
    pub now: TimestampMs,
    /// The highest sequence given to an event; 0 before the first.
    pub highest_sequence: u32,
    /// Events that are waiting or on their way.
    pub unsent: u64,
    /// When the oldest of them happened.
    pub oldest_unsent: Option<TimestampMs>,
    /// When it was accepted, by the kiosk's clock.
    pub waiting_since: Option<TimestampMs>,
    /// Events on their way.
    pub in_flight: usize,
    /// Events that Kafka rejected.
    pub set_aside: u64,
    /// Events that Kafka has acknowledged, ever.
    pub acknowledged: u64,
    /// Whether no event is taken at present, for want of room on the disk. What is there is still
    /// sent, which makes room.
    #[serde(default)]
    pub disk_full: bool,
    /// Numbers that were passed over, since they had been given before the outbox was set back, or
    /// by another device.
    #[serde(default)]
    pub passed_over: u64,
    /// Which key the pseudonyms are made with.
    #[serde(default)]
    pub key_id: Option<KeyId>,
    /// Bytes of events in the outbox.
    pub outbox_bytes: u64,
    /// Bytes of events that it takes.
    pub outbox_limit_bytes: u64,
    /// When Kafka last acknowledged an event since the start, by the kiosk's clock.
    pub last_acknowledged_at: Option<TimestampMs>,
    /// When the kiosk's status was last delivered, by the same clock.
    pub last_reported_at: Option<TimestampMs>,
    /// The kiosk's clock minus the broker's, in milliseconds, once measured.
    pub clock_offset_ms: Option<i64>,
    /// What the kiosk's clock is worth.
    #[serde(default)]
    pub clock: ClockState,
    /// Events that were taken with doubtful times during the last 30 days.
    #[serde(default)]
    pub doubtful: Vec<DoubtfulEvents>,
    /// What the worker said of this kiosk, if the agent knows one.
    #[serde(default)]
    pub worker: Option<WorkerReport>,
    /// What is in the way of sending.
    pub obstacle: Option<String>,
    /// The first of the rejected events.
    pub set_aside_events: Vec<Rejected>,
    /// What deserves attention; nothing if all is well.
    pub attention: Vec<Advice>,
}

/// What the kiosk's clock is worth.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ClockState {
    /// No broker has confirmed it since the start; it may be right.
    #[default]
    Unconfirmed,
    /// The broker's is known, and events get that.
    Measured {
        /// The present, by the broker's clock.
        now: TimestampMs,
    },
    /// It cannot be right, and no broker has reported a better one.
    Wrong {
        /// Why not.
        detail: String,
    },
}

impl ClockState {
    pub(super) fn of(moment: &Moment) -> Self {
        match moment.now() {
            Now::Unconfirmed(_) => Self::Unconfirmed,
            Now::Measured(now) => Self::Measured { now },
            Now::Unknown(wrong) => Self::Wrong { detail: wrong.to_string() },
        }
    }

    /// Whether it cannot be right.
    #[must_use]
    pub fn is_wrong(&self) -> bool {
        matches!(self, Self::Wrong { .. })
    }
}
