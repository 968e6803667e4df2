//! What clients send: JSON, read so that every mistake is told with the field it is in, and never
//! with a citizen's number.
//!
//! A body is one event, a JSON array of events, or NDJSON (an event a line). A mistake in one
//! event of a batch leaves the others untouched. Nothing here knows HTTP or the outbox.

use laju_schemas::pseudonym::{Nik, ProgrammeKey};
use laju_schemas::{EventId, Fact, KioskId, OutreachId, RegionCode, TimestampMs};
use serde::de::{self, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use thiserror::Error;

use super::redact::{holds_nik, redact};
use crate::outbox::{Draft, IdempotencyKey};
use crate::{intake, nik};

/// The largest event, in bytes of JSON: the contract's texts have 64 bytes at most.
pub const MAX_EVENT_BYTES: usize = 16 << 10;
/// The longest idempotency key, in bytes.
pub const MAX_KEY_BYTES: usize = 200;
/// The most events in one body.
pub const MAX_EVENTS: usize = 100_000;

/// Why an event is refused: the field, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq, Error, Serialize, Deserialize)]
#[error("{field}: {detail}")]
pub struct Fault {
    /// The field, with those that it stands in: `fact.Activated.channel`; empty if the event is
    /// none at all.
    pub field: String,
    /// What is wrong with it. Long runs of digits are blanked: they may be a NIK.
    pub detail: String,
}

impl Fault {
    /// A fault in a field.
    #[must_use]
    pub fn new(field: impl Into<String>, detail: &str) -> Self {
        Self { field: field.into(), detail: redact(detail) }
    }
}

/// Why a whole body is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BodyError {
    /// Not JSON at all.
    #[error("the body is not JSON: {0}")]
    Syntax(String),
    /// No event in it.
    #[error("the body holds no event")]
    Empty,
    /// Too many.
    #[error("the body holds more than {MAX_EVENTS} events: send them in several requests")]
    TooMany,
}

/// What a body holds.
#[derive(Debug)]
pub enum Body {
    /// One event.
    One(Result<Submission, Fault>),
    /// A batch, even if of one.
    Batch(Vec<Result<Submission, Fault>>),
}

/// How the events of a body are told apart.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object, or an array of them.
    Json,
    /// An object a line; empty lines are passed over.
    Ndjson,
}

/// An event as a client says it. The NIK in it is wiped when it is dropped.
#[derive(Debug)]
pub struct Submission {
    /// The citizen.
    pub nik: Nik,
    /// Where they are registered.
    pub home_region: RegionCode,
    /// Whose office served, if not the kiosk's own.
    pub service_region: Option<RegionCode>,
    /// The outreach visit.
    pub outreach_id: Option<OutreachId>,
    /// When it happened, if not now.
    pub occurred_at: Option<TimestampMs>,
    /// What happened.
    pub fact: Fact,
    /// The client's own name of this event.
    pub idempotency_key: Option<String>,
}

/// The names of an event's fields in JSON.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Fields {
    nik: NikField,
    home_region: RegionCode,
    fact: Fact,
    #[serde(default)]
    occurred_at: Option<Instant>,
    #[serde(default)]
    service_region: Option<RegionCode>,
    #[serde(default)]
    outreach_id: Option<OutreachId>,
    #[serde(default)]
    idempotency_key: Option<String>,
}

/// An instant whose mistakes are told without repeating any of its digits.
struct Instant(TimestampMs);

impl<'de> Deserialize<'de> for Instant {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map(Self).map_err(|_| {
            de::Error::custom("not a time with its zone, like 2026-05-03T09:30:00+07:00")
        })
    }
}

/// A NIK that is read without a copy that somebody else owns.
struct NikField(Nik);

impl<'de> Deserialize<'de> for NikField {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Digits;
        impl Visitor<'_> for Digits {
            type Value = NikField;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("a NIK, 16 digits in quotes")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<NikField, E> {
                nik::parse(text).map(NikField).map_err(E::custom)
            }
        }
        deserializer.deserialize_str(Digits)
    }
}

