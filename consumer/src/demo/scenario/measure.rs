//! What the demo's figures are asked by.

use jiff::civil::Date;
use laju_schemas::reference::Basis;

/// What is asked of a region as of a day.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Measure {
    /// What stands at a JSON pointer in the region's progress, and what it is called.
    Progress(&'static str, &'static str),
    /// What stands at a JSON pointer in the region's pace, and what it is called.
    Pace(&'static str, &'static str),
    /// `value` of the denominator of a basis.
    Denominator(Basis),
    /// `coverage_percent` of the denominator of a basis.
    CoveragePercent(Basis),
    /// How many activations the region has more than as of an earlier day in a part of them.
    Growth(Part),
    /// The share that those are of all activations between the two days, in percent.
    GrowthPercent(Part),
}

/// Activations since a day that have one of some keys in a breakdown.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part {
    /// The earlier day.
    pub since: Date,
    /// The breakdown: the value of the parameter `by`.
    pub by: &'static str,
    /// The keys counted.
    pub keys: Vec<&'static str>,
}

impl Measure {
    pub const ACTIVATED: Self = Self::Progress("/activated", "activated");
    pub const FIRST_TIME_CARDS: Self =
        Self::Progress("/cards/recorded_first_time", "first-time card recordings");
    pub const PRINT_QUEUE: Self = Self::Progress("/cards/queue", "print queue");
    pub const TARGET_KIND: Self = Self::Progress("/target/kind", "kind of target");
    pub const TARGET_BASIS: Self = Self::Progress("/target/basis", "target of");
    pub const TARGET_PERCENT: Self = Self::Progress("/target/percent", "target, %");
    pub const TARGET_PEOPLE: Self = Self::Progress("/target/people", "target, people");
    pub const ATTAINMENT_PERCENT: Self =
        Self::Progress("/target/attainment_percent", "attainment of target, %");
    pub const TARGET_INHERITED_FROM: Self =
        Self::Progress("/target/inherited_from", "target inherited from");
    pub const TARGET_VALID_TO: Self = Self::Progress("/target/valid_to", "target until");
    pub const REQUIRED_PER_MONTH: Self = Self::Pace("/goal/required_per_month", "required a month");

    #[must_use]
    pub fn name(&self) -> String {
        match self {
            Self::Progress(_, name) | Self::Pace(_, name) => (*name).to_owned(),
            Self::Denominator(basis) => basis.to_string(),
            Self::CoveragePercent(basis) => format!("coverage of {basis}, %"),
            Self::Growth(Part { since, by, keys }) => {
                format!("activations since {since} by {by}: {}", keys.join(", "))
            }
            Self::GrowthPercent(Part { since, by, keys }) => {
                format!("share of activations since {since} by {by}: {}, %", keys.join(", "))
            }
        }
    }
}
