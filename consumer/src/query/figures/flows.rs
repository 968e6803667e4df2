//! Who serves whom, and who moves where? Activations by home and serving region, and moves by old
//! and new home: as matrices, a page at a time, and as one region sees them.

use std::collections::BTreeMap;

use clap::Args;
use jiff::civil::Date;
use laju_schemas::{RegionCode, RegionIndex, RegionTable};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::query::QueryError;
use crate::query::answer::{self, Bounds, Evidence, Missing, RegionName};
use crate::query::days::Days;
use crate::query::figures::matrices::{Matrices, Matrix};
use crate::query::figures::progress::missing_of;
use crate::query::page::{self, LARGEST_PAGE, PAGE};
use crate::query::question::{Endpoint, Question, limit, nation, rows};
use crate::query::scope::{Scope, region_name};
use crate::query::view::View;

/// Who serves whom, and who moves where.
#[derive(Clone, Debug, Args, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct FlowsQuestion {
    /// Only pairs with one end within this region; the whole nation if it is not given.
    #[arg(long, value_name = "REGION", default_value_t = RegionCode::NATION)]
    #[serde(default = "nation")]
    #[param(example = "18")]
    pub within: RegionCode,
    /// How many rows of both lists together at most; 1,000 if it is not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=LARGEST_PAGE.into()))]
    #[serde(default, deserialize_with = "limit::<1, LARGEST_PAGE, _>")]
    #[param(minimum = 1, maximum = 10000)]
    pub limit: Option<u32>,
    /// Only rows after this one, as `next` of the page before has it.
    #[arg(long, value_name = "ROW")]
    pub after: Option<String>,
}

impl Endpoint for FlowsQuestion {
    const PATH: &'static str = "/v1/flows";
    type Days = Days;
    type Answer = Flows;
}

impl Question for FlowsQuestion {
    const ID: &'static str = "list_flows";
    const ANSWER: &'static str = "Who serves whom and who moves where";

    fn answer(&self, days: &Self::Days, view: &View) -> Result<Self::Answer, QueryError> {
        flows(view, self, days)
    }
}

/// Whom a region serves, who serves its people, and where they move.
#[derive(Clone, Debug, Args, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct RegionFlowsQuestion {
    /// A regency or city, a province, or the nation (ID).
    #[arg(value_name = "REGION")]
    #[param(example = "18.71")]
    pub code: RegionCode,
}

impl Endpoint for RegionFlowsQuestion {
    const PATH: &'static str = "/v1/regions/{code}/flows";
    type Days = Days;
    type Answer = RegionFlows;
}

impl Question for RegionFlowsQuestion {
    const ID: &'static str = "region_flows";
    const ANSWER: &'static str = "Whom the region serves, who serves its people, where they move";

    fn answer(&self, days: &Self::Days, view: &View) -> Result<Self::Answer, QueryError> {
        region_flows(view, self.code, days)
    }
}

/// Who serves whom and who moves where, as two sparse matrices of regencies and cities. The pages
/// have all rows of the first before any of the second.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Flows {
    /// One of a row's two regions lies in this one.
    pub within: RegionCode,
    /// The day that the figures speak of.
    pub as_of: Date,
    /// The day whose knowledge they rest on; none if it is all that is known.
    pub known_at: Option<Date>,
    /// Activations by home and serving region, in the order of the codes; no row of nothing.
    pub services: Vec<ServiceFlow>,
    /// Moves of active people, in the same order; no row of nothing.
    pub moves: Vec<MoveFlow>,
    /// How many rows `services` has on all pages.
    pub services_total: u64,
    /// How many rows `moves` has on all pages.
    pub moves_total: u64,
    /// A relative link to the next page; none on the last.
    pub next: Option<String>,
    /// What may be missing; none of a past `known_at`. Every count may turn out less or more by at
    /// most its `events` and `quarantined` together.
    pub missing: Option<Missing>,
    /// What the answer rests on.
    pub evidence: Evidence,
    /// A relative link to the same question, with both days filled in.
    pub link: String,
}

/// Activations of one region's people by one region's office.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ServiceFlow {
    /// Where they are registered.
    pub home_region: RegionCode,
    /// Whose office served them.
    pub service_region: RegionCode,
    /// How many activations.
    pub activations: i64,
}

