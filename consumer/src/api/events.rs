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
use laju_producer::words;
use laju_schemas::text::shown;

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
    let Path(event_id) = event_id.map_err(|_| Problem::bad_path_part("event_id"))?;
    let event_id: EventId = event_id.parse().map_err(|error: laju_schemas::id::IdError| {
        let error = shown(&error.to_string());
        let detail = words!("event_id: {error}", "event_id: bukan UUID");
        Problem::parameter("event_id", detail)
    })?;
    let asked = parameters.finish()?;
    answer_from_fold(api, asked, move |view| fate::fate(view, event_id)).await
}
