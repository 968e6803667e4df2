//! The shape of the answer to why a figure changed.

use jiff::civil::Date;
use laju_schemas::event::DeactivationReason;
use laju_schemas::reference::Basis;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Bounds, DenominatorShare, Evidence, Missing, RegionName, TargetShare};
use crate::domain::rate::Rate;
use laju_schemas::share::Share;

/// Which of a question's two days differs between the two readings.
#[derive(
    Clone, Copy, Debug, Default, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize, ToSchema,
)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum Axis {
    /// What was known: the same `as_of`, or none.
    #[default]
    KnownAt,
    /// What was true: the same `known_at`, or none.
    AsOf,
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

/// What a part of a change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum PartKind {
    /// Activations that happened after the earlier day.
    NewActivations,
    /// Activations that happened up to the earlier day and were recorded after it.
    LateActivations,
    /// Moved in while active.
    MovesIn,
    /// Moved out while active; counts below zero.
    MovesOut,
    /// Active to inactive, by reason; counts below zero.
    Deactivations,
    /// Activations taken back: retracted, or put right by a fact that came late; counts below zero.
    ReversedActivations,
    /// Moves in taken back; counts below zero.
    ReversedMovesIn,
    /// Moves out taken back.
    ReversedMovesOut,
    /// Deactivations taken back, by reason.
    ReversedDeactivations,
    /// Activations by events released from quarantine, whenever they happened. Like the next
    /// three, with what those events took back; no other part has any of it.
    ReleasedActivations,
    /// Deactivations by such events, by reason.
    ReleasedDeactivations,
    /// Moves in by such events.
    ReleasedMovesIn,
    /// Moves out by such events.
    ReleasedMovesOut,
}

/// How many days after it happened something was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Age {
    /// The fewest.
    pub from_days: u32,
    /// The most; none without an end.
    pub to_days: Option<u32>,
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
