//! How far is a region? Sums over the ledger, with shares, bounds and what may be missing.

use std::collections::BTreeMap;
use std::sync::Arc;

use clap::Args;
use jiff::civil::Date;
use laju_schemas::{RegionCode, RegionLevel, RegionTable};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::account::Account;
use crate::query::QueryError;
use crate::query::answer::{
    self, Bounds, DenominatorShare, Evidence, Missing, RegionName, TargetShare,
};
use crate::query::days::Days;
use crate::query::figures::shares::{denominators, target};
use crate::query::figures::sums::{Totals, is_counted, sum_within};
use crate::query::kiosks::silence::Silent;
use crate::query::question::{Endpoint, Level, Question, nation};
use crate::query::scope::{Scope, region_name};
use crate::query::view::View;

/// How far a region is.
#[derive(Clone, Debug, Args, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ProgressQuestion {
    /// A regency or city, a province, or the nation (ID).
    #[arg(value_name = "REGION")]
    #[param(example = "18.71")]
    pub code: RegionCode,
}

impl Endpoint for ProgressQuestion {
    const PATH: &'static str = "/v1/regions/{code}/progress";
    type Days = Days;
    type Answer = Progress;
}

impl Question for ProgressQuestion {
    const ID: &'static str = "region_progress";
    const ANSWER: &'static str = "How far the region is";

    fn answer(&self, days: &Self::Days, view: &View) -> Result<Self::Answer, QueryError> {
        progress(view, self.code, days)
    }
}

/// How far every province, or every regency and city, within a region is.
#[derive(Clone, Debug, Args, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct ProgressListQuestion {
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

impl Endpoint for ProgressListQuestion {
    const PATH: &'static str = "/v1/progress";
    type Days = Days;
    type Answer = ProgressList;
}

impl Question for ProgressListQuestion {
    const ID: &'static str = "list_progress";
    const ANSWER: &'static str = "How far every region is";

    fn answer(&self, days: &Self::Days, view: &View) -> Result<Self::Answer, QueryError> {
        progress_list(view, self.level, self.within, days)
    }
}

/// How far a region is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Progress {
    /// The region.
    pub region: RegionName,
    /// The day that the figures speak of.
    pub as_of: Date,
    /// The day whose knowledge they rest on; none if it is all that is known.
    pub known_at: Option<Date>,
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
    /// What the answer rests on.
    pub evidence: Evidence,
    /// A relative link to the same question, with both days filled in.
    pub link: String,
}

/// How far each region of a level is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProgressList {
    /// What the rows are.
    pub level: RegionLevel,
    /// The region that they lie in.
    pub within: RegionCode,
    /// The day that the figures speak of.
    pub as_of: Date,
    /// The day whose knowledge they rest on; none if it is all that is known.
    pub known_at: Option<Date>,
    /// Every region, also those with nothing but zeros, in the order of the codes.
    pub rows: Vec<ProgressRow>,
    /// What the answer rests on.
    pub evidence: Evidence,
    /// A relative link to the same question, with both days filled in.
    pub link: String,
}

/// How far one region of several is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ProgressRow {
    /// The region.
    pub region: RegionName,
    /// The figures.
    #[serde(flatten)]
    pub figures: Figures,
    /// A relative link to this region's own answer, with both days filled in.
    pub link: String,
}

/// The figures of a progress answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Figures {
    /// People whose IKD is active:
    /// `activations` − `deactivations` + `moves_in` − `moves_out`.
    pub activated: i64,
    /// Inactive to active.
    pub activations: i64,
    /// Active to inactive.
    pub deactivations: i64,
    /// Moved in while active.
    pub moves_in: i64,
    /// Moved out while active.
    pub moves_out: i64,
    /// Electronic cards.
    pub cards: Cards,
    /// Asked, but not activated.
    pub deferrals: i64,
    /// Between which numbers `activated` lies when all that is missing has come in; none of a
    /// past `known_at`.
    pub bounds: Option<Bounds>,
    /// What `activated` is a share of.
    pub denominators: Vec<DenominatorShare>,
    /// What the region is to reach.
    pub target: Option<TargetShare>,
    /// What may be missing; none of a past `known_at`.
    pub missing: Option<Missing>,
}

/// Electronic cards.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Cards {
    /// Biometrics recorded.
    pub recorded: i64,
    /// Those of them who hold their first card.
    pub recorded_first_time: i64,
    /// Printed cards asked for.
    pub requested: i64,
    /// Cards printed.
    pub printed: i64,
    /// People who wait for a printed card.
    pub queue: i64,
}

impl Cards {
    /// As they stand at the end of what was summed.
    pub(crate) fn of(sums: &Totals) -> Self {
        Self {
            recorded: sums.of(Account::CardsRecorded),
            recorded_first_time: sums.recorded_first_time,
            requested: sums.of(Account::CardsRequested),
            printed: sums.of(Account::CardsPrinted),
            queue: sums.of(Account::PrintQueue),
        }
    }
}

