//! What a quarantined record says of itself, as far as its bytes go; and how it may be shown.

use std::borrow::Cow;
use std::fmt::Write as _;

use laju_schemas::EventId;
use laju_schemas::explain::{Explanation, Fault};
use serde::Serialize;
use serde_json::{Value, json};

use crate::query::table::harmless;

/// As many digits in a row as a NIK has.
const NIK_DIGITS: usize = 16;

/// What a record says of itself: each only if the bytes make sense up to there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Said {
    pub(super) event_id: Option<EventId>,
    pub(super) kiosk_id: Option<String>,
    pub(super) sequence: Option<i64>,
    pub(super) occurred_at: Option<String>,
    pub(super) home_region: Option<String>,
    pub(super) service_region: Option<String>,
    /// The name of its fact in the contract.
    pub(super) fact: Option<String>,
}

impl Said {
    pub(super) fn of(explained: &Explanation) -> Self {
        let text = |path| explained.field(path).map(masked).map(Cow::into_owned);
        let fact = explained.fields.iter().find_map(|field| field.path.strip_prefix("fact."));
        Self {
            event_id: explained.field("event_id").and_then(|id| id.parse().ok()),
            kiosk_id: text("kiosk_id"),
            sequence: explained.field("sequence").and_then(|number| number.parse().ok()),
            occurred_at: text("occurred_at"),
            home_region: text("home_region"),
            service_region: text("service_region"),
            fact: fact.and_then(|path| path.split('.').next()).map(str::to_owned),
        }
    }
}

/// Where the bytes stop making sense, for JSON.
pub(super) fn fault_json(fault: Option<&Fault>) -> Value {
    fault.map_or(
        Value::Null,
        |fault| json!({"field": fault.path, "byte": fault.byte, "why": masked(&fault.why)}),
    )
}

/// A text from outside as it may be shown: a NIK that stands in the wrong field is not repeated.
pub(super) fn masked(text: &str) -> Cow<'_, str> {
    let runs = nik_runs(text.as_bytes());
    if runs.is_empty() {
        return Cow::Borrowed(text);
    }
    let (mut shown, mut from) = (String::new(), 0);
    for run in runs {
        shown.push_str(&text[from..run.start]);
        let _ = write!(shown, "({} digits)", run.len());
        from = run.end;
    }
    shown.push_str(&text[from..]);
    Cow::Owned(shown)
}

/// The same without control characters, for a terminal.
pub(super) fn shown(text: &str) -> String {
    harmless(&masked(text))
}

/// Where there are at least as many digits in a row as a NIK has.
pub(super) fn nik_runs(bytes: &[u8]) -> Vec<std::ops::Range<usize>> {
    let mut runs = Vec::new();
    let mut from = 0;
    for (place, byte) in bytes.iter().chain([&b' ']).enumerate() {
        if byte.is_ascii_digit() {
            continue;
        }
        if place - from >= NIK_DIGITS {
            runs.push(from..place);
        }
        from = place + 1;
    }
    runs
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_digits_as_a_nik_has_are_not_shown() {
        for (text, expected) in [
            ("kiosk 18", "kiosk 18"),
            ("123456789012345", "123456789012345"),
            ("1234567890123456", "(16 digits)"),
            ("é12345678901234567x", "é(17 digits)x"),
            ("a1234567890123456b12345c1234567890123456", "a(16 digits)b12345c(16 digits)"),
        ] {
            assert_eq!(masked(text), expected);
        }
        assert_eq!(shown("a\u{1b}[31m"), "a\u{fffd}[31m");
    }
}
