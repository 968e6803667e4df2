//! Going through the ledger: which regions and which days a question is about, and the cells that
//! answer it, a group at a time. It knows cells and days; it does not know what is asked.

use std::ops::Range;
use std::sync::Arc;

use jiff::civil::Date;
use laju_schemas::RegionIndex;

use super::scope::Scope;
use crate::domain::account::Account;
use crate::domain::cell::{Cell, add_up_runs};
use crate::domain::day::Day;
use crate::projection::runs::Runs;

/// Which postings count: those of a day up to `as_of`, recorded up to `known_at`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Window {
    /// How many days count from the programme's first; `None` for all there are.
    days: Option<u32>,
    /// The same of the days of recording.
    recorded: Option<u32>,
}

impl Window {
    /// The window of two days, each included; `None` for all.
    #[must_use]
    pub fn new(as_of: Option<Date>, known_at: Option<Date>) -> Self {
        let count = |date: Date| Day::of_date(date).map_or(0, |day| u32::from(day.0) + 1);
        Self { days: as_of.map(count), recorded: known_at.map(count) }
    }

    /// The cells of a group (of one region and account, hence in the order of days) that count.
    pub fn cells(self, group: &[Cell]) -> impl Iterator<Item = &Cell> {
        let cells = match self.days {
            Some(days) => {
                &group[..group.partition_point(|cell| u32::from(cell.key.day().0) < days)]
            }
            None => group,
        };
        cells.iter().filter(move |cell| self.knows(cell.key.recorded()))
    }

    /// The first day of happening that does not count any more; `None` if all do.
    #[must_use]
    pub fn days(self) -> Option<u32> {
        self.days
    }

    /// Whether everything counts that was ever recorded.
    #[must_use]
    pub fn knows_all(self) -> bool {
        self.recorded.is_none()
    }

    /// Whether a cell counts.
    #[must_use]
    #[inline]
    pub fn counts(self, cell: &Cell) -> bool {
        self.days.is_none_or(|days| u32::from(cell.key.day().0) < days)
            && self.knows(cell.key.recorded())
    }

    /// Whether what was recorded on a day counts.
    #[must_use]
    #[inline]
    pub fn knows(self, recorded: Day) -> bool {
        self.recorded.is_none_or(|days| u32::from(recorded.0) < days)
    }
}

/// The cells of one region's account in one run.
#[derive(Clone, Copy)]
pub struct Group<'a> {
    /// The region.
    pub region: RegionIndex,
    /// The account.
    pub account: Account,
    /// The cells, in the order of days.
    pub cells: &'a [Cell],
    /// Where in the run the first of them stands.
    pub first: usize,
}

/// The groups of a run that lie in a scope. What is not looked at costs a few comparisons only.
pub fn groups<'a>(run: &'a [Cell], scope: &Scope) -> impl Iterator<Item = Group<'a>> + use<'a> {
    let Range { start, end } = scope.indices();
    let from = run.partition_point(|cell| cell.key.region().0 < start);
    let mut rest = &run[from..];
    std::iter::from_fn(move || {
        let first = rest.first()?.key;
        let (region, account) = (first.region(), first.account());
        if region.0 >= end {
            return None;
        }
        let length =
            prefix(rest, |cell| cell.key.region() == region && cell.key.account() == account);
        let (cells, after) = rest.split_at(length);
        let first = run.len() - rest.len();
        rest = after;
        Some(Group { region, account, cells, first })
    })
}

/// Where the groups of one run begin. Who goes through them finds them here, and searches none of the
/// cells of accounts that are not asked about.
pub struct Directory {
    run: Arc<[Cell]>,
    /// In the order of the run.
    groups: Box<[(RegionIndex, Account, u32)]>,
}

impl Directory {
    /// The directory of a run.
    #[must_use]
    pub fn of(run: &Arc<[Cell]>) -> Self {
        let groups = groups(run, &Scope::nation());
        let groups = groups.map(|group| (group.region, group.account, group.first as u32));
        Self { groups: groups.collect(), run: Arc::clone(run) }
    }

    /// The run.
    #[must_use]
    pub fn run(&self) -> &Arc<[Cell]> {
        &self.run
    }

    /// Its groups that lie in a scope.
    pub fn groups(&self, scope: &Scope) -> impl Iterator<Item = Group<'_>> + use<'_> {
        let at = |index: u16| self.groups.partition_point(|(region, ..)| region.0 < index);
        let Range { start, end } = scope.indices();
        let (from, to) = (at(start), at(end));
        let ends = self.groups[from..].iter().skip(1).map(|(.., first)| *first as usize);
        let ends = ends.chain([self.run.len()]);
        let groups = self.groups[from..to.max(from)].iter().zip(ends);
        groups.map(|(&(region, account, first), end)| {
            let first = first as usize;
            Group { region, account, cells: &self.run[first..end], first }
        })
    }
}

/// Every cell of some accounts of a scope that is wanted, each key once and with its whole amount,
/// however the ledger lies in runs. What comes to nothing is left out.
pub fn each_netted(
    ledger: &Runs,
    scope: &Scope,
    accounts: &[Account],
    wanted: impl Fn(&Cell) -> bool,
    mut each: impl FnMut(&Cell),
) {
    let mut others = Vec::new();
    for region in scope.indices().map(RegionIndex) {
        for account in accounts {
            others.clear();
            let largest = largest_apart(ledger, (region, *account), &wanted, &mut others);
            net(largest, &wanted, &mut others, &mut each);
        }
    }
}

