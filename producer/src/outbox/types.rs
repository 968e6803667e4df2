//! What goes into the outbox and what comes out of it, in plain types.

use std::path::PathBuf;
use std::time::Duration;

use laju_schemas::pseudonym::KeyId;
use laju_schemas::{EventId, Fact, OutreachId, RegionCode, Sequence, SubjectId, TimestampMs};
use serde::{Deserialize, Serialize};
use thiserror::Error;

use laju_kafka::publish::Receipt;

/// How much an outbox holds and remembers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboxSettings {
    /// How many bytes of events may wait, those rejected included: each with its row and
    /// [`ROW_OVERHEAD`](super::ROW_OVERHEAD). A million
    /// events take about 280 MB on the disk; the file may show twice as much while it grows.
    pub limit_bytes: u64,
    /// How long an event is remembered after Kafka acknowledged it, by the broker's clock.
    pub remember: Duration,
    /// Which key the pseudonyms of its events are made with: an outbox belongs to it permanently. Not
    /// checked where none is given.
    pub key_id: Option<KeyId>,
    /// A file on another volume that is to remember how far the outbox had come: it notices one
    /// that was rolled back as a whole, without a connection.
    pub witness: Option<PathBuf>,
}

impl Default for OutboxSettings {
    fn default() -> Self {
        Self {
            limit_bytes: 1 << 30,
            remember: Duration::from_secs(30 * 24 * 60 * 60),
            key_id: None,
            witness: None,
        }
    }
}

/// What is stored of every event, until it is forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its id.
    pub event_id: EventId,
    /// The citizen's pseudonym, also the message key.
    pub subject: SubjectId,
    /// Where the citizen is registered.
    pub home_region: RegionCode,
    /// Whose office served them.
    pub service_region: RegionCode,
    /// When it happened, by the kiosk's clock.
    pub occurred_at: TimestampMs,
    /// When it came in, by the kiosk's clock.
    pub accepted_at: TimestampMs,
    /// What makes a repetition recognisable, if the client gave something.
    pub key: Option<IdempotencyKey>,
}

/// An event to be accepted: everything but its number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Draft {
    /// What is stored of it for as long as it is remembered.
    pub entry: Entry,
    /// The outreach visit, if any.
    pub outreach_id: Option<OutreachId>,
    /// What happened.
    pub fact: Fact,
}

/// A client's idempotency key: digests only, so that no text of a client's is stored.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct IdempotencyKey {
    /// Of the key itself.
    pub key: [u8; 16],
    /// Of what was sent with it.
    pub content: [u8; 16],
}

/// An event that is durable in the outbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Accepted {
    /// Its id: of a repetition, the first one's.
    pub event_id: EventId,
    /// Its number.
    pub sequence: Sequence,
    /// Whether it was there already.
    pub repeated: bool,
}

/// Why an event is not accepted. It uses up no number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum Refusal {
    /// As many bytes of events wait as may.
    #[error(
        "the outbox is full ({limit_bytes} bytes): events leave it when Kafka can be reached; see `laju-kiosk status`"
    )]
    Full {
        /// How many.
        limit_bytes: u64,
    },
    /// The same idempotency key, or the same event id, came with something else before.
    #[error(
        "the key was used for another event ({event_id}), of other content: each event needs a key of its own"
    )]
    KeyReused {
        /// The event that has it.
        event_id: EventId,
    },
    /// All sequence numbers of this kiosk id are used up.
    #[error("this kiosk has used all its 4294967295 sequence numbers: give it another id")]
    Numbers,
    /// Larger than the events topic takes.
    #[error("the event is too large: {bytes} bytes")]
    TooLarge {
        /// How large it is.
        bytes: usize,
    },
}

/// An event that waits to be sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unsent {
    /// Its number.
    pub sequence: u32,
    /// What is stored of it.
    pub entry: Entry,
    /// The [`ActivationEvent`](laju_schemas::ActivationEvent), in single-object encoding.
    pub value: Vec<u8>,
}