/// Reads a body.
///
/// # Errors
/// If it cannot be told which events it holds; a mistake in one of them is told in its place.
pub fn read(format: Format, body: &[u8]) -> Result<Body, BodyError> {
    let events = match format {
        Format::Json => match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
            None => return Err(BodyError::Empty),
            Some(b'[') => array(body)?,
            Some(_) => return Ok(Body::One(event(body))),
        },
        Format::Ndjson => {
            let lines = body.split(|byte| *byte == b'\n');
            let lines = lines.filter(|line| !line.trim_ascii().is_empty());
            let events: Vec<_> = lines.take(MAX_EVENTS + 1).map(event).collect();
            if events.len() > MAX_EVENTS {
                return Err(BodyError::TooMany);
            }
            events
        }
    };
    if events.is_empty() { Err(BodyError::Empty) } else { Ok(Body::Batch(events)) }
}

fn array(body: &[u8]) -> Result<Vec<Result<Submission, Fault>>, BodyError> {
    let Items(items) = serde_json::from_slice(body)
        .map_err(|error| BodyError::Syntax(redact(&error.to_string())))?;
    if items.len() > MAX_EVENTS {
        return Err(BodyError::TooMany);
    }
    Ok(items.iter().map(|item| event(item.get().as_bytes())).collect())
}

/// An array's items, no more of them than one too many: a body of tiny ones has millions.
struct Items<'a>(Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Array;
        impl<'de> Visitor<'de> for Array {
            type Value = Items<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an array of events")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut kept = Vec::new();
                while kept.len() <= MAX_EVENTS
                    && let Some(item) = items.next_element()?
                {
                    kept.push(item);
                }
                // What follows is looked at, but not kept.
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Items(kept))
            }
        }
        deserializer.deserialize_seq(Array)
    }
}

/// Reads one event.
///
/// # Errors
/// Says which field is wrong.
pub fn event(json: &[u8]) -> Result<Submission, Fault> {
    if json.len() > MAX_EVENT_BYTES {
        let detail = format!("{} bytes; an event has at most {MAX_EVENT_BYTES}", json.len());
        return Err(Fault::new("", &detail));
    }
    let mut reader = serde_json::Deserializer::from_slice(json);
    let fields: Fields = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let detail = error.inner().to_string();
        Fault::new(field_of(&error.path().to_string(), &detail), without_place(&detail))
    })?;
    reader.end().map_err(|_| Fault::new("", "something stands behind the event"))?;
    if let Some(name) = fields.fact.unknown_field() {
        let field = format!("fact.{}.{name}", fields.fact.kind());
        return Err(Fault::new(field, "unknown is for readers of later schemas: say which it is"));
    }
    if let Some(key) = &fields.idempotency_key
        && (key.is_empty() || key.len() > MAX_KEY_BYTES)
    {
        let detail = format!("must have 1 to {MAX_KEY_BYTES} bytes, but has {}", key.len());
        return Err(Fault::new("idempotency_key", &detail));
    }
    if fields.outreach_id.as_ref().is_some_and(|id| holds_nik(id.as_str())) {
        let detail = "holds digits like a NIK's: a citizen's number must not leave the kiosk";
        return Err(Fault::new("outreach_id", detail));
    }
    Ok(Submission {
        nik: fields.nik.0,
        home_region: fields.home_region,
        service_region: fields.service_region,
        outreach_id: fields.outreach_id,
        occurred_at: fields.occurred_at.map(|at| at.0),
        fact: fields.fact,
        idempotency_key: fields.idempotency_key,
    })
}

/// The field that an error is about: the path, and the name of one that is missing or too much.
fn field_of(path: &str, detail: &str) -> String {
    // A question mark stands where the JSON broke off before the name was known.
    let path = path.trim_end_matches(['.', '?']);
    let named = ["missing field `", "unknown field `"];
    let name = named.iter().find_map(|prefix| {
        let rest = detail.strip_prefix(prefix)?;
        rest.split_once('`').map(|(name, _)| name)
    });
    match name {
        // The path of an unknown field ends in it already.
        Some(name) if path.is_empty() || path == name || path.ends_with(&format!(".{name}")) => {
            redact(if path.is_empty() { name } else { path })
        }
        Some(name) => redact(&format!("{path}.{name}")),
        None => redact(path),
    }
}

/// An error's words without serde_json's line and column, which mean nothing to a reader who sent
/// many events in a body of one line.
fn without_place(detail: &str) -> &str {
    detail.rfind(" at line ").map_or(detail, |place| &detail[..place])
}

/// The kiosk that events are made for.
#[derive(Clone, Debug)]
pub struct Kiosk {
    /// Its id.
    pub id: KioskId,
    /// The regency or city whose office it serves.
    pub service_region: RegionCode,
}

