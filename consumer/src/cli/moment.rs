//! A moment as people write it: an instant, a day, or a time ago. The clock is an argument.

use std::str::FromStr;

use jiff::civil::Date;
use jiff::fmt::friendly::SpanParser;
use jiff::tz::{Offset, TimeZone};
use jiff::{Span, Timestamp};
use laju_schemas::{TimestampMs, Zone};

/// What to write, for help and errors.
pub const MOMENTS: &str = "an instant (2026-01-05T08:00:00Z, 2026-01-05T15:00:00+07:00), a day \
     (2026-01-05, its beginning in Asia/Jakarta) or a time ago (\"3 days ago\", \"2h ago\")";

/// How long a date is: what is longer has a time of day as well.
const DATE_LENGTH: usize = "2026-01-05".len();

/// A moment, perhaps in terms of another one.
#[derive(Clone, Copy, Debug)]
pub enum Moment {
    /// An instant.
    Instant(Timestamp),
    /// The beginning of a day in the programme's zone, Asia/Jakarta.
    Day(Date),
    /// So long before now; days and longer units are those of Asia/Jakarta's calendar.
    Ago(Span),
}

/// A text that is no moment, or one beyond the calendar.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum MomentError {
    #[error("'{0}' is no moment: write {MOMENTS}")]
    Shape(String),
    #[error("'{0}' does not say in which zone: add Z, or the hours ahead of UTC, e.g. +07:00")]
    NoZone(String),
    #[error("the calendar does not go that far")]
    TooFar,
}

impl Moment {
    /// The instant meant, when it is now `now`.
    pub fn at(self, now: TimestampMs) -> Result<TimestampMs, MomentError> {
        let zone = || TimeZone::fixed(Offset::constant(Zone::Wib.hours() as i8));
        let instant = match self {
            Self::Instant(instant) => Ok(instant),
            Self::Day(day) => day.to_zoned(zone()).map(|zoned| zoned.timestamp()),
            Self::Ago(span) => Timestamp::from_millisecond(now.0)
                .and_then(|now| now.to_zoned(zone()).checked_add(span))
                .map(|zoned| zoned.timestamp()),
        };
        // Where there is a fraction of a millisecond, nothing before the instant is meant.
        let millisecond = |instant: Timestamp| {
            instant.as_nanosecond().div_euclid(1_000_000)
                + i128::from(instant.as_nanosecond().rem_euclid(1_000_000) > 0)
        };
        let instant = instant.map_err(|_| MomentError::TooFar)?;
        i64::try_from(millisecond(instant)).map(TimestampMs).map_err(|_| MomentError::TooFar)
    }
}

impl std::fmt::Display for Moment {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Instant(instant) => instant.fmt(f),
            Self::Day(day) => day.fmt(f),
            // It is negative, which this form has a word for.
            Self::Ago(span) => write!(f, "{span:#}"),
        }
    }
}

impl FromStr for Moment {
    type Err = MomentError;

    fn from_str(text: &str) -> Result<Self, MomentError> {
        let text = text.trim();
        let shape = || MomentError::Shape(text.chars().take(80).collect());
        if text.ends_with("ago") {
            let span = SpanParser::new().parse_span(text).map_err(|_| shape())?;
            return Ok(Self::Ago(span));
        }
        if text.len() == DATE_LENGTH {
            return text.parse().map(Self::Day).map_err(|_| shape());
        }
        match text.parse::<Timestamp>() {
            Ok(instant) => Ok(Self::Instant(instant)),
            Err(_) if text.parse::<jiff::civil::DateTime>().is_ok() => {
                Err(MomentError::NoZone(text.chars().take(80).collect()))
            }
            Err(_) => Err(shape()),
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// 2026-03-01T10:00Z, 17:00 in Jakarta.
    const NOW: TimestampMs = TimestampMs(1_772_359_200_000);

    fn at(text: &str) -> String {
        text.parse::<Moment>().unwrap().at(NOW).unwrap().to_string()
    }

    #[test]
    fn instants_days_and_times_ago() {
        for (text, expected) in [
            ("2026-01-05T08:00:00Z", "2026-01-05T08:00:00Z"),
            ("2026-01-05T15:00:00+07:00", "2026-01-05T08:00:00Z"),
            (" 2026-01-05T08:00:00.5Z", "2026-01-05T08:00:00.5Z"),
            ("2026-01-05T08:00:00.0001Z", "2026-01-05T08:00:00.001Z"),
            // A day begins in Jakarta.
            ("2026-01-05", "2026-01-04T17:00:00Z"),
            ("3 days ago", "2026-02-26T10:00:00Z"),
            ("2 hours ago", "2026-03-01T08:00:00Z"),
            ("30 minutes ago", "2026-03-01T09:30:00Z"),
            ("1h 30m ago", "2026-03-01T08:30:00Z"),
            ("1 week ago", "2026-02-22T10:00:00Z"),
            // A month of the calendar.
            ("1 month ago", "2026-02-01T10:00:00Z"),
        ] {
            assert_eq!(at(text), expected, "{text}");
            let moment: Moment = text.parse().unwrap();
            assert_eq!(at(&moment.to_string()), expected, "{moment}");
        }
    }

    #[test]
    fn what_is_no_moment_is_told_with_what_is() {
        for text in
            ["", "3 days", "ago", "yesterday", "2026-13-01", "18.71", "in 3 days", "-3 days ago"]
        {
            let error = text.parse::<Moment>().unwrap_err();
            assert!(matches!(error, MomentError::Shape(_)), "{text}: {error}");
            assert!(error.to_string().contains("3 days ago"), "{error}");
        }
        for text in ["2026-01-05T08:00", "2026-01-05 08:00:00"] {
            assert!(matches!(text.parse::<Moment>(), Err(MomentError::NoZone(_))), "{text}");
        }
        let far = "19998 years ago".parse::<Moment>().unwrap();
        assert_eq!(far.at(NOW), Err(MomentError::TooFar));
    }

    proptest! {
        #[test]
        fn every_instant_is_read_as_it_is_written(ms in 0..4_102_444_800_000_i64) {
            let moment: Moment = TimestampMs(ms).to_string().parse().unwrap();
            prop_assert_eq!(moment.at(NOW).unwrap(), TimestampMs(ms));
        }

        #[test]
        fn a_time_ago_is_that_long_before_now(now in 0..4_102_444_800_000_i64, minutes in 0..9_999_999_i64) {
            let moment: Moment = format!("{minutes} minutes ago").parse().unwrap();
            let expected = TimestampMs(now - minutes * 60_000);
            prop_assert_eq!(moment.at(TimestampMs(now)).unwrap(), expected);
        }

        #[test]
        fn a_day_begins_where_jakartas_does(days in 0..40_000_i64) {
            let date = jiff::civil::date(1970, 1, 1).checked_add(jiff::Span::new().days(days)).unwrap();
            let moment: Moment = date.to_string().parse().unwrap();
            let began = moment.at(NOW).unwrap();
            prop_assert_eq!(began, TimestampMs(days * 86_400_000 - 7 * 3_600_000));
        }

        #[test]
        fn no_text_makes_it_fall_over(text in "\\PC{0,30}") {
            if let Ok(moment) = text.parse::<Moment>() {
                let _ = moment.at(NOW);
            }
        }
    }
}
