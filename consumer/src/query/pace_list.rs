//! The pace of every region of a level at once: how fast each goes, and how fast its target
//! requires it to. What [`super::pace`] answers of one region, without the forecasts.

use jiff::civil::Date;
use laju_schemas::{RegionCode, RegionLevel, RegionTable};

use super::answer::{Goal, PaceList, PaceRow, PaceWindow};
use super::pace::{TRAILING, before, goal};
use super::progress::{applicable_target, rows_of};
use super::question::Question;
use super::scan::{Scope, all_groups};
use super::view::View;
use super::{QueryError, region_name};
use crate::domain::account::Account;
use crate::domain::day::Day;
use crate::domain::pace::Trail;
use crate::domain::share::Share;

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
    level: RegionLevel,
    within: RegionCode,
    question: &Question,
) -> Result<PaceList, QueryError> {
    let scope = Scope::of(within).ok_or(QueryError::UnknownRegion(within))?;
    if level < within.level() {
        return Err(QueryError::LevelAbove { level, within });
    }
    let as_of = question.as_of.unwrap_or_else(|| before(view.today, 1));
    if as_of > view.today {
        return Err(QueryError::NotYet { parameter: "as_of", day: as_of, today: view.today });
    }
    let question = Question { as_of: Some(as_of), ahead: false, ..*question };
    let sums = sums(view, &scope, as_of, &question);
    let table = RegionTable::get();
    let codes = scope.indices().map(|index| table.at(laju_schemas::RegionIndex(index)).code);
    let rows = rows_of(level, codes).map(|code| {
        let inside = Scope::of(code).ok_or(QueryError::UnknownRegion(code))?;
        let mut sum = Sums::default();
        for part in inside.indices().map(|index| sums[usize::from(index)]) {
            sum.activated += part.activated;
            for (all, part) in sum.changes.iter_mut().zip(part.changes) {
                *all += part;
            }
        }
        let target = applicable_target(view, code, &question);
        let goal = target.as_ref().map(|target| goal(target, sum.activated, as_of));
        let windows = TRAILING.iter().zip(sum.changes);
        Ok(PaceRow {
            region: region_name(code)?,
            activated: sum.activated,
            goal,
            windows: windows.map(|(&days, change)| window(days, change, goal, as_of)).collect(),
            link: question.link(&format!("regions/{code}/pace"), &[], &view.horizon()),
        })
    });
    let parameters = [format!("level={level}"), format!("within={within}")];
    Ok(PaceList {
        level,
        within,
        as_of,
        known_at: question.known_at,
        rows: rows.collect::<Result<_, QueryError>>()?,
        evidence: view.evidence(),
        link: question.link("pace", &parameters, &view.horizon()),
    })
}

/// The sums of every region of a scope, by their place in the region table: one pass.
fn sums(view: &View, scope: &Scope, as_of: Date, question: &Question) -> Vec<Sums> {
    let mut sums = vec![Sums::default(); RegionTable::get().len()];
    let begins = TRAILING.map(|days| Day::of_date(before(as_of, days)));
    let window = question.window();
    for (_, group) in all_groups(&view.snapshot, scope) {
        let sign = match group.account {
            Account::Activations | Account::MovesIn => 1,
            Account::Deactivations | Account::MovesOut => -1,
            _ => continue,
        };
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
