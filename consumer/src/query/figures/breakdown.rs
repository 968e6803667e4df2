//! What brought it, who served, and why not? A region's figures by one of their dimensions.

use std::collections::BTreeMap;

use clap::Args;
use hashbrown::HashMap;
use jiff::civil::Date;
use laju_schemas::event::{CardReason, Channel, DeactivationReason, DeferralReason, Venue};
use laju_schemas::{RegionCode, RegionIndex, RegionTable};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::account::Account;
use crate::domain::cell::Detail;
use crate::query::QueryError;
use crate::query::answer::{Evidence, Missing, RegionName};
use crate::query::days::Days;
use crate::query::figures::progress::missing_of;
use crate::query::question::{Endpoint, Question};
use crate::query::scan::all_groups;
use crate::query::scope::{Scope, region_name};
use crate::query::view::View;

/// The number of a key that an event does not have.
const NONE: u64 = u64::MAX;

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
    /// largest first.
    pub rows: Vec<BreakdownRow>,
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

    /// The number of a posting's key.
    fn key(self, detail: Detail) -> u64 {
        match (self, detail) {
            (Self::Channel, Detail::Activation { channel, .. }) => channel.index().into(),
            (Self::Venue, Detail::Activation { venue: Some(venue), .. }) => venue.index().into(),
            (Self::Outreach, Detail::Activation { outreach, .. }) if outreach > 0 => {
                outreach.into()
            }
            (Self::ServiceRegion, Detail::Activation { service, .. }) => service.0.into(),
            (Self::FirstTime, Detail::Activation { first_time_holder, .. }) => {
                first_time_holder.into()
            }
            (Self::DeferralReason, Detail::Deferral { reason, .. }) => reason.index().into(),
            (Self::CardReason, Detail::Card(reason)) => reason.index().into(),
            (Self::DeactivationReason, Detail::Deactivation(reason)) => reason.index().into(),
            _ => NONE,
        }
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

    /// The text of a number of an open list.
    fn text(self, view: &View, key: u64) -> Option<String> {
        if key == NONE {
            return None;
        }
        if self == Self::ServiceRegion {
            return Some(RegionTable::get().at(RegionIndex(key as u16)).code.to_string());
        }
        view.snapshot.names.outreach(key as u32).map(str::to_owned)
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
    let BreakdownQuestion { code: region, by } = *asked;
    let name = region_name(region)?;
    let scope = Scope::of(region)?;
    let counts = counts(view, &scope, by, days);
    let rows = match by.closed() {
        Some(keys) => closed_rows(by, &keys, &counts),
        None => open_rows(view, by, &counts),
    };
    Ok(Breakdown {
        region: name,
        as_of: days.day(view.today),
        known_at: days.known_at,
        by,
        rows,
        missing: missing_of(view, region, days),
        evidence: view.evidence(),
        link: asked.link(&days.filled(&view.horizon())),
    })
}

type Counts = HashMap<u64, [i64; 2]>;

fn counts(view: &View, scope: &Scope, by: By, days: &Days) -> Counts {
    let window = days.window();
    let mut counts = Counts::new();
    for group in all_groups(&view.snapshot, scope) {
        let Some(column) = by.accounts().iter().position(|a| *a == group.account) else {
            continue;
        };
        for cell in window.cells(group.cells) {
            let key = by.key(cell.key.detail());
            counts.entry(key).or_default()[column] += i64::from(cell.amount);
        }
    }
    counts
}

/// Every key, also those with nothing; `unknown` and none at all only where they occur.
fn closed_rows(by: By, keys: &[&str], counts: &Counts) -> Vec<BreakdownRow> {
    let count = |number: u64| counts.get(&number).copied().unwrap_or_default();
    let mut rows = Vec::with_capacity(keys.len() + 1);
    for (number, key) in keys.iter().enumerate() {
        let count = count(number as u64);
        if *key != "unknown" || count != [0, 0] {
            rows.push(BreakdownRow { key: Some((*key).to_owned()), count: by.count(count) });
        }
    }
    if count(NONE) != [0, 0] {
        rows.push(BreakdownRow { key: None, count: by.count(count(NONE)) });
    }
    rows
}

/// The keys that occur, the largest first.
fn open_rows(view: &View, by: By, counts: &Counts) -> Vec<BreakdownRow> {
    let mut texts: BTreeMap<Option<String>, [i64; 2]> = BTreeMap::new();
    for (key, count) in counts {
        let sums = texts.entry(by.text(view, *key)).or_default();
        sums[0] += count[0];
        sums[1] += count[1];
    }
    let mut rows: Vec<_> = texts.into_iter().filter(|(_, count)| *count != [0, 0]).collect();
    rows.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    rows.into_iter().map(|(key, count)| BreakdownRow { key, count: by.count(count) }).collect()
}
