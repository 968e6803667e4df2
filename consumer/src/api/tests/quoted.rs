//! Quoted figures as clients see them: their topic is a store in memory and nothing else.

use std::sync::Arc;
use std::sync::Mutex;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Request, StatusCode};
use laju_schemas::reference::Basis;
use laju_schemas::{QuotedFigure, TimestampMs};
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::access::{Keys, keys};
use crate::api::*;
use crate::domain::figure_book::FigureRecord;
use crate::query::fixtures::Fixture;
use crate::query::live_view::LiveView;
use crate::query::quoted::FigureStore;

const NOW: &str = "2024-08-02T05:00:00Z";

fn state() -> Fixture {
    let mut f = Fixture::new(2);
    f.denominator("18.71", Basis::WajibKtp, 767_000, "2023-01-01");
    f.percent_target("ID", Basis::WajibKtp, "25", "2023-01-01");
    f.activate(0, "18.71", "2023-12-31", 90_000);
    f
}

pub(super) struct Node {
    pub(super) router: Router,
    api: ApiState,
    live: Arc<LiveView>,
    figure_store: Arc<FigureStore>,
    published: Arc<Mutex<Vec<QuotedFigure>>>,
}

fn record(offset: i64, figure: &QuotedFigure) -> FigureRecord {
    let key = Some(figure.figure_id.0.to_vec());
    FigureRecord { offset, key, figure: Ok(figure.clone()) }
}

/// A node whose figures come back from their topic, if they do.
fn node_that(confirm: Result<Option<i64>, NotConfirmed>, comes_back: bool) -> Node {
    let now: TimestampMs = NOW.parse().unwrap();
    let live = Arc::new(state().live(TimestampMs(now.0 - 3_000)));
    let figure_store = Arc::new(FigureStore::default());
    let published = Arc::new(Mutex::new(Vec::new()));
    let (topic, log) = (Arc::clone(&figure_store), Arc::clone(&published));
    let publish = move |figure: &QuotedFigure| {
        let mut log = log.lock().unwrap();
        if confirm.is_ok() && comes_back {
            topic.put(record(log.len() as i64, figure));
        }
        log.push(figure.clone());
        confirm.clone()
    };
    let quoted_figures =
        QuotedFigures { figure_store: Arc::clone(&figure_store), publish: Arc::new(publish) };
    let api = ApiState::new(Arc::clone(&live), Arc::new(move || now), Arc::new(String::new));
    let api = api.with_figures(quoted_figures);
    let router = router(api.clone());
    Node { router, api, live, figure_store, published }
}

pub(super) fn ready() -> Node {
    let node = node_that(Ok(None), true);
    node.figure_store.set_read();
    node
}

impl Node {
    async fn send(&self, request: Request<Body>) -> (StatusCode, HeaderMap, Value) {
        let response = self.router.clone().oneshot(request).await.unwrap();
        let (parts, body) = response.into_parts();
        let body = to_bytes(body, usize::MAX).await.unwrap();
        (parts.status, parts.headers, serde_json::from_slice(&body).unwrap())
    }

    pub(super) async fn post(&self, body: Value) -> (StatusCode, HeaderMap, Value) {
        self.post_as("application/json", body.to_string()).await
    }

    async fn post_as(&self, kind: &str, body: String) -> (StatusCode, HeaderMap, Value) {
        let request = Request::post("/v1/figures").header("content-type", kind);
        self.send(request.body(Body::from(body)).unwrap()).await
    }

    async fn get(&self, path: &str) -> (StatusCode, HeaderMap, Value) {
        self.send(Request::get(path).body(Body::empty()).unwrap()).await
    }
}

#[tokio::test]
async fn a_former_code_in_the_body_is_quoted_as_its_successor_and_that_is_said() {
    let node = ready();
    let (status, headers, figure) = node.post(json!({"region": "91.01"})).await;
    assert_eq!((status, &figure["region"]["code"]), (StatusCode::CREATED, &json!("93.01")));
    assert_eq!(headers["laju-former-code"], "91.01=93.01");
    let (status, headers, _) = node.post(json!({"region": "91.01", "as_of": "2099-01-01"})).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(headers["laju-former-code"], "91.01=93.01");
    let (_, headers, same) = node.post(json!({"region": "93.01"})).await;
    assert_eq!(same["figure_id"], figure["figure_id"]);
    assert!(!headers.contains_key("laju-former-code"));
}

