//! Digits that may be a NIK. Whoever fills in a wrong field may put one there; what is refused is
//! told of in topics, answers, exports and logs, and a NIK must be in none of them.

use std::borrow::Cow;
use std::fmt::Write as _;
use std::ops::Range;

/// How many digits a NIK has.
const NIK_DIGITS: usize = 16;

/// A text from outside as it may be shown: as many digits in a row as a NIK has are not repeated.
#[must_use]
pub fn masked(text: &str) -> Cow<'_, str> {
    let runs = nik_runs(text.as_bytes());
    if runs.is_empty() {
        return Cow::Borrowed(text);
    }
    let (mut shown, mut from) = (String::new(), 0);
    for run in runs {
        shown.push_str(&text[from..run.start]);
        // Writing into a text does not fail.
        let _ = write!(shown, "({} digits)", run.len());
        from = run.end;
    }
    shown.push_str(&text[from..]);
    Cow::Owned(shown)
}

/// Where there are at least as many digits in a row as a NIK has.
#[must_use]
pub fn nik_runs(bytes: &[u8]) -> Vec<Range<usize>> {
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
            ("-9187101310190000 1871013101900001", "-(16 digits) (16 digits)"),
        ] {
            assert_eq!(masked(text), expected);
        }
    }
}
