//! Events that cannot be counted: each made so that exactly one reason applies.

use laju_schemas::codec::{EncodeError, Encoder};
use laju_schemas::quarantine::Reason;
use laju_schemas::{ActivationEvent, RegionCode, SubjectId, TimestampMs};

use super::{Payload, SimulatedRecord, Trouble};

/// The reasons that are simulated. Too large is not: it would drown everything else in bytes.
pub(super) const REASONS: [Reason; 8] = [
    Reason::UnknownSchema,
    Reason::Undecodable,
    Reason::WrongKey,
    Reason::WrongPartition,
    Reason::UnknownRegion,
    Reason::SequenceOutOfRange,
    Reason::BeforeProgramme,
    Reason::InFuture,
];

/// 2021-07-01, half a year before the programme.
const BEFORE: TimestampMs = TimestampMs(1_625_097_600_000);
/// Ten years: in the future of a broker's clock too, however old the simulated days are.
const FUTURE_MS: i64 = 10 * 366 * 86_400_000;
/// The single-object header (10 bytes) and the event's id (16) stand before the kiosk's id.
const BEFORE_KIOSK: usize = 26;

/// Spoils an event for a reason.
pub(super) fn spoil(
    mut event: ActivationEvent,
    reason: Reason,
    recorded_at: TimestampMs,
    encoder: &Encoder,
) -> Result<SimulatedRecord, EncodeError> {
    let mut key = event.subject;
    let bytes = |event: &ActivationEvent| {
        let mut bytes = Vec::with_capacity(160);
        encoder.event(event, &mut bytes).map(|()| bytes)
    };
    let payload = match reason {
        Reason::UnknownSchema => {
            let mut bytes = bytes(&event)?;
            bytes[2..10].iter_mut().for_each(|byte| *byte ^= 0x5a);
            Payload::Bytes(bytes)
        }
        Reason::Undecodable => {
            let mut bytes = bytes(&event)?;
            bytes.truncate(bytes.len() - 3);
            Payload::Bytes(bytes)
        }
        Reason::SequenceOutOfRange => Payload::Bytes(without_sequence(&event, bytes(&event)?)),
        Reason::WrongKey => {
            key = SubjectId(key.0.map(|byte| !byte));
            Payload::Event(event)
        }
        Reason::UnknownRegion => {
            event.home_region = RegionCode::from_number(9_999).unwrap_or(event.home_region);
            Payload::Event(event)
        }
        Reason::BeforeProgramme => {
            event.occurred_at = BEFORE;
            Payload::Event(event)
        }
        Reason::InFuture => {
            event.occurred_at = TimestampMs(recorded_at.0 + FUTURE_MS);
            Payload::Event(event)
        }
        _ => Payload::Event(event),
    };
    Ok(SimulatedRecord { key, payload, recorded_at, trouble: Some(Trouble::Bad(reason)) })
}

/// The event's bytes with the sequence 0, which no [`laju_schemas::Sequence`] can be.
fn without_sequence(event: &ActivationEvent, mut bytes: Vec<u8>) -> Vec<u8> {
    // Avro writes a text's length, zigzagged, in one byte below 64.
    let start = BEFORE_KIOSK + 1 + event.kiosk_id.as_str().len();
    let length = bytes[start..].iter().take_while(|byte| **byte >= 0x80).count() + 1;
    bytes.splice(start..start + length, [0]);
    bytes
}
