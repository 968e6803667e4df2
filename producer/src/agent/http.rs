//! The agent's HTTP interface, on the loopback only: the NIK is in clear here and nowhere else.
//!
//! Turns requests into calls of [`Agent`] and answers into JSON; every error is an RFC 9457
//! problem. A web page that some browser on the kiosk has open must not be able to send events:
//! requests with an `Origin` that was not allowed, and requests for another host's name, are
//! refused.

mod answer;
mod guard;
mod problem;

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::PathRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::middleware::{from_fn, from_fn_with_state};
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
use super::blocking::blocking;
use super::submission::{self, Body, BodyError, Format, Submission};
use crate::outbox::Retry;
use laju_kafka::problem::{Kind, Language, Mistake, Problem, Words, as_problems, of_json};
use laju_kafka::serve::{self, Limits};
use laju_kafka::text;
use laju_kafka::words;
use laju_schemas::text::shown;

pub use answer::{BatchAnswer, ItemAnswer, OneAnswer};
pub use guard::{Origin, loopback};

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
        .route("/problems/{kind}", get(problem::explain))
        .fallback(|| async { problem::not_found() })
        .method_not_allowed_fallback(|| async {
            let detail =
                words!("this path takes another method", "alamat ini menerima metode lain");
            Problem::new(Kind::MethodNotAllowed, detail)
        })
        .layer(DefaultBodyLimit::max(MAX_BODY_BYTES))
        .layer(guard::cors(origins))
        .layer(from_fn_with_state(Arc::<[Origin]>::from(origins), guard::check))
        .layer(TimeoutLayer::with_status_code(StatusCode::REQUEST_TIMEOUT, TIMEOUT))
        .layer(CatchPanicLayer::custom(|_| {
            let detail =
                words!("the agent failed; see its log", "agen gagal; lihat catatannya (log)");
            Problem::new(Kind::Internal, detail).into_response()
        }))
        .layer(from_fn(as_problems))
        .with_state(shared)
}

