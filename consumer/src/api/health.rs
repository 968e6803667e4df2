//! Is the program alive, is it ready, and how is it doing: for supervisors and Prometheus.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::ApiState;
use super::parameters::Parameters;
use super::problem::Problem;

/// That the program runs and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alive {
    /// Always true: whoever is not alive does not answer.
    pub alive: bool,
}

/// Whether a node is ready to answer figures, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ready {
    /// Whether it is.
    pub ready: bool,
    /// What it is doing.
    pub phase: String,
    /// What stands in the way.
    pub waiting_for: Vec<String>,
    /// The partitions that it holds.
    pub partitions: Vec<ReadyPartition>,
}

/// How far a partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadyPartition {
    /// The partition.
    pub partition: u32,
    /// The offset after the last record folded and committed.
    pub next_offset: i64,
    /// The partition's end when it was last looked at.
    pub end_offset: i64,
}

/// `GET /healthz`: the program runs and answers.
#[utoipa::path(
    get,
    path = "/healthz",
    tag = "node",
    responses((status = 200, description = "It runs and answers", body = Alive))
)]
pub(super) async fn healthz(parameters: Parameters) -> Result<Json<Alive>, Problem> {
    parameters.finish()?;
    Ok(Json(Alive { alive: true }))
}

/// `GET /readyz`: 200 if figures are answered, else 503; the same body either way.
#[utoipa::path(
    get,
    path = "/readyz",
    tag = "node",
    responses(
        (status = 200, description = "Figures are answered", body = Ready),
        (status = 503, description = "Not yet, and why", body = Ready)
    )
)]
pub(super) async fn readyz(
    State(api): State<ApiState>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    parameters.finish()?;
    let readiness = api.live.readiness();
    let lacks = api.live.lacks();
    let partitions = readiness.held.iter().map(|(partition, position)| ReadyPartition {
        partition: *partition,
        next_offset: position.next_offset,
        end_offset: position.end_offset,
    });
    let body = Ready {
        ready: lacks.is_empty(),
        phase: readiness.phase.clone(),
        waiting_for: lacks.iter().map(ToString::to_string).collect(),
        partitions: partitions.collect(),
    };
    let status = if body.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(body)).into_response())
}

/// `GET /metrics`: in Prometheus' text format.
#[utoipa::path(
    get,
    path = "/metrics",
    tag = "node",
    responses((status = 200, description = "Metrics in Prometheus' text format", body = String, content_type = "text/plain"))
)]
pub(super) async fn metrics(
    State(api): State<ApiState>,
    parameters: Parameters,
) -> Result<Response, Problem> {
    parameters.finish()?;
    let text = (api.metrics)();
    Ok(([(CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}
