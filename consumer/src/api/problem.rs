//! Errors as RFC 9457 problem details: one type for every error that leaves over HTTP.

use std::any::Any;
use std::time::Duration;

use axum::extract::{Path, Request};
use axum::http::header::{
    CACHE_CONTROL, CONTENT_LENGTH, CONTENT_TYPE, RETRY_AFTER, WWW_AUTHENTICATE,
};
use axum::http::{HeaderValue, Method, StatusCode, Uri};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::documented::ProblemInPath;
use super::parameters::Parameters;
use crate::query::QueryError;
use crate::query::view::NotReady;

/// The media type of a problem.
pub const PROBLEM_JSON: &str = "application/problem+json";

/// How to ask with a token: a program, and a browser, which asks people only for the latter.
const CHALLENGES: [&str; 2] = ["Bearer realm=\"laju\"", "Basic realm=\"laju\", charset=\"UTF-8\""];

/// When to ask again, in seconds, where it is only a matter of time.
const RETRY_AFTER_SECONDS: u64 = 2;

/// The kinds of problem: the last part of their `type`, which is a path that explains them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A parameter that is unknown, missing, double, or not of the right shape.
    BadParameter,
    /// A region code of the wrong shape.
    BadRegionCode,
    /// A well-formed code that is nobody's.
    UnknownRegion,
    /// A kiosk that nothing was ever heard of.
    UnknownKiosk,
    /// An outreach visit at which nobody was served.
    UnknownOutreach,
    /// A figure that was never quoted.
    UnknownFigure,
    /// A figure whose record is not what was quoted.
    DamagedFigure,
    /// A figure that is not known to be stored.
    FigureNotStored,
    /// A figure that is stored, and that this node has not read yet.
    FigureNotReadBack,
    /// A body that is not what is asked for.
    BadBody,
    /// A body of another kind than JSON.
    UnsupportedMediaType,
    /// Nothing is at this path.
    NotFound,
    /// Something is at this path, and does not take this method.
    MethodNotAllowed,
    /// Not enough is known yet to answer figures.
    NotReady,
    /// As many readers follow the live stream as are taken.
    TooManyReaders,
    /// The answer took too long.
    TimedOut,
    /// No token, or one that lets nobody in.
    Unauthorized,
    /// A token that is good for less.
    Forbidden,
    /// A change that a page of another site asks for.
    CrossSite,
    /// A request that was meant for another host.
    ForeignHost,
    /// More requests than a client may send.
    TooManyRequests,
    /// A request that cannot be taken for another reason.
    BadRequest,
    /// A fault of the program.
    Internal,
}

impl Kind {
    /// Every kind.
    pub const ALL: [Self; 23] = [
        Self::BadParameter,
        Self::BadRegionCode,
        Self::UnknownRegion,
        Self::UnknownKiosk,
        Self::UnknownOutreach,
        Self::UnknownFigure,
        Self::DamagedFigure,
        Self::FigureNotStored,
        Self::FigureNotReadBack,
        Self::BadBody,
        Self::UnsupportedMediaType,
        Self::NotFound,
        Self::MethodNotAllowed,
        Self::NotReady,
        Self::TooManyReaders,
        Self::TimedOut,
        Self::Unauthorized,
        Self::Forbidden,
        Self::CrossSite,
        Self::ForeignHost,
        Self::TooManyRequests,
        Self::BadRequest,
        Self::Internal,
    ];