#[tokio::test]
async fn a_figure_is_quoted_once_and_given_back_with_what_it_would_be_now() {
    let node = ready();
    let (status, headers, figure) =
        node.post(json!({"region": "18.71", "as_of": "2023-12-31", "note": "rilis"})).await;
    assert_eq!(status, StatusCode::CREATED, "{figure}");
    let link = headers["location"].to_str().unwrap();
    assert_eq!(figure["link"], link);
    assert_eq!(figure["figure_id"], link.strip_prefix("/v1/figures/").unwrap());
    assert_eq!(figure["region"]["name"], "Kota Bandar Lampung");
    assert_eq!(figure["denominators"][0]["coverage_percent"], "11.73");
    assert_eq!(figure["target"]["attainment_percent"], "46.94");
    assert_eq!((&figure["note"], &figure["quoted_by"]), (&json!("rilis"), &Value::Null));
    assert_eq!(figure["quoted_at"], NOW);

    let (status, headers, again) =
        node.post(json!({"region": "18.71", "as_of": "2023-12-31", "known_at": null})).await;
    assert_eq!((status, headers["location"].to_str().unwrap()), (StatusCode::OK, link));
    assert_eq!(again, figure, "the first one stands, with its note");
    assert_eq!(node.published.lock().unwrap().len(), 1);

    let mut later = state();
    later.activate(1, "18.71", "2023-12-30", 40);
    let now: TimestampMs = NOW.parse().unwrap();
    let later = later.live(now);
    node.live.snapshot.store(later.snapshot.load_full());
    let (status, headers, answer) = node.get(link).await;
    assert_eq!((status, &headers["age"]), (StatusCode::OK, &"3".parse().unwrap()));
    assert_eq!(answer["figure"], figure);
    assert_eq!(answer["now"]["activated"], 90_040);
    assert_eq!(answer["now"]["as_of"], "2023-12-31");
    assert_eq!(answer["difference"]["activated"], 40);
    let age = json!({"from_days": 0, "to_days": 1});
    let part = json!({"kind": "activations", "age": age, "reason": null, "amount": 40});
    assert_eq!(answer["difference"]["parts"], json!([part]));
    assert_eq!(answer["difference"]["denominators"][0]["changed"], false);
    assert_eq!(answer["without_now"], Value::Null);

    let (_, _, list) = node.get("/v1/figures?region=18.71&limit=5").await;
    assert_eq!((&list["total"], &list["rows"]), (&json!(1), &json!([figure])));
    assert_eq!(node.get("/v1/figures?region=18.72").await.2["total"], 0);
    // A node that answers no figures of its own still has those that were quoted.
    node.live.update_readiness(|readiness| readiness.positions.clear());
    let (status, _, answer) = node.get(link).await;
    assert_eq!((status, &answer["figure"]), (StatusCode::OK, &figure));
    assert_eq!((&answer["now"], &answer["difference"]), (&Value::Null, &Value::Null));
    assert!(answer["without_now"].as_str().unwrap().contains("loaded: 0 of 2 partitions"));
    let (status, _, problem) = node.post(json!({"region": "18.71"})).await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("/problems/not-ready"))
    );
}

#[tokio::test]
async fn without_a_day_a_figure_is_of_today_and_stays_so() {
    let node = ready();
    let (_, _, figure) = node.post(json!({"region": "ID"})).await;
    assert_eq!((&figure["as_of"], &figure["known_at"]), (&json!("2024-08-02"), &Value::Null));
    assert_eq!(figure["activated"], 90_000);
}

#[tokio::test]
async fn who_quotes_is_the_name_of_the_token() {
    let Keys { quote, tokens, .. } = keys();
    let mut node = ready();
    let access = Access { tokens: Some(tokens), ..Access::default() };
    node.router = router(node.api.clone().with_access(access));
    let request = Request::post("/v1/figures")
        .header("content-type", "application/json")
        .header("authorization", format!("Bearer {quote}"))
        .body(json!({"region": "18.71"}).to_string().into());
    let (_, _, figure) = node.send(request.unwrap()).await;
    assert_eq!(figure["quoted_by"], "office");
}

