//! The agent's HTTP interface, on the loopback only: the NIK is in clear here and nowhere else.
//!
//! Turns requests into calls of [`Agent`] and answers into JSON; every error is an RFC 9457
//! problem. A web page that some browser on the kiosk has open must not be able to send events:
//! requests with an `Origin` that was not allowed, and requests for another host's name, are
//! refused.

mod answer;
mod guard;
mod problem;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use futures_util::StreamExt as _;
use laju_schemas::EventId;
use laju_schemas::event::RetractionReason;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tower_http::catch_panic::CatchPanicLayer;
use tower_http::timeout::TimeoutLayer;

use super::Agent;
use super::redact::redact;
use super::submission::{self, Body, Format};
use crate::outbox::Retry;
use problem::Problem;

pub use answer::{BatchAnswer, ItemAnswer, OneAnswer};
pub use guard::{Origin, is_this_machine, loopback};

/// The largest request, in bytes: 100,000 events of a usual size take 25 MB.
const MAX_BODY_BYTES: usize = 64 << 20;
/// Bodies that are held in memory at the same time, in KiB, not counting the first
/// [`SMALL_BODY_BYTES`] of each: there is always room for an event of the counter's.
const BODIES_KIB: usize = 128 << 10;
const SMALL_BODY_BYTES: usize = 64 << 10;
/// How long the next part of a body may be in coming.
const STALLED: Duration = Duration::from_secs(15);
/// How long a request may take, its body included.
const TIMEOUT: Duration = Duration::from_secs(120);

#[derive(Clone)]
struct Shared {
    agent: Agent,
    bodies: Arc<Semaphore>,
}

/// Every path of the interface, for web pages of these origins and for programs.
pub fn router(agent: Agent, origins: &[Origin]) -> Router {
    let shared = Shared { agent, bodies: Arc::new(Semaphore::new(BODIES_KIB)) };
    Router::new()
        .route("/v1/events", post(take_events))
        .route("/v1/events/{event_id}", get(fate))
        .route("/v1/events/{event_id}/retract", post(retract))
        .route("/v1/status", get(status))
        .route("/v1/set-aside/retry", post(retry))
        .route("/healthz", get(healthz))
        .route("/metrics", get(metrics))
        .fallback(|| async { Problem::new(StatusCode::NOT_FOUND, "there is nothing here") })
        .method_not_allowed_fallback(|| async {
            Problem::new(StatusCode::METHOD_NOT_ALLOWED, "this path takes another method")
        })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(guard::cors(origins))
        .layer(from_fn_with_state(Arc::<[Origin]>::from(origins), guard::check))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, TIMEOUT))
        .layer(CatchPanicLayer::custom(|_| {
            Problem::new(StatusCode::INTERNAL_SERVER_ERROR, "the agent failed; see its log")
                .into_response()
        }))
        .with_state(shared)
}

/// Serves on a listener until `stop` completes; requests under way are answered.
///
/// # Errors
/// If the listener fails.
pub async fn serve(
    listener: tokio::net::TcpListener,
    router: Router,
    stop: impl Future<Output = ()> + Send + 'static,
) -> std::io::Result<()> {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    axum::serve(listener, service).with_graceful_shutdown(stop).await
}

/// `POST /v1/events`: 202 once durable, 422 naming the field.
async fn take_events(
    State(shared): State<Shared>,
    headers: HeaderMap,
    body: axum::body::Body,
) -> Result<Response, Problem> {
    let format = format_of(&headers)?;
    let announced = headers.get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok());
    let announced = announced.and_then(|text| text.parse().ok());
    if announced.is_some_and(|bytes: usize| bytes > MAX_BODY_BYTES) {
        return Err(too_large());
    }
    let (body, _room) = receive(body, &shared.bodies).await?;
    let read = super::hands::blocking(move || submission::read(format, &body)).await;
    match read.map_err(|error| Problem::new(StatusCode::BAD_REQUEST, error.to_string()))? {
        Body::One(submission) => {
            let mut answers = shared.agent.submit(vec![submission]).await?;
            match answers.pop() {
                Some(Ok(accepted)) => {
                    Ok(answer::json(StatusCode::ACCEPTED, &OneAnswer::from(accepted)))
                }
                Some(Err(refused)) => Err(refused.into()),
                None => Err(closing()),
            }
        }
        Body::Batch(submissions) => {
            let answers = shared.agent.submit(submissions).await?;
            let (status, answer) = BatchAnswer::new(answers);
            Ok(answer::json(status, &answer))
        }
    }
}

