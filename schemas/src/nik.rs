//! What may be a NIK, a citizen's number: the one definition for every program, of what is refused
//! where a text is published and of what is left out where a text is shown.
//!
//! # What a NIK is
//! Sixteen digits: the district where it was given out (6 digits: province, regency, district),
//! the day of birth (DDMMYY; 40 is added to a woman's day) and a serial number from 0001:
//! Government Regulation 37/2007, article 37. Only the province is checked against the region table:
//! regencies and districts have been renumbered since many NIKs were given out. A family card's
//! number (nomor KK) is built alike and treated alike.
//!
//! # What may be one, in a text
//! 1. **Sixteen digits in a row that can be a NIK**, of any script (full-width, Arabic,
//!    mathematical, raised, circled, …), whatever separates them: any number of characters that
//!    are no letters, and at most one letter, between two digits.
//! 2. **The first fourteen digits of one**, which are nearly all of it, with at most one character
//!    between two digits. The serial number tells siblings apart and hardly anybody else.
//! 3. **Fifteen or more digits with nothing between them**, whatever they say: a mistyped NIK is
//!    nearly one.
//! 4. The first and the second with O for 0, and I or l for 1, as typewriters had it; then no
//!    letters stand between digits, and at least eight are digits.
//!
//! Not looked into, because honest names would be refused: a day from 2020 to 2049, written as
//! `2026-05-03` or `20260503` with no digit beside it (it parts the digits before it from those
//! behind it, so that `18.71-2026-05-03-0001` is the name of a visit); a UUID with its version and
//! variant (RFC 9562); and 32 or more hexadecimal digits of which at least four are letters (a
//! digest, a key).
//!
//! A phone number, a time to the second and a 13-digit count of milliseconds have too few digits;
//! an account's or a device's number of fourteen digits is refused where it happens to read like a
//! NIK, about one in forty. Numbers that somebody encodes to get them through (in words, backwards,
//! in Base64) are beyond any such rule. Property tests
//! hold the rule against disguised NIKs.

mod digits;

use std::borrow::Cow;
use std::fmt::{self, Write as _};
use std::ops::Range;

use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::region::{RegionCode, RegionTable};
use digits::{Digit, stretches};

/// How many digits a NIK has.
const DIGITS: usize = 16;
/// How many of its first digits are nearly all of it.
const NEARLY: usize = 14;
/// So many digits with nothing between them are no name: a day and a time have fourteen.
const LONGEST_NUMBER: usize = 15;
/// How many digits have to be digits where letters may stand for others.
const FEWEST_REAL: usize = 8;

/// A text that is not a NIK. It never contains the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a NIK has 16 digits")]
pub struct NikError;

/// A citizen's number, 16 digits. Wiped when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Nik(pub(crate) [u8; 16]);

impl Nik {
    /// Reads a NIK: exactly 16 ASCII digits.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn parse(text: &str) -> Result<Self, NikError> {
        let digits: [u8; 16] = text.as_bytes().try_into().map_err(|_| NikError)?;
        if digits.iter().all(u8::is_ascii_digit) { Ok(Self(digits)) } else { Err(NikError) }
    }
}

impl fmt::Debug for Nik {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nik(…)")
    }
}

/// Why a text is not a NIK. Never says a digit of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NikProblem {
    /// Not sixteen digits.
    #[error("a NIK has 16 digits and nothing else")]
    Shape,
    /// Written like `1.87101E+15`.
    #[error(
        "a spreadsheet took the NIK for a number and rounded it, so its last digits are lost: take \
         it from where it came from, into a column that is text"
    )]
    Rounded,
    /// No province has these two digits.
    #[error("the NIK's first two digits are no province's code")]
    Province,
    /// A regency or district with the number 00.
    #[error("the NIK's digits 3 to 6 are no regency's and district's number")]
    District,
    /// No such day.
    #[error("the NIK's digits 7 to 12 are no date of birth (DDMMYY, 40 added to a woman's day)")]
    Birth,
    /// The serial number 0000.
    #[error("the NIK's last four digits are no serial number")]
    Serial,
}

impl NikProblem {
    /// Every one.
    pub const ALL: [Self; 6] =
        [Self::Shape, Self::Rounded, Self::Province, Self::District, Self::Birth, Self::Serial];
}

/// Reads a NIK and checks what can be checked about it. Surrounding white space is not accepted.
///
/// # Errors
/// Says which part of it cannot be; never with a digit of it.
pub fn parse(text: &str) -> Result<Nik, NikProblem> {
    let nik = Nik::parse(text)
        .map_err(|_| if is_scientific(text) { NikProblem::Rounded } else { NikProblem::Shape })?;
    let mut digits = [0; DIGITS];
    for (digit, byte) in digits.iter_mut().zip(text.bytes()) {
        *digit = byte.wrapping_sub(b'0');
    }
    let checked = check_start(&digits);
    let is_serial = digits[12..] != [0; 4];
    digits.zeroize();
    checked?;
    if is_serial { Ok(nik) } else { Err(NikProblem::Serial) }
}

