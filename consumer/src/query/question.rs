//! What a question is: parameters, which are its query string, its command line and its part of the
//! OpenAPI document in one; an answer; and the function between the two.
//!
//! A question is one file: the struct of its parameters with [`Endpoint`] and [`Question`]
//! implemented for it. It is asked over HTTP once `api` has a route of it, and by `laju query` once
//! that has a subcommand of it and a table of its answer.

use std::fmt::Debug;

use clap::Args;
use jiff::civil::Date;
use laju_schemas::{RegionCode, RegionLevel};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::de::{DeserializeOwned, Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::QueryError;
use super::days::{Days, KnownAt, NoDays};
use super::view::View;

/// What is left as it is in a path or a parameter.
const PLAIN: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Parameters of one request, in every form that they have.
pub trait Parameters:
    Args + IntoParams + Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static
{
}

impl<T> Parameters for T where
    T: Args + IntoParams + Serialize + DeserializeOwned + Clone + Debug + Send + Sync + 'static
{
}

/// The days that a question is about, beside its own parameters.
pub trait DayParameters: Parameters {
    /// The day of knowledge, where they leave nothing to the moment of the answer.
    fn settled(&self) -> Option<Date> {
        None
    }
}

impl DayParameters for Days {
    fn settled(&self) -> Option<Date> {
        self.as_of.and(self.known_at)
    }
}

impl DayParameters for KnownAt {}

impl DayParameters for NoDays {}

/// What can be asked for at one path.
pub trait Endpoint: Parameters {
    /// Where: a name in braces stands for the member of that name.
    const PATH: &'static str;
    /// The days that it takes.
    type Days: DayParameters;
    /// What is answered.
    type Answer: Serialize + DeserializeOwned + ToSchema + 'static;

    /// A relative link to it.
    #[must_use]
    fn link(&self, days: &Self::Days) -> String {
        let mut path = Self::PATH.to_owned();
        let mut separator = '?';
        for (name, value) in pairs(self).into_iter().chain(pairs(days)) {
            let (place, value) = (format!("{{{name}}}"), escaped(&value));
            if Self::PATH.contains(&place) {
                path = path.replace(&place, &value);
            } else {
                path.push(separator);
                path.push_str(&format!("{name}={value}"));
                separator = '&';
            }
        }
        path
    }
}

/// What the tag of an answer can be told from, before the answer is made.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rests {
    /// From the version of the state.
    OnState,
    /// From nothing but the answer: it says more of the moment than that version tells.
    OnMoment,
    /// The same of what reads citizens' facts where they are folded, which may be busy.
    OnFold,
}

/// What is answered from one moment's state.
pub trait Question: Endpoint {
    /// Its name in generated clients.
    const ID: &'static str;
    /// The chapter of the OpenAPI document that it stands in.
    const TAG: &'static str = "figures";
    /// What its answer is, in a few words.
    const ANSWER: &'static str;
    /// What its answer rests on.
    const RESTS: Rests = Rests::OnState;

    /// Whether its parameters go with each other.
    ///
    /// # Errors
    /// If not, whatever the state.
    fn check(&self, _days: &Self::Days) -> Result<(), QueryError> {
        Ok(())
    }

    /// Answers it.
    ///
    /// # Errors
    /// If there is no answer: of what is no region, for example.
    fn answer(&self, days: &Self::Days, view: &View) -> Result<Self::Answer, QueryError>;
}

/// A text as part of a path or a parameter.
#[must_use]
pub fn escaped(text: &str) -> String {
    utf8_percent_encode(text, PLAIN).to_string()
}

/// The parameters that have a value, in their order.
fn pairs(parameters: &impl Serialize) -> Vec<(String, String)> {
    let text = serde_urlencoded::to_string(parameters).expect("parameters are plain values");
    serde_urlencoded::from_str(&text).expect("what was just written")
}

/// A level of regions below the nation.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// A province.
    Province,
    /// A regency (kabupaten) or city (kota).
    #[default]
    Regency,
}

impl From<Level> for RegionLevel {
    fn from(level: Level) -> Self {
        match level {
            Level::Province => Self::Province,
            Level::Regency => Self::Regency,
        }
    }
}

/// The whole nation, where a region is not given.
#[must_use]
pub fn nation() -> RegionCode {
    RegionCode::NATION
}

/// How many rows are shown, if that is given.
///
/// # Errors
/// If it is not from `LEAST` to `MOST`.
pub fn limit<'de, const LEAST: u32, const MOST: u32, D: Deserializer<'de>>(
    from: D,
) -> Result<Option<u32>, D::Error> {
    let limit = u32::deserialize(from)?;
    let expected = format!("a number from {LEAST} to {MOST}");
    let is_wrong = || D::Error::invalid_value(Unexpected::Unsigned(limit.into()), &&*expected);
    (LEAST..=MOST).contains(&limit).then_some(Some(limit)).ok_or_else(is_wrong)
}

/// How many rows there are of so many, where `usual` are shown if nothing else is asked for.
#[must_use]
pub fn rows(limit: Option<u32>, usual: u32) -> usize {
    limit.unwrap_or(usual) as usize
}

/// What a value of a parameter is called.
#[must_use]
pub fn name(value: &impl clap::ValueEnum) -> String {
    value.to_possible_value().map(|value| value.get_name().to_owned()).unwrap_or_default()
}