/// Serves on a listener until `stop` completes; requests under way are answered, but waited for no
/// longer than `grace`. As many connections are taken as the system's limit of open files allows.
///
/// # Errors
/// If the listener fails.
pub async fn serve(
    listener: tokio::net::TcpListener,
    router: Router,
    grace: Duration,
    stop: impl Future<Output = ()>,
) -> std::io::Result<()> {
    let limits = Limits::default();
    let connections = serve::connections_within(limits.connections);
    let limits = Limits { connections, grace, ..limits };
    let busy = Problem::new(Kind::Unavailable, "too many connections; ask again later");
    serve::run(limits, listener, router, &busy, stop).await
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
    let read = blocking(move || submission::read(format, &body)).await;
    let bad = |error: BodyError| Problem::new(Kind::BadBody, error.words());
    let language = Language::of(&headers);
    let note_of = |submission: &Result<Submission, _>| -> Option<Words> {
        submission.as_ref().ok().and_then(|submission: &Submission| submission.note.clone())
    };
    match read.map_err(bad)? {
        Body::One(submission) => {
            let note = note_of(&submission).map(|note| note.to(language).to_owned());
            let mut answers = shared.agent.submit(vec![submission]).await?;
            match answers.pop() {
                Some(Ok(accepted)) => {
                    let warning = shared.agent.warning(&accepted);
                    let answer = OneAnswer::new(accepted, warning, note);
                    Ok(answer::json(StatusCode::ACCEPTED, &answer))
                }
                Some(Err(refused)) => Err(refused.into()),
                None => Err(closing()),
            }
        }
        Body::Batch(submissions) => {
            let notes = submissions.iter().map(note_of).collect();
            let answers = shared.agent.submit(submissions).await?;
            let warning = |accepted: &_| shared.agent.warning(accepted);
            let (status, answer) = BatchAnswer::new(answers, notes, language, warning);
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
                let detail = words!(
                    "the rest of the request did not come: send it again",
                    "sisa permintaan tidak datang: kirim sekali lagi"
                );
                return Err(Problem::new(Kind::RequestTimedOut, detail));
            }
            Ok(None) => return Ok((received, held)),
            Ok(Some(Err(_))) => {
                let detail = words!("the request broke off", "permintaan terputus");
                return Err(Problem::new(Kind::BadRequest, detail));
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
    let detail = words!(
        "other large requests are being read: send this one again",
        "permintaan besar lain sedang dibaca: kirim yang ini sekali lagi"
    );
    Problem::new(Kind::Unavailable, detail)
}

fn format_of(headers: &HeaderMap) -> Result<Format, Problem> {
    let given = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
    let essence = given.unwrap_or_default().split(';').next().unwrap_or_default().trim();
    match essence.to_ascii_lowercase().as_str() {
        "application/json" => Ok(Format::Json),
        "application/x-ndjson" | "application/jsonl" => Ok(Format::Ndjson),
        _ => Err(Problem::new(
            Kind::UnsupportedMediaType,
            words!(
                "Content-Type: application/json for an event or an array of events, \
                 application/x-ndjson for an event a line",
                "Content-Type: application/json untuk satu peristiwa atau larik peristiwa, \
                 application/x-ndjson untuk satu peristiwa per baris"
            ),
        )),
    }
}

fn too_large() -> Problem {
    let detail = words!(
        "a request has at most {MAX_BODY_BYTES} bytes: send the events in several requests",
        "satu permintaan paling banyak {MAX_BODY_BYTES} bita: kirim peristiwa dalam beberapa permintaan"
    );
    Problem::new(Kind::BodyTooLarge, detail)
}

fn closing() -> Problem {
    let detail = words!("the agent is stopping", "agen sedang berhenti");
    Problem::new(Kind::Unavailable, detail)
}

/// A part of the path, if it is text at all.
type PathText = Result<Path<String>, PathRejection>;

fn event_id(text: PathText) -> Result<EventId, Problem> {
    let id = text.ok().and_then(|Path(text)| text.parse().ok());
    id.ok_or_else(|| {
        let detail = words!(
            "the path names no event id: it is a UUID",
            "alamat ini tidak menyebut id peristiwa: bentuknya UUID"
        );
        Problem::new(Kind::BadParameter, detail).in_field("event_id")
    })
}

/// `GET /v1/events/{event_id}`: how far it has come.
async fn fate(State(shared): State<Shared>, id: PathText) -> Result<Response, Problem> {
    let id = event_id(id)?;
    match shared.agent.fate(id).await? {
        Some(fate) => Ok(answer::json(StatusCode::OK, &fate)),
        None => Err(Problem::new(
            Kind::UnknownEvent,
            words!(
                "this kiosk has no event {id}, or shipped it too long ago to remember",
                "kios ini tidak punya peristiwa {id}, atau sudah terlalu lama dikirim untuk diingat"
            ),
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
    let warning = shared.agent.warning(&accepted);
    Ok(answer::json(StatusCode::ACCEPTED, &OneAnswer::new(accepted, warning, None)))
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
    let which: Which = if text::begin(&body).is_ok_and(|body| body.trim_ascii().is_empty()) {
        Which::default()
    } else {
        read_small(&body)?
    };
    let which = which.event_id.map_or(Retry::All, Retry::Event);
    let retried = shared.agent.retry(which).await?;
    Ok(answer::json(StatusCode::ACCEPTED, &serde_json::json!({ "retried": retried })))
}

/// `GET /healthz`: whether events can be taken in; being offline is no illness.
async fn healthz(State(shared): State<Shared>) -> Result<&'static str, Problem> {
    if shared.agent.status().await?.disk_full {
        return Err(Problem::new(
            Kind::OutboxFull,
            words!(
                "the disk is full: no events are taken until there is room; what is in the outbox \
                 is still sent",
                "disk penuh: peristiwa baru tidak diterima sampai ada ruang; yang sudah ada di \
                 kotak keluar tetap dikirim"
            ),
        ));
    }
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
    let body = text::begin(body).map_err(|error| Problem::new(Kind::BadRequest, error.words()))?;
    let mut reader = serde_json::Deserializer::from_slice(body);
    serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let Mistake { field, what } = of_json(&error, submission::expected, submission::own_words);
        let what = what.map(shown);
        Problem::field(&field, what).with_status(StatusCode::UNPROCESSABLE_ENTITY)
    })
}
