//! What did outreach bring? Each visit with its days, hours and kiosks, whom it activated and whom
//! it could not, and what the same office's own counter did on the same days.
//!
//! Visits have counters of their own by kiosk and hour, in the region that served. Why people were
//! deferred and what kind of place it was stands with the citizens' home regions, which can be
//! anywhere, so that the whole ledger is gone through once.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;
use jiff::civil::Date;
use laju_schemas::event::{Channel, DeferralReason, Venue};
use laju_schemas::{RegionCode, RegionIndex, RegionTable};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::account::Account;
use crate::domain::cell::{Cell, Detail};
use crate::domain::day::Day;
use crate::domain::rate::Rate;
use crate::query::QueryError;
use crate::query::answer::{self, Bounds, Evidence, Missing, RegionName};
use crate::query::days::{DayRange, Days, date};
use crate::query::figures::progress::{missing_of, missing_of_each};
use crate::query::question::{Endpoint, Question, limit, nation, rows};
use crate::query::scan::{Window, all_groups};
use crate::query::scope::{Scope, region_name};
use crate::query::view::View;

/// How many visits are shown where nothing else is asked for.
pub const VISITS: u32 = 1_000;
/// The most that can be asked for.
pub const MOST_VISITS: u32 = 10_000;

/// What outreach visits brought.
#[derive(Clone, Debug, Args, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct OutreachQuestion {
    /// Only visits of offices within this region; the whole nation if it is not given.
    #[arg(long, value_name = "REGION", default_value_t = RegionCode::NATION)]
    #[serde(default = "nation")]
    #[param(example = "18")]
    pub within: RegionCode,
    /// Only what happened on this day (by the office's clock) or later.
    #[arg(long, value_name = "YYYY-MM-DD")]
    #[serde(default, deserialize_with = "date")]
    pub from: Option<Date>,
    /// Only what happened on this day or earlier.
    #[arg(long, value_name = "YYYY-MM-DD")]
    #[serde(default, deserialize_with = "date")]
    pub to: Option<Date>,
    /// How many visits at most, the latest first; 1,000 if it is not given.
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=MOST_VISITS.into()))]
    #[serde(default, deserialize_with = "limit::<1, MOST_VISITS, _>")]
    #[param(minimum = 1, maximum = 10000)]
    pub limit: Option<u32>,
}

impl Endpoint for OutreachQuestion {
    const PATH: &'static str = "/v1/outreach";
    type Days = Days;
    type Answer = Outreach;
}

impl Question for OutreachQuestion {
    const ID: &'static str = "list_outreach";
    const TAG: &'static str = "outreach";
    const ANSWER: &'static str = "What the visits brought";

    fn answer(&self, days: &Self::Days, view: &View) -> Result<Self::Answer, QueryError> {
        outreach(view, self, days)
    }
}

/// One outreach visit, hour by hour.
#[derive(Clone, Debug, Args, Serialize, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub struct VisitQuestion {
    /// The visit's id, percent-encoded; upper and lower case apart.
    #[arg(value_name = "VISIT", help = "The visit's id; upper and lower case apart")]
    pub id: String,
}

impl Endpoint for VisitQuestion {
    const PATH: &'static str = "/v1/outreach/{id}";
    type Days = Days;
    type Answer = VisitDetail;
}

impl Question for VisitQuestion {
    const ID: &'static str = "one_visit";
    const TAG: &'static str = "outreach";
    const ANSWER: &'static str = "One visit hour by hour";

    fn answer(&self, days: &Self::Days, view: &View) -> Result<Self::Answer, QueryError> {
        visit(view, &self.id, days)
    }
}

