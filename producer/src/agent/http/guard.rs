//! Who may ask: programs on this machine, and web pages of origins that were allowed by name.

use std::net::{IpAddr, SocketAddr};
use std::str::FromStr;
use std::sync::Arc;

use axum::extract::{Request, State};
use axum::http::{HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use tower_http::cors::{AllowOrigin, CorsLayer};

use super::problem::Problem;
use laju_kafka::problem::Kind;
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
        let problem = Problem::new(StatusCode::FORBIDDEN, detail);
        return problem.of_kind(Kind::CrossSite).into_response();
    }
    let host = headers.get(header::HOST).and_then(|host| host.to_str().ok());
    if host.is_some_and(|host| !is_this_machine(host)) {
        let detail = words!(
            "the agent answers to 127.0.0.1, [::1] and localhost only",
            "agen hanya menjawab 127.0.0.1, [::1] dan localhost"
        );
        let problem = Problem::new(StatusCode::FORBIDDEN, detail);
        return problem.of_kind(Kind::ForeignHost).into_response();
    }
    next.run(request).await
}

/// Whether a host, with or without a port, is a name or an address of this machine's loopback.
#[must_use]
pub fn is_this_machine(host: &str) -> bool {
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    let name = name.trim_start_matches('[').trim_end_matches(']');
    name.eq_ignore_ascii_case("localhost")
        || name.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_names_of_this_machine_and_loopback_addresses() {
        for host in
            ["localhost", "LOCALHOST:8470", "127.0.0.1:8470", "127.1.2.3", "[::1]:80", "[::1]"]
        {
            assert!(is_this_machine(host), "{host}");
        }
        for host in [
            "evil.example",
            "localhost.evil.example:80",
            "192.168.0.2:8470",
            "",
            "127.0.0.1.nip.io",
        ] {
            assert!(!is_this_machine(host), "{host}");
        }
        assert!(loopback("127.0.0.1:0").is_ok() && loopback("[::1]:8470").is_ok());
        for wrong in ["0.0.0.0:8470", "192.168.0.2:8470", "localhost:8470", "8470"] {
            assert!(loopback(wrong).is_err(), "{wrong}");
        }
        assert!("http://localhost:3000".parse::<Origin>().is_ok());
        assert!("localhost".parse::<Origin>().is_err() && "http://a/b".parse::<Origin>().is_err());
    }
}
