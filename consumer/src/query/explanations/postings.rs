//! Which postings does a figure consist of? The ledger's own rows of one account, narrowed down by
//! both their days, by how late they were recorded, and by whether they post or take back.
//!
//! Postings that differ in nothing but the subject are one row, so that nobody is in it: what was
//! posted and taken back on one and the same recorded day is seen only by what is left of it.

use clap::Args;
use jiff::civil::Date;
use laju_schemas::RegionCode;
use laju_schemas::event::{Channel, DeactivationReason, Venue};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::account::Account;
use crate::domain::cell::{Cell, CellKey, Detail};
use crate::domain::day::Day;
use crate::domain::dictionary::Names;
use crate::query::QueryError;
use crate::query::answer::{Age, Evidence, RegionName};
use crate::query::days::{DayRange, NoDays, date};
use crate::query::ledger::LedgerPosting;
use crate::query::page::{self, First, LARGEST_PAGE, PAGE};
use crate::query::question::{Endpoint, Question, limit, rows};
use crate::query::scan::{each_netted, each_netted_apart};
use crate::query::scope::{Scope, region_name};
use crate::query::view::View;

/// The accounts that the active people are the sum of.
pub const ACTIVE: [Account; 4] =
    [Account::Activations, Account::Deactivations, Account::MovesIn, Account::MovesOut];

/// The accounts that the active people are the sum of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum ActiveAccount {
    /// IKD activated.
    Activations,
    /// IKD deactivated.
    Deactivations,
    /// Active people who moved in.
    MovesIn,
    /// Active people who moved out.
    MovesOut,
}

impl From<ActiveAccount> for Account {
    fn from(account: ActiveAccount) -> Self {
        match account {
            ActiveAccount::Activations => Self::Activations,
            ActiveAccount::Deactivations => Self::Deactivations,
            ActiveAccount::MovesIn => Self::MovesIn,
            ActiveAccount::MovesOut => Self::MovesOut,
        }
    }
}

/// Whether postings add or take back what was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// Amounts above zero.
    Posted,
    /// Amounts below zero.
    Reversed,
}

/// The postings that a region's figure consists of.
#[derive(Clone, Debug, PartialEq, Eq, Args, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct PostingsQuestion {
    /// A regency or city, a province, or the nation (ID).
    #[arg(value_name = "REGION")]
    #[param(example = "18.71")]
    pub code: RegionCode,
    /// The account.
    #[arg(long, value_enum)]
    #[param(inline, example = "activations")]
    pub account: ActiveAccount,
    /// Only amounts above zero, or below.
    #[arg(long, value_enum)]
    #[param(inline)]
    pub sign: Option<Sign>,
    /// Of deactivations, only those for this reason.
    #[arg(long)]
    pub reason: Option<DeactivationReason>,
    /// Only what happened on this day (at the home region) or later.
    #[arg(long, value_name = "YYYY-MM-DD")]
    #[serde(default, deserialize_with = "date")]
    pub happened_from: Option<Date>,
    /// Only what happened on this day or earlier.
    #[arg(long, value_name = "YYYY-MM-DD")]
    #[serde(default, deserialize_with = "date")]
    pub happened_to: Option<Date>,
    /// Only what was recorded on this day (in Asia/Jakarta) or later.
    #[arg(long, value_name = "YYYY-MM-DD")]
    #[serde(default, deserialize_with = "date")]
    pub recorded_from: Option<Date>,
    /// Only what was recorded on this day or earlier.
    #[arg(long, value_name = "YYYY-MM-DD")]
    #[serde(default, deserialize_with = "date")]
    pub recorded_to: Option<Date>,
    /// Only what was recorded at least so many days after it happened.
    #[arg(long, value_name = "DAYS")]
    #[param(minimum = 0, maximum = 4294967295i64)]
    pub age_from: Option<u32>,
    /// Only what was recorded at most so many days after it happened.
    #[arg(long, value_name = "DAYS")]
    #[param(minimum = 0, maximum = 4294967295i64)]
    pub age_to: Option<u32>,
    /// Only what events released from quarantine posted (true), or only the rest (false).
    #[arg(long)]
    pub released: Option<bool>,
    /// How many rows at most; 1,000 if it is not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=LARGEST_PAGE.into()))]
    #[serde(default, deserialize_with = "limit::<1, LARGEST_PAGE, _>")]
    #[param(minimum = 1, maximum = 10000)]
    pub limit: Option<u32>,
    /// Only rows after this one, as `next` of the page before has it.
    #[arg(long, value_name = "ROW")]
    pub after: Option<String>,
}