/// The outreach visits of some days.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Outreach {
    /// Visits of offices within this region.
    pub within: RegionCode,
    /// The first day that counts; none without an end.
    pub from: Option<Date>,
    /// The last day that counts; none without an end.
    pub to: Option<Date>,
    /// The day that the figures speak of.
    pub as_of: Date,
    /// The day whose knowledge they rest on; none if it is all that is known.
    pub known_at: Option<Date>,
    /// How many visits there are.
    pub total: u64,
    /// As many as were asked for, the latest first.
    pub rows: Vec<Visit>,
    /// What may be missing; none of a past `known_at`. Every count may turn out less or more by at
    /// most its `events` and `quarantined` together.
    pub missing: Option<Missing>,
    /// What the answer rests on.
    pub evidence: Evidence,
    /// A relative link to the same question, with both days filled in.
    pub link: String,
}

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

/// One visit hour by hour.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VisitDetail {
    /// The visit's id.
    pub outreach_id: String,
    /// The day that the figures speak of.
    pub as_of: Date,
    /// The day whose knowledge they rest on; none if it is all that is known.
    pub known_at: Option<Date>,
    /// One for each office that used the id.
    pub visits: Vec<VisitHours>,
    /// What the answer rests on.
    pub evidence: Evidence,
    /// A relative link to the same question, with both days filled in.
    pub link: String,
}

/// A visit and its hours.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VisitHours {
    /// The whole visit.
    #[serde(flatten)]
    pub visit: Visit,
    /// In the order of time and kiosks.
    pub slots: Vec<VisitSlot>,
    /// What may be missing of the office's region; none of a past `known_at`.
    pub missing: Option<Missing>,
}

/// One hour of one kiosk at a visit.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct VisitSlot {
    /// The day, by the office's clock.
    pub day: Date,
    /// The hour, 0 to 23, by the same clock.
    pub hour: u8,
    /// The kiosk.
    pub kiosk_id: String,
    /// People activated.
    pub activations: i64,
    /// Asked, but not activated.
    pub deferrals: i64,
}

/// A visit's id, and whose office went there.
type Key<'a> = (&'a str, RegionIndex);

#[derive(Default)]
struct Visited<'a> {
    /// Activations and deferrals by day, hour and kiosk.
    slots: BTreeMap<(Day, u8, &'a str), [i64; 2]>,
    venues: BTreeMap<Venue, i64>,
    reasons: BTreeMap<DeferralReason, i64>,
}

impl Visited<'_> {
    fn days(&self) -> BTreeSet<Day> {
        self.slots.keys().map(|(day, _, _)| *day).collect()
    }
}

/// Which visits are looked at.
struct Looked<'a> {
    scope: Scope,
    id: Option<&'a str>,
    range: DayRange,
    days: &'a Days,
    window: Window,
}

struct Visits<'a> {
    visits: BTreeMap<Key<'a>, Visited<'a>>,
    /// What may be missing of the offices' regions; of a past knowledge nothing is said.
    missing: BTreeMap<RegionIndex, Missing>,
    /// Activations at offices' own counters.
    counters: BTreeMap<(RegionIndex, Day), i64>,
}

