//! Why did the figure change? The postings between two readings, each in one part: new and late
//! activations, moves, deactivations by reason, and what was taken back; and, of the shares, what
//! a changed denominator or target did. The parts add up to the whole, because each posting of
//! the difference is in exactly one of them.

use std::collections::BTreeMap;

use clap::Args;
use jiff::civil::Date;
use laju_schemas::RegionCode;
use laju_schemas::event::DeactivationReason;
use laju_schemas::reference::Basis;
use laju_schemas::share::Share;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::cell::Cell;
use crate::domain::rate::Rate;
use crate::query::QueryError;
use crate::query::answer::{
    Age, Bounds, DenominatorShare, Evidence, Missing, RegionName, TargetShare,
};
use crate::query::days::{Days, Horizon, NoDays, date};
use crate::query::explanations::parts::{Axis, Between, Part, PartKind};
use crate::query::explanations::postings::ACTIVE;
use crate::query::figures::progress::{Progress, progress};
use crate::query::figures::shares::{applicable_target, attainment};
use crate::query::question::{Endpoint, Question};
use crate::query::scan::each_netted_apart;
use crate::query::scope::{Scope, region_name};
use crate::query::view::View;

/// Why a region's figure differs between two days.
#[derive(Clone, Debug, Args, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ChangeQuestion {
    /// A regency or city, a province, or the nation (ID).
    #[arg(value_name = "REGION")]
    #[param(example = "18.71")]
    pub code: RegionCode,
    /// The earlier day.
    #[arg(long, value_name = "YYYY-MM-DD")]
    #[serde(deserialize_with = "date")]
    #[param(example = "2023-12-01")]
    pub from: Date,
    /// The later day; not before `from`.
    #[arg(long, value_name = "YYYY-MM-DD")]
    #[serde(deserialize_with = "date")]
    #[param(example = "2023-12-31")]
    pub to: Date,
    /// Whether they are days of knowledge (if it is not given) or of truth. The day of the other
    /// axis may be given beside them, and that of this one may not.
    #[arg(long, value_enum, default_value_t)]
    #[serde(default)]
    #[param(example = "known_at")]
    pub axis: Axis,
}

impl Endpoint for ChangeQuestion {
    const PATH: &'static str = "/v1/regions/{code}/change";
    type Days = Days;
    type Answer = Change;
}

impl Question for ChangeQuestion {
    const ID: &'static str = "region_change";
    const ANSWER: &'static str = "Why the figure differs between two days";

    fn check(&self, days: &Days) -> Result<(), QueryError> {
        let given = match self.axis {
            Axis::KnownAt => days.known_at.map(|_| "known_at"),
            Axis::AsOf => days.as_of.map(|_| "as_of").or(days.ahead.then_some("ahead")),
        };
        given.map_or(Ok(()), |parameter| Err(QueryError::DayOfAxis { parameter }))
    }

    fn answer(&self, days: &Self::Days, view: &View) -> Result<Self::Answer, QueryError> {
        let fixed = match self.axis {
            Axis::KnownAt => (days.as_of, days.ahead),
            Axis::AsOf => (days.known_at, false),
        };
        change(view, self.code, self.axis, (self.from, self.to), fixed)
    }
}

/// Why a region's figure differs between two days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Change {
    /// The region.
    pub region: RegionName,
    /// Which day differs.
    pub axis: Axis,
    /// The earlier day.
    pub from: Date,
    /// The later day.
    pub to: Date,
    /// The figures of the earlier day.
    pub earlier: Reading,
    /// The figures of the later day.
    pub later: Reading,
    /// `later.activated` − `earlier.activated`: the sum of the parts' counts.
    pub change: i64,
    /// What it consists of; parts of nothing are left out.
    pub parts: Vec<ChangePart>,
    /// Why coverage differs, for every basis that one of the readings has.
    pub coverage: Vec<ShareChange>,
    /// Why attainment differs; none where neither reading has a target.
    pub attainment: Option<ShareChange>,
    /// What may be missing of the later reading; none of a past `known_at`. Nothing of this is in
    /// the parts: each of them may turn out less or more.
    pub missing: Option<Missing>,
    /// What the answer rests on.
    pub evidence: Evidence,
    /// A relative link to the same question, with every day filled in.
    pub link: String,
}

