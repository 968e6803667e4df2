//! Is the pace enough? How fast a region has gone, how fast its target requires it to go, and
//! where the pace leads. The method is [`crate::domain::pace`]'s.

use clap::Args;
use jiff::ToSpan as _;
use jiff::civil::Date;
use laju_schemas::RegionCode;
use laju_schemas::share::Share;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::day::Day;
use crate::domain::pace::{Confidence, FEWEST_DAYS, Trail};
use crate::domain::rate::Rate;
use crate::domain::reference::Target;
use crate::query::QueryError;
use crate::query::answer::{Bounds, Evidence, Missing, RegionName, TargetShare};
use crate::query::days::{Days, date};
use crate::query::figures::goal::{Goal, TRAILING, before, days_between, goal};
use crate::query::figures::progress::progress;
use crate::query::figures::shares::{applicable_target, attainment};
use crate::query::question::{Endpoint, Question};
use crate::query::scan::Window;
use crate::query::scope::{Scope, region_name};
use crate::query::view::View;

/// Whether a region's pace is enough.
#[derive(Clone, Debug, Args, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PaceQuestion {
    /// A regency or city, a province, or the nation (ID).
    #[arg(value_name = "REGION")]
    #[param(example = "18.71")]
    pub code: RegionCode,
    /// The day at whose end the window begins; only together with `to`.
    #[arg(long, value_name = "YYYY-MM-DD", requires = "to")]
    #[serde(default, deserialize_with = "date")]
    pub from: Option<Date>,
    /// The day at whose end it ends, at most today; only together with `from`. Without both, the
    /// trailing 7 and 28 days up to `as_of`, which is yesterday if it is not given.
    #[arg(long, value_name = "YYYY-MM-DD", requires = "from", conflicts_with = "as_of")]
    #[serde(default, deserialize_with = "date")]
    pub to: Option<Date>,
}

impl Endpoint for PaceQuestion {
    const PATH: &'static str = "/v1/regions/{code}/pace";
    type Days = Days;
    type Answer = Pace;
}

impl Question for PaceQuestion {
    const ID: &'static str = "region_pace";
    const ANSWER: &'static str = "The pace, what the target requires, and where it leads";

    fn check(&self, days: &Days) -> Result<(), QueryError> {
        match (self.from, self.to, days.as_of) {
            (None, Some(_), _) => Err(QueryError::Alone { given: "to", missing: "from" }),
            (Some(_), None, _) => Err(QueryError::Alone { given: "from", missing: "to" }),
            (_, Some(to), Some(as_of)) if to != as_of => Err(QueryError::OtherDay { to }),
            _ => Ok(()),
        }
    }

    fn answer(&self, days: &Self::Days, view: &View) -> Result<Self::Answer, QueryError> {
        pace(view, self.code, self.from.zip(self.to), days)
    }
}

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

/// A region's pace over the [`TRAILING`] windows up to `as_of` (none is yesterday, the last whole
/// day), or over the days between the ends of two days (`span`), the later of which then is
/// `as_of` whatever the question says.
///
/// # Errors
/// If there is no such region, a day is still to come, or the later day is not after the earlier.
pub fn pace(
    view: &View,
    region: RegionCode,
    span: Option<(Date, Date)>,
    days: &Days,
) -> Result<Pace, QueryError> {
    region_name(region)?;
    let as_of = match span {
        Some((from, to)) if to <= from => return Err(QueryError::NoDayBetween { from, to }),
        Some((_, to)) => to,
        None => days.as_of.unwrap_or_else(|| before(view.today, 1)),
    };
    if as_of > view.today {
        let parameter = if span.is_some() { "to" } else { "as_of" };
        return Err(QueryError::NotYet { parameter, day: as_of, today: view.today });
    }
    let days = Days { as_of: Some(as_of), ahead: false, ..*days };
    let scope = Scope::of(region)?;
    let changes = DailyChanges::of(view, &scope, &days);
    // Bounds, target and what is missing are those of a progress answer.
    let progress = progress(view, region, &days)?;
    let target = applicable_target(view, region, &days);
    let activated = progress.figures.activated;
    let goal = target.as_ref().map(|target| goal(target, activated, as_of));
    let ahead = Ahead { as_of, target: target.as_ref(), goal };
    let windows = match span {
        Some((from, to)) => vec![ahead.over(&changes, from, to)],
        None => TRAILING.map(|days| ahead.over(&changes, before(as_of, days), as_of)).into(),
    };
    let (from, to) = span.unzip();
    let asked = PaceQuestion { code: region, from, to };
    Ok(Pace {
        region: progress.region,
        as_of,
        known_at: days.known_at,
        activated,
        bounds: progress.figures.bounds,
        target: progress.figures.target,
        goal,
        windows,
        missing: progress.figures.missing,
        evidence: progress.evidence,
        link: asked.link(&days.filled(&view.horizon())),
    })
}

/// By how many the active people of a scope changed on each day of the programme.
struct DailyChanges(Vec<i64>);