impl<'a> Visits<'a> {
    fn of(view: &'a View, looked: &Looked<'_>) -> Result<Self, QueryError> {
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
        for (partition, group) in all_groups(&view.snapshot, &looked.scope) {
            let column = match group.account {
                Account::VisitActivations => 0,
                Account::VisitDeferrals => 1,
                _ => continue,
            };
            let Some(part) = view.snapshot.partitions.get(&partition) else { continue };
            for cell in looked.window.cells(group.cells) {
                let Detail::Visit { visit, hour } = cell.key.detail() else { continue };
                let (kiosk, outreach) = part.names.visit(visit);
                let Some(id) = part.names.outreach(outreach) else { continue };
                let day = cell.key.day();
                if looked.id.is_some_and(|only| only != id) || !range.contains(&day.0.into()) {
                    continue;
                }
                let visited = self.visits.entry((id, group.region)).or_default();
                let slot = visited.slots.entry((day, hour, part.names.kiosk(kiosk))).or_default();
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
        for (partition, group) in all_groups(&view.snapshot, &everywhere) {
            if !matches!(group.account, Account::Activations | Account::Deferrals) {
                continue;
            }
            let Some(part) = view.snapshot.partitions.get(&partition) else { continue };
            let counts = |cell: &&Cell| range.contains(&cell.key.day().0.into());
            for cell in looked.window.cells(group.cells).filter(counts) {
                let amount = i64::from(cell.amount);
                match cell.key.detail() {
                    Detail::Activation { service, channel, venue, outreach, .. } => {
                        if channel == Channel::Office && offices.contains(&service) {
                            let key = (service, cell.key.day());
                            *self.counters.entry(key).or_default() += amount;
                        }
                        let id = part.names.outreach(outreach);
                        let visited = id.and_then(|id| self.visits.get_mut(&(id, service)));
                        if let (Some(visited), Some(venue)) = (visited, venue) {
                            *visited.venues.entry(venue).or_default() += amount;
                        }
                    }
                    Detail::Deferral { reason, service, outreach } => {
                        let id = part.names.outreach(outreach);
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
    fn answer(
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

fn visit_link(id: &str, view: &View, days: &Days) -> String {
    VisitQuestion { id: id.to_owned() }.link(&days.filled(&view.horizon()))
}

/// The visits of offices within a region that served anybody between two days, each included.
///
/// # Errors
/// If there is no such region, or `to` is before `from`.
pub fn outreach(
    view: &View,
    asked: &OutreachQuestion,
    days: &Days,
) -> Result<Outreach, QueryError> {
    let OutreachQuestion { within, from, to, limit } = *asked;
    let scope = Scope::of(within)?;
    let range = DayRange { from, to };
    if let (Some(from), Some(to)) = (from, to)
        && to < from
    {
        return Err(QueryError::EndsBeforeItBegins { from, to });
    }
    let visits = Visits::of(view, &Looked { scope, id: None, range, days, window: days.window() })?;
    let mut latest: Vec<_> = visits.visits.iter().collect();
    latest.sort_by_key(|(key, visited)| (std::cmp::Reverse(visited.days().last().copied()), **key));
    let total = latest.len() as u64;
    latest.truncate(rows(limit, VISITS));
    let visits_shown =
        latest.into_iter().map(|visit| visits.answer(visit, visit_link(visit.0.0, view, days)));
    Ok(Outreach {
        within,
        from,
        to,
        as_of: days.day(view.today),
        known_at: days.known_at,
        total,
        rows: visits_shown.collect::<Result<_, QueryError>>()?,
        missing: missing_of(view, within, days),
        evidence: view.evidence(),
        link: OutreachQuestion { limit: None, ..*asked }.link(&days.filled(&view.horizon())),
    })
}

/// One visit hour by hour.
///
/// # Errors
/// If nobody was served at a visit of this id, as far as the question's days go.
pub fn visit(view: &View, id: &str, days: &Days) -> Result<VisitDetail, QueryError> {
    let scope = Scope::nation();
    let range = DayRange::default();
    let looked = Looked { scope, id: Some(id), range, days, window: days.window() };
    let visits = Visits::of(view, &looked)?;
    if visits.visits.is_empty() {
        return Err(QueryError::UnknownOutreach(id.to_owned()));
    }
    let link = visit_link(id, view, days);
    let hours = visits.visits.iter().map(|visit| {
        let slots = visit.1.slots.iter().map(|((day, hour, kiosk), counts)| VisitSlot {
            day: day.date(),
            hour: *hour,
            kiosk_id: (*kiosk).to_owned(),
            activations: counts[0],
            deferrals: counts[1],
        });
        let slots = slots.collect();
        let missing = visits.missing.get(&visit.0.1).cloned();
        Ok(VisitHours { visit: visits.answer(visit, link.clone())?, slots, missing })
    });
    Ok(VisitDetail {
        outreach_id: id.to_owned(),
        as_of: days.day(view.today),
        known_at: days.known_at,
        visits: hours.collect::<Result<_, QueryError>>()?,
        evidence: view.evidence(),
        link: link.clone(),
    })
}
