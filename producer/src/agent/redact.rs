//! Keeps citizens' numbers out of what is said and sent: whatever looks like one is blanked in
//! errors, and refused where it would leave the kiosk.

use crate::nik;

/// So many digits without anything between them are no name: a day and a time have fourteen.
const LONGEST_NUMBER: usize = 15;

/// The shortest run of digits that is blanked. A NIK has 16; a part of one says much of it.
const TELLTALE: usize = 12;

/// The places of the text where digits stand in a row, with anything but letters between them, as
/// people write long numbers.
fn long_numbers(text: &str) -> Vec<(usize, usize)> {
    let mut found = Vec::new();
    let (mut from, mut last, mut digits) = (0, 0, 0);
    for (place, byte) in text.bytes().enumerate() {
        if byte.is_ascii_digit() {
            if digits == 0 {
                from = place;
            }
            digits += 1;
            last = place + 1;
        } else if byte.is_ascii_alphabetic() && digits > 0 {
            if digits >= TELLTALE {
                found.push((from, last));
            }
            digits = 0;
        }
    }
    if digits >= TELLTALE {
        found.push((from, last));
    }
    found
}

/// Whether a text holds a NIK: sixteen digits that can be one, with anything but letters between
/// them, or more digits without anything between them than names of visits have.
#[must_use]
pub fn holds_nik(text: &str) -> bool {
    let is_nik = |digits: &[u8]| std::str::from_utf8(digits).is_ok_and(|d| nik::parse(d).is_ok());
    long_numbers(text).into_iter().any(|(from, to)| {
        let number = &text.as_bytes()[from..to];
        let mut runs = number.split(|byte| !byte.is_ascii_digit());
        let digits: Vec<u8> = number.iter().copied().filter(u8::is_ascii_digit).collect();
        runs.any(|run| run.len() >= LONGEST_NUMBER) || digits.windows(16).any(is_nik)
    })
}

/// A text with what may be a NIK blanked.
#[must_use]
pub(super) fn redact(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut at = 0;
    for (from, to) in long_numbers(text) {
        out.push_str(&text[at..from]);
        out.push('…');
        at = to;
    }
    out.push_str(&text[at..]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_citizens_are_blanked_and_names_of_visits_are_not_taken_for_them() {
        for id in ["18.71-2026-05-03-01", "visit 20260503123000", "018d4a6e-5c00-7000-8000-1"] {
            assert!(!holds_nik(id), "{id}");
        }
        for id in [
            "sd 1871010101900001",
            "1871-0101-0190-0001",
            "x1871010101900001y",
            "1".repeat(15).as_str(),
        ] {
            assert!(holds_nik(id), "{id}");
        }
        assert_eq!(redact("2026-05-03T02:30:00Z, 3 of 12"), "2026-05-03T02:30:00Z, 3 of 12");
        assert_eq!(redact("to 1871_0101/0190–0001!"), "to …!");
    }
}