impl DailyChanges {
    fn of(view: &View, scope: &Scope, days: &Days) -> Self {
        let window: Window = days.window();
        let mut changes = Vec::new();
        for group in view.sums.groups(scope) {
            let sign = group.account.effect();
            if sign == 0 {
                continue;
            }
            for cell in window.cells(group.cells) {
                let day = usize::from(cell.key.day().0);
                if changes.len() <= day {
                    changes.resize(day + 1, 0);
                }
                changes[day] += sign * i64::from(cell.amount);
            }
        }
        Self(changes)
    }

    /// Those of the days up to one, inclusive.
    fn until(&self, day: Date) -> &[i64] {
        let days = Day::of_date(day).map_or(0, |day| usize::from(day.0) + 1);
        &self.0[..days.min(self.0.len())]
    }

    /// The first day on which anything changed.
    fn first(&self) -> Option<Date> {
        let first = self.0.iter().position(|change| *change != 0)?;
        Some(Day(u16::try_from(first).unwrap_or(u16::MAX)).date())
    }
}

/// What forecasts are about.
struct Ahead<'a> {
    as_of: Date,
    target: Option<&'a Target>,
    goal: Option<Goal>,
}

impl Ahead<'_> {
    /// The pace between the ends of two days, the later of which is `as_of`.
    fn over(&self, changes: &DailyChanges, from: Date, to: Date) -> PaceOver {
        let (until_from, until_to) = (changes.until(from), changes.until(to));
        let activated_from: i64 = until_from.iter().sum();
        let trail = Trail::new(days_between(from, to), &until_to[until_from.len()..]);
        let activated_to = activated_from + trail.change();
        let days = days_between(from, to);
        let lack = self.lack(changes, from, days, &trail);
        let mut over = PaceOver {
            from,
            to,
            days,
            activated_from,
            activated_to,
            change: trail.change(),
            per_day: trail.per_day(),
            per_month: trail.per_month(),
            is_enough: self.is_enough(&trail),
            forecast: None,
            no_forecast: lack.clone(),
            target_met_on: None,
            target_met_between: None,
            no_target_day: None,
        };
        if lack.is_none() {
            over.forecast = Some(self.forecast(&trail, activated_to));
        }
        match lack {
            _ if self.goal.is_none() => {
                let detail = "no target applies on this day".to_owned();
                over.no_target_day = Some(unanswered(NoAnswerReason::NoTarget, detail));
            }
            _ if self.goal.is_some_and(|goal| goal.to_go == 0) => {
                let detail = format!("at the end of {to} nobody is left to go");
                over.no_target_day = Some(unanswered(NoAnswerReason::AlreadyMet, detail));
            }
            Some(lack) => over.no_target_day = Some(lack),
            None => self.meet(&trail, &mut over),
        }
        over
    }

    fn is_enough(&self, trail: &Trail) -> Option<bool> {
        self.goal.and_then(|goal| trail.meets(goal.to_go, goal.days_left))
    }

    /// Why there can be no forecast.
    fn lack(
        &self,
        changes: &DailyChanges,
        from: Date,
        days: i64,
        trail: &Trail,
    ) -> Option<Unanswered> {
        let too_little = |detail| Some(unanswered(NoAnswerReason::TooLittleData, detail));
        if days < FEWEST_DAYS {
            return too_little(format!("{days} days are fewer than {FEWEST_DAYS}"));
        }
        match changes.first() {
            None => return too_little("nobody has been activated yet".to_owned()),
            Some(first) if first > from => {
                return too_little(format!("the first activation was on {first}, after {from}"));
            }
            Some(_) => {}
        }
        if trail.change() <= 0 {
            let detail = format!("{} in {days} days", trail.change());
            return Some(unanswered(NoAnswerReason::PaceNotPositive, detail));
        }
        None
    }

    fn forecast(&self, trail: &Trail, activated: i64) -> PaceForecast {
        let on = self.goal.map_or_else(|| self.as_of.last_of_year(), |goal| goal.by);
        let ahead = days_between(self.as_of, on);
        let expected = activated.saturating_add(trail.expected(ahead));
        let interval = |confidence: Confidence| {
            let (lower, upper) = trail.interval(ahead, confidence)?;
            Some(Interval {
                percent: confidence.percent(),
                lower: activated.saturating_add(lower).max(0),
                upper: activated.saturating_add(upper),
            })
        };
        PaceForecast {
            on,
            activated: expected,
            attainment_percent: self.target.and_then(|t| attainment(t, expected)),
            intervals: [Confidence::Percent80, Confidence::Percent95]
                .into_iter()
                .filter_map(interval)
                .collect(),
        }
    }

    /// When a target that is not met yet is met at a pace above zero.
    fn meet(&self, trail: &Trail, over: &mut PaceOver) {
        let to_go = self.goal.map_or(0, |goal| goal.to_go);
        let closing = trail.closing(to_go);
        let date = |days: i64| self.as_of.saturating_add(days.days());
        over.target_met_on = closing.expected.map(date);
        if closing.expected.is_none() {
            let detail = format!("{to_go} people take more than ten years at this pace");
            over.no_target_day = Some(unanswered(NoAnswerReason::TooFar, detail));
        }
        over.target_met_between = Some(TargetDay {
            earliest: closing.earliest.map(date),
            latest: closing.latest.map(date),
        });
    }
}

fn unanswered(reason: NoAnswerReason, detail: String) -> Unanswered {
    Unanswered { reason, detail }
}
