//! The pace of a count, and where it leads: the mean daily change, carried on.
//!
//! The model is a random walk with drift: each day's change is the mean change and a deviation
//! that does not depend on the days before. With the `n` daily changes of a window, of mean `m`
//! and variance `s²` (with `n − 1` degrees of freedom), the count `h` days after the window is
//! expected at `last + h·m`, and its standard error is `s·√(h·(1 + h/n))`: `h` days' deviations,
//! and `h` times the error of the mean (R. J. Hyndman and G. Athanasopoulos, *Forecasting:
//! Principles and Practice*, 3rd ed., 2021, §5.2 "Drift method" and §5.5 "Prediction intervals",
//! with `T − 1 = n` changes). As `s` is estimated, the quantile is Student's with `n − 1` degrees
//! of freedom and not the normal one, which would be too narrow for a week's seven changes.
//!
//! What it cannot know: a weekly rhythm counts as spread, which makes the interval wider than need
//! be; changes that go together (a drive of several weeks, a kiosk that was offline) make it
//! too narrow; and a plan for the months to come is not in it at all.
//!
//! Fractions are exact, ends of intervals are rounded outwards. It knows no ledger and no clock.

use super::rate::Rate;

/// The fewest daily changes that a forecast is made from: a week.
pub const FEWEST_DAYS: i64 = 7;
/// Days after which no forecast is made any more: ten years.
pub const HORIZON_DAYS: i64 = 3_652;

/// Days of the mean month of the Gregorian calendar, 30.436875, as a fraction.
const MONTH: (i128, u128) = (146_097, 4_800);

/// How sure an interval is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confidence {
    /// Four of five.
    Percent80,
    /// Nineteen of twenty.
    Percent95,
}

impl Confidence {
    /// In percent.
    #[must_use]
    pub const fn percent(self) -> u8 {
        match self {
            Self::Percent80 => 80,
            Self::Percent95 => 95,
        }
    }

    /// Student's quantile in thousandths, two-sided. Between two rows of the table, and beyond
    /// the last, the one with fewer degrees of freedom: its interval is the wider.
    fn quantile(self, degrees: i64) -> Option<i128> {
        let row = QUANTILES.iter().rev().find(|(from, _, _)| *from <= degrees)?;
        Some(match self {
            Self::Percent80 => row.1,
            Self::Percent95 => row.2,
        })
    }
}

/// Degrees of freedom, and Student's quantiles at 0.9 and 0.975 in thousandths.
const QUANTILES: [(i64, i128, i128); 28] = [
    (6, 1_440, 2_447),
    (7, 1_415, 2_365),
    (8, 1_397, 2_306),
    (9, 1_383, 2_262),
    (10, 1_372, 2_228),
    (11, 1_363, 2_201),
    (12, 1_356, 2_179),
    (13, 1_350, 2_160),
    (14, 1_345, 2_145),
    (15, 1_341, 2_131),
    (16, 1_337, 2_120),
    (17, 1_333, 2_110),
    (18, 1_330, 2_101),
    (19, 1_328, 2_093),
    (20, 1_325, 2_086),
    (21, 1_323, 2_080),
    (22, 1_321, 2_074),
    (23, 1_319, 2_069),
    (24, 1_318, 2_064),
    (25, 1_316, 2_060),
    (26, 1_315, 2_056),
    (27, 1_314, 2_052),
    (28, 1_313, 2_048),
    (29, 1_311, 2_045),
    (30, 1_310, 2_042),
    (40, 1_303, 2_021),
    (60, 1_296, 2_000),
    (120, 1_289, 1_980),
];

/// The daily changes of a window.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Trail {
    days: i64,
    change: i64,
    squares: i128,
}

/// The days after a window on which a gap is closed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Closing {
    /// At the mean pace; `None` if not within [`HORIZON_DAYS`].
    pub expected: Option<i64>,
    /// The first day on which the interval's upper end has closed it; `None` as above.
    pub earliest: Option<i64>,
    /// The first day on which the interval's lower end has; `None` as above.
    pub latest: Option<i64>,
}

impl Trail {
    /// Of a window of so many days; `changes` may leave out days on which nothing changed.
    #[must_use]
    pub fn new(days: i64, changes: &[i64]) -> Self {
        let squares = changes.iter().map(|change| i128::from(*change).pow(2)).sum();
        Self { days, change: changes.iter().sum(), squares }
    }

    /// The change over the whole window.
    #[must_use]
    pub const fn change(&self) -> i64 {
        self.change
    }

    /// The mean daily change.
    #[must_use]
    pub fn per_day(&self) -> Option<Rate> {
        per_day(self.change, self.days)
    }