    /// The path that explains it, and its `type`.
    const fn path(self) -> &'static str {
        match self {
            Self::BadParameter => "/problems/bad-parameter",
            Self::BadRegionCode => "/problems/bad-region-code",
            Self::UnknownRegion => "/problems/unknown-region",
            Self::UnknownKiosk => "/problems/unknown-kiosk",
            Self::UnknownOutreach => "/problems/unknown-outreach",
            Self::UnknownFigure => "/problems/unknown-figure",
            Self::DamagedFigure => "/problems/damaged-figure",
            Self::FigureNotStored => "/problems/figure-not-stored",
            Self::FigureNotReadBack => "/problems/figure-not-read-back",
            Self::BadBody => "/problems/bad-body",
            Self::UnsupportedMediaType => "/problems/unsupported-media-type",
            Self::NotFound => "/problems/not-found",
            Self::MethodNotAllowed => "/problems/method-not-allowed",
            Self::NotReady => "/problems/not-ready",
            Self::TooManyReaders => "/problems/too-many-readers",
            Self::TimedOut => "/problems/timed-out",
            Self::Unauthorized => "/problems/unauthorized",
            Self::Forbidden => "/problems/forbidden",
            Self::CrossSite => "/problems/cross-site",
            Self::ForeignHost => "/problems/foreign-host",
            Self::TooManyRequests => "/problems/too-many-requests",
            Self::BadRequest => "/problems/bad-request",
            Self::Internal => "/problems/internal",
        }
    }

    const fn title(self) -> &'static str {
        match self {
            Self::BadParameter => "A parameter cannot be used",
            Self::BadRegionCode => "Not a region code",
            Self::UnknownRegion => "No such region",
            Self::UnknownKiosk => "No such kiosk",
            Self::UnknownOutreach => "No such outreach visit",
            Self::UnknownFigure => "No such figure",
            Self::DamagedFigure => "The figure is not what was quoted",
            Self::FigureNotStored => "The figure is not known to be stored",
            Self::FigureNotReadBack => "The figure is stored, and not here yet",
            Self::BadBody => "The request's body cannot be used",
            Self::UnsupportedMediaType => "The body is not JSON",
            Self::NotFound => "Nothing is here",
            Self::MethodNotAllowed => "Not with this method",
            Self::NotReady => "Not ready to answer figures",
            Self::TooManyReaders => "Too many readers of the live stream",
            Self::TimedOut => "The answer took too long",
            Self::Unauthorized => "A token is needed",
            Self::Forbidden => "Not with this token",
            Self::CrossSite => "Not from another site",
            Self::ForeignHost => "Not under this name",
            Self::TooManyRequests => "Too many requests",
            Self::BadRequest => "The request cannot be taken",
            Self::Internal => "A fault of the program",
        }
    }

    const fn explanation(self) -> &'static str {
        match self {
            Self::BadParameter => {
                "The member 'parameter' names the query parameter. A parameter that is not known \
                 is refused, so that a slip of the pen never answers another question."
            }
            Self::BadRegionCode => {
                "A regency or city is written like 18.71, a province like 18, the nation ID."
            }
            Self::UnknownRegion => {
                "The code is well formed, but not in Kepmendagri 300.2.2-2138/2025. /v1/regions \
                 lists every code."
            }
            Self::UnknownKiosk => {
                "Neither an event nor a status of this kiosk has come in. /v1/kiosks lists every \
                 kiosk heard of; an id is taken as it is, upper and lower case apart."
            }
            Self::UnknownOutreach => {
                "No activation and no deferral names this visit, as far as the days asked for go. \
                 /v1/outreach lists visits; an id is taken as it is, upper and lower case apart."
            }
            Self::UnknownFigure => {
                "No figure has this id. /v1/figures lists the latest; an id comes with the answer \
                 to POST /v1/figures."
            }
            Self::DamagedFigure => {
                "A figure bears a digest over what it says, and its id is made of it. The only \
                 record under this id does not fit its own: it was changed, or cannot be read. It \
                 is not shown, because it is not what was quoted."
            }
            Self::FigureNotStored => {
                "Kafka has not confirmed the figure. It may have arrived all the same; quoting the \
                 same answer again does no harm, as the same answer has the same id."
            }
            Self::FigureNotReadBack => {
                "Kafka has confirmed the figure, and the node answers what it has read from there. \
                 It is a matter of time."
            }
            Self::BadBody => {
                "The body is one JSON object. The member 'field' names the field that cannot be \
                 used; a field that is not known is refused, so that a slip of the pen never \
                 quotes another answer."
            }
            Self::UnsupportedMediaType => "Send Content-Type: application/json.",
            Self::NotFound => "No resource has this path. All figures are below /v1.",
            Self::MethodNotAllowed => "The header Allow names the methods that the path takes.",
            Self::NotReady => {
                "A node answers figures once it holds every partition of the events topic, has \
                 caught up with each, and has read the reference and kiosk status topics; it \
                 never answers with a part of the sum. /readyz tells how far it is. Figures once \
                 quoted are answered once the figures topic has been read."
            }
            Self::TooManyReaders => {
                "A node takes so many readers of its live stream and no more (--stream-readers). \
                 Ask again later, or another node."
            }
            Self::TimedOut => "The node is overloaded. Ask again later, or for less at once.",
            Self::Unauthorized => {
                "Send 'Authorization: Bearer TOKEN', or in a browser any user name and the token \
                 as the password. Whoever runs the node makes tokens: laju token new."
            }
            Self::Forbidden => "Putting a figure on record takes a token of the role quote.",
            Self::CrossSite => {
                "A browser sent this for a page of another origin, which may at most read."
            }
            Self::ForeignHost => {
                "A node without tokens answers to the names of its own machine only, so that no \
                 page can reach it under a name that points there (DNS rebinding)."
            }
            Self::TooManyRequests => {
                "The node takes so many requests a second of one client. The header Retry-After \
                 says when there is room again."
            }
            Self::BadRequest => "The request as a whole cannot be taken; see its status.",
            Self::Internal => "The log of the node says more.",
        }
    }
}

