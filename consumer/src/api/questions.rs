//! Questions over HTTP: one handler and one part of the OpenAPI document for all of them, made from
//! what a question says of itself.

use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use axum::routing;
use clap::Command;
use laju_kafka::problem::Problem;
use serde::Serialize;
use tokio::sync::Semaphore;
use utoipa::openapi::path::{HttpMethod, OperationBuilder, Parameter, ParameterIn, Paths};
use utoipa::openapi::{ContentBuilder, Ref, Required, ResponseBuilder};
use utoipa::{IntoParams as _, PartialSchema as _, ToSchema as _};
use utoipa_axum::router::UtoipaMethodRouter;

use super::caching::{Answer, Asked};
use super::parameters::Parameters;
use super::state::ApiState;
use super::turns::in_turn;
use crate::query::QueryError;
use crate::query::question::{Endpoint, Question, Rests};
use crate::query::regions::Regions;
use crate::query::regions::{RegionsQuestion, regions};
use crate::query::scope::region_name;
use crate::query::view::View;

/// The route of a question, with its part of the document.
pub(super) fn route<Q: Question>() -> UtoipaMethodRouter<ApiState> {
    let about = Q::augment_args(Command::new("question")).get_about().map(ToString::to_string);
    let content = ContentBuilder::new().schema(Some(Ref::from_schema_name(Q::Answer::name())));
    let response =
        ResponseBuilder::new().description(Q::ANSWER).content("application/json", content.build());
    let mut operation = OperationBuilder::new()
        .operation_id(Some(Q::ID))
        .tag(Q::TAG)
        .summary(about)
        .response("200", response.build());
    for parameter in parameters::<Q>() {
        operation = operation.parameter(parameter);
    }
    let mut paths = Paths::new();
    paths.add_path_operation(Q::PATH, vec![HttpMethod::Get], operation.build());
    let mut schemas = vec![(Q::Answer::name().into_owned(), Q::Answer::schema())];
    Q::Answer::schemas(&mut schemas);
    (schemas, paths, routing::get(ask::<Q>))
}

fn parameters<Q: Question>() -> impl Iterator<Item = Parameter> {
    let days = Q::Days::into_params(|| Some(ParameterIn::Query));
    let own = Q::into_params(|| Some(ParameterIn::Query)).into_iter().map(|mut parameter| {
        if Q::PATH.contains(&format!("{{{}}}", parameter.name)) {
            parameter.parameter_in = ParameterIn::Path;
            parameter.required = Required::True;
        }
        parameter
    });
    own.chain(days)
}

/// A request for a question.
async fn ask<Q: Question>(
    State(api): State<ApiState>,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    if let Some(code) = parameters.region()? {
        region_name(code)?;
    }
    let (question, days) = (parameters.take::<Q>()?, parameters.days::<Q::Days>()?);
    let asked = parameters.finish()?;
    question.check(&days)?;
    let (turns, asked) = match Q::RESTS {
        Rests::OnState => (&api.turns, asked),
        Rests::OnMoment => (&api.turns, asked.by_content()),
        // The fold may be ahead of the present state, so that only the answer itself tells which it is.
        Rests::OnFold => (&api.fold_turns, asked.by_content()),
    };
    answer(&api, turns, asked, move |view| question.answer(&days, view)).await
}

/// `GET /v1/regions`: needs no figures, so it is answered at any time.
#[utoipa::path(
    get,
    path = RegionsQuestion::PATH,
    tag = "regions",
    params(RegionsQuestion),
    responses((status = 200, description = "The regions that exist", body = Regions))
)]
pub(super) async fn list_regions(
    State(api): State<ApiState>,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let RegionsQuestion { level, within } = parameters.take()?;
    let asked = parameters.finish()?;
    let regions = json(&regions(level.map(Into::into), within)?)?;
    Ok(Answer::made(&asked, None, regions).into_response(api.is_private(), None))
}

/// Asks a question of the present state, in its turn: none that the client has the answer to.
pub(super) async fn answer<T: Serialize>(
    api: &ApiState,
    turns: &Arc<Semaphore>,
    asked: Asked,
    ask: impl FnOnce(&View) -> Result<T, QueryError> + Send + 'static,
) -> Result<Response, Problem> {
    let (live, clock, shapes) = (Arc::clone(&api.live), Arc::clone(&api.clock), api.shapes);
    let work = move || -> Result<(Answer, u64), Problem> {
        let now = clock();
        let view = live.view(now)?;
        let age = live.age_seconds(&view, now);
        let tag = asked.tag_of(&view, shapes);
        if let Some(tag) = tag.as_ref().filter(|tag| asked.has(tag)) {
            return Ok((Answer::held(tag.clone()).from(&view), age));
        }
        let json = json(&ask(&view)?)?;
        Ok((Answer::made(&asked, tag, json).from(&view), age))
    };
    let (answer, age) = in_turn(turns, work).await??;
    Ok(answer.into_response(api.is_private(), Some(age)))
}

pub(super) fn json<T: Serialize>(answer: &T) -> Result<Vec<u8>, Problem> {
    serde_json::to_vec(answer).map_err(|error| {
        tracing::error!(%error, "an answer could not be written as JSON");
        Problem::internal()
    })
}