    /// The mean change in a mean month.
    #[must_use]
    pub fn per_month(&self) -> Option<Rate> {
        per_month(self.change, self.days)
    }

    /// Whether the pace is at least `gap` in `days_left` days.
    #[must_use]
    pub fn is_enough(&self, gap: i64, days_left: i64) -> bool {
        i128::from(self.change) * i128::from(days_left) >= i128::from(gap) * i128::from(self.days)
    }

    /// Whether the pace is enough for a goal: once it is reached no pace is required, and where
    /// no day is left there is none that would do. `None` of the latter.
    #[must_use]
    pub fn meets(&self, to_go: i64, days_left: i64) -> Option<bool> {
        (to_go == 0 || days_left > 0).then(|| to_go == 0 || self.is_enough(to_go, days_left))
    }

    /// The change expected in the `ahead` days after the window, rounded half up.
    #[must_use]
    pub fn expected(&self, ahead: i64) -> i64 {
        let (days, change) = (i128::from(self.days.max(1)), i128::from(self.change));
        let rounded = (2 * change * i128::from(ahead) + days).div_euclid(2 * days);
        i64::try_from(rounded).unwrap_or(if rounded < 0 { i64::MIN } else { i64::MAX })
    }

    /// The least and the most that the change in the `ahead` days after the window will be, with
    /// so much confidence, rounded outwards. `None` of fewer than [`FEWEST_DAYS`], or of numbers
    /// beyond any that people come in.
    #[must_use]
    pub fn interval(&self, ahead: i64, confidence: Confidence) -> Option<(i64, i64)> {
        if self.days < FEWEST_DAYS || !(0..=HORIZON_DAYS).contains(&ahead) {
            return None;
        }
        let (n, h) = (i128::from(self.days), i128::from(ahead));
        let change = i128::from(self.change);
        // s² = (n·Σd² − (Σd)²) / (n·(n − 1)); half the width is t·√(s²·h·(n + h)/n).
        let spread = n.checked_mul(self.squares)?.checked_sub(change.checked_mul(change)?)?;
        let quantile = confidence.quantile(self.days - 1)?;
        let numerator = spread.checked_mul(h * (n + h))?.checked_mul(quantile * quantile)?;
        let denominator = n * n * (n - 1) * 1_000_000;
        let square = u128::try_from(numerator).ok()?.div_ceil(u128::try_from(denominator).ok()?);
        let root = square.isqrt();
        let half = i128::try_from(if root * root < square { root + 1 } else { root }).ok()?;
        let drift = change.checked_mul(h)?;
        let lower = drift.div_euclid(n) - half;
        let upper = -(-drift).div_euclid(n) + half;
        Some((i64::try_from(lower).ok()?, i64::try_from(upper).ok()?))
    }

    /// When a gap of at least one person is closed, at a pace above zero. Of the interval with 95 %
    /// confidence each day stands for itself.
    #[must_use]
    pub fn closing(&self, gap: i64) -> Closing {
        let within = |days: &i64| *days <= HORIZON_DAYS;
        let expected = (self.change > 0).then(|| {
            let needed = i128::from(gap) * i128::from(self.days);
            let days = (needed + i128::from(self.change) - 1).div_euclid(self.change.into());
            i64::try_from(days).unwrap_or(i64::MAX)
        });
        let end = |ahead: i64| self.interval(ahead, Confidence::Percent95);
        Closing {
            expected: expected.filter(within),
            earliest: first_day(|ahead| end(ahead).is_some_and(|(_, upper)| upper >= gap)),
            latest: first_day(|ahead| end(ahead).is_some_and(|(lower, _)| lower >= gap)),
        }
    }
}

/// The first day, of those within the horizon, from which on something holds. Above zero pace the
/// upper end only grows; the lower end is convex and begins below any gap, so that once it has
/// closed one it stays above, but for the rounding to whole people.
fn first_day(holds: impl Fn(i64) -> bool) -> Option<i64> {
    let (mut from, mut to) = (0, HORIZON_DAYS + 1);
    while from < to {
        let middle = (from + to) / 2;
        if holds(middle) { to = middle } else { from = middle + 1 }
    }
    (from <= HORIZON_DAYS).then_some(from)
}

/// So many people in so many days: a day. `None` in no days.
#[must_use]
pub fn per_day(people: i64, days: i64) -> Option<Rate> {
    Rate::of(people.into(), u128::try_from(days).ok()?)
}