impl Submission {
    /// The event to be stored: checked as a worker would, the NIK turned into a pseudonym.
    ///
    /// # Errors
    /// Says which field a worker would refuse.
    pub fn draft(
        &self,
        kiosk: &Kiosk,
        key: &ProgrammeKey,
        event_id: EventId,
        now: TimestampMs,
    ) -> Result<Draft, Fault> {
        let refused = |why: intake::IntakeError| {
            let text = why.to_string();
            let (field, detail) = text.split_once(": ").unwrap_or(("", &text));
            Fault::new(field, detail)
        };
        let home_region = intake::region("home_region", self.home_region).map_err(refused)?;
        let service_region = self.service_region.unwrap_or(kiosk.service_region);
        let service_region = intake::region("service_region", service_region).map_err(refused)?;
        intake::occurred_at(self.occurred_at.unwrap_or(now), now).map_err(refused)?;
        let subject = key.pseudonym(&self.nik);
        let idempotency = self.idempotency_key.as_ref().map(|text| {
            let fact = serde_json::to_string(&self.fact).unwrap_or_default();
            // What the client said, not what was filled in: the same request later is the same.
            let occurred_at = self.occurred_at.map(|at| at.0);
            let outreach_id = self.outreach_id.as_ref().map(OutreachId::as_str);
            let content = format!(
                "{subject} {home_region} {service_region} {occurred_at:?} {outreach_id:?} {fact}"
            );
            IdempotencyKey {
                key: key.digest("idempotency key", text.as_bytes()),
                content: key.digest("idempotency content", content.as_bytes()),
            }
        });
        Ok(Draft {
            event_id,
            occurred_at: self.occurred_at.unwrap_or(now),
            subject,
            home_region,
            service_region,
            outreach_id: self.outreach_id.clone(),
            fact: self.fact,
            accepted_at: now,
            key: idempotency,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = r#"{"nik": "1871010101900001", "home_region": "18.71",
        "fact": {"Activated": {"channel": "office", "venue": null, "first_time_holder": false}}}"#;

    /// The good event with a part of its text replaced.
    fn with(from: &str, to: &str) -> String {
        assert!(GOOD.contains(from));
        GOOD.replace(from, to)
    }

    #[test]
    fn every_mistake_is_told_with_its_field() {
        assert!(event(GOOD.as_bytes()).is_ok());
        for (from, to, field, words) in [
            (r#""18.71""#, "18.71", "home_region", "floating point"),
            (r#""18.71""#, r#""1871""#, "home_region", "18.71"),
            (r#""office""#, r#""ofice""#, "fact.Activated.channel", "sub_district"),
            (r#""office""#, r#""unknown""#, "fact.Activated.channel", "readers"),
            (r#""channel": "office", "#, "", "fact.Activated.channel", "missing"),
            (r#""venue""#, r#""venu""#, "fact.Activated.venu", "unknown field"),
            (r#""Activated""#, r#""Activation""#, "fact", "Deactivated"),
            (r#""home_region""#, r#""home""#, "home", "home_region"),
            (r#""home_region": "18.71","#, "", "home_region", "missing"),
            ("1871010101900001", "187101010190000", "nik", "16 digits"),
            (r#""1871010101900001""#, "1871010101900001", "nik", "quotes"),
            ("1871010101900001", "1871017201900001", "nik", "date of birth"),
            ("}}}", "}}} x", "", "behind"),
            ("}}}", "}}", "", "EOF"),
            (r#"{"nik""#, r#"{"occurred_at": "yesterday", "nik""#, "occurred_at", "+07:00"),
            (r#"{"nik""#, r#"{"idempotency_key": "", "nik""#, "idempotency_key", "1 to 200"),
            (r#"{"nik""#, r#"{"outreach_id": "", "nik""#, "outreach_id", "1 to 64"),
        ] {
            let fault = event(with(from, to).as_bytes()).unwrap_err();
            assert_eq!(fault.field, field, "{fault}");
            assert!(fault.detail.contains(words), "{fault}");
        }
        let long = format!("{}{}", " ".repeat(MAX_EVENT_BYTES), GOOD);
        assert!(event(long.as_bytes()).unwrap_err().detail.contains("at most 16384"));
    }

    #[test]
    fn a_nik_in_the_wrong_place_is_never_repeated() {
        let nik = "1871010101900001";
        for (from, to) in [
            (r#""18.71""#, format!("\"{nik}\"")),
            (r#""18.71""#, nik.to_owned()),
            (r#""office""#, format!("\"{nik}\"")),
            (r#""home_region""#, format!("\"{nik}\"")),
            (r#""Activated""#, format!("\"{nik}\"")),
            (r#""venue""#, "\"1871-0101.0190 0001\"".to_owned()),
            (r#""venue""#, "\"1871_0101/0190–0001\"".to_owned()),
            (r#"{"nik""#, format!("{{\"occurred_at\": \"{nik}\", \"nik\"")),
            (r#"{"nik""#, format!("{{\"outreach_id\": \"school {nik}\", \"nik\"")),
            (r#""1871010101900001""#, format!("\"{nik}9\"")),
            (r#""1871010101900001""#, nik.to_owned()),
        ] {
            let fault = event(with(from, &to).as_bytes()).unwrap_err();
            let said = format!("{fault} {fault:?}").replace(['-', '.', ' ', '_', '/', '–'], "");
            assert!(!said.contains("187101") && !said.contains("900001"), "{fault:?}");
        }
    }

    #[test]
    fn a_mistake_in_a_batch_is_told_in_its_place() {
        let good = GOOD.replace('\n', " ");
        let bad = good.replace("18.71", "1871");
        let array = format!("[{good}, {bad}, 7, {good}]");
        let lines = format!("{good}\n\n{bad}\r\n7\n{good}");
        for (format, body) in [(Format::Json, array), (Format::Ndjson, lines)] {
            let Body::Batch(items) = read(format, body.as_bytes()).unwrap() else {
                panic!("a batch")
            };
            let good: Vec<bool> = items.iter().map(Result::is_ok).collect();
            assert_eq!(good, [true, false, false, true]);
        }
        assert!(matches!(read(Format::Json, GOOD.as_bytes()), Ok(Body::One(Ok(_)))));
        for (format, body, error) in [
            (Format::Json, " ", BodyError::Empty),
            (Format::Json, "[]", BodyError::Empty),
            (Format::Ndjson, "\n \n", BodyError::Empty),
            (Format::Ndjson, &"7\n".repeat(MAX_EVENTS + 1), BodyError::TooMany),
            (Format::Json, &format!("[7{}]", ",7".repeat(2 * MAX_EVENTS)), BodyError::TooMany),
        ] {
            assert_eq!(read(format, body.as_bytes()).unwrap_err(), error);
        }
        assert!(matches!(read(Format::Json, b"[{]"), Err(BodyError::Syntax(_))));
        // Of millions of items no more are kept than tell that there are too many.
        let tiny = format!("[7{}]", ",7".repeat(2 * MAX_EVENTS));
        let Items(kept) = serde_json::from_str(&tiny).unwrap();
        assert_eq!(kept.len(), MAX_EVENTS + 1);
    }

    #[test]
    fn a_draft_is_checked_as_a_worker_would_and_knows_the_request_again() {
        let kiosk = Kiosk { id: "k".parse().unwrap(), service_region: "18.71".parse().unwrap() };
        let key = ProgrammeKey::parse(&"0f".repeat(32)).unwrap();
        let now = TimestampMs(1_770_000_000_000);
        let draft = |text: &str, now| {
            event(text.as_bytes()).unwrap().draft(&kiosk, &key, EventId([1; 16]), now)
        };
        let named = with(r#"{"nik""#, r#"{"idempotency_key": "a", "nik""#);
        let first = draft(&named, now).unwrap();
        assert_eq!((first.occurred_at, first.service_region.to_string()), (now, "18.71".into()));
        let later = draft(&named, TimestampMs(now.0 + 5)).unwrap();
        let (first, later) = (first.key.unwrap(), later.key.unwrap());
        assert!(first.key == later.key && first.content == later.content);
        let other = draft(&named.replace("18.71", "18.72"), now).unwrap().key.unwrap();
        assert!(first.key == other.key && first.content != other.content);
        let absent = draft(&with("18.71", "18.99"), now).unwrap_err();
        assert_eq!(absent.field, "home_region");
        let early = with(r#"{"nik""#, r#"{"occurred_at": "2021-12-31T00:00:00Z", "nik""#);
        assert_eq!(draft(&early, now).unwrap_err().field, "occurred_at");
    }
}
