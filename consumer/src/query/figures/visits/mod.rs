//! Outreach visits as the ledger has them.
//!
//! Visits have counters of their own by kiosk and hour, in the region that served. Why people were
//! deferred and what kind of place it was stands with the citizens' home regions, which can be
//! anywhere: where a visit's cells are is kept from one question to the next.

mod book;
#[cfg(test)]
mod book_tests;
mod ids;
mod run;

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use laju_schemas::event::{Channel, DeferralReason, Venue};
use laju_schemas::{RegionIndex, RegionTable};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::account::Account;
use crate::domain::cell::Detail;
use crate::domain::day::Day;
use crate::domain::rate::Rate;
use crate::query::QueryError;
use crate::query::answer::{self, Bounds, Missing, RegionName};
use crate::query::days::{DayRange, Days};
use crate::query::figures::progress::missing_of_each;
use crate::query::scope::{Scope, region_name};
use crate::query::view::View;
use book::{Key, Span, VisitsAt};
use run::Counter;

pub use book::VisitBook;

/// What one visit of one region's office brought.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Visit {
    /// The visit's id.
    pub outreach_id: String,
    /// Whose office went there.
    pub region: RegionName,
    /// What kind of place most of its activations name; none if none does.
    pub venue: Option<Venue>,
    /// The first day on which anybody was served, by the office's clock.
    pub first_day: Date,
    /// The last such day.
    pub last_day: Date,
    /// On how many days anybody was.
    pub days: u64,
    /// In how many hours of those days: an hour in which nobody came leaves no trace.
    pub hours: u64,
    /// The same, counted for each kiosk.
    pub kiosk_hours: u64,
    /// The kiosks that took part, in the order of their ids.
    pub kiosks: Vec<String>,
    /// People activated, wherever they are registered.
    pub activations: i64,
    /// Between which numbers `activations` lies if all that is missing of the office's region were
    /// of this visit; none of a past `known_at`.
    pub bounds: Option<Bounds>,
    /// Asked, but not activated.
    pub deferrals: i64,
    /// Why not, in the contract's order; only reasons that occur. They go by the day at the
    /// citizen's home, so that about midnight one may fall out of `from` or `to`.
    pub deferral_reasons: Vec<ReasonShare>,
    /// Activations an hour.
    pub activations_per_hour: Option<Rate>,
    /// Activations an hour of one kiosk.
    pub activations_per_kiosk_hour: Option<Rate>,
    /// Activations a day.
    pub activations_per_day: Option<Rate>,
    /// The same office's own counter on the same days.
    pub office: OfficeCounter,
    /// A relative link to the visit, hour by hour.
    pub link: String,
}

/// How many were deferred for a reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReasonShare {
    /// Why.
    pub reason: DeferralReason,
    /// How many.
    pub count: i64,
}

/// What an office's own counter (channel `office`) did on the days of a visit.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct OfficeCounter {
    /// Activations, wherever the people are registered.
    pub activations: i64,
    /// Activations a day. The counter's hours are not recorded.
    pub activations_per_day: Option<Rate>,
}

/// A visit that is shown: its id, whose office went there, and what it did.
pub(super) struct Visited<'a> {
    pub(super) id: &'a str,
    pub(super) office: RegionIndex,
    /// Activations and deferrals by day, hour and kiosk.
    pub(super) slots: BTreeMap<(Day, u8, &'a str), [i64; 2]>,
    venues: BTreeMap<Venue, i64>,
    reasons: BTreeMap<DeferralReason, i64>,
}

impl<'a> Visited<'a> {
    fn of(at: &'a VisitsAt, key: Key, span: &Span) -> Self {
        let (slots, venues, reasons) = Default::default();
        let mut visited = Self { id: at.text(key.0), office: key.1, slots, venues, reasons };
        let names = at.names();
        for cell in at.cells_of(key).filter(|cell| span.counts(cell)) {
            let amount = i64::from(cell.amount);
            match cell.key.detail() {
                Detail::Visit { visit, hour } => {
                    let kiosk = names.kiosk(names.visit(visit).0);
                    let column = usize::from(cell.key.account() == Account::VisitDeferrals);
                    let slot = visited.slots.entry((cell.key.day(), hour, kiosk)).or_default();
                    slot[column] += amount;
                }
                Detail::Activation { venue: Some(venue), .. } => {
                    *visited.venues.entry(venue).or_default() += amount;
                }
                Detail::Deferral { reason, .. } => {
                    *visited.reasons.entry(reason).or_default() += amount;
                }
                _ => {}
            }
        }
        visited.slots.retain(|_, counts| *counts != [0, 0]);
        visited
    }

    pub(super) fn days(&self) -> BTreeSet<Day> {
        self.slots.keys().map(|(day, _, _)| *day).collect()
    }
}

/// Which visits are looked at.
pub(super) struct Looked<'a> {
    pub(super) range: DayRange,
    pub(super) days: &'a Days,
}

impl Looked<'_> {
    fn span(&self) -> Span {
        let (window, range) = (self.days.window(), self.range.numbers());
        let end = window.days().unwrap_or(u32::MAX).min(range.end);
        Span { days: range.start..end, known: window }
    }
}

/// Visits that are shown, in their order.
pub(super) struct Visits<'a> {
    pub(super) visits: Vec<Visited<'a>>,
    /// What may be missing of the offices' regions; of a past knowledge nothing is said.
    pub(super) missing: BTreeMap<RegionIndex, Missing>,
    /// Activations at offices' own counters on the days of the visits.
    counters: BTreeMap<Counter, i64>,
}

