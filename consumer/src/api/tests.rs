//! The interface as clients see it: requests to a node whose state is made by hand.

mod access;
mod caching;
mod figures;
mod health;
mod ledger;
mod link;
mod openapi;
mod parameters;
mod position;
mod problem;
mod quoted;
mod router;
mod server;
mod store;
mod stream;

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use laju_kafka::problem::PROBLEM_JSON;
use laju_schemas::TimestampMs;
use laju_schemas::event::{Channel, DeactivationReason};
use laju_schemas::quarantine::Reason;
use laju_schemas::reference::Basis;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::*;
use crate::domain::account::Account;
use crate::domain::cell::Detail;
use crate::projection::partition::PartitionState;
use crate::projection::shard::Shards;
use crate::query::fixtures::{Fixture, activation};
use crate::query::folded_log::{ACTIVATED, FoldedLog, id};
use crate::query::live_view::LiveView;
use axum::routing::get;

const NOW: &str = "2024-08-02T05:00:00Z";

fn state() -> Fixture {
    let mut f = Fixture::new(2);
    f.denominator("18.71", Basis::WajibKtp, 767_000, "2023-01-01");
    f.percent_target("ID", Basis::WajibKtp, "25", "2023-01-01");
    f.activate(0, "18.71", "2023-12-31", 90_000);
    f.activate(1, "18.71", "2024-01-01", 10);
    f.receive(1, ("K-1", "18.71"), [1, 3], "18.71", "2024-01-01");
    f.status("K-1", "18.71", 4, false);
    f.quarantine(0, Reason::WrongKey, "2024-01-02", Some(("18.71", "18.71")));
    f
}

fn node(live: LiveView) -> Router {
    let now: TimestampMs = NOW.parse().unwrap();
    router(api(live, now))
}

/// What a node answers from, on a day of its own.
fn api(live: LiveView, now: TimestampMs) -> ApiState {
    let clock: Clock = Arc::new(move || now);
    let metrics: RenderMetrics = Arc::new(|| "laju_up 1\n".to_owned());
    ApiState::new(Arc::new(live), clock, metrics)
}

fn ready() -> Router {
    let now: TimestampMs = NOW.parse().unwrap();
    node(state().live(TimestampMs(now.0 - 3_000)))
}

async fn send(router: &Router, request: Request<Body>) -> (StatusCode, HeaderMap, Vec<u8>) {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    (parts.status, parts.headers, to_bytes(body, usize::MAX).await.unwrap().to_vec())
}

async fn ask(router: &Router, path: &str) -> (StatusCode, HeaderMap, Value) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let (status, headers, body) = send(router, request).await;
    let body = serde_json::from_slice(&body)
        .unwrap_or_else(|_| panic!("{path}: {}", String::from_utf8_lossy(&body)));
    (status, headers, body)
}

async fn get_ok(router: &Router, path: &str) -> Value {
    let (status, headers, body) = ask(router, path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    assert_eq!(headers["content-type"], "application/json");
    let kept = if path.starts_with("/v1") { "no-cache" } else { "no-store" };
    assert_eq!(headers["cache-control"], kept);
    body
}

/// Asks for something that goes wrong, and checks that the answer is a problem.
async fn problem(router: &Router, path: &str) -> Value {
    let (status, headers, body) = ask(router, path).await;
    assert_eq!(headers["content-type"], PROBLEM_JSON, "{path}");
    assert_eq!(body["status"], status.as_u16(), "{path}");
    for name in ["type", "title", "detail"] {
        assert!(body[name].as_str().is_some_and(|text| !text.is_empty()), "{path}: {name}");
    }
    body
}
