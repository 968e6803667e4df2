//! Who may ask, and how often: every request passes here before anything is looked at for it.
//!
//! A node that only this machine can reach asks for no token, and takes its own names only. Beyond
//! the loopback every request but `GET /healthz` needs a token, as `Authorization: Bearer TOKEN` or
//! as the password of HTTP Basic with any user name: a browser asks people for the latter by itself,
//! and then sends it with everything that a page of this node fetches, event streams included,
//! which a page could not add a header to. Basic is no weaker here, as either carries the token.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{ConnectInfo, Request, State};
use axum::http::header::AUTHORIZATION;
use axum::http::{HeaderMap, HeaderName, Method, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use laju_kafka::problem::{Kind, Problem};
use laju_kafka::words;
use laju_schemas::position::{AT_LEAST_HEADER, POSITION_HEADER};
use tower_http::cors::{AllowOrigin, CorsLayer};
use zeroize::Zeroizing;

use super::origin::{self, Origin};
use super::rate::{Client, RateLimit};
use super::tokens::{Caller, Role, Tokens};

/// The longest path and query, in bytes: the longest that any path takes is far below.
const LONGEST_URI: usize = 4 << 10;
/// Requests a second that a client may send on average to a node that others can reach.
pub const USUAL_RATE: NonZeroU32 = NonZeroU32::new(100).expect("not zero");

/// Who may ask, and how often.
#[derive(Clone, Debug, Default)]
pub struct Access {
    /// Who may ask; without it every client on this machine.
    pub tokens: Option<Tokens>,
    /// The address listened on, whose name is taken without tokens, beside the loopback's.
    pub listen: Option<SocketAddr>,
    /// Requests a second of one client, on average over two seconds; without it as many as come.
    pub rate_limit: Option<NonZeroU32>,
    /// Origins whose pages may read answers.
    pub cors_origins: Vec<Origin>,
}

impl Access {
    /// Lets pages of other origins read answers, if any may. They may not change anything.
    pub(super) fn cors(&self) -> Option<CorsLayer> {
        use axum::http::header::{AGE, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LINK, RETRY_AFTER};
        if self.cors_origins.is_empty() {
            return None;
        }
        let origins = self.cors_origins.iter().map(|origin| origin.as_header().clone());
        let last_event_id = HeaderName::from_static("last-event-id");
        let [at_least, position] = [AT_LEAST_HEADER, POSITION_HEADER].map(HeaderName::from_static);
        let layer = CorsLayer::new()
            .allow_origin(AllowOrigin::list(origins))
            .allow_methods([Method::GET, Method::HEAD])
            .allow_headers([AUTHORIZATION, CONTENT_TYPE, IF_NONE_MATCH, last_event_id, at_least])
            .expose_headers([ETAG, AGE, LINK, RETRY_AFTER, super::former::FORMER_CODE, position]);
        Some(layer)
    }
}

/// [`Access`] at work.
pub(super) struct Guard {
    access: Access,
    rate: Option<RateLimit>,
}

impl Guard {
    pub(super) fn new(access: Access) -> Self {
        let rate = access.rate_limit.map(RateLimit::new);
        Self { access, rate }
    }

    /// The caller that a request comes from.
    fn admit(&self, parts: &axum::http::request::Parts) -> Result<Caller, Problem> {
        let caller = match &self.access.tokens {
            None => Some(Caller::local()),
            Some(tokens) => {
                presented(&parts.headers).and_then(|token| tokens.caller(&token)).cloned()
            }
        };
        // Those who guess tokens are held up too.
        if let Some(rate) = &self.rate {
            let client = match &caller {
                Some(caller) if self.access.tokens.is_some() => {
                    Client::Token(Arc::clone(&caller.name))
                }
                _ => Client::Peer(peer(parts)),
            };
            rate.check(client).map_err(too_many_requests)?;
        }
        if self.access.tokens.is_none() {
            origin::check_host(parts, self.access.listen)?;
        }
        let caller = caller.ok_or_else(unauthorized)?;
        origin::check_site(&parts.method, &parts.headers)?;
        if origin::changes_something(&parts.method) && !caller.role.may_quote() {
            return Err(forbidden(&caller, Role::Quote));
        }
        let length = parts.uri.path_and_query().map_or(0, |asked| asked.as_str().len());
        if length > LONGEST_URI {
            let detail = words!(
                "a path with its query has at most {LONGEST_URI} bytes",
                "alamat beserta parameternya paling banyak {LONGEST_URI} bita"
            );
            let problem = Problem::new(Kind::BadRequest, detail);
            return Err(problem.with_status(StatusCode::URI_TOO_LONG));
        }
        Ok(caller)
    }
}

/// Lets a request in, with its [`Caller`] as an extension, or answers why not.
pub(super) async fn guard(
    State(guard): State<Arc<Guard>>,
    mut request: Request,
    next: Next,
) -> Response {
    // Supervisors ask it without a token, as often as they like and by any name.
    let is_probe = request.uri().path() == "/healthz"
        && matches!(*request.method(), Method::GET | Method::HEAD);
    if is_probe {
        return next.run(request).await;
    }
    let (parts, body) = request.into_parts();
    match guard.admit(&parts) {
        Ok(caller) => {
            request = Request::from_parts(parts, body);
            request.extensions_mut().insert(caller);
            next.run(request).await
        }
        Err(problem) => {
            metrics::counter!("laju_http_refused_total", "status" => problem.status().as_str().to_owned())
                .increment(1);
            problem.into_response()
        }
    }
}

/// The token that a request presents, of whichever scheme.
fn presented(headers: &HeaderMap) -> Option<Zeroizing<Vec<u8>>> {
    let mut all = headers.get_all(AUTHORIZATION).iter();
    let (Some(value), None) = (all.next(), all.next()) else { return None };
    let (scheme, rest) = value.to_str().ok()?.split_once(' ')?;
    let rest = rest.trim_matches(' ');
    if scheme.eq_ignore_ascii_case("bearer") {
        return Some(Zeroizing::new(rest.as_bytes().to_vec()));
    }
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = Zeroizing::new(BASE64_STANDARD.decode(rest).ok()?);
    let colon = decoded.iter().position(|byte| *byte == b':')?;
    Some(Zeroizing::new(decoded[colon + 1..].to_vec()))
}

fn peer(parts: &axum::http::request::Parts) -> Option<IpAddr> {
    parts.extensions.get::<ConnectInfo<SocketAddr>>().map(|ConnectInfo(peer)| peer.ip())
}

/// A request without a token that lets somebody in.
fn unauthorized() -> Problem {
    let detail = words!(
        "this needs 'Authorization: Bearer TOKEN', or Basic with the token as password",
        "ini perlu 'Authorization: Bearer TOKEN', atau Basic dengan token sebagai kata sandi"
    );
    Problem::new(Kind::Unauthorized, detail)
}

/// What somebody may not do, and which role may.
pub(super) fn forbidden(caller: &Caller, takes: Role) -> Problem {
    let Caller { name, role } = caller;
    let detail = words!(
        "the token of '{name}' has the role {role}; this takes the role {takes}",
        "token '{name}' berperan {role}; untuk ini diperlukan peran {takes}"
    );
    Problem::new(Kind::Forbidden, detail)
}

/// One request too many, and how long to wait.
fn too_many_requests(wait: Duration) -> Problem {
    let seconds = wait.as_millis().div_ceil(1_000).max(1);
    let detail = words!(
        "too many requests at once; there is room again in {seconds} s",
        "terlalu banyak permintaan sekaligus; boleh lagi dalam {seconds} detik"
    );
    let problem = Problem::new(Kind::TooManyRequests, detail);
    problem.retry_after(u64::try_from(seconds).unwrap_or(u64::MAX))
}
