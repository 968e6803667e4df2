//! The ledger as it leaves over HTTP: whole or noticeably not, the same for the same offset, and
//! nobody who stops reading keeps it from others.

use std::io::BufReader;

use axum::Router;
use axum::body::Body;
use axum::http::{Request, StatusCode};
use laju_schemas::TimestampMs;
use serde_json::json;
use tower::ServiceExt as _;

use super::store::with_store;
use super::{NOW, api, ask, get_ok, problem, send, state};
use crate::api::*;
use crate::projection::store::seed_tests::Made;
use crate::query::fixtures::{CLUSTER, FOLD_VERSION, TOPIC};
use crate::query::ledger::lines::{LedgerDigest, LedgerLine, LinesError, lines, receive};
use crate::query::ledger::posting_count;

/// A node with a store whose ledgers have many frames.
struct Large {
    _directory: tempfile::TempDir,
    made: Made,
    place: StorePlace,
}

impl Large {
    fn new(events: u32) -> Self {
        let (directory, made, place) = with_store(events);
        Self { _directory: directory, made, place }
    }

    fn node(&self) -> Router {
        let now: TimestampMs = NOW.parse().unwrap();
        router(api(state().live(now), now).with_store(self.place.clone()))
    }
}

fn large() -> Large {
    Large::new(3_000)
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
    let mut large = large();
    let node = large.node();
    for number in [0, 1] {
        let part = large.made.store.reader().ledger(number).unwrap();
        let body = body_of(&node, &format!("/v1/ledger/{number}")).await;
        let mut kept = Vec::new();
        let (head, digest) = receive(BufReader::new(&body[..]), &mut kept).unwrap();
        assert_eq!(kept, body);
        assert_eq!(digest, LedgerDigest::of(&part));
        assert_eq!((&*head.cluster_id, &*head.topic), (CLUSTER, TOPIC));
        assert_eq!((head.partition, head.partitions), (number, 2));
        assert_eq!((&*head.fold_version, head.next_offset), (FOLD_VERSION, part.view.next_offset));
        let all: Vec<_> = lines(&body[..]).map(Result::unwrap).collect();
        let count = |is: fn(&LedgerLine) -> bool| all.iter().filter(|line| is(line)).count();
        let postings = count(|line| matches!(line, LedgerLine::Posting(_)));
        assert_eq!(postings as u64, posting_count(&part.ledger));
        assert_eq!(count(|line| matches!(line, LedgerLine::Kiosk(_))), part.view.kiosks.len());
        assert!(postings > 2_000, "{postings}");
    }
    // It is the store's at the moment at which it is asked for.
    large.made.fold(100);
    let part = large.made.store.reader().ledger(1).unwrap();
    let body = body_of(&node, "/v1/ledger/1").await;
    let (head, digest) = receive(BufReader::new(&body[..]), &mut std::io::sink()).unwrap();
    assert_eq!((head.next_offset, digest), (part.view.next_offset, LedgerDigest::of(&part)));
}

#[tokio::test]
async fn the_size_of_the_ledger_is_that_of_all_partitions_added_up() {
    let mut f = state();
    // The same key in both partitions is one posting.
    f.activate(0, "18.72", "2024-01-01", 10);
    f.activate(1, "18.72", "2024-01-01", 10);
    let now: TimestampMs = NOW.parse().unwrap();
    let sizes = get_ok(&router(api(f.live(now), now)), "/v1/ledger").await;
    assert_eq!((&sizes["cluster_id"], &sizes["topic"]), (&json!(CLUSTER), &json!(TOPIC)));
    assert_eq!(sizes["postings"], 3);
    for (number, view) in &f.snapshot().partitions {
        let size = &sizes["partitions"][*number as usize];
        assert_eq!(size["kiosks"], view.kiosks.len());
        assert_eq!(size["next_offset"], view.next_offset);
    }
}

#[tokio::test]
async fn a_ledger_cut_or_changed_on_its_way_is_noticed() {
    let body = body_of(&large().node(), "/v1/ledger/1").await;
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
    let changed = text.replacen("\"amount\":1", "\"amount\":2", 1);
    assert_ne!(changed, text);
    for bytes in [&without[..], changed.as_bytes()] {
        let error = receive(bytes).unwrap_err();
        assert!(matches!(error, LinesError::Changed { .. }), "{error}");
    }
}

#[tokio::test]
async fn the_same_offset_is_the_same_ledger() {
    let mut large = large();
    let node = large.node();
    let (_, headers, body) =
        send(&node, Request::get("/v1/ledger/1").body(Body::empty()).unwrap()).await;
    let tag = headers["etag"].clone();
    let held = Request::get("/v1/ledger/1").header("if-none-match", &tag);
    let (status, _, nothing) = send(&node, held.body(Body::empty()).unwrap()).await;
    assert_eq!((status, nothing.len()), (StatusCode::NOT_MODIFIED, 0));
    large.made.fold(2);
    let held = Request::get("/v1/ledger/1").header("if-none-match", &tag);
    let (status, headers, other) = send(&node, held.body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::OK);
    assert!(headers["etag"] != tag && other != body);
    let small = Request::get("/v1/ledger/1").header("accept-encoding", "gzip");
    let (_, headers, packed) = send(&node, small.body(Body::empty()).unwrap()).await;
    assert_eq!(headers["content-encoding"], "gzip");
    assert!(packed.len() * 10 < body.len(), "{} of {}", packed.len(), body.len());
}

#[tokio::test]
async fn who_stops_reading_gives_up_the_turn() {
    let large = large();
    let node = large.node();
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
    let now: TimestampMs = NOW.parse().unwrap();
    let node = router(api(state().live(now), now));
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
