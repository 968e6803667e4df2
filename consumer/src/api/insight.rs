//! What lies behind a figure, over HTTP: each handler turns a request into one question and its
//! answer into JSON.

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, State};
use axum::response::Response;
use laju_schemas::{RegionCode, RegionLevel};

use super::ApiState;
use super::documented::{
    AsOfKnownAt, ChangeAxis, Code, OutreachDays, OutreachInPath, PaceSpan, PostingsFilter,
    Selection, Span, Within,
};
use super::figures::answer;
use super::parameters::{Parameters, RegionInPath};
use super::problem::Problem;
use crate::query::answer::{
    Age, Axis, Change, FigureEvidence, Flows, Outreach, Pace, PaceList, Postings, RegionFlows,
    VisitDetail,
};
use crate::query::outreach::{MOST_VISITS, VISITS};
use crate::query::postings::{ActiveAccount, Days, MOST_ROWS, PostingsQuestion, ROWS, Reason};
use crate::query::{change, evidence, flows, outreach, pace, pace_list, postings};
use laju_producer::words;

/// `GET /v1/regions/{code}/pace?as_of&known_at`, or with `from&to`.
#[utoipa::path(
    get,
    path = "/v1/regions/{code}/pace",
    tag = "figures",
    params(Code, PaceSpan, AsOfKnownAt),
    responses((status = 200, description = "The pace, what the target requires, and where it leads", body = Pace))
)]
pub(super) async fn region_pace(
    State(api): State<ApiState>,
    RegionInPath(region): RegionInPath,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let span = match (parameters.date("from")?, parameters.date("to")?) {
        (None, None) => None,
        (Some(from), Some(to)) => Some((from, to)),
        (None, Some(_)) => {
            return Err(Problem::parameter(
                "from",
                words!("to needs from as well", "to memerlukan from juga"),
            ));
        }
        (Some(_), None) => {
            return Err(Problem::parameter(
                "to",
                words!("from needs to as well", "from memerlukan to juga"),
            ));
        }
    };
    let question = parameters.question()?;
    if let (Some((_, to)), Some(as_of)) = (span, question.as_of)
        && to != as_of
    {
        let detail = words!(
            "as_of: a pace from one day to another is as of the latter, {to}",
            "as_of: laju dari satu hari ke hari lain berlaku pada hari terakhirnya, {to}"
        );
        return Err(Problem::parameter("as_of", detail));
    }
    let asked = parameters.finish()?;
    answer(api, asked, move |view| pace::pace(view, region, span, &question)).await
}

/// `GET /v1/pace?level&within&as_of&known_at`.
#[utoipa::path(
    get,
    path = "/v1/pace",
    tag = "figures",
    params(Selection, AsOfKnownAt),
    responses((status = 200, description = "How fast every region goes, and how fast it would have to", body = PaceList))
)]
pub(super) async fn list_paces(
    State(api): State<ApiState>,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let level = parameters.level()?.unwrap_or(RegionLevel::Regency);
    let within = parameters.optional("within")?.unwrap_or(RegionCode::NATION);
    let question = parameters.question()?;
    let asked = parameters.finish()?;
    answer(api, asked, move |view| pace_list::pace_list(view, level, within, &question)).await
}

/// `GET /v1/regions/{code}/change?from&to&axis` with the day of the other axis.
#[utoipa::path(
    get,
    path = "/v1/regions/{code}/change",
    tag = "figures",
    params(Code, Span, ChangeAxis, AsOfKnownAt),
    responses((status = 200, description = "Why the figure differs between two days", body = Change))
)]
pub(super) async fn region_change(
    State(api): State<ApiState>,
    RegionInPath(region): RegionInPath,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let span = (parameters.required_date("from")?, parameters.required_date("to")?);
    let axis = parameters.optional("axis")?.unwrap_or(Axis::KnownAt);
    let fixed = parameters.date(match axis {
        Axis::KnownAt => "as_of",
        Axis::AsOf => "known_at",
    })?;
    let ahead = match axis {
        Axis::KnownAt => parameters.flag("ahead")?.unwrap_or(false),
        Axis::AsOf => false,
    };
    let (asked, fixed) = (parameters.finish()?, (fixed, ahead));
    answer(api, asked, move |view| change::change(view, region, axis, span, fixed)).await
}

