//! The shapes of quoted figures: the figure itself, what the same question answers now, and why
//! the two differ.

use jiff::civil::Date;
use laju_schemas::event::DeactivationReason;
use laju_schemas::quoted::{AgeCount, FigureDigest, ReasonCount};
use laju_schemas::reference::Basis;
use laju_schemas::{FigureId, LogCopy, TimestampMs};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Age, Bounds, DenominatorShare, Evidence, Missing, Progress, RegionName, TargetShare};

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

/// Why a figure differs from what the same question answers now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FigureDifference {
    /// `now.activated` − `figure.activated`: the sum of the parts' amounts.
    pub activated: i64,
    /// What it consists of; parts of nothing are left out.
    pub parts: Vec<FigurePart>,
    /// Of the new activations those that were recorded two days or more after they happened; none
    /// if the figure rests on another log or other rules.
    pub late_arrivals: Option<i64>,
    /// Every denominator of the two.
    pub denominators: Vec<DenominatorDifference>,
    /// Their targets; none where neither has one.
    pub target: Option<TargetDifference>,
    /// Whether the figure rests on the log that is folded now, up to a place within it.
    pub same_log: bool,
    /// The log that the figure was quoted from, where the one that is folded now is a copy of it, up
    /// to all that the figure rests on; none where it was quoted from this one.
    #[serde(default)]
    pub copy_of: Option<OriginalLog>,
    /// Whether events are still counted by the same rules.
    pub same_rules: bool,
    /// A relative link to the postings behind the difference, by whole days of recording from the
    /// day before the figure was quoted; none where they cannot be told apart from those before.
    pub link: Option<String>,
}

/// A log that another one is a copy of, with the same records at the same offsets.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OriginalLog {
    /// Its Kafka cluster.
    pub cluster_id: String,
    /// The full name of its events topic.
    pub topic: String,
    /// How far it was copied, by the backup's clock.
    pub copied_at: TimestampMs,
    /// When the copy was made.
    pub restored_at: TimestampMs,
}

impl OriginalLog {
    /// As a copy names it.
    #[must_use]
    pub fn of(copy: &LogCopy) -> Self {
        Self {
            cluster_id: copy.original_cluster_id.clone(),
            topic: copy.original_topic.clone(),
            copied_at: copy.copied_at,
            restored_at: copy.restored_at,
        }
    }
}

/// What a part of a difference is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum FigurePartKind {
    /// New activations, by how many days after they happened they were recorded.
    Activations,
    /// New moves in.
    MovesIn,
    /// New moves out; amounts below zero.
    MovesOut,
    /// New deactivations, by reason; amounts below zero.
    Deactivations,
    /// Activations taken back: retracted, or put right by a fact that came late; below zero.
    ReversedActivations,
    /// Moves in taken back; below zero.
    ReversedMovesIn,
    /// Moves out taken back.
    ReversedMovesOut,
    /// Deactivations taken back, by reason.
    ReversedDeactivations,
}

impl FigurePartKind {
    /// Its name in answers.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Activations => "activations",
            Self::MovesIn => "moves_in",
            Self::MovesOut => "moves_out",
            Self::Deactivations => "deactivations",
            Self::ReversedActivations => "reversed_activations",
            Self::ReversedMovesIn => "reversed_moves_in",
            Self::ReversedMovesOut => "reversed_moves_out",
            Self::ReversedDeactivations => "reversed_deactivations",
        }
    }
}

/// A part of a difference. What was posted and taken back on one recorded day is seen by what is
/// left of it, so the amounts are what the difference consists of, to the last person.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FigurePart {
    /// What it is.
    pub kind: FigurePartKind,
    /// Of new activations, how late they were recorded.
    pub age: Option<Age>,
    /// Of deactivations and those taken back, why.
    pub reason: Option<DeactivationReason>,
    /// What it adds to the figure: people, below zero where it takes them away.
    pub amount: i64,
}

/// A denominator then and now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DenominatorDifference {
    /// What it counts.
    pub basis: Basis,
    /// That of the figure.
    pub then: Option<DenominatorShare>,
    /// That of the answer now.
    pub now: Option<DenominatorShare>,
    /// Whether another figure or another source stands behind it, and not people alone.
    pub changed: bool,
}

/// A target then and now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetDifference {
    /// That of the figure.
    pub then: Option<TargetShare>,
    /// That of the answer now.
    pub now: Option<TargetShare>,
    /// Whether it is another target, and not people alone.
    pub changed: bool,
}