/// An error on its way out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    kind: Kind,
    status: StatusCode,
    detail: String,
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
    pub fn new(kind: Kind, status: StatusCode, detail: impl Into<String>) -> Self {
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
    pub fn parameter(name: &str, detail: impl Into<String>) -> Self {
        let parameter = Some(name.to_owned());
        Self { parameter, ..Self::new(Kind::BadParameter, StatusCode::BAD_REQUEST, detail) }
    }

    /// A field of the body that cannot be used.
    #[must_use]
    pub fn field(name: &str, detail: impl Into<String>) -> Self {
        let field = Some(name.to_owned());
        Self { field, ..Self::new(Kind::BadBody, StatusCode::BAD_REQUEST, detail) }
    }

    /// The answer to a request that took too long.
    #[must_use]
    pub fn timed_out(seconds: u64) -> Self {
        let detail = format!("no answer within {seconds} s; ask again later, or for less at once");
        Self::new(Kind::TimedOut, StatusCode::SERVICE_UNAVAILABLE, detail)
    }

    /// A fault of the program.
    #[must_use]
    pub fn internal() -> Self {
        let detail = "the program met a state that it did not expect; its log says more";
        Self::new(Kind::Internal, StatusCode::INTERNAL_SERVER_ERROR, detail)
    }

    /// A request without a token that lets somebody in.
    #[must_use]
    pub fn unauthorized() -> Self {
        let detail =
            "this needs 'Authorization: Bearer TOKEN', or Basic with the token as password";
        Self::new(Kind::Unauthorized, StatusCode::UNAUTHORIZED, detail)
    }

    /// A change that somebody may not make.
    #[must_use]
    pub fn forbidden(name: &str) -> Self {
        let detail = format!("the token of '{name}' has the role read; this takes the role quote");
        Self::new(Kind::Forbidden, StatusCode::FORBIDDEN, detail)
    }

    /// One request too many, and how long to wait.
    #[must_use]
    pub fn too_many_requests(wait: Duration) -> Self {
        let seconds = wait.as_millis().div_ceil(1_000).max(1);
        let detail = format!("too many requests at once; there is room again in {seconds} s");
        let retry_after = u64::try_from(seconds).ok();
        Self {
            retry_after,
            ..Self::new(Kind::TooManyRequests, StatusCode::TOO_MANY_REQUESTS, detail)
        }
    }

    /// A path and query of more bytes than any has.
    #[must_use]
    pub fn uri_too_long(most: usize) -> Self {
        let detail = format!("a path with its query has at most {most} bytes");
        Self::new(Kind::BadRequest, StatusCode::URI_TOO_LONG, detail)
    }

    /// An answer in a form that the client does not take.
    #[must_use]
    pub fn not_acceptable(detail: &str) -> Self {
        Self::new(Kind::BadRequest, StatusCode::NOT_ACCEPTABLE, detail)
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
            status if status.is_server_error() => Kind::Internal,
            _ => Kind::BadRequest,
        };
        Self::new(kind, status, status.canonical_reason().unwrap_or("unknown").to_lowercase())
    }
}

