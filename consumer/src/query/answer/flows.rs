//! The shapes of the answers to who serves whom, and who moves where.

use jiff::civil::Date;
use laju_schemas::RegionCode;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Bounds, Evidence, Missing, RegionName};

/// Who serves whom and who moves where, as two sparse matrices of regencies and cities.
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
