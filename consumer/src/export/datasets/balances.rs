//! Daily balances: the postings of all partitions without their details.

use laju_schemas::RegionIndex;

use super::values::{Rows, code};
use crate::domain::account::Account;
use crate::domain::day::Day;
use crate::export::file::WriteError;
use crate::export::table::{Table, Value, columns};
use crate::projection::partition_ledger::PartitionLedgers;

pub const TABLE: Table = Table {
    name: "balances",
    version: 1,
    row: "The net amount of an account in a region on a day, as far as it was recorded on a day. Provinces and the nation are sums, not rows.",
    sorted_by: &["region", "day", "recorded", "account"],
    by_month: true,
    columns: columns! {
        region: Symbol, "region code",
            "a regency or city: the home region; of the accounts `visit_…` the region that served";
        day: Date, "local day", "the day on which it happened: `as_of` takes those up to it";
        recorded: Date, "day in Asia/Jakarta",
            "the day on which it was learnt of: `known_at` takes those up to it";
        account: Symbol, "account", "what is counted";
        amount: Int64, "people or cards",
            "the change on that day, not the stock: stocks are sums over days";
    },
};

pub fn rows(ledgers: &PartitionLedgers, rows: Rows<'_>) -> Result<(), WriteError> {
    type Key = (RegionIndex, Day, Day, Account);
    let runs = ledgers.0.values().flat_map(|part| part.ledger.as_slices());
    let mut cells: Vec<(Key, i64)> = Vec::new();
    for run in runs {
        for cell in run.iter() {
            let key = cell.key;
            let key = (key.region(), key.day(), key.recorded(), key.account());
            match cells.last_mut() {
                // Cells that differ in their details only lie together.
                Some((last, amount)) if *last == key => *amount += i64::from(cell.amount),
                _ => cells.push((key, cell.amount.into())),
            }
        }
    }
    // In the order of names, as a reader who sorts the files would have it.
    cells.sort_unstable_by_key(|((region, day, recorded, account), _)| {
        (*region, *day, *recorded, account.as_str())
    });
    cells.dedup_by(|(key, amount), (kept, sum)| {
        let same = key == kept;
        if same {
            *sum += *amount;
        }
        same
    });
    for ((region, day, recorded, account), amount) in cells {
        if amount == 0 {
            continue;
        }
        let recorded = recorded.date();
        rows(
            recorded,
            &[
                Value::Text(code(region)),
                Value::Date(day.date()),
                Value::Date(recorded),
                Value::Text(account.as_str()),
                Value::Number(amount),
            ],
        )?;
    }
    Ok(())
}
