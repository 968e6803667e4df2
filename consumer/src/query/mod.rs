//! Answers questions from one moment's state, in plain types: how far a region is, over time, by
//! what, what is missing, what could not be counted. It knows neither HTTP nor a client of Kafka nor sled,
//! takes no lock that ingest waits for, but where it reads citizens' facts, and has the time as an
//! argument.

pub mod answer;
pub mod days;
pub mod explanations;
pub mod figures;
#[cfg(test)]
pub(crate) mod fixtures;
#[cfg(test)]
pub(crate) mod folded_log;
pub mod kiosks;
pub mod ledger;
pub mod live_view;
#[cfg(test)]
mod live_view_tests;
pub mod page;
#[cfg(test)]
mod page_tests;
pub mod question;
pub mod quoted;
pub mod readiness;
pub mod recorded_ahead;
pub mod regions;
pub mod scan;
pub mod scope;
pub mod store_manifest;
#[cfg(test)]
mod store_manifest_tests;
pub mod stream;
mod version;
pub mod view;

#[cfg(test)]
pub(crate) mod tests;

use laju_schemas::{RegionCode, RegionLevel};
use thiserror::Error;

use crate::projection::shard::NoFacts;

/// A question that has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum QueryError {
    /// The code is well formed, and nobody's.
    #[error(
        "there is no region {0}; the codes are those of Kepmendagri 300.2.2-2138/2025, see /v1/regions"
    )]
    UnknownRegion(RegionCode),
    /// Provinces of a regency, or the nation of anything but the nation.
    #[error("{within} lies within a {level}, not the other way round")]
    LevelAbove {
        /// The level asked for.
        level: RegionLevel,
        /// The region it should lie in.
        within: RegionCode,
    },
    /// Citizens' facts cannot be read now.
    #[error("{0}; ask again later")]
    NoFacts(#[from] NoFacts),
    /// Nothing was ever heard of a kiosk.
    #[error("nothing was ever heard of a kiosk '{0}': neither an event nor a status")]
    UnknownKiosk(String),
    /// Nobody was ever served at a visit.
    #[error("nobody was served at an outreach visit '{0}', as far as these days go")]
    UnknownOutreach(String),
    /// A cursor that no page of the list asked for ends with.
    #[error("after: '{0}' is no place in this list; take it from next of the page before")]
    NoPlace(String),
    /// A series that ends before it begins.
    #[error("to ({to}) is before from ({from})")]
    EndsBeforeItBegins {
        /// The first day asked for.
        from: jiff::civil::Date,
        /// The last day asked for.
        to: jiff::civil::Date,
    },
    /// Two days that have to be apart, and are not in the order of time.
    #[error("to ({to}) is not after from ({from})")]
    NoDayBetween {
        /// The first day asked for.
        from: jiff::civil::Date,
        /// The last day asked for.
        to: jiff::civil::Date,
    },
    /// One of two parameters that go together.
    #[error("{given} needs {missing} as well")]
    Alone {
        /// The one that is there.
        given: &'static str,
        /// The one that is not.
        missing: &'static str,
    },
    /// A pace between two days that is asked for as of another one.
    #[error("as_of: a pace from one day to another is as of the latter, {to}")]
    OtherDay {
        /// The latter.
        to: jiff::civil::Date,
    },
    /// The day of an axis on which two days differ.
    #[error("{parameter}: the two days are of this axis, so that there is no third")]
    DayOfAxis {
        /// The parameter that names it.
        parameter: &'static str,
    },
    /// A day that a question is about, and that has not begun yet.
    #[error("{parameter} ({day}) is after today ({today}): what has not happened has no pace")]
    NotYet {
        /// The parameter that names it.
        parameter: &'static str,
        /// The day asked for.
        day: jiff::civil::Date,
        /// Today, in the programme's zone.
        today: jiff::civil::Date,
    },
    /// A series of too many steps.
    #[error(
        "from {from} to {to} there are more than {limit} steps: take longer steps or fewer days"
    )]
    TooManySteps {
        /// The first day asked for.
        from: jiff::civil::Date,
        /// The last day asked for.
        to: jiff::civil::Date,
        /// How many there may be.
        limit: usize,
    },
}
