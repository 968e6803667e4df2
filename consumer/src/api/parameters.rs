//! Query parameters and region codes: every one is checked by name, and one that is not known is
//! refused, so that a slip of the pen never silently answers another question.

use std::fmt::Display;
use std::str::FromStr;

use axum::extract::{FromRequestParts, Path, Query};
use axum::http::StatusCode;
use axum::http::request::Parts;
use jiff::civil::Date;
use laju_schemas::region::RegionCodeError;
use laju_schemas::{RegionCode, RegionLevel};

use super::caching::Asked;
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
        let Query(given) = Query::try_from_uri(&parts.uri).map_err(|error| {
            Problem::new(Kind::BadRequest, StatusCode::BAD_REQUEST, error.body_text())
        })?;
        Ok(Self { given, known: Vec::new(), asked: Asked::of(parts) })
    }
}

impl Parameters {
    /// A parameter's value, if it is given.
    pub(super) fn optional<T>(&mut self, name: &'static str) -> Result<Option<T>, Problem>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.with(name, |text| text.parse().map_err(|error: T::Err| error.to_string()))
    }

    /// A parameter's value.
    pub(super) fn required<T>(&mut self, name: &'static str) -> Result<T, Problem>
    where
        T: FromStr,
        T::Err: Display,
    {
        self.optional(name)?.ok_or_else(|| Problem::parameter(name, format!("{name} is missing")))
    }

    /// A date, written as `YYYY-MM-DD` and in no other way.
    pub(super) fn date(&mut self, name: &'static str) -> Result<Option<Date>, Problem> {
        self.with(name, |text| {
            let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
            date.ok_or_else(|| format!("'{}' is not a date like 2023-12-31", shorten(text)))
        })
    }

    /// A date that has to be given.
    pub(super) fn required_date(&mut self, name: &'static str) -> Result<Date, Problem> {
        let missing = || format!("{name} is missing: a date like 2023-12-31");
        self.date(name)?.ok_or_else(|| Problem::parameter(name, missing()))
    }

    /// The two days of a question.
    pub(super) fn question(&mut self) -> Result<Question, Problem> {
        let question = Question { as_of: self.date("as_of")?, known_at: self.date("known_at")? };
        self.asked.note(&question);
        Ok(question)
    }

    /// The level of a region below the nation.
    pub(super) fn level(&mut self) -> Result<Option<RegionLevel>, Problem> {
        self.with("level", |text| match text {
            "province" => Ok(RegionLevel::Province),
            "regency" => Ok(RegionLevel::Regency),
            _ => Err(format!("'{}' is none of province, regency", shorten(text))),
        })
    }

    /// Yes or no.
    pub(super) fn flag(&mut self, name: &'static str) -> Result<Option<bool>, Problem> {
        self.with(name, |text| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            _ => Err(format!("'{}' is neither true nor false", shorten(text))),
        })
    }

    /// How many rows are asked for: at least one, and at most `most`.
    pub(super) fn limit(&mut self, usual: usize, most: usize) -> Result<usize, Problem> {
        let limit = self.optional("limit")?.unwrap_or(usual);
        if limit == 0 || limit > most {
            return Err(Problem::parameter("limit", format!("limit: from 1 to {most}")));
        }
        Ok(limit)
    }

    /// Refuses what is left over, and says what was asked.
    pub(super) fn finish(self) -> Result<Asked, Problem> {
        let Some((name, _)) = self.given.first() else { return Ok(self.asked) };
        let known = match self.known.as_slice() {
            [] => "none is taken here".to_owned(),
            known => format!("known here: {}", known.join(", ")),
        };
        let name = shorten(name);
        Err(Problem::parameter(&name, format!("there is no parameter '{name}'; {known}")))
    }

    fn with<T>(
        &mut self,
        name: &'static str,
        read: impl FnOnce(&str) -> Result<T, String>,
    ) -> Result<Option<T>, Problem> {
        self.known.push(name);
        let Some(place) = self.given.iter().position(|(given, _)| given == name) else {
            return Ok(None);
        };
        let (_, text) = self.given.remove(place);
        if self.given.iter().any(|(given, _)| given == name) {
            return Err(Problem::parameter(name, format!("{name} is given more than once")));
        }
        let value = read(&text);
        value.map(Some).map_err(|error| Problem::parameter(name, format!("{name}: {error}")))
    }
}

fn shorten(text: &str) -> String {
    text.chars().take(40).collect()
}

/// The region named in the path: one that exists.
pub(super) struct RegionInPath(pub(super) RegionCode);

impl<S: Send + Sync> FromRequestParts<S> for RegionInPath {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let bad = |detail| Problem::new(Kind::BadRegionCode, StatusCode::BAD_REQUEST, detail);
        let Path(text) = Path::<String>::from_request_parts(parts, state)
            .await
            .map_err(|rejection| bad(rejection.body_text()))?;
        let code: RegionCode =
            text.parse().map_err(|error: RegionCodeError| bad(error.to_string()))?;
        region_name(code)?;
        Ok(Self(code))
    }
}
