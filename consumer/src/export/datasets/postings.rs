//! The ledger's rows, in names.

use super::values::Rows;
use crate::export::file::WriteError;
use crate::export::table::{Table, Value, columns};
use crate::projection::partition_ledger::PartitionLedgers;
use crate::query::ledger;

pub const TABLE: Table = Table {
    name: "postings",
    version: 1,
    row: "What was posted to one key of a partition's ledger, added up: everything a figure is made of, and nobody in it.",
    sorted_by: &["partition"],
    by_month: true,
    columns: columns! {
        partition: Int32, "number", "partition of the events topic";
        account: Symbol, "account", "what is counted";
        region: Symbol, "region code",
            "the home region; of the accounts `visit_…` the region that served";
        day: Date, "local day",
            "the day on which it happened; never before the same citizen's posting before";
        recorded: Date, "day in Asia/Jakarta", "the day on which it was learnt of";
        service_region: Symbol or null, "region code",
            "of activations and deferrals: whose office served";
        channel: Symbol or null, "channel", "of activations: where it was done";
        venue: Symbol or null, "kind of place",
            "of activations: what kind of place an outreach visit went to";
        outreach_id: Symbol or null, "visit",
            "of activations, deferrals and the accounts `visit_…`: the outreach visit";
        first_time_holder: Boolean or null, "yes or no",
            "of activations and `cards_recorded`: whether it is the first identity document";
        reason: Symbol or null, "reason",
            "of deactivations, deferrals, `cards_requested` and `cards_printed`: why";
        other_region: Symbol or null, "region code",
            "of `moves_in` where from, of `moves_out` where to";
        kiosk_id: Symbol or null, "kiosk", "of the accounts `visit_…`: the kiosk";
        hour: Int32 or null, "hour, 0 to 23",
            "of the accounts `visit_…`: the local hour where it served";
        amount: Int64, "people or cards",
            "how many; below zero where more was taken back than posted";
    },
};

pub fn rows(ledgers: &PartitionLedgers, rows: Rows<'_>) -> Result<(), WriteError> {
    for part in ledgers.0.values() {
        for posting in ledger::postings(part) {
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