impl From<QueryError> for Problem {
    fn from(error: QueryError) -> Self {
        let detail = error.to_string();
        match error {
            QueryError::UnknownRegion(_) => {
                Self::new(Kind::UnknownRegion, StatusCode::NOT_FOUND, detail)
            }
            QueryError::Busy(_) => {
                Self::new(Kind::TimedOut, StatusCode::SERVICE_UNAVAILABLE, detail)
            }
            QueryError::UnknownKiosk(_) => {
                Self::new(Kind::UnknownKiosk, StatusCode::NOT_FOUND, detail)
            }
            QueryError::UnknownOutreach(_) => {
                Self::new(Kind::UnknownOutreach, StatusCode::NOT_FOUND, detail)
            }
            QueryError::LevelAbove { .. } => Self::parameter("level", detail),
            QueryError::NotYet { parameter, .. } => Self::parameter(parameter, detail),
            QueryError::NoDayBetween { .. } | QueryError::EndsBeforeItBegins { .. } => {
                Self::parameter("to", detail)
            }
            QueryError::TooManySteps { .. } => Self::parameter("step", detail),
        }
    }
}

impl From<NotReady> for Problem {
    fn from(error: NotReady) -> Self {
        Self::new(Kind::NotReady, StatusCode::SERVICE_UNAVAILABLE, error.to_string())
    }
}

impl IntoResponse for Problem {
    fn into_response(self) -> Response {
        let body = ProblemBody {
            r#type: self.kind.path().to_owned(),
            title: self.kind.title().to_owned(),
            status: self.status.as_u16(),
            detail: self.detail,
            parameter: self.parameter,
            field: self.field,
        };
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
        response
    }
}

/// What a path answers that nothing is at.
pub(super) async fn not_found(uri: Uri) -> Problem {
    let detail = format!("nothing is at {}", uri.path());
    Problem::new(Kind::NotFound, StatusCode::NOT_FOUND, detail)
}

/// What a path answers that does not take the method.
pub(super) async fn method_not_allowed(method: Method, uri: Uri) -> Problem {
    let detail = format!("{} does not take {method}", uri.path());
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
    Path(kind): Path<String>,
    uri: Uri,
    parameters: Parameters,
) -> Result<Response, Problem> {
    parameters.finish()?;
    let path = format!("/problems/{kind}");
    match Kind::ALL.into_iter().find(|kind| kind.path() == path) {
        Some(kind) => Ok(axum::Json(Explanation {
            r#type: kind.path().to_owned(),
            title: kind.title().to_owned(),
            explanation: kind.explanation().to_owned(),
        })
        .into_response()),
        None => Err(not_found(uri).await),
    }
}

/// What a panic answers.
pub(super) fn of_panic(panic: Box<dyn Any + Send + 'static>) -> Response {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("no message");
    tracing::error!(panic = text, "a request failed by a fault of the program");
    Problem::internal().into_response()
}

/// Makes a problem of every error that is not one yet (those of layers and extractors), and
/// forbids caches to keep anything: figures move on with every commit.
pub(super) async fn dress(request: Request, next: Next) -> Response {
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
    let no_store = HeaderValue::from_static("no-store");
    response.headers_mut().entry(CACHE_CONTROL).or_insert(no_store);
    response
}
