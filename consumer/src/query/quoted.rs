//! Quoting a figure: a progress answer with what a later difference is explained by, fixed under an
//! id; and a figure once quoted beside what the same question answers now.

mod counters;
mod difference;
mod figure_store;
#[cfg(test)]
pub(crate) mod tests;
mod verify;

use clap::Args;
use jiff::civil::Date;
use laju_schemas::event::DeactivationReason;
use laju_schemas::quoted::{
    ACTIVATION_AGES, AgeCount, FORM, FigureContent, FigureDigest, ReasonCount,
};
use laju_schemas::{FigureId, QuotedFigure, RegionCode, TimestampMs};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::QueryError;

pub use counters::question_of;
use counters::{Category, counters};

use super::days::{Days, NoDays};
use super::question::{Endpoint, limit};
use super::view::View;
use crate::query::answer::{Bounds, DenominatorShare, Evidence, Missing, RegionName, TargetShare};
use crate::query::figures::progress::{Progress, progress};
use crate::query::scope::{Scope, region_name};

pub use difference::{
    DenominatorDifference, FigureDifference, FigurePart, FigurePartKind, OriginalLog,
    TargetDifference,
};
pub use figure_store::{FigureStore, Found, LatestFigures, NotRead, WhyDamaged};
pub use verify::{FieldDifference, differences};

/// How many figures a list shows where nothing else is asked for.
pub const ROWS: u32 = 50;
/// The most that can be asked for.
pub const MOST_ROWS: u32 = 1_000;

/// What was once quoted, what it is now, and why the two differ.
#[derive(Clone, Debug, Args, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Path)]
pub struct FigureQuestion {
    /// The figure's id.
    #[arg(value_name = "UUID")]
    pub id: FigureId,
}

impl Endpoint for FigureQuestion {
    const PATH: &'static str = "/v1/figures/{id}";
    type Days = NoDays;
    type Answer = FigureThenAndNow;
}

/// Which figures were quoted.
#[derive(Clone, Debug, Args, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FiguresQuestion {
    /// Only figures of this region.
    #[arg(long, value_name = "REGION")]
    pub region: Option<RegionCode>,
    /// How many at most, the latest first; 50 if it is not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST_ROWS.into()))]
    #[serde(default, deserialize_with = "limit::<1, MOST_ROWS, _>")]
    #[param(minimum = 1, maximum = 1000)]
    pub limit: Option<u32>,
    /// Only figures behind this one in the list: the page after the one that ended with it.
    #[arg(long, value_name = "UUID")]
    pub after: Option<FigureId>,
}

impl Endpoint for FiguresQuestion {
    const PATH: &'static str = "/v1/figures";
    type Days = NoDays;
    type Answer = FigureList;
}

/// A figure once quoted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Figure {
    /// Its id: the same answer has the same.
    pub figure_id: FigureId,
    /// The version of what the digest is over.
    pub form: u32,
    /// The region.
    pub region: RegionName,
    /// The day that the figure speaks of.
    pub as_of: Date,
    /// The day whose knowledge it rests on; none if it was all that was known.
    pub known_at: Option<Date>,
    /// People whose IKD was active:
    /// `activations` − `deactivations` + `moves_in` − `moves_out`.
    pub activated: i64,
    /// Inactive to active.
    pub activations: i64,
    /// The same by how many days after they happened they were recorded.
    pub activations_by_age: Vec<AgeCount>,
    /// Active to inactive.
    pub deactivations: i64,
    /// The same by reason.
    pub deactivations_by_reason: Vec<ReasonCount>,
    /// Moved in while active.
    pub moves_in: i64,
    /// Moved out while active.
    pub moves_out: i64,
    /// What `activated` is a share of.
    pub denominators: Vec<DenominatorShare>,
    /// What the region was to reach.
    pub target: Option<TargetShare>,
    /// What the figure rests on.
    pub evidence: Evidence,
    /// SHA-256 over all of the above but the id, in canonical JSON with the region's code alone.
    pub digest: FigureDigest,
    /// Between which numbers `activated` lay then; none of a past `known_at`. Not in the digest,
    /// like all that follows.
    pub bounds: Option<Bounds>,
    /// What may have been missing then; none of a past `known_at`.
    pub missing: Option<Missing>,
    /// When it was quoted.
    pub quoted_at: TimestampMs,
    /// The name of the access token that quoted it, if there was one.
    pub quoted_by: Option<String>,
    /// What it was quoted for.
    pub note: Option<String>,
    /// A relative link to the figure, for ever.
    pub link: String,
}

/// Figures once quoted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FigureList {
    /// How many there are, of the region asked for.
    pub total: u64,
    /// The latest quoted first.
    pub rows: Vec<Figure>,
    /// A relative link to the next page; none on the last.
    pub next: Option<String>,
    /// How many ids there are, of whichever region, of which there is nothing that can be trusted.
    pub damaged_total: u64,
    /// The first of those ids, in their order: no more than rows were asked for.
    pub damaged: Vec<DamagedFigure>,
}

