//! The ledger's rows, in names.

use super::Rows;
use crate::export::table::{Column, Kind, Table, Value};
use crate::export::write::WriteError;
use crate::projection::snapshot::Snapshot;
use crate::query::ledger;

/// The dataset.
pub const TABLE: Table = Table {
    name: "postings",
    version: 1,
    row: "What was posted to one key of a partition's ledger, added up: everything a figure is made of, and nobody in it.",
    sorted_by: &["partition"],
    by_month: true,
    columns: &[
        Column::new("partition", Kind::Int32, "number", "partition of the events topic"),
        Column::new("account", Kind::Symbol, "account", "what is counted"),
        Column::new(
            "region",
            Kind::Symbol,
            "region code",
            "the home region; of the accounts `visit_…` the region that served",
        ),
        Column::new(
            "day",
            Kind::Date,
            "local day",
            "the day on which it happened; never before the same citizen's posting before",
        ),
        Column::new(
            "recorded",
            Kind::Date,
            "day in Asia/Jakarta",
            "the day on which it was learnt of",
        ),
        Column::nullable(
            "service_region",
            Kind::Symbol,
            "region code",
            "of activations and deferrals: whose office served",
        ),
        Column::nullable("channel", Kind::Symbol, "channel", "of activations: where it was done"),
        Column::nullable(
            "venue",
            Kind::Symbol,
            "kind of place",
            "of activations: what kind of place an outreach visit went to",
        ),
        Column::nullable(
            "outreach_id",
            Kind::Symbol,
            "visit",
            "of activations, deferrals and the accounts `visit_…`: the outreach visit",
        ),
        Column::nullable(
            "first_time_holder",
            Kind::Boolean,
            "yes or no",
            "of activations and `cards_recorded`: whether it is the first identity document",
        ),
        Column::nullable(
            "reason",
            Kind::Symbol,
            "reason",
            "of deactivations, deferrals, `cards_requested` and `cards_printed`: why",
        ),
        Column::nullable(
            "other_region",
            Kind::Symbol,
            "region code",
            "of `moves_in` where from, of `moves_out` where to",
        ),
        Column::nullable("kiosk_id", Kind::Symbol, "kiosk", "of the accounts `visit_…`: the kiosk"),
        Column::nullable(
            "hour",
            Kind::Int32,
            "hour, 0 to 23",
            "of the accounts `visit_…`: the local hour where it served",
        ),
        Column::new(
            "amount",
            Kind::Int64,
            "people or cards",
            "how many; below zero where more was taken back than posted",
        ),
    ],
};

/// All rows of a snapshot.
pub fn rows(snapshot: &Snapshot, rows: Rows<'_>) -> Result<(), WriteError> {
    for view in snapshot.partitions.values() {
        for posting in ledger::postings(view) {
            let region = posting.region.to_string();
            let service = posting.service_region.map(|code| code.to_string());
            let other = posting.other_region.map(|code| code.to_string());
            rows(
                posting.recorded,
                &[
                    Value::Number(posting.partition.into()),
                    Value::Text(posting.account.as_str()),
                    Value::Text(&region),
                    Value::Date(posting.day),
                    Value::Date(posting.recorded),
                    Value::text(service.as_deref()),
                    Value::text(posting.channel.map(|channel| channel.as_str())),
                    Value::text(posting.venue.map(|venue| venue.as_str())),
                    Value::text(posting.outreach_id.as_deref()),
                    Value::boolean(posting.first_time_holder),
                    Value::text(posting.reason.as_deref()),
                    Value::text(other.as_deref()),
                    Value::text(posting.kiosk_id.as_deref()),
                    Value::number(posting.hour.map(i64::from)),
                    Value::Number(posting.amount),
                ],
            )?;
        }
    }
    Ok(())
}
