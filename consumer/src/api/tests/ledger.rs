//! The ledger as it leaves over HTTP: whole or noticeably not, the same for the same offset, and
//! nobody who stops reading keeps it from others.

use std::io::BufReader;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use laju_schemas::TimestampMs;
use serde_json::json;
use tower::ServiceExt as _;

use super::{NOW, api, ask, get_ok, problem, send, state};
use crate::api::*;
use crate::domain::account::Account;
use crate::domain::cell::Detail;
use crate::query::fixtures::{CLUSTER, FOLD_VERSION, Fixture, TOPIC};
use crate::query::ledger::lines::{LedgerDigest, LedgerLine, LinesError, lines, receive};

/// A state whose ledger has many frames.
fn large() -> Fixture {
    let mut f = state();
    for number in 0..3_000 {
        let visit = f.visit(1, &format!("visit-{number}"), "V-1");
        let (on, detail) = (("2024-01-01", "2024-01-02"), Detail::Visit { visit, hour: 9 });
        f.post(1, Account::VisitActivations, "18.71", on, detail, 1 + number % 5);
    }
    f
}

fn node_of(state: &Fixture) -> Router {
    let now: TimestampMs = NOW.parse().unwrap();
    router(api(state.live(now), now))
}

async fn body_of(node: &Router, path: &str) -> Vec<u8> {
    let (status, headers, body) = send(node, Request::get(path).body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(headers["content-type"], "application/x-ndjson");
    assert!(headers.contains_key("etag") && headers.contains_key("age"));
    body
}

#[tokio::test]
async fn a_ledger_comes_whole_and_says_what_it_was_made_of() {
    let state = large();
    let (node, snapshot) = (node_of(&state), state.snapshot());
    let sizes = get_ok(&node, "/v1/ledger").await;
    assert_eq!((&sizes["cluster_id"], &sizes["topic"]), (&json!(CLUSTER), &json!(TOPIC)));
    for (number, view) in &snapshot.partitions {
        let body = body_of(&node, &format!("/v1/ledger/{number}")).await;
        let mut kept = Vec::new();
        let (head, digest) = receive(BufReader::new(&body[..]), &mut kept).unwrap();
        assert_eq!(kept, body);
        assert_eq!(digest, LedgerDigest::of(view));
        assert_eq!((&*head.cluster_id, &*head.topic), (CLUSTER, TOPIC));
        assert_eq!((head.partition, head.partitions), (*number, 2));
        assert_eq!((&*head.fold_version, head.next_offset), (FOLD_VERSION, view.next_offset));
        let all: Vec<_> = lines(&body[..]).map(Result::unwrap).collect();
        let count = |is: fn(&LedgerLine) -> bool| all.iter().filter(|line| is(line)).count() as u64;
        let size = &sizes["partitions"][*number as usize];
        assert_eq!(size["postings"], count(|line| matches!(line, LedgerLine::Posting(_))));
        assert_eq!(size["kiosks"], count(|line| matches!(line, LedgerLine::Kiosk(_))));
        assert_eq!(size["next_offset"], view.next_offset);
    }
    assert!(sizes["partitions"][1]["postings"].as_u64() > Some(3_000));
}

#[tokio::test]
async fn a_ledger_cut_or_changed_on_its_way_is_noticed() {
    let body = body_of(&node_of(&large()), "/v1/ledger/1").await;
    let receive = |bytes: &[u8]| receive(BufReader::new(bytes), &mut std::io::sink());
    receive(&body).unwrap();
    let line_ends: Vec<_> = (0..body.len()).filter(|at| body[*at] == b'\n').collect();
    for at in [0, 10, line_ends[0] + 1, body.len() / 2, line_ends[line_ends.len() - 2] + 1] {
        let cut = receive(&body[..at]).unwrap_err();
        assert!(matches!(cut, LinesError::Cut(_)), "{cut}");
    }
    // One line left out, and one amount changed.
    let without = [&body[..=line_ends[700]], &body[line_ends[701] + 1..]].concat();
    let text = String::from_utf8(body.clone()).unwrap();
    let changed = text.replacen("\"amount\":3", "\"amount\":4", 1);
    assert_ne!(changed, text);
    for bytes in [&without[..], changed.as_bytes()] {
        let error = receive(bytes).unwrap_err();
        assert!(matches!(error, LinesError::Changed { .. }), "{error}");
    }
}

#[tokio::test]
async fn the_same_offset_is_the_same_ledger() {
    let node = node_of(&large());
    let (_, headers, body) =
        send(&node, Request::get("/v1/ledger/1").body(Body::empty()).unwrap()).await;
    let tag = headers["etag"].clone();
    let held = Request::get("/v1/ledger/1").header("if-none-match", &tag);
    let (status, _, nothing) = send(&node, held.body(Body::empty()).unwrap()).await;
    assert_eq!((status, nothing.len()), (StatusCode::NOT_MODIFIED, 0));
    let mut later = large();
    later.activate(1, "18.71", "2024-01-05", 1);
    let held = Request::get("/v1/ledger/1").header("if-none-match", &tag);
    let (status, headers, other) = send(&node_of(&later), held.body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(headers["etag"] != tag && other != body);
    let small = Request::get("/v1/ledger/1").header("accept-encoding", "gzip");
    let (_, headers, packed) = send(&node, small.body(Body::empty()).unwrap()).await;
    assert_eq!(headers["content-encoding"], "gzip");
    assert!(packed.len() * 10 < body.len(), "{} of {}", packed.len(), body.len());
}

#[tokio::test]
async fn who_stops_reading_gives_up_the_turn() {
    let node = node_of(&large());
    for _ in 0..3 * crate::api::state::LEDGERS_AT_ONCE {
        let request = Request::get("/v1/ledger/1").body(Body::empty()).unwrap();
        let answer = node.clone().oneshot(request).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        drop(answer);
    }
    // While those who do read hold every turn, others wait, and figures do not.
    let mut reading = Vec::new();
    for _ in 0..crate::api::state::LEDGERS_AT_ONCE {
        let request = Request::get("/v1/ledger/1").body(Body::empty()).unwrap();
        reading.push(node.clone().oneshot(request).await.unwrap());
    }
    let request = Request::get("/v1/ledger/0").body(Body::empty()).unwrap();
    let mut waiting = tokio::spawn(node.clone().oneshot(request));
    get_ok(&node, "/v1/regions/18.71/progress").await;
    let soon = std::time::Duration::from_millis(50);
    assert!(tokio::time::timeout(soon, &mut waiting).await.is_err(), "it does not wait");
    drop(reading);
    assert_eq!(waiting.await.unwrap().unwrap().status(), StatusCode::OK);
}

#[tokio::test]
async fn a_partition_that_is_none_is_a_problem() {
    let node = node_of(&state());
    for (path, status) in [
        ("/v1/ledger/2", 404),
        ("/v1/ledger/4294967295", 404),
        ("/v1/ledger/4294967296", 400),
        ("/v1/ledger/-1", 400),
        ("/v1/ledger/x", 400),
        ("/v1/ledger/0?limit=1", 400),
    ] {
        assert_eq!(problem(&node, path).await["status"], status, "{path}");
    }
    let now: TimestampMs = NOW.parse().unwrap();
    let unready = router(api(crate::query::live_view::LiveView::new("1-test"), now));
    assert_eq!(ask(&unready, "/v1/ledger/0").await.0, StatusCode::SERVICE_UNAVAILABLE);
}
