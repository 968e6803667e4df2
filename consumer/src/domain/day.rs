//! Days: local calendar days, counted from the day the programme began.

use jiff::ToSpan as _;
use jiff::civil::Date;
use laju_schemas::Zone;
use laju_schemas::rules::PROGRAMME_BEGAN;

const HOUR_MS: i64 = 3_600_000;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The instant the programme began (see [`PROGRAMME_BEGAN`]), in milliseconds since 1970.
pub const PROGRAMME_START_MS: i64 = PROGRAMME_BEGAN.0;

/// The last instant that a record's timestamp is taken for: far in the future (2161), so that a
/// bogus timestamp cannot leave the range in which days and instants are stored.
pub const LAST_RECORD_MS: i64 = PROGRAMME_START_MS + (1 << 42) - 4 * DAY_MS;

/// 2022-01-01T00:00Z in milliseconds since 1970.
const EPOCH_MS: i64 = 1_640_995_200_000;

/// A calendar day: days since 2022-01-01, which is day 0.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Day(pub u16);

impl Day {
    /// Later than every day of a posting.
    pub const MAX: Self = Self(u16::MAX);

    /// The local day of an instant (milliseconds since 1970) in a zone. Instants before the
    /// programme are day 0.
    #[must_use]
    #[inline]
    pub fn of_instant(ms: i64, zone: Zone) -> Self {
        let local = ms.saturating_sub(EPOCH_MS).saturating_add(zone.hours() * HOUR_MS);
        Self(u16::try_from(local.div_euclid(DAY_MS).max(0)).unwrap_or(u16::MAX))
    }

    /// The day a record was recorded on: the day of its timestamp in the programme's zone,
    /// Asia/Jakarta.
    #[must_use]
    #[inline]
    pub fn recorded(timestamp_ms: i64) -> Self {
        Self::of_instant(timestamp_ms, Zone::Wib)
    }

    /// The day of a date: `None` before the programme; the last day there is for dates beyond it.
    #[must_use]
    pub fn of_date(date: Date) -> Option<Self> {
        let days = (date - epoch()).get_days();
        if days < 0 { None } else { Some(Self(u16::try_from(days).unwrap_or(u16::MAX))) }
    }

    /// The day as a date.
    #[must_use]
    pub fn date(self) -> Date {
        epoch().checked_add(i32::from(self.0).days()).unwrap_or(Date::MAX)
    }
}

impl std::fmt::Display for Day {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.date().fmt(f)
    }
}

const fn epoch() -> Date {
    jiff::civil::date(2022, 1, 1)
}

/// The hour of the local day, 0 to 23.
#[must_use]
pub fn local_hour(ms: i64, zone: Zone) -> u8 {
    let local = ms.saturating_sub(EPOCH_MS).saturating_add(zone.hours() * HOUR_MS);
    (local.rem_euclid(DAY_MS) / HOUR_MS) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_days_follow_the_zone() {
        // 2023-12-31T15:30Z is already the new year in the east, but not in the west.
        let ms = "2023-12-31T15:30:00Z".parse::<jiff::Timestamp>().unwrap().as_millisecond();
        assert_eq!(Day::of_instant(ms, Zone::Wib).to_string(), "2023-12-31");
        assert_eq!(Day::of_instant(ms, Zone::Wita).to_string(), "2023-12-31");
        assert_eq!(Day::of_instant(ms, Zone::Wit).to_string(), "2024-01-01");
        assert_eq!(local_hour(ms, Zone::Wib), 22);
        assert_eq!(local_hour(ms, Zone::Wit), 0);
    }

    #[test]
    fn the_programme_begins_on_day_0() {
        assert_eq!(Day::of_instant(PROGRAMME_START_MS, Zone::Wib), Day(0));
        assert_eq!(Day::of_date(jiff::civil::date(2021, 12, 31)), None);
        assert_eq!(Day::of_date(Day(700).date()), Some(Day(700)));
        assert_eq!(Day::of_instant(i64::MIN, Zone::Wit), Day(0));
        assert!(Day::of_instant(LAST_RECORD_MS + 2 * DAY_MS, Zone::Wit) < Day::MAX);
    }
}
