//! Who is let in, how often, and from where.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::sync::Mutex;

use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use axum::routing::post;
use axum::{Extension, Router};
use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use laju_schemas::TimestampMs;
use serde_json::Value;

use super::{NOW, api, send, state};
use crate::api::tokens::{Caller, NewToken, Role, Tokens};
use crate::api::*;

/// Tokens of each role, and who they let in.
pub(super) struct Keys {
    pub(super) read: String,
    pub(super) quote: String,
    pub(super) tokens: Tokens,
}

pub(super) fn keys() -> Keys {
    let file = tempfile::NamedTempFile::new().unwrap();
    let [read, quote] = [("screen", Role::Read), ("office", Role::Quote)].map(|(name, role)| {
        let made = NewToken::make(name, role).unwrap();
        made.append(file.path()).unwrap();
        made.token.to_string()
    });
    Keys { read, quote, tokens: Tokens::read(file.path()).unwrap() }
}

fn guarded(access: Access) -> Router {
    let now: TimestampMs = NOW.parse().unwrap();
    router(api(state().live(now), now).with_access(access))
}

/// A node that takes a figure on record, and says by whom.
fn with_post(access: Access) -> Router {
    let who = |Extension(caller): Extension<Caller>| async move { caller.name.to_string() };
    with_layers(Router::<()>::new().route("/v1/figures", post(who)), access)
}

async fn answer(
    node: &Router,
    method: Method,
    path: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, HeaderMap, Value) {
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let (status, headers, body) = send(node, request.body(Body::empty()).unwrap()).await;
    let value = serde_json::from_slice(&body)
        .unwrap_or_else(|_| Value::String(String::from_utf8_lossy(&body).into_owned()));
    (status, headers, value)
}

async fn status_of(node: &Router, path: &str, headers: &[(&str, &str)]) -> StatusCode {
    answer(node, Method::GET, path, headers).await.0
}

