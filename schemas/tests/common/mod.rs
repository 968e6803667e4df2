//! What several of the contract's tests need: events out of what a reader gives.

use laju_schemas::{ActivationEvent, RawEvent, RegionCode, TimestampMs};

/// The event with every field checked, as a program would take it.
pub(crate) fn checked(raw: &RawEvent<'_>) -> ActivationEvent {
    let region = |text: &str| text.parse::<RegionCode>().expect("a region code");
    ActivationEvent {
        event_id: raw.event_id,
        kiosk_id: raw.kiosk_id.parse().expect("a kiosk id"),
        sequence: raw.sequence.try_into().expect("a sequence"),
        occurred_at: TimestampMs(raw.occurred_at),
        subject: raw.subject,
        home_region: region(raw.home_region),
        service_region: region(raw.service_region),
        outreach_id: raw.outreach_id.map(|text| text.parse().expect("an outreach id")),
        fact: raw.fact.try_map_region(RegionCode::parse).expect("a region code"),
    }
}
