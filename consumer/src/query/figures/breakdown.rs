//! What brought it, who served, and why not? A region's figures by one of their dimensions.

use std::borrow::Cow;

use clap::Args;
use jiff::civil::Date;
use laju_schemas::event::{CardReason, Channel, DeactivationReason, DeferralReason, Venue};
use laju_schemas::{RegionCode, RegionIndex, RegionTable};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::account::Account;
use crate::domain::cell::Detail;
use crate::domain::dictionary::Names;
use crate::query::QueryError;
use crate::query::answer::{Evidence, Missing, RegionName};
use crate::query::days::Days;
use crate::query::figures::progress::missing_of;
use crate::query::page::{self, First, LARGEST_PAGE, PAGE};
use crate::query::question::{Endpoint, Question, limit, rows};
use crate::query::scope::{Scope, region_name};
use crate::query::view::View;

/// The place of the key that an event does not have; the others follow it in the order of their numbers.
const NONE: usize = 0;

/// What brought a region's figures, who served, and why not.
#[derive(Clone, Debug, Args, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct BreakdownQuestion {
    /// A regency or city, a province, or the nation (ID).
    #[arg(value_name = "REGION")]
    #[param(example = "18.71")]
    pub code: RegionCode,
    /// The dimension.
    #[arg(long, value_enum)]
    #[param(example = "channel")]
    pub by: By,
    /// How many rows at most; 1,000 if it is not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=LARGEST_PAGE.into()))]
    #[serde(default, deserialize_with = "limit::<1, LARGEST_PAGE, _>")]
    #[param(minimum = 1, maximum = 10000)]
    pub limit: Option<u32>,
    /// Only rows after this one, as `next` of the page before has it.
    #[arg(long, value_name = "ROW")]
    pub after: Option<String>,
}

impl Endpoint for BreakdownQuestion {
    const PATH: &'static str = "/v1/regions/{code}/breakdown";
    type Days = Days;
    type Answer = Breakdown;
}

impl Question for BreakdownQuestion {
    const ID: &'static str = "region_breakdown";
    const ANSWER: &'static str = "The figures by one dimension";

    fn answer(&self, days: &Self::Days, view: &View) -> Result<Self::Answer, QueryError> {
        breakdown(view, self, days)
    }
}

impl BreakdownQuestion {
    /// The first page of a region's figures by a dimension.
    #[must_use]
    pub fn of(code: RegionCode, by: By) -> Self {
        Self { code, by, limit: None, after: None }
    }
}

/// What a break-down is by.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
#[value(rename_all = "snake_case")]
pub enum By {
    /// Activations by where they were done.
    Channel,
    /// Activations by the kind of place visited; key null of those not at a visit.
    Venue,
    /// Activations by outreach visit; key null of those not at a visit.
    Outreach,
    /// Activations by whose office served.
    ServiceRegion,
    /// Activations by whether it is the person's first identity document.
    FirstTime,
    /// Deferrals by reason.
    DeferralReason,
    /// Card requests and prints by reason.
    CardReason,
    /// Deactivations by reason.
    DeactivationReason,
}

/// A region's figures by one of their dimensions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Breakdown {
    /// The region.
    pub region: RegionName,
    /// The day that the figures speak of.
    pub as_of: Date,
    /// The day whose knowledge they rest on; none if it is all that is known.
    pub known_at: Option<Date>,
    /// The dimension.
    pub by: By,
    /// Of a closed list of keys every one, in the contract's order; else those that occur, the
    /// largest first. As many as were asked for.
    pub rows: Vec<BreakdownRow>,
    /// How many there are on all pages.
    pub total: u64,
    /// A relative link to the next page; none on the last.
    pub next: Option<String>,
    /// What may be missing; none of a past `known_at`. Every count may turn out less or more by at
    /// most its `events` and `quarantined` together.
    pub missing: Option<Missing>,
    /// What the answer rests on.
    pub evidence: Evidence,
    /// A relative link to the same question, with both days filled in.
    pub link: String,
}

/// One row of a break-down.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct BreakdownRow {
    /// The value of the dimension; none where an event has none.
    pub key: Option<String>,
    /// How many.
    #[serde(flatten)]
    pub count: Count,
}

/// How many: of cards two counts, else one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum Count {
    /// Activations, deactivations or deferrals.
    One {
        /// How many.
        count: i64,
    },
    /// Cards.
    Cards {
        /// Printed cards asked for.
        requested: i64,
        /// Cards printed.
        printed: i64,
    },
}

