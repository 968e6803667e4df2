//! Errors as RFC 9457 problem details: one type for every error that leaves over HTTP, of the kinds
//! and in the languages that both programs have ([`laju_kafka::problem`]).

use std::any::Any;
use std::time::Duration;

use axum::extract::rejection::PathRejection;
use axum::extract::{Path, Request};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LANGUAGE, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, VARY,
    WWW_AUTHENTICATE,
};
use axum::http::{HeaderMap, HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use laju_kafka::problem::{Language, Told, Words, speak};
use laju_kafka::words;
use laju_schemas::text::shown;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::documented::ProblemInPath;
use super::not_ready;
use super::parameters::Parameters;
use super::tokens::{Caller, Role};
use crate::query::QueryError;
use crate::query::view::NotReady;

pub use laju_kafka::problem::{Kind, PROBLEM_JSON};

/// How to ask with a token: a program, and a browser, which asks people only for the latter.
const CHALLENGES: [&str; 2] = ["Bearer realm=\"laju\"", "Basic realm=\"laju\", charset=\"UTF-8\""];

/// When to ask again, in seconds, where it is only a matter of time.
const RETRY_AFTER_SECONDS: u64 = 2;

/// An error on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    kind: Kind,
    status: StatusCode,
    detail: Words,
    parameter: Option<String>,
    /// In seconds.
    retry_after: Option<u64>,
    field: Option<String>,
}

/// A problem in JSON.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[schema(as = Problem)]
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
}

/// What a kind of problem is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The path of this explanation.
    #[schema(examples("/problems/unknown-region"))]
    pub r#type: String,
    /// The kind of problem, in words.
    pub title: String,
    /// What it means, and what to do about it.
    pub explanation: String,
}

impl Problem {
    /// A problem of a kind.
    #[must_use]
    pub fn new(kind: Kind, status: StatusCode, detail: impl Into<Words>) -> Self {
        let is_for_now = matches!(
            kind,
            Kind::NotReady
                | Kind::TooManyReaders
                | Kind::TimedOut
                | Kind::FigureNotStored
                | Kind::FigureNotReadBack
        );
        let retry_after = is_for_now.then_some(RETRY_AFTER_SECONDS);
        Self { kind, status, detail: detail.into(), parameter: None, retry_after, field: None }
    }

    /// A parameter that cannot be used.
    #[must_use]
    pub fn parameter(name: &str, detail: impl Into<Words>) -> Self {
        let parameter = Some(name.to_owned());
        Self { parameter, ..Self::new(Kind::BadParameter, StatusCode::BAD_REQUEST, detail) }
    }

    /// A field of the body that cannot be used.
    #[must_use]
    pub fn field(name: &str, detail: impl Into<Words>) -> Self {
        let field = Some(name.to_owned());
        Self { field, ..Self::new(Kind::BadBody, StatusCode::BAD_REQUEST, detail) }
    }

