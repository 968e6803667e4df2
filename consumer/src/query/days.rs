//! The two days of a question: that of what was true, and that of what was known.

use clap::Args;
use jiff::civil::Date;
use laju_schemas::TimestampMs;
use serde::de::{Error as _, Unexpected};
use serde::{Deserialize, Deserializer, Serialize};
use utoipa::IntoParams;

use super::scan::Window;
use crate::domain::day::Day;

/// The two days of a question. Any day will do, also one before the programme.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct Days {
    /// What was true at the end of this day (each region's own local day). Without it every
    /// posting counts, and denominators and targets are those of today in Asia/Jakarta.
    #[arg(long, value_name = "YYYY-MM-DD")]
    #[serde(default, deserialize_with = "date")]
    #[param(example = "2023-12-31")]
    pub as_of: Option<Date>,
    /// What was known at the end of this day in Asia/Jakarta. Without it all that is known.
    #[arg(long, value_name = "YYYY-MM-DD")]
    #[serde(default, deserialize_with = "date")]
    #[param(example = "2024-01-05")]
    pub known_at: Option<Date>,
    /// Whether postings of days after `as_of` count as well (not in a pace): what a question without
    /// `as_of` was answered on that day. Links say so where there are such postings.
    #[arg(long)]
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub ahead: bool,
}

/// The day of knowledge alone.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct KnownAt {
    /// What was known at the end of this day in Asia/Jakarta. Without it all that is known.
    #[arg(long, value_name = "YYYY-MM-DD")]
    #[serde(default, deserialize_with = "date")]
    #[param(example = "2024-01-05")]
    pub known_at: Option<Date>,
}

/// The days of a question about this moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Args, Serialize, Deserialize, IntoParams)]
pub struct NoDays {}

/// Up to where a state goes beyond today: what a permanent link has to cover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Horizon {
    /// Today, in the programme's zone.
    pub today: Date,
    /// The last day on which something in it counts as recorded, and today at least. It is later
    /// where a record was stamped in the future.
    pub known: Date,
    /// Whether there are postings of days after today: of regions where it is tomorrow already, or
    /// of a clock that is wrong.
    pub ahead: bool,
}

impl Days {
    /// Which postings count.
    #[must_use]
    pub fn window(&self) -> Window {
        Window::new(self.until(), self.known_at)
    }

    /// The last day of postings that count; `None` for all there are.
    #[must_use]
    pub fn until(&self) -> Option<Date> {
        self.as_of.filter(|_| !self.ahead)
    }

    /// The day shown, on which reference figures have to be valid.
    #[must_use]
    pub fn day(&self, today: Date) -> Date {
        self.as_of.unwrap_or(today)
    }

    /// The last day of recording of reference figures that count, `Some(None)` for all there are;
    /// `None` if none count, as the day is before the programme.
    #[must_use]
    pub fn known_until(&self) -> Option<Option<Day>> {
        match self.known_at {
            None => Some(None),
            Some(day) => Day::of_date(day).map(Some),
        }
    }

    /// Whether it asks for the knowledge of a past day, of which it cannot be said any more what
    /// was missing then.
    #[must_use]
    pub fn asks_past_knowledge(&self, today: Date) -> bool {
        self.known_at.is_some_and(|day| day < today)
    }

    /// With both days filled in, for a permanent link: where a question without days counts
    /// postings dated ahead or recorded in the future, the link covers those. From the day after
    /// `known_at` on it is answered with the same counts for ever; until then knowledge still
    /// grows.
    #[must_use]
    pub fn filled(&self, horizon: &Horizon) -> Self {
        Self {
            as_of: Some(self.day(horizon.today)),
            known_at: Some(self.known_at.unwrap_or(horizon.known)),
            ahead: self.ahead || (self.as_of.is_none() && horizon.ahead),
        }
    }
}

/// Today, in the programme's zone.
#[must_use]
pub fn today(now: TimestampMs) -> Date {
    const PROGRAMME_ZONE_MS: i64 = laju_schemas::Zone::Wib.hours() * 3_600_000;
    jiff::Timestamp::from_millisecond(now.0.saturating_add(PROGRAMME_ZONE_MS))
        .unwrap_or(jiff::Timestamp::MAX)
        .to_zoned(jiff::tz::TimeZone::UTC)
        .date()
}

/// First and last day, each included; none is without an end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct DayRange {
    /// The first.
    pub from: Option<Date>,
    /// The last.
    pub to: Option<Date>,
}

impl DayRange {
    /// As numbers of days, the end excluded.
    pub(crate) fn numbers(self) -> std::ops::Range<u32> {
        let from = self.from.and_then(Day::of_date).map_or(0, |day| u32::from(day.0));
        let to = match self.to.map(Day::of_date) {
            None => u32::MAX,
            Some(None) => 0,
            Some(Some(day)) => u32::from(day.0) + 1,
        };
        from..to
    }
}

/// A date, written as `YYYY-MM-DD` and in no other way.
///
/// # Errors
/// If it is none.
pub fn date<'de, T: From<Date>, D: Deserializer<'de>>(from: D) -> Result<T, D::Error> {
    let text = String::deserialize(from)?;
    let date = text.parse::<Date>().ok().filter(|date| date.to_string() == text);
    let expected = "a date like 2023-12-31";
    date.map(T::from).ok_or_else(|| D::Error::invalid_value(Unexpected::Str(&text), &expected))
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;
    use laju_schemas::RegionCode;

    use super::*;
    use crate::query::figures::progress::{ProgressListQuestion, ProgressQuestion};
    use crate::query::question::{Endpoint as _, Level};

    #[test]
    fn today_is_jakartas() {
        let at = |text: &str| today(text.parse().unwrap());
        assert_eq!(at("2023-12-31T16:59:59Z"), date(2023, 12, 31));
        assert_eq!(at("2023-12-31T17:00:00Z"), date(2024, 1, 1));
    }

    #[test]
    fn a_link_fills_in_both_days() {
        let today = date(2024, 8, 2);
        let horizon = Horizon { today, known: today, ahead: false };
        let code = "18.71".parse().unwrap();
        let region = ProgressQuestion { code };
        assert_eq!(
            region.link(&Days::default().filled(&horizon)),
            "/v1/regions/18.71/progress?as_of=2024-08-02&known_at=2024-08-02"
        );
        let far = Horizon { known: date(2099, 1, 1), ahead: true, ..horizon };
        assert_eq!(
            region.link(&Days::default().filled(&far)),
            "/v1/regions/18.71/progress?as_of=2024-08-02&known_at=2099-01-01&ahead=true"
        );
        let days = Days {
            as_of: Some(date(2023, 12, 31)),
            known_at: Some(date(2024, 1, 5)),
            ahead: false,
        };
        let list = ProgressListQuestion { level: Level::Province, within: RegionCode::NATION };
        assert_eq!(
            list.link(&days.filled(&far)),
            "/v1/progress?level=province&within=ID&as_of=2023-12-31&known_at=2024-01-05"
        );
        assert!(days.asks_past_knowledge(today));
        assert!(!Days { known_at: Some(today), ..days }.asks_past_knowledge(today));
    }
}
