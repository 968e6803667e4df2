//! The fields of a reference figure as people write them, on the command line and in files.

use jiff::civil::Date;
use laju_schemas::reference::{Basis, Percent, ReferenceKind};

/// The known kinds: `unknown` is for readers alone.
pub(super) fn kind(text: &str) -> Result<ReferenceKind, String> {
    match text.parse() {
        Ok(kind) if kind != ReferenceKind::Unknown => Ok(kind),
        _ => Err(format!("'{text}' is none of denominator, target")),
    }
}

/// The known bases.
pub(super) fn basis(text: &str) -> Result<Basis, String> {
    match text.parse() {
        Ok(basis) if basis != Basis::Unknown => Ok(basis),
        _ => Err(format!("'{text}' is none of wajib_ktp, recorded_ktp, absolute")),
    }
}

/// A number of people.
pub(super) fn people(text: &str) -> Result<u64, String> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().ok_or_else(|| {
        format!("'{text}' is not a number of people: digits alone, without separators")
    })
}

/// A percentage.
pub(super) fn percent(text: &str) -> Result<Percent, String> {
    text.parse().map_err(|e: laju_schemas::reference::PercentError| e.to_string())
}

/// A day, as `YYYY-MM-DD` and nothing else.
pub(super) fn date(text: &str) -> Result<Date, String> {
    let shape = text.len() == 10 && text.bytes().all(|b| b.is_ascii_digit() || b == b'-');
    shape
        .then(|| text.parse().ok())
        .flatten()
        .ok_or_else(|| format!("'{text}' is not a day, which is written YYYY-MM-DD"))
}
