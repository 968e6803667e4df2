//! What rows are made of, and who takes them.

use std::sync::LazyLock;

use laju_schemas::{RegionIndex, RegionTable};

use crate::export::file::WriteError;
use crate::export::table::Value;

/// Takes rows, each with the day on which it was recorded.
pub(in crate::export) type Rows<'a> =
    &'a mut dyn FnMut(jiff::civil::Date, &[Value<'_>]) -> Result<(), WriteError>;

/// The code of a region as text.
pub(super) fn code(region: RegionIndex) -> &'static str {
    static CODES: LazyLock<Vec<String>> = LazyLock::new(|| {
        RegionTable::get().all().iter().map(|region| region.code.to_string()).collect()
    });
    &CODES[usize::from(region.0)]
}

/// A count as a value.
pub(super) fn count(number: u64) -> Value<'static> {
    Value::Number(i64::try_from(number).unwrap_or(i64::MAX))
}

/// The years that every reader of files can hold: 1 to 9999, in milliseconds since 1970.
pub(super) const INSTANTS: std::ops::RangeInclusive<i64> =
    -62_135_596_800_000..=253_402_300_799_999;

/// An instant as a value. One beyond what readers can hold, which only a broken clock gives, is
/// the nearest that they can.
pub(super) fn instant(ms: i64) -> Value<'static> {
    Value::Instant(ms.clamp(*INSTANTS.start(), *INSTANTS.end()))
}