#[tokio::test]
async fn a_field_that_cannot_be_used_is_named_and_what_was_sent_is_not_repeated() {
    let node = ready();
    let nik = "1871010101900001";
    for (body, field) in [
        (json!({}), "region"),
        (json!({"region": null}), "region"),
        (json!({"region": 18.71}), "region"),
        (json!({"region": nik}), "region"),
        (json!({"region": "18.71", "asof": "2023-12-31"}), "asof"),
        (json!({"region": "18.71", "as_of": "2023-12-32"}), "as_of"),
        (json!({"region": "18.71", "as_of": "20231231"}), "as_of"),
        (json!({"region": "18.71", "as_of": "2024-08-03"}), "as_of"),
        (json!({"region": "18.71", "known_at": nik}), "known_at"),
        (json!({"region": "18.71", "known_at": "2024-08-03"}), "known_at"),
        (json!({"region": "18.71", "as_of": "2021-12-31"}), "as_of"),
        (json!({"region": "18.71", "known_at": "2021-12-31"}), "known_at"),
        (json!({"region": "18.71", "note": ""}), "note"),
        (json!({"region": "18.71", "note": "é".repeat(501)}), "note"),
        (json!({"region": "18.71", "note": "a\u{1b}[2J"}), "note"),
        (json!({"region": "18.71", "note": format!("warga {nik}")}), "note"),
        (json!({"region": "18.71", nik: 1}), "(16 digits)"),
    ] {
        let (status, headers, problem) = node.post(body.clone()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}: {problem}");
        assert_eq!(headers["content-type"], laju_kafka::problem::PROBLEM_JSON);
        assert_eq!(problem["field"], field, "{body}: {problem}");
        assert!(problem["detail"].as_str().is_some_and(|detail| !detail.is_empty()));
        assert!(!problem.to_string().contains(&nik[..12]), "{problem}");
    }
    for body in ["", "[]", "{\"region\":", "\"18.71\"", "{} {}"] {
        let (status, _, problem) = node.post_as("application/json", body.to_owned()).await;
        assert_eq!(
            (status, &problem["type"]),
            (StatusCode::BAD_REQUEST, &json!("/problems/bad-body"))
        );
    }
    let twice = "{\"region\":\"18.71\",\"region\":\"18.72\"}".to_owned();
    assert_eq!(node.post_as("application/json", twice).await.2["field"], "region");
    for kind in ["text/plain", "application/jsonp", "application/x-www-form-urlencoded", ""] {
        let (status, _, problem) = node.post_as(kind, "{\"region\":\"18.71\"}".to_owned()).await;
        assert_eq!(status, StatusCode::UNSUPPORTED_MEDIA_TYPE, "{kind}: {problem}");
    }
    assert_eq!(node.post(json!({"region": "18.99"})).await.0, StatusCode::NOT_FOUND);
    let (status, _, _) = node.post(json!({"region": "18.71", "note": "x".repeat(20 << 10)})).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(node.published.lock().unwrap().is_empty(), "nothing was quoted");
    let (_, _, problem) = node.post(json!({"region": "18.71", "as_of": "2021-12-31"})).await;
    assert!(problem["detail"].as_str().unwrap().contains("2022-01-01"), "{problem}");
    let first_day = json!({"region": "18.71", "as_of": "2022-01-01", "known_at": "2022-01-01"});
    assert_eq!(node.post(first_day).await.0, StatusCode::CREATED);
    let fine = "{\"region\":\"18.71\",\"note\":\"é\"}".to_owned();
    let (status, _, _) = node.post_as("Application/JSON; charset=utf-8", fine).await;
    assert_eq!(status, StatusCode::CREATED);
}

#[tokio::test]
async fn the_pages_of_figures_are_the_list() {
    let node = ready();
    for (region, day) in [("18.71", "01"), ("18.72", "02"), ("18.71", "03"), ("18", "04")] {
        let (status, ..) =
            node.post(json!({"region": region, "as_of": format!("2024-01-{day}")})).await;
        assert_eq!(status, StatusCode::CREATED);
    }
    for (filter, count) in [("", 4), ("&region=18.71", 2)] {
        let (_, _, whole) = node.get(&format!("/v1/figures?limit=1000{filter}")).await;
        let whole = whole["rows"].as_array().unwrap().clone();
        assert_eq!(whole.len(), count);
        let (mut found, mut next) = (Vec::new(), format!("/v1/figures?limit=1{filter}"));
        loop {
            let (_, _, page) = node.get(&next).await;
            found.extend(page["rows"].as_array().unwrap().clone());
            match page["next"].as_str() {
                Some(link) => next = link.to_owned(),
                None => break,
            }
        }
        assert_eq!(found, whole);
    }
    let unknown = "/v1/figures?after=018f0000-0000-8000-8000-000000000001";
    assert_eq!(node.get(unknown).await.2["parameter"], "after");
}

