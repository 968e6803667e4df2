//! What a quarantined record says of itself, as far as its bytes go; and how it may be shown.

use std::borrow::Cow;
use std::ops::Range;

use laju_schemas::EventId;
use laju_schemas::explain::{ExplainedField, Explanation, Fault};
use serde::Serialize;
use serde_json::{Value, json};

pub(super) use laju_kafka::terminal::shown;
pub(super) use laju_schemas::nik::{masked, spans_in_bytes as nik_runs};

/// How many characters of a text are kept: names and codes have fewer, and others have megabytes.
const MAX_SAID: usize = 100;

/// What a record says of itself: each only if the bytes make sense up to there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct DecodedFields {
    pub(super) event_id: Option<EventId>,
    pub(super) kiosk_id: Option<String>,
    pub(super) sequence: Option<i64>,
    pub(super) occurred_at: Option<String>,
    pub(super) home_region: Option<String>,
    pub(super) service_region: Option<String>,
    /// The name of its fact in the contract.
    pub(super) fact: Option<String>,
}

impl DecodedFields {
    /// What a value says, given what it was explained as. What may be a NIK is not repeated, in
    /// whatever form it stands there; of a text without end the beginning is enough.
    pub(super) fn of(explained: &Explanation, value: &[u8]) -> Self {
        let hidden = nik_runs(value);
        let decoded = |path| {
            let field = explained.fields.iter().find(|field| field.path == path)?;
            Some(field_text(field, &hidden))
        };
        let text = |path| decoded(path).map(|text| text.chars().take(MAX_SAID).collect::<String>());
        let fact = explained.fields.iter().find_map(|field| field.path.strip_prefix("fact."));
        Self {
            event_id: decoded("event_id").and_then(|id| id.parse().ok()),
            kiosk_id: text("kiosk_id"),
            sequence: decoded("sequence").and_then(|number| number.parse().ok()),
            occurred_at: text("occurred_at"),
            home_region: text("home_region"),
            service_region: text("service_region"),
            fact: fact.and_then(|path| path.split('.').next()).map(str::to_owned),
        }
    }
}

/// What a field holds, as it may be shown: not if digits that may be a NIK stand in its bytes, which
/// are shown in another form where they are no text. `hidden` is where there are such in the value.
pub(super) fn field_text<'a>(field: &'a ExplainedField, hidden: &[Range<usize>]) -> Cow<'a, str> {
    let overlaps = |run: &&Range<usize>| run.start < field.bytes.end && field.bytes.start < run.end;
    // Texts are looked at as texts; of others the form says nothing of the digits in their bytes.
    let is_text =
        field.value.parse::<i64>().is_err() && uuid::Uuid::parse_str(&field.value).is_err();
    match hidden.iter().find(overlaps) {
        Some(run) if !is_text => Cow::Owned(format!("({} digits)", run.len())),
        _ => masked(&field.value),
    }
}

/// Where the bytes stop making sense, for JSON.
pub(super) fn fault_json(fault: Option<&Fault>) -> Value {
    fault.map_or(
        Value::Null,
        |fault| json!({"field": fault.path, "byte": fault.byte, "why": masked(&fault.why)}),
    )
}

#[cfg(test)]
mod tests {
    use laju_schemas::event::Channel;
    use laju_schemas::framing::Framing;
    use laju_schemas::known::{ACTIVATION_EVENT, EventReader};
    use laju_schemas::{Fact, RawEvent, SubjectId};

    use super::*;

    /// An activation's bytes, which the encoder would not write for what is wrong with it.
    fn value(event: &RawEvent<'_>) -> Vec<u8> {
        fn long(number: i64, out: &mut Vec<u8>) {
            let mut rest = ((number << 1) ^ (number >> 63)) as u64;
            while rest >= 0x80 {
                out.push(rest as u8 | 0x80);
                rest >>= 7;
            }
            out.push(rest as u8);
        }
        fn text(text: &str, out: &mut Vec<u8>) {
            long(text.len() as i64, out);
            out.extend_from_slice(text.as_bytes());
        }
        let mut out = Vec::new();
        Framing::SingleObject(ACTIVATION_EVENT.fingerprint).write(&mut out);
        out.extend_from_slice(&event.event_id.0);
        text(event.kiosk_id, &mut out);
        long(event.sequence, &mut out);
        long(event.occurred_at, &mut out);
        out.extend_from_slice(&event.subject.0);
        text(event.home_region, &mut out);
        text(event.service_region, &mut out);
        // No outreach; the first fact, with the first channel, no venue, not for the first time.
        out.extend_from_slice(&[0; 5]);
        out
    }

    fn decoded(event: &RawEvent<'_>) -> (DecodedFields, Vec<String>) {
        let value = value(event);
        let explained = EventReader::new(&[]).unwrap().book.explain(&value);
        let hidden = nik_runs(&value);
        let fields = explained.fields.iter();
        let fields = fields.map(|field| field_text(field, &hidden).into_owned()).collect();
        (DecodedFields::of(&explained, &value), fields)
    }

    const EVENT: RawEvent<'_> = RawEvent {
        event_id: EventId([9; 16]),
        kiosk_id: "kbl-01",
        sequence: 99_999_999_999_999,
        occurred_at: 1_720_000_000_000,
        subject: SubjectId([7; 16]),
        home_region: "18.71",
        service_region: "18.71",
        outreach_id: None,
        fact: Fact::Activated { channel: Channel::Office, venue: None, first_time_holder: false },
    };

    #[test]
    fn a_nik_in_a_field_that_is_no_text_is_not_shown_in_another_form() {
        assert_eq!(RawEvent::decode(&value(&EVENT)[10..]).unwrap(), EVENT);
        let (whole, fields) = decoded(&EVENT);
        assert_eq!((whole.event_id, whole.sequence), (Some(EVENT.event_id), Some(EVENT.sequence)));
        assert!(fields.contains(&uuid::Uuid::from_bytes([7; 16]).to_string()), "{fields:?}");
        let nik = *b"1871012345678901";
        let (decoded, fields) = decoded(&RawEvent {
            event_id: EventId(nik),
            subject: SubjectId(nik),
            sequence: 1_871_012_345_678_901,
            ..EVENT
        });
        assert_eq!((decoded.event_id, decoded.sequence), (None, None));
        assert_eq!(decoded.kiosk_id.as_deref(), Some("kbl-01"));
        let form = uuid::Uuid::from_bytes(nik).to_string();
        assert!(fields.iter().all(|text| *text != form && !text.contains("187101")), "{fields:?}");
        assert_eq!(fields.iter().filter(|text| **text == "(16 digits)").count(), 3, "{fields:?}");
    }

    #[test]
    fn of_a_text_without_end_the_beginning_is_kept() {
        let (decoded, _) = decoded(&RawEvent { kiosk_id: &"é".repeat(100_000), ..EVENT });
        assert_eq!(decoded.kiosk_id, Some("é".repeat(100)));
    }

    #[test]
    fn as_many_digits_as_a_nik_has_are_not_shown() {
        for (text, expected) in [
            ("kiosk 18", "kiosk 18"),
            ("12345678901234", "12345678901234"),
            ("123456789012345", "(15 digits)"),
            ("1234567890123456", "(16 digits)"),
            ("é12345678901234567x", "é(17 digits)x"),
            ("a1234567890123456b12345c1234567890123456", "a(16 digits)b12345c(16 digits)"),
        ] {
            assert_eq!(masked(text), expected);
        }
        assert_eq!(shown("a\u{1b}[31m"), "a\u{fffd}[31m");
    }
}
