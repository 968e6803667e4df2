//! Who may ask: programs on this machine, and web pages of origins that were allowed by name.

use std::net::SocketAddr;
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower_http::cors::{AllowOrigin, CorsLayer};

use laju_kafka::problem::{Kind, Problem};
use laju_kafka::serve::is_this_machine;
use laju_kafka::words;

/// A web page's origin, e.g. `http://localhost:3000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let host = text.split_once("://").map(|(_, host)| host);
        match HeaderValue::from_str(text) {
            Ok(value) if host.is_some_and(|host| !host.is_empty() && !host.contains('/')) => {
                Ok(Self(value))
            }
            _ => Err("an origin is like http://localhost:3000, without a path".to_owned()),
        }
    }
}

/// An address to listen on: of the loopback only, because NIKs come in in clear.
///
/// # Errors
/// If it is another one.
pub fn loopback(text: &str) -> Result<SocketAddr, String> {
    let address: SocketAddr =
        text.parse().map_err(|_| format!("'{text}' is not ADDRESS:PORT, e.g. 127.0.0.1:8470"))?;
    if address.ip().is_loopback() {
        Ok(address)
    } else {
        Err(format!(
            "{} is not a loopback address: NIKs come in in clear, so the agent listens on \
             127.0.0.1 or [::1] only",
            address.ip()
        ))
    }
}

/// Lets pages of the allowed origins read answers.
pub(super) fn cors(origins: &[Origin]) -> CorsLayer {
    CorsLayer::new()
        .allow_origin(AllowOrigin::list(origins.iter().map(|origin| origin.0.clone())))
        .allow_methods([Method::GET, Method::POST])
        .allow_headers([header::CONTENT_TYPE])
}

/// Refuses requests of other pages, and of pages that reach this machine under another name.
pub(super) async fn check(
    State(origins): State<Arc<[Origin]>>,
    request: Request,
    next: Next,
) -> Response {
    let headers = request.headers();
    if let Some(origin) = headers.get(header::ORIGIN)
        && !origins.iter().any(|allowed| allowed.0 == *origin)
    {
        let detail = words!(
            "web pages of this origin may not use the agent: see --allow-origin",
            "halaman web dari asal ini tidak boleh memakai agen: lihat --allow-origin"
        );
        return Problem::new(Kind::CrossSite, detail).into_response();
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if host.is_some_and(|host| !is_this_machine(host, None)) {
        let detail = words!(
            "the agent answers to 127.0.0.1, [::1] and localhost only",
            "agen hanya menjawab 127.0.0.1, [::1] dan localhost"
        );
        let problem = Problem::new(Kind::ForeignHost, detail);
        return problem.with_status(StatusCode::FORBIDDEN).into_response();
    }
    next.run(request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_loopback_is_listened_on_and_an_origin_has_no_path() {
        assert!(loopback("127.0.0.1:0").is_ok() && loopback("[::1]:8470").is_ok());
        for wrong in ["0.0.0.0:8470", "192.168.0.2:8470", "localhost:8470", "8470"] {
            assert!(loopback(wrong).is_err(), "{wrong}");
        }
        assert!("http://localhost:3000".parse::<Origin>().is_ok());
        assert!("localhost".parse::<Origin>().is_err() && "http://a/b".parse::<Origin>().is_err());
    }
}
