//! Two ledgers of a partition, summed up by what is counted where, and what differs between them.

use std::collections::BTreeMap;

use anyhow::bail;
use jiff::civil::Date;
use laju_schemas::RegionCode;
use laju_schemas::quarantine::Reason;
use serde::Serialize;

use crate::cli::claim::Claim;
use crate::domain::account::Account;
use crate::domain::day::Day;
use crate::query::ledger::compare::{Offsets, Rows, compare};
use crate::query::ledger::lines::LedgerDigest;
use crate::query::scope::region_name;

/// A partition's part.
#[derive(Debug, Serialize)]
pub(super) struct Part {
    pub(super) partition: u32,
    pub(super) next_offset_a: i64,
    pub(super) next_offset_b: i64,
    /// Only what was recorded before this day was compared; null: everything was.
    pub(super) recorded_before: Option<Date>,
    /// Of whole ledgers: what each has of the partition.
    pub(super) digest_a: Option<LedgerDigest>,
    pub(super) digest_b: Option<LedgerDigest>,
    /// Rows that differ, of whatever sort, where the rules are the same.
    pub(super) rows: Option<u64>,
}

/// An account of a region that differs.
#[derive(Debug, Serialize)]
pub(super) struct AccountDiffers {
    pub(super) region: RegionCode,
    pub(super) name: String,
    pub(super) account: &'static str,
    pub(super) in_a: i64,
    pub(super) in_b: i64,
    /// `in_b` minus `in_a`.
    pub(super) difference: i64,
    /// What stands in both, but under another day, day of recording or detail.
    pub(super) moved: u64,
}

/// A reason for which one could not count what the other did.
#[derive(Debug, Serialize)]
pub(super) struct QuarantinedDiffers {
    pub(super) reason: Reason,
    pub(super) in_a: u64,
    pub(super) in_b: u64,
}

/// What both have of an account.
#[derive(Default)]
struct AccountSum {
    in_a: i64,
    in_b: i64,
    /// By how much postings of the same day, day of recording and detail differ.
    apart: u64,
}

/// The sums of both, by what is counted.
#[derive(Default)]
pub(super) struct Sums {
    accounts: BTreeMap<(RegionCode, Account), AccountSum>,
    quarantined: BTreeMap<Reason, (u64, u64)>,
}

/// The day that a ledger has got to: what is recorded from then on may still come.
fn day_reached(rows: &Rows) -> Option<Date> {
    let until = rows.tallies.as_ref()?.recorded_until?;
    Some(Day::recorded(until.0).date())
}

impl Sums {
    /// Compares a partition; gives the number of postings compared too.
    pub(super) fn compare(
        &mut self,
        a: &Claim,
        b: &Claim,
        same_rules: bool,
    ) -> anyhow::Result<(Part, u64)> {
        let (mut of_a, mut of_b) = (a.rows()?, b.rows()?);
        let is_whole = a.head.next_offset == b.head.next_offset;
        let mut part = Part {
            partition: a.head.partition,
            next_offset_a: a.head.next_offset,
            next_offset_b: b.head.next_offset,
            recorded_before: None,
            digest_a: is_whole.then_some(a.digest),
            digest_b: is_whole.then_some(b.digest),
            rows: None,
        };
        if !is_whole {
            // One that has nothing at all has got to no day.
            let reached = (day_reached(&of_a), day_reached(&of_b));
            let before = reached.0.zip(reached.1).map_or(Date::MIN, |(a, b)| a.min(b));
            part.recorded_before = Some(before);
            for rows in [&mut of_a, &mut of_b] {
                rows.postings.retain(|row| row.recorded < before);
                rows.quarantined.retain(|row| row.recorded < before);
                (rows.tallies, rows.kiosks, rows.refused) = (None, Vec::new(), Vec::new());
            }
        }
        let postings = of_a.postings.len().max(of_b.postings.len()) as u64;
        for (rows, place) in [(&of_a, 0), (&of_b, 1)] {
            for row in &rows.postings {
                let sum = self.accounts.entry((row.region, row.account)).or_default();
                *(if place == 0 { &mut sum.in_a } else { &mut sum.in_b }) += row.amount;
            }
            for row in &rows.quarantined {
                let sum = self.quarantined.entry(row.reason).or_default();
                *(if place == 0 { &mut sum.0 } else { &mut sum.1 }) += row.count;
            }
        }
        let differences = compare(part.partition, of_a, of_b, Offsets::Compared);
        for row in &differences.postings {
            let sum = self.accounts.entry((row.posting.region, row.posting.account)).or_default();
            sum.apart += row.in_log.abs_diff(row.in_ledger);
        }
        if same_rules {
            part.rows = Some(differences.count() as u64);
            if part.rows == Some(0) && part.digest_a != part.digest_b {
                bail!("partition {}: the digests differ, and no row does", part.partition);
            }
        }
        Ok((part, postings))
    }

    /// What differs: accounts of regions, and reasons.
    pub(super) fn differences(self) -> (Vec<AccountDiffers>, Vec<QuarantinedDiffers>) {
        let accounts = self.accounts.into_iter().filter(|(_, sum)| sum.apart > 0);
        let accounts = accounts.map(|((region, account), AccountSum { in_a, in_b, apart })| {
            let name = region_name(region).map(|region| region.name);
            AccountDiffers {
                region,
                name: name.unwrap_or_default(),
                account: account.as_str(),
                in_a,
                in_b,
                difference: in_b - in_a,
                // Each is apart where it stands in one, and where it stands in the other.
                moved: apart.saturating_sub(in_a.abs_diff(in_b)) / 2,
            }
        });
        let quarantined = self.quarantined.into_iter().filter(|(_, (in_a, in_b))| in_a != in_b);
        let quarantined = quarantined
            .map(|(reason, (in_a, in_b))| QuarantinedDiffers { reason, in_a, in_b })
            .collect();
        (accounts.collect(), quarantined)
    }
}