impl Endpoint for PostingsQuestion {
    const PATH: &'static str = "/v1/regions/{code}/postings";
    type Days = NoDays;
    type Answer = Postings;
}

impl Question for PostingsQuestion {
    const ID: &'static str = "region_postings";
    const ANSWER: &'static str = "The postings that a figure consists of";

    fn answer(&self, _days: &NoDays, view: &View) -> Result<Postings, QueryError> {
        postings(view, self)
    }
}

/// Postings of a region's ledger.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Postings {
    /// The region.
    pub region: RegionName,
    /// The account: `activations`, `deactivations`, `moves_in` or `moves_out`.
    pub account: String,
    /// The sum of all amounts, also of rows that are not shown.
    pub total: i64,
    /// How many rows there are.
    pub rows_total: u64,
    /// As many as were asked for, in the order of the days of recording and of happening.
    pub rows: Vec<PostingRow>,
    /// A relative link to the next page; none on the last.
    pub next: Option<String>,
    /// What the answer rests on.
    pub evidence: Evidence,
}

/// Postings that differ in nothing but the subject, added up.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub struct PostingRow {
    /// The day on which it was recorded, in the programme's zone.
    pub recorded: Date,
    /// The local day on which it happened.
    pub day: Date,
    /// The regency or city.
    pub region: RegionCode,
    /// How many people; below zero where postings are taken back.
    pub amount: i64,
    /// Of activations, whose office served.
    pub service_region: Option<RegionCode>,
    /// Of activations, where it was done.
    pub channel: Option<Channel>,
    /// Of activations, what kind of place.
    pub venue: Option<Venue>,
    /// Of activations, the visit.
    pub outreach_id: Option<String>,
    /// Of activations, whether it is their first identity document.
    pub first_time_holder: Option<bool>,
    /// Of deactivations, why.
    pub reason: Option<DeactivationReason>,
    /// Of moves, the other region.
    pub other_region: Option<RegionCode>,
}

impl PostingsQuestion {
    /// All postings of an account.
    #[must_use]
    pub fn of(code: RegionCode, account: ActiveAccount) -> Self {
        Self {
            code,
            account,
            sign: None,
            reason: None,
            happened_from: None,
            happened_to: None,
            recorded_from: None,
            recorded_to: None,
            age_from: None,
            age_to: None,
            released: None,
            limit: None,
            after: None,
        }
    }

    /// Whether a cell's key is asked for; its sign is known only once it is netted.
    fn wants(&self) -> impl Fn(&Cell) -> bool {
        let happened = DayRange { from: self.happened_from, to: self.happened_to }.numbers();
        let recorded = DayRange { from: self.recorded_from, to: self.recorded_to }.numbers();
        let age = Age { from_days: self.age_from.unwrap_or(0), to_days: self.age_to };
        let reason = self.reason;
        move |cell| {
            happened.contains(&u32::from(cell.key.day().0))
                && recorded.contains(&u32::from(cell.key.recorded().0))
                && has_age(age, cell)
                && reason.is_none_or(|reason| cell.key.detail() == Detail::Deactivation(reason))
        }
    }
}

/// Days from when it happened to when it was recorded; 0 of what was dated ahead.
pub(crate) fn age_of(cell: &Cell) -> u32 {
    u32::from(cell.key.recorded().0).saturating_sub(cell.key.day().0.into())
}

