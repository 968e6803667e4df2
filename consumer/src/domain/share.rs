//! Shares: exact fractions shown as percentages with two places, rounded half up. It knows nothing
//! of what is divided by what, and no binary fraction comes near it.

use std::fmt;
use std::str::FromStr;

use laju_schemas::share;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// A percentage with two decimal places: hundredths of a percent. In text and JSON `"11.73"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Share(u64);

/// A text that is not a share.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{0}' is not a percentage with two decimal places")]
pub struct ShareError(String);

impl Share {
    /// `part` of `whole`, in percent. `None` of nobody.
    #[must_use]
    pub fn of(part: u64, whole: u64) -> Option<Self> {
        Self::of_fraction(part, whole.into(), 1)
    }

    /// `part` of `numerator / denominator`, in percent, rounded once and at the end. `None` if
    /// the fraction is zero or none at all, or the share is beyond any that can be shown.
    #[must_use]
    pub fn of_fraction(part: u64, numerator: u128, denominator: u128) -> Option<Self> {
        share::hundredths_of(part, numerator, denominator).map(Self)
    }

    /// From hundredths of a percent.
    #[must_use]
    pub const fn from_hundredths(hundredths: u64) -> Self {
        Self(hundredths)
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
        let error = || ShareError(text.chars().take(30).collect());
        let (whole, places) = text.split_once('.').ok_or_else(error)?;
        let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
        if places.len() != 2 || !digits(whole) || !digits(places) {
            return Err(error());
        }
        format!("{whole}{places}").parse().map(Self).map_err(|_| error())
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
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
    fn text_reads_back() {
        let share: Share = "11.73".parse().unwrap();
        assert_eq!(share.hundredths(), 1_173);
        assert_eq!(serde_json::to_string(&share).unwrap(), "\"11.73\"");
        for text in ["11", "11.7", "11.733", ".50", "-1.00", "1,00", ""] {
            assert!(text.parse::<Share>().is_err(), "{text}");
        }
    }
}
