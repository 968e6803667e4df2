//! What is left to do for a target, and by when.

use jiff::ToSpan as _;
use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::pace::{per_day, per_month};
use crate::domain::rate::Rate;
use crate::domain::reference::Target;

/// The days of each trailing window.
pub const TRAILING: [i32; 2] = [7, 28];

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

/// So many days before a day.
pub(crate) fn before(day: Date, days: i32) -> Date {
    day.saturating_sub(days.days())
}

pub(crate) fn days_between(from: Date, to: Date) -> i64 {
    i64::from((to - from).get_days())
}

/// What is left to do for a target, of which so many people are active on a day.
pub(crate) fn goal(target: &Target, activated: i64, as_of: Date) -> Goal {
    let (by, by_is) = match target.valid_to {
        Some(last) => (last, GoalDay::ValidTo),
        None => (as_of.last_of_year(), GoalDay::YearEnd),
    };
    let people = i64::try_from(target.people).unwrap_or(i64::MAX);
    let to_go = people.saturating_sub(activated).max(0);
    let days_left = days_between(as_of, by);
    // Nothing is needed once the goal is reached, on the last day as well.
    let over = if to_go == 0 { 1 } else { days_left };
    Goal {
        by,
        by_is,
        to_go,
        days_left,
        required_per_day: per_day(to_go, over),
        required_per_month: per_month(to_go, over),
    }
}
