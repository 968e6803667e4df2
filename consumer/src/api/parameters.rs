//! Query parameters and region codes: every one is checked by name, and one that is not known is
//! refused, so that a slip of the pen never silently answers another question.

use std::any::TypeId;
use std::fmt::Display;
use std::num::ParseIntError;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use jiff::civil::Date;
use laju_producer::problem::Words;
use laju_producer::words;
use laju_schemas::region::RegionCodeError;
use laju_schemas::text::shown;
use laju_schemas::{RegionCode, RegionLevel};

use super::caching::Asked;
use super::position;
use super::problem::{Kind, Problem};
use crate::query::question::Question;
use crate::query::region_name;

/// The query parameters of a request, taken out one by one.
pub(super) struct Parameters {
    given: Vec<(String, String)>,
    known: Vec<&'static str>,
    asked: Asked,
}

impl<S: Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let Query(given) = Query::try_from_uri(&parts.uri).map_err(|_| {
            let detail = words!(
                "the parameters behind the question mark cannot be read: name=value, with & between them",
                "parameter di belakang tanda tanya tidak terbaca: nama=nilai, dengan & di antaranya"
            );
            Problem::new(Kind::BadRequest, StatusCode::BAD_REQUEST, detail)
        })?;
        let mut given: Vec<(String, String)> = given;
        // It says nothing of the answer, and was heeded before anybody asked: see `position`.
        if position::is_heeded(&parts.uri) {
            given.retain(|(name, _)| name != position::AT_LEAST);
        }
        Ok(Self { given, known: Vec::new(), asked: Asked::of(parts) })
    }
}

impl Parameters {
    /// A parameter's value, if it is given.
    pub(super) fn optional<T>(&mut self, name: &'static str) -> Result<Option<T>, Problem>
    where
        T: FromStr,
        T::Err: Display + 'static,
    {
        self.with(name, |text| {
            text.parse().map_err(|error: T::Err| {
                let given = shorten(text);
                // The standard library's words are for whoever wrote the program.
                if TypeId::of::<T::Err>() == TypeId::of::<ParseIntError>() {
                    return words!(
                        "'{given}' is not a whole number that is taken here",
                        "'{given}' bukan bilangan bulat yang dapat dipakai di sini"
                    );
                }
                let error = shown(&error.to_string());
                words!("{error}", "'{given}' tidak dapat dipakai di sini")
            })
        })
    }

    /// A parameter's value.
    pub(super) fn required<T>(&mut self, name: &'static str) -> Result<T, Problem>
    where
        T: FromStr,
        T::Err: Display + 'static,
    {
        let missing = || words!("{name} is missing", "{name} belum diisi");
        self.optional(name)?.ok_or_else(|| Problem::parameter(name, missing()))
    }

    /// A date, written as `YYYY-MM-DD` and in no other way.
    pub(super) fn date(&mut self, name: &'static str) -> Result<Option<Date>, Problem> {
        self.with(name, |text| {
            let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
            let given = shorten(text);
            date.ok_or_else(|| {
                words!(
                    "'{given}' is not a date like 2023-12-31",
                    "'{given}' bukan tanggal seperti 2023-12-31"
                )
            })
        })
    }

    /// A date that has to be given.
    pub(super) fn required_date(&mut self, name: &'static str) -> Result<Date, Problem> {
        let missing = || {
            words!(
                "{name} is missing: a date like 2023-12-31",
                "{name} belum diisi: tanggal seperti 2023-12-31"
            )
        };
        self.date(name)?.ok_or_else(|| Problem::parameter(name, missing()))
    }

    /// The two days of a question.
    pub(super) fn question(&mut self) -> Result<Question, Problem> {
        let (as_of, known_at) = (self.date("as_of")?, self.date("known_at")?);
        let question = Question { as_of, known_at, ahead: self.flag("ahead")?.unwrap_or(false) };
        self.asked.note(&question);
        Ok(question)
    }

    /// The level of a region below the nation.
    pub(super) fn level(&mut self) -> Result<Option<RegionLevel>, Problem> {
        self.with("level", |text| match text {
            "province" => Ok(RegionLevel::Province),
            "regency" => Ok(RegionLevel::Regency),
            _ => {
                let given = shorten(text);
                Err(words!(
                    "'{given}' is none of province, regency",
                    "'{given}' bukan province atau regency"
                ))
            }
        })
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<Option<bool>, Problem> {
        self.with(name, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => {
                let given = shorten(text);
                Err(words!(
                    "'{given}' is neither true nor false",
                    "'{given}' bukan true atau false"
                ))
            }
        })
    }

    /// How many rows are asked for: at least one, and at most `most`.
    pub(super) fn limit(&mut self, usual: usize, most: usize) -> Result<usize, Problem> {
        let limit = self.optional("limit")?.unwrap_or(usual);
        if limit == 0 || limit > most {
            let detail = words!("limit: from 1 to {most}", "limit: dari 1 sampai {most}");
            return Err(Problem::parameter("limit", detail));
        }
        Ok(limit)
    }

    /// Refuses what is left over, and says what was asked.
    pub(super) fn finish(self) -> Result<Asked, Problem> {
        let Some((name, _)) = self.given.first() else { return Ok(self.asked) };
        let (name, known) = (shorten(name), self.known.join(", "));
        let detail = if known.is_empty() {
            words!(
                "there is no parameter '{name}'; none is taken here",
                "parameter '{name}' tidak ada; di sini tidak ada parameter"
            )
        } else {
            words!(
                "there is no parameter '{name}'; known here: {known}",
                "parameter '{name}' tidak ada; yang dikenal di sini: {known}"
            )
        };
        Err(Problem::parameter(&name, detail))
    }

    fn with<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, Words>,
    ) -> Result<Option<T>, Problem> {
        self.known.push(name);
        let Some(place) = self.given.iter().position(|(given, _)| given == name) else {
            return Ok(None);
        };
        let (_, text) = self.given.remove(place);
        if self.given.iter().any(|(given, _)| given == name) {
            let detail =
                words!("{name} is given more than once", "{name} diberikan lebih dari sekali");
            return Err(Problem::parameter(name, detail));
        }
        let value = read(&text);
        let in_name = |error: Words| error.map(|text| format!("{name}: {text}"));
        value.map(Some).map_err(|error| Problem::parameter(name, in_name(error)))
    }
}

fn shorten(text: &str) -> String {
    shown(text).chars().take(40).collect()
}

/// The region named in the path: one that exists.
pub(super) struct RegionInPath(pub(super) RegionCode);

impl<S: Send + Sync> FromRequestParts<S> for RegionInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Path(text) = Path::<String>::from_request_parts(parts, state).await.map_err(|_| {
            let status = StatusCode::BAD_REQUEST;
            Problem::new(Kind::BadRegionCode, status, Problem::not_text())
        })?;
        let code: RegionCode = text.parse().map_err(|error: RegionCodeError| {
            let (error, given) = (shown(&error.to_string()), shorten(&text));
            let detail = words!(
                "{error}",
                "'{given}' bukan kode wilayah: kabupaten atau kota ditulis seperti 18.71, provinsi seperti 18, nasional ID"
            );
            Problem::new(Kind::BadRegionCode, StatusCode::BAD_REQUEST, detail)
        })?;
        region_name(code)?;
        Ok(Self(code))
    }
}
