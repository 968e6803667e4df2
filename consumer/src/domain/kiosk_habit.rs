//! A kiosk's habit, and when its silence is longer than that: what can be told of events that
//! nobody has announced.
//!
//! The rule. A kiosk has a habit once events of it were recorded on five days. What it usually
//! sends in a day are its distinct sequences over the days on which it was heard of, rounded half
//! up. Its usual gap is the 90th percentile (nearest rank) of the days from each of the last 90
//! days on which it was heard of to the next. It is silent once its last word, an event or a
//! status, is longer ago than twice its usual gap, and than three days. A retired kiosk never is.

use laju_schemas::TimestampMs;

const DAY_MS: i64 = 24 * 3_600_000;
/// Days on which a kiosk has to be heard of before anything is usual for it.
const DAYS_NEEDED: u64 = 5;
/// How many of the latest days on which it was heard of tell the usual gap.
pub const DAYS_LOOKED_AT: usize = 90;
/// Shorter silences mean nothing: an office is closed over a long weekend.
const LEAST_DAYS: i64 = 3;

/// What is usual for a kiosk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Habit {
    /// Days of recording on which it was heard of.
    pub days_heard: u64,
    /// Events that it usually sends in a day.
    pub usual_per_day: u64,
    /// Days from one on which it is heard of to the next, mostly at most.
    pub usual_gap_days: u32,
}

impl Habit {
    /// The habit of a kiosk: its distinct sequences, how many days it was heard of, and its usual
    /// gap (see [`usual_gap`]). `None` before there is one.
    #[must_use]
    pub fn of(sequences: u64, days_heard: u64, usual_gap_days: Option<u32>) -> Option<Self> {
        let usual_gap_days = usual_gap_days.filter(|_| days_heard >= DAYS_NEEDED)?;
        let usual_per_day = (2 * sequences + days_heard) / (2 * days_heard);
        Some(Self { days_heard, usual_per_day, usual_gap_days })
    }

    /// How long it can go without a word before it is silent, in milliseconds.
    #[must_use]
    pub fn patience_ms(&self) -> i64 {
        (2 * i64::from(self.usual_gap_days)).max(LEAST_DAYS) * DAY_MS
    }

    /// Whether it is silent at an instant, after its last word.
    #[must_use]
    pub fn is_silent(&self, last_word: TimestampMs, now: TimestampMs) -> bool {
        now.0.saturating_sub(last_word.0) > self.patience_ms()
    }
}

/// The usual gap between days, which rise; `None` of fewer than two.
#[must_use]
pub fn usual_gap(days: &[u32]) -> Option<u32> {
    let days = &days[days.len().saturating_sub(DAYS_LOOKED_AT)..];
    let mut gaps: Vec<u32> = days.windows(2).map(|pair| pair[1] - pair[0]).collect();
    gaps.sort_unstable();
    let rank = (gaps.len() * 9).div_ceil(10);
    gaps.get(rank.checked_sub(1)?).copied()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn habit(days: &[u32], sequences: u64) -> Option<Habit> {
        Habit::of(sequences, days.len() as u64, usual_gap(days))
    }

    fn silent_after(habit: Habit, days: f64) -> bool {
        habit.is_silent(TimestampMs(0), TimestampMs((days * DAY_MS as f64) as i64))
    }

    #[test]
    fn nothing_is_usual_before_five_days() {
        assert_eq!(habit(&[1, 2, 3, 4], 400), None);
        let habit = habit(&[1, 2, 3, 4, 5], 402).unwrap();
        assert_eq!((habit.usual_per_day, habit.usual_gap_days), (80, 1));
        assert_eq!(usual_gap(&[7]), None);
    }

    #[test]
    fn a_daily_kiosk_may_be_closed_for_three_days() {
        let daily = habit(&[1, 2, 3, 4, 5, 6], 3).unwrap();
        assert_eq!(daily.usual_per_day, 1, "rounded half up");
        assert!(!silent_after(daily, 3.0));
        assert!(silent_after(daily, 3.01));
    }

    #[test]
    fn a_weekly_kiosk_may_miss_a_week() {
        let weekly = habit(&[0, 7, 14, 21, 28, 35], 60).unwrap();
        assert_eq!(weekly.usual_gap_days, 7);
        assert!(!silent_after(weekly, 14.0));
        assert!(silent_after(weekly, 14.01));
    }

    #[test]
    fn one_long_gap_of_many_is_not_usual_and_old_ones_are_forgotten() {
        // Nine gaps of a day and one of 40 days.
        let mut days: Vec<u32> = (0..10).collect();
        days.push(49);
        assert_eq!(usual_gap(&days), Some(1));
        // Two of eleven are.
        days.push(99);
        assert_eq!(usual_gap(&days), Some(40));
        // A kiosk that came once a month and now comes daily.
        let months = (0..40).map(|n| n * 30);
        let days: Vec<u32> = months.chain((0..90).map(|n| 1_200 + n)).collect();
        assert_eq!(usual_gap(&days), Some(1));
    }
}