impl By {
    /// What is broken down: one account, or two side by side.
    const fn accounts(self) -> &'static [Account] {
        match self {
            Self::Channel
            | Self::Venue
            | Self::Outreach
            | Self::ServiceRegion
            | Self::FirstTime => &[Account::Activations],
            Self::DeferralReason => &[Account::Deferrals],
            Self::CardReason => &[Account::CardsRequested, Account::CardsPrinted],
            Self::DeactivationReason => &[Account::Deactivations],
        }
    }

    /// The place of a posting's key.
    #[inline]
    fn place(self, detail: Detail) -> usize {
        let number = match (self, detail) {
            (Self::Channel, Detail::Activation { channel, .. }) => channel.index().into(),
            (Self::Venue, Detail::Activation { venue: Some(venue), .. }) => venue.index().into(),
            (Self::Outreach, Detail::Activation { outreach, .. }) if outreach > 0 => {
                outreach as usize - 1
            }
            (Self::ServiceRegion, Detail::Activation { service, .. }) => service.0.into(),
            (Self::FirstTime, Detail::Activation { first_time_holder, .. }) => {
                first_time_holder.into()
            }
            (Self::DeferralReason, Detail::Deferral { reason, .. }) => reason.index().into(),
            (Self::CardReason, Detail::Card(reason)) => reason.index().into(),
            (Self::DeactivationReason, Detail::Deactivation(reason)) => reason.index().into(),
            _ => return NONE,
        };
        number + 1
    }

    /// The keys that there can be, in the order of their numbers, if the list is closed.
    fn closed(self) -> Option<Vec<&'static str>> {
        Some(match self {
            Self::Channel => Channel::ALL.iter().map(|v| v.as_str()).collect(),
            Self::Venue => Venue::ALL.iter().map(|v| v.as_str()).collect(),
            Self::FirstTime => vec!["false", "true"],
            Self::DeferralReason => DeferralReason::ALL.iter().map(|v| v.as_str()).collect(),
            Self::CardReason => CardReason::ALL.iter().map(|v| v.as_str()).collect(),
            Self::DeactivationReason => {
                DeactivationReason::ALL.iter().map(|v| v.as_str()).collect()
            }
            Self::Outreach | Self::ServiceRegion => return None,
        })
    }

    fn count(self, [first, second]: [i64; 2]) -> Count {
        match self {
            Self::CardReason => Count::Cards { requested: first, printed: second },
            _ => Count::One { count: first },
        }
    }
}

/// A region's figures by one of their dimensions.
///
/// # Errors
/// If there is no such region.
pub fn breakdown(
    view: &View,
    asked: &BreakdownQuestion,
    days: &Days,
) -> Result<Breakdown, QueryError> {
    let BreakdownQuestion { code: region, by, .. } = *asked;
    let name = region_name(region)?;
    let scope = Scope::of(region)?;
    let counts = Counts::of(view, &scope, by, days);
    let limit = rows(asked.limit, PAGE);
    let Page { rows, total, has_more } = match by.closed() {
        Some(keys) => closed_page(&closed_rows(by, &keys, &counts), &keys, asked, limit)?,
        None => open_page(&view.snapshot.names, &counts, asked, limit)?,
    };
    let next = rows.last().filter(|_| has_more).map(|last| {
        let (limit, after) = (Some(limit as u32), Some(cursor(by, last)));
        BreakdownQuestion { limit, after, ..*asked }.link(days)
    });
    Ok(Breakdown {
        region: name,
        as_of: days.day(view.today),
        known_at: days.known_at,
        by,
        rows,
        total,
        next,
        missing: missing_of(view, region, days),
        evidence: view.evidence(),
        link: asked.link(&days.filled(&view.horizon())),
    })
}

/// A page of rows.
struct Page {
    rows: Vec<BreakdownRow>,
    total: u64,
    has_more: bool,
}

/// A cursor: of a closed list the key, else the count and, unless there is none, the key.
fn cursor(by: By, row: &BreakdownRow) -> String {
    let (Count::One { count } | Count::Cards { requested: count, .. }) = row.count;
    match (by.closed(), &row.key) {
        (Some(_), key) => key.clone().unwrap_or_default(),
        (None, None) => count.to_string(),
        (None, Some(key)) => format!("{count},{key}"),
    }
}

