//! The document says what the interface does, and the interface does what the document says.

mod judge;

use std::collections::BTreeSet;

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use laju_schemas::TimestampMs;
use laju_schemas::decision::Decision;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::access::keys;
use super::{NOW, api, ask, get_ok, problem, ready, send, state};
use super::{quoted, store};
use crate::api::*;
use crate::domain::account::Account;
use crate::domain::cell::Detail;
use crate::query::fixtures::Fixture;
use crate::query::folded_log::{ACTIVATED, FoldedLog, id};
use judge::Judge;

async fn document(node: &Router) -> Value {
    ask(node, "/openapi.json").await.2
}

/// Every operation: its path, its method in small letters, and what is said of it.
fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let all = paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().unwrap().clone();
        item.into_iter().map(move |(method, operation)| (path.clone(), method, operation))
    });
    all.collect()
}

/// A path with something in the place of its parameters.
fn filled(path: &str) -> String {
    let path = path.replace("{code}", "18.71").replace("{event_id}", &id(1).to_string());
    let path = path.replace("{partition}", "0");
    let path = path.replace("{file}", "index.html").replace("{kind}", "internal");
    let path = path.replace("/figures/{id}", &format!("/figures/{}", id(1)));
    let path = path.replace("{id}", if path.contains("kiosks") { "K-1" } else { "visit" });
    assert!(!path.contains('{'), "{path}: say here what a test puts in");
    path
}

#[tokio::test]
async fn the_router_has_every_path_of_the_document_and_no_other() {
    let document = document(&ready()).await;
    let documented: BTreeSet<String> =
        document["paths"].as_object().unwrap().keys().cloned().collect();
    // What axum itself says of its paths, as text.
    let (router, _) = paths().split_for_parts();
    let text = format!("{router:?}");
    let (text, _) = text.split_once("fallback_router").unwrap();
    let routed: BTreeSet<String> =
        text.split('"').filter(|part| part.starts_with('/')).map(str::to_owned).collect();
    assert_eq!(documented, routed);
    assert!(documented.len() >= 23);
    let node = ready();
    for (path, method, _) in operations(&document) {
        let request = Request::builder()
            .method(Method::from_bytes(method.to_uppercase().as_bytes()).unwrap())
            .uri(filled(&path));
        // The live stream's body has no end.
        let answer = node.clone().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
        assert_ne!(answer.status(), StatusCode::METHOD_NOT_ALLOWED, "{method} {path}");
    }
}

#[tokio::test]
async fn nothing_but_healthz_answers_without_a_token() {
    let now: TimestampMs = NOW.parse().unwrap();
    let access = Access { tokens: Some(keys().tokens), ..Access::default() };
    let node = router(api(state().live(now), now).with_access(access));
    // The document itself takes a token too: this one is of a node that takes none.
    let document = document(&ready()).await;
    let mut walked = 0;
    let screen = ["/", "/assets/js/main.js", "/nothing"].map(str::to_owned);
    for path in document["paths"].as_object().unwrap().keys().chain(&screen) {
        for method in [Method::GET, Method::HEAD, Method::POST, Method::OPTIONS, Method::DELETE] {
            let request = Request::builder().method(&method).uri(filled(path));
            let (status, headers, _) = send(&node, request.body(Body::empty()).unwrap()).await;
            let is_open = path == "/healthz" && [Method::GET, Method::HEAD].contains(&method);
            let expected = if is_open { StatusCode::OK } else { StatusCode::UNAUTHORIZED };
            assert_eq!(status, expected, "{method} {path}");
            assert_eq!(headers.contains_key("www-authenticate"), !is_open, "{method} {path}");
            walked += 1;
        }
    }
    assert!(walked > 100);
}

#[tokio::test]
async fn the_document_is_whole() {
    let now: TimestampMs = NOW.parse().unwrap();
    let keys = keys();
    let access = Access { tokens: Some(keys.tokens), ..Access::default() };
    let guarded = router(api(state().live(now), now).with_access(access));
    let request = Request::get("/openapi.json")
        .header("authorization", format!("Bearer {}", keys.read))
        .body(Body::empty())
        .unwrap();
    let (status, _, body) = send(&guarded, request).await;
    assert_eq!(status, StatusCode::OK);
    let with_tokens: Value = serde_json::from_slice(&body).unwrap();
    for (document, has_tokens) in [(document(&ready()).await, false), (with_tokens, true)] {
        assert_eq!(document["openapi"], "3.1.0");
        let mut ids = BTreeSet::new();
        for (path, method, operation) in operations(&document) {
            let at = format!("{method} {path}");
            assert!(ids.insert(operation["operationId"].as_str().unwrap().to_owned()), "{at}");
            assert!(operation["summary"].as_str().is_some_and(|text| !text.is_empty()), "{at}");
            let secured = operation["security"] == json!([{"bearer": []}, {"basic": []}]);
            assert_eq!(secured, has_tokens && path != "/healthz", "{at}");
            for parameter in operation["parameters"].as_array().into_iter().flatten() {
                assert!(parameter["description"].is_string(), "{at}: {parameter}");
            }
        }
        check_references(&document, &document);
        for (name, schema) in document["components"]["schemas"].as_object().unwrap() {
            assert!(schema["description"].is_string() || name == "Count", "{name} says what it is");
            for (member, schema) in schema["properties"].as_object().into_iter().flatten() {
                let says = |schema: &Value| {
                    schema["description"].is_string()
                        || schema["oneOf"][0]["description"].is_string()
                };
                assert!(says(schema) || schema["$ref"].is_string(), "{name}.{member}: {schema}");
            }
        }
    }
}

