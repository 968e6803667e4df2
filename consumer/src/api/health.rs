//! Is the program alive, is it ready, and how is it doing: for supervisors and Prometheus.

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use axum::http::header::CONTENT_TYPE;
use axum::response::{IntoResponse, Response};
use laju_kafka::problem::Problem;
use laju_kafka::trouble::Trouble;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::parameters::Parameters;
use super::state::ApiState;
use crate::query::readiness::Readiness;
use crate::query::recorded_ahead::{RecordedAhead, recorded_ahead};

/// That the program runs and answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Alive {
    /// Always true: a node that is not alive does not answer.
    pub alive: bool,
}

/// Whether a node is ready to answer figures, and how far it is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Ready {
    /// Whether it is.
    pub ready: bool,
    /// What it is doing.
    pub phase: String,
    /// The program's version.
    pub version: String,
    /// The rules by which it counts events: nodes of the same rules give the same figures.
    pub fold_version: String,
    /// How far behind it may be and still be ready, in seconds.
    pub max_lag_seconds: Option<u64>,
    /// What stands in the way.
    pub waiting_for: Vec<String>,
    /// How far each partition is, once the store is loaded.
    pub partitions: Vec<ReadyPartition>,
    /// Every partition of any topic that the node reads and that stands still. One of the topic of
    /// quoted figures does not keep the node from being ready: other figures are answered without. Nor
    /// does `not_confirmed`, nor an event whose schema is waited for, until that makes the node lag.
    pub troubles: Vec<ReadyTrouble>,
}

/// How far a partition is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadyPartition {
    /// The partition.
    pub partition: u32,
    /// The offset after the last record folded and committed.
    pub next_offset: i64,
    /// The partition's end when it was last looked at.
    pub end_offset: i64,
    /// For how many seconds the first record after those has been there, as far as the node knows, or
    /// for how many it has not heard of the partition.
    pub lag_seconds: u64,
    /// Why it stands still, if it does.
    pub trouble: Option<PartitionTrouble>,
    /// That a record of it was stamped more than a day ahead of this node's clock; null as a rule.
    /// What came after it counts as recorded no earlier. Figures are answered all the same.
    pub recorded_ahead: Option<RecordedAhead>,
}

/// Why a partition stands still; time alone does not mend it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PartitionTrouble {
    /// One word for it: `codec`, `damaged`, `not_authorized`, `message_format`, `fetch_failed`,
    /// `schema_not_found`, `registry_unreachable`, `not_confirmed`, `another_log`, `partitions_added`. There may be more kinds one day.
    #[schema(example = "codec")]
    pub kind: String,
    /// The offset of the first record that cannot be had.
    pub offset: i64,
    /// What is wrong.
    pub detail: String,
    /// What to do about it.
    pub cure: String,
}

/// A partition of any topic that the node reads, and why it stands still.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct ReadyTrouble {
    /// The topic's full name.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// Why it stands still.
    #[serde(flatten)]
    pub trouble: PartitionTrouble,
}

impl From<&Trouble> for PartitionTrouble {
    fn from(trouble: &Trouble) -> Self {
        Self {
            kind: trouble.kind.as_str().to_owned(),
            offset: trouble.offset,
            detail: trouble.reason.clone(),
            cure: trouble.cure.clone(),
        }
    }
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

/// `GET /readyz`: 200 if figures are answered and are those of now, else 503; the same body either
/// way. A node that is too far behind is not ready, and answers figures all the same.
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
    let not_ready = api.live.unready();
    let ahead = recorded_ahead(&api.live.snapshot.load(), (api.clock)());
    let partitions = readiness.positions.iter().map(|(partition, position)| ReadyPartition {
        partition: *partition,
        next_offset: position.next_offset,
        end_offset: position.end_offset,
        lag_seconds: u64::try_from(position.lag_ms / 1_000).unwrap_or(0),
        trouble: of_events(&readiness, *partition),
        recorded_ahead: ahead.iter().find(|ahead| ahead.partition == *partition).copied(),
    });
    let troubles =
        readiness.troubles.iter().chain(&readiness.troubles_beside).map(|troubled| ReadyTrouble {
            topic: troubled.topic.to_string(),
            partition: troubled.partition,
            trouble: (&troubled.trouble).into(),
        });
    let body = Ready {
        ready: not_ready.is_empty(),
        phase: readiness.phase.clone(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        fold_version: api.live.fold_version().to_owned(),
        max_lag_seconds: readiness.max_lag.map(|max| max.as_secs()),
        waiting_for: not_ready.iter().map(ToString::to_string).collect(),
        partitions: partitions.collect(),
        troubles: troubles.collect(),
    };
    let status = if body.ready { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE };
    Ok((status, Json(body)).into_response())
}

/// The first trouble of a partition of the events topic.
fn of_events(readiness: &Readiness, partition: u32) -> Option<PartitionTrouble> {
    let of_it = readiness.troubles.iter().find(|troubled| {
        troubled.partition == partition && readiness.topic.as_deref() == Some(&*troubled.topic)
    });
    of_it.map(|troubled| (&troubled.trouble).into())
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
