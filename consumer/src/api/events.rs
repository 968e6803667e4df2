//! What became of an event, over HTTP.

use axum::extract::{Path, State};
use axum::response::Response;
use laju_schemas::EventId;

use super::ApiState;
use super::documented::EventInPath;
use super::figures::answer_from_fold;
use super::parameters::Parameters;
use super::problem::Problem;
use crate::query::answer::EventFate;
use crate::query::fate;

/// `GET /v1/events/{event_id}`: speaks of the moment of the answer, so it takes no day.
#[utoipa::path(
    get,
    operation_id = "event_fate",
    path = "/v1/events/{event_id}",
    tag = "kiosks and events",
    params(EventInPath),
    responses((status = 200, description = "What became of the event", body = EventFate))
)]
pub(super) async fn fate(
    State(api): State<ApiState>,
    event_id: Result<Path<String>, axum::extract::rejection::PathRejection>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    let bad = |detail: String| Problem::parameter("event_id", format!("event_id: {detail}"));
    let Path(event_id) = event_id.map_err(|rejection| bad(rejection.body_text()))?;
    let event_id: EventId =
        event_id.parse().map_err(|error: laju_schemas::id::IdError| bad(error.to_string()))?;
    let asked = parameters.finish()?;
    answer_from_fold(api, asked, move |view| fate::fate(view, event_id)).await
}
