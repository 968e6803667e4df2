//! Shares as the contract carries them: percentages with two decimal places, already rounded; and
//! how they are rounded.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

/// A percentage with two decimal places: hundredths of a percent. In text and JSON `"11.73"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SharePercent(u64);

/// A text that is not such a percentage.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("not a percentage with two decimal places")]
pub struct SharePercentError;

/// `part` of `numerator / denominator` in hundredths of a percent, rounded half up, once and at the
/// end. `None` if the fraction is zero or none at all, or the share is beyond any number here.
#[must_use]
pub fn hundredths_of(part: u64, numerator: u128, denominator: u128) -> Option<u64> {
    if numerator == 0 || denominator == 0 {
        return None;
    }
    // part ÷ (n/d) in hundredths of a percent, half up: ⌊(2·10⁴·part·d + n) ÷ 2n⌋.
    let doubled = u128::from(part).checked_mul(20_000)?.checked_mul(denominator)?;
    let rounded = doubled.checked_add(numerator)? / numerator.checked_mul(2)?;
    u64::try_from(rounded).ok()
}

impl SharePercent {
    /// The largest that the contract can carry: eighteen digits.
    pub const MAX: Self = Self(999_999_999_999_999_999);

    /// From hundredths of a percent; what is above [`SharePercent::MAX`] counts as that.
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

impl fmt::Display for SharePercent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(&format!("{}.{:02}", self.0 / 100, self.0 % 100))
    }
}

impl FromStr for SharePercent {
    type Err = SharePercentError;

    fn from_str(text: &str) -> Result<Self, SharePercentError> {
        let (whole, places) = text.split_once('.').ok_or(SharePercentError)?;
        let digits = |t: &str| !t.is_empty() && t.bytes().all(|b| b.is_ascii_digit());
        if places.len() != 2 || !digits(whole) || !digits(places) {
            return Err(SharePercentError);
        }
        let hundredths = format!("{whole}{places}").parse().map_err(|_| SharePercentError)?;
        if hundredths > Self::MAX.0 { Err(SharePercentError) } else { Ok(Self(hundredths)) }
    }
}

impl Serialize for SharePercent {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for SharePercent {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_places_and_nothing_else() {
        for text in ["0.00", "11.73", "100.00", "9999999999999999.99"] {
            assert_eq!(text.parse::<SharePercent>().unwrap().to_string(), text);
        }
        for text in ["11", "11.7", "11.733", ".50", "-1.00", "1,00", "", "10000000000000000.00"] {
            assert!(text.parse::<SharePercent>().is_err(), "{text}");
        }
        assert_eq!(SharePercent::from_hundredths(u64::MAX), SharePercent::MAX);
    }
}