/// When an event happened and was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Dated {
    /// Its number.
    pub sequence: u32,
    /// Its id.
    pub event_id: EventId,
    /// When it happened.
    pub occurred_at: TimestampMs,
    /// When it was accepted, by the kiosk's clock.
    pub accepted_at: TimestampMs,
}

impl Dated {
    /// Whether it has the kiosk's clock for its time.
    #[must_use]
    pub fn is_by_kiosk_clock(&self) -> bool {
        self.occurred_at == self.accepted_at
    }
}

/// What became of an event that was sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// Kafka has it.
    Acknowledged(Receipt),
    /// Kafka does not take it. Those behind it go on.
    Rejected(Rejection),
}

/// How Kafka rejected an event. Clients, the command line and the disk call it set aside.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejection {
    /// Why.
    #[serde(rename = "obstacle")]
    pub reason: RejectionReason,
    /// In words; cut after 1,000 bytes.
    pub detail: String,
    /// When, by the kiosk's clock.
    pub at: TimestampMs,
}

/// Why Kafka does not take an event.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[repr(u8)]
#[serde(rename_all = "snake_case")]
pub enum RejectionReason {
    /// It is larger than the topic takes.
    TooLarge,
    /// This user may not write to the topic.
    NotAuthorised,
    /// Refused for another reason.
    Refused,
}

impl RejectionReason {
    /// Every reason, as stored: only ever added to.
    pub const ALL: [Self; 3] = [Self::TooLarge, Self::NotAuthorised, Self::Refused];

    /// Its name.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::TooLarge => "too_large",
            Self::NotAuthorised => "not_authorised",
            Self::Refused => "refused",
        }
    }
}

/// Which rejected events are tried again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// All.
    All,
    /// This one.
    Event(EventId),
    /// Those rejected for this reason.
    Because(RejectionReason),
}

/// An event that Kafka rejected.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rejected {
    /// The event.
    pub event_id: EventId,
    /// The kiosk's own number of it.
    pub sequence: u32,
    /// Why and when.
    #[serde(flatten)]
    pub rejection: Rejection,
}

/// What the outbox knows of an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its number.
    pub sequence: u32,
    /// What is stored of it.
    pub entry: Entry,
    /// What became of it; none while it waits to be sent, or is being sent.
    pub outcome: Option<Outcome>,
}

/// An outbox that has fallen back as a whole: a disk image, a snapshot, a restored backup.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RolledBack {
    /// The highest number that it knew of.
    pub had_given: u32,
    /// The highest that had been given.
    pub were_given: u32,
}

/// What the outbox holds, as of its last transaction.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// The highest number given; 0 before the first.
    pub highest_sequence: u32,
    /// How many events wait to be sent.
    pub unsent: u64,
    /// What they are accounted with: see [`OutboxSettings::limit_bytes`].
    pub unsent_bytes: u64,
    /// How much may wait, those rejected included.
    pub limit_bytes: u64,
    /// How many events Kafka rejected that are not sent again.
    pub rejected: u64,
    /// What they are accounted with.
    pub rejected_bytes: u64,
    /// How many events were ever acknowledged.
    pub acknowledged: u64,
    /// How many numbers were passed over, since they had been given before the outbox was rolled
    /// back, or by another device. They count as missing unless their events are in Kafka.
    pub passed_over: u64,
    /// Whether no event is taken at present, for want of room on the disk. What is there is still
    /// sent and settled; it ends by itself once there is room.
    pub disk_full: bool,
    /// When the unsent event with the lowest number happened.
    pub oldest_unsent: Option<TimestampMs>,
    /// When it was accepted, by the kiosk's clock.
    pub waiting_since: Option<TimestampMs>,
    /// When the event with the highest number was accepted.
    pub latest_accepted_at: Option<TimestampMs>,
    /// The newest time of any receipt, by the broker's clock.
    pub newest_receipt: Option<TimestampMs>,
}
