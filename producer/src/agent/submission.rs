//! What clients send: JSON, read so that every mistake is reported with the field it is in, and never
//! with a citizen's number.
//!
//! A body is one event, a JSON array of events, or NDJSON (an event a line). A mistake in one
//! event of a batch leaves the others untouched. Nothing here knows HTTP or the outbox.

use laju_schemas::nik::{Nik, NikProblem};
use laju_schemas::pseudonym::ProgrammeKey;
use laju_schemas::{EventId, Fact, FormerCode, KioskId, OutreachId, RegionCode, TimestampMs};
use serde::Deserialize;
use serde::de::{self, Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

use super::best_clock::{Moment, TimeSource, Untimely};
use crate::outbox::{Draft, IdempotencyKey};
use crate::{intake, nik};
use laju_kafka::problem::{Mistake, Words, of_json, place_of};
use laju_kafka::text::{self, TextError};
use laju_kafka::words;
use laju_schemas::id::IdError;
use laju_schemas::text::shown;

/// The largest event, in bytes of JSON: the contract's texts have 64 bytes at most.
pub const MAX_EVENT_BYTES: usize = 16 << 10;
/// The longest idempotency key, in bytes.
pub const MAX_KEY_BYTES: usize = 200;
/// The most events in one body.
pub const MAX_EVENTS: usize = 100_000;

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

/// The longest row of digits that an answer to a client repeats: most of a NIK is too much, and
/// nothing that is asked for has as many.
const MOST_DIGITS: usize = 11;

/// What is said to a client: without what may be a NIK, or a part of one.
fn discreet(text: &str) -> String {
    let text = shown(text);
    let mut said = String::with_capacity(text.len());
    let mut rest = text.as_str();
    while let Some(at) = rest.find(|c: char| c.is_ascii_digit()) {
        let (before, from) = rest.split_at(at);
        let end = from.find(|c: char| !c.is_ascii_digit()).unwrap_or(from.len());
        said.push_str(before);
        if end > MOST_DIGITS {
            said.push_str(&format!("({end} digits)"));
        } else {
            said.push_str(&from[..end]);
        }
        rest = &from[end..];
    }
    said + rest
}

/// Why a whole body is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BodyError {
    /// In another encoding.
    #[error("the body: {0}")]
    Encoding(#[from] TextError),
    /// Not JSON at all.
    #[error("{0}")]
    Syntax(Words),
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

/// How the events of a body are separated.
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
    /// What the client is to know though nothing is wrong: that codes were taken as their
    /// successors.
    pub note: Option<Words>,
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

/// An instant whose mistakes are reported without repeating any of its digits.
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
/// If it is unclear which events it holds; a mistake in one of them is reported in its place.
pub fn read(format: Format, body: &[u8]) -> Result<Body, BodyError> {
    let body = text::begin(body)?;
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

impl BodyError {
    /// What is wrong, in both languages.
    #[must_use]
    pub fn words(&self) -> Words {
        match self {
            Self::Encoding(error) => error.words().map(|text| format!("body: {text}")),
            Self::Syntax(words) => words.clone(),
            Self::Empty => {
                words!("the body holds no event", "isi permintaan tidak memuat peristiwa")
            }
            Self::TooMany => words!(
                "the body holds more than {MAX_EVENTS} events: send them in several requests",
                "isi permintaan memuat lebih dari {MAX_EVENTS} peristiwa: kirim dalam beberapa permintaan"
            ),
        }
    }
}

fn array(body: &[u8]) -> Result<Vec<Result<Submission, Fault>>, BodyError> {
    let Items(items) =
        serde_json::from_slice(body).map_err(|error| BodyError::Syntax(place_of(&error)))?;
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
    let fields: Fields = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let Mistake { field, what } = of_json(&error, expected, own_words);
        Fault::new(field, what)
    })?;
    reader.end().map_err(|_| {
        Fault::new(
            "",
            words!("something stands behind the event", "ada sesuatu di belakang peristiwa"),
        )
    })?;
    if let Some(name) = fields.fact.unknown_field() {
        let field = format!("fact.{}.{name}", fields.fact.kind());
        let detail = words!(
            "unknown is for readers of later schemas: say which it is",
            "unknown hanya untuk pembaca skema yang lebih baru: sebutkan yang sebenarnya"
        );
        return Err(Fault::new(field, detail));
    }
    if let Some(key) = &fields.idempotency_key
        && (key.is_empty() || key.len() > MAX_KEY_BYTES)
    {
        let has = key.len();
        let detail = words!(
            "must have 1 to {MAX_KEY_BYTES} bytes, but has {has}",
            "harus 1 sampai {MAX_KEY_BYTES} bita, tetapi ada {has}"
        );
        return Err(Fault::new("idempotency_key", detail));
    }
    Ok(Submission {
        nik: fields.nik.0,
        home_region: fields.home_region,
        service_region: fields.service_region,
        outreach_id: fields.outreach_id,
        occurred_at: fields.occurred_at.map(|at| at.0),
        fact: fields.fact,
        idempotency_key: fields.idempotency_key,
        note: note(json),
    })
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

/// What belongs in a field.
pub(super) fn expected(field: &str) -> Option<Words> {
    Some(match field {
        "nik" => words!("a NIK: 16 digits in quotes", "NIK: 16 angka dalam tanda kutip"),
        "home_region" | "service_region" | "from_region" => words!(
            "the code of a regency or city in quotes, like \"18.71\"",
            "kode kabupaten atau kota dalam tanda kutip, seperti \"18.71\""
        ),
        "occurred_at" => words!(
            "a time with its zone in quotes, like \"2026-05-03T09:30:00+07:00\"",
            "waktu dengan zonanya dalam tanda kutip, seperti \"2026-05-03T09:30:00+07:00\""
        ),
        "outreach_id" | "idempotency_key" => words!("a text in quotes", "teks dalam tanda kutip"),
        "event_id" => {
            words!("an event's id (a UUID) in quotes", "id peristiwa (UUID) dalam tanda kutip")
        }
        "first_time_holder" => words!("true or false", "true atau false"),
        "fact" => words!(
            "an object with the fact's name, like {{\"Activated\": {{\"channel\": \"office\", …}}}}",
            "objek dengan nama faktanya, seperti {{\"Activated\": {{\"channel\": \"office\", …}}}}"
        ),
        "channel" | "venue" | "reason" => {
            words!(
                "one of the contract's words in quotes",
                "salah satu kata kontrak dalam tanda kutip"
            )
        }
        _ => return None,
    })
}

/// The errors of this program's own types, by their English words.
pub(super) fn own_words(field: &str, text: &str) -> Option<Words> {
    if field == "nik" {
        return NikProblem::ALL.into_iter().find(|problem| problem.to_string() == text).map(of_nik);
    }
    if matches!(field, "home_region" | "service_region" | "from_region")
        && text.contains("is not a region code")
    {
        let text = text.to_owned();
        return Some(words!(
            "{text}",
            "bukan kode wilayah: kabupaten atau kota ditulis seperti 18.71; kode adalah teks, dan lembar kerja (spreadsheet) suka membuang angka nol di belakang"
        ));
    }
    if matches!(field, "outreach_id" | "kiosk_id") {
        return of_id(text);
    }
    None
}

/// What is wrong with a NIK.
fn of_nik(problem: NikProblem) -> Words {
    let indonesian = match problem {
        NikProblem::Shape => "NIK terdiri dari 16 angka dan tidak ada yang lain",
        NikProblem::Rounded => {
            "lembar kerja (spreadsheet) menganggap NIK sebagai bilangan dan membulatkannya, sehingga angka terakhirnya hilang: ambil dari asalnya, ke kolom teks"
        }
        NikProblem::Province => "dua angka pertama NIK bukan kode provinsi",
        NikProblem::District => "angka ke-3 sampai ke-6 NIK bukan nomor kabupaten dan kecamatan",
        NikProblem::Birth => {
            "angka ke-7 sampai ke-12 NIK bukan tanggal lahir (tanggal, bulan, tahun; untuk perempuan tanggal ditambah 40)"
        }
        NikProblem::Serial => "empat angka terakhir NIK bukan nomor urut",
    };
    Words::new(problem.to_string(), indonesian)
}

/// What is wrong with an id.
fn of_id(text: &str) -> Option<Words> {
    let most = OutreachId::MAX_BYTES;
    Some(if text == IdError::Alphabet.to_string() {
        Words::new(
            text.to_owned(),
            "hanya boleh berisi huruf a sampai z dan A sampai Z, angka, '.', '_' dan '-'",
        )
    } else if text == IdError::Nik.to_string() {
        Words::new(
            text.to_owned(),
            "memuat angka seperti NIK: nomor penduduk tidak boleh keluar dari kios",
        )
    } else if text.starts_with("must have 1 to ") {
        words!("must have 1 to {most} characters", "harus 1 sampai {most} karakter")
    } else {
        return None;
    })
}

/// The kiosk that events are made for.
#[derive(Clone, Debug)]
pub struct Kiosk {
    /// Its id.
    pub id: KioskId,
    /// The regency or city whose office it serves.
    pub service_region: RegionCode,
}

/// An event to be stored, and what its time is worth.
#[derive(Clone, Debug)]
pub struct Drafted {
    /// The event. Where it has no time that can be told, the time in it means nothing.
    pub draft: Draft,
    /// Where its time came from, or why it is not to be stored now; [`Untimely::Never`] is none of
    /// those reasons.
    pub time: Result<TimeSource, Untimely>,
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
        moment: &Moment,
    ) -> Result<Drafted, Fault> {
        let refused = |why: intake::IntakeError| Fault::new(why.field(), why.words());
        let home_region = intake::region("home_region", self.home_region).map_err(refused)?;
        let service_region = self.service_region.unwrap_or(kiosk.service_region);
        let service_region = intake::region("service_region", service_region).map_err(refused)?;
        let now = moment.reading.clock;
        let (occurred_at, time) = match moment.time(self.occurred_at) {
            Ok(timed) => (timed.occurred_at, Ok(timed.source)),
            Err(Untimely::Never(at)) => return Err(refused(at.fault())),
            Err(untimely) => (self.occurred_at.unwrap_or(now), Err(untimely)),
        };
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
        let draft = Draft {
            event_id,
            occurred_at,
            subject,
            home_region,
            service_region,
            outreach_id: self.outreach_id.clone(),
            fact: self.fact,
            accepted_at: now,
            key: idempotency,
        };
        Ok(Drafted { draft, time })
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::best_clock::{BestClock, Reading};
    use super::*;
    use laju_kafka::problem::Language;

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
            (r#""18.71""#, "18.71", "home_region", "in quotes"),
            (r#""18.71""#, r#""1871""#, "home_region", "18.71"),
            (r#""office""#, r#""ofice""#, "fact.Activated.channel", "sub_district"),
            (r#""office""#, r#""unknown""#, "fact.Activated.channel", "readers"),
            (r#""channel": "office", "#, "", "fact.Activated.channel", "missing"),
            (r#""venue""#, r#""venu""#, "fact.Activated.venu", "no such field"),
            (r#""Activated""#, r#""Activation""#, "fact", "Deactivated"),
            (r#""home_region""#, r#""home""#, "home", "home_region"),
            (r#""home_region": "18.71","#, "", "home_region", "missing"),
            ("1871010101900001", "187101010190000", "nik", "16 digits"),
            (r#""1871010101900001""#, "1871010101900001", "nik", "quotes"),
            ("1871010101900001", "1871017201900001", "nik", "date of birth"),
            ("}}}", "}}} x", "", "behind"),
            ("}}}", "}}", "", "ends before"),
            (r#"{"nik""#, r#"{"occurred_at": "yesterday", "nik""#, "occurred_at", "+07:00"),
            (r#"{"nik""#, r#"{"idempotency_key": "", "nik""#, "idempotency_key", "1 to 200"),
            (r#"{"nik""#, r#"{"outreach_id": "", "nik""#, "outreach_id", "1 to 64"),
        ] {
            let fault = event(with(from, to).as_bytes()).unwrap_err();
            assert_eq!(fault.field, field, "{fault}");
            assert!(fault.detail.to_string().contains(words), "{fault}");
            let (en, id) = (Language::English, Language::Indonesian);
            assert_ne!(fault.detail.to(en), fault.detail.to(id), "{fault}");
        }
        let long = format!("{}{}", " ".repeat(MAX_EVENT_BYTES), GOOD);
        assert!(event(long.as_bytes()).unwrap_err().detail.to_string().contains("at most 16384"));
    }

    #[test]
    fn a_former_code_is_noted_in_each_field_that_may_hold_one() {
        assert_eq!(event(GOOD.as_bytes()).unwrap().note, None);
        let noted = |text: &str| event(text.as_bytes()).unwrap().note.unwrap();
        let home = noted(&with("18.71", "91.01"));
        assert!(home.to_string().contains("it is 93.01 now"), "{home}");
        assert!(home.to(Language::Indonesian).contains("sekarang kodenya 93.01"), "{home:?}");
        let both = noted(&with(r#""18.71""#, r#""91.01", "service_region": "92.01""#));
        assert!(both.to_string().contains("91.01") && both.to_string().contains("92.01"), "{both}");
        let from = r#"{"Relocated": {"from_region": "91.01"}}"#;
        let moved =
            format!(r#"{{"nik": "1871010101900001", "home_region": "18.71", "fact": {from}}}"#);
        assert_eq!(noted(&moved), home);
        let named = with(r#"{"nik""#, r#"{"outreach_id": "91.01", "nik""#);
        assert_eq!(event(named.as_bytes()).unwrap().note, None);
    }

    #[test]
    fn a_body_may_begin_with_a_byte_order_mark_and_utf_16_is_named() {
        let line = GOOD.replace('\n', " ");
        for (format, body) in [
            (Format::Json, line.clone()),
            (Format::Json, format!("[{line}]")),
            (Format::Ndjson, format!("{line}\r\n{line}\r\n")),
        ] {
            let read_it = |body: &[u8]| read(format, body);
            let all_good = match read_it(format!("\u{feff}{body}").as_bytes()).unwrap() {
                Body::One(one) => one.is_ok(),
                Body::Batch(items) => items.iter().all(Result::is_ok),
            };
            assert!(all_good, "{body}");
            let wide: Vec<u8> = body.encode_utf16().flat_map(u16::to_le_bytes).collect();
            assert_eq!(read_it(&wide).unwrap_err(), BodyError::Encoding(TextError::Utf16));
        }
        // A byte that is no text is its line's fault alone, and named.
        let mut body = format!("{line}\n").into_bytes();
        body.extend_from_slice(b"{\"outreach_id\": \"caf\xE9\"}\n");
        let Body::Batch(items) = read(Format::Ndjson, &body).unwrap() else { panic!("a batch") };
        assert!(items[0].is_ok());
        let fault = items[1].as_ref().unwrap_err();
        assert!(fault.detail.to_string().contains("byte 21 is not UTF-8"), "{fault}");
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
        let key =
            ProgrammeKey::parse("6f1d09c7a25be843f09a7731d54ce682be1370fa4598d21ec36b0d84e7295fa1")
                .unwrap();
        let now = TimestampMs(1_770_000_000_000);
        let draft = |text: &str, now| {
            let reading = Reading { clock: now, uptime: Duration::from_secs(1) };
            let moment = Moment { reading, best: BestClock::new(TimestampMs(now.0 - 1), None) };
            let submission = event(text.as_bytes()).unwrap();
            let drafted = submission.draft(&kiosk, &key, EventId([1; 16]), &moment);
            drafted.map(|drafted| drafted.draft)
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