/// Reads a body, which takes room only as it comes: one that stalls holds up nobody.
async fn receive(
    body: axum::body::Body,
    bodies: &Arc<Semaphore>,
) -> Result<(Vec<u8>, Option<OwnedSemaphorePermit>), Problem> {
    let (mut received, mut held) = (Vec::new(), None::<OwnedSemaphorePermit>);
    let mut parts = body.into_data_stream();
    loop {
        let part = match tokio::time::timeout(STALLED, parts.next()).await {
            Err(_) => {
                let detail = "the rest of the request did not come: send it again";
                return Err(Problem::new(StatusCode::REQUEST_TIMEOUT, detail));
            }
            Ok(None) => return Ok((received, held)),
            Ok(Some(Err(_))) => {
                return Err(Problem::new(StatusCode::BAD_REQUEST, "the request broke off"));
            }
            Ok(Some(Ok(part))) => part,
        };
        if received.len() + part.len() > MAX_BODY_BYTES {
            return Err(too_large());
        }
        received.extend_from_slice(&part);
        let needed = received.len().saturating_sub(SMALL_BODY_BYTES).div_ceil(1 << 10);
        let more =
            needed.saturating_sub(held.as_ref().map_or(0, OwnedSemaphorePermit::num_permits));
        if more > 0 {
            let more = u32::try_from(more).unwrap_or(u32::MAX);
            let room = Arc::clone(bodies).try_acquire_many_owned(more).map_err(|_| busy())?;
            match &mut held {
                Some(held) => held.merge(room),
                None => held = Some(room),
            }
        }
    }
}

fn busy() -> Problem {
    let detail = "other large requests are being read: send this one again";
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, detail)
}

fn format_of(headers: &HeaderMap) -> Result<Format, Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = given.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/json" => Ok(Format::Json),
        "application/x-ndjson" | "application/jsonl" => Ok(Format::Ndjson),
        _ => Err(Problem::new(
            StatusCode::UNSUPPORTED_MEDIA_TYPE,
            "Content-Type: application/json for an event or an array of events, \
             application/x-ndjson for an event a line",
        )),
    }
}

fn too_large() -> Problem {
    let detail = format!(
        "a request has at most {MAX_BODY_BYTES} bytes: send the events in several requests"
    );
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

fn closing() -> Problem {
    Problem::new(StatusCode::SERVICE_UNAVAILABLE, "the agent is stopping")
}

/// A part of the path, if it is text at all.
type PathText = Result<Path<String>, PathRejection>;

fn event_id(text: PathText) -> Result<EventId, Problem> {
    let id = text.ok().and_then(|Path(text)| text.parse().ok());
    id.ok_or_else(|| {
        Problem::new(StatusCode::BAD_REQUEST, "the path names no event id: it is a UUID")
            .in_field("event_id")
    })
}

/// `GET /v1/events/{event_id}`: how far it has come.
async fn fate(State(shared): State<Shared>, id: PathText) -> Result<Response, Problem> {
    let id = event_id(id)?;
    match shared.agent.fate(id).await? {
        Some(fate) => Ok(answer::json(StatusCode::OK, &fate)),
        None => Err(Problem::new(
            StatusCode::NOT_FOUND,
            format!("this kiosk has no event {id}, or shipped it too long ago to remember"),
        )),
    }
}

/// What a retraction says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Retraction {
    reason: RetractionReason,
    #[serde(default)]
    idempotency_key: Option<String>,
}

/// `POST /v1/events/{event_id}/retract`: 202 with the retraction's own id and sequence.
async fn retract(
    State(shared): State<Shared>,
    id: PathText,
    body: Bytes,
) -> Result<Response, Problem> {
    let id = event_id(id)?;
    let retraction: Retraction = read_small(&body)?;
    let key = retraction.idempotency_key.as_deref();
    let accepted = shared.agent.retract(id, retraction.reason, key).await?;
    Ok(answer::json(StatusCode::ACCEPTED, &OneAnswer::from(accepted)))
}

/// `GET /v1/status`.
async fn status(State(shared): State<Shared>) -> Result<Response, Problem> {
    Ok(answer::json(StatusCode::OK, &shared.agent.status().await?))
}

/// Which of the events that were set aside.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Which {
    #[serde(default)]
    event_id: Option<EventId>,
}

/// `POST /v1/set-aside/retry`: all of them, or one.
async fn retry(State(shared): State<Shared>, body: Bytes) -> Result<Response, Problem> {
    let which: Which =
        if body.trim_ascii().is_empty() { Which::default() } else { read_small(&body)? };
    let which = which.event_id.map_or(Retry::All, Retry::Event);
    let retried = shared.agent.retry(which).await?;
    Ok(answer::json(StatusCode::ACCEPTED, &serde_json::json!({ "retried": retried })))
}

/// `GET /healthz`: whether events can be taken in; being offline is no illness.
async fn healthz(State(shared): State<Shared>) -> Result<&'static str, Problem> {
    shared.agent.status().await?;
    Ok("ok\n")
}

/// `GET /metrics`.
async fn metrics(State(shared): State<Shared>) -> Result<Response, Problem> {
    let text = shared.agent.metrics().await?;
    let kind = HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8");
    Ok(([(header::CONTENT_TYPE, kind)], text).into_response())
}

/// Reads a small body that is a JSON object.
fn read_small<T: for<'de> Deserialize<'de>>(body: &[u8]) -> Result<T, Problem> {
    let mut reader = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let path = error.path().to_string();
        let detail = redact(&error.inner().to_string());
        Problem::new(StatusCode::UNPROCESSABLE_ENTITY, detail).in_field(&redact(&path))
    })
}
