//! What clients send: JSON, read so that every mistake is reported with the field it is in, and never
//! with a citizen's number.
//!
//! A mistake in one event of a batch leaves the others untouched. Nothing here knows HTTP or the
//! outbox.

mod body;
#[cfg(test)]
mod tests;
mod words;

use laju_schemas::nik::Nik;
use laju_schemas::text::shown;
use laju_schemas::{Fact, FormerCode, OutreachId, RegionCode, TimestampMs};
use serde::Deserialize;
use serde::de::{self, Deserializer, Visitor};
use thiserror::Error;

use crate::intake::IntakeError;
use crate::nik;
use laju_kafka::problem::{Mistake, Words, of_json};
use laju_kafka::text;
use laju_kafka::words;

pub use body::{Body, BodyError, Format, MAX_EVENTS, read};
pub(super) use words::{expected, own_words};

/// The largest event, in bytes of JSON: the contract's texts have 64 bytes at most.
pub const MAX_EVENT_BYTES: usize = 16 << 10;
/// The longest idempotency key, in bytes.
pub const MAX_KEY_BYTES: usize = 200;

/// Why an event is refused: the field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("{field}: {detail}")]
pub struct Fault {
    /// The field, with those that it stands in: `fact.Activated.channel`; empty if the event is
    /// none at all.
    pub field: String,
    /// What is wrong with it. What may be a NIK is not in it.
    pub detail: Words,
}

impl Fault {
    /// A fault in a field.
    #[must_use]
    pub fn new(field: impl Into<String>, detail: impl Into<Words>) -> Self {
        Self { field: discreet(&field.into()), detail: detail.into().map(discreet) }
    }
}

impl From<IntakeError> for Fault {
    fn from(error: IntakeError) -> Self {
        Self::new(error.field(), error.words())
    }
}

/// The longest row of digits that an answer to a client repeats: most of a NIK is too much, and
/// nothing that is asked for has as many.
const MAX_DIGITS: usize = 11;

/// What is said to a client: without what may be a NIK, or a part of one.
fn discreet(text: &str) -> String {
    let text = shown(text);
    let mut said = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
        said.push_str(before);
        if end > MAX_DIGITS {
            said.push_str(&format!("({end} digits)"));
        } else {
            said.push_str(&from[..end]);
        }
        rest = &from[end..];
    }
    said + rest
}

/// An event as a client sends it. The NIK in it is wiped when it is dropped.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Submission {
    /// The citizen.
    #[serde(deserialize_with = "read_nik")]
    pub nik: Nik,
    /// Where they are registered.
    pub home_region: RegionCode,
    /// What happened.
    pub fact: Fact,
    /// When it happened, if not now.
    #[serde(default, deserialize_with = "read_time")]
    pub occurred_at: Option<TimestampMs>,
    /// Whose office served, if not the kiosk's own.
    #[serde(default)]
    pub service_region: Option<RegionCode>,
    /// The outreach visit.
    #[serde(default)]
    pub outreach_id: Option<OutreachId>,
    /// The client's own name of this event.
    #[serde(default)]
    pub idempotency_key: Option<String>,
    /// What the client is to know though nothing is wrong: that codes were taken as their
    /// successors.
    #[serde(skip)]
    pub note: Option<Words>,
}

/// An instant whose mistakes are reported without repeating any of its digits.
fn read_time<'de, D: Deserializer<'de>>(from: D) -> Result<Option<TimestampMs>, D::Error> {
    let Some(text) = Option::<String>::deserialize(from)? else { return Ok(None) };
    let wrong = "not a time with its zone, like 2026-05-03T09:30:00+07:00";
    text.parse().map(Some).map_err(|_| de::Error::custom(wrong))
}

/// A NIK that is read without a copy that somebody else owns.
fn read_nik<'de, D: Deserializer<'de>>(from: D) -> Result<Nik, D::Error> {
    struct Digits;
    impl Visitor<'_> for Digits {
        type Value = Nik;

        fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
            f.write_str("a NIK, 16 digits in quotes")
        }

        fn visit_str<E: de::Error>(self, text: &str) -> Result<Nik, E> {
            nik::parse(text).map_err(E::custom)
        }
    }
    from.deserialize_str(Digits)
}

/// Reads one event.
///
/// # Errors
/// Says which field is wrong.
pub fn event(json: &[u8]) -> Result<Submission, Fault> {
    if json.len() > MAX_EVENT_BYTES {
        let bytes = json.len();
        let detail = words!(
            "{bytes} bytes; an event has at most {MAX_EVENT_BYTES}",
            "{bytes} bita; satu peristiwa paling banyak {MAX_EVENT_BYTES}"
        );
        return Err(Fault::new("", detail));
    }
    // An event has no mark of its own; a line of bytes that are no text is named by the byte.
    text::decode(json).map_err(|error| Fault::new("", error.words()))?;
    let mut reader = serde_json::Deserializer::from_slice(json);
    let mut submission: Submission =
        serde_path_to_error::deserialize(&mut reader).map_err(|error| {
            let Mistake { field, what } = of_json(&error, expected, own_words);
            Fault::new(field, what)
        })?;
    reader.end().map_err(|_| {
        Fault::new(
            "",
            words!("something stands behind the event", "ada sesuatu di belakang peristiwa"),
        )
    })?;
    if let Some(name) = submission.fact.unknown_field() {
        let field = format!("fact.{}.{name}", submission.fact.kind());
        let detail = words!(
            "unknown is for readers of later schemas: say which it is",
            "unknown hanya untuk pembaca skema yang lebih baru: sebutkan yang sebenarnya"
        );
        return Err(Fault::new(field, detail));
    }
    if let Some(key) = &submission.idempotency_key
        && (key.is_empty() || key.len() > MAX_KEY_BYTES)
    {
        let has = key.len();
        let detail = words!(
            "must have 1 to {MAX_KEY_BYTES} bytes, but has {has}",
            "harus 1 sampai {MAX_KEY_BYTES} bita, tetapi ada {has}"
        );
        return Err(Fault::new("idempotency_key", detail));
    }
    submission.note = note(json);
    Ok(submission)
}

/// Which regions' codes are former ones, and what they are now. Codes that are read are today's, so
/// that the text has to be looked at; that of hardly any event has one.
fn note(json: &[u8]) -> Option<Words> {
    let may_hold = |text: &str| text.contains("\"91.") || text.contains("\"92.");
    if !std::str::from_utf8(json).is_ok_and(may_hold) {
        return None;
    }
    #[derive(Deserialize)]
    struct Codes {
        home_region: String,
        #[serde(default)]
        service_region: Option<String>,
        fact: serde_json::Value,
    }
    let Codes { home_region, service_region, fact } = serde_json::from_slice(json).ok()?;
    let from_region = fact.as_object().and_then(|fact| {
        fact.values().find_map(|content| content["from_region"].as_str().map(str::to_owned))
    });
    let codes = [Some(home_region), service_region, from_region];
    let mut former: Vec<_> =
        codes.iter().flatten().filter_map(|code| FormerCode::find(code)).collect();
    former.dedup();
    if former.is_empty() {
        return None;
    }
    let english: Vec<_> = former.iter().map(ToString::to_string).collect();
    let indonesian: Vec<_> = former.iter().map(|former| former.in_indonesian()).collect();
    Some(Words::new(english.join("; "), indonesian.join("; ")))
}