#[tokio::test]
async fn a_token_lets_in_by_either_scheme_and_nothing_else_does() {
    let keys = keys();
    let node = guarded(Access { tokens: Some(keys.tokens), ..Access::default() });
    let path = "/v1/regions/18.71/progress";
    let basic = |text: String| format!("Basic {}", BASE64_STANDARD.encode(text));
    for right in [
        format!("Bearer {}", keys.read),
        format!("bearer  {}", keys.quote),
        basic(format!("anyone:{}", keys.read)),
        basic(format!(":{}", keys.read)),
    ] {
        let got = status_of(&node, path, &[("authorization", &right)]).await;
        assert_eq!(got, StatusCode::OK, "{right}");
    }
    for wrong in [
        "Bearer".to_owned(),
        "Bearer ".to_owned(),
        format!("Bearer {}x", keys.read),
        format!("Bearer {}", &keys.read[..keys.read.len() - 1]),
        format!("Token {}", keys.read),
        keys.read.clone(),
        basic(format!("{}:", keys.read)),
        basic(keys.read.clone()),
        "Basic ???".to_owned(),
    ] {
        let (status, headers, body) =
            answer(&node, Method::GET, path, &[("authorization", &wrong)]).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{wrong}");
        assert_eq!(body["type"], "/problems/unauthorized");
        let challenges: Vec<_> = headers.get_all("www-authenticate").iter().collect();
        assert_eq!(
            challenges,
            ["Bearer realm=\"laju\"", "Basic realm=\"laju\", charset=\"UTF-8\""]
        );
        assert!(!body.to_string().contains(&keys.read), "{body}");
    }
    let bearer = format!("Bearer {}", keys.read);
    let twice = [("authorization", bearer.as_str()), ("authorization", &bearer)];
    assert_eq!(status_of(&node, path, &twice).await, StatusCode::UNAUTHORIZED);
    // With tokens a node may have any name.
    let host = [("authorization", bearer.as_str()), ("host", "laju.example")];
    assert_eq!(status_of(&node, path, &host).await, StatusCode::OK);
    assert_eq!(status_of(&node, "/healthz", &[]).await, StatusCode::OK);
    assert_eq!(answer(&node, Method::POST, "/healthz", &[]).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(status_of(&node, "/nothing", &[]).await, StatusCode::UNAUTHORIZED);
}

#[tokio::test]
async fn only_the_role_quote_may_change_anything_and_the_handler_knows_who_did() {
    let keys = keys();
    let node = with_post(Access { tokens: Some(keys.tokens), ..Access::default() });
    let [read, quote] = [&keys.read, &keys.quote].map(|token| format!("Bearer {token}"));
    let post = |token: &str| {
        let headers = [("authorization".to_owned(), token.to_owned())];
        let node = node.clone();
        async move {
            let headers: Vec<_> = headers.iter().map(|(n, v)| (n.as_str(), v.as_str())).collect();
            answer(&node, Method::POST, "/v1/figures", &headers).await
        }
    };
    let (status, _, body) = post(&read).await;
    assert_eq!((status, &body["type"]), (StatusCode::FORBIDDEN, &"/problems/forbidden".into()));
    assert!(body["detail"].as_str().unwrap().contains("'screen'"), "{body}");
    let (status, _, body) = post(&quote).await;
    assert_eq!((status, body), (StatusCode::OK, "office".into()));
    // Without tokens it is every client on this machine.
    let open = with_post(Access::default());
    let (status, _, body) = answer(&open, Method::POST, "/v1/figures", &[]).await;
    assert_eq!((status, body), (StatusCode::OK, "local".into()));
}

#[tokio::test]
async fn without_tokens_a_node_answers_to_its_own_names_only() {
    let listen: Option<SocketAddr> = "127.0.0.1:8080".parse().ok();
    let node = guarded(Access { listen, ..Access::default() });
    for own in ["localhost:8080", "127.0.0.1:8080", "[::1]:8080"] {
        assert_eq!(status_of(&node, "/v1/regions", &[("host", own)]).await, StatusCode::OK);
    }
    for path in ["/v1/regions", "/metrics", "/nothing"] {
        let (status, _, body) =
            answer(&node, Method::GET, path, &[("host", "rebound.example:8080")]).await;
        assert_eq!(status, StatusCode::MISDIRECTED_REQUEST);
        assert_eq!(body["type"], "/problems/foreign-host");
    }
    let target = "http://rebound.example:8080/v1/regions";
    assert_eq!(status_of(&node, target, &[]).await, StatusCode::MISDIRECTED_REQUEST);
    assert_eq!(status_of(&node, "/healthz", &[("host", "node-1:8080")]).await, StatusCode::OK);
}

#[tokio::test]
async fn a_page_of_another_site_changes_nothing_whatever_is_configured() {
    let keys = keys();
    let allowed = "https://screen.example";
    let quote = format!("Bearer {}", keys.quote);
    let node = with_post(Access {
        tokens: Some(keys.tokens),
        cors_origins: vec![allowed.parse().unwrap()],
        ..Access::default()
    });
    let host = ("host", "laju.example");
    let who = ("authorization", quote.as_str());
    for (foreign, own) in [
        (vec![("sec-fetch-site", "cross-site")], vec![("sec-fetch-site", "same-origin")]),
        (vec![("sec-fetch-site", "same-site")], vec![("sec-fetch-site", "none")]),
        (vec![("origin", "https://evil.example")], vec![("origin", "https://laju.example")]),
        (vec![("origin", "null")], vec![]),
        (
            vec![("origin", allowed), ("sec-fetch-site", "cross-site")],
            vec![("origin", "https://laju.example"), ("sec-fetch-site", "same-origin")],
        ),
    ] {
        let foreign = [foreign, vec![host, who]].concat();
        let (status, _, body) = answer(&node, Method::POST, "/v1/figures", &foreign).await;
        assert_eq!(
            (status, &body["type"]),
            (StatusCode::FORBIDDEN, &"/problems/cross-site".into())
        );
        let own = [own, vec![host, who]].concat();
        let (status, _, _) = answer(&node, Method::POST, "/v1/figures", &own).await;
        assert_eq!(status, StatusCode::OK, "{own:?}");
    }
}

#[tokio::test]
async fn pages_of_allowed_origins_may_read_and_no_others() {
    let keys = keys();
    let allowed = "https://screen.example";
    let node = guarded(Access {
        tokens: Some(keys.tokens),
        cors_origins: vec![allowed.parse().unwrap()],
        ..Access::default()
    });
    let bearer = format!("Bearer {}", keys.read);
    let ask = |origin: &'static str| {
        let (node, bearer) = (node.clone(), bearer.clone());
        async move {
            let headers = [("origin", origin), ("authorization", bearer.as_str())];
            answer(&node, Method::GET, "/v1/regions/18.71/progress", &headers).await.1
        }
    };
    let headers = ask(allowed).await;
    assert_eq!(headers["access-control-allow-origin"], allowed);
    let exposed = headers["access-control-expose-headers"].to_str().unwrap();
    assert!(["etag", "age", "link"].iter().all(|name| exposed.contains(name)), "{exposed}");
    assert!(!ask("https://evil.example").await.contains_key("access-control-allow-origin"));
    // A browser asks beforehand, without a token.
    let preflight = [
        ("origin", allowed),
        ("access-control-request-method", "GET"),
        ("access-control-request-headers", "authorization"),
    ];
    let (status, headers, _) = answer(&node, Method::OPTIONS, "/v1/progress", &preflight).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["access-control-allow-methods"], "GET,HEAD");
    // A refusal can be read too, or a page would not know that it needs a token.
    let (status, headers, _) =
        answer(&node, Method::GET, "/v1/progress", &[("origin", allowed)]).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert_eq!(headers["access-control-allow-origin"], allowed);
    // By default nobody may.
    let node = guarded(Access::default());
    let (_, headers, _) = answer(&node, Method::GET, "/v1/regions", &[("origin", allowed)]).await;
    assert!(!headers.contains_key("access-control-allow-origin"));
}