/// Whether digits can be the first of a NIK, up to the day of birth at least.
fn check_start(digits: &[u8]) -> Result<(), NikProblem> {
    let pair = |index: usize| u32::from(digits[index]) * 10 + u32::from(digits[index + 1]);
    let text = [b'0' + digits[0], b'0' + digits[1]];
    let province = std::str::from_utf8(&text).ok().and_then(RegionCode::parse);
    if province.and_then(|code| RegionTable::get().index_of(code)).is_none() {
        return Err(NikProblem::Province);
    }
    if pair(2) == 0 || pair(4) == 0 {
        return Err(NikProblem::District);
    }
    if is_birth(pair(6), pair(8), pair(10)) { Ok(()) } else { Err(NikProblem::Birth) }
}

/// Whether it is a large number as spreadsheets show it, with a point or a comma.
fn is_scientific(text: &str) -> bool {
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let Some((number, power)) = text.split_once(['E', 'e']) else { return false };
    let (whole, fraction) = number.split_once(['.', ',']).unwrap_or((number, "0"));
    digits(whole) && digits(fraction) && digits(power.strip_prefix('+').unwrap_or(power))
}

fn is_birth(day: u32, month: u32, year: u32) -> bool {
    let day = if day > 40 { day - 40 } else { day };
    let last = match month {
        4 | 6 | 9 | 11 => 30,
        // Two digits do not tell the century, and 2000 was a leap year.
        2 if year.is_multiple_of(4) => 29,
        2 => 28,
        1..=12 => 31,
        _ => return false,
    };
    (1..=last).contains(&day)
}

/// Whether a text holds what may be a NIK: then it must not leave the kiosk, nor be shown.
#[must_use]
pub fn holds_nik(text: &str) -> bool {
    !spans(text).is_empty()
}

/// A text from outside as it may be shown: in place of what may be a NIK is how many digits it has.
#[must_use]
pub fn masked(text: &str) -> Cow<'_, str> {
    let spans = spans(text);
    if spans.is_empty() {
        return Cow::Borrowed(text);
    }
    let (mut shown, mut from) = (String::new(), 0);
    for span in spans {
        shown.push_str(&text[from..span.start]);
        let hidden = text[span.clone()].chars().filter(|c| digits::value(*c).is_some()).count();
        // Writing into a text does not fail.
        let _ = write!(shown, "({hidden} digits)");
        from = span.end;
    }
    shown.push_str(&text[from..]);
    Cow::Owned(shown)
}

/// Where in bytes, as far as they are UTF-8, stands what may be a NIK.
#[must_use]
pub fn spans_in_bytes(bytes: &[u8]) -> Vec<Range<usize>> {
    let (mut found, mut at) = (Vec::new(), 0);
    for chunk in bytes.utf8_chunks() {
        found.extend(spans(chunk.valid()).into_iter().map(|s| at + s.start..at + s.end));
        at += chunk.valid().len() + chunk.invalid().len();
    }
    found
}

/// Where in a text stands what may be a NIK: from its first digit to its last, in order and
/// without overlaps.
#[must_use]
pub fn spans(text: &str) -> Vec<Range<usize>> {
    // Most texts have too few digits for any of it.
    let may_count = |byte: u8| byte.is_ascii_digit() || !byte.is_ascii() || digits::is_alike(byte);
    if text.bytes().filter(|byte| may_count(*byte)).count() < NEARLY {
        return Vec::new();
    }
    let mut found = Vec::new();
    for alike in [false, true] {
        if alike && !text.bytes().any(digits::is_alike) {
            continue;
        }
        for stretch in stretches(text, alike) {
            of_stretch(&stretch, alike, &mut found);
        }
    }
    found.sort_unstable_by_key(|span: &Range<usize>| (span.start, span.end));
    let mut apart: Vec<Range<usize>> = Vec::new();
    for span in found {
        match apart.last_mut() {
            Some(last) if span.start <= last.end => last.end = last.end.max(span.end),
            _ => apart.push(span),
        }
    }
    apart
}

/// What may be a NIK in digits that belong together.
fn of_stretch(stretch: &[Digit], alike: bool, found: &mut Vec<Range<usize>>) {
    let place = |from: usize, to: usize| stretch[from].at..stretch[to - 1].end;
    let real = |digits: &[Digit]| digits.iter().filter(|digit| digit.real).count() >= FEWEST_REAL;
    for from in 0..stretch.len().saturating_sub(NEARLY - 1) {
        let rest = &stretch[from..];
        let values: Vec<u8> = rest.iter().take(DIGITS).map(|digit| digit.value).collect();
        if check_start(&values).is_err() {
            continue;
        }
        if rest.len() >= DIGITS && values[12..] != [0; 4] && real(&rest[..DIGITS]) {
            found.push(place(from, from + DIGITS));
        } else if rest[1..NEARLY].iter().all(|digit| digit.gap <= 1) && real(&rest[..NEARLY]) {
            // What follows closely belongs to it.
            let more = rest[NEARLY..].iter().take(DIGITS - NEARLY);
            let more = more.take_while(|digit| digit.gap <= 1).count();
            found.push(place(from, from + NEARLY + more));
        }
    }
    if alike {
        return;
    }
    let mut from = 0;
    for to in 1..=stretch.len() {
        if to < stretch.len() && stretch[to].gap == 0 {
            continue;
        }
        if to - from >= LONGEST_NUMBER {
            found.push(place(from, to));
        }
        from = to;
    }
}

#[cfg(test)]
mod tests;