#[tokio::test]
async fn what_is_unknown_damaged_or_not_read_yet_is_a_problem_of_its_own() {
    let node = ready();
    let unknown = "/v1/figures/018f0000-0000-8000-8000-000000000001";
    let (status, _, problem) = node.get(unknown).await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::NOT_FOUND, &json!("/problems/unknown-figure"))
    );
    let detail = problem["detail"].as_str().unwrap();
    assert!(detail.contains("up to offset 0") && detail.contains("on its way"), "{detail}");
    assert_eq!(node.get("/v1/figures/latest").await.2["parameter"], "id");
    assert_eq!(node.get("/v1/figures?limit=0").await.2["parameter"], "limit");
    assert_eq!(node.get("/v1/figures?region=18.99").await.0, StatusCode::NOT_FOUND);
    let request = Request::delete("/v1/figures").body(Body::empty()).unwrap();
    assert_eq!(node.send(request).await.0, StatusCode::METHOD_NOT_ALLOWED);

    let (_, _, figure) = node.post(json!({"region": "18.71"})).await;
    let mut forged = node.published.lock().unwrap()[0].clone();
    forged.content.activated += 1;
    let other = ready();
    assert!(other.figure_store.put(record(0, &forged)).is_some());
    let link = figure["link"].as_str().unwrap();
    let (status, _, problem) = other.get(link).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR);
    assert_eq!(problem["type"], "/problems/damaged-figure");
    assert!(problem["detail"].as_str().unwrap().contains("digest"), "{problem}");
    let (_, _, list) = other.get("/v1/figures").await;
    assert_eq!((&list["total"], &list["rows"]), (&json!(0), &json!([])));
    assert_eq!(list["damaged"][0]["figure_id"], figure["figure_id"]);
    // However many are damaged, no more are listed than rows were asked for.
    let key = Some(vec![0xff; 16]);
    assert!(other.figure_store.put(FigureRecord { key, ..record(1, &forged) }).is_some());
    let (_, _, list) = other.get("/v1/figures?limit=1").await;
    assert_eq!((&list["damaged_total"], list["damaged"].as_array().unwrap().len()), (&json!(2), 1));
    let list = serde_json::from_value(list).unwrap();
    let text = crate::cli::tables::figure::figures(&list);
    assert!(text.contains("and 1 more damaged"), "{text}");
    let (_, _, problem) = other.get(unknown).await;
    assert!(problem["detail"].as_str().unwrap().contains("up to offset 2"), "{problem}");
    // Quoted again, the id has a record that can be trusted.
    assert_eq!(other.post(json!({"region": "18.71"})).await.0, StatusCode::CREATED);
    assert_eq!(other.get(link).await.0, StatusCode::OK);

    let unread = node_that(Ok(None), true);
    for (status, _, problem) in [
        unread.get(unknown).await,
        unread.get("/v1/figures").await,
        unread.post(json!({"region": "18.71"})).await,
    ] {
        assert_eq!(
            (status, &problem["type"]),
            (StatusCode::SERVICE_UNAVAILABLE, &json!("/problems/not-ready"))
        );
        assert!(problem["detail"].as_str().unwrap().contains("figures topic"), "{problem}");
    }
    assert_eq!(unread.get("/v1/regions/18.71/progress").await.0, StatusCode::OK);
}

#[tokio::test(start_paused = true)]
async fn a_figure_that_is_not_confirmed_or_not_read_back_is_not_answered_as_quoted() {
    let away = node_that(Err(NotConfirmed("no broker".to_owned())), true);
    away.figure_store.set_read();
    let (status, headers, problem) = away.post(json!({"region": "18.71"})).await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("/problems/figure-not-stored"))
    );
    assert!(problem["detail"].as_str().unwrap().contains("no broker"), "{problem}");
    assert!(headers.contains_key("retry-after"));
    let slow = node_that(Ok(Some(7)), false);
    slow.figure_store.set_read();
    let (status, _, problem) = slow.post(json!({"region": "18.71"})).await;
    assert_eq!(
        (status, &problem["type"]),
        (StatusCode::GATEWAY_TIMEOUT, &json!("/problems/figure-not-read-back"))
    );
    let id = slow.published.lock().unwrap()[0].figure_id.to_string();
    assert!(problem["detail"].as_str().unwrap().contains(&id), "{problem}");
    // Another node's record of the same figure stands before ours: nothing was made by us.
    let raced = node_that(Ok(Some(7)), true);
    raced.figure_store.set_read();
    assert_eq!(raced.post(json!({"region": "18.71"})).await.0, StatusCode::OK);
}