    /// The answer to a request that took too long.
    #[must_use]
    pub fn timed_out(seconds: u64) -> Self {
        let detail = words!(
            "no answer within {seconds} s; ask again later, or for less at once",
            "tidak ada jawaban dalam {seconds} detik; coba lagi nanti, atau minta lebih sedikit sekaligus"
        );
        Self::new(Kind::TimedOut, StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// A fault of the program.
    #[must_use]
    pub fn internal() -> Self {
        let detail = words!(
            "the program met a state that it did not expect; its log says more",
            "program menemui keadaan yang tidak terduga; catatannya (log) menjelaskan lebih lanjut"
        );
        Self::new(Kind::Internal, StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    /// A request without a token that lets somebody in.
    #[must_use]
    pub fn unauthorized() -> Self {
        let detail = words!(
            "this needs 'Authorization: Bearer TOKEN', or Basic with the token as password",
            "ini perlu 'Authorization: Bearer TOKEN', atau Basic dengan token sebagai kata sandi"
        );
        Self::new(Kind::Unauthorized, StatusCode::UNAUTHORIZED, detail)
    }

    /// What somebody may not do, and which role may.
    #[must_use]
    pub fn forbidden(caller: &Caller, takes: Role) -> Self {
        let Caller { name, role } = caller;
        let detail = words!(
            "the token of '{name}' has the role {role}; this takes the role {takes}",
            "token '{name}' berperan {role}; untuk ini diperlukan peran {takes}"
        );
        Self::new(Kind::Forbidden, StatusCode::FORBIDDEN, detail)
    }

    /// One request too many, and how long to wait.
    #[must_use]
    pub fn too_many_requests(wait: Duration) -> Self {
        let seconds = wait.as_millis().div_ceil(1_000).max(1);
        let detail = words!(
            "too many requests at once; there is room again in {seconds} s",
            "terlalu banyak permintaan sekaligus; boleh lagi dalam {seconds} detik"
        );
        let retry_after = u64::try_from(seconds).ok();
        Self {
            retry_after,
            ..Self::new(Kind::TooManyRequests, StatusCode::TOO_MANY_REQUESTS, detail)
        }
    }

    /// A path and query of more bytes than any has.
    #[must_use]
    pub fn uri_too_long(most: usize) -> Self {
        let detail = words!(
            "a path with its query has at most {most} bytes",
            "alamat beserta parameternya paling banyak {most} bita"
        );
        Self::new(Kind::BadRequest, StatusCode::URI_TOO_LONG, detail)
    }

    /// An answer in a form that the client does not take.
    #[must_use]
    pub fn not_acceptable(detail: impl Into<Words>) -> Self {
        Self::new(Kind::BadRequest, StatusCode::NOT_ACCEPTABLE, detail)
    }

    /// A node that does not know enough yet, and what is lacking.
    #[must_use]
    pub fn not_ready(why: impl Into<Words>) -> Self {
        Self::new(Kind::NotReady, StatusCode::SERVICE_UNAVAILABLE, why)
    }

    /// A path that is no text, or not of the shape that it should be.
    #[must_use]
    pub fn bad_path() -> Self {
        Self::new(Kind::BadRequest, StatusCode::BAD_REQUEST, Self::not_text())
    }

    /// A path of which a part is no text.
    #[must_use]
    pub fn bad_path_part(name: &str) -> Self {
        Self::parameter(name, Self::not_text())
    }

    /// Why a path cannot be read.
    #[must_use]
    pub fn not_text() -> Words {
        words!(
            "the path is no text (UTF-8), or is written wrong",
            "alamat ini bukan teks (UTF-8), atau salah tulis"
        )
    }

    fn body(&self, language: Language) -> ProblemBody {
        ProblemBody {
            r#type: self.kind.path().to_owned(),
            title: self.kind.title().to(language).to_owned(),
            status: self.status.as_u16(),
            detail: self.detail.to(language).to_owned(),
            parameter: self.parameter.clone(),
            field: self.field.clone(),
        }
    }

    /// The HTTP status.
    #[must_use]
    pub const fn status(&self) -> StatusCode {
        self.status
    }

    fn of_status(status: StatusCode) -> Self {
        let kind = match status {
            StatusCode::NOT_FOUND => Kind::NotFound,
            StatusCode::METHOD_NOT_ALLOWED => Kind::MethodNotAllowed,
            StatusCode::PAYLOAD_TOO_LARGE => Kind::BodyTooLarge,
            status if status.is_server_error() => Kind::Internal,
            _ => Kind::BadRequest,
        };
        Self::new(kind, status, kind.title())
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let indonesian = match &error {
            QueryError::UnknownRegion(code) => format!(
                "tidak ada wilayah {code}; kode yang dipakai adalah kode Kepmendagri 300.2.2-2138/2025, lihat /v1/regions"
            ),
            QueryError::NoFacts(_) => {
                "fakta penduduk tidak terjangkau saat ini; coba lagi nanti".to_owned()
            }
            QueryError::UnknownKiosk(id) => {
                format!(
                    "kios '{}' belum pernah terdengar: tidak ada peristiwa maupun status",
                    shown(id)
                )
            }
            QueryError::UnknownOutreach(id) => format!(
                "tidak ada yang dilayani pada kunjungan '{}', sejauh hari-hari yang ditanyakan",
                shown(id)
            ),
            QueryError::LevelAbove { within, .. } => {
                format!(
                    "tingkat yang diminta tidak berada di dalam {within}; periksa level dan within"
                )
            }
            QueryError::EndsBeforeItBegins { from, to } => {
                format!("to ({to}) lebih awal daripada from ({from})")
            }
            QueryError::NoDayBetween { from, to } => {
                format!("to ({to}) harus sesudah from ({from})")
            }
            QueryError::Alone { given, missing } => format!("{given} memerlukan {missing} juga"),
            QueryError::OtherDay { to } => {
                format!(
                    "as_of: laju dari satu hari ke hari lain berlaku pada hari terakhirnya, {to}"
                )
            }
            QueryError::DayOfAxis { parameter } => {
                format!("{parameter}: kedua hari sudah dari sumbu ini, jadi tidak ada hari ketiga")
            }
            QueryError::NotYet { parameter, day, today } => format!(
                "{parameter} ({day}) sesudah hari ini ({today}): yang belum terjadi tidak punya laju"
            ),
            QueryError::TooManySteps { from, to, limit } => format!(
                "dari {from} sampai {to} ada lebih dari {limit} langkah: pilih langkah lebih panjang atau hari lebih sedikit"
            ),
        };
        let detail = Words::new(shown(&error.to_string()), indonesian);
        match error {
            QueryError::UnknownRegion(_) => {
                Self::new(Kind::UnknownRegion, StatusCode::NOT_FOUND, detail)
            }
            QueryError::NoFacts(_) => {
                Self::new(Kind::NotReady, StatusCode::SERVICE_UNAVAILABLE, detail)
            }
            QueryError::UnknownKiosk(_) => {
                Self::new(Kind::UnknownKiosk, StatusCode::NOT_FOUND, detail)
            }
            QueryError::UnknownOutreach(_) => {
                Self::new(Kind::UnknownOutreach, StatusCode::NOT_FOUND, detail)
            }
            QueryError::LevelAbove { .. } => Self::parameter("level", detail),
            QueryError::Alone { missing: parameter, .. }
            | QueryError::DayOfAxis { parameter }
            | QueryError::NotYet { parameter, .. } => Self::parameter(parameter, detail),
            QueryError::OtherDay { .. } => Self::parameter("as_of", detail),
            QueryError::NoDayBetween { .. } | QueryError::EndsBeforeItBegins { .. } => {
                Self::parameter("to", detail)
            }
            QueryError::TooManySteps { .. } => Self::parameter("step", detail),
        }
    }
}

impl From<NotReady> for Problem {
    fn from(error: NotReady) -> Self {
        Self::not_ready(not_ready::words(&error))
    }
}

impl Told for Problem {
    fn json(&self, language: Language) -> Vec<u8> {
        // Texts and numbers are JSON.
        serde_json::to_vec(&self.body(language)).unwrap_or_default()
    }
}

impl IntoResponse for Problem {
    /// In English; `as_problems` tells it in the reader's language.
    fn into_response(self) -> Response {
        let body = self.body(Language::English);
        let mut response = (self.status, axum::Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(PROBLEM_JSON));
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

/// What a path answers that nothing is at.
pub(super) async fn not_found(uri: Uri) -> Problem {
    let path = shown(uri.path());
    let detail = words!("nothing is at {path}", "tidak ada apa-apa di {path}");
    Problem::new(Kind::NotFound, StatusCode::NOT_FOUND, detail)
}

/// What a path answers that does not take the method.
pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let path = shown(uri.path());
    let detail = words!("{path} does not take {method}", "{path} tidak menerima {method}");
    Problem::new(Kind::MethodNotAllowed, StatusCode::METHOD_NOT_ALLOWED, detail)
}

/// `GET /problems/{kind}`: what a kind of problem is.
#[utoipa::path(
    get,
    operation_id = "explain_problem",
    path = "/problems/{kind}",
    tag = "node",
    params(ProblemInPath),
    responses((status = 200, description = "What this kind of problem is", body = Explanation))
)]
pub(super) async fn explain(
    kind: Result<Path<String>, PathRejection>,
    uri: Uri,
    headers: HeaderMap,
    parameters: Parameters,
) -> Result<Response, Problem> {
    parameters.finish()?;
    let Some(kind) = kind.ok().and_then(|Path(name)| Kind::of_name(&name)) else {
        return Err(not_found(uri).await);
    };
    let language = Language::of(&headers);
    let (path, title, explanation) = kind.told(language);
    let headers = [(CONTENT_LANGUAGE, language.tag()), (VARY, "accept-language")];
    let explanation = Explanation { r#type: path.to_owned(), title, explanation };
    Ok((headers, axum::Json(explanation)).into_response())
}

/// What a panic answers.
pub(super) fn of_panic(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    tracing::error!(panic = text, "a request failed by a fault of the program");
    Problem::internal().into_response()
}

/// Makes a problem of every error that is not one yet (those of layers and extractors), tells it in
/// the language of who asked, and forbids caches to keep anything: figures move on with every commit.
pub(super) async fn as_problems(request: Request, next: Next) -> Response {
    let language = Language::of(request.headers());
    let mut response = next.run(request).await;
    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let is_json = response.headers().get(CONTENT_TYPE).is_some_and(|kind| {
        kind.to_str().is_ok_and(|kind| kind == PROBLEM_JSON || kind == "application/json")
    });
    if is_error && !is_json {
        // What the error says in its headers (Allow, for example) goes for the problem too.
        let (mut before, _) = response.into_parts();
        before.headers.remove(CONTENT_LENGTH);
        response = Problem::of_status(status).into_response();
        for (name, value) in &before.headers {
            if name != CONTENT_TYPE {
                response.headers_mut().append(name, value.clone());
            }
        }
    }
    tell(language, &mut response);
    response
}

/// Tells the problem that a response may hold in a language, and has caches keep nothing unless the
/// response says otherwise.
pub(super) fn tell(language: Language, response: &mut Response) {
    speak::<Problem>(language, response);
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().entry(CACHE_CONTROL).or_insert(no_store);
}