fn has_age(age: Age, cell: &Cell) -> bool {
    let days = age_of(cell);
    days >= age.from_days && age.to_days.is_none_or(|to| days <= to)
}

/// Postings of a region.
///
/// # Errors
/// If there is no such region, or `after` is no row of such a list.
pub fn postings(view: &View, question: &PostingsQuestion) -> Result<Postings, QueryError> {
    let region = question.code;
    let name = region_name(region)?;
    let scope = Scope::of(region)?;
    let after = question.after.as_deref();
    let after =
        after.map(|after| Place::at(after).ok_or_else(|| page::no_place(after))).transpose()?;
    let names = &*view.snapshot.names;
    let limit = rows(question.limit, PAGE);
    let (mut total, mut rows_total) = (0, 0);
    let mut page = First::new(limit, |a: &Cell, b: &Cell| {
        days(a).cmp(&days(b)).then_with(|| a.key.compare(b.key, names))
    });
    let wants = question.wants();
    let mut find = |cell: &Cell| {
        let sign = if cell.amount > 0 { Sign::Posted } else { Sign::Reversed };
        if question.sign.is_none_or(|wanted| wanted == sign) {
            total += i64::from(cell.amount);
            rows_total += 1;
            if after.is_none_or(|after| after.is_before(cell, names)) {
                page.add(*cell);
            }
        }
    };
    let account = Account::from(question.account);
    let accounts = [account];
    match question.released {
        None => each_netted(&view.snapshot.ledger, &scope, &accounts, wants, find),
        Some(wanted) => {
            each_netted_apart(&view.snapshot.ledger, &scope, &accounts, wants, |cell, is| {
                if is == wanted {
                    find(cell);
                }
            });
        }
    }
    let (found, has_more) = page.finish();
    let next = found.last().filter(|_| has_more).map(|last| {
        let after = Some(Place::of(last, names).cursor());
        PostingsQuestion { limit: Some(limit as u32), after, ..question.clone() }.link(&NoDays {})
    });
    Ok(Postings {
        region: name,
        account: account.as_str().to_owned(),
        total,
        rows_total,
        rows: found.iter().map(|cell| row(LedgerPosting::of(0, cell, names))).collect(),
        next,
        evidence: view.evidence(),
    })
}

fn days(cell: &Cell) -> (Day, Day) {
    (cell.key.recorded(), cell.key.day())
}

/// Where a row stands: by its days, then by what it says, with a text where its number is of no
/// meaning.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Place<'a> {
    days: (Day, Day),
    key: CellKey,
    visit: Option<&'a str>,
}

impl<'a> Place<'a> {
    fn of(cell: &Cell, names: &'a Names) -> Self {
        let visit = match cell.key.detail() {
            Detail::Activation { outreach, .. } => names.outreach(outreach),
            _ => None,
        };
        Self { days: days(cell), key: cell.key.without_text(), visit }
    }

    /// Whether a row comes behind this one: mostly its days tell.
    fn is_before(&self, cell: &Cell, names: &Names) -> bool {
        let by_days = self.days.cmp(&days(cell));
        by_days.then_with(|| self.cmp(&Place::of(cell, names))).is_lt()
    }

    /// The key's bytes and the visit.
    fn cursor(&self) -> String {
        let key = hex::encode(self.key.to_bytes());
        self.visit.map_or(key.clone(), |visit| format!("{key},{visit}"))
    }

    fn at(cursor: &'a str) -> Option<Self> {
        let (key, visit) = match cursor.split_once(',') {
            Some((key, visit)) => (key, Some(visit)),
            None => (cursor, None),
        };
        let mut bytes = [0; CellKey::BYTES];
        hex::decode_to_slice(key, &mut bytes).ok()?;
        let key = CellKey::from_bytes(&bytes)?;
        Some(Self { days: (key.recorded(), key.day()), key, visit })
    }
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
    }
}
