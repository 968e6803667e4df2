//! A record of the stream, and what can be wrong with it: a bad one is made so that exactly one
//! reason applies.

use std::sync::LazyLock;

use laju_schemas::codec::{EncodeError, Encoder};
use laju_schemas::partition::partition_for;
use laju_schemas::quarantine::Reason;
use laju_schemas::{ActivationEvent, RegionCode, SubjectId, TimestampMs};

/// 2021-07-01, half a year before the programme.
const BEFORE: TimestampMs = TimestampMs(1_625_097_600_000);
/// Ten years: in the future of a broker's clock too, however old the simulated days are.
const FUTURE_MS: i64 = 10 * 366 * 86_400_000;
/// The single-object header (10 bytes) and the event's id (16) stand before the kiosk's id.
const BEFORE_KIOSK: usize = 26;

/// For bytes that no event has: how they are spoilt depends on what stands where.
static SINGLE_OBJECT: LazyLock<Encoder> = LazyLock::new(|| Encoder::events(None));

/// What is wrong with a record, if anything.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Trouble {
    /// An event that was in the stream before.
    Duplicate,
    /// An event held back while its kiosk was offline, out of its order.
    Late,
    /// An event that a worker must put into quarantine, for this reason.
    Bad(Reason),
}

impl Trouble {
    /// The reasons that are simulated. Too large is not: it would drown everything else in bytes.
    pub const BAD: [Reason; 8] = [
        Reason::UnknownSchema,
        Reason::Undecodable,
        Reason::WrongKey,
        Reason::WrongPartition,
        Reason::UnknownRegion,
        Reason::SequenceOutOfRange,
        Reason::BeforeProgramme,
        Reason::InFuture,
    ];
}

/// One record of the stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SimulatedRecord {
    /// The event, or of a bad record what was made of it.
    pub event: ActivationEvent,
    /// When it reaches Kafka; never earlier than the record before it.
    pub recorded_at: TimestampMs,
    /// What is wrong with it.
    pub trouble: Option<Trouble>,
}

impl SimulatedRecord {
    /// The record of an event, spoilt if it is to be bad.
    #[must_use]
    pub fn new(event: ActivationEvent, recorded_at: TimestampMs, trouble: Option<Trouble>) -> Self {
        let mut record = Self { event, recorded_at, trouble };
        match record.bad() {
            Some(Reason::UnknownRegion) => {
                let home = &mut record.event.home_region;
                *home = RegionCode::from_number(9_999).unwrap_or(*home);
            }
            Some(Reason::BeforeProgramme) => record.event.occurred_at = BEFORE,
            Some(Reason::InFuture) => {
                record.event.occurred_at = TimestampMs(recorded_at.0 + FUTURE_MS);
            }
            _ => {}
        }
        record
    }

    /// Why it cannot be counted.
    fn bad(&self) -> Option<Reason> {
        match self.trouble {
            Some(Trouble::Bad(reason)) => Some(reason),
            _ => None,
        }
    }

    /// The message key: the subject's, but for a record that is to have a wrong one.
    #[must_use]
    pub fn key(&self) -> SubjectId {
        let subject = self.event.subject;
        match self.bad() {
            Some(Reason::WrongKey) => SubjectId(subject.0.map(|byte| !byte)),
            _ => subject,
        }
    }

    /// Appends the message's value to `out`, as the installation encodes it.
    ///
    /// # Errors
    /// If the encoder is not one for events.
    pub fn encode(&self, encoder: &Encoder, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let bytes_are_bad = matches!(
            self.bad(),
            Some(Reason::UnknownSchema | Reason::Undecodable | Reason::SequenceOutOfRange)
        );
        let start = out.len();
        let encoder = if bytes_are_bad { &*SINGLE_OBJECT } else { encoder };
        encoder.event(&self.event, out)?;
        match self.bad() {
            Some(Reason::UnknownSchema) => {
                out[start + 2..start + 10].iter_mut().for_each(|byte| *byte ^= 0x5a);
            }
            Some(Reason::Undecodable) => out.truncate(out.len() - 3),
            Some(Reason::SequenceOutOfRange) => {
                // 0 in its place, which no `Sequence` can be. Avro writes a text's length, zigzagged,
                // in one byte below 64.
                let sequence = start + BEFORE_KIOSK + 1 + self.event.kiosk_id.as_str().len();
                let more = out[sequence..].iter().take_while(|byte| **byte >= 0x80).count();
                out.splice(sequence..=sequence + more, [0]);
            }
            _ => {}
        }
        Ok(())
    }

    /// The partition that it has to be put into, of so many, where the key must not decide: a
    /// wrong one, if there is another.
    ///
    /// # Panics
    /// If `partitions` is 0.
    #[must_use]
    pub fn misplaced(&self, partitions: u32) -> Option<u32> {
        (self.bad() == Some(Reason::WrongPartition))
            .then(|| (partition_for(&self.key().0, partitions) + 1) % partitions)
    }

    /// The partition of so many that it comes to lie in.
    ///
    /// # Panics
    /// If `partitions` is 0.
    #[must_use]
    pub fn partition(&self, partitions: u32) -> u32 {
        let right = || partition_for(&self.key().0, partitions);
        self.misplaced(partitions).unwrap_or_else(right)
    }
}
