//! What each kiosk has sent, over all partitions.

use std::collections::HashMap;

use jiff::civil::Date;
use roaring::RoaringBitmap;

use super::values::{Rows, code, count};
use crate::domain::decisions::DecisionBook;
use crate::export::file::WriteError;
use crate::export::table::{Table, Value, columns};
use crate::projection::snapshot::{Snapshot, Statuses};
use crate::query::kiosks::missing::KioskBook;

pub const TABLE: Table = Table {
    name: "kiosks",
    version: 1,
    row: "A kiosk of which the log has events, as the log alone tells of it.",
    sorted_by: &["kiosk_id"],
    by_month: false,
    columns: columns! {
        kiosk_id: Symbol, "kiosk", "the device";
        service_region: Symbol or null, "region code",
            "the service region that its latest event named";
        received: Int64, "events",
            "records received, repeats and quarantined ones that decode included";
        sequences: Int64, "events", "distinct sequences received";
        highest_received: Int64, "number", "the highest sequence received";
        missing: Int64, "events",
            "sequences below the highest received that have not come in; see `statuses` for what it has announced beyond";
        refused: Int64, "events", "distinct sequences of records that could not be counted";
        conflicts: Int64, "events",
            "events beyond the first with their sequence: above 0, the kiosk's id is in use twice";
        last_heard: Timestamp or null, "UTC, ms", "the record timestamp of its latest event";
    },
};

pub fn rows(snapshot: &Snapshot, rows: Rows<'_>) -> Result<(), WriteError> {
    let mut refused: HashMap<&str, RoaringBitmap> = HashMap::new();
    for view in snapshot.partitions.values() {
        for (kiosk, sequences) in view.refused.all() {
            *refused.entry(view.names.kiosk(kiosk)).or_default() |= sequences;
        }
    }
    for kiosk in
        &KioskBook::default().gaps(snapshot, &Statuses::new(), &DecisionBook::default()).kiosks
    {
        rows(
            Date::default(),
            &[
                Value::Text(&kiosk.id),
                Value::text(kiosk.service.map(code)),
                count(kiosk.received),
                count(kiosk.sequences),
                Value::Number(kiosk.highest_received.into()),
                count(kiosk.missing),
                count(refused.get(&*kiosk.id).map_or(0, RoaringBitmap::len)),
                count(kiosk.conflicts),
                Value::instant(kiosk.last_heard.map(|at| at.0)),
            ],
        )?;
    }
    Ok(())
}
