//! Which postings does a figure consist of? The ledger's own rows of one account, narrowed down by
//! both their days, by how late they were recorded, and by whether they post or take back.
//!
//! Postings that differ in nothing but the subject are one row, so that nobody is in it: what was
//! posted and taken back on one and the same recorded day is seen only by what is left of it.

use jiff::civil::Date;
use laju_schemas::RegionCode;
use laju_schemas::event::DeactivationReason;

use super::answer::{Age, PostingRow, Postings};
use super::ledger::LedgerPosting;
use super::scan::{Scope, each_netted, each_netted_apart};
use super::view::View;
use super::{QueryError, region_name};
use crate::domain::account::{Account, Cell, Detail};
use crate::domain::day::Day;

/// How many rows are shown where nothing else is asked for.
pub const ROWS: usize = 1_000;
/// The most that can be asked for.
pub const MOST_ROWS: usize = 10_000;

/// The accounts that the active people are the sum of.
pub const ACTIVE: [Account; 4] =
    [Account::Activations, Account::Deactivations, Account::MovesIn, Account::MovesOut];

/// One of [`ACTIVE`], in text as in exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveAccount(pub Account);

impl std::str::FromStr for ActiveAccount {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        ACTIVE.into_iter().find(|account| account.as_str() == text).map(Self).ok_or_else(|| {
            format!("'{text}' is none of {}", ACTIVE.map(Account::as_str).join(", "))
        })
    }
}

/// Whether postings add or take back what was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sign {
    /// Amounts above zero.
    Posted,
    /// Amounts below zero.
    Reversed,
}

impl Sign {
    /// Its name in questions.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Posted => "posted",
            Self::Reversed => "reversed",
        }
    }
}

impl std::str::FromStr for Sign {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let found = [Self::Posted, Self::Reversed].into_iter().find(|sign| sign.as_str() == text);
        found.ok_or_else(|| format!("'{text}' is neither posted nor reversed"))
    }
}

/// Why somebody was deactivated, in text as in the contract.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Reason(pub DeactivationReason);

impl std::str::FromStr for Reason {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        DeactivationReason::from_symbol(text).map(Self).ok_or_else(|| {
            let known: Vec<_> = DeactivationReason::ALL.iter().map(|r| r.as_str()).collect();
            format!("'{text}' is none of {}", known.join(", "))
        })
    }
}

/// First and last day, each included; none is without an end.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Days {
    /// The first.
    pub from: Option<Date>,
    /// The last.
    pub to: Option<Date>,
}

impl Days {
    /// As numbers of days, the end excluded.
    pub(super) fn numbers(self) -> std::ops::Range<u32> {
        let from = self.from.and_then(Day::of_date).map_or(0, |day| u32::from(day.0));
        let to = match self.to.map(Day::of_date) {
            None => u32::MAX,
            Some(None) => 0,
            Some(Some(day)) => u32::from(day.0) + 1,
        };
        from..to
    }
}

/// Which postings are asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PostingsQuestion {
    /// Of which account.
    pub account: Account,
    /// Only those that post, or those that take back.
    pub sign: Option<Sign>,
    /// Only deactivations for this reason.
    pub reason: Option<DeactivationReason>,
    /// When it happened.
    pub happened: Days,
    /// When it was recorded.
    pub recorded: Days,
    /// How many days later it was recorded than it happened.
    pub age: Option<Age>,
    /// Only what events released from quarantine posted, or only the rest.
    pub released: Option<bool>,
}

