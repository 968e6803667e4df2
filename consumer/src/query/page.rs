//! Pages of lists that grow without end: which rows are on one, and where the next begins. A cursor
//! names the last row of a page by what it is sorted by, and not by its number, so that rows that
//! come in between neither shift the others nor show one of them twice. A row that moves meanwhile, as
//! where they are sorted by a count, may be missed or shown twice: not as of a past `known_at`.

use std::cmp::Ordering;

use super::QueryError;

/// How many rows are on a page where nothing else is asked for.
pub const PAGE: u32 = 1_000;
/// The most that can be asked for.
pub const LARGEST_PAGE: u32 = 10_000;

/// Leaves of a list in its order the rows of one page: those from a place on, as many as asked for.
/// Says whether there are more behind them.
pub(crate) fn cut<T>(rows: &mut Vec<T>, from: usize, limit: usize) -> bool {
    rows.drain(..from.min(rows.len()));
    let has_more = rows.len() > limit;
    rows.truncate(limit);
    has_more
}

/// The first rows of a list that comes in any order: it holds a few pages of them at most.
pub(crate) struct First<T, F> {
    rows: Vec<T>,
    limit: usize,
    has_more: bool,
    order: F,
}

impl<T, F: Fn(&T, &T) -> Ordering> First<T, F> {
    /// As many as are on a page, at least one.
    pub(crate) fn new(limit: usize, order: F) -> Self {
        Self { rows: Vec::new(), limit, has_more: false, order }
    }

    /// The next of the list.
    pub(crate) fn add(&mut self, row: T) {
        // The last of those that were the first ones so far stands in their last place.
        if self.has_more && (self.order)(&row, &self.rows[self.limit - 1]).is_gt() {
            return;
        }
        self.rows.push(row);
        if self.rows.len() > self.limit.saturating_mul(4) {
            self.leave_first();
        }
    }

    fn leave_first(&mut self) {
        if self.rows.len() > self.limit {
            self.has_more = true;
            self.rows.select_nth_unstable_by(self.limit - 1, &self.order);
            self.rows.truncate(self.limit);
        }
    }

    /// The rows of the page in their order, and whether there are more behind them.
    pub(crate) fn finish(mut self) -> (Vec<T>, bool) {
        self.leave_first();
        self.rows.sort_unstable_by(&self.order);
        (self.rows, self.has_more)
    }
}

/// That a cursor is of no list like the one asked for.
pub(crate) fn no_place(given: &str) -> QueryError {
    QueryError::NoPlace(given.chars().take(64).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_are_the_list() {
        // In no order, each number once.
        let whole: Vec<u32> = (0..101).map(|n| n * 37 % 101).collect();
        for limit in [1, 2, 5, 101, 200] {
            let (mut all, mut after): (Vec<u32>, Option<u32>) = (Vec::new(), None);
            loop {
                let mut first = First::new(limit, u32::cmp);
                let behind = whole.iter().filter(|n| after.is_none_or(|after| **n > after));
                behind.for_each(|n| first.add(*n));
                let (page, has_more) = first.finish();
                let mut sorted: Vec<u32> = (0..101).collect();
                assert_eq!(cut(&mut sorted, all.len(), limit), has_more);
                assert_eq!(page, sorted);
                all.extend(page);
                if !has_more {
                    break;
                }
                after = all.last().copied();
            }
            assert_eq!(all, (0..101).collect::<Vec<_>>());
        }
        assert!(!cut(&mut Vec::<u32>::new(), 7, 5));
    }
}