/// So many people in so many days: in a mean month of 30.436875 days. `None` in no days.
#[must_use]
pub fn per_month(people: i64, days: i64) -> Option<Rate> {
    Rate::of(i128::from(people) * MONTH.0, u128::try_from(days).ok()?.checked_mul(MONTH.1)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seven days: mean 4, deviations −3, −2, −1, 0, 1, 2, 3, so that s² = 28/6.
    const WEEK: [i64; 7] = [1, 2, 3, 4, 5, 6, 7];

    #[test]
    fn a_weeks_interval_is_that_of_the_formula() {
        let trail = Trail::new(7, &WEEK);
        assert_eq!(trail.per_day().unwrap().to_string(), "4.00");
        assert_eq!(trail.per_month().unwrap().to_string(), "121.75", "4 × 30.436875 = 121.7475");
        assert_eq!(trail.expected(14), 56);
        // √(28/6 · 14 · (1 + 14/7)) = √196 = 14; 2.447 · 14 = 34.3, 1.440 · 14 = 20.2.
        assert_eq!(trail.interval(14, Confidence::Percent95), Some((56 - 35, 56 + 35)));
        assert_eq!(trail.interval(14, Confidence::Percent80), Some((56 - 21, 56 + 21)));
        assert_eq!(trail.interval(0, Confidence::Percent95), Some((0, 0)));
        assert_eq!(trail.interval(HORIZON_DAYS + 1, Confidence::Percent95), None);
    }

    #[test]
    fn a_gap_is_closed_when_line_and_interval_reach_it() {
        // At 4 a day; the ends are 4h ± 2.447·√(28/6·h·(1 + h/7)): after 5 days 20 + 15.5, after
        // 6 days 24 + 17.6, which is 42 rounded outwards.
        let closing = Trail::new(7, &WEEK).closing(42);
        assert_eq!(closing.expected, Some(11), "10.5 days");
        assert_eq!(closing.earliest, Some(6));
        let lower = |h: i64| {
            let (h, spread) = (h as f64, 28.0 / 6.0);
            4.0 * h - 2.447 * f64::sqrt(spread * h * (1.0 + h / 7.0))
        };
        let latest = closing.latest.unwrap();
        assert!(lower(latest) >= 41.0 && lower(latest - 1) < 43.0, "{latest}");
        assert_eq!(Trail::new(7, &[3; 7]).closing(42).latest, Some(14), "no spread at all");
        assert_eq!(Trail::new(7, &[0, 0, 0, 0, 0, 0, 1]).closing(1).latest, None, "never sure");
        assert_eq!(Trail::new(7, &[1]).closing(1_000_000).expected, None, "beyond the horizon");
    }

    #[test]
    fn kabupaten_serang_by_hand() {
        let trail = Trail::new(214, &[5_000]);
        assert_eq!(trail.per_day().unwrap().to_string(), "23.36");
        assert_eq!(per_day(4_000, 151).unwrap().to_string(), "26.49");
        assert!(!trail.is_enough(4_000, 151));
        assert!(trail.is_enough(3_528, 151) && !trail.is_enough(3_529, 151));
        assert_eq!(36_000 + trail.expected(151), 39_528);
        assert_eq!(trail.closing(4_000).expected, Some(172), "171.2 days");
        // All on one day: s = √((5,000² − 5,000²/214)/213) = 341.8,
        // 1.980 · 341.8 · √(151 · (1 + 151/214)) = 10,861.
        let (lower, upper) = trail.interval(151, Confidence::Percent95).unwrap();
        assert!((lower - (3_528 - 10_861)).abs() <= 3, "{lower}");
        assert!((upper - (3_528 + 10_861)).abs() <= 3, "{upper}");
    }

    #[test]
    fn what_shrinks_is_rounded_the_same_way() {
        let trail = Trail::new(8, &[-1, -1, -2]);
        assert_eq!(trail.per_day().unwrap().to_string(), "-0.50");
        assert_eq!(trail.expected(3), -1, "−1.5, half up");
        assert_eq!(trail.closing(5).expected, None);
        assert_eq!(
            trail.interval(3, Confidence::Percent95).map(|(lower, _)| lower < -2),
            Some(true)
        );
    }

    #[test]
    fn few_days_and_huge_numbers_have_no_interval() {
        assert_eq!(Trail::new(6, &WEEK[1..]).interval(1, Confidence::Percent95), None);
        assert_eq!(Trail::new(7, &[i64::MAX / 8; 7]).interval(100, Confidence::Percent95), None);
        let all_people = Trail::new(4_000, &[280_000_000, -280_000_000, 280_000_000]);
        assert!(all_people.interval(HORIZON_DAYS, Confidence::Percent95).is_some());
    }
}
