//! Rates: exact fractions of people by time, shown with two places, rounded half away from zero.
//! It knows nothing of what is counted, and no binary fraction comes near it.

use std::fmt;
use std::str::FromStr;

use laju_schemas::share::{half_up, hundredths};
use thiserror::Error;

/// A rate with two decimal places: hundredths. In text and JSON `"23.36"`, `"-0.50"`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Rate(i64);

/// A text that is not a rate.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{0}' is not a number with two decimal places")]
pub struct RateError(String);

impl Rate {
    /// `numerator / denominator`. `None` of nothing, or beyond any that can be shown.
    #[must_use]
    pub fn of(numerator: i128, denominator: u128) -> Option<Self> {
        let hundredths = half_up(numerator.unsigned_abs().checked_mul(100)?, denominator)?;
        let hundredths = i64::try_from(hundredths).ok()?;
        Some(Self(if numerator < 0 { -hundredths } else { hundredths }))
    }

    /// Hundredths: 23.36 is 2336.
    #[must_use]
    pub const fn hundredths(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Rate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.0 < 0 { "-" } else { "" };
        let hundredths = self.0.unsigned_abs();
        f.pad(&format!("{sign}{}.{:02}", hundredths / 100, hundredths % 100))
    }
}

impl FromStr for Rate {
    type Err = RateError;

    fn from_str(text: &str) -> Result<Self, RateError> {
        let (negative, digits) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
        let hundredths = hundredths(digits).and_then(|number| i64::try_from(number).ok());
        let hundredths = hundredths.ok_or_else(|| RateError(text.chars().take(30).collect()))?;
        Ok(Self(if negative { -hundredths } else { hundredths }))
    }
}

laju_schemas::serde_as_text!(Rate);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rates_are_rounded_once_and_halves_go_away_from_zero() {
        let of = |n, d| Rate::of(n, d).unwrap().to_string();
        assert_eq!(of(5_000, 214), "23.36");
        assert_eq!(of(4_000, 151), "26.49");
        assert_eq!(of(1, 200), "0.01");
        assert_eq!(of(-1, 200), "-0.01");
        assert_eq!(of(-1, 201), "0.00", "no sign of nothing");
        assert_eq!(of(-7, 2), "-3.50");
        assert_eq!(Rate::of(1, 0), None);
        assert_eq!(Rate::of(i128::MAX, 1), None);
    }

    #[test]
    fn text_reads_back() {
        for text in ["23.36", "-0.05", "0.00", "-12.30"] {
            assert_eq!(text.parse::<Rate>().unwrap().to_string(), text);
        }
        assert_eq!(serde_json::to_string(&"-1.05".parse::<Rate>().unwrap()).unwrap(), "\"-1.05\"");
        for text in ["11", "11.7", ".50", "--1.00", "+1.00", "1.000", ""] {
            assert!(text.parse::<Rate>().is_err(), "{text}");
        }
    }
}