fn closed_page(
    all: &[BreakdownRow],
    keys: &[&str],
    asked: &BreakdownQuestion,
    limit: usize,
) -> Result<Page, QueryError> {
    let from = match asked.after.as_deref() {
        None => 0,
        Some(key) if keys.contains(&key) => {
            let place_of = |key: Option<&str>| keys.iter().position(|of| key == Some(of));
            let after = place_of(Some(key));
            // A row without a key is the last one.
            let is_behind =
                |row: &BreakdownRow| row.key.is_none() || place_of(row.key.as_deref()) > after;
            all.iter().position(is_behind).unwrap_or(all.len())
        }
        Some(other) => return Err(page::no_place(other)),
    };
    let mut rows = all.to_vec();
    let has_more = page::cut(&mut rows, from, limit);
    Ok(Page { rows, total: all.len() as u64, has_more })
}

/// A page of the keys that occur, the largest first, then in the order of the keys.
fn open_page(
    names: &Names,
    counts: &Counts,
    asked: &BreakdownQuestion,
    limit: usize,
) -> Result<Page, QueryError> {
    let by = asked.by;
    let after = asked.after.as_deref();
    let place = |cursor| place(cursor).ok_or_else(|| page::no_place(cursor));
    let after = after.map(place).transpose()?;
    let text = |place: usize| -> Option<Cow<'_, str>> {
        let number = place.checked_sub(1)?;
        if by == By::ServiceRegion {
            let code = RegionTable::get().at(RegionIndex(number as u16)).code;
            return Some(Cow::Owned(code.to_string()));
        }
        names.outreach(place as u32).map(Cow::Borrowed)
    };
    let mut total = 0;
    let mut page = First::new(limit, |a: &(usize, i64), b: &(usize, i64)| {
        b.1.cmp(&a.1).then_with(|| text(a.0).cmp(&text(b.0)))
    });
    for (place, [count, _]) in counts.0.iter().enumerate().filter(|(_, [count, _])| *count != 0) {
        total += 1;
        let is_behind = after.is_none_or(|(last, key)| {
            let order = last.cmp(count).reverse();
            order.then_with(|| key.cmp(&text(place).as_deref())).is_lt()
        });
        if is_behind {
            page.add((place, *count));
        }
    }
    let (rows, has_more) = page.finish();
    let row = |(place, count)| BreakdownRow {
        key: text(place).map(Cow::into_owned),
        count: by.count([count, 0]),
    };
    Ok(Page { rows: rows.into_iter().map(row).collect(), total, has_more })
}

fn place(cursor: &str) -> Option<(i64, Option<&str>)> {
    match cursor.split_once(',') {
        Some((count, key)) => Some((count.parse().ok()?, Some(key))),
        None => Some((cursor.parse().ok()?, None)),
    }
}

/// Counts by the places of keys, of which there are so few or which lie so close that each has room.
struct Counts(Vec<[i64; 2]>);

impl Counts {
    fn of(view: &View, scope: &Scope, by: By, days: &Days) -> Self {
        let window = days.window();
        let mut counts: Vec<[i64; 2]> = Vec::new();
        for group in view.sums.groups(scope) {
            let Some(column) = by.accounts().iter().position(|a| *a == group.account) else {
                continue;
            };
            for cell in window.cells(group.cells) {
                let place = by.place(cell.key.detail());
                if counts.len() <= place {
                    counts.resize(place + 1, [0, 0]);
                }
                counts[place][column] += i64::from(cell.amount);
            }
        }
        Self(counts)
    }

    fn at(&self, place: usize) -> [i64; 2] {
        self.0.get(place).copied().unwrap_or_default()
    }
}

/// Every key, also those with nothing; `unknown` and none at all only where they occur.
fn closed_rows(by: By, keys: &[&str], counts: &Counts) -> Vec<BreakdownRow> {
    let mut rows = Vec::with_capacity(keys.len() + 1);
    for (number, key) in keys.iter().enumerate() {
        let count = counts.at(number + 1);
        if *key != "unknown" || count != [0, 0] {
            rows.push(BreakdownRow { key: Some((*key).to_owned()), count: by.count(count) });
        }
    }
    if counts.at(NONE) != [0, 0] {
        rows.push(BreakdownRow { key: None, count: by.count(counts.at(NONE)) });
    }
    rows
}
