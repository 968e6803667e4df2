//! The events that count, straight from the log.

use laju_schemas::{Fact, RegionTable};

use super::{Rows, code, instant};
use crate::domain::admission::Admitted;
use crate::domain::day::Day;
use crate::export::table::{Column, Kind, Table, Value};
use crate::export::write::WriteError;
use crate::ingest::event_log::EventRecord;

/// The dataset.
pub const TABLE: Table = Table {
    name: "events",
    version: 2,
    row: "A record of the events topic that can be counted, repeats and retracted ones included.",
    sorted_by: &["partition", "offset"],
    by_month: true,
    columns: &[
        Column::new("partition", Kind::Int32, "number", "partition of the events topic"),
        Column::new(
            "offset",
            Kind::Rising,
            "position",
            "place in the partition; there are holes between, so it is no count",
        ),
        Column::new(
            "recorded_at",
            Kind::Timestamp,
            "UTC, ms",
            "the record's own timestamp, which is the broker's word",
        ),
        Column::new(
            "recorded",
            Kind::Date,
            "day in Asia/Jakarta",
            "the day that `known_at` asks about: of the latest `recorded_at` so far in the partition",
        ),
        Column::new("event_id", Kind::Uuid, "UUID", "the event; a repeat has the same"),
        Column::new("kiosk_id", Kind::Symbol, "kiosk", "the device that recorded it"),
        Column::new(
            "sequence",
            Kind::Rising,
            "number",
            "the kiosk's own count of its events: 1, 2, 3, …",
        ),
        Column::new(
            "occurred_at",
            Kind::Timestamp,
            "UTC, ms",
            "when it happened, by the kiosk's clock",
        ),
        Column::new(
            "day",
            Kind::Date,
            "local day",
            "the day of `occurred_at` in the home region's zone",
        ),
        Column::new(
            "subject",
            Kind::Fixed16,
            "pseudonym",
            "the citizen: the same everywhere, and nobody's number",
        ),
        Column::new(
            "home_region",
            Kind::Symbol,
            "region code",
            "where the citizen is registered, as the event says",
        ),
        Column::new("service_region", Kind::Symbol, "region code", "whose office served"),
        Column::nullable(
            "outreach_id",
            Kind::Symbol,
            "visit",
            "the outreach visit at which it happened",
        ),
        Column::new(
            "kind",
            Kind::Symbol,
            "kind of fact",
            "`Activated`, `Deactivated`, `Relocated`, `Deferred`, `CardRecorded`, `CardRequested`, `CardPrinted` or `Retracted`",
        ),
        Column::nullable("channel", Kind::Symbol, "channel", "of an activation: where it was done"),
        Column::nullable(
            "venue",
            Kind::Symbol,
            "kind of place",
            "of an activation: what kind of place an outreach visit went to",
        ),
        Column::nullable(
            "first_time_holder",
            Kind::Boolean,
            "yes or no",
            "of an activation or a recording: whether it is the first identity document",
        ),
        Column::nullable(
            "reason",
            Kind::Symbol,
            "reason",
            "of a deactivation, deferral, card request, print or retraction: why",
        ),
        Column::nullable(
            "from_region",
            Kind::Symbol,
            "region code",
            "of a relocation: where from; information only, nothing is counted by it",
        ),
        Column::nullable(
            "retracted_event_id",
            Kind::Uuid,
            "UUID",
            "of a retraction: the event that counts as never happened",
        ),
    ],
};

/// What a fact says beside its kind.
#[derive(Default)]
struct Body {
    channel: Option<&'static str>,
    venue: Option<&'static str>,
    first_time_holder: Option<bool>,
    reason: Option<&'static str>,
    from_region: Option<String>,
    retracted: Option<[u8; 16]>,
}

impl Body {
    fn of(fact: &Fact) -> Self {
        let mut body = Self::default();
        match *fact {
            Fact::Activated { channel, venue, first_time_holder } => {
                body.channel = Some(channel.as_str());
                body.venue = venue.map(|venue| venue.as_str());
                body.first_time_holder = Some(first_time_holder);
            }
            Fact::Deactivated { reason } => body.reason = Some(reason.as_str()),
            Fact::Relocated { from_region } => body.from_region = Some(from_region.to_string()),
            Fact::Deferred { reason } => body.reason = Some(reason.as_str()),
            Fact::CardRecorded { first_time_holder } => {
                body.first_time_holder = Some(first_time_holder);
            }
            Fact::CardRequested { reason } | Fact::CardPrinted { reason } => {
                body.reason = Some(reason.as_str());
            }
            Fact::Retracted { event_id, reason } => {
                body.retracted = Some(event_id.0);
                body.reason = Some(reason.as_str());
            }
        }
        body
    }
}

/// The row of a record that counts.
pub fn row(
    record: &EventRecord<'_>,
    event: &Admitted<'_>,
    rows: Rows<'_>,
) -> Result<(), WriteError> {
    let zone = RegionTable::get().at(event.home).zone;
    let recorded = record.recorded.date();
    let body = Body::of(&event.fact);
    rows(
        recorded,
        &[
            Value::Number(record.partition.into()),
            Value::Number(record.mark.offset),
            instant(record.mark.timestamp),
            Value::Date(recorded),
            Value::Fixed(event.event_id.0),
            Value::Text(event.kiosk),
            Value::Number(event.sequence.into()),
            Value::Instant(event.occurred_at),
            Value::Date(Day::of_instant(event.occurred_at, zone).date()),
            Value::Fixed(event.subject.0),
            Value::Text(code(event.home)),
            Value::Text(code(event.service)),
            Value::text(event.outreach),
            Value::Text(event.fact.kind().record_name()),
            Value::text(body.channel),
            Value::text(body.venue),
            Value::boolean(body.first_time_holder),
            Value::text(body.reason),
            Value::text(body.from_region.as_deref()),
            Value::fixed(body.retracted),
        ],
    )
}
