//! How did a region get where it is? What stood at the end of each day, week or month, and what
//! flowed within it.

use clap::Args;
use jiff::ToSpan as _;
use jiff::civil::{Date, Weekday};
use laju_schemas::RegionCode;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::account::Account;
use crate::domain::day::Day;
use crate::query::QueryError;
use crate::query::answer::{self, Bounds, Evidence, Missing, RegionName};
use crate::query::days::{Days, date};
use crate::query::figures::progress::{Cards, missing_of};
use crate::query::figures::sums::{Totals, is_counted};
use crate::query::question::{Endpoint, Question};
use crate::query::scope::{Scope, region_name};
use crate::query::view::View;

/// The most steps that a series can have: more than ten years of days.
pub const MOST_STEPS: usize = 4_000;

/// How a region got where it is.
#[derive(Clone, Debug, Args, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct SeriesQuestion {
    /// A regency or city, a province, or the nation (ID).
    #[arg(value_name = "REGION")]
    #[param(example = "18.71")]
    pub code: RegionCode,
    /// The first day.
    #[arg(long, value_name = "YYYY-MM-DD")]
    #[serde(deserialize_with = "date")]
    #[param(example = "2023-12-01")]
    pub from: Date,
    /// The last day; not before `from`.
    #[arg(long, value_name = "YYYY-MM-DD")]
    #[serde(deserialize_with = "date")]
    #[param(example = "2023-12-31")]
    pub to: Date,
    /// Days, weeks from Monday, or calendar months; over HTTP days if it is not given.
    #[arg(long, value_enum, default_value = "month")]
    #[serde(default)]
    #[param(example = "week")]
    pub step: Step,
}

impl Endpoint for SeriesQuestion {
    const PATH: &'static str = "/v1/regions/{code}/series";
    type Days = Days;
    type Answer = Series;
}

impl Question for SeriesQuestion {
    const ID: &'static str = "region_series";
    const ANSWER: &'static str = "How the region got there";

    fn answer(&self, days: &Self::Days, view: &View) -> Result<Self::Answer, QueryError> {
        series(view, self, days)
    }
}

/// How long each step of a series is.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Step {
    /// Calendar days.
    #[default]
    Day,
    /// Weeks from Monday to Sunday.
    Week,
    /// Calendar months.
    Month,
}

/// A region's figures over time.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Series {
    /// The region.
    pub region: RegionName,
    /// The day after which nothing counts.
    pub as_of: Date,
    /// The day whose knowledge the figures rest on; none if it is all that is known.
    pub known_at: Option<Date>,
    /// The first day.
    pub from: Date,
    /// The last day.
    pub to: Date,
    /// How long each step is.
    pub step: Step,
    /// In the order of time.
    pub points: Vec<Point>,
    /// What may be missing; none of a past `known_at`. Every count may turn out less or more by at
    /// most its `events` and `quarantined` together.
    pub missing: Option<Missing>,
    /// What the answer rests on.
    pub evidence: Evidence,
    /// A relative link to the same question, with both days filled in.
    pub link: String,
}

/// One step of a series: what stood at its end, and what flowed within it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Point {
    /// Its first day: the first of the day, week or month, or of the series.
    pub from: Date,
    /// Its last day: the last of the day, week or month, or of the series.
    pub to: Date,
    /// People whose IKD was active at its end.
    pub activated: i64,
    /// Inactive to active, within it.
    pub activations: i64,
    /// Active to inactive, within it.
    pub deactivations: i64,
    /// Moved in while active, within it.
    pub moves_in: i64,
    /// Moved out while active, within it.
    pub moves_out: i64,
    /// Cards: recorded, requested and printed within it; the queue at its end.
    pub cards: Cards,
    /// Asked, but not activated, within it.
    pub deferrals: i64,
    /// Between which numbers `activated` lies when all that is missing has come in; none of a past
    /// `known_at`.
    pub bounds: Option<Bounds>,
}

impl Step {
    /// The last day of the step that a day lies in.
    fn end(self, day: Date) -> Date {
        match self {
            Self::Day => day,
            Self::Week => {
                let to_sunday = day.weekday().until(Weekday::Sunday);
                day.saturating_add(i32::from(to_sunday).days())
            }
            Self::Month => day.last_of_month(),
        }
    }

    /// First and last day of every step from one day to another. The first and the last step
    /// are cut where the series begins and ends.
    fn between(self, from: Date, to: Date) -> Result<Vec<(Date, Date)>, QueryError> {
        if to < from {
            return Err(QueryError::EndsBeforeItBegins { from, to });
        }
        let mut steps = Vec::new();
        let mut first = from;
        loop {
            if steps.len() == MOST_STEPS {
                return Err(QueryError::TooManySteps { from, to, limit: MOST_STEPS });
            }
            let last = self.end(first).min(to);
            steps.push((first, last));
            if last == to {
                return Ok(steps);
            }
            first = last.saturating_add(1.days());
        }
    }
}