impl PostingsQuestion {
    /// A relative link to the question about a region.
    #[must_use]
    pub fn link(&self, region: RegionCode) -> String {
        let mut link = format!("/v1/regions/{region}/postings?account={}", self.account.as_str());
        let mut add = |name: &str, value: Option<String>| {
            link.extend(value.map(|value| format!("&{name}={value}")));
        };
        add("sign", self.sign.map(|sign| sign.as_str().to_owned()));
        add("reason", self.reason.map(|reason| reason.to_string()));
        add("happened_from", self.happened.from.map(|day| day.to_string()));
        add("happened_to", self.happened.to.map(|day| day.to_string()));
        add("recorded_from", self.recorded.from.map(|day| day.to_string()));
        add("recorded_to", self.recorded.to.map(|day| day.to_string()));
        add("age_from", self.age.map(|age| age.from_days.to_string()));
        add("age_to", self.age.and_then(|age| age.to_days).map(|days| days.to_string()));
        add("released", self.released.map(|released| released.to_string()));
        link
    }

    /// Whether a cell's key is asked for; its sign is known only once it is netted.
    fn wants(&self) -> impl Fn(&Cell) -> bool {
        let (happened, recorded) = (self.happened.numbers(), self.recorded.numbers());
        let (age, reason) = (self.age, self.reason);
        move |cell| {
            happened.contains(&u32::from(cell.key.day().0))
                && recorded.contains(&u32::from(cell.key.recorded().0))
                && age.is_none_or(|age| has_age(age, cell))
                && reason.is_none_or(|reason| cell.key.detail() == Detail::Deactivation(reason))
        }
    }
}

/// Days from when it happened to when it was recorded; 0 of what was dated ahead.
pub(super) fn age_of(cell: &Cell) -> u32 {
    u32::from(cell.key.recorded().0).saturating_sub(cell.key.day().0.into())
}

fn has_age(age: Age, cell: &Cell) -> bool {
    let days = age_of(cell);
    days >= age.from_days && age.to_days.is_none_or(|to| days <= to)
}

/// Postings of a region.
///
/// # Errors
/// If there is no such region.
pub fn postings(
    view: &View,
    region: RegionCode,
    question: &PostingsQuestion,
    limit: usize,
) -> Result<Postings, QueryError> {
    let name = region_name(region)?;
    let scope = Scope::of(region).ok_or(QueryError::UnknownRegion(region))?;
    let mut total = 0;
    let mut found: Vec<(u32, Cell)> = Vec::new();
    let wants = question.wants();
    let mut find = |partition, cell: &Cell| {
        let sign = if cell.amount > 0 { Sign::Posted } else { Sign::Reversed };
        if question.sign.is_none_or(|wanted| wanted == sign) {
            total += i64::from(cell.amount);
            found.push((partition, *cell));
        }
    };
    let accounts = [question.account];
    match question.released {
        None => each_netted(&view.snapshot, &scope, &accounts, wants, find),
        Some(wanted) => {
            each_netted_apart(&view.snapshot, &scope, &accounts, wants, |partition, cell, is| {
                if is == wanted {
                    find(partition, cell);
                }
            });
        }
    }
    let rows_total = found.len() as u64;
    found.sort_unstable_by_key(|(partition, cell)| {
        (cell.key.recorded(), cell.key.day(), cell.key.order(), *partition)
    });
    found.truncate(limit);
    let row = |(partition, cell): &(u32, Cell)| {
        let part = view.snapshot.partitions.get(partition)?;
        Some(row(LedgerPosting::of(*partition, cell, &part.names)))
    };
    Ok(Postings {
        region: name,
        account: question.account.as_str().to_owned(),
        total,
        rows_total,
        rows: found.iter().filter_map(row).collect(),
        evidence: view.evidence(),
    })
}

/// A ledger row as it is shown of one account.
fn row(row: LedgerPosting) -> PostingRow {
    PostingRow {
        recorded: row.recorded,
        day: row.day,
        region: row.region,
        amount: row.amount,
        service_region: row.service_region,
        channel: row.channel,
        venue: row.venue,
        outreach_id: row.outreach_id,
        first_time_holder: row.first_time_holder,
        reason: row.reason.as_deref().and_then(DeactivationReason::from_symbol),
        other_region: row.other_region,
        partition: row.partition,
    }
}
