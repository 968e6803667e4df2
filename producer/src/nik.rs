//! Whether sixteen digits can be a NIK, told before they become a pseudonym: a mistyped one would
//! make somebody who does not exist.
//!
//! A NIK is the district where it was given out (6 digits: province, regency, district), the day
//! of birth (DDMMYY; 40 is added to a woman's day) and a serial number from 0001: Government
//! Regulation 37/2007, article 37. Only the province is held against the region table: regencies
//! and districts have been renumbered since many NIKs were given out.
//! No error ever contains a digit of it.

use laju_schemas::pseudonym::Nik;
use laju_schemas::{RegionCode, RegionTable};
use thiserror::Error;

/// Why a text is not a NIK.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum NikProblem {
    /// Not sixteen digits.
    #[error("a NIK has 16 digits and nothing else")]
    Shape,
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

/// Reads a NIK and checks what can be checked about it. Surrounding white space is not accepted.
///
/// # Errors
/// Says which part of it cannot be; never with a digit of it.
pub fn parse(text: &str) -> Result<Nik, NikProblem> {
    let nik = Nik::parse(text).map_err(|_| NikProblem::Shape)?;
    let pair = |index: usize| text[index..index + 2].parse::<u32>().unwrap_or(0);
    let province = RegionCode::parse(&text[..2]);
    if province.and_then(|code| RegionTable::get().index_of(code)).is_none() {
        return Err(NikProblem::Province);
    }
    if pair(2) == 0 || pair(4) == 0 {
        return Err(NikProblem::District);
    }
    if !is_birth(pair(6), pair(8), pair(10)) {
        return Err(NikProblem::Birth);
    }
    if &text[12..] == "0000" {
        return Err(NikProblem::Serial);
    }
    Ok(nik)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn men_and_women_of_known_provinces_are_accepted() {
        for nik in [
            "1871010101900001",
            "1871014101900001",
            "3175017112850003",
            "9271012902000001",
            "3201012902960012",
        ] {
            assert!(parse(nik).is_ok(), "{nik}");
        }
    }

    #[test]
    fn each_part_is_checked_and_no_digit_is_repeated() {
        for (nik, problem) in [
            ("187101010190000", NikProblem::Shape),
            (" 1871010101900001", NikProblem::Shape),
            ("187101010190000a", NikProblem::Shape),
            ("0071010101900001", NikProblem::Province),
            ("9971010101900001", NikProblem::Province),
            ("1800010101900001", NikProblem::District),
            ("1871000101900001", NikProblem::District),
            ("1871010001900001", NikProblem::Birth),
            ("1871013201900001", NikProblem::Birth),
            ("1871014001900001", NikProblem::Birth),
            ("1871017201900001", NikProblem::Birth),
            ("1871013102900001", NikProblem::Birth),
            ("1871012902910001", NikProblem::Birth),
            ("1871010113900001", NikProblem::Birth),
            ("1871010101900000", NikProblem::Serial),
        ] {
            let found = parse(nik).unwrap_err();
            assert_eq!(found, problem, "{nik}");
            assert!(!found.to_string().contains(&nik[..6]));
        }
    }
}
