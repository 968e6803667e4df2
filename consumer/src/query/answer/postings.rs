//! The shape of the answer to which postings a figure consists of.

use jiff::civil::Date;
use laju_schemas::RegionCode;
use laju_schemas::event::{Channel, DeactivationReason, Venue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Evidence, RegionName};

/// Postings of a region's ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Postings {
    /// The region.
    pub region: RegionName,
    /// The account: `activations`, `deactivations`, `moves_in` or `moves_out`.
    pub account: String,
    /// The sum of all amounts, also of rows that are not shown.
    pub total: i64,
    /// How many rows there are.
    pub rows_total: u64,
    /// As many as were asked for, in the order of the days of recording and of happening.
    pub rows: Vec<PostingRow>,
    /// What the answer rests on.
    pub evidence: Evidence,
}

/// Postings that differ in nothing but the subject, added up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct PostingRow {
    /// The day on which it was recorded, in the programme's zone.
    pub recorded: Date,
    /// The local day on which it happened.
    pub day: Date,
    /// The regency or city.
    pub region: RegionCode,
    /// How many people; below zero where postings are taken back.
    pub amount: i64,
    /// Of activations, whose office served.
    pub service_region: Option<RegionCode>,
    /// Of activations, where it was done.
    pub channel: Option<Channel>,
    /// Of activations, what kind of place.
    pub venue: Option<Venue>,
    /// Of activations, the visit.
    pub outreach_id: Option<String>,
    /// Of activations, whether it is their first identity document.
    pub first_time_holder: Option<bool>,
    /// Of deactivations, why.
    pub reason: Option<DeactivationReason>,
    /// Of moves, the other region.
    pub other_region: Option<RegionCode>,
    /// The partition of the events topic.
    pub partition: u32,
}