fn check_references(document: &Value, part: &Value) {
    match part {
        Value::Object(members) => {
            if let Some(reference) = members.get("$ref").and_then(Value::as_str) {
                let pointer = reference.strip_prefix('#').unwrap();
                assert!(document.pointer(pointer).is_some(), "{reference} is nowhere");
            }
            members.values().for_each(|member| check_references(document, member));
        }
        Value::Array(items) => items.iter().for_each(|item| check_references(document, item)),
        _ => {}
    }
}

#[tokio::test]
async fn the_parameters_documented_are_those_taken() {
    let node = ready();
    for (path, method, operation) in operations(&document(&node).await) {
        if method != "get" {
            continue;
        }
        let parameters = operation["parameters"].as_array().cloned().unwrap_or_default();
        let of_query: Vec<_> = parameters.iter().filter(|p| p["in"] == "query").collect();
        let needed = of_query.iter().filter(|p| p["required"] == true).map(|parameter| {
            let example = parameter["example"].as_str().expect("what is needed has an example");
            format!("{}={example}&", parameter["name"].as_str().unwrap())
        });
        let needed: String = needed.collect();
        let mut taken = BTreeSet::new();
        let axes: &[&str] =
            if path.ends_with("/change") { &["axis=as_of&", "axis=known_at&"] } else { &[""] };
        for axis in axes {
            let asked = format!("{}?{needed}{axis}no_such=1", filled(&path));
            let detail = problem(&node, &asked).await["detail"].as_str().unwrap().to_owned();
            if let Some((_, known)) = detail.split_once("known here: ") {
                taken.extend(known.split(", ").map(str::to_owned));
            } else {
                assert!(detail.ends_with("none is taken here"), "{asked}: {detail}");
            }
        }
        let mut documented: BTreeSet<_> =
            of_query.iter().map(|p| p["name"].as_str().unwrap().to_owned()).collect();
        // Heeded before any of the others is looked at.
        assert_eq!(documented.remove("at_least"), path.starts_with("/v1/"), "{path}");
        assert_eq!(documented, taken, "{path}");
        // Examples are true: what is asked with them is answered.
        let path_examples =
            parameters.iter().all(|p| p["in"] != "path" || p["example"].is_string());
        if path_examples && path.starts_with("/v1/regions/") && !path.ends_with("/change") {
            let mut asked = path.replace("{code}", "18.71") + "?";
            for parameter in &of_query {
                if let Some(example) = parameter["example"].as_str() {
                    asked += &format!("{}={example}&", parameter["name"].as_str().unwrap());
                }
            }
            get_ok(&node, asked.trim_end_matches('&')).await;
        }
    }
}

fn rich() -> Fixture {
    let mut f = state();
    f.denominator("17.71", laju_schemas::reference::Basis::RecordedKtp, 108_000, "2023-01-01");
    for day in ["2024-07-01", "2024-07-02", "2024-07-03", "2024-07-04", "2024-07-05"] {
        let sequence = day[8..].parse().unwrap();
        f.receive(0, ("K-2", "18.71"), [sequence], "18.71", day);
    }
    f.decide((0, 1), Decision::Released, Some((1, 0)));
    f
}

fn visited() -> Fixture {
    let mut f = state();
    let visit = Detail::Visit { visit: f.visit(1, "visit-1", "V-1"), hour: 9 };
    f.post(1, Account::VisitActivations, "18.71", ("2024-01-01", "2024-01-01"), visit, 12);
    f
}

