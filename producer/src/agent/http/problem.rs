//! Errors as RFC 9457 problems, of the kinds that both programs have ([`laju_kafka::problem`]). A detail
//! never holds a citizen's number: what clients sent is repeated only where it may be.

use axum::extract::{Path, Request};
use axum::http::{HeaderValue, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::agent::{Refused, RetractError};
use crate::outbox::{OutboxError, Refusal};
use laju_kafka::problem::{Kind, Language, PROBLEM_JSON, Told, Words, speak};
use laju_kafka::words;

/// An error on its way to a client.
#[derive(Clone, Debug)]
pub(super) struct Problem {
    kind: Kind,
    status: StatusCode,
    detail: Words,
    field: Option<String>,
    event_id: Option<String>,
    /// After how many seconds the same request may be sent again.
    retry_after: Option<u16>,
}

/// How long a clock may take to be set or confirmed, in seconds.
const CLOCK_PAUSE: u16 = 30;

/// An error as a client sees it.
#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    title: &'a str,
    status: u16,
    detail: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<&'a str>,
}

impl Problem {
    /// Of the kind that the status stands for.
    pub(super) fn new(status: StatusCode, detail: impl Into<Words>) -> Self {
        let kind = Kind::of_status(status.as_u16());
        Self { kind, status, detail: detail.into(), field: None, event_id: None, retry_after: None }
    }

    /// Of another kind.
    pub(super) fn of_kind(self, kind: Kind) -> Self {
        Self { kind, ..self }
    }

    /// The field that it is about.
    pub(super) fn in_field(mut self, field: &str) -> Self {
        self.field = Some(field.to_owned());
        self
    }
}

impl Told for Problem {
    fn json(&self, language: Language) -> Vec<u8> {
        let title = self.kind.title();
        let body = Body {
            r#type: self.kind.path(),
            title: title.to(language),
            status: self.status.as_u16(),
            detail: self.detail.to(language),
            field: self.field.as_deref(),
            event_id: self.event_id.as_deref(),
        };
        // Texts and numbers are JSON.
        serde_json::to_vec(&body).unwrap_or_default()
    }
}

impl IntoResponse for Problem {
    /// In English; [`speak_to`] tells it in the reader's language.
    fn into_response(self) -> Response {
        let json = self.json(Language::English);
        let kind = HeaderValue::from_static(PROBLEM_JSON);
        let mut response = (self.status, [(header::CONTENT_TYPE, kind)], json).into_response();
        if let Some(seconds) = self.retry_after {
            response.headers_mut().insert(header::RETRY_AFTER, seconds.into());
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// Tells every problem in the language of who asked, also those that layers make without a body.
pub(super) async fn speak_to(request: Request, next: Next) -> Response {
    let language = Language::of(request.headers());
    let mut response = next.run(request).await;
    let status = response.status();
    if (status.is_client_error() || status.is_server_error())
        && response.extensions().get::<Problem>().is_none()
        && response
            .headers()
            .get(header::CONTENT_TYPE)
            .is_none_or(|kind| kind != "application/json")
    {
        let allow = response.headers().get(header::ALLOW).cloned();
        response = Problem::new(status, Kind::of_status(status.as_u16()).title()).into_response();
        if let Some(allow) = allow {
            response.headers_mut().insert(header::ALLOW, allow);
        }
    }
    speak::<Problem>(language, &mut response);
    response
}

/// `GET /problems/{kind}`: what a kind of problem is, in the language of the client.
pub(super) async fn explain(
    headers: header::HeaderMap,
    kind: Result<Path<String>, axum::extract::rejection::PathRejection>,
) -> Response {
    let language = Language::of(&headers);
    let Some(kind) = kind.ok().and_then(|Path(name)| Kind::of_name(&name)) else {
        return not_found().into_response();
    };
    let (path, title, explanation) = kind.told(language);
    let json = serde_json::json!({"type": path, "title": title, "explanation": explanation});
    let headers = [
        (header::CONTENT_TYPE, "application/json"),
        (header::CONTENT_LANGUAGE, language.tag()),
        (header::VARY, "accept-language"),
    ];
    (headers, json.to_string()).into_response()
}

/// What a path answers that nothing is at.
pub(super) fn not_found() -> Problem {
    Problem::new(
        StatusCode::NOT_FOUND,
        words!("there is nothing here", "tidak ada apa-apa di sini"),
    )
}

/// The status that a refused event is answered with.
pub(super) fn status_of(refused: &Refused) -> StatusCode {
    match refused {
        Refused::Fault(_) | Refused::Outbox(Refusal::TooLarge { .. }) => {
            StatusCode::UNPROCESSABLE_ENTITY
        }
        Refused::Outbox(Refusal::Full { .. } | Refusal::Numbers) => {
            StatusCode::INSUFFICIENT_STORAGE
        }
        Refused::Outbox(Refusal::KeyReused { .. }) => StatusCode::CONFLICT,
        Refused::NotStored(_) | Refused::Clock(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let problem = Self::new(status_of(&refused), refused.words());
        match refused {
            Refused::Fault(fault) => problem.in_field(&fault.field),
            Refused::Outbox(Refusal::KeyReused { event_id }) => {
                let event_id = Some(event_id.to_string());
                Self { event_id, ..problem }.in_field("idempotency_key")
            }
            Refused::Clock(_) => {
                Self { retry_after: Some(CLOCK_PAUSE), ..problem }.of_kind(Kind::WrongClock)
            }
            _ => problem,
        }
    }
}

impl From<OutboxError> for Problem {
    fn from(error: OutboxError) -> Self {
        let status = match error {
            OutboxError::DiskFull { .. } => StatusCode::INSUFFICIENT_STORAGE,
            _ => StatusCode::SERVICE_UNAVAILABLE,
        };
        tracing::error!(%error, "the outbox failed");
        let indonesian = match error {
            OutboxError::DiskFull { .. } => {
                "disk kotak keluar penuh: peristiwa ini tidak diterima; yang sudah diterima tetap aman"
            }
            _ => "kotak keluar gagal; lihat catatan (log) agen, lalu kirim lagi",
        };
        Self::new(status, Words::new(error.to_string(), indonesian))
    }
}

impl From<RetractError> for Problem {
    fn from(error: RetractError) -> Self {
        match error {
            RetractError::Unknown(_) => {
                Self::new(StatusCode::NOT_FOUND, error.words()).of_kind(Kind::UnknownEvent)
            }
            RetractError::Refused(refused) => refused.into(),
            RetractError::Outbox(error) => error.into(),
        }
    }
}
