//! What a balance is about, as text: the one thing that the oracle and the reading of the ledger
//! share, so that what they say can be compared. It computes nothing.

use laju_schemas::RegionCode;
use laju_schemas::event::{CardReason, Channel, DeactivationReason, DeferralReason, Venue};

fn or_none(text: Option<&str>) -> &str {
    text.unwrap_or("none")
}

/// Of an activation.
#[must_use]
pub fn activation(
    service: RegionCode,
    channel: Channel,
    venue: Option<Venue>,
    outreach: Option<&str>,
    first_time_holder: bool,
) -> String {
    let venue = or_none(venue.map(Venue::as_str));
    let outreach = or_none(outreach);
    format!("by {service}, {channel}, venue {venue}, visit {outreach}, first {first_time_holder}")
}

/// Of a deactivation.
#[must_use]
pub fn deactivation(reason: DeactivationReason) -> String {
    reason.to_string()
}

/// Of a move: the other region.
#[must_use]
pub fn moved(other: RegionCode) -> String {
    other.to_string()
}

/// Of a deferral.
#[must_use]
pub fn deferral(reason: DeferralReason, service: RegionCode, outreach: Option<&str>) -> String {
    format!("{reason}, by {service}, visit {}", or_none(outreach))
}

/// Of a recording for the card.
#[must_use]
pub fn recorded(first_time_holder: bool) -> String {
    format!("first {first_time_holder}")
}

/// Of a card requested or printed.
#[must_use]
pub fn card(reason: CardReason) -> String {
    reason.to_string()
}

/// Of the print queue: nothing.
#[must_use]
pub fn queue() -> String {
    String::new()
}

/// Of an outreach visit's counters. `hour` is that of the local day where it served.
#[must_use]
pub fn visit(outreach: &str, kiosk: &str, hour: impl Into<i64>) -> String {
    format!("visit {outreach}, kiosk {kiosk}, hour {}", hour.into())
}