/// One of the two readings.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Reading {
    /// The day that it speaks of.
    pub as_of: Date,
    /// The day whose knowledge it rests on; none if it is all that is known.
    pub known_at: Option<Date>,
    /// People whose IKD is active.
    pub activated: i64,
    /// Between which numbers `activated` lies when all that is missing has come in; none of a past
    /// `known_at`.
    pub bounds: Option<Bounds>,
    /// Inactive to active.
    pub activations: i64,
    /// Active to inactive.
    pub deactivations: i64,
    /// Moved in while active.
    pub moves_in: i64,
    /// Moved out while active.
    pub moves_out: i64,
    /// What `activated` is a share of.
    pub denominators: Vec<DenominatorShare>,
    /// What the region is to reach.
    pub target: Option<TargetShare>,
    /// A relative link to the whole reading.
    pub link: String,
}

/// A part of a change.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ChangePart {
    /// What it is.
    pub part: PartKind,
    /// Of late activations, how late.
    pub age: Option<Age>,
    /// Of deactivations and those taken back, why.
    pub reason: Option<DeactivationReason>,
    /// What it adds to the figure: people, below zero where it takes them away.
    pub count: i64,
    /// A relative link to its postings, whose sum it is, but for the sign.
    pub link: String,
}

/// Why a share differs: first the people changed, then what they are a share of. Differences of
/// shares as shown, in percentage points, so that they add up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ShareChange {
    /// What it is a share of: a denominator's basis, or a target's.
    pub basis: Basis,
    /// The denominator, or the target's people, of the earlier reading; none if it has none.
    pub earlier_of: Option<u64>,
    /// The same of the later reading.
    pub later_of: Option<u64>,
    /// The earlier share.
    pub earlier_percent: Option<Share>,
    /// The later share.
    pub later_percent: Option<Share>,
    /// By how much the people alone changed it; none if a reading has no such share.
    pub by_people: Option<Rate>,
    /// By how much a changed denominator or target did after that; none in the same case.
    pub by_reference: Option<Rate>,
}

/// Why a region's figure differs between two days of an axis. `fixed` is the day of the other
/// axis; none for all there is. With `ahead` postings of days after `fixed` count as well, where
/// that is the day of what was true.
///
/// # Errors
/// If there is no such region, or `to` is before `from`.
pub fn change(
    view: &View,
    region: RegionCode,
    axis: Axis,
    (from, to): (Date, Date),
    (fixed, ahead): (Option<Date>, bool),
) -> Result<Change, QueryError> {
    let name = region_name(region)?;
    let scope = Scope::of(region)?;
    if to < from {
        return Err(QueryError::EndsBeforeItBegins { from, to });
    }
    let between = Between { axis, from, to, fixed, ahead };
    let [before, after] = [from, to].map(|day| between.days_of(day));
    let (window_before, window_after) = (before.window(), after.window());
    let mut counts: BTreeMap<Part, i64> = BTreeMap::new();
    let differs = |cell: &Cell| window_after.counts(cell) && !window_before.counts(cell);
    let mut any_released = false;
    // Neighbours are mostly of one part: it is looked up where that changes.
    let mut last: Option<(Part, i64)> = None;
    each_netted_apart(&view.snapshot.ledger, &scope, &ACTIVE, differs, |cell, is_released| {
        let count = cell.key.account().effect() * i64::from(cell.amount);
        let part = between.part(cell, is_released);
        match &mut last {
            Some((of, sum)) if *of == part => *sum += count,
            _ => {
                if let Some((before, sum)) = last.replace((part, count)) {
                    *counts.entry(before).or_default() += sum;
                }
            }
        }
        any_released |= is_released;
    });
    if let Some((part, sum)) = last {
        *counts.entry(part).or_default() += sum;
    }
    let parts = counts.into_iter().map(|(part, count)| ChangePart {
        part: part.kind,
        age: part.age,
        reason: part.reason,
        count,
        link: between.postings(region, part, any_released).link(&NoDays {}),
    });
    let (earlier, later) = (progress(view, region, &before)?, progress(view, region, &after)?);
    Ok(Change {
        region: name,
        axis,
        from,
        to,
        change: later.figures.activated - earlier.figures.activated,
        parts: parts.collect(),
        coverage: coverage(&earlier, &later),
        attainment: attainment_change(view, region, (&before, &earlier), (&after, &later)),
        missing: later.figures.missing.clone(),
        earlier: reading(earlier),
        later: reading(later),
        evidence: view.evidence(),
        link: link(region, &between, &view.horizon()),
    })
}

