//! The shape of the answer to whether the pace is enough.

use jiff::civil::Date;
use laju_schemas::{RegionCode, RegionLevel};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Bounds, Evidence, Missing, RegionName, TargetShare};
use crate::domain::rate::Rate;
use laju_schemas::share::Share;

/// How fast a region goes, how fast it would have to, and where its pace leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Pace {
    /// The region.
    pub region: RegionName,
    /// The last day of every window; where none was asked for yesterday, the last whole day.
    pub as_of: Date,
    /// The day whose knowledge it rests on; none if it is all that is known.
    pub known_at: Option<Date>,
    /// People whose IKD was active at the end of that day.
    pub activated: i64,
    /// Between which numbers `activated` lies; none of a past `known_at`. The forecasts' intervals
    /// are of the day-to-day spread alone and do not contain this.
    pub bounds: Option<Bounds>,
    /// What the region is to reach, of the targets valid on that day.
    pub target: Option<TargetShare>,
    /// What is left to do; none without a target.
    pub goal: Option<Goal>,
    /// The pace over each window.
    pub windows: Vec<PaceOver>,
    /// What may be missing; none of a past `known_at`. Days of kiosks that are still offline make
    /// the latest pace too low.
    pub missing: Option<Missing>,
    /// What the answer rests on.
    pub evidence: Evidence,
    /// A relative link to the same question, with both days filled in.
    pub link: String,
}

/// Which day a target is to be reached by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum GoalDay {
    /// The last day on which the target applies.
    ValidTo,
    /// The last day of the year, where the target has no last day.
    YearEnd,
}

/// What is left to do for a target.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Goal {
    /// The day by whose end it is to be reached.
    pub by: Date,
    /// What day that is.
    pub by_is: GoalDay,
    /// People still to be activated; 0 where it is reached.
    pub to_go: i64,
    /// Days left after `as_of`.
    pub days_left: i64,
    /// People a day that are needed in those days; none if no day is left and people are.
    pub required_per_day: Option<Rate>,
    /// The same in a mean month of 30.436875 days.
    pub required_per_month: Option<Rate>,
}

/// The pace between the ends of two days, and where it leads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PaceOver {
    /// The day at whose end it begins.
    pub from: Date,
    /// The day at whose end it ends.
    pub to: Date,
    /// Days in between.
    pub days: i64,
    /// People active at the end of `from`.
    pub activated_from: i64,
    /// People active at the end of `to`.
    pub activated_to: i64,
    /// By how many they changed: activations − deactivations + moves in − moves out.
    pub change: i64,
    /// The mean of a day.
    pub per_day: Option<Rate>,
    /// The mean of a month of 30.436875 days.
    pub per_month: Option<Rate>,
    /// Whether it is at least the pace required; none where none is, or no day is left.
    pub is_enough: Option<bool>,
    /// The value on the day `goal.by`, or without a target at the year's end.
    pub forecast: Option<PaceForecast>,
    /// Why there is no forecast.
    pub no_forecast: Option<Unanswered>,
    /// The day by whose end the target is expected to be met, at this pace.
    pub target_met_on: Option<Date>,
    /// When the interval of 95 % meets it.
    pub target_met_between: Option<TargetDay>,
    /// Why there is no such day.
    pub no_target_day: Option<Unanswered>,
}

/// The value on a day to come.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PaceForecast {
    /// The day.
    pub on: Date,
    /// People expected to be active at its end.
    pub activated: i64,
    /// Of the exact target, in percent; none without one.
    pub attainment_percent: Option<Share>,
    /// Between which numbers it lies, if days to come scatter as those of the window did.
    pub intervals: Vec<Interval>,
}

/// The least and the most that a forecast can turn out to be, with so much confidence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Interval {
    /// The confidence, in percent.
    pub percent: u8,
    /// The least, rounded down; never below 0.
    pub lower: i64,
    /// The most, rounded up.
    pub upper: i64,
}

/// Between which days a target is met, with a confidence of 95 % for each end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetDay {
    /// The first on which the interval's upper end has met it; none within ten years.
    pub earliest: Option<Date>,
    /// The first on which its lower end has; none within ten years.
    pub latest: Option<Date>,
}

/// Why something has no answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum NoAnswerReason {
    /// The window is shorter than a week, or begins before the region's first activation.
    TooLittleData,
    /// The pace is zero or less.
    PaceNotPositive,
    /// No target applies.
    NoTarget,
    /// The target is met already.
    AlreadyMet,
    /// It would take more than ten years.
    TooFar,
}

/// That something has no answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Unanswered {
    /// Why.
    pub reason: NoAnswerReason,
    /// Why exactly.
    pub detail: String,
}

/// How fast each region of a level goes, and how fast it would have to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PaceList {
    /// What the rows are.
    pub level: RegionLevel,
    /// The region that they lie in.
    pub within: RegionCode,
    /// The last day of every window; where none was asked for yesterday, the last whole day.
    pub as_of: Date,
    /// The day whose knowledge it rests on; none if it is all that is known.
    pub known_at: Option<Date>,
    /// Every region, also those where nothing happened, in the order of the codes.
    pub rows: Vec<PaceRow>,
    /// What the answer rests on.
    pub evidence: Evidence,
    /// A relative link to the same question, with both days filled in.
    pub link: String,
}

/// How fast one region of several goes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PaceRow {
    /// The region.
    pub region: RegionName,
    /// People whose IKD was active at the end of `as_of`.
    pub activated: i64,
    /// What is left to do; none without a target.
    pub goal: Option<Goal>,
    /// The pace over each window, the shortest first.
    pub windows: Vec<PaceWindow>,
    /// A relative link to this region's own answer, with its forecasts.
    pub link: String,
}

/// The pace between the ends of two days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PaceWindow {
    /// The day at whose end it begins.
    pub from: Date,
    /// The day at whose end it ends.
    pub to: Date,
    /// Days in between.
    pub days: i64,
    /// By how many people it changed: activations − deactivations + moves in − moves out.
    pub change: i64,
    /// The mean of a day.
    pub per_day: Option<Rate>,
    /// The mean of a month of 30.436875 days.
    pub per_month: Option<Rate>,
    /// Whether it is at least the pace required; none where none is, or no day is left.
    pub is_enough: Option<bool>,
    /// The pace as a share of the pace required, in percent, a pace below zero as none; none where
    /// no pace is required.
    pub percent_of_required: Option<Share>,
}