/// `GET /v1/regions/{code}/evidence?as_of&known_at`.
#[utoipa::path(
    get,
    path = "/v1/regions/{code}/evidence",
    tag = "figures",
    params(Code, AsOfKnownAt),
    responses((status = 200, description = "What the figure rests on", body = FigureEvidence))
)]
pub(super) async fn region_evidence(
    State(api): State<ApiState>,
    RegionInPath(region): RegionInPath,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let question = parameters.question()?;
    let asked = parameters.finish()?;
    // Whose events are missing is in the answer, and not in the version of the state.
    let asked = asked.by_content();
    answer(api, asked, move |view| evidence::evidence(view, region, &question)).await
}

/// `GET /v1/regions/{code}/postings?account&sign&reason&happened_from&happened_to&recorded_from&…`.
#[utoipa::path(
    get,
    path = "/v1/regions/{code}/postings",
    tag = "figures",
    params(Code, PostingsFilter),
    responses((status = 200, description = "The postings that a figure consists of", body = Postings))
)]
pub(super) async fn region_postings(
    State(api): State<ApiState>,
    RegionInPath(region): RegionInPath,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let ActiveAccount(account) = parameters.required("account")?;
    let question = PostingsQuestion {
        account,
        sign: parameters.optional("sign")?,
        reason: parameters.optional("reason")?.map(|Reason(reason)| reason),
        happened: Days {
            from: parameters.date("happened_from")?,
            to: parameters.date("happened_to")?,
        },
        recorded: Days {
            from: parameters.date("recorded_from")?,
            to: parameters.date("recorded_to")?,
        },
        age: {
            let (from, to_days) =
                (parameters.optional("age_from")?, parameters.optional("age_to")?);
            let from_days = from.unwrap_or(0);
            (from.is_some() || to_days.is_some()).then_some(Age { from_days, to_days })
        },
        released: parameters.optional("released")?,
    };
    let limit = parameters.limit(ROWS, MOST_ROWS)?;
    let asked = parameters.finish()?;
    answer(api, asked, move |view| postings::postings(view, region, &question, limit)).await
}

/// `GET /v1/flows?within&as_of&known_at`.
#[utoipa::path(
    get,
    path = "/v1/flows",
    tag = "figures",
    params(Within, AsOfKnownAt),
    responses((status = 200, description = "Who serves whom and who moves where", body = Flows))
)]
pub(super) async fn list_flows(
    State(api): State<ApiState>,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let within = parameters.optional("within")?.unwrap_or(RegionCode::NATION);
    let question = parameters.question()?;
    let asked = parameters.finish()?;
    answer(api, asked, move |view| flows::flows(view, within, &question)).await
}

/// `GET /v1/regions/{code}/flows?as_of&known_at`.
#[utoipa::path(
    get,
    path = "/v1/regions/{code}/flows",
    tag = "figures",
    params(Code, AsOfKnownAt),
    responses((status = 200, description = "Whom the region serves, who serves its people, where they move", body = RegionFlows))
)]
pub(super) async fn region_flows(
    State(api): State<ApiState>,
    RegionInPath(region): RegionInPath,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let question = parameters.question()?;
    let asked = parameters.finish()?;
    answer(api, asked, move |view| flows::region_flows(view, region, &question)).await
}

/// `GET /v1/outreach?within&from&to&limit&as_of&known_at`.
#[utoipa::path(
    get,
    path = "/v1/outreach",
    tag = "outreach",
    params(Within, OutreachDays, AsOfKnownAt),
    responses((status = 200, description = "What the visits brought", body = Outreach))
)]
pub(super) async fn list_outreach(
    State(api): State<ApiState>,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let within = parameters.optional("within")?.unwrap_or(RegionCode::NATION);
    let days = Days { from: parameters.date("from")?, to: parameters.date("to")? };
    let limit = parameters.limit(VISITS, MOST_VISITS)?;
    let question = parameters.question()?;
    let asked = parameters.finish()?;
    answer(api, asked, move |view| outreach::outreach(view, within, days, limit, &question)).await
}

/// `GET /v1/outreach/{id}?as_of&known_at`: the id is percent-encoded.
#[utoipa::path(
    get,
    path = "/v1/outreach/{id}",
    tag = "outreach",
    params(OutreachInPath, AsOfKnownAt),
    responses((status = 200, description = "One visit hour by hour", body = VisitDetail))
)]
pub(super) async fn one_visit(
    State(api): State<ApiState>,
    id: Result<Path<String>, PathRejection>,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let Path(id) = id.map_err(|_| Problem::bad_path())?;
    let question = parameters.question()?;
    let asked = parameters.finish()?;
    answer(api, asked, move |view| outreach::visit(view, &id, &question)).await
}
