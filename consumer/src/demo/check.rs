//! Asks the running node for the figures that must come out, and compares.

use std::time::Duration;

use jiff::civil::Date;
use laju_kafka::http_client::{self, Authorities, HttpError, Times};
use laju_schemas::reference::Basis;
use laju_schemas::{RegionCode, RegionTable};
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;
use ureq::Agent;

use super::scenario::{Expectation, Expected, Measure, Part};

/// A question that got no answer.
#[derive(Debug, Error)]
#[error("{url} gave no answer: {reason}")]
pub struct CheckError {
    url: String,
    reason: String,
}

/// A figure that must come out, and what came out.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    pub region: RegionCode,
    pub name: String,
    pub as_of: Date,
    pub measure: String,
    pub expected: String,
    pub found: Value,
    pub ok: bool,
}

/// Asks a node over HTTP.
pub struct Asker {
    agent: Agent,
    base: String,
}

impl Asker {
    /// Asks the node at this address.
    #[must_use]
    pub fn new(address: std::net::SocketAddr) -> Self {
        let times = Times { whole: Some(Duration::from_secs(20)), ..Times::default() };
        let agent = http_client::client(&Authorities::default(), times);
        Self { agent, base: format!("http://{address}") }
    }

    /// The JSON answer to a path.
    ///
    /// # Errors
    /// If there is none.
    pub fn get(&self, path: &str) -> Result<Value, CheckError> {
        let url = format!("{}{path}", self.base);
        let failed = |error: ureq::Error| CheckError {
            url: url.clone(),
            reason: HttpError::from(error).to_string(),
        };
        let mut response = self.agent.get(&url).call().map_err(failed)?;
        if !response.status().is_success() {
            return Err(CheckError { url, reason: response.status().to_string() });
        }
        response.body_mut().read_json().map_err(failed)
    }

    /// A region's progress as of a day.
    ///
    /// # Errors
    /// If there is no answer.
    pub fn progress(&self, region: RegionCode, as_of: Date) -> Result<Value, CheckError> {
        self.get(&format!("/v1/regions/{region}/progress?as_of={as_of}"))
    }

    /// What came out of everything that must come out.
    ///
    /// # Errors
    /// If a question gets no answer.
    pub fn check(&self, expectations: &[Expectation]) -> Result<Vec<Finding>, CheckError> {
        expectations.iter().map(|expectation| self.find(expectation)).collect()
    }

    fn find(&self, expectation: &Expectation) -> Result<Finding, CheckError> {
        let Expectation { region, as_of, measure, expected } = expectation;
        let found = self.measure(*region, *as_of, measure)?;
        Ok(Finding {
            region: *region,
            name: RegionTable::get().name_of(*region).unwrap_or_default().to_owned(),
            as_of: *as_of,
            measure: measure.name(),
            expected: describe_expected(expected),
            ok: agrees(expected, &found),
            found,
        })
    }

    fn measure(
        &self,
        region: RegionCode,
        as_of: Date,
        measure: &Measure,
    ) -> Result<Value, CheckError> {
        let of_basis = |basis: Basis, field: &str| {
            let answer = self.progress(region, as_of)?;
            let all = answer["denominators"].as_array().map(Vec::as_slice).unwrap_or_default();
            let own = all.iter().find(|one| one["basis"] == basis.as_str());
            Ok(own.map_or(Value::Null, |own| own[field].clone()))
        };
        let at = |answer: Value, pointer| answer.pointer(pointer).cloned().unwrap_or_default();
        match measure {
            Measure::Progress(pointer, _) => Ok(at(self.progress(region, as_of)?, pointer)),
            Measure::Pace(pointer, _) => {
                let pace = self.get(&format!("/v1/regions/{region}/pace?as_of={as_of}"))?;
                Ok(at(pace, pointer))
            }
            Measure::Denominator(basis) => of_basis(*basis, "value"),
            Measure::CoveragePercent(basis) => of_basis(*basis, "coverage_percent"),
            Measure::Growth(part) => Ok(self.growth(region, as_of, part)?.0.into()),
            Measure::GrowthPercent(part) => {
                let (growth, all) = self.growth(region, as_of, part)?;
                Ok(format!("{:.2}", growth as f64 * 100.0 / all as f64).into())
            }
        }
    }

    /// How many activations a part has more, and how many there are more in all.
    fn growth(
        &self,
        region: RegionCode,
        as_of: Date,
        Part { since, by, keys }: &Part,
    ) -> Result<(i64, i64), CheckError> {
        let counts = |day: Date| {
            let answer =
                self.get(&format!("/v1/regions/{region}/breakdown?by={by}&as_of={day}"))?;
            let rows = answer["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
            let (mut of_it, mut all) = (0, 0);
            for row in rows {
                let count = row["count"].as_i64().unwrap_or_default();
                let is_of_it = row["key"].as_str().is_some_and(|key| keys.contains(&key));
                of_it += if is_of_it { count } else { 0 };
                all += count;
            }
            Ok((of_it, all))
        };
        let ((part_then, all_then), (part_now, all_now)) = (counts(*since)?, counts(as_of)?);
        Ok((part_now - part_then, all_now - all_then))
    }
}

fn agrees(expected: &Expected, found: &Value) -> bool {
    // Of a percentage the whole part.
    let number = || match found {
        Value::String(text) => text.split('.').next()?.parse().ok(),
        found => found.as_u64(),
    };
    match expected {
        Expected::Count(count) => found.as_u64() == Some(*count),
        Expected::AtLeast(count) => number().is_some_and(|found| found >= *count),
        Expected::MoreThan(count) => number().is_some_and(|found| found > *count),
        Expected::Thousands(count) => number().is_some_and(|found| (found + 500) / 1_000 == *count),
        Expected::Percent(percent) => found.as_str().is_some_and(|found| {
            // Written with fewer places, it is the same percentage.
            let padded = |text: &str| {
                let (whole, places) = text.split_once('.').unwrap_or((text, ""));
                format!("{whole}.{places:0<4}")
            };
            padded(found) == padded(percent)
        }),
        Expected::Text(text) => found.as_str() == Some(text),
        Expected::Nothing => found.is_null(),
    }
}

fn describe_expected(expected: &Expected) -> String {
    match expected {
        Expected::Count(count) => count.to_string(),
        Expected::AtLeast(count) => format!("{count} or more"),
        Expected::MoreThan(count) => format!("more than {count}"),
        Expected::Thousands(count) => format!("{count} thousand"),
        Expected::Percent(text) | Expected::Text(text) => text.clone(),
        Expected::Nothing => "none".to_owned(),
    }
}
