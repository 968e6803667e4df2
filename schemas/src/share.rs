//! Shares: exact fractions as percentages with two decimal places, rounded half up, once. No binary
//! fraction comes near them, and nothing here knows what is divided by what.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

use crate::cursor::{Cursor, DecodeError, put_bytes};
use crate::datum::{Datum, fault};
use crate::decimal::{decimal_bytes, decimal_of};

/// A percentage with two decimal places: hundredths of a percent. In text and JSON `"11.73"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u64);

/// A text that is not such a percentage.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not a percentage with two decimal places")]
pub struct ShareError;

impl Share {
    /// The largest that the contract can carry: eighteen digits.
    pub const MAX: Self = Self(999_999_999_999_999_999);

    /// `part` of `whole`. `None` of nobody.
    #[must_use]
    pub fn of(part: u64, whole: u64) -> Option<Self> {
        Self::of_fraction(part, whole.into(), 1)
    }

    /// `part` of `numerator / denominator`, rounded half up, once and at the end. `None` if the
    /// fraction is zero or none at all, or the share is beyond any number here.
    #[must_use]
    pub fn of_fraction(part: u64, numerator: u128, denominator: u128) -> Option<Self> {
        if denominator == 0 {
            return None;
        }
        // part ÷ (n/d) in hundredths of a percent is 10⁴·part·d ÷ n.
        let part = u128::from(part).checked_mul(10_000)?.checked_mul(denominator)?;
        half_up(part, numerator).map(Self::from_hundredths)
    }

    /// From hundredths of a percent; what is above [`Share::MAX`] counts as that.
    #[must_use]
    pub fn from_hundredths(hundredths: u64) -> Self {
        Self(hundredths.min(Self::MAX.0))
    }

    /// Hundredths of a percent: 11.73 % is 1173.
    #[must_use]
    pub const fn hundredths(self) -> u64 {
        self.0
    }
}

impl fmt::Display for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{:02}", self.0 / 100, self.0 % 100))
    }
}

impl FromStr for Share {
    type Err = ShareError;

    fn from_str(text: &str) -> Result<Self, ShareError> {
        hundredths(text).filter(|number| *number <= Self::MAX.0).map(Self).ok_or(ShareError)
    }
}

impl Datum for Share {
    fn write(&self, out: &mut Vec<u8>) {
        put_bytes(out, &decimal_bytes(i64::try_from(self.0).unwrap_or(i64::MAX)));
    }

    fn read(at: &mut Cursor<'_>, field: &'static str) -> Result<Self, DecodeError> {
        let number = decimal_of(at.bytes(field)?).and_then(|number| u64::try_from(number).ok());
        let share = number.map(Self).filter(|share| *share <= Self::MAX);
        share.ok_or_else(|| fault(field, &"no percentage"))
    }
}

crate::serde_as_text!(Share);

/// `numerator / denominator`, rounded half up, once. `None` of nothing, or beyond any number here.
#[must_use]
pub fn half_up(numerator: u128, denominator: u128) -> Option<u64> {
    let doubled = numerator.checked_mul(2)?.checked_add(denominator)?;
    u64::try_from(doubled.checked_div(denominator.checked_mul(2)?)?).ok()
}

/// The hundredths in a text of digits with two decimal places.
#[must_use]
pub fn hundredths(text: &str) -> Option<u64> {
    let (whole, places) = text.split_once('.')?;
    let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
    let fits = places.len() == 2 && digits(whole) && digits(places);
    fits.then(|| format!("{whole}{places}").parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(part: u64, whole: u64) -> String {
        Share::of(part, whole).unwrap().to_string()
    }

    #[test]
    fn the_offices_figures_come_out() {
        assert_eq!(of(90_000, 767_000), "11.73");
        assert_eq!(of(90_000, 191_750), "46.94");
        assert_eq!(of(1_400, 112_000), "1.25");
        assert_eq!(of(1_400, 28_000), "5.00");
        assert_eq!(of(1_053, 27_000), "3.90");
        assert_eq!(of(36_000, 40_000), "90.00");
    }

    #[test]
    fn halves_round_up_and_only_once() {
        assert_eq!(of(1, 20_000), "0.01", "0.005 %");
        assert_eq!(of(4_999, 100_000_000), "0.00", "0.004999 %");
        assert_eq!(of(1, 3), "33.33");
        assert_eq!(of(2, 3), "66.67");
        assert_eq!(of(9_999_950, 10_000_000), "100.00");
        assert_eq!(of(0, 5), "0.00");
        assert_eq!(of(30, 20), "150.00");
    }

    #[test]
    fn a_target_that_is_no_whole_number_of_people_is_not_rounded_first() {
        // 25 % of 10 people is 2.5: of the rounded 3 it would be 66.67 %.
        assert_eq!(Share::of_fraction(2, 25 * 10, 100).unwrap().to_string(), "80.00");
    }

    #[test]
    fn nothing_is_no_share_of_nobody() {
        assert_eq!(Share::of(5, 0), None);
        assert_eq!(Share::of_fraction(5, 1, 0), None);
        assert_eq!(Share::of_fraction(u64::MAX, 1, u128::MAX), None);
        assert_eq!(of(u64::MAX / 10_000, u64::MAX), "0.01");
    }

    #[test]
    fn two_places_and_nothing_else() {
        for text in ["0.00", "11.73", "100.00", "9999999999999999.99"] {
            assert_eq!(text.parse::<Share>().unwrap().to_string(), text);
        }
        for text in ["11", "11.7", "11.733", ".50", "-1.00", "1,00", "", "10000000000000000.00"] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
        assert_eq!(Share::from_hundredths(u64::MAX), Share::MAX);
        assert_eq!("11.73".parse::<Share>().unwrap().hundredths(), 1_173);
        assert_eq!(serde_json::to_string(&Share::from_hundredths(1_173)).unwrap(), "\"11.73\"");
    }
}
