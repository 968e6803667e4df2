//! Errors as RFC 9457 problems. A detail never holds a citizen's number: what clients sent is
//! repeated only where long numbers have been blanked.

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::agent::{Refused, RetractError};
use crate::outbox::OutboxError;

/// An error as a client sees it.
#[derive(Debug, Serialize)]
pub(super) struct Problem {
    r#type: &'static str,
    title: &'static str,
    status: u16,
    detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    field: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    event_id: Option<String>,
}

impl Problem {
    pub(super) fn new(status: StatusCode, detail: impl Into<String>) -> Self {
        Self {
            r#type: "about:blank",
            title: status.canonical_reason().unwrap_or("Error"),
            status: status.as_u16(),
            detail: detail.into(),
            field: None,
            event_id: None,
        }
    }

    /// The field that it is about.
    pub(super) fn in_field(mut self, field: &str) -> Self {
        self.field = Some(field.to_owned());
        self
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let status = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        // Texts and numbers are JSON.
        let json = serde_json::to_vec(&self).unwrap_or_default();
        let kind = HeaderValue::from_static("application/problem+json");
        (status, [(header::CONTENT_TYPE, kind)], json).into_response()
    }
}

/// The status that a refused event is answered with.
pub(super) fn status_of(refused: &Refused) -> StatusCode {
    match refused {
        Refused::Fault(_) | Refused::TooLarge { .. } => StatusCode::UNPROCESSABLE_ENTITY,
        Refused::Full { .. } | Refused::Numbers => StatusCode::INSUFFICIENT_STORAGE,
        Refused::KeyReused { .. } => StatusCode::CONFLICT,
        Refused::NotStored(_) => StatusCode::SERVICE_UNAVAILABLE,
    }
}

impl From<Refused> for Problem {
    fn from(refused: Refused) -> Self {
        let status = status_of(&refused);
        match refused {
            Refused::Fault(fault) => Self::new(status, fault.detail).in_field(&fault.field),
            Refused::KeyReused { event_id } => Self {
                event_id: Some(event_id.to_string()),
                ..Self::new(status, refused.to_string()).in_field("idempotency_key")
            },
            other => Self::new(status, other.to_string()),
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
        Self::new(status, error.to_string())
    }
}

impl From<RetractError> for Problem {
    fn from(error: RetractError) -> Self {
        match error {
            RetractError::Unknown(_) => Self::new(StatusCode::NOT_FOUND, error.to_string()),
            RetractError::Refused(refused) => refused.into(),
            RetractError::Outbox(error) => error.into(),
        }
    }
}