/// The sums of every region of a scope, by their place in the region table: of all postings they
/// are there already, else one pass.
fn totals(view: &View, scope: &Scope, days: &Days) -> Arc<[Totals]> {
    if days.as_of.is_none() && days.known_at.is_none() {
        return Arc::clone(view.sums.totals());
    }
    let window = days.window();
    let mut totals = vec![Totals::default(); RegionTable::get().len()];
    for group in view.sums.groups(scope).filter(|group| is_counted(group.account)) {
        let sums = &mut totals[usize::from(group.region.0)];
        for cell in window.cells(group.cells) {
            sums.post(group.account, cell);
        }
    }
    totals.into()
}

/// How far a regency, city or province or the nation is.
///
/// # Errors
/// If there is no such region.
pub fn progress(view: &View, region: RegionCode, days: &Days) -> Result<Progress, QueryError> {
    let name = region_name(region)?;
    let scope = Scope::of(region)?;
    let sum = sum_within(&totals(view, &scope, days), &scope);
    let silent = Silent::of(view);
    Ok(Progress {
        as_of: days.day(view.today),
        known_at: days.known_at,
        figures: figures(view, &name, &sum, days, &silent),
        evidence: view.evidence(),
        link: progress_link(region, view, days),
        region: name,
    })
}

/// How far every province, or every regency and city, within a region is.
///
/// # Errors
/// If there is no such region, or it cannot have regions of that level.
pub fn progress_list(
    view: &View,
    level: Level,
    within: RegionCode,
    days: &Days,
) -> Result<ProgressList, QueryError> {
    let asked = ProgressListQuestion { level, within };
    let level = RegionLevel::from(level);
    let scope = Scope::with_level(within, level)?;
    let totals = totals(view, &scope, days);
    let silent = Silent::of(view);
    let rows = scope
        .codes(level)
        .map(|code| row(view, code, &sum_within(&totals, &Scope::of(code)?), days, &silent));
    Ok(ProgressList {
        level,
        within,
        as_of: days.day(view.today),
        known_at: days.known_at,
        rows: rows.collect::<Result<_, QueryError>>()?,
        evidence: view.evidence(),
        link: asked.link(&days.filled(&view.horizon())),
    })
}

/// One region's row, of sums made elsewhere.
pub(crate) fn row(
    view: &View,
    code: RegionCode,
    sum: &Totals,
    days: &Days,
    silent: &Silent,
) -> Result<ProgressRow, QueryError> {
    let region = region_name(code)?;
    let figures = figures(view, &region, sum, days, silent);
    Ok(ProgressRow { region, figures, link: progress_link(code, view, days) })
}

fn progress_link(region: RegionCode, view: &View, days: &Days) -> String {
    ProgressQuestion { code: region }.link(&days.filled(&view.horizon()))
}

fn figures(
    view: &View,
    region: &RegionName,
    sum: &Totals,
    days: &Days,
    silent: &Silent,
) -> Figures {
    let activated = sum.active();
    let is_now = !days.asks_past_knowledge(view.today);
    let missing = is_now.then(|| missing(view, region.code, silent));
    Figures {
        activated,
        activations: sum.of(Account::Activations),
        deactivations: sum.of(Account::Deactivations),
        moves_in: sum.of(Account::MovesIn),
        moves_out: sum.of(Account::MovesOut),
        cards: Cards::of(sum),
        deferrals: sum.of(Account::Deferrals),
        bounds: missing.as_ref().map(|missing| answer::bounds(activated, missing)),
        denominators: denominators(view, region.code, activated, days),
        target: target(view, region.code, activated, days),
        missing,
    }
}

/// What may be missing of a region, unless a question asks for the knowledge of a past day.
pub(crate) fn missing_of(view: &View, region: RegionCode, days: &Days) -> Option<Missing> {
    let is_now = !days.asks_past_knowledge(view.today);
    is_now.then(|| missing(view, region, &Silent::of(view)))
}

/// The same of several regions, by whatever key distinguishes them.
pub(crate) fn missing_of_each<K: Ord>(
    view: &View,
    regions: impl Iterator<Item = (K, RegionCode)>,
    days: &Days,
) -> BTreeMap<K, Missing> {
    if days.asks_past_knowledge(view.today) {
        return BTreeMap::new();
    }
    let silent = Silent::of(view);
    regions.map(|(key, region)| (key, missing(view, region, &silent))).collect()
}

fn missing(view: &View, region: RegionCode, silent: &Silent) -> Missing {
    let index = RegionTable::get().index_of(region);
    let unknown = view.gaps.of(index);
    Missing {
        events: unknown.events,
        kiosks: unknown.kiosks,
        quarantined: unknown.quarantined,
        silent_kiosks: silent.within(index).to_vec(),
    }
}
