//! Every region's sums at a snapshot, from those of the snapshot before: runs of the ledger never
//! change, so that each is gone through once however often it is asked for.

use std::collections::HashMap;
use std::sync::Arc;

use laju_schemas::RegionTable;

use crate::domain::account::Account;
use crate::domain::cell::{Cell, Detail};
use crate::domain::day::Day;
use crate::projection::snapshot::Snapshot;
use crate::query::scan::{Directory, Group};
use crate::query::scope::Scope;

/// The sums of a region's accounts.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Totals {
    accounts: [i64; Account::ALL.len()],
    /// Of the cards recorded those that are a first identity document.
    pub(crate) recorded_first_time: i64,
}

impl Totals {
    pub(crate) fn of(&self, account: Account) -> i64 {
        self.accounts[account as usize]
    }

    /// People whose IKD is active.
    pub(crate) fn active(&self) -> i64 {
        self.of(Account::Activations) - self.of(Account::Deactivations) + self.of(Account::MovesIn)
            - self.of(Account::MovesOut)
    }

    #[inline]
    pub(crate) fn post(&mut self, account: Account, cell: &Cell) {
        let amount = i64::from(cell.amount);
        self.accounts[account as usize] += amount;
        if account == Account::CardsRecorded && cell.key.detail() == Detail::Recorded(true) {
            self.recorded_first_time += amount;
        }
    }

    pub(crate) fn add(&mut self, other: &Self) {
        for (sum, part) in self.accounts.iter_mut().zip(other.accounts) {
            *sum += part;
        }
        self.recorded_first_time += other.recorded_first_time;
    }
}

/// Whether a progress answer has something of an account.
pub(crate) const fn is_counted(account: Account) -> bool {
    !matches!(account, Account::VisitActivations | Account::VisitDeferrals)
        && account.memo_of().is_none()
}

/// The sums of a scope: of regions by their place in the region table.
pub(crate) fn sum_within(totals: &[Totals], scope: &Scope) -> Totals {
    let mut sum = Totals::default();
    for index in scope.indices() {
        sum.add(&totals[usize::from(index)]);
    }
    sum
}

/// Every region's sums of all postings of a snapshot, and where in its ledger what lies.
#[derive(Clone)]
pub struct RegionSums {
    totals: Arc<[Totals]>,
    directories: Arc<[Arc<Directory>]>,
    /// The last day that something is posted on.
    latest: Option<Day>,
}

impl RegionSums {
    /// Of a snapshot of which nothing is known yet.
    #[must_use]
    pub fn of(snapshot: &Snapshot) -> Self {
        Sums::default().of(snapshot)
    }

    /// By their place in the region table.
    pub(crate) fn totals(&self) -> &Arc<[Totals]> {
        &self.totals
    }

    /// The groups of every run of the ledger that lie in a scope.
    pub(crate) fn groups(&self, scope: &Scope) -> impl Iterator<Item = Group<'_>> {
        self.directories.iter().flat_map(move |directory| directory.groups(scope))
    }

    /// The last day that something is posted on.
    pub(crate) fn latest(&self) -> Option<Day> {
        self.latest
    }
}

/// The sums of the runs of the latest snapshot.
#[derive(Default)]
pub(crate) struct Sums {
    /// By the address of the run, which nothing else has as long as it is kept.
    runs: HashMap<usize, Kept>,
}

struct Kept {
    directory: Arc<Directory>,
    regions: Vec<(u16, Totals)>,
    latest: Option<Day>,
}

impl Sums {
    /// Every region's sums of all postings, by its place in the region table.
    pub(crate) fn of(&mut self, snapshot: &Snapshot) -> RegionSums {
        let mut before = std::mem::take(&mut self.runs);
        let mut totals = vec![Totals::default(); RegionTable::get().len()];
        let (mut latest, mut directories) = (None, Vec::new());
        for run in snapshot.ledger.as_slices() {
            let address = Arc::as_ptr(run).cast::<Cell>() as usize;
            let kept =
                before.remove(&address).filter(|kept| Arc::ptr_eq(kept.directory.run(), run));
            let kept = kept.unwrap_or_else(|| Kept::of(run));
            for (region, sum) in &kept.regions {
                totals[usize::from(*region)].add(sum);
            }
            latest = latest.max(kept.latest);
            directories.push(Arc::clone(&kept.directory));
            self.runs.insert(address, kept);
        }
        RegionSums { totals: totals.into(), directories: directories.into(), latest }
    }
}

impl Kept {
    fn of(run: &Arc<[Cell]>) -> Self {
        let mut regions: Vec<(u16, Totals)> = Vec::new();
        let mut latest = None;
        let directory = Arc::new(Directory::of(run));
        for group in directory.groups(&Scope::nation()) {
            latest = latest.max(group.cells.last().map(|cell| cell.key.day()));
            if !is_counted(group.account) {
                continue;
            }
            if regions.last().is_none_or(|(region, _)| *region != group.region.0) {
                regions.push((group.region.0, Totals::default()));
            }
            let Some((_, sums)) = regions.last_mut() else { continue };
            group.cells.iter().for_each(|cell| sums.post(group.account, cell));
        }
        Self { directory: Arc::clone(&directory), regions, latest }
    }
}

#[cfg(test)]
mod tests {
    use laju_schemas::RegionCode;

    use super::*;
    use crate::query::days::Days;
    use crate::query::figures::progress::progress_list;
    use crate::query::fixtures::Fixture;

    #[test]
    fn sums_kept_from_snapshot_to_snapshot_are_those_of_all_postings() {
        let mut sums = Sums::default();
        let mut f = Fixture::new(3);
        for number in 0..60_u32 {
            let code = ["18.71", "19.71", "31.71", "18.72"][number as usize % 4];
            let on = format!("2024-0{}-1{}", 1 + number % 7, number % 9);
            let amount = if number % 5 == 4 { -1 } else { number as i32 };
            f.activate(number % 3, code, &on, amount);
            let kept = sums.of(&f.snapshot());
            assert!(kept.totals == RegionSums::of(&f.snapshot()).totals, "after {number}");
            assert!(sums.runs.len() <= 7, "{} runs are kept", sums.runs.len());
        }
    }

    #[test]
    fn what_is_kept_answers_as_a_pass_over_the_ledger_does() {
        let mut f = Fixture::new(2);
        f.activate(0, "18.71", "2023-12-31", 90_000);
        f.activate(1, "19.71", "2024-08-01", 7);
        let view = f.view("2024-08-02");
        let ask = |days: &Days| {
            let within = RegionCode::NATION;
            progress_list(&view, crate::query::question::Level::Regency, within, days).unwrap().rows
        };
        let passed = Days { as_of: None, known_at: Some(view.today), ahead: false };
        assert!(
            ask(&Days::default()).iter().zip(&ask(&passed)).all(|(a, b)| a.figures == b.figures)
        );
    }
}