/// Moves from one region to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MoveFlow {
    /// The old home.
    pub from_region: RegionCode,
    /// The new home.
    pub to_region: RegionCode,
    /// How many moves.
    pub moves: i64,
}

/// Whom a region serves, who serves its people, and where they move.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegionFlows {
    /// The region.
    pub region: RegionName,
    /// The day that the figures speak of.
    pub as_of: Date,
    /// The day whose knowledge they rest on; none if it is all that is known.
    pub known_at: Option<Date>,
    /// Activations of its own people by its own offices.
    pub own_served_here: i64,
    /// Activations of its own people by others' offices: they count here.
    pub own_served_elsewhere: i64,
    /// By whose, the largest first.
    pub served_by: Vec<FlowRow>,
    /// Activations of others' people by its own offices: they count elsewhere.
    pub guests_served: i64,
    /// Whose people they are, the largest first.
    pub guests_from: Vec<FlowRow>,
    /// Moves in from outside of it: of a province fewer than its regencies' sum.
    pub moved_in: i64,
    /// From where, the largest first.
    pub moved_in_from: Vec<FlowRow>,
    /// Moves out of it: of a province fewer than its regencies' sum, too.
    pub moved_out: i64,
    /// To where, the largest first.
    pub moved_out_to: Vec<FlowRow>,
    /// Between which numbers the totals lie when all that is missing has come in; none of a past
    /// `known_at`.
    pub bounds: Option<FlowBounds>,
    /// What may be missing; none of a past `known_at`. Every count may turn out less or more by at
    /// most its `events` and `quarantined` together.
    pub missing: Option<Missing>,
    /// What the answer rests on.
    pub evidence: Evidence,
    /// A relative link to the same question, with both days filled in.
    pub link: String,
}

/// Between which numbers the totals of a region's flows lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlowBounds {
    /// Of [`RegionFlows::own_served_here`].
    pub own_served_here: Bounds,
    /// Of [`RegionFlows::own_served_elsewhere`].
    pub own_served_elsewhere: Bounds,
    /// Of [`RegionFlows::guests_served`].
    pub guests_served: Bounds,
    /// Of [`RegionFlows::moved_in`].
    pub moved_in: Bounds,
    /// Of [`RegionFlows::moved_out`].
    pub moved_out: Bounds,
}

/// The other end of a flow.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FlowRow {
    /// The other regency or city.
    pub region: RegionName,
    /// How many.
    pub count: i64,
}

fn code(region: RegionIndex) -> RegionCode {
    RegionTable::get().at(region).code
}

/// Which of the two matrices, in the order of the pages.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Services,
    Moves,
}

/// Where a row stands: its matrix and its two regions.
type Place = (Kind, (RegionIndex, RegionIndex));

fn cursor((kind, (a, b)): Place) -> String {
    let kind = if kind == Kind::Services { "services" } else { "moves" };
    format!("{kind},{},{}", code(a), code(b))
}

fn place(cursor: &str) -> Option<Place> {
    let (kind, regions) = cursor.split_once(',')?;
    let (a, b) = regions.split_once(',')?;
    let region = |code: &str| RegionTable::get().index_of(code.parse().ok()?);
    let kind = match kind {
        "services" => Kind::Services,
        "moves" => Kind::Moves,
        _ => return None,
    };
    Some((kind, (region(a)?, region(b)?)))
}

