//! JSON bodies: an object whose members are taken out one by one, like query parameters, so that a
//! slip of the pen is refused by its name. What somebody sent is not repeated in errors: it may be
//! a NIK in the wrong place.

use std::fmt;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use jiff::civil::Date;
use laju_kafka::problem::{Kind, Problem, Words};
use laju_kafka::text as encoding;
use laju_kafka::words;
use laju_schemas::quoted::MAX_NOTE_CHARS;
use laju_schemas::text::{self, Lines, TextError, shown};
use laju_schemas::{FormerCode, RegionCode};
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use crate::query::scope::region_name;

/// The members of a request's body.
pub(super) struct Members {
    given: Vec<(String, Value)>,
    known: Vec<&'static str>,
}

/// A JSON object's members in order, also those that are there twice.
struct Pairs(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Pairs {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Object;

        impl<'de> Visitor<'de> for Object {
            type Value = Pairs;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Pairs, A::Error> {
                let mut pairs = Vec::new();
                while let Some(pair) = map.next_entry()? {
                    pairs.push(pair);
                }
                Ok(Pairs(pairs))
            }
        }

        deserializer.deserialize_map(Object)
    }
}

impl Members {
    /// Reads a body that says it is JSON.
    pub(super) fn read(
        headers: &HeaderMap,
        body: Result<Bytes, BytesRejection>,
    ) -> Result<Self, Problem> {
        let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or("");
        let kind = kind.split(';').next().unwrap_or("").trim();
        if !kind.eq_ignore_ascii_case("application/json") {
            let detail = words!(
                "the body has to be JSON, and Content-Type to say so: application/json",
                "isi permintaan harus JSON, dan Content-Type harus menyebutnya: application/json"
            );
            return Err(Problem::new(Kind::UnsupportedMediaType, detail));
        }
        let body = body.map_err(|rejection| match rejection.status() {
            StatusCode::PAYLOAD_TOO_LARGE => {
                let detail = words!("the body is too large", "isi permintaan terlalu besar");
                Problem::new(Kind::BodyTooLarge, detail)
            }
            status => {
                let detail = words!("the request broke off", "permintaan terputus");
                Problem::new(Kind::BadBody, detail).with_status(status)
            }
        })?;
        let body = encoding::begin(&body).map_err(|error| {
            let detail = error.words().map(|text| format!("body: {text}"));
            Problem::new(Kind::BadBody, detail)
        })?;
        let Pairs(given) = serde_json::from_slice(body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let detail = words!(
                "not a JSON object: line {line}, column {column}",
                "bukan objek JSON: baris {line}, kolom {column}"
            );
            Problem::new(Kind::BadBody, detail)
        })?;
        Ok(Self { given, known: Vec::new() })
    }

    /// A member's text; none if it is not there or null.
    fn text(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        self.known.push(name);
        let Some(place) = self.given.iter().position(|(given, _)| given == name) else {
            return Ok(None);
        };
        let (_, value) = self.given.remove(place);
        if self.given.iter().any(|(given, _)| given == name) {
            let detail = words!("{name} is given more than once", "{name} diisi lebih dari sekali");
            return Err(Problem::field(name, detail));
        }
        match value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            _ => Err(Problem::field(
                name,
                words!("{name} has to be text", "{name} harus berupa teks"),
            )),
        }
    }

    /// A region that exists, and the former code that it was named by, if it was.
    pub(super) fn region(
        &mut self,
        name: &'static str,
    ) -> Result<(RegionCode, Option<&'static FormerCode>), Problem> {
        let missing = || {
            words!(
                "{name} is missing: a code like 18.71, 18 or ID",
                "{name} belum diisi: kode seperti 18.71, 18 atau ID"
            )
        };
        let text = self.text(name)?.ok_or_else(|| Problem::field(name, missing()))?;
        let wrong = || {
            let detail = words!(
                "{name}: not a code like 18.71, 18 or ID",
                "{name}: bukan kode seperti 18.71, 18 atau ID"
            );
            Problem::field(name, detail)
        };
        let code: RegionCode = text.parse().map_err(|_| wrong())?;
        region_name(code)?;
        Ok((code, FormerCode::find(&text)))
    }

    /// A date, written as `YYYY-MM-DD` and in no other way.
    pub(super) fn date(&mut self, name: &'static str) -> Result<Option<Date>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
        let wrong = || {
            let detail = words!(
                "{name}: not a date like 2023-12-31",
                "{name}: bukan tanggal seperti 2023-12-31"
            );
            Problem::field(name, detail)
        };
        date.map(Some).ok_or_else(wrong)
    }

    /// A remark for people.
    pub(super) fn note(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        let Some(note) = self.text(name)? else { return Ok(None) };
        text::check(&note, MAX_NOTE_CHARS, Lines::Several)
            .map_err(|error| Problem::field(name, of_text(name, error)))?;
        Ok(Some(note))
    }

    /// Refuses what is left over.
    pub(super) fn finish(self) -> Result<(), Problem> {
        let Some((name, _)) = self.given.first() else { return Ok(()) };
        let known = self.known.join(", ");
        let name: String = shown(name).chars().take(40).collect();
        let detail = words!(
            "there is no field '{name}'; known here: {known}",
            "isian '{name}' tidak ada; yang dikenal di sini: {known}"
        );
        Err(Problem::field(&name, detail))
    }
}

/// Why a text is not published.
fn of_text(name: &str, error: TextError) -> Words {
    let indonesian = match error {
        TextError::Length { most, has } => {
            format!("{name}: harus 1 sampai {most} karakter, tetapi ada {has}")
        }
        TextError::Blank => format!("{name}: tidak boleh kosong"),
        TextError::Control => format!(
            "{name}: tidak boleh memuat karakter kendali, atau karakter yang membalik arah tulisan"
        ),
        TextError::Nik => {
            format!("{name}: memuat angka seperti NIK: nomor penduduk tidak boleh keluar dari kios")
        }
    };
    Words::new(format!("{name}: {error}"), indonesian)
}
