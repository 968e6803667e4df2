//! The events that count, straight from the log.

use laju_schemas::RegionTable;

use super::values::{Rows, code, instant};
use crate::domain::admission::Admitted;
use crate::domain::day::Day;
use crate::export::file::WriteError;
use crate::export::table::{Table, Value, columns};
use crate::ingest::event_log::EventRecord;
use crate::replay::flat::FlatFact;

pub const TABLE: Table = Table {
    name: "events",
    version: 2,
    row: "A record of the events topic that can be counted, repeats and retracted ones included.",
    sorted_by: &["partition", "offset"],
    by_month: true,
    columns: columns! {
        partition: Int32, "number", "partition of the events topic";
        offset: Rising, "position",
            "place in the partition; there are holes between, so it is no count";
        recorded_at: Timestamp, "UTC, ms", "the record's own timestamp, which is the broker's word";
        recorded: Date, "day in Asia/Jakarta",
            "the day that `known_at` asks about: of the latest `recorded_at` so far in the partition";
        event_id: Uuid, "UUID", "the event; a repeat has the same";
        kiosk_id: Symbol, "kiosk", "the device that recorded it";
        sequence: Rising, "number", "the kiosk's own count of its events: 1, 2, 3, …";
        occurred_at: Timestamp, "UTC, ms", "when it happened, by the kiosk's clock";
        day: Date, "local day", "the day of `occurred_at` in the home region's zone";
        subject: Fixed16, "pseudonym", "the citizen: the same everywhere, and nobody's number";
        home_region: Symbol, "region code", "where the citizen is registered, as the event says";
        service_region: Symbol, "region code", "whose office served";
        outreach_id: Symbol or null, "visit", "the outreach visit at which it happened";
        kind: Symbol, "kind of fact",
            "`Activated`, `Deactivated`, `Relocated`, `Deferred`, `CardRecorded`, `CardRequested`, `CardPrinted` or `Retracted`";
        channel: Symbol or null, "channel", "of an activation: where it was done";
        venue: Symbol or null, "kind of place",
            "of an activation: what kind of place an outreach visit went to";
        first_time_holder: Boolean or null, "yes or no",
            "of an activation or a recording: whether it is the first identity document";
        reason: Symbol or null, "reason",
            "of a deactivation, deferral, card request, print or retraction: why";
        from_region: Symbol or null, "region code",
            "of a relocation: where from; information only, nothing is counted by it";
        retracted_event_id: Uuid or null, "UUID",
            "of a retraction: the event that counts as never happened";
    },
};

/// The row of a record that counts.
pub fn row(
    record: &EventRecord<'_>,
    event: &Admitted<'_>,
    rows: Rows<'_>,
) -> Result<(), WriteError> {
    let zone = RegionTable::get().at(event.home).zone;
    let recorded = record.recorded.date();
    let fact = FlatFact::of(&event.fact);
    let from_region = fact.from_region.map(|code| code.to_string());
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
            Value::text(fact.channel),
            Value::text(fact.venue),
            Value::boolean(fact.first_time_holder),
            Value::text(fact.reason),
            Value::text(from_region.as_deref()),
            Value::fixed(fact.retracted_event_id.map(|id| id.0)),
        ],
    )
}
