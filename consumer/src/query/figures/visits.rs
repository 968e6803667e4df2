//! Outreach visits as the ledger has them.
//!
//! Visits have counters of their own by kiosk and hour, in the region that served. Why people were
//! deferred and what kind of place it was stands with the citizens' home regions, which can be
//! anywhere, so that the whole ledger is gone through once.

use std::collections::{BTreeMap, BTreeSet};

use jiff::civil::Date;
use laju_schemas::event::{Channel, DeferralReason, Venue};
use laju_schemas::{RegionIndex, RegionTable};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::domain::account::Account;
use crate::domain::cell::{Cell, Detail};
use crate::domain::day::Day;
use crate::domain::rate::Rate;
use crate::query::QueryError;
use crate::query::answer::{self, Bounds, Missing, RegionName};
use crate::query::days::{DayRange, Days};
use crate::query::figures::progress::missing_of_each;
use crate::query::scan::{Window, all_groups};
use crate::query::scope::{Scope, region_name};
use crate::query::view::View;

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

/// A visit's id, and whose office went there.
pub(super) type Key<'a> = (&'a str, RegionIndex);

#[derive(Default)]
pub(super) struct Visited<'a> {
    /// Activations and deferrals by day, hour and kiosk.
    pub(super) slots: BTreeMap<(Day, u8, &'a str), [i64; 2]>,
    venues: BTreeMap<Venue, i64>,
    reasons: BTreeMap<DeferralReason, i64>,
}

impl Visited<'_> {
    pub(super) fn days(&self) -> BTreeSet<Day> {
        self.slots.keys().map(|(day, _, _)| *day).collect()
    }
}

/// Which visits are looked at.
pub(super) struct Looked<'a> {
    pub(super) scope: Scope,
    pub(super) id: Option<&'a str>,
    pub(super) range: DayRange,
    pub(super) days: &'a Days,
    pub(super) window: Window,
}

pub(super) struct Visits<'a> {
    pub(super) visits: BTreeMap<Key<'a>, Visited<'a>>,
    /// What may be missing of the offices' regions; of a past knowledge nothing is said.
    pub(super) missing: BTreeMap<RegionIndex, Missing>,
    /// Activations at offices' own counters.
    counters: BTreeMap<(RegionIndex, Day), i64>,
}

impl<'a> Visits<'a> {
    pub(super) fn of(view: &'a View, looked: &Looked<'_>) -> Result<Self, QueryError> {
        let mut found =
            Self { visits: BTreeMap::new(), missing: BTreeMap::new(), counters: BTreeMap::new() };
        found.add_slots(view, looked);
        found.add_reasons(view, looked)?;
        let offices: BTreeSet<RegionIndex> =
            found.visits.keys().map(|(_, office)| *office).collect();
        let codes = offices.into_iter().map(|office| (office, RegionTable::get().at(office).code));
        found.missing = missing_of_each(view, codes, looked.days);
        Ok(found)
    }

    fn add_slots(&mut self, view: &'a View, looked: &Looked<'_>) {
        let range = looked.range.numbers();
        let names = &view.snapshot.names;
        for group in all_groups(&view.snapshot, &looked.scope) {
            let column = match group.account {
                Account::VisitActivations => 0,
                Account::VisitDeferrals => 1,
                _ => continue,
            };
            for cell in looked.window.cells(group.cells) {
                let Detail::Visit { visit, hour } = cell.key.detail() else { continue };
                let (kiosk, outreach) = names.visit(visit);
                let Some(id) = names.outreach(outreach) else { continue };
                let day = cell.key.day();
                if looked.id.is_some_and(|only| only != id) || !range.contains(&day.0.into()) {
                    continue;
                }
                let visited = self.visits.entry((id, group.region)).or_default();
                let slot = visited.slots.entry((day, hour, names.kiosk(kiosk))).or_default();
                slot[column] += i64::from(cell.amount);
            }
        }
        for visited in self.visits.values_mut() {
            visited.slots.retain(|_, counts| *counts != [0, 0]);
        }
        self.visits.retain(|_, visited| !visited.slots.is_empty());
    }

    fn add_reasons(&mut self, view: &'a View, looked: &Looked<'_>) -> Result<(), QueryError> {
        let everywhere = Scope::nation();
        let offices: BTreeSet<RegionIndex> =
            self.visits.keys().map(|(_, office)| *office).collect();
        let range = looked.range.numbers();
        let names = &view.snapshot.names;
        for group in all_groups(&view.snapshot, &everywhere) {
            if !matches!(group.account, Account::Activations | Account::Deferrals) {
                continue;
            }
            let counts = |cell: &&Cell| range.contains(&cell.key.day().0.into());
            for cell in looked.window.cells(group.cells).filter(counts) {
                let amount = i64::from(cell.amount);
                match cell.key.detail() {
                    Detail::Activation { service, channel, venue, outreach, .. } => {
                        if channel == Channel::Office && offices.contains(&service) {
                            let key = (service, cell.key.day());
                            *self.counters.entry(key).or_default() += amount;
                        }
                        let id = names.outreach(outreach);
                        let visited = id.and_then(|id| self.visits.get_mut(&(id, service)));
                        if let (Some(visited), Some(venue)) = (visited, venue) {
                            *visited.venues.entry(venue).or_default() += amount;
                        }
                    }
                    Detail::Deferral { reason, service, outreach } => {
                        let id = names.outreach(outreach);
                        let visited = id.and_then(|id| self.visits.get_mut(&(id, service)));
                        if let Some(visited) = visited {
                            *visited.reasons.entry(reason).or_default() += amount;
                        }
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// The answer about one visit, which has slots.
    pub(super) fn answer(
        &self,
        ((id, office), visited): (&Key<'a>, &Visited<'a>),
        link: String,
    ) -> Result<Visit, QueryError> {
        let days = visited.days();
        let hours: BTreeSet<_> = visited.slots.keys().map(|(day, hour, _)| (day, hour)).collect();
        let kiosks: BTreeSet<_> = visited.slots.keys().map(|(_, _, kiosk)| *kiosk).collect();
        let sum = |column: usize| visited.slots.values().map(|counts| counts[column]).sum::<i64>();
        let (activations, deferrals) = (sum(0), sum(1));
        let each = |of: i64, by: usize| Rate::of(of.into(), by as u128);
        let at_the_office = days.iter().filter_map(|day| self.counters.get(&(*office, *day)));
        let at_the_office: i64 = at_the_office.sum();
        // Of kinds of place that are named as often the first in the contract's order.
        let venues = visited.venues.iter().filter(|(_, count)| **count > 0);
        let venue = venues.rev().max_by_key(|(_, count)| **count).map(|(venue, _)| *venue);
        let reasons = visited.reasons.iter().filter(|(_, count)| **count != 0);
        let date = |day: Option<&Day>| day.copied().unwrap_or_default().date();
        Ok(Visit {
            outreach_id: (*id).to_owned(),
            region: region_name(RegionTable::get().at(*office).code)?,
            venue,
            first_day: date(days.first()),
            last_day: date(days.last()),
            days: days.len() as u64,
            hours: hours.len() as u64,
            kiosk_hours: visited.slots.len() as u64,
            kiosks: kiosks.into_iter().map(str::to_owned).collect(),
            activations,
            bounds: self.missing.get(office).map(|missing| answer::bounds(activations, missing)),
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
