//! Figures over HTTP: each handler turns a request into one question and its answer into JSON.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use laju_schemas::{RegionCode, RegionLevel};
use serde::Serialize;
use tokio::sync::Semaphore;

use super::ApiState;
use super::caching::{Answer, Asked};
use super::documented::{
    AsOfKnownAt, BreakdownBy, Code, KnownAt, LatestLimit, Selection, SeriesStep, Span, Within,
};
use super::parameters::{Parameters, RegionInPath};
use super::problem::Problem;
use crate::query::answer::{
    Breakdown, By, Progress, ProgressList, Quarantine, Regions, Series, Step,
};
use crate::query::quarantine::{LATEST, MOST_LATEST};
use crate::query::view::View;
use crate::query::{QueryError, breakdown, progress, quarantine, regions, series};
use laju_producer::words;

/// `GET /v1/regions?level&within`: needs no figures, so it is answered at any time.
#[utoipa::path(
    get,
    path = "/v1/regions",
    tag = "regions",
    params(Selection),
    responses((status = 200, description = "The regions that exist", body = Regions))
)]
pub(super) async fn list_regions(
    State(api): State<ApiState>,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let level = parameters.level()?;
    let within = parameters.optional("within")?.unwrap_or(RegionCode::NATION);
    let asked = parameters.finish()?;
    let regions = json(&regions::regions(level, within)?)?;
    Ok(Answer::made(&asked, None, regions).into_response(api.is_private(), None))
}

/// `GET /v1/progress?level&within&as_of&known_at`.
#[utoipa::path(
    get,
    operation_id = "list_progress",
    path = "/v1/progress",
    tag = "figures",
    params(Selection, AsOfKnownAt),
    responses((status = 200, description = "How far every region is", body = ProgressList))
)]
pub(super) async fn progress_list(
    State(api): State<ApiState>,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let level = parameters.level()?.unwrap_or(RegionLevel::Regency);
    let within = parameters.optional("within")?.unwrap_or(RegionCode::NATION);
    let question = parameters.question()?;
    let asked = parameters.finish()?;
    answer(api, asked, move |view| progress::progress_list(view, level, within, &question)).await
}

/// `GET /v1/regions/{code}/progress?as_of&known_at`.
#[utoipa::path(
    get,
    path = "/v1/regions/{code}/progress",
    tag = "figures",
    params(Code, AsOfKnownAt),
    responses((status = 200, description = "How far the region is", body = Progress))
)]
pub(super) async fn region_progress(
    State(api): State<ApiState>,
    RegionInPath(region): RegionInPath,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let question = parameters.question()?;
    let asked = parameters.finish()?;
    answer(api, asked, move |view| progress::progress(view, region, &question)).await
}

/// `GET /v1/regions/{code}/series?from&to&step&as_of&known_at`.
#[utoipa::path(
    get,
    path = "/v1/regions/{code}/series",
    tag = "figures",
    params(Code, Span, SeriesStep, AsOfKnownAt),
    responses((status = 200, description = "How the region got there", body = Series))
)]
pub(super) async fn region_series(
    State(api): State<ApiState>,
    RegionInPath(region): RegionInPath,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let span = (parameters.required_date("from")?, parameters.required_date("to")?);
    let step = parameters.optional("step")?.unwrap_or(Step::Day);
    let question = parameters.question()?;
    let asked = parameters.finish()?;
    answer(api, asked, move |view| series::series(view, region, span, step, &question)).await
}

/// `GET /v1/regions/{code}/breakdown?by&as_of&known_at`.
#[utoipa::path(
    get,
    path = "/v1/regions/{code}/breakdown",
    tag = "figures",
    params(Code, BreakdownBy, AsOfKnownAt),
    responses((status = 200, description = "The figures by one dimension", body = Breakdown))
)]
pub(super) async fn region_breakdown(
    State(api): State<ApiState>,
    RegionInPath(region): RegionInPath,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let by: By = parameters.required("by")?;
    let question = parameters.question()?;
    let asked = parameters.finish()?;
    answer(api, asked, move |view| breakdown::breakdown(view, region, by, &question)).await
}

/// `GET /v1/quarantine?within&known_at&limit`: when something happened that could not be counted is not
/// known in general, so it takes no `as_of`.
#[utoipa::path(
    get,
    path = "/v1/quarantine",
    tag = "kiosks and events",
    params(Within, KnownAt, LatestLimit),
    responses((status = 200, description = "What could not be counted", body = Quarantine))
)]
pub(super) async fn list_quarantine(
    State(api): State<ApiState>,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let within = parameters.optional("within")?.unwrap_or(RegionCode::NATION);
    let known_at = parameters.date("known_at")?;
    let limit: usize = parameters.optional("limit")?.unwrap_or(LATEST);
    if limit > MOST_LATEST {
        let detail = words!(
            "limit: at most {MOST_LATEST} records are shown",
            "limit: paling banyak {MOST_LATEST} catatan ditampilkan"
        );
        return Err(Problem::parameter("limit", detail));
    }
    let asked = parameters.finish()?;
    answer(api, asked, move |view| quarantine::quarantine(view, known_at, within, limit)).await
}

/// Asks a question of the present state, away from the threads that serve connections, and no
/// more questions at once than there are processors; none that the client has the answer to.
pub(super) async fn answer<T: Serialize>(
    api: ApiState,
    asked: Asked,
    ask: impl FnOnce(&View) -> Result<T, QueryError> + Send + 'static,
) -> Result<Response, Problem> {
    let turns = Arc::clone(&api.turns);
    answer_in_turn(api, asked, turns, ask).await
}

/// Asks a question that reads what is being folded, which may be busy: no more of them at once than
/// there are processors, beside those that need nobody. The fold may be ahead of the present
/// state, so that only the answer itself tells which it is.
pub(super) async fn answer_from_fold<T: Serialize>(
    api: ApiState,
    asked: Asked,
    ask: impl FnOnce(&View) -> Result<T, QueryError> + Send + 'static,
) -> Result<Response, Problem> {
    let turns = Arc::clone(&api.fold_turns);
    answer_in_turn(api, asked.by_content(), turns, ask).await
}

async fn answer_in_turn<T: Serialize>(
    api: ApiState,
    asked: Asked,
    turns: Arc<Semaphore>,
    ask: impl FnOnce(&View) -> Result<T, QueryError> + Send + 'static,
) -> Result<Response, Problem> {
    let is_private = api.is_private();
    let turn = turns.acquire_owned().await.map_err(|_| Problem::internal())?;
    let work = move || -> Result<(Answer, u64), Problem> {
        let _turn = turn;
        let now = (api.clock)();
        let view = api.live.view(now)?;
        let age = api.live.age_seconds(&view, now);
        let tag = asked.tag_of(&view, api.shapes);
        if let Some(tag) = tag.as_ref().filter(|tag| asked.has(tag)) {
            return Ok((Answer::held(tag.clone()).from(&view), age));
        }
        let json = json(&ask(&view)?)?;
        Ok((Answer::made(&asked, tag, json).from(&view), age))
    };
    let (answer, age) = match tokio::task::spawn_blocking(work).await {
        Ok(result) => result?,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(_) => return Err(Problem::internal()),
        },
    };
    Ok(answer.into_response(is_private, Some(age)))
}

pub(super) fn json<T: Serialize>(answer: &T) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(answer).map_err(|error| {
        tracing::error!(%error, "an answer could not be written as JSON");
        Problem::internal()
    })
}
