//! A partition's whole ledger in names instead of numbers, in one order that depends on nothing but
//! the log: postings, kiosks, quarantined records and counts. What is exported, sent over HTTP and
//! checked against the log are these rows; this is the one place that turns a cell into names.

pub mod compare;
#[cfg(test)]
mod compare_tests;
pub mod lines;
pub mod origins;
mod rows;
pub mod summary;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use laju_schemas::{RegionIndex, RegionTable};
use roaring::RoaringBitmap;

use crate::domain::account::Account;
use crate::domain::cell::sort_and_add;
use crate::domain::dictionary::KioskRef;
use crate::projection::bitruns::BitRuns;
use crate::projection::partition_ledger::PartitionLedger;
use crate::projection::partition_view::PartitionView;
use crate::projection::runs::Runs;
use crate::query::scan::each_netted;
use crate::query::scope::Scope;

pub use rows::{
    LedgerHead, LedgerKiosk, LedgerPosting, LedgerQuarantined, LedgerRefused, LedgerTallies,
};

/// Every posting of a partition, each key once with its whole amount, in the order of the rows.
/// Beside the ledger it holds one region's account at a time.
pub fn postings(part: &PartitionLedger) -> impl Iterator<Item = LedgerPosting> {
    let mut accounts = Account::ALL;
    accounts.sort_unstable();
    // The table is in the order of the codes.
    let regions = (0..RegionTable::get().len() as u16).map(RegionIndex);
    let places =
        accounts.into_iter().flat_map(move |account| regions.clone().map(move |r| (account, r)));
    places.flat_map(|(account, region)| of_account(part, region, account))
}

fn of_account(part: &PartitionLedger, region: RegionIndex, account: Account) -> Vec<LedgerPosting> {
    let PartitionLedger { view, ledger } = part;
    let cells = sort_and_add(ledger.of(region, account).copied().collect());
    let row = |cell| LedgerPosting::of(view.partition, &cell, &view.names);
    let mut rows: Vec<LedgerPosting> = cells.into_iter().map(row).collect();
    // Cells are in the order of both days, and within them in that of numbers that names have.
    let same_days =
        |a: &LedgerPosting, b: &LedgerPosting| (a.day, a.recorded) == (b.day, b.recorded);
    rows.chunk_by_mut(same_days).for_each(<[LedgerPosting]>::sort_unstable);
    rows
}

/// How many keys a ledger has whose amounts do not add up to nothing.
#[must_use]
pub fn posting_count(ledger: &Runs) -> u64 {
    if let [one] = ledger.as_slices() {
        return one.len() as u64;
    }
    let mut count = 0;
    each_netted(ledger, &Scope::nation(), &Account::ALL, |_| true, |_| count += 1);
    count
}

/// What each kiosk has sent to a partition, in the order of their ids.
pub fn kiosks(view: &PartitionView) -> impl Iterator<Item = LedgerKiosk> {
    let sets = [&view.received, &view.refused, &view.served, &view.days].map(united);
    let mut numbers: Vec<KioskRef> = (0..view.kiosks.len() as KioskRef).collect();
    numbers.sort_unstable_by_key(|kiosk| view.names.kiosk(*kiosk));
    let activities: Vec<_> = view.kiosks.iter().copied().collect();
    numbers.into_iter().map(move |kiosk| {
        let empty = RoaringBitmap::new();
        let of = |set: usize| sets[set].get(&kiosk).unwrap_or(&empty);
        let activity = &activities[kiosk as usize];
        let id = view.names.kiosk(kiosk);
        LedgerKiosk::of(view.partition, id, activity, [of(0), of(1), of(2), of(3)])
    })
}

/// Each kiosk's numbers in one set.
fn united(runs: &BitRuns) -> BTreeMap<KioskRef, RoaringBitmap> {
    let mut of: BTreeMap<KioskRef, RoaringBitmap> = BTreeMap::new();
    for (kiosk, numbers) in runs.all() {
        *of.entry(kiosk).or_default() |= numbers;
    }
    of
}

/// How many records of each sort could not be counted, in the order of the rows.
pub fn quarantined(view: &PartitionView) -> impl Iterator<Item = LedgerQuarantined> {
    let row = |(key, count): (&_, &u64)| LedgerQuarantined::of(view.partition, key, *count);
    let mut rows: Vec<_> = view.quarantine.counts.iter().map(row).collect();
    rows.sort_unstable();
    rows.into_iter()
}

/// The latest records that could not be counted, in the order of the log: at most
/// [`QuarantineTally::LATEST`](crate::projection::quarantine::QuarantineTally::LATEST).
pub fn refused(view: &PartitionView) -> impl Iterator<Item = LedgerRefused> {
    view.quarantine.latest.iter().map(|record| LedgerRefused::of(view.partition, record))
}
