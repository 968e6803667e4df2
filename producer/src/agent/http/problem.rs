//! Errors as RFC 9457 problems, of the kinds that both programs have ([`laju_kafka::problem`]). A detail
//! never holds a citizen's number: what clients sent is repeated only where it may be.

use axum::extract::Path;
use axum::extract::rejection::PathRejection;
use axum::http::{HeaderMap, header};
use axum::response::{IntoResponse, Response};

use crate::agent::{Refused, RetractError};
use crate::outbox::{OutboxError, Refusal};
use laju_kafka::problem::{Kind, Language, Problem, Words};
use laju_kafka::words;

/// `GET /problems/{kind}`: what a kind of problem is, in the language of the client.
pub(super) async fn explain(
    headers: HeaderMap,
    kind: Result<Path<String>, PathRejection>,
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
    Problem::new(Kind::NotFound, words!("there is nothing here", "tidak ada apa-apa di sini"))
}

/// The kind of problem that a refused event is.
pub(super) fn kind_of(refused: &Refused) -> Kind {
    match refused {
        Refused::Fault(_) | Refused::Outbox(Refusal::TooLarge { .. }) => Kind::BadEvent,
        Refused::Outbox(Refusal::Full { .. } | Refusal::Numbers) => Kind::OutboxFull,
        Refused::Outbox(Refusal::KeyReused { .. }) => Kind::KeyReused,
        Refused::NotStored(_) => Kind::Unavailable,
        Refused::Clock(_) => Kind::WrongClock,
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let problem = Self::new(kind_of(&refused), refused.words());
        match refused {
            Refused::Fault(fault) => problem.in_field(&fault.field),
            Refused::Outbox(Refusal::KeyReused { event_id }) => {
                problem.of_event(&event_id.to_string()).in_field("idempotency_key")
            }
            _ => problem,
        }
    }
}

impl From<OutboxError> for Problem {
    fn from(error: OutboxError) -> Self {
        tracing::error!(%error, "the outbox failed");
        let (kind, indonesian) = match error {
            OutboxError::DiskFull { .. } => (
                Kind::OutboxFull,
                "disk kotak keluar penuh: peristiwa ini tidak diterima; yang sudah diterima tetap aman",
            ),
            _ => {
                (Kind::Unavailable, "kotak keluar gagal; lihat catatan (log) agen, lalu kirim lagi")
            }
        };
        Self::new(kind, Words::new(error.to_string(), indonesian))
    }
}

impl From<RetractError> for Problem {
    fn from(error: RetractError) -> Self {
        match error {
            RetractError::Unknown(_) => Self::new(Kind::UnknownEvent, error.words()),
            RetractError::Refused(refused) => refused.into(),
            RetractError::Outbox(error) => error.into(),
        }
    }
}