/// An id of which there is nothing that can be trusted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DamagedFigure {
    /// The id.
    pub figure_id: FigureId,
    /// What is wrong with its record.
    pub detail: String,
}

/// A figure once quoted, what the same question answers now, and why the two differ.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FigureThenAndNow {
    /// The figure.
    pub figure: Figure,
    /// The answer to the same question now; none while this node answers no figures.
    pub now: Option<Progress>,
    /// Why the two differ; none where `now` is.
    pub difference: Option<FigureDifference>,
    /// Why there is no `now`.
    pub without_now: Option<String>,
}

/// What a figure says and rests on: the answer to a question of one region, whose `as_of` is a day.
///
/// # Errors
/// If there is no such region.
pub fn content(view: &View, region: RegionCode, days: &Days) -> Result<FigureContent, QueryError> {
    answered(view, region, days).map(|(content, _)| content)
}

fn answered(
    view: &View,
    region: RegionCode,
    days: &Days,
) -> Result<(FigureContent, Progress), QueryError> {
    let progress = progress(view, region, days)?;
    let scope = Scope::of(region)?;
    let counters = counters(view, &scope, days.window());
    let count = |category: Category| counters.get(&category).copied().unwrap_or(0);
    let ages = ACTIVATION_AGES.into_iter().enumerate();
    let reasons = DeactivationReason::ALL.iter();
    let figures = &progress.figures;
    let mut content = FigureContent {
        form: FORM,
        region,
        as_of: progress.as_of,
        known_at: progress.known_at,
        activated: figures.activated,
        activations: figures.activations,
        activations_by_age: ages
            .map(|(place, (from_days, to_days))| {
                let count = count(Category::Activations(place));
                AgeCount { from_days, to_days, count }
            })
            .collect(),
        deactivations: figures.deactivations,
        deactivations_by_reason: reasons
            .map(|&reason| ReasonCount { reason, count: count(Category::Deactivations(reason)) })
            .collect(),
        moves_in: figures.moves_in,
        moves_out: figures.moves_out,
        denominators: figures.denominators.clone(),
        target: figures.target.clone(),
        evidence: progress.evidence.clone(),
    };
    content.sort();
    Ok((content, progress))
}

/// The answer to a question of one region, as it is quoted now. Without `as_of` it is of today, and
/// of today for ever.
///
/// # Errors
/// If there is no such region.
pub fn quote(
    view: &View,
    region: RegionCode,
    days: &Days,
    (quoted_by, note): (Option<String>, Option<String>),
) -> Result<QuotedFigure, QueryError> {
    let days = Days { as_of: Some(days.day(view.today)), ahead: false, ..*days };
    let (content, progress) = answered(view, region, &days)?;
    Ok(QuotedFigure {
        bounds: progress.figures.bounds,
        missing: progress.figures.missing,
        quoted_by,
        note,
        ..QuotedFigure::new(content, view.now)
    })
}

/// A figure, and what the same question answers now.
///
/// # Errors
/// If there is no such region any more.
pub fn then_and_now(view: &View, quoted: &QuotedFigure) -> Result<FigureThenAndNow, QueryError> {
    let now = progress(view, quoted.content.region, &question_of(&quoted.content))?;
    let difference = difference::difference(view, quoted, &now)?;
    Ok(FigureThenAndNow {
        figure: figure(quoted)?,
        now: Some(now),
        difference: Some(difference),
        without_now: None,
    })
}

/// A figure as answers have it.
///
/// # Errors
/// If there is no such region any more.
pub fn figure(quoted: &QuotedFigure) -> Result<Figure, QueryError> {
    let QuotedFigure { figure_id, content, digest, .. } = quoted;
    Ok(Figure {
        figure_id: *figure_id,
        form: content.form,
        region: region_name(content.region)?,
        as_of: content.as_of,
        known_at: content.known_at,
        activated: content.activated,
        activations: content.activations,
        activations_by_age: content.activations_by_age.clone(),
        deactivations: content.deactivations,
        deactivations_by_reason: content.deactivations_by_reason.clone(),
        moves_in: content.moves_in,
        moves_out: content.moves_out,
        denominators: content.denominators.clone(),
        target: content.target.clone(),
        evidence: content.evidence.clone(),
        digest: *digest,
        bounds: quoted.bounds,
        missing: quoted.missing.clone(),
        quoted_at: quoted.quoted_at,
        quoted_by: quoted.quoted_by.clone(),
        note: quoted.note.clone(),
        link: FigureQuestion { id: *figure_id }.link(&NoDays {}),
    })
}
