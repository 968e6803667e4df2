//! What did outreach bring? Each visit with its days, hours and kiosks, whom it activated and whom
//! it could not, and what the same office's own counter did on the same days.

use clap::Args;
use jiff::civil::Date;
use laju_schemas::{RegionCode, RegionIndex, RegionTable};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::domain::day::Day;
use crate::query::QueryError;
use crate::query::answer::{Evidence, Missing};
use crate::query::days::{DayRange, Days, date};
use crate::query::figures::progress::missing_of;
use crate::query::figures::visits::{Looked, Visit, VisitPage, Visited, Visits};
use crate::query::page::{self, LARGEST_PAGE, PAGE};
use crate::query::question::{Endpoint, Question, limit, nation, rows};
use crate::query::scope::Scope;
use crate::query::view::View;

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
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=LARGEST_PAGE.into()))]
    #[serde(default, deserialize_with = "limit::<1, LARGEST_PAGE, _>")]
    #[param(minimum = 1, maximum = 10000)]
    pub limit: Option<u32>,
    /// Only visits after this one, as `next` of the page before has it.
    #[arg(long, value_name = "VISIT")]
    pub after: Option<String>,
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
    /// How many visits there are on all pages.
    pub total: u64,
    /// As many as were asked for, the latest first.
    pub rows: Vec<Visit>,
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

fn visit_link(id: &str, view: &View, days: &Days) -> String {
    VisitQuestion { id: id.to_owned() }.link(&days.filled(&view.horizon()))
}

/// Where a visit stands in the list: its last day, its office and its id.
fn cursor(visit: &Visited<'_>) -> String {
    let last = visit.days().last().copied().unwrap_or_default().date();
    format!("{last},{},{}", RegionTable::get().at(visit.office).code, visit.id)
}

fn place(cursor: &str) -> Option<(Day, &str, RegionIndex)> {
    let (day, rest) = cursor.split_once(',')?;
    let (office, id) = rest.split_once(',')?;
    let office = RegionTable::get().index_of(office.parse().ok()?)?;
    Some((Day::of_date(day.parse().ok()?)?, id, office))
}

/// The visits of offices within a region that served anybody between two days, each included.
///
/// # Errors
/// If there is no such region, `to` is before `from`, or `after` is no visit of such a list.
pub fn outreach(
    view: &View,
    asked: &OutreachQuestion,
    days: &Days,
) -> Result<Outreach, QueryError> {
    let OutreachQuestion { within, from, to, .. } = *asked;
    let scope = Scope::of(within)?;
    let range = DayRange { from, to };
    if let (Some(from), Some(to)) = (from, to)
        && to < from
    {
        return Err(QueryError::EndsBeforeItBegins { from, to });
    }
    let after = asked.after.as_deref();
    let after = after.map(|after| place(after).ok_or_else(|| page::no_place(after))).transpose()?;
    let limit = rows(asked.limit, PAGE);
    let at = view.visits.at(&view.snapshot);
    let looked = Looked { range, days };
    let VisitPage { visits, total, has_more } =
        Visits::latest((view, &at), &scope, &looked, (after, limit));
    let shown = visits.visits.iter();
    let shown = shown.map(|visit| visits.answer(visit, visit_link(visit.id, view, days)));
    let next = visits.visits.last().filter(|_| has_more).map(|last| {
        let (limit, after) = (Some(limit as u32), Some(cursor(last)));
        OutreachQuestion { limit, after, ..asked.clone() }.link(days)
    });
    Ok(Outreach {
        within,
        from,
        to,
        as_of: days.day(view.today),
        known_at: days.known_at,
        total,
        rows: shown.collect::<Result<_, QueryError>>()?,
        next,
        missing: missing_of(view, within, days),
        evidence: view.evidence(),
        link: asked.link(&days.filled(&view.horizon())),
    })
}

/// One visit hour by hour.
///
/// # Errors
/// If nobody was served at a visit of this id, as far as the question's days go.
pub fn visit(view: &View, id: &str, days: &Days) -> Result<VisitDetail, QueryError> {
    let at = view.visits.at(&view.snapshot);
    let looked = Looked { range: DayRange::default(), days };
    let visits = Visits::of_id((view, &at), id, &looked);
    if visits.visits.is_empty() {
        return Err(QueryError::UnknownOutreach(id.to_owned()));
    }
    let link = visit_link(id, view, days);
    let hours = visits.visits.iter().map(|visit| {
        let slots = visit.slots.iter().map(|((day, hour, kiosk), counts)| VisitSlot {
            day: day.date(),
            hour: *hour,
            kiosk_id: (*kiosk).to_owned(),
            activations: counts[0],
            deferrals: counts[1],
        });
        let slots = slots.collect();
        let missing = visits.missing.get(&visit.office).cloned();
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
