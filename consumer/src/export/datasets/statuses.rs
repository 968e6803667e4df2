//! What kiosks last said of themselves. Kafka keeps only the latest word of each: this is the state
//! of the moment of the export, and not of its cut.

use jiff::civil::Date;

use super::values::{Rows, count, instant};
use crate::export::file::WriteError;
use crate::export::table::{Table, Value, columns};
use crate::projection::snapshot::Statuses;

pub const TABLE: Table = Table {
    name: "statuses",
    version: 1,
    row: "The latest word of a kiosk about itself at the moment of the export. Not part of the cut: the same cut does not give it again.",
    sorted_by: &["kiosk_id"],
    by_month: false,
    columns: columns! {
        kiosk_id: Symbol, "kiosk", "the device";
        service_region: Symbol, "region code", "whose office it belongs to";
        highest_sequence: Int64, "number",
            "the highest sequence that it has given to an event; 0 before the first";
        unsent: Int64, "events", "events in its outbox that Kafka has not confirmed";
        oldest_unsent: Timestamp or null, "UTC, ms", "when the oldest of them happened";
        clock_offset_ms: Int64 or null, "milliseconds",
            "the kiosk's clock minus the broker's, if measured";
        agent_version: Symbol, "version", "the version of its agent";
        sent_at: Timestamp, "UTC, ms", "when it said so, by its clock";
        recorded_at: Timestamp, "UTC, ms", "when it said so, by the broker's";
        retired: Boolean, "yes or no", "lost or withdrawn: none of its events is awaited any more";
        key_id: Symbol or null, "digest",
            "of the key that its pseudonyms are made with, which tells nothing of the key; null of agents that do not say so";
    },
};

/// All rows, in the order of the kiosks' ids.
pub fn rows(statuses: &Statuses, rows: Rows<'_>) -> Result<(), WriteError> {
    let mut sorted: Vec<_> = statuses.iter().collect();
    sorted.sort_unstable_by_key(|(kiosk, _)| kiosk.as_str());
    for (kiosk, recorded) in sorted {
        let status = &recorded.status;
        let region = status.service_region.to_string();
        let key_id = status.key_id.map(|id| id.to_string());
        rows(
            Date::default(),
            &[
                Value::Text(kiosk),
                Value::Text(&region),
                Value::Number(status.highest_sequence.into()),
                count(status.unsent),
                status.oldest_unsent.map_or(Value::Null, |at| instant(at.0)),
                Value::number(status.clock_offset_ms),
                Value::Text(&status.agent_version),
                instant(status.sent_at.0),
                instant(recorded.recorded_at.0),
                Value::Boolean(status.retired),
                key_id.as_deref().map_or(Value::Null, Value::Text),
            ],
        )?;
    }
    Ok(())
}
