//! The shape of the answer to what a region's figure rests on, part by part.

use jiff::civil::Date;
use laju_schemas::reference::{Basis, Percent};
use laju_schemas::{ReferenceId, RegionCode};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Bounds, Evidence, Missing, ReasonCount, RegionName};
use crate::query::ahead::RecordedAhead;
use laju_schemas::share::Share;

/// What a region's figure rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FigureEvidence {
    /// The figure and what it was made of: the same for the same days, offsets and rules, on every
    /// node and at every time.
    pub core: EvidenceCore,
    /// The SHA-256 of `core` as compact JSON, as it stands in this answer, in 64 hex digits:
    /// `jq -cj .core | sha256sum`.
    pub digest: String,
    /// What `core.activated` is the sum of, each with its postings.
    pub parts: Vec<EvidencePart>,
    /// Between which numbers `activated` lies now; none of a past `known_at`.
    pub bounds: Option<Bounds>,
    /// What may be missing now; none of a past `known_at`.
    pub missing: Option<Missing>,
    /// The kiosks of which something is missing now; none of a past `known_at`.
    pub missing_kiosks: Option<MissingKiosks>,
    /// What could not be counted of what was known and names the region.
    pub quarantined: QuarantinedEvidence,
    /// The partitions with a record stamped more than a day ahead of this node's clock: what came
    /// after it there counts as recorded no earlier. Empty as a rule.
    pub recorded_ahead: Vec<RecordedAhead>,
    /// A relative link to the same question, with both days filled in.
    pub link: String,
}

/// A figure and what it was made of.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidenceCore {
    /// The region.
    pub region: RegionName,
    /// The day that the figure speaks of.
    pub as_of: Date,
    /// The day whose knowledge it rests on; none if it is all that is known.
    pub known_at: Option<Date>,
    /// People whose IKD is active: the numerator of every share.
    pub activated: i64,
    /// Inactive to active.
    pub activations: i64,
    /// Active to inactive.
    pub deactivations: i64,
    /// Moved in while active.
    pub moves_in: i64,
    /// Moved out while active.
    pub moves_out: i64,
    /// What `activated` is a share of.
    pub denominators: Vec<DenominatorEvidence>,
    /// What the region is to reach.
    pub target: Option<TargetEvidence>,
    /// How far the log was read, and the rules by which it was counted.
    pub evidence: Evidence,
}

/// A part of a figure.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct EvidencePart {
    /// `activations`, `deactivations`, `moves_in` or `moves_out`.
    pub account: String,
    /// What it adds to the figure: people, below zero where it takes them away.
    pub count: i64,
    /// A relative link to its postings: their total is this count, or its opposite.
    pub link: String,
}

/// A denominator and its records.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DenominatorEvidence {
    /// What it counts.
    pub basis: Basis,
    /// People.
    pub value: u64,
    /// Activated of them, in percent; none of nobody.
    pub coverage_percent: Option<Share>,
    /// The record; or, of a sum of regencies, those of each of them.
    pub records: Vec<ReferenceEvidence>,
}

/// A target and its record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetEvidence {
    /// `percent` or `absolute`.
    pub kind: String,
    /// The percentage; none of an absolute target.
    pub percent: Option<Percent>,
    /// What the percentage is of.
    pub basis: Basis,
    /// People to be reached, rounded up.
    pub people: u64,
    /// Activated of the exact target, in percent; none of nobody.
    pub attainment_percent: Option<Share>,
    /// The record.
    pub record: ReferenceEvidence,
}

/// A record of the reference topic.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReferenceEvidence {
    /// Its id.
    pub reference_id: ReferenceId,
    /// The region that it was set for.
    pub region: RegionCode,
    /// People, unless it is a percentage.
    pub value: Option<u64>,
    /// The first day on which it applies.
    pub valid_from: Date,
    /// The last day on which it applies, if one is set.
    pub valid_to: Option<Date>,
    /// Where it comes from.
    pub source: String,
    /// Who entered it.
    pub issued_by: String,
    /// The day on which Kafka recorded it, in the programme's zone.
    pub recorded: Date,
    /// Its offset in the reference topic.
    pub offset: i64,
}

/// The kiosks of which something is missing that may concern a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MissingKiosks {
    /// How many there are.
    pub total: u64,
    /// Those with the most missing events first, at most 100.
    pub rows: Vec<MissingKiosk>,
}

/// A kiosk of which something is missing.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct MissingKiosk {
    /// The kiosk.
    pub kiosk_id: String,
    /// Its own region.
    pub service_region: Option<RegionCode>,
    /// Sequences up to the highest received or announced that have not come in.
    pub missing: u64,
    /// The first of their ranges, at most 10, each from its first to its last sequence.
    pub gaps: Vec<(u32, u32)>,
    /// Whether there are more.
    pub gaps_cut: bool,
    /// A relative link to all that is known of the kiosk.
    pub link: String,
}

/// What could not be counted and names a region.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct QuarantinedEvidence {
    /// All of it, whatever was decided about it since.
    pub total: u64,
    /// What of it nobody has released or discarded yet.
    pub open: u64,
    /// All of it by reason.
    pub reasons: Vec<ReasonCount>,
    /// A relative link to the latest records.
    pub link: String,
}