/// A page of visits.
pub(super) struct VisitPage<'a> {
    pub(super) visits: Visits<'a>,
    pub(super) total: u64,
    pub(super) has_more: bool,
}

impl<'a> Visits<'a> {
    /// The visits of a scope's offices, the latest first, as many as asked for of those behind a
    /// place.
    pub(super) fn latest(
        (view, at): (&View, &'a VisitsAt),
        scope: &Scope,
        looked: &Looked<'_>,
        (after, limit): (Option<(Day, &str, RegionIndex)>, usize),
    ) -> VisitPage<'a> {
        let span = looked.span();
        let (page, total, has_more) = at.page((scope, &span), after, limit);
        let keys = page.into_iter().map(|(key, _)| key);
        VisitPage { visits: Self::of((view, at), keys, looked, &span), total, has_more }
    }

    /// Those of one id.
    pub(super) fn of_id((view, at): (&View, &'a VisitsAt), id: &str, looked: &Looked<'_>) -> Self {
        let span = looked.span();
        let number = view.visits.find(id, &view.snapshot);
        let keys = number.map(|number| at.of_id(number, &span)).unwrap_or_default();
        Self::of((view, at), keys.into_iter(), looked, &span)
    }

    fn of(
        (view, at): (&View, &'a VisitsAt),
        keys: impl Iterator<Item = Key>,
        looked: &Looked<'_>,
        span: &Span,
    ) -> Self {
        let visits: Vec<_> = keys.map(|key| Visited::of(at, key, span)).collect();
        let days = |visited: &Visited<'_>| {
            let office = visited.office;
            visited.days().into_iter().map(move |day| ((office, day), 0))
        };
        let mut counters: BTreeMap<Counter, i64> = visits.iter().flat_map(days).collect();
        if span.known.knows_all() {
            at.add_counters(&mut counters);
        } else {
            add_counters_known(view, &mut counters, span);
        }
        let offices: BTreeSet<RegionIndex> = visits.iter().map(|visit| visit.office).collect();
        let codes = offices.into_iter().map(|office| (office, RegionTable::get().at(office).code));
        Self { missing: missing_of_each(view, codes, looked.days), visits, counters }
    }

    /// The answer about one visit, which has slots.
    pub(super) fn answer(&self, visited: &Visited<'_>, link: String) -> Result<Visit, QueryError> {
        let (days, office) = (visited.days(), visited.office);
        let hours: BTreeSet<_> = visited.slots.keys().map(|(day, hour, _)| (day, hour)).collect();
        let kiosks: BTreeSet<_> = visited.slots.keys().map(|(_, _, kiosk)| *kiosk).collect();
        let sum = |column: usize| visited.slots.values().map(|counts| counts[column]).sum::<i64>();
        let (activations, deferrals) = (sum(0), sum(1));
        let each = |of: i64, by: usize| Rate::of(of.into(), by as u128);
        let at_the_office = days.iter().filter_map(|day| self.counters.get(&(office, *day)));
        let at_the_office: i64 = at_the_office.sum();
        // Of kinds of place that are named as often the first in the contract's order.
        let venues = visited.venues.iter().filter(|(_, count)| **count > 0);
        let venue = venues.rev().max_by_key(|(_, count)| **count).map(|(venue, _)| *venue);
        let reasons = visited.reasons.iter().filter(|(_, count)| **count != 0);
        let date = |day: Option<&Day>| day.copied().unwrap_or_default().date();
        Ok(Visit {
            outreach_id: visited.id.to_owned(),
            region: region_name(RegionTable::get().at(office).code)?,
            venue,
            first_day: date(days.first()),
            last_day: date(days.last()),
            days: days.len() as u64,
            hours: hours.len() as u64,
            kiosk_hours: visited.slots.len() as u64,
            kiosks: kiosks.into_iter().map(str::to_owned).collect(),
            activations,
            bounds: self.missing.get(&office).map(|missing| answer::bounds(activations, missing)),
            deferrals,
            deferral_reasons: reasons
                .map(|(reason, count)| ReasonShare { reason: *reason, count: *count })
                .collect(),
            activations_per_hour: each(activations, hours.len()),
            activations_per_kiosk_hour: each(activations, visited.slots.len()),
            activations_per_day: each(activations, days.len()),
            office: OfficeCounter {
                activations: at_the_office,
                activations_per_day: each(at_the_office, days.len()),
            },
            link,
        })
    }
}

/// Adds up offices' own counters on some days as they were known on one: whom they served stands
/// with homes that can be anywhere.
fn add_counters_known(view: &View, counters: &mut BTreeMap<Counter, i64>, span: &Span) {
    let days = counters.keys().map(|(_, day)| *day);
    let (Some(first), Some(last)) = (days.clone().min(), days.max()) else { return };
    for group in view.sums.groups(&Scope::nation()) {
        if group.account != Account::Activations {
            continue;
        }
        let from = group.cells.partition_point(|cell| cell.key.day() < first);
        for cell in group.cells[from..].iter().take_while(|cell| cell.key.day() <= last) {
            let Detail::Activation { service, channel: Channel::Office, .. } = cell.key.detail()
            else {
                continue;
            };
            if span.counts(cell)
                && let Some(sum) = counters.get_mut(&(service, cell.key.day()))
            {
                *sum += i64::from(cell.amount);
            }
        }
    }
}
