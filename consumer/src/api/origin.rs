//! What a browser can be made to do by a page of somebody else: reach this machine under another
//! name (DNS rebinding), or send a form across sites. Both are refused.

use std::net::SocketAddr;
use std::str::FromStr;

use axum::http::header::{HOST, ORIGIN};
use axum::http::request::Parts;
use axum::http::{HeaderMap, HeaderValue, Method};

use laju_kafka::problem::{Kind, Problem};
use laju_kafka::serve::is_this_machine;
use laju_kafka::words;

/// A web page's origin: `https://screen.example`, `http://localhost:3000`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin(HeaderValue);

impl FromStr for Origin {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let host = text.strip_prefix("https://").or_else(|| text.strip_prefix("http://"));
        let is_fit = |c: char| c.is_ascii_alphanumeric() || "-.:[]_".contains(c);
        let host = host.filter(|host| !host.is_empty() && host.chars().all(is_fit));
        // Browsers write it in small letters.
        host.and_then(|_| HeaderValue::from_str(&text.to_ascii_lowercase()).ok())
            .map(Self)
            .ok_or_else(|| {
                format!("'{text}' is not an origin like https://screen.example, without a path")
            })
    }
}

impl Origin {
    /// As browsers send it.
    pub fn as_header(&self) -> &HeaderValue {
        &self.0
    }
}

/// Refuses a request that was meant for another name than this machine's, or the address listened
/// on. A page of a name that an attacker points to 127.0.0.1 would else be of the same origin.
///
/// # Errors
/// Says which names are taken.
pub(super) fn check_host(parts: &Parts, listen: Option<SocketAddr>) -> Result<(), Problem> {
    let of_header = parts.headers.get_all(HOST).iter().map(|host| host.to_str().unwrap_or(""));
    let of_target = parts.uri.authority().map(|authority| authority.as_str());
    let mut hosts = of_header.chain(of_target);
    if hosts.all(|host| is_this_machine(host, listen)) {
        return Ok(());
    }
    let detail = words!(
        "without tokens this node answers to localhost, 127.0.0.1, [::1] and the address that it \
         listens on; see --tokens",
        "tanpa token simpul ini hanya menjawab localhost, 127.0.0.1, [::1] dan alamat tempat ia \
         mendengarkan; lihat --tokens"
    );
    Err(Problem::new(Kind::ForeignHost, detail))
}

/// Refuses a request that would change something and that a page of another origin sent.
/// Browsers say where a request comes from, and pages cannot make them lie; what says nothing is
/// no browser.
///
/// # Errors
/// Says so.
pub(super) fn check_site(method: &Method, headers: &HeaderMap) -> Result<(), Problem> {
    if !changes_something(method) {
        return Ok(());
    }
    let own = match headers.get("sec-fetch-site") {
        Some(site) => site == "same-origin" || site == "none",
        None => match headers.get(ORIGIN) {
            Some(origin) => is_own(origin, headers.get(HOST)),
            None => true,
        },
    };
    if own {
        return Ok(());
    }
    let detail = words!(
        "pages of other sites may not change anything here",
        "halaman dari situs lain tidak boleh mengubah apa pun di sini"
    );
    Err(Problem::new(Kind::CrossSite, detail))
}

/// Whether a method asks for more than reading.
pub(super) fn changes_something(method: &Method) -> bool {
    ![Method::GET, Method::HEAD, Method::OPTIONS].contains(method)
}

fn is_own(origin: &HeaderValue, host: Option<&HeaderValue>) -> bool {
    let own = origin.to_str().ok().and_then(|origin| {
        let (_, authority) = origin.split_once("://")?;
        let host = host?.to_str().ok()?;
        Some(authority.eq_ignore_ascii_case(host))
    });
    own == Some(true)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_origin_has_a_scheme_and_a_host_and_no_path() {
        assert!("https://x y".parse::<Origin>().is_err());
        let origin: Origin = "https://Screen.Example:8443".parse().unwrap();
        assert_eq!(origin.as_header(), "https://screen.example:8443");
        for wrong in ["screen.example", "https://", "https://a/b", "*", "null", "ftp://a"] {
            assert!(wrong.parse::<Origin>().is_err(), "{wrong}");
        }
    }
}
