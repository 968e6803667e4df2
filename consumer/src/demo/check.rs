//! Asks the running node for the figures that must come out, and compares.

use std::time::Duration;

use jiff::civil::Date;
use laju_kafka::http_client::{self, Authorities, HttpError, Times};
use laju_schemas::{RegionCode, RegionTable};
use serde::Serialize;
use serde_json::Value;
use thiserror::Error;
use ureq::Agent;

use super::scenario::{Breakdown, Expectation, Expected, Measure};

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
    /// The region.
    pub region: RegionCode,
    /// Its name.
    pub name: String,
    /// The day asked about.
    pub as_of: Date,
    /// What was asked.
    pub measure: String,
    /// What must be answered.
    pub expected: String,
    /// What was answered.
    pub found: Value,
    /// Whether the two agree.
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
            measure: describe(measure),
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
        if let Measure::Growth { since, by, keys } | Measure::GrowthPercent { since, by, keys } =
            measure
        {
            let chosen = |day| self.activations(region, day, *by, Some(keys));
            let growth = chosen(as_of)? - chosen(*since)?;
            if matches!(measure, Measure::Growth { .. }) {
                return Ok(growth.into());
            }
            let all = self.activations(region, as_of, *by, None)?
                - self.activations(region, *since, *by, None)?;
            return Ok(format!("{:.2}", growth as f64 * 100.0 / all as f64).into());
        }
        if *measure == Measure::RequiredPerMonth {
            let pace = self.get(&format!("/v1/regions/{region}/pace?as_of={as_of}"))?;
            return Ok(pace["goal"]["required_per_month"].clone());
        }
        let answer = self.progress(region, as_of)?;
        let denominator = |basis: laju_schemas::reference::Basis, field: &str| {
            let all = answer["denominators"].as_array().map(Vec::as_slice).unwrap_or_default();
            let own = all.iter().find(|one| one["basis"] == basis.as_str());
            own.map_or(Value::Null, |own| own[field].clone())
        };
        Ok(match measure {
            Measure::Activated => answer["activated"].clone(),
            Measure::Denominator(basis) => denominator(*basis, "value"),
            Measure::CoveragePercent(basis) => denominator(*basis, "coverage_percent"),
            Measure::TargetKind => answer["target"]["kind"].clone(),
            Measure::TargetBasis => answer["target"]["basis"].clone(),
            Measure::TargetPercent => answer["target"]["percent"].clone(),
            Measure::TargetPeople => answer["target"]["people"].clone(),
            Measure::AttainmentPercent => answer["target"]["attainment_percent"].clone(),
            Measure::TargetInheritedFrom => answer["target"]["inherited_from"].clone(),
            Measure::TargetValidTo => answer["target"]["valid_to"].clone(),
            Measure::FirstTimeCardRecordings => answer["cards"]["recorded_first_time"].clone(),
            Measure::PrintQueue => answer["cards"]["queue"].clone(),
            Measure::RequiredPerMonth | Measure::Growth { .. } | Measure::GrowthPercent { .. } => {
                Value::Null
            }
        })
    }

    fn activations(
        &self,
        region: RegionCode,
        as_of: Date,
        by: Breakdown,
        keys: Option<&std::collections::BTreeSet<&'static str>>,
    ) -> Result<i64, CheckError> {
        let by = by.as_str();
        let answer = self.get(&format!("/v1/regions/{region}/breakdown?by={by}&as_of={as_of}"))?;
        let rows = answer["rows"].as_array().map(Vec::as_slice).unwrap_or_default();
        let wanted = rows.iter().filter(|row| {
            keys.is_none_or(|keys| row["key"].as_str().is_some_and(|key| keys.contains(key)))
        });
        Ok(wanted.filter_map(|row| row["count"].as_i64()).sum())
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

fn describe(measure: &Measure) -> String {
    let keys = |keys: &std::collections::BTreeSet<&str>| {
        keys.iter().copied().collect::<Vec<_>>().join(", ")
    };
    match measure {
        Measure::Activated => "activated".to_owned(),
        Measure::Denominator(basis) => basis.to_string(),
        Measure::CoveragePercent(basis) => format!("coverage of {basis}, %"),
        Measure::TargetKind => "kind of target".to_owned(),
        Measure::TargetBasis => "target of".to_owned(),
        Measure::TargetPercent => "target, %".to_owned(),
        Measure::TargetPeople => "target, people".to_owned(),
        Measure::AttainmentPercent => "attainment of target, %".to_owned(),
        Measure::TargetInheritedFrom => "target inherited from".to_owned(),
        Measure::TargetValidTo => "target until".to_owned(),
        Measure::RequiredPerMonth => "required a month".to_owned(),
        Measure::FirstTimeCardRecordings => "first-time card recordings".to_owned(),
        Measure::PrintQueue => "print queue".to_owned(),
        Measure::Growth { since, by, keys: of } => {
            format!("activations since {since} by {}: {}", by.as_str(), keys(of))
        }
        Measure::GrowthPercent { since, by, keys: of } => {
            format!("share of activations since {since} by {}: {}, %", by.as_str(), keys(of))
        }
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
