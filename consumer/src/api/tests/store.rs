//! The store as it leaves over HTTP: to whom, how much at once, and what it is not asked for.

use std::io::Cursor;

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Request, StatusCode};
use laju_schemas::TimestampMs;
use tower::ServiceExt as _;

use super::{NOW, api, ask, get_ok, problem, send, state};
use crate::api::StorePlace;
use crate::api::tokens::{NewToken, Role, Tokens};
use crate::api::*;
use crate::projection::format::Kind;
use crate::projection::store::seed_tests::Made;
use crate::query::store_manifest::{StoreManifest, read_frame};

fn node_with(place: StorePlace, access: Access) -> Router {
    let now: TimestampMs = NOW.parse().unwrap();
    router(api(state().live(now), now).with_store(place).with_access(access))
}

/// A node with a store of so many events.
pub(super) fn with_store(events: u32) -> (tempfile::TempDir, Made, StorePlace) {
    let directory = tempfile::tempdir().unwrap();
    let mut made = Made::new(directory.path(), "the origin");
    made.fold(events);
    let place = StorePlace::default();
    assert!(place.set(made.store.reader()).is_ok());
    (directory, made, place)
}

async fn get(node: &Router, path: &str, token: &str) -> (StatusCode, HeaderMap, Vec<u8>) {
    let request = Request::get(path).header("authorization", format!("Bearer {token}"));
    send(node, request.body(Body::empty()).unwrap()).await
}

#[tokio::test]
async fn every_chunk_comes_as_it_is_stored_and_as_the_manifest_counts_them() {
    let (_directory, made, place) = with_store(3_000);
    let node = node_with(place, Access::default());
    let (status, headers, manifest) = ask(&node, "/v1/store").await;
    assert_eq!((status, &headers["cache-control"]), (StatusCode::OK, &"no-store".parse().unwrap()));
    let manifest: StoreManifest = serde_json::from_value(manifest).unwrap();
    assert_eq!(manifest, StoreManifest::of(&made.store.reader()).unwrap());
    let mut all = 0;
    for (partition, row) in (0..).zip(made.rows()) {
        for kind in Kind::ALL {
            let count = row.chains[kind as usize].count;
            for range in [format!("?from=0&to={count}"), String::new(), format!("?from={count}")] {
                let path = format!("/v1/store/{partition}/{}{range}", kind.as_str());
                let request = Request::get(&path).body(Body::empty()).unwrap();
                let (status, headers, body) = send(&node, request).await;
                assert_eq!(status, StatusCode::OK, "{path}");
                assert_eq!(headers["content-type"], "application/octet-stream");
                assert_eq!(
                    (&headers["laju-node"], headers.get("etag")),
                    (&"the origin".parse().unwrap(), None)
                );
                let from = if range == format!("?from={count}") { count } else { 0 };
                let mut stored = Vec::new();
                made.store
                    .reader()
                    .read(partition, kind, from..count, |value| {
                        stored.push(value.to_vec());
                        true
                    })
                    .unwrap();
                let mut stream = Cursor::new(body);
                for value in &stored {
                    assert_eq!(read_frame(&mut stream).unwrap().unwrap().value(), value);
                }
                assert_eq!(read_frame(&mut stream).unwrap(), None);
                all += stored.len() as u64;
            }
        }
    }
    assert_eq!(all, 2 * made.store.chunks());
}

#[tokio::test]
async fn a_token_for_figures_is_not_enough_for_everybodys_facts() {
    let (_directory, _made, place) = with_store(20);
    let file = tempfile::NamedTempFile::new().unwrap();
    let [read, quote, seed] = [Role::Read, Role::Quote, Role::Seed].map(|role| {
        let made = NewToken::make(role.as_str(), role).unwrap();
        made.append(file.path()).unwrap();
        made.token.to_string()
    });
    let tokens = Some(Tokens::read(file.path()).unwrap());
    let node = node_with(place, Access { tokens, ..Access::default() });
    for path in ["/v1/store", "/v1/store/0/facts", "/v1/store/9/facts", "/v1/store/0/none"] {
        for token in [&read, &quote] {
            let (status, _, body) = get(&node, path, token).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{path}");
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert!(
                body["detail"].as_str().unwrap().contains("this takes the role seed"),
                "{body}"
            );
        }
        let (status, _, _) = get(&node, path, "laju_nobody").await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{path}");
    }
    for path in ["/v1/store", "/v1/store/0/facts", "/v1/regions/18.71/progress"] {
        assert_eq!(get(&node, path, &seed).await.0, StatusCode::OK, "{path}");
    }
    // It is for reading.
    let request = Request::post("/v1/figures").header("authorization", format!("Bearer {seed}"));
    let (status, _, _) = send(&node, request.body(Body::empty()).unwrap()).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn what_there_is_not_is_a_problem() {
    let (_directory, made, place) = with_store(500);
    let node = node_with(place, Access::default());
    let facts = made.rows()[0].chains[Kind::Facts as usize].count;
    for (path, status) in [
        ("/v1/store/2/facts".to_owned(), 404),
        ("/v1/store/x/facts".to_owned(), 400),
        ("/v1/store/4294967296/facts".to_owned(), 400),
        ("/v1/store/0/fact".to_owned(), 404),
        (format!("/v1/store/0/facts?to={}", facts + 1), 404),
        (format!("/v1/store/0/facts?from={}", facts + 1), 404),
        ("/v1/store/0/facts?from=1&to=0".to_owned(), 404),
        ("/v1/store/0/facts?from=-1".to_owned(), 400),
        ("/v1/store/0/facts?limit=1".to_owned(), 400),
        ("/v1/store?limit=1".to_owned(), 400),
    ] {
        assert_eq!(problem(&node, &path).await["status"], status, "{path}");
    }
    let loading = node_with(StorePlace::default(), Access::default());
    for path in ["/v1/store", "/v1/store/0/facts"] {
        let (status, headers, body) = ask(&loading, path).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
        assert!(headers.contains_key("retry-after"));
        assert!(body["detail"].as_str().unwrap().contains("not loaded yet"), "{body}");
    }
}

#[tokio::test]
async fn few_are_sent_at_once_and_figures_do_not_wait_for_them() {
    let (_directory, _made, place) = with_store(40_000);
    let node = node_with(place, Access::default());
    let asked = || Request::get("/v1/store/0/facts").body(Body::empty()).unwrap();
    // Who has gone gives up the turn.
    for _ in 0..3 * crate::api::state::STORE_RUNS_AT_ONCE {
        let answer = node.clone().oneshot(asked()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        drop(answer);
    }
    let mut reading = Vec::new();
    for _ in 0..crate::api::state::STORE_RUNS_AT_ONCE {
        reading.push(node.clone().oneshot(asked()).await.unwrap());
    }
    let mut waiting = tokio::spawn(node.clone().oneshot(asked()));
    get_ok(&node, "/v1/regions/18.71/progress").await;
    let soon = std::time::Duration::from_millis(50);
    assert!(tokio::time::timeout(soon, &mut waiting).await.is_err(), "it does not wait");
    drop(reading);
    assert_eq!(waiting.await.unwrap().unwrap().status(), StatusCode::OK);
}
