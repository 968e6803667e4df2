//! The regions that exist, so that the files join.

use jiff::civil::Date;
use laju_schemas::{RegionLevel, RegionTable};

use super::values::Rows;
use crate::export::file::WriteError;
use crate::export::table::{Table, Value, columns};

pub const TABLE: Table = Table {
    name: "regions",
    version: 1,
    row: "A province, or a regency or city. The nation is no row.",
    sorted_by: &["code"],
    by_month: false,
    columns: columns! {
        code: Symbol, "region code", "Kemendagri's code, always text: `18.71`, `18`";
        name: Text, "words", "its name";
        level: Symbol, "level", "`province` or `regency`, which cities are, too";
        province: Symbol, "region code", "the province that it lies in; of a province itself";
        zone: Symbol, "tz database", "the zone that its days are counted in";
    },
};

/// All rows, in the order of the codes.
pub fn rows(rows: Rows<'_>) -> Result<(), WriteError> {
    for region in RegionTable::get().all() {
        let (code, province) = (region.code.to_string(), region.code.province().to_string());
        let level = match region.code.level() {
            RegionLevel::Nation => "nation",
            RegionLevel::Province => "province",
            RegionLevel::Regency => "regency",
        };
        rows(
            Date::default(),
            &[
                Value::Text(&code),
                Value::Text(&region.name),
                Value::Text(level),
                Value::Text(&province),
                Value::Text(region.zone.iana()),
            ],
        )?;
    }
    Ok(())
}