/// The same of accounts that have memos, told apart: with `true` what events released from
/// quarantine posted, as the memo has it, and with `false` all the rest; both under the account
/// itself.
pub fn each_netted_apart(
    ledger: &Runs,
    scope: &Scope,
    accounts: &[Account],
    wanted: impl Fn(&Cell) -> bool,
    mut each: impl FnMut(&Cell, bool),
) {
    let (mut others, mut released) = (Vec::new(), Vec::new());
    for region in scope.indices().map(RegionIndex) {
        for account in accounts {
            let memo = account.memo().into_iter().flat_map(|memo| ledger.of(region, memo));
            let memo = memo.map(|cell| Cell { key: cell.key.in_account(*account), ..*cell });
            released.clear();
            released.extend(memo.filter(|cell| wanted(cell)));
            others.clear();
            others.extend(released.iter().map(|cell| Cell { amount: -cell.amount, ..*cell }));
            let largest = largest_apart(ledger, (region, *account), &wanted, &mut others);
            net(largest, &wanted, &mut others, |cell| each(cell, false));
            add_up_runs(&mut released);
            released.iter().for_each(|cell| each(cell, true));
        }
    }
}

/// The cells of a region's account in the run that has most of them; those of the other runs that
/// are wanted are added to `others`.
fn largest_apart<'a>(
    ledger: &'a Runs,
    place: (RegionIndex, Account),
    wanted: impl Fn(&Cell) -> bool,
    others: &mut Vec<Cell>,
) -> &'a [Cell] {
    let mut largest: &[Cell] = &[];
    let mut add = |cells: &[Cell]| others.extend(cells.iter().filter(|cell| wanted(cell)));
    for cells in ledger.slices_of(place.0, place.1) {
        if cells.len() > largest.len() {
            add(std::mem::replace(&mut largest, cells));
        } else {
            add(cells);
        }
    }
    largest
}

/// Adds up cells in their order, most of which lie so already: those are not copied.
fn net(
    largest: &[Cell],
    wanted: impl Fn(&Cell) -> bool,
    others: &mut Vec<Cell>,
    mut each: impl FnMut(&Cell),
) {
    add_up_runs(others);
    let mut others = others.iter().peekable();
    for cell in largest.iter().filter(|cell| wanted(cell)) {
        let order = cell.key.order();
        while let Some(before) = others.next_if(|other| other.key.order() < order) {
            each(before);
        }
        match others.next_if(|other| other.key == cell.key) {
            None => each(cell),
            Some(more) if cell.amount + more.amount == 0 => {}
            Some(more) => each(&Cell { amount: cell.amount + more.amount, ..*cell }),
        }
    }
    others.for_each(each);
}

/// How many cells from the first on fulfil a condition that, once false, stays false: found with
/// a number of looks that grows with the logarithm of the answer and not of the slice.
fn prefix(cells: &[Cell], holds: impl Fn(&Cell) -> bool) -> usize {
    let mut bound = 1;
    while bound < cells.len() && holds(&cells[bound]) {
        bound *= 2;
    }
    let from = bound / 2;
    let to = cells.len().min(bound + 1);
    from + cells[from..to].partition_point(holds)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::cell::{CellKey, Detail, Posting};

    fn cell(region: u16, account: Account, day: u16, recorded: u16) -> Cell {
        let key = CellKey::of(&Posting {
            account,
            region: RegionIndex(region),
            day: Day(day),
            recorded: Day(recorded),
            detail: Detail::Queue,
            amount: 1,
        });
        Cell { key, amount: 1 }
    }

    #[test]
    fn groups_cut_a_run_where_region_or_account_change() {
        let mut run = Vec::new();
        for region in [2, 3, 7] {
            for account in [Account::Deferrals, Account::PrintQueue] {
                run.extend((0..region * 3 + account as u16).map(|d| cell(region, account, d, d)));
            }
        }
        run.sort_unstable_by_key(|cell| cell.key);
        let found = |scope: Range<u16>| -> Vec<(u16, Account, usize)> {
            let scope = Scope(scope);
            let shape = |g: Group<'_>| (g.region.0, g.account, g.cells.len(), g.first);
            let found: Vec<_> = groups(&run, &scope).map(shape).collect();
            let directory = Directory::of(&run.clone().into());
            assert_eq!(directory.groups(&scope).map(shape).collect::<Vec<_>>(), found);
            found
                .into_iter()
                .map(|(region, account, length, _)| (region, account, length))
                .collect()
        };
        let (d, q) = (Account::Deferrals, Account::PrintQueue);
        let all = [(2, d, 10), (2, q, 14), (3, d, 13), (3, q, 17), (7, d, 25), (7, q, 29)];
        assert_eq!(found(0..100), all);
        assert_eq!(found(3..7), all[2..4]);
        assert_eq!(found(4..7), []);
        assert_eq!(found(8..9), []);
    }

    #[test]
    fn a_window_includes_both_of_its_days() {
        let group: Vec<Cell> = (0..10)
            .flat_map(|day| (day..10).map(move |r| cell(1, Account::PrintQueue, day, r)))
            .collect();
        let count = |as_of: Option<u16>, known_at: Option<u16>| {
            let date = |day: Option<u16>| day.map(|d| Day(d).date());
            Window::new(date(as_of), date(known_at)).cells(&group).count()
        };
        assert_eq!(count(None, None), 55);
        assert_eq!(count(Some(0), None), 10);
        assert_eq!(count(None, Some(0)), 1);
        assert_eq!(count(Some(3), Some(3)), 4 + 3 + 2 + 1);
        let before = jiff::civil::date(2021, 12, 31);
        assert_eq!(Window::new(Some(before), None).cells(&group).count(), 0);
        assert_eq!(Window::new(None, Some(before)).cells(&group).count(), 0);
    }
}
