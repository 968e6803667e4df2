//! For how long what a partition has to offer has not been folded, as far as this node can know.

use std::collections::VecDeque;

/// How many ends are remembered: of more than a minute. Beyond that the latest one grows, so that a
/// node which was behind for longer is said to be further behind than it is, until it has caught up.
const MOST_ENDS: usize = 4_096;

/// What was seen of one partition's end. A record's own timestamp says nothing here: it may be the
/// kiosk's, and days old when it arrives.
#[derive(Debug, Default)]
pub struct Lag {
    /// Ends behind what is folded, and when each was seen first, in milliseconds since 1970.
    ends: VecDeque<(i64, i64)>,
    /// When it was looked for the first time.
    since: Option<i64>,
}

impl Lag {
    /// Everything before `next` is folded now, and the partition ends at `end`, which is what its
    /// broker said at `heard_ms`, if it ever was heard: gives the milliseconds for which the first record
    /// behind `next` has been there, or for which nothing is known of the partition.
    pub fn look(&mut self, now_ms: i64, next: i64, end: i64, heard_ms: Option<i64>) -> i64 {
        while self.ends.front().is_some_and(|(_, end)| *end <= next) {
            self.ends.pop_front();
        }
        let is_full = self.ends.len() >= MOST_ENDS;
        match self.ends.back_mut() {
            Some((_, latest)) if end <= *latest => {}
            Some((_, latest)) if is_full => *latest = end,
            None if end <= next => {}
            _ => self.ends.push_back((now_ms, end)),
        }
        let unfolded = self.ends.front().map_or(0, |(seen, _)| now_ms - seen);
        let since = *self.since.get_or_insert(now_ms);
        let unheard = now_ms - heard_ms.unwrap_or(since);
        unfolded.max(unheard).max(0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn at_the_end_there_is_no_lag_but_that_of_the_brokers_word() {
        let mut lag = Lag::default();
        assert_eq!(lag.look(1_000, 10, 10, Some(990)), 10);
        assert_eq!(lag.look(61_000, 10, 10, Some(990)), 60_010, "it may have more by now");
        assert_eq!(lag.look(61_000, 10, 10, Some(61_500)), 0, "a clock that was set back");
    }

    #[test]
    fn a_broker_that_was_never_heard_is_not_heard_since_it_was_looked_for() {
        let mut lag = Lag::default();
        assert_eq!(lag.look(5_000, 10, 10, None), 0);
        assert_eq!(lag.look(45_000, 10, 10, None), 40_000);
        assert_eq!(lag.look(46_000, 10, 10, Some(46_000)), 0);
    }

    #[test]
    fn the_first_record_not_folded_tells_for_how_long_it_has_been_there() {
        let mut lag = Lag::default();
        assert_eq!(lag.look(0, 10, 10, Some(0)), 0);
        assert_eq!(lag.look(1_000, 10, 12, Some(1_000)), 0);
        assert_eq!(lag.look(3_000, 10, 20, Some(3_000)), 2_000);
        // A steady stream: what was there at first is folded, what came later is not.
        assert_eq!(lag.look(4_000, 12, 30, Some(4_000)), 1_000);
        assert_eq!(lag.look(5_000, 19, 30, Some(5_000)), 2_000);
        assert_eq!(lag.look(6_000, 30, 30, Some(6_000)), 0);
    }

    #[test]
    fn one_far_behind_for_long_is_remembered_in_bounded_memory() {
        let mut lag = Lag::default();
        for second in 0..100_000 {
            lag.look(second * 1_000, 0, second + 1, Some(second * 1_000));
        }
        assert_eq!(lag.ends.len(), MOST_ENDS);
        let now = 100_000_000;
        assert_eq!(lag.look(now, 0, 100_000, Some(now)), 100_000_000);
        assert_eq!(lag.look(now, 2_000, 100_000, Some(now)), 98_000_000);
    }
}
