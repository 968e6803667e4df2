//! Ledger cells in memory: sorted runs, never changed once made.
//!
//! Each commit adds a small run; runs of similar size are merged, so that there are few of them
//! and every cell is copied a number of times that grows with the logarithm of the ledger. A
//! clone shares the runs: readers hold one while the fold goes on, and nobody waits for anybody.

use std::sync::Arc;

use laju_schemas::RegionIndex;

use crate::domain::account::Account;
use crate::domain::cell::{Cell, CellKey};

/// A ledger as sorted runs, the largest first.
#[derive(Clone, Default)]
pub struct Runs(Vec<Arc<[Cell]>>);

impl Runs {
    /// Adds cells, sorted by key and without doubles.
    pub fn push(&mut self, cells: Vec<Cell>) {
        if cells.is_empty() {
            return;
        }
        let mut cells = cells;
        while let Some(last) = self.0.last().filter(|last| last.len() <= 2 * cells.len()) {
            cells = merge(last, &cells);
            self.0.pop();
        }
        if !cells.is_empty() {
            self.0.push(cells.into());
        }
    }

    /// The runs themselves.
    #[must_use]
    pub fn as_slices(&self) -> &[Arc<[Cell]>] {
        &self.0
    }

    /// How many cells there are. One that stands in several runs counts as often.
    #[must_use]
    pub fn len(&self) -> usize {
        self.0.iter().map(|run| run.len()).sum()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every cell of a region's account. A key may come more than once: amounts add up.
    pub fn of(&self, region: RegionIndex, account: Account) -> impl Iterator<Item = &Cell> {
        self.slices_of(region, account).flatten()
    }

    /// The cells of a region's account in each run that has any.
    pub fn slices_of(
        &self,
        region: RegionIndex,
        account: Account,
    ) -> impl Iterator<Item = &[Cell]> {
        let first = CellKey::first(region, account);
        let slices = self.0.iter().map(move |run| {
            let cells = &run[run.partition_point(|cell| cell.key < first)..];
            let is_its = |cell: &Cell| cell.key.region() == region && cell.key.account() == account;
            &cells[..cells.partition_point(is_its)]
        });
        slices.filter(|cells| !cells.is_empty())
    }

    /// Every cell, in no particular order. A key may come more than once: amounts add up.
    pub fn all(&self) -> impl Iterator<Item = &Cell> {
        self.0.iter().flat_map(|run| run.iter())
    }

    /// Every cell once, in the order of the keys, with its whole amount: the ledger's one form
    /// that does not depend on how the log was cut into commits.
    #[must_use]
    pub fn merged(&self) -> Vec<Cell> {
        self.0.iter().fold(Vec::new(), |all, run| merge(&all, run))
    }
}

fn merge(a: &[Cell], b: &[Cell]) -> Vec<Cell> {
    use std::cmp::Ordering::{Equal, Greater, Less};
    let mut merged = Vec::with_capacity(a.len() + b.len());
    let (mut i, mut j) = (0, 0);
    while i < a.len() && j < b.len() {
        match a[i].key.cmp(&b[j].key) {
            Less => {
                merged.push(a[i]);
                i += 1;
            }
            Greater => {
                merged.push(b[j]);
                j += 1;
            }
            Equal => {
                let amount = a[i].amount + b[j].amount;
                if amount != 0 {
                    merged.push(Cell { key: a[i].key, amount });
                }
                i += 1;
                j += 1;
            }
        }
    }
    merged.extend_from_slice(&a[i..]);
    merged.extend_from_slice(&b[j..]);
    merged
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cell::{Detail, Posting, sort_and_add};
    use crate::domain::day::Day;

    fn cell(region: u16, day: u16, amount: i32) -> Cell {
        let key = CellKey::of(&Posting {
            account: Account::PrintQueue,
            region: RegionIndex(region),
            day: Day(day),
            recorded: Day(day),
            detail: Detail::Queue,
            amount,
        });
        Cell { key, amount }
    }

    #[test]
    fn runs_add_up_however_they_were_cut() {
        let all: Vec<Cell> = (0..500).map(|n| cell(n % 7, n % 11, 1 - i32::from(n % 3))).collect();
        let whole = sort_and_add(all.clone());
        for size in [1, 3, 50, 500] {
            let mut runs = Runs::default();
            for part in all.chunks(size) {
                runs.push(sort_and_add(part.to_vec()));
            }
            assert_eq!(runs.merged(), whole, "cut by {size}");
            assert!(runs.as_slices().len() <= 10);
            let of: i32 =
                runs.of(RegionIndex(3), Account::PrintQueue).map(|cell| cell.amount).sum();
            let expected: i32 = whole
                .iter()
                .filter(|cell| cell.key.region() == RegionIndex(3))
                .map(|cell| cell.amount)
                .sum();
            assert_eq!(of, expected);
            assert_eq!(runs.of(RegionIndex(3), Account::Deferrals).count(), 0);
        }
    }
}