#[tokio::test]
async fn answers_are_as_the_document_says() {
    let now: TimestampMs = NOW.parse().unwrap();
    let node = router(api(rich().live(now), now));
    let mut judge = Judge::new(document(&node).await);
    for path in [
        "/v1/regions",
        "/v1/regions?level=province",
        "/v1/progress?within=18",
        "/v1/progress?level=province&known_at=2024-01-01",
        "/v1/regions/18.71/progress",
        "/v1/regions/18.71/progress?as_of=2023-12-31&known_at=2024-01-05",
        "/v1/regions/ID/progress",
        "/v1/regions/17.71/progress",
        "/v1/regions/18.71/series?from=2023-12-01&to=2024-01-31&step=week",
        "/v1/regions/18.71/breakdown?by=channel",
        "/v1/regions/18.71/breakdown?by=card_reason",
        "/v1/regions/18.71/breakdown?by=outreach",
        "/v1/regions/18.71/pace",
        "/v1/regions/18.71/pace?from=2023-12-31&to=2024-01-10",
        "/v1/regions/18.71/change?from=2023-12-31&to=2024-01-31",
        "/v1/regions/18.71/change?from=2023-12-31&to=2024-01-31&axis=as_of",
        "/v1/regions/18.71/postings?account=activations",
        "/v1/regions/18.71/flows",
        "/v1/regions/18.71/evidence",
        "/v1/regions/18.71/evidence?as_of=2023-12-31&known_at=2024-01-05",
        "/v1/regions/ID/evidence",
        "/v1/pace?level=province",
        "/v1/pace?within=18&as_of=2024-01-05",
        "/v1/flows?within=18",
        "/v1/outreach",
        "/v1/kiosks",
        "/v1/kiosks/K-1",
        "/v1/kiosks/K-2",
        "/v1/quarantine",
        "/v1/ledger",
        "/healthz",
        "/readyz",
        "/problems/internal",
        "/v1/regions/91.01/progress",
        // And what goes wrong.
        "/v1/regions/18.99/progress",
        "/v1/regions/1871/progress",
        "/v1/regions/18.71/progress?asof=1",
        "/v1/kiosks/none",
        "/problems/none",
    ] {
        judge.judge(path, &ask(&node, path).await);
    }
    let silent = get_ok(&node, "/v1/regions/18.71/progress").await;
    assert_eq!(silent["missing"]["silent_kiosks"][0]["kiosk_id"], "K-2", "what is judged is there");
    let quarantine = get_ok(&node, "/v1/quarantine").await;
    assert_eq!(quarantine["latest"][0]["decision"]["released_offset"], 0, "{quarantine}");

    // What only a fold has: visits, an event's fate, a kiosk's conflicts.
    let mut folding = FoldedLog::new(2, "2024-08-01T05:00:00Z");
    folding.event((1, 7), (1, "K-1", 3), ("2024-07-31T05:00:00Z", "18.71"), ACTIVATED);
    folding.event((1, 8), (2, "K-1", 3), ("2024-07-31T06:00:00Z", "18.71"), ACTIVATED);
    let node = router(api(folding.live(now), now));
    for path in [
        "/v1/kiosks/K-1".to_owned(),
        format!("/v1/events/{}", id(1)),
        format!("/v1/events/{}", id(9)),
    ] {
        judge.judge(&path, &ask(&node, &path).await);
    }
    let visited = visited();
    let node = router(api(visited.live(now), now));
    for path in ["/v1/outreach", "/v1/outreach/visit-1", "/v1/outreach/none"] {
        judge.judge(path, &ask(&node, path).await);
    }
    assert!(get_ok(&node, "/v1/outreach").await["total"].as_u64().unwrap() > 0);

    // What only a node that keeps quoted figures has.
    let quoting = quoted::ready();
    let quotation = json!({"region": "18.71", "as_of": "2023-12-31", "note": "rilis"});
    let (_, _, figure) = quoting.post(quotation).await;
    for path in ["/v1/figures", figure["link"].as_str().unwrap(), &filled("/v1/figures/{id}")] {
        judge.judge(path, &ask(&quoting.router, path).await);
    }

    // What only a node with a store has.
    let (_directory, _made, place) = store::with_store(20);
    let storing = router(api(state().live(now), now).with_store(place));
    for path in ["/v1/store", "/v1/store/2/facts", "/v1/store/0/facts?from=-1"] {
        judge.judge(path, &ask(&storing, path).await);
    }

    // Of those with JSON none is left out, save the document itself.
    let all: BTreeSet<_> = operations(&document(&node).await)
        .into_iter()
        .filter(|(_, _, operation)| {
            operation["responses"]["200"]["content"]["application/json"].is_object()
        })
        .map(|(path, ..)| path)
        .filter(|path| path != "/openapi.json")
        .collect();
    assert_eq!(judge.judged, all, "say above how each is asked");
}

#[tokio::test]
async fn the_page_asks_nobody_else_for_anything() {
    let node = ready();
    let (status, headers, _) =
        send(&node, Request::get("/docs").body(Body::empty()).unwrap()).await;
    assert_eq!(
        (status, &headers["location"]),
        (StatusCode::PERMANENT_REDIRECT, &"/docs/index.html".parse().unwrap())
    );
    for file in ["index.html", "swagger-initializer.js", "swagger-ui-bundle.js", "swagger-ui.css"] {
        let request = Request::get(format!("/docs/{file}")).body(Body::empty()).unwrap();
        let (status, headers, body) = send(&node, request).await;
        assert_eq!((status, body.is_empty()), (StatusCode::OK, false), "{file}");
        let policy = headers["content-security-policy"].to_str().unwrap();
        assert!(policy.starts_with("default-src 'none'") && !policy.contains("http"), "{policy}");
    }
    let request = Request::get("/docs/swagger-initializer.js")
        .header("accept-encoding", "identity")
        .body(Body::empty())
        .unwrap();
    let (_, headers, body) = send(&node, request).await;
    assert!(!headers.contains_key("content-encoding"));
    let settings = String::from_utf8(body).unwrap();
    assert!(settings.contains("/openapi.json") && settings.contains("\"validatorUrl\": \"none\""));
    assert_eq!(problem(&node, "/docs/none").await["status"], 404);
}
