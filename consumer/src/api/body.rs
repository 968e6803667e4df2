//! JSON bodies: an object whose members are taken out one by one, like query parameters, so that a
//! slip of the pen is refused by its name. What somebody sent is not repeated in errors: it may be
//! a NIK in the wrong place.

use std::fmt;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use jiff::civil::Date;
use laju_producer::agent::redact::holds_nik;
use laju_schemas::RegionCode;
use laju_schemas::quoted::MAX_NOTE_CHARS;
use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};
use serde_json::Value;

use super::problem::{Kind, Problem};
use crate::query::region_name;

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
            let detail = "the body has to be JSON, and Content-Type to say so: application/json";
            let status = StatusCode::UNSUPPORTED_MEDIA_TYPE;
            return Err(Problem::new(Kind::UnsupportedMediaType, status, detail));
        }
        let bad = |status, detail: String| Problem::new(Kind::BadBody, status, detail);
        let body = body.map_err(|rejection| bad(rejection.status(), rejection.body_text()))?;
        let Pairs(given) = serde_json::from_slice(&body).map_err(|error| {
            let (line, column) = (error.line(), error.column());
            let detail = format!("not a JSON object: line {line}, column {column}");
            bad(StatusCode::BAD_REQUEST, detail)
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
            return Err(Problem::field(name, format!("{name} is given more than once")));
        }
        match value {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            _ => Err(Problem::field(name, format!("{name} has to be text"))),
        }
    }

    /// A region that exists.
    pub(super) fn region(&mut self, name: &'static str) -> Result<RegionCode, Problem> {
        let missing = || format!("{name} is missing: a code like 18.71, 18 or ID");
        let text = self.text(name)?.ok_or_else(|| Problem::field(name, missing()))?;
        let wrong = || Problem::field(name, format!("{name}: not a code like 18.71, 18 or ID"));
        let code: RegionCode = text.parse().map_err(|_| wrong())?;
        region_name(code)?;
        Ok(code)
    }

    /// A date, written as `YYYY-MM-DD` and in no other way.
    pub(super) fn date(&mut self, name: &'static str) -> Result<Option<Date>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
        let wrong = || Problem::field(name, format!("{name}: not a date like 2023-12-31"));
        date.map(Some).ok_or_else(wrong)
    }

    /// A remark for people.
    pub(super) fn note(&mut self, name: &'static str) -> Result<Option<String>, Problem> {
        let Some(note) = self.text(name)? else { return Ok(None) };
        let wrong = |detail: String| Err(Problem::field(name, format!("{name}: {detail}")));
        if note.trim().is_empty() || note.chars().count() > MAX_NOTE_CHARS {
            return wrong(format!("from 1 to {MAX_NOTE_CHARS} characters"));
        }
        if note.chars().any(|c| c.is_control() && c != '\n') {
            return wrong("no control characters but line feeds".to_owned());
        }
        if holds_nik(&note) {
            return wrong("it holds what may be a NIK, which must not leave the kiosk".to_owned());
        }
        Ok(Some(note))
    }

    /// Refuses what is left over.
    pub(super) fn finish(self) -> Result<(), Problem> {
        let Some((name, _)) = self.given.first() else { return Ok(()) };
        let known = self.known.join(", ");
        let name: String = match holds_nik(name) {
            true => "…".to_owned(),
            false => name.chars().filter(|c| !c.is_control()).take(40).collect(),
        };
        let detail = format!("there is no field '{name}'; known here: {known}");
        Err(Problem::field(&name, detail))
    }
}
