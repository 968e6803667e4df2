//! The answers' shapes, for the interface and for clients in Rust.

use std::collections::BTreeSet;

use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use laju_schemas::{EventId, Sequence};
use serde::{Deserialize, Serialize};

use super::problem::kind_of;
use crate::agent::Refused;
use crate::outbox::{Accepted, Refusal};
use laju_kafka::problem::{Language, Words};

/// One event was accepted.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct OneAnswer {
    /// Its id.
    pub event_id: EventId,
    /// The kiosk's own number of it.
    pub sequence: Sequence,
    /// Whether the same request had been accepted before.
    pub repeated: bool,
    /// Of a repeated request: that this event, or others of this kiosk, could not be counted, and
    /// what to do about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub warning: Option<String>,
    /// What is good to know, though nothing is wrong: that a region's former code was taken as
    /// today's.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
}

impl OneAnswer {
    /// With what is to be said besides.
    pub(super) fn new(accepted: Accepted, warning: Option<String>, note: Option<String>) -> Self {
        let Accepted { event_id, sequence, repeated } = accepted;
        Self { event_id, sequence, repeated, warning, note }
    }
}

/// What became of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct BatchAnswer {
    /// Events accepted now.
    pub accepted: u64,
    /// Events accepted before.
    pub repeated: u64,
    /// Events refused.
    pub refused: u64,
    /// If requests were repeated: that events of this kiosk could not be counted, and what to do
    /// about it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub warning: Option<String>,
    /// What the accepted items' notes say, each once.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
    /// Each item's answer, in order.
    pub items: Vec<ItemAnswer>,
}

/// What became of one event of a batch.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ItemAnswer {
    /// Its place in the batch, from 1; empty lines of NDJSON are not counted.
    pub item: u64,
    /// As for a single event: 202, 409, 422, 503 or 507.
    pub status: u16,
    /// Its id, if it was accepted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub event_id: Option<EventId>,
    /// The kiosk's own number of it, if it was accepted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub sequence: Option<Sequence>,
    /// Whether the same request had been accepted before.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub repeated: Option<bool>,
    /// The field that is wrong.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub field: Option<String>,
    /// Why it was refused.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub detail: Option<String>,
    /// As for a single event, if it was accepted.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub note: Option<String>,
}

impl BatchAnswer {
    /// From each item's fate. The status is 202 if any was accepted, else the first item's.
    pub(super) fn new(
        answers: Vec<Result<Accepted, Refused>>,
        notes: Vec<Option<Words>>,
        language: Language,
        warning: impl Fn(&Accepted) -> Option<String>,
    ) -> (StatusCode, Self) {
        let first = answers.iter().flatten().find(|accepted| accepted.repeated);
        let mut batch = Self {
            warning: first.and_then(warning),
            items: Vec::with_capacity(answers.len()),
            ..Self::default()
        };
        let mut said = BTreeSet::new();
        let notes = notes.into_iter().chain(std::iter::repeat(None));
        for ((item, answer), note) in (1..).zip(answers).zip(notes) {
            let note = note.map(|note| note.to(language).to_owned());
            batch.items.push(match answer {
                Ok(accepted) => {
                    let count =
                        if accepted.repeated { &mut batch.repeated } else { &mut batch.accepted };
                    *count += 1;
                    said.extend(note.clone());
                    ItemAnswer {
                        item,
                        status: StatusCode::ACCEPTED.as_u16(),
                        event_id: Some(accepted.event_id),
                        sequence: Some(accepted.sequence),
                        repeated: Some(accepted.repeated),
                        note,
                        ..ItemAnswer::default()
                    }
                }
                Err(refused) => {
                    batch.refused += 1;
                    let status = kind_of(&refused).status().as_u16();
                    let detail = refused.words().to(language).to_owned();
                    let field = match refused {
                        Refused::Fault(fault) => Some(fault.field),
                        Refused::Outbox(Refusal::KeyReused { .. }) => {
                            Some("idempotency_key".to_owned())
                        }
                        _ => None,
                    };
                    ItemAnswer {
                        item,
                        status,
                        field,
                        detail: Some(detail),
                        ..ItemAnswer::default()
                    }
                }
            });
        }
        let said = Vec::from_iter(said).join("; ");
        batch.note = (!said.is_empty()).then_some(said);
        let first = batch.items.first().map(|item| item.status);
        let status = match first {
            Some(first) if batch.accepted + batch.repeated == 0 => {
                StatusCode::from_u16(first).unwrap_or(StatusCode::UNPROCESSABLE_ENTITY)
            }
            _ => StatusCode::ACCEPTED,
        };
        (status, batch)
    }
}

/// An answer in JSON.
pub(super) fn json<T: Serialize>(status: StatusCode, answer: &T) -> Response {
    match serde_json::to_vec(answer) {
        Ok(json) => {
            let kind = HeaderValue::from_static("application/json");
            (status, [(header::CONTENT_TYPE, kind)], json).into_response()
        }
        Err(error) => {
            tracing::error!(%error, "an answer could not be written as JSON");
            StatusCode::INTERNAL_SERVER_ERROR.into_response()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_used_key_is_told_with_its_field() {
        let refused = Refused::from(Refusal::KeyReused { event_id: EventId([1; 16]) });
        let (status, batch) =
            BatchAnswer::new(vec![Err(refused)], vec![], Language::English, |_| None);
        assert_eq!(status, StatusCode::CONFLICT);
        let item = &batch.items[0];
        assert_eq!(item.field.as_deref(), Some("idempotency_key"));
        assert!(item.detail.as_ref().unwrap().starts_with("the key was used"), "{item:?}");
    }
}
