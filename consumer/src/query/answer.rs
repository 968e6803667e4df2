//! What several answers have in common.

use std::borrow::Cow;

use laju_schemas::{RegionCode, RegionLevel};
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ObjectBuilder, Schema, Type};
use utoipa::{PartialSchema, ToSchema};

use crate::domain::rate::Rate;

pub use laju_schemas::quoted::{
    Bounds, DenominatorShare, Evidence, Missing, PartitionEvidence, SilentKiosk, TargetShare,
};

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

/// Between which numbers a count of people or events lies, when so many may be missing.
#[must_use]
pub fn bounds(count: i64, missing: &Missing) -> Bounds {
    let unknown = i64::try_from(missing.events + missing.quarantined).unwrap_or(i64::MAX);
    let lower = count.saturating_sub(unknown).max(0);
    Bounds { lower, upper: count.saturating_add(unknown) }
}

/// How many days after it happened something was recorded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct Age {
    /// The fewest.
    pub from_days: u32,
    /// The most; none without an end.
    pub to_days: Option<u32>,
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
