//! Denominators and targets, every record of them.

use jiff::civil::Date;

use super::values::{Rows, count};
use crate::domain::reference::{ReferenceBook, Standing};
use crate::export::file::WriteError;
use crate::export::table::{Table, Value, columns};

pub const TABLE: Table = Table {
    name: "reference",
    version: 2,
    row: "A record of the reference topic: a denominator or a target, replaced and withdrawn ones included.",
    sorted_by: &["offset"],
    by_month: false,
    columns: columns! {
        offset: Rising, "position",
            "place in the reference topic: of records with the same region, kind, basis and `valid_from` the last applies";
        recorded: Date, "day in Asia/Jakarta",
            "the day on which it was recorded: `known_at` takes those up to it";
        reference_id: Uuid, "UUID", "the record, as answers name it";
        region: Symbol, "region code", "a regency or city, a province, or `ID`";
        kind: Symbol, "kind", "`denominator` or `target`";
        basis: Symbol, "basis",
            "`wajib_ktp`, `recorded_ktp`; of a target that is a number of people `absolute`";
        value: Int64 or null, "people", "a denominator, or a target that is a number of people";
        percent: Percent or null, "percent", "a target that is a share of its basis";
        valid_from: Date, "day", "the first day on which it applies";
        valid_to: Date or null, "day",
            "the last day on which it applies, included; null while no end is set";
        source: Text, "words", "where it comes from, as it should be quoted";
        issued_by: Symbol, "words", "who recorded it";
        stands: Boolean, "yes or no",
            "whether no later record has replaced or withdrawn it, and it withdraws nothing itself; whether it applies on a day is `valid_from` and `valid_to`";
    },
};

/// All rows of the figures recorded.
pub fn rows(book: &ReferenceBook, rows: Rows<'_>) -> Result<(), WriteError> {
    // Whether a record stands does not depend on the day: only for which of those that stand
    // applies one is asked for.
    let mut listed = book.list(Date::MAX, None);
    listed.sort_unstable_by_key(|listed| listed.record.offset);
    for listed in listed {
        let record = listed.record;
        let figure = &record.figure;
        let region = figure.region.to_string();
        let gone = [Standing::Replaced, Standing::Withdrawn, Standing::Withdrawal];
        rows(
            record.recorded.date(),
            &[
                Value::Number(record.offset),
                Value::Date(record.recorded.date()),
                Value::Fixed(figure.reference_id.0),
                Value::Text(&region),
                Value::Text(figure.kind.as_str()),
                Value::Text(figure.basis.as_str()),
                figure.value.map_or(Value::Null, count),
                Value::number(figure.percent.map(|percent| percent.ten_thousandths().into())),
                Value::Date(figure.valid_from),
                figure.valid_to.map_or(Value::Null, Value::Date),
                Value::Text(&figure.source),
                Value::Text(&figure.issued_by),
                Value::Boolean(!gone.contains(&listed.standing)),
            ],
        )?;
    }
    Ok(())
}
