//! The scenario's calendar: which days offices are open, and how a figure grows over them.
//!
//! All five offices lie in Asia/Jakarta, which is also the programme's zone: there is one calendar.

use jiff::civil::{Date, Weekday, date};
use laju_simulation::{Random, SimulatedRecord};

use crate::domain::day::{Day, PROGRAMME_START_MS};

pub(super) const SECOND_MS: i64 = 1000;
pub(super) const MINUTE_MS: i64 = 60 * SECOND_MS;
pub(super) const HOUR_MS: i64 = 60 * MINUTE_MS;
const DAY_MS: i64 = 24 * HOUR_MS;

/// The days played: 2022-01-01 is day 0, 2024-12-31 the last.
pub(super) const DAYS: u16 = 1096;

/// One day of the calendar.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DemoDay {
    /// The day, in Asia/Jakarta.
    pub date: Date,
    /// What reaches the broker on it, in that order.
    pub records: Vec<SimulatedRecord>,
}

/// The first instant of a day in Asia/Jakarta, in milliseconds since 1970.
pub(super) fn start_ms(day: u16) -> i64 {
    PROGRAMME_START_MS + i64::from(day) * DAY_MS
}

/// The day of an instant in Asia/Jakarta.
pub(super) fn day_of_ms(ms: i64) -> u16 {
    Day::recorded(ms).0
}

/// The day of a date of the scenario, which has none before 2022.
pub(super) fn day(date: Date) -> u16 {
    Day::of_date(date).map_or(0, |day| day.0)
}

/// The date of a day.
pub(super) fn date_of(day: u16) -> Date {
    Day(day).date()
}

/// Days on which every office is closed: the feast after Ramadan with its joint leave, and the
/// holidays that have a fixed date.
fn is_closed(at: Date) -> bool {
    let feasts = [
        (date(2022, 4, 29), date(2022, 5, 6)),
        (date(2023, 4, 19), date(2023, 4, 25)),
        (date(2024, 4, 8), date(2024, 4, 15)),
    ];
    let fixed = [(1, 1), (5, 1), (6, 1), (8, 17), (12, 25)];
    feasts.iter().any(|(from, to)| (*from..=*to).contains(&at))
        || fixed.contains(&(at.month(), at.day()))
}

/// How much is done on a day, in thousandths of a full working day; 0 where offices are closed.
pub(super) fn openness(day: u16) -> u64 {
    let at = date_of(day);
    match at.weekday() {
        _ if is_closed(at) => 0,
        Weekday::Sunday => 0,
        Weekday::Saturday => 180,
        Weekday::Friday => 750,
        _ => 1000,
    }
}

/// Whether it is a working day of schools and authorities.
pub(super) fn is_weekday(day: u16) -> bool {
    openness(day) > 500
}

/// A figure at the end of each day, from its values on some days: it grows on open days only, by
/// uneven steps, and is exactly as given on the days given. It begins slowly.
///
/// The points are in order of their days; the figure is 0 before the first and stays after the
/// last.
pub(super) fn curve(points: &[(u16, u32)], random: &mut Random) -> Vec<u32> {
    let mut at_end_of = vec![0; usize::from(DAYS)];
    for (place, pair) in points.windows(2).enumerate() {
        let ((from, low), (to, high)) = (pair[0], pair[1]);
        let weights: Vec<u64> = (from + 1..=to)
            .map(|day| {
                let ramp = if place == 0 { u64::from(day - from) } else { 1 };
                openness(day) * ramp * (700 + random.below(601))
            })
            .collect();
        let total: u64 = weights.iter().sum();
        assert!(total > 0 || low == high, "no open day between days {from} and {to}");
        let mut sum = 0;
        for (day, weight) in (from + 1..=to).zip(weights) {
            sum += weight;
            let grown = u128::from(high - low) * u128::from(sum) / u128::from(total.max(1));
            at_end_of[usize::from(day)] = low + grown as u32;
        }
    }
    if let Some(&(last, value)) = points.last() {
        at_end_of[usize::from(last)..].fill(value);
    }
    at_end_of
}
