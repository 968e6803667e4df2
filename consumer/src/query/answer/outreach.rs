//! The shapes of the answers to what outreach visits brought.

use jiff::civil::Date;
use laju_schemas::RegionCode;
use laju_schemas::event::{DeferralReason, Venue};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{Bounds, Evidence, Missing, RegionName};
use crate::domain::rate::Rate;

/// The outreach visits of some days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Outreach {
    /// Visits of offices within this region.
    pub within: RegionCode,
    /// The first day that counts; none without an end.
    pub from: Option<Date>,
    /// The last day that counts; none without an end.
    pub to: Option<Date>,
    /// The day that the figures speak of.
    pub as_of: Date,
    /// The day whose knowledge they rest on; none if it is all that is known.
    pub known_at: Option<Date>,
    /// How many visits there are.
    pub total: u64,
    /// As many as were asked for, the latest first.
    pub rows: Vec<Visit>,
    /// What may be missing; none of a past `known_at`. Every count may turn out less or more by at
    /// most its `events` and `quarantined` together.
    pub missing: Option<Missing>,
    /// What the answer rests on.
    pub evidence: Evidence,
    /// A relative link to the same question, with both days filled in.
    pub link: String,
}

/// What one visit of one region's office brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Visit {
    /// The visit's id.
    pub outreach_id: String,
    /// Whose office went there.
    pub region: RegionName,
    /// What kind of place most of its activations name; none if none does.
    pub venue: Option<Venue>,
    /// The first day on which anybody was served, by the office's clock.
    pub first_day: Date,
    /// The last such day.
    pub last_day: Date,
    /// On how many days anybody was.
    pub days: u64,
    /// In how many hours of those days: an hour in which nobody came leaves no trace.
    pub hours: u64,
    /// The same, counted for each kiosk.
    pub kiosk_hours: u64,
    /// The kiosks that took part, in the order of their ids.
    pub kiosks: Vec<String>,
    /// People activated, wherever they are registered.
    pub activations: i64,
    /// Between which numbers `activations` lies if all that is missing of the office's region were
    /// of this visit; none of a past `known_at`.
    pub bounds: Option<Bounds>,
    /// Asked, but not activated.
    pub deferrals: i64,
    /// Why not, in the contract's order; only reasons that occur. They go by the day at the
    /// citizen's home, so that about midnight one may fall out of `from` or `to`.
    pub deferral_reasons: Vec<ReasonShare>,
    /// Activations an hour.
    pub activations_per_hour: Option<Rate>,
    /// Activations an hour of one kiosk.
    pub activations_per_kiosk_hour: Option<Rate>,
    /// Activations a day.
    pub activations_per_day: Option<Rate>,
    /// The same office's own counter on the same days.
    pub office: OfficeCounter,
    /// A relative link to the visit, hour by hour.
    pub link: String,
}

/// How many were deferred for a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReasonShare {
    /// Why.
    pub reason: DeferralReason,
    /// How many.
    pub count: i64,
}

/// What an office's own counter (channel `office`) did on the days of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OfficeCounter {
    /// Activations, wherever the people are registered.
    pub activations: i64,
    /// Activations a day. The counter's hours are not recorded.
    pub activations_per_day: Option<Rate>,
}

/// One visit hour by hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VisitDetail {
    /// The visit's id.
    pub outreach_id: String,
    /// The day that the figures speak of.
    pub as_of: Date,
    /// The day whose knowledge they rest on; none if it is all that is known.
    pub known_at: Option<Date>,
    /// One for each office that used the id.
    pub visits: Vec<VisitHours>,
    /// What the answer rests on.
    pub evidence: Evidence,
    /// A relative link to the same question, with both days filled in.
    pub link: String,
}

/// A visit and its hours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VisitHours {
    /// The whole visit.
    #[serde(flatten)]
    pub visit: Visit,
    /// In the order of time and kiosks.
    pub slots: Vec<VisitSlot>,
    /// What may be missing of the office's region; none of a past `known_at`.
    pub missing: Option<Missing>,
}

/// One hour of one kiosk at a visit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VisitSlot {
    /// The day, by the office's clock.
    pub day: Date,
    /// The hour, 0 to 23, by the same clock.
    pub hour: u8,
    /// The kiosk.
    pub kiosk_id: String,
    /// People activated.
    pub activations: i64,
    /// Asked, but not activated.
    pub deferrals: i64,
}