/// A page of the flows that begin or end within a region.
///
/// # Errors
/// If there is no such region, or `after` is no row of such a list.
pub fn flows(view: &View, asked: &FlowsQuestion, days: &Days) -> Result<Flows, QueryError> {
    let within = asked.within;
    let scope = Scope::of(within)?;
    let after = asked.after.as_deref();
    let after = after.map(|after| place(after).ok_or_else(|| page::no_place(after))).transpose()?;
    let matrices = Matrices::of(view, &scope, days);
    let of = |kind, matrix: &Matrix| matrix.rows().map(|(key, n)| ((kind, key), n)).collect();
    let mut all: Vec<(Place, i64)> = of(Kind::Services, &matrices.services);
    let services_total = all.len();
    all.append(&mut of(Kind::Moves, &matrices.moves));
    let moves_total = all.len() - services_total;
    let from = after.map_or(0, |after| all.partition_point(|(place, _)| *place <= after));
    let limit = rows(asked.limit, PAGE);
    let has_more = page::cut(&mut all, from, limit);
    let next = all.last().filter(|_| has_more).map(|(last, _)| {
        let (limit, after) = (Some(limit as u32), Some(cursor(*last)));
        FlowsQuestion { within, limit, after }.link(days)
    });
    let (mut services, mut moves) = (Vec::new(), Vec::new());
    for ((kind, (a, b)), count) in all {
        let (a, b) = (code(a), code(b));
        match kind {
            Kind::Services => {
                services.push(ServiceFlow { home_region: a, service_region: b, activations: count })
            }
            Kind::Moves => moves.push(MoveFlow { from_region: a, to_region: b, moves: count }),
        }
    }
    Ok(Flows {
        within,
        as_of: days.day(view.today),
        known_at: days.known_at,
        services,
        moves,
        services_total: services_total as u64,
        moves_total: moves_total as u64,
        next,
        missing: missing_of(view, within, days),
        evidence: view.evidence(),
        link: asked.link(&days.filled(&view.horizon())),
    })
}

/// Whom a region serves, who serves its people, and where they move.
///
/// # Errors
/// If there is no such region.
pub fn region_flows(
    view: &View,
    region: RegionCode,
    days: &Days,
) -> Result<RegionFlows, QueryError> {
    let name = region_name(region)?;
    let scope = Scope::of(region)?;
    let Matrices { services, moves } = Matrices::of(view, &scope, days);
    let inside = scope.indices();
    let is_in = |region: RegionIndex| inside.contains(&region.0);
    let both = |((a, b), _): &((RegionIndex, RegionIndex), i64)| is_in(*a) && is_in(*b);
    let outwards = |matrix: &Matrix| ends(matrix, |(from, to)| is_in(from).then_some(to), is_in);
    let inwards = |matrix: &Matrix| ends(matrix, |(from, to)| is_in(to).then_some(from), is_in);
    let (served_by, guests_from) = (outwards(&services)?, inwards(&services)?);
    let (moved_in_from, moved_out_to) = (inwards(&moves)?, outwards(&moves)?);
    let sum = |rows: &[FlowRow]| rows.iter().map(|row| row.count).sum::<i64>();
    let own_served_here = services.rows().filter(both).map(|(_, count)| count).sum();
    let missing = missing_of(view, region, days);
    let bounds = missing.as_ref().map(|missing| FlowBounds {
        own_served_here: answer::bounds(own_served_here, missing),
        own_served_elsewhere: answer::bounds(sum(&served_by), missing),
        guests_served: answer::bounds(sum(&guests_from), missing),
        moved_in: answer::bounds(sum(&moved_in_from), missing),
        moved_out: answer::bounds(sum(&moved_out_to), missing),
    });
    Ok(RegionFlows {
        region: name,
        as_of: days.day(view.today),
        known_at: days.known_at,
        own_served_here,
        own_served_elsewhere: sum(&served_by),
        served_by,
        guests_served: sum(&guests_from),
        guests_from,
        moved_in: sum(&moved_in_from),
        moved_in_from,
        moved_out: sum(&moved_out_to),
        moved_out_to,
        bounds,
        missing,
        evidence: view.evidence(),
        link: RegionFlowsQuestion { code: region }.link(&days.filled(&view.horizon())),
    })
}

/// The other ends of a matrix' flows that lie outside, the largest first.
fn ends(
    matrix: &Matrix,
    other: impl Fn((RegionIndex, RegionIndex)) -> Option<RegionIndex>,
    is_in: impl Fn(RegionIndex) -> bool,
) -> Result<Vec<FlowRow>, QueryError> {
    let mut counts: BTreeMap<RegionIndex, i64> = BTreeMap::new();
    for (key, count) in matrix.rows() {
        if let Some(other) = other(key).filter(|other| !is_in(*other)) {
            *counts.entry(other).or_default() += count;
        }
    }
    let mut rows: Vec<_> = counts.into_iter().collect();
    rows.sort_by_key(|(region, count)| (std::cmp::Reverse(*count), *region));
    let row = |(region, count)| Ok(FlowRow { region: region_name(code(region))?, count });
    rows.into_iter().map(row).collect()
}
