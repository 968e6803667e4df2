//! Events made by hand for the broker tests: one activation of one citizen each, that happened a
//! minute ago, and events of a later version of the schema.

use jiff::Timestamp;
use laju_schemas::decision::Decision;
use laju_schemas::event::{
    CardReason, Channel, DeactivationReason, DeferralReason, FactKind, RetractionReason,
};
use laju_schemas::framing::Framing;
use laju_schemas::known::ACTIVATION_EVENT_AVSC;
use laju_schemas::partition::partition_for;
use laju_schemas::raw::RawEvent;
use laju_schemas::reference::{Basis, ReferenceKind};
use laju_schemas::{
    DecisionId, EventId, Fact, QuarantineDecision, ReferenceFigure, ReferenceId, SubjectId,
    TimestampMs,
};
use serde_json::{Value, json};

use crate::log::LogRecord;
use crate::wire;

/// The region of all events that are not told otherwise.
pub const REGION: &str = "18.71";

/// Milliseconds since 1970, now: a real broker's timestamps are of today, so events must be, too.
#[must_use]
pub fn now_ms() -> i64 {
    Timestamp::now().as_millisecond()
}

/// The citizen of this number.
#[must_use]
pub fn subject(number: u32) -> SubjectId {
    let mut bytes = [0x33; 16];
    bytes[..4].copy_from_slice(&number.wrapping_mul(0x9e37_79b9).to_be_bytes());
    bytes[12..].copy_from_slice(&number.to_be_bytes());
    SubjectId(bytes)
}

/// The activation of the citizen of this number.
#[must_use]
pub fn activation(number: u32) -> RawEvent<'static> {
    let mut event_id = subject(number).0;
    event_id[11] = 1;
    RawEvent {
        event_id: EventId(event_id),
        kiosk_id: "kbl-01",
        sequence: i64::from(number) + 1,
        occurred_at: now_ms() - 60_000,
        subject: subject(number),
        home_region: REGION,
        service_region: REGION,
        outreach_id: None,
        fact: Fact::Activated { channel: Channel::Office, venue: None, first_time_holder: false },
    }
}

/// A fact of each kind, in the order of the schema's union; the retraction is of no event.
#[must_use]
pub fn facts() -> [Fact<&'static str>; FactKind::ALL.len()] {
    [
        Fact::Activated { channel: Channel::Outreach, venue: None, first_time_holder: true },
        Fact::Deactivated { reason: DeactivationReason::Deceased },
        Fact::Relocated { from_region: "31.71" },
        Fact::Deferred { reason: DeferralReason::NoSmartphone },
        Fact::CardRecorded { first_time_holder: true },
        Fact::CardRequested { reason: CardReason::Lost },
        Fact::CardPrinted { reason: CardReason::Lost },
        Fact::Retracted { event_id: EventId([1; 16]), reason: RetractionReason::Test },
    ]
}

/// The record of an event where it belongs, recorded now.
#[must_use]
pub fn record(event: &RawEvent<'_>, partitions: u32) -> LogRecord {
    with_value(event, partitions, wire::single_object(event))
}

/// A record with an event's key and place, and another value.
#[must_use]
pub fn with_value(event: &RawEvent<'_>, partitions: u32, value: Vec<u8>) -> LogRecord {
    LogRecord {
        partition: partition_for(&event.subject.0, partitions),
        offset: 0,
        timestamp_ms: now_ms(),
        key: Some(event.subject.0.to_vec()),
        value: Some(value),
    }
}

/// The records of the activations of these citizens.
#[must_use]
pub fn activations(numbers: std::ops::Range<u32>, partitions: u32) -> Vec<LogRecord> {
    numbers.map(|number| record(&activation(number), partitions)).collect()
}

/// A later version of the events topic's schema: every record has a further field with a default
/// at its end, and every enumeration a further symbol.
///
/// # Panics
/// Never: our own schema is JSON.
#[must_use]
pub fn later_schema() -> String {
    let mut schema: Value = serde_json::from_str(ACTIVATION_EVENT_AVSC).expect("JSON");
    grow(&mut schema);
    schema.to_string()
}

fn grow(schema: &mut Value) {
    match schema {
        Value::Object(map) => {
            map.values_mut().for_each(grow);
            if let Some(Value::Array(fields)) = map.get_mut("fields") {
                let kind = ["null", "string"];
                fields.push(json!({"name": "of_tomorrow", "type": kind, "default": null}));
            }
            if let Some(Value::Array(symbols)) = map.get_mut("symbols") {
                symbols.push(json!("of_tomorrow"));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(grow),
        _ => {}
    }
}

/// An event's bytes in the later version, behind a framing. The further field of the fact has a
/// text, that of the event none.
#[must_use]
pub fn later_value(event: &RawEvent<'_>, framing: Framing) -> Vec<u8> {
    // The fact is the event's last field, so what is new in both stands behind all that is old.
    let mut value = wire::framed(event, framing);
    value.extend_from_slice(&[2, 4, b'h', b'i']);
    value.push(0);
    value
}

/// The bytes of a deactivation whose reason is the symbol that only the later version has.
#[must_use]
pub fn later_symbol(event: &RawEvent<'_>, framing: Framing) -> Vec<u8> {
    let last = DeactivationReason::ALL.len() as u8 - 1;
    let fact = Fact::Deactivated { reason: DeactivationReason::ALL[usize::from(last)] };
    let mut value = later_value(&RawEvent { fact, ..*event }, framing);
    // The symbol stands before the five bytes of the two further fields, in zigzag.
    let place = value.len() - 6;
    assert_eq!(value[place], 2 * last, "the reason is not where it was");
    value[place] = 2 * (last + 1);
    value
}

/// The verdict of another node that the registry has no schema of the record at this place, of the
/// events topic with an id.
#[must_use]
pub fn verdict(partition: u32, offset: i64, topic_id: Option<&str>) -> QuarantineDecision {
    QuarantineDecision {
        decision_id: DecisionId([9; 16]),
        origin_partition: partition,
        origin_offset: offset,
        decision: Decision::UnknownSchema,
        event_id: None,
        released_partition: None,
        released_offset: None,
        decided_by: "worker laju-another".to_owned(),
        reason: "it has no schema with id 1".to_owned(),
        decided_at: TimestampMs(0),
        origin_topic_id: topic_id.map(str::to_owned),
    }
}

/// The denominator of [`REGION`] from 2023 on that is told under this number.
#[must_use]
pub fn denominator(number: u8, value: u64) -> ReferenceFigure {
    ReferenceFigure {
        reference_id: ReferenceId([number; 16]),
        region: REGION.parse().expect("a region of the table"),
        kind: ReferenceKind::Denominator,
        basis: Basis::WajibKtp,
        value: Some(value),
        percent: None,
        valid_from: "2023-01-01".parse().expect("a day"),
        valid_to: None,
        source: format!("letter {number}"),
        issued_by: "tests".to_owned(),
    }
}