#[tokio::test]
async fn who_asks_too_often_is_told_when_to_come_back_and_others_are_not() {
    let keys = keys();
    let access = Access {
        tokens: Some(keys.tokens),
        // The clock goes on as the test runs: the bucket must not fill up meanwhile.
        rate_limit: NonZeroU32::new(2),
        ..Access::default()
    };
    let node = guarded(access);
    let from = |address: &str, token: Option<&str>, path: &str| {
        let mut request = Request::get(path);
        if let Some(token) = token {
            request = request.header("authorization", format!("Bearer {token}"));
        }
        let peer: SocketAddr = address.parse().unwrap();
        let request = request.extension(ConnectInfo(peer)).body(Body::empty()).unwrap();
        let node = node.clone();
        async move { send(&node, request).await }
    };
    let refused = |token: Option<String>, address: &'static str| async move {
        for _ in 0..1_000 {
            let (status, headers, body) = from(address, token.as_deref(), "/v1/regions").await;
            if status == StatusCode::TOO_MANY_REQUESTS {
                return (headers, serde_json::from_slice::<Value>(&body).unwrap());
            }
        }
        panic!("a thousand requests were taken");
    };
    let (headers, body) = refused(Some(keys.read.clone()), "10.0.0.1:1").await;
    assert_eq!(body["type"], "/problems/too-many-requests");
    assert_eq!(headers["retry-after"], "1");
    // From the same address: another token, and nobody at all.
    let (status, ..) = from("10.0.0.1:1", Some(&keys.quote), "/v1/regions").await;
    assert_eq!(status, StatusCode::OK);
    let (status, ..) = from("10.0.0.1:2", None, "/v1/regions").await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    // Who guesses tokens is held up as well, and probes never are.
    refused(Some("laju_guess".to_owned()), "10.0.0.3:1").await;
    let (status, ..) = from("10.0.0.3:1", None, "/healthz").await;
    assert_eq!(status, StatusCode::OK);
}

#[tokio::test]
async fn a_path_that_is_too_long_is_refused() {
    let node = guarded(Access::default());
    let path = format!("/v1/regions?within={}", "1".repeat(5_000));
    let (status, _, body) = answer(&node, Method::GET, &path, &[]).await;
    assert_eq!((status, &body["status"]), (StatusCode::URI_TOO_LONG, &414.into()));
}

#[derive(Clone, Default)]
struct Log(Arc<Mutex<Vec<u8>>>);

impl std::io::Write for Log {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

#[tokio::test]
async fn no_token_gets_into_the_log() {
    let keys = keys();
    let node = guarded(Access { tokens: Some(keys.tokens), ..Access::default() });
    let log = Log::default();
    let writer = log.clone();
    let subscriber = tracing_subscriber::fmt()
        .with_max_level(tracing::Level::TRACE)
        .with_writer(move || writer.clone())
        .finish();
    let guard = tracing::subscriber::set_default(subscriber);
    let wrong = "laju_a-token-of-another-node";
    let basic = format!("Basic {}", BASE64_STANDARD.encode(format!("x:{}", keys.read)));
    let bearer = format!("Bearer {}", keys.read);
    let logged = || String::from_utf8(log.0.lock().unwrap().clone()).unwrap();
    // Tests beside this one begin logs of their own, and meanwhile what is logged may be taken for
    // what nobody listens to.
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(30);
    while !logged().contains("/v1/regions") {
        assert!(std::time::Instant::now() < deadline, "requests are logged");
        tracing::callsite::rebuild_interest_cache();
        for authorization in [&bearer, &basic, &format!("Bearer {wrong}"), &keys.read] {
            answer(&node, Method::GET, "/v1/regions", &[("authorization", authorization)]).await;
            answer(&node, Method::POST, "/v1/regions", &[("authorization", authorization)]).await;
        }
    }
    drop(guard);
    let text = logged();
    for secret in [keys.read.as_str(), wrong, &basic[6..]] {
        assert!(!text.contains(secret), "{text}");
    }
}
