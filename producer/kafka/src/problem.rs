//! What goes wrong over HTTP, for the agent and for the worker: problem details (RFC 9457) of kinds
//! that mean the same in both programs, with words in English and Indonesian.
//!
//! A problem is made without knowing who asked; what they speak is looked at in one place, by
//! [`as_problems`], on the problem's way out.

mod json;
mod kind;
mod language;

use axum::body::Body;
use axum::extract::Request;
use axum::http::header::{
    CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, VARY, WWW_AUTHENTICATE,
};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};

pub use json::{Mistake, of_json, place_of};
pub use kind::Kind;
pub use language::{Language, Words};

/// The media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// How to ask with a token: a program, and a browser, which asks people only for the latter.
const CHALLENGES: [&str; 2] = ["Bearer realm=\"laju\"", "Basic realm=\"laju\", charset=\"UTF-8\""];

/// An error on its way to a client.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    kind: Kind,
    status: StatusCode,
    detail: Words,
    parameter: Option<Box<str>>,
    field: Option<Box<str>>,
    event_id: Option<Box<str>>,
    /// In seconds.
    retry_after: Option<u64>,
}

/// A problem in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Problem))]
pub struct ProblemBody {
    /// A path that explains this kind of problem.
    pub r#type: String,
    /// The kind of problem, in words.
    pub title: String,
    /// The HTTP status.
    pub status: u16,
    /// What is wrong this time, and what to do about it.
    pub detail: String,
    /// The parameter that cannot be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub parameter: Option<String>,
    /// The field of the body that cannot be used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field: Option<String>,
    /// The event that has the idempotency key; of the agent only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[cfg_attr(feature = "openapi", schema(ignore))]
    pub event_id: Option<String>,
}

impl Problem {
    /// With the status that its kind has.
    pub fn new(kind: Kind, detail: impl Into<Words>) -> Self {
        Self {
            kind,
            status: kind.status(),
            detail: detail.into(),
            parameter: None,
            field: None,
            event_id: None,
            retry_after: kind.retry_after(),
        }
    }

    /// A parameter that cannot be used.
    pub fn parameter(name: &str, detail: impl Into<Words>) -> Self {
        Self { parameter: Some(name.into()), ..Self::new(Kind::BadParameter, detail) }
    }

    /// A field of the body that cannot be used.
    pub fn field(name: &str, detail: impl Into<Words>) -> Self {
        Self::new(Kind::BadBody, detail).in_field(name)
    }

    /// A fault of the program, which has said more in its log.
    pub fn internal() -> Self {
        let detail = crate::words!(
            "the program met a state that it did not expect; its log says more",
            "program menemui keadaan yang tidak terduga; catatannya (log) menjelaskan lebih lanjut"
        );
        Self::new(Kind::Internal, detail)
    }

    /// The same with another status than its kind has as a rule.
    pub fn with_status(self, status: StatusCode) -> Self {
        Self { status, ..self }
    }

    /// The field that it is about.
    pub fn in_field(self, name: &str) -> Self {
        Self { field: Some(name.into()), ..self }
    }

    /// The event that it is about.
    pub fn of_event(self, event_id: &str) -> Self {
        Self { event_id: Some(event_id.into()), ..self }
    }

    /// After how many seconds to ask again.
    pub fn retry_after(self, seconds: u64) -> Self {
        Self { retry_after: Some(seconds), ..self }
    }

    /// The HTTP status.
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    /// Its JSON in a language.
    pub fn json(&self, language: Language) -> String {
        let body = ProblemBody {
            r#type: self.kind.path().to_owned(),
            title: self.kind.title().to(language).to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.to(language).to_owned(),
            parameter: self.parameter.clone().map(Into::into),
            field: self.field.clone().map(Into::into),
            event_id: self.event_id.clone().map(Into::into),
        };
        // Texts and numbers are JSON.
        serde_json::to_string(&body).unwrap_or_default()
    }
}

impl IntoResponse for Problem {
    /// In English; [`as_problems`] tells it in the reader's language.
    fn into_response(self) -> Response {
        let kind = [(CONTENT_TYPE, PROBLEM_JSON)];
        let mut response = (self.status, kind, self.json(Language::English)).into_response();
        let headers = response.headers_mut();
        if let Some(seconds) = self.retry_after {
            headers.insert(RETRY_AFTER, seconds.into());
        }
        if self.kind == Kind::Unauthorized {
            for challenge in CHALLENGES {
                headers.append(WWW_AUTHENTICATE, HeaderValue::from_static(challenge));
            }
        }
        response.extensions_mut().insert(self);
        response
    }
}

/// The layer that makes a problem of every error that is not one yet (those of layers and extractors),
/// and tells it in the language of who asked.
pub async fn as_problems(request: Request, next: Next) -> Response {
    let language = Language::of(request.headers());
    let mut response = next.run(request).await;
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let kind = response.headers().get(CONTENT_TYPE);
    let is_json = kind.is_some_and(|kind| kind == PROBLEM_JSON || kind == "application/json");
    if is_error && !is_json {
        // What the error says in its headers (Allow, for example) goes for the problem too.
        let (mut before, _) = response.into_parts();
        before.headers.remove(CONTENT_LENGTH);
        before.headers.remove(CONTENT_TYPE);
        let kind = Kind::of_status(status);
        response = Problem::new(kind, kind.title()).with_status(status).into_response();
        response.headers_mut().extend(before.headers);
    }
    tell(language, &mut response);
    response
}

/// Tells the problem that a response holds, if it does, as its reader would rather have it.
pub fn tell(language: Language, response: &mut Response) {
    let Some(problem) = response.extensions_mut().remove::<Problem>() else { return };
    if language != Language::English {
        *response.body_mut() = Body::from(problem.json(language));
        response.headers_mut().remove(CONTENT_LENGTH);
    }
    let headers = response.headers_mut();
    headers.insert(CONTENT_LANGUAGE, HeaderValue::from_static(language.tag()));
    headers.append(VARY, HeaderValue::from_static("accept-language"));
}
