//! The pace of every region of a level at once: how fast each goes, and how fast its target
//! requires it to. What [`crate::query::figures::pace`] answers of one region, without the forecasts.

use clap::Args;
use jiff::civil::Date;
use laju_schemas::share::Share;
use laju_schemas::{RegionCode, RegionLevel, RegionTable};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::day::Day;
use crate::domain::pace::Trail;
use crate::domain::rate::Rate;
use crate::query::QueryError;
use crate::query::answer::{Evidence, RegionName};
use crate::query::days::Days;
use crate::query::figures::goal::{Goal, TRAILING, before, goal};
use crate::query::figures::pace::PaceQuestion;
use crate::query::figures::shares::applicable_target;
use crate::query::question::{Endpoint, Level, Question, nation};
use crate::query::scope::{Scope, region_name};
use crate::query::view::View;

/// How fast every province, or every regency and city, within a region goes.
#[derive(Clone, Debug, Args, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PaceListQuestion {
    /// Which regions get a row; regencies and cities if it is not given.
    #[arg(long, value_enum, default_value_t)]
    #[serde(default)]
    #[param(inline, example = "regency")]
    pub level: Level,
    /// The region within which they lie; the whole nation if it is not given.
    #[arg(long, value_name = "REGION", default_value_t = RegionCode::NATION)]
    #[serde(default = "nation")]
    #[param(example = "18")]
    pub within: RegionCode,
}

impl Endpoint for PaceListQuestion {
    const PATH: &'static str = "/v1/pace";
    type Days = Days;
    type Answer = PaceList;
}

impl Question for PaceListQuestion {
    const ID: &'static str = "list_paces";
    const ANSWER: &'static str = "How fast every region goes, and how fast it would have to";

    fn answer(&self, days: &Self::Days, view: &View) -> Result<Self::Answer, QueryError> {
        pace_list(view, self.level, self.within, days)
    }
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

/// People active at the end of a day, and by how many they changed over each trailing window.
#[derive(Clone, Copy, Default)]
struct Sums {
    activated: i64,
    changes: [i64; TRAILING.len()],
}

/// The pace of every province, or every regency and city, within a region, over the [`TRAILING`]
/// windows up to `as_of` (none is yesterday, the last whole day).
///
/// # Errors
/// If there is no such region, it cannot have regions of that level, or the day is to come.
pub fn pace_list(
    view: &View,
    level: Level,
    within: RegionCode,
    days: &Days,
) -> Result<PaceList, QueryError> {
    let asked = PaceListQuestion { level, within };
    let level = RegionLevel::from(level);
    let scope = Scope::with_level(within, level)?;
    let as_of = days.as_of.unwrap_or_else(|| before(view.today, 1));
    if as_of > view.today {
        return Err(QueryError::NotYet { parameter: "as_of", day: as_of, today: view.today });
    }
    let days = Days { as_of: Some(as_of), ahead: false, ..*days };
    let permanent = days.filled(&view.horizon());
    let sums = sums(view, &scope, as_of, &days);
    let rows = scope.codes(level).map(|code| {
        let inside = Scope::of(code)?;
        let mut sum = Sums::default();
        for part in inside.indices().map(|index| sums[usize::from(index)]) {
            sum.activated += part.activated;
            for (all, part) in sum.changes.iter_mut().zip(part.changes) {
                *all += part;
            }
        }
        let target = applicable_target(view, code, &days);
        let goal = target.as_ref().map(|target| goal(target, sum.activated, as_of));
        let windows = TRAILING.iter().zip(sum.changes);
        Ok(PaceRow {
            region: region_name(code)?,
            activated: sum.activated,
            goal,
            windows: windows.map(|(&days, change)| window(days, change, goal, as_of)).collect(),
            link: PaceQuestion { code, from: None, to: None }.link(&permanent),
        })
    });
    Ok(PaceList {
        level,
        within,
        as_of,
        known_at: days.known_at,
        rows: rows.collect::<Result<_, QueryError>>()?,
        evidence: view.evidence(),
        link: asked.link(&permanent),
    })
}

/// The sums of every region of a scope, by their place in the region table: one pass.
fn sums(view: &View, scope: &Scope, as_of: Date, days: &Days) -> Vec<Sums> {
    let mut sums = vec![Sums::default(); RegionTable::get().len()];
    let begins = TRAILING.map(|days| Day::of_date(before(as_of, days)));
    let window = days.window();
    for group in view.sums.groups(scope) {
        let sign = group.account.effect();
        if sign == 0 {
            continue;
        }
        let sum = &mut sums[usize::from(group.region.0)];
        for cell in window.cells(group.cells) {
            let amount = sign * i64::from(cell.amount);
            sum.activated += amount;
            for (change, begin) in sum.changes.iter_mut().zip(begins) {
                if begin.is_none_or(|begin| cell.key.day() > begin) {
                    *change += amount;
                }
            }
        }
    }
    sums
}

fn window(days: i32, change: i64, goal: Option<Goal>, as_of: Date) -> PaceWindow {
    let days = i64::from(days);
    let trail = Trail::new(days, &[change]);
    let open = goal.filter(|goal| goal.to_go > 0 && goal.days_left > 0);
    // (change ÷ days) ÷ (to go ÷ days left), as one exact fraction.
    let share = open.and_then(|Goal { to_go, days_left, .. }| {
        let part = u64::try_from(change.max(0).checked_mul(days_left)?).ok()?;
        Share::of(part, u64::try_from(to_go.checked_mul(days)?).ok()?)
    });
    PaceWindow {
        from: before(as_of, i32::try_from(days).unwrap_or(i32::MAX)),
        to: as_of,
        days,
        change,
        per_day: trail.per_day(),
        per_month: trail.per_month(),
        is_enough: goal.and_then(|goal| trail.meets(goal.to_go, goal.days_left)),
        percent_of_required: share,
    }
}
