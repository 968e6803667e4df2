//! Answers bear up to where they go, and go at least as far as their client wants.

use axum::body::Body;
use axum::http::{HeaderMap, HeaderValue, Request, StatusCode};
use tokio::time::Instant;

use super::store::with_store;
use super::*;
use crate::api::position::CATCH_UP_TIMEOUT;
use crate::api::*;
use crate::query::live_view::LiveView;

fn at(path: &str, position: &str) -> Request<Body> {
    let request = Request::get(path).header("laju-at-least", position);
    request.body(Body::empty()).unwrap()
}

fn live() -> Arc<LiveView> {
    Arc::new(state().live(NOW.parse().unwrap()))
}

fn node_of(live: &Arc<LiveView>) -> Router {
    router(api_of(live))
}

fn api_of(live: &Arc<LiveView>) -> ApiState {
    let now: TimestampMs = NOW.parse().unwrap();
    let (clock, metrics): (Clock, RenderMetrics) = (Arc::new(move || now), Arc::new(String::new));
    ApiState::new(Arc::clone(live), clock, metrics)
}

#[tokio::test]
async fn every_figure_says_up_to_where_it_goes_and_so_does_304() {
    let live = live();
    live.set_statuses(live.statuses.load_full(), 9);
    let node = node_of(&live);
    let (_directory, _made, place) = with_store(20);
    let stored = router(api_of(&live).with_store(place));
    let position = live.position().unwrap().to_string();
    assert!(position.ends_with(".0:2,1:2;r2;s9"), "{position}");
    for path in [
        "/v1/progress",
        "/v1/regions/18.71/progress",
        "/v1/regions/18.71/breakdown?by=channel",
        "/v1/kiosks",
        "/v1/quarantine",
        "/v1/ledger",
        "/v1/ledger/1",
    ] {
        let node = if path == "/v1/ledger/1" { &stored } else { &node };
        let request = Request::get(path).body(Body::empty()).unwrap();
        let (_, headers, _) = send(node, request).await;
        assert_eq!(headers["laju-position"], position, "{path}");
        let again = Request::get(path).header("if-none-match", &headers["etag"]);
        let (status, headers, _) = send(node, again.body(Body::empty()).unwrap()).await;
        assert_eq!(
            (status, &headers["laju-position"]),
            (StatusCode::NOT_MODIFIED, &HeaderValue::from_str(&position).unwrap())
        );
    }
    // The same question has the same tag, however far it is asked for.
    let tag = |headers: &HeaderMap| headers["etag"].clone();
    let plain = ask(&node, "/v1/progress?level=province").await.1;
    for asked in ["level=province&at_least=", "at_least={}&level=province"] {
        let asked = format!("/v1/progress?{}", asked.replace("{}", &position));
        let asked = if asked.ends_with('=') { asked + &position } else { asked };
        assert_eq!(tag(&ask(&node, &asked).await.1), tag(&plain), "{asked}");
    }
    let (_, headers, _) = ask(&node, "/v1/regions").await;
    assert!(!headers.contains_key("laju-position"), "it rests on no offset");
}

#[tokio::test(start_paused = true)]
async fn a_node_is_waited_for_that_is_not_there_yet() {
    let live = live();
    let node = node_of(&live);
    let mut wanted = live.position().unwrap();
    let path = "/v1/regions/18.71/progress";
    assert_eq!(send(&node, at(path, &wanted.to_string())).await.0, StatusCode::OK);
    let plain = format!("{path}?at_least={wanted}");
    assert_eq!(ask(&node, &plain).await.0, StatusCode::OK);

    wanted.events.insert(1, 3);
    // There is more, as the node knows.
    live.update_readiness(|readiness| {
        readiness.positions.entry(1).and_modify(|position| position.end_offset = 3);
    });
    let begun = Instant::now();
    let (status, headers, body) = send(&node, at(path, &wanted.to_string())).await;
    assert_eq!(
        (status, &headers["retry-after"]),
        (StatusCode::SERVICE_UNAVAILABLE, &HeaderValue::from_static("2"))
    );
    assert!(begun.elapsed() >= CATCH_UP_TIMEOUT);
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert!(body["detail"].as_str().unwrap().contains(&wanted.to_string()), "{body}");

    // What is behind the end is no place to wait for, but only once the node has heard of the end
    // since it was asked, from a leader that is not new.
    let beyond = wanted.to_string().replace("1:3", "1:4");
    let (status, ..) = send(&node, at(path, &beyond)).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    live.update_readiness(|readiness| {
        let heard_ms = NOW.parse::<TimestampMs>().unwrap().0 + 4_000;
        readiness.positions.entry(1).and_modify(|at| at.checked_at = TimestampMs(heard_ms));
    });
    assert_eq!(send(&node, at(path, &beyond)).await.0, StatusCode::SERVICE_UNAVAILABLE);
    live.update_readiness(|readiness| {
        let since_ms = NOW.parse::<TimestampMs>().unwrap().0 - 60_000;
        let since = Some(TimestampMs(since_ms));
        readiness.positions.entry(1).and_modify(|at| {
            (at.steady_since, at.lag_ms) = (since, 40_000);
        });
    });
    let (status, ..) = send(&node, at(path, &beyond)).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "it waits for a schema and reads no more");
    live.update_readiness(|readiness| {
        readiness.positions.entry(1).and_modify(|at| at.lag_ms = 0);
    });
    let (status, _, body) = send(&node, at(path, &beyond)).await;
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &body["parameter"]), (StatusCode::BAD_REQUEST, &"at_least".into()));

    let asked = tokio::spawn({
        let (node, wanted) = (node.clone(), wanted.to_string());
        async move { send(&node, at(path, &wanted)).await }
    });
    tokio::time::sleep(CATCH_UP_TIMEOUT / 2).await;
    assert!(!asked.is_finished());
    let mut later = state();
    later.activate(1, "18.71", "2024-01-02", 5);
    live.snapshot.store(Arc::new(later.snapshot()));
    let (status, headers, body) = asked.await.unwrap();
    let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &body["activated"]), (StatusCode::OK, &90_015.into()));
    let position: laju_schemas::position::Position =
        headers["laju-position"].to_str().unwrap().parse().unwrap();
    assert!(position.covers(&wanted));
}

#[tokio::test]
async fn what_is_no_position_here_is_refused_with_the_reason() {
    let node = ready();
    let path = "/v1/regions/18.71/progress";
    for wrong in ["", "x", "00000000.0:1"] {
        let answered = [
            send(&node, at(path, wrong)).await,
            send(&node, at(&format!("{path}?at_least={wrong}"), "eff2800d.")).await,
        ];
        for (status, _, body) in answered {
            let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
            assert_eq!((status, &body["parameter"]), (StatusCode::BAD_REQUEST, &"at_least".into()));
        }
    }
    // What rests on no position takes none.
    assert_eq!(ask(&node, "/readyz?at_least=eff2800d.").await.0, StatusCode::BAD_REQUEST);
}