fn reading(progress: Progress) -> Reading {
    let figures = progress.figures;
    Reading {
        as_of: progress.as_of,
        known_at: progress.known_at,
        activated: figures.activated,
        bounds: figures.bounds,
        activations: figures.activations,
        deactivations: figures.deactivations,
        moves_in: figures.moves_in,
        moves_out: figures.moves_out,
        denominators: figures.denominators,
        target: figures.target,
        link: progress.link,
    }
}

fn link(code: RegionCode, between: &Between, horizon: &Horizon) -> String {
    let Between { axis, from, to, fixed, .. } = *between;
    let days = match axis {
        Axis::KnownAt => Days { known_at: None, ..between.days_of(to).filled(horizon) },
        Axis::AsOf => Days { known_at: Some(fixed.unwrap_or(horizon.known)), ..Days::default() },
    };
    ChangeQuestion { code, from, to, axis }.link(&days)
}

/// A difference of shares in percentage points.
fn points(earlier: Option<Share>, later: Option<Share>) -> Option<Rate> {
    let difference = i128::from(later?.hundredths()) - i128::from(earlier?.hundredths());
    Rate::of(difference, 100)
}

fn people(progress: &Progress) -> u64 {
    u64::try_from(progress.figures.activated).unwrap_or(0)
}

fn coverage(earlier: &Progress, later: &Progress) -> Vec<ShareChange> {
    let of = |progress: &Progress, basis: Basis| {
        let mut denominators = progress.figures.denominators.iter();
        denominators.find(|d| d.basis == basis).map(|d| (d.value, d.coverage_percent))
    };
    let bases = [Basis::WajibKtp, Basis::RecordedKtp];
    let changes = bases.into_iter().filter_map(|basis| {
        let (before, after) = (of(earlier, basis), of(later, basis));
        before.or(after)?;
        // The later people as a share of the earlier denominator stand in between.
        let middle = before.and_then(|(value, _)| Share::of(people(later), value));
        let (earlier_percent, later_percent) = (before.and_then(|b| b.1), after.and_then(|a| a.1));
        Some(ShareChange {
            basis,
            earlier_of: before.map(|(value, _)| value),
            later_of: after.map(|(value, _)| value),
            earlier_percent,
            later_percent,
            by_people: points(earlier_percent, middle),
            by_reference: points(middle, later_percent),
        })
    });
    changes.collect()
}

fn attainment_change(
    view: &View,
    region: RegionCode,
    (before, earlier): (&Days, &Progress),
    (after, later): (&Days, &Progress),
) -> Option<ShareChange> {
    let earlier_target = applicable_target(view, region, before);
    let later_target = applicable_target(view, region, after);
    let basis = later_target.as_ref().or(earlier_target.as_ref())?.basis;
    let share = |progress: &Progress| progress.figures.target.as_ref()?.attainment_percent;
    let middle = earlier_target.as_ref().and_then(|t| attainment(t, later.figures.activated));
    let (earlier_percent, later_percent) = (share(earlier), share(later));
    Some(ShareChange {
        basis,
        earlier_of: earlier_target.as_ref().map(|target| target.people),
        later_of: later_target.as_ref().map(|target| target.people),
        earlier_percent,
        later_percent,
        by_people: points(earlier_percent, middle),
        by_reference: points(middle, later_percent),
    })
}
