//! What several answers have in common.

use std::borrow::Cow;

use jiff::civil::Date;
use laju_schemas::reference::{Basis, Percent};
use laju_schemas::share::Share;
use laju_schemas::{ReferenceId, RegionCode, RegionLevel, TimestampMs};
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::rate::Rate;

/// A region, named.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RegionName {
    /// Its code.
    pub code: RegionCode,
    /// Its name.
    pub name: String,
    /// What it is.
    pub level: RegionLevel,
}

/// The least and the most that a figure can turn out to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Bounds {
    /// The least.
    pub lower: i64,
    /// The most.
    pub upper: i64,
}

impl Bounds {
    /// Of a count of people or events, when so many may be missing.
    #[must_use]
    pub fn of(count: i64, missing: &Missing) -> Self {
        let unknown = i64::try_from(missing.events + missing.quarantined).unwrap_or(i64::MAX);
        let lower = count.saturating_sub(unknown).max(0);
        Self { lower, upper: count.saturating_add(unknown) }
    }
}

/// A denominator, and the share of it that is activated.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DenominatorShare {
    /// What it counts.
    pub basis: Basis,
    /// People.
    pub value: u64,
    /// Activated of them, in percent; none of nobody.
    pub coverage_percent: Option<Share>,
    /// The first day on which it applies.
    pub valid_from: Date,
    /// Where it comes from.
    pub source: String,
    /// Its record; none of a sum of regencies.
    pub reference_id: Option<ReferenceId>,
}

/// A target, and the share of it that is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TargetShare {
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
    /// The first day on which it applies.
    pub valid_from: Date,
    /// The last day on which it applies, if one is set.
    pub valid_to: Option<Date>,
    /// Where it comes from.
    pub source: String,
    /// Its record.
    pub reference_id: ReferenceId,
    /// The region whose target it is, where it is not the region's own.
    pub inherited_from: Option<RegionCode>,
}

/// What may be missing from a region's figures, as far as it can be told now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Missing {
    /// Events that kiosks have numbered or announced and that have not come in.
    pub events: u64,
    /// Kiosks with such events.
    pub kiosks: u64,
    /// Events that came in and could not be counted, and that nobody has discarded, or released so
    /// that they are counted again in this answer.
    pub quarantined: u64,
    /// The region's own kiosks that are silent beyond their habit, the longest silent first, at
    /// most 20 (`/v1/kiosks?silent=true&within=…` has all): an estimate beside the bounds, which
    /// it is not part of.
    pub silent_kiosks: Vec<SilentKiosk>,
}

/// A kiosk that has been silent for longer than is usual for it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct SilentKiosk {
    /// The kiosk.
    pub kiosk_id: String,
    /// Events that it usually sends in a day.
    pub usual_per_day: u64,
    /// When its last word was recorded, an event or a status.
    pub silent_since: TimestampMs,
}

/// How many days after it happened something was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Age {
    /// The fewest.
    pub from_days: u32,
    /// The most; none without an end.
    pub to_days: Option<u32>,
}

/// What an answer rests on.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Evidence {
    /// The Kafka cluster.
    pub cluster_id: String,
    /// How far each partition of the events topic is in the answer.
    pub partitions: Vec<PartitionEvidence>,
    /// The next offset of the reference topic.
    pub reference_next_offset: i64,
    /// The rules by which events were counted.
    pub fold_version: String,
}

/// How far a partition is in an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartitionEvidence {
    /// The partition.
    pub partition: u32,
    /// Every record before this offset is in the answer, and no other.
    pub next_offset: i64,
    /// The timestamp of the latest record in the answer.
    pub recorded_until: Option<TimestampMs>,
}

impl PartialSchema for Rate {
    fn schema() -> RefOr<Schema> {
        let schema = ObjectBuilder::new()
            .schema_type(Type::String)
            .description(Some(
                "A number with two decimal places, of an exact fraction, rounded half away from \
                 zero.",
            ))
            .pattern(Some(r"^-?[0-9]+\.[0-9]{2}$"))
            .examples(["23.36"]);
        Schema::from(schema.build()).into()
    }
}

impl ToSchema for Rate {
    fn name() -> Cow<'static, str> {
        "Rate".into()
    }
}
