//! A fact for tables, which have a column for every field that some kind of fact has.

use laju_schemas::{EventId, Fact};
use serde::Serialize;

/// The fields of all kinds of fact side by side; none where the kind has no such field.
#[derive(Serialize)]
pub struct FlatFact<R> {
    pub channel: Option<&'static str>,
    pub venue: Option<&'static str>,
    pub first_time_holder: Option<bool>,
    pub reason: Option<&'static str>,
    pub from_region: Option<R>,
    pub retracted_event_id: Option<EventId>,
}

impl<R: Copy> FlatFact<R> {
    pub fn of(fact: &Fact<R>) -> Self {
        let mut flat = Self {
            channel: None,
            venue: None,
            first_time_holder: None,
            reason: None,
            from_region: None,
            retracted_event_id: None,
        };
        match *fact {
            Fact::Activated { channel, venue, first_time_holder } => {
                flat.channel = Some(channel.as_str());
                flat.venue = venue.map(|venue| venue.as_str());
                flat.first_time_holder = Some(first_time_holder);
            }
            Fact::Deactivated { reason } => flat.reason = Some(reason.as_str()),
            Fact::Relocated { from_region } => flat.from_region = Some(from_region),
            Fact::Deferred { reason } => flat.reason = Some(reason.as_str()),
            Fact::CardRecorded { first_time_holder } => {
                flat.first_time_holder = Some(first_time_holder);
            }
            Fact::CardRequested { reason } | Fact::CardPrinted { reason } => {
                flat.reason = Some(reason.as_str());
            }
            Fact::Retracted { event_id, reason } => {
                flat.retracted_event_id = Some(event_id);
                flat.reason = Some(reason.as_str());
            }
        }
        flat
    }
}