/// A region's figures over time.
///
/// # Errors
/// If there is no such region, or `to` is before `from`, or there are more than [`MOST_STEPS`].
pub fn series(view: &View, asked: &SeriesQuestion, days: &Days) -> Result<Series, QueryError> {
    let SeriesQuestion { code: region, from, to, step } = *asked;
    let name = region_name(region)?;
    let scope = Scope::of(region)?;
    let steps = step.between(from, to)?;
    let missing = missing_of(view, region, days);
    let mut points = points(view, &scope, &steps, days);
    for point in &mut points {
        point.bounds = missing.as_ref().map(|missing| answer::bounds(point.activated, missing));
    }
    Ok(Series {
        region: name,
        as_of: days.day(view.today),
        known_at: days.known_at,
        from,
        to,
        step,
        points,
        missing,
        evidence: view.evidence(),
        link: asked.link(&days.filled(&view.horizon())),
    })
}

fn points(view: &View, scope: &Scope, steps: &[(Date, Date)], days: &Days) -> Vec<Point> {
    // Sums before the first step, and within each.
    let mut sums = vec![Totals::default(); steps.len() + 1];
    let places = places(steps);
    let window = days.window();
    let groups = view.sums.groups(scope);
    for group in groups.filter(|group| is_counted(group.account)) {
        for cell in window.cells(group.cells) {
            // A cell after the last step has no place; those that follow it have none either.
            let Some(place) = places.get(usize::from(cell.key.day().0)) else { break };
            sums[*place as usize].post(group.account, cell);
        }
    }
    let mut stock = sums[0];
    steps
        .iter()
        .zip(&sums[1..])
        .map(|((from, to), flow)| {
            stock.add(flow);
            let mut cards = Cards::of(flow);
            cards.queue = stock.of(Account::PrintQueue);
            Point {
                from: *from,
                to: *to,
                activated: stock.active(),
                activations: flow.of(Account::Activations),
                deactivations: flow.of(Account::Deactivations),
                moves_in: flow.of(Account::MovesIn),
                moves_out: flow.of(Account::MovesOut),
                cards,
                deferrals: flow.of(Account::Deferrals),
                bounds: None,
            }
        })
        .collect()
}

/// For every day of the programme up to the last step: 0 if it is before the first step, else one
/// more than the number of its step.
fn places(steps: &[(Date, Date)]) -> Vec<u32> {
    let mut places = Vec::new();
    for (number, (first, last)) in steps.iter().enumerate() {
        let Some(last) = Day::of_date(*last) else { continue };
        let first = Day::of_date(*first).unwrap_or(Day(0));
        places.resize(usize::from(first.0), number as u32);
        places.resize(usize::from(last.0) + 1, number as u32 + 1);
    }
    places
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn steps_are_calendar_steps_cut_at_both_ends() {
        let steps = |step: Step, from, to| step.between(from, to).unwrap();
        let (from, to) = (date(2024, 1, 30), date(2024, 3, 1));
        let months = steps(Step::Month, from, to);
        assert_eq!(
            months,
            [
                (from, date(2024, 1, 31)),
                (date(2024, 2, 1), date(2024, 2, 29)),
                (date(2024, 3, 1), to)
            ]
        );
        let weeks = steps(Step::Week, from, date(2024, 2, 12));
        assert_eq!(
            weeks,
            [
                (from, date(2024, 2, 4)),
                (date(2024, 2, 5), date(2024, 2, 11)),
                (date(2024, 2, 12), date(2024, 2, 12)),
            ]
        );
        assert_eq!(steps(Step::Day, from, from), [(from, from)]);
        assert_eq!(steps(Step::Month, Date::MAX, Date::MAX), [(Date::MAX, Date::MAX)]);
        assert!(Step::Day.between(to, from).is_err());
        assert!(Step::Day.between(date(2000, 1, 1), to).is_err());
        assert_eq!(steps(Step::Week, date(2024, 2, 4), date(2024, 2, 5)).len(), 2);
    }

    #[test]
    fn every_day_has_its_place() {
        let step = |a: (i16, i8, i8), b: (i16, i8, i8)| (date(a.0, a.1, a.2), date(b.0, b.1, b.2));
        let steps = [step((2021, 12, 30), (2021, 12, 31)), step((2022, 1, 1), (2022, 1, 2))];
        assert_eq!(places(&steps), [2, 2]);
        let steps = [step((2021, 12, 30), (2022, 1, 1)), step((2022, 1, 2), (2022, 1, 4))];
        assert_eq!(places(&steps), [1, 2, 2, 2]);
        let steps = [step((2022, 1, 3), (2022, 1, 3))];
        assert_eq!(places(&steps), [0, 0, 1]);
    }
}
