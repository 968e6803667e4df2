//! The interface as clients see it: requests to a node whose state is made by hand.

use std::io::Read as _;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use laju_kafka::trouble::{Trouble, TroubleKind, TroubledPartition};
use laju_schemas::TimestampMs;
use laju_schemas::event::{Channel, DeactivationReason};
use laju_schemas::quarantine::Reason;
use laju_schemas::reference::Basis;
use serde_json::{Value, json};
use tower::ServiceExt as _;

use super::problem::{Kind, PROBLEM_JSON};
use super::*;
use crate::domain::account::{Account, Detail};
use crate::projection::partition::PartitionState;
use crate::projection::shard::Shards;
use crate::query::fixtures::{Fixture, activation};
use crate::query::folding::{ACTIVATED, Folding, id};
use axum::routing::get;

pub(super) const NOW: &str = "2024-08-02T05:00:00Z";

pub(super) fn state() -> Fixture {
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

pub(super) fn node(live: LiveView) -> Router {
    let now: TimestampMs = NOW.parse().unwrap();
    router(api(live, now))
}

/// What a node answers from, on a day of its own.
pub(super) fn api(live: LiveView, now: TimestampMs) -> ApiState {
    let clock: Clock = Arc::new(move || now);
    let metrics: RenderMetrics = Arc::new(|| "laju_up 1\n".to_owned());
    ApiState::new(Arc::new(live), clock, metrics)
}

pub(super) fn ready() -> Router {
    let now: TimestampMs = NOW.parse().unwrap();
    node(state().live(TimestampMs(now.0 - 3_000)))
}

pub(super) async fn send(
    router: &Router,
    request: Request<Body>,
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let response = router.clone().oneshot(request).await.unwrap();
    let (parts, body) = response.into_parts();
    (parts.status, parts.headers, to_bytes(body, usize::MAX).await.unwrap().to_vec())
}

pub(super) async fn ask(router: &Router, path: &str) -> (StatusCode, HeaderMap, Value) {
    let request = Request::get(path).body(Body::empty()).unwrap();
    let (status, headers, body) = send(router, request).await;
    let body = serde_json::from_slice(&body)
        .unwrap_or_else(|_| panic!("{path}: {}", String::from_utf8_lossy(&body)));
    (status, headers, body)
}

pub(super) async fn get_ok(router: &Router, path: &str) -> Value {
    let (status, headers, body) = ask(router, path).await;
    assert_eq!(status, StatusCode::OK, "{path}: {body}");
    assert_eq!(headers["content-type"], "application/json");
    let kept = if path.starts_with("/v1") { "no-cache" } else { "no-store" };
    assert_eq!(headers["cache-control"], kept);
    body
}

/// Asks for something that goes wrong, and checks that the answer is a problem.
pub(super) async fn problem(router: &Router, path: &str) -> Value {
    let (status, headers, body) = ask(router, path).await;
    assert_eq!(headers["content-type"], PROBLEM_JSON, "{path}");
    assert_eq!(body["status"], status.as_u16(), "{path}");
    for name in ["type", "title", "detail"] {
        assert!(body[name].as_str().is_some_and(|text| !text.is_empty()), "{path}: {name}");
    }
    body
}

#[tokio::test]
async fn progress_carries_figures_evidence_age_and_a_link_that_works() {
    let node = ready();
    let path = "/v1/regions/18.71/progress?as_of=2023-12-31";
    let (status, headers, body) = ask(&node, path).await;
    assert_eq!((status, &headers["age"]), (StatusCode::OK, &"3".parse().unwrap()));
    assert_eq!(body["activated"], 90_000);
    assert_eq!(body["denominators"][0]["coverage_percent"], "11.73");
    assert_eq!(body["target"]["attainment_percent"], "46.94");
    assert_eq!(body["bounds"], json!({"lower": 89_997, "upper": 90_003}));
    assert_eq!(body["evidence"]["partitions"][1]["partition"], 1);
    let again = get_ok(&node, body["link"].as_str().unwrap()).await;
    assert_eq!(again["activated"], 90_000);
    assert_eq!(again["known_at"], "2024-08-02");
    assert_eq!(get_ok(&node, "/v1/regions/ID/progress").await["activated"], 90_010);
    assert_eq!(get_ok(&node, "/v1/regions/18/progress").await["region"]["name"], "Lampung");
    let early = get_ok(&node, "/v1/regions/18.71/progress?as_of=2021-12-31").await;
    assert_eq!(early["activated"], 0);
}

#[tokio::test]
async fn a_former_code_is_answered_as_its_successor_and_that_is_said() {
    let mut f = state();
    f.activate(0, "93.01", "2023-12-31", 7);
    let now: TimestampMs = NOW.parse().unwrap();
    let node = node(f.live(now));
    let path = "/v1/regions/91.01/progress?as_of=2023-12-31";
    let (status, headers, body) = ask(&node, path).await;
    assert_eq!((status, &body["activated"]), (StatusCode::OK, &json!(7)), "{body}");
    assert_eq!(body["region"]["code"], "93.01");
    assert_eq!(body["region"]["name"], "Kabupaten Merauke");
    assert_eq!(headers["laju-former-code"], "91.01=93.01");
    let canonical = "</v1/regions/93.01/progress?as_of=2023-12-31>; rel=\"canonical\"";
    assert_eq!(headers["link"], canonical);
    let (_, headers, escaped) = ask(&node, "/v1/regions/91%2E01/progress?as_of=2023-12-31").await;
    assert_eq!(escaped["activated"], 7, "{escaped}");
    assert_eq!(
        (&headers["laju-former-code"], &headers["link"]),
        (&"91.01=93.01".parse().unwrap(), &canonical.parse().unwrap(),)
    );
    let (_, headers, today) = ask(&node, "/v1/regions/93.01/progress?as_of=2023-12-31").await;
    assert!(!headers.contains_key("laju-former-code") && !headers.contains_key("link"));
    assert_eq!(today["activated"], 7);

    let (status, headers, body) = ask(&node, "/v1/progress?within=92.71").await;
    assert_eq!((status, &body["within"]), (StatusCode::OK, &json!("96.71")));
    assert_eq!(headers["laju-former-code"], "92.71=96.71");
    // The table says which region had which code.
    let body = get_ok(&node, "/v1/regions?within=96.71").await;
    assert_eq!(body["rows"][0]["former_code"], "92.71");
    assert_eq!(
        get_ok(&node, "/v1/regions?within=18.71").await["rows"][0]["former_code"],
        json!(null)
    );
}

#[tokio::test]
async fn progress_of_all_regions_has_a_row_for_each() {
    let node = ready();
    let rows = |body: &Value| body["rows"].as_array().unwrap().len();
    assert_eq!(rows(&get_ok(&node, "/v1/progress").await), 514);
    let provinces = get_ok(&node, "/v1/progress?level=province").await;
    assert_eq!((rows(&provinces), &provinces["within"]), (38, &json!("ID")));
    let lampung = get_ok(&node, "/v1/progress?level=regency&within=18&as_of=2023-12-31").await;
    assert_eq!(rows(&lampung), 15);
    let row = lampung["rows"].as_array().unwrap().iter().find(|row| row["activated"] != 0);
    assert_eq!(row.unwrap()["region"]["code"], "18.71");
    let again = get_ok(&node, lampung["link"].as_str().unwrap()).await;
    assert_eq!(again["rows"], lampung["rows"]);
}

#[tokio::test]
async fn series_breakdown_kiosks_quarantine_and_regions_answer() {
    let node = ready();
    let series =
        get_ok(&node, "/v1/regions/18/series?from=2023-12-01&to=2024-01-31&step=month").await;
    assert_eq!(series["points"][0]["activated"], 90_000);
    assert_eq!(series["points"][1]["activations"], 10);
    let days = get_ok(&node, "/v1/regions/18/series?from=2023-12-31&to=2024-01-01").await;
    assert_eq!((&days["step"], days["points"].as_array().unwrap().len()), (&json!("day"), 2));

    let breakdown = get_ok(&node, "/v1/regions/18.71/breakdown?by=channel").await;
    assert_eq!(breakdown["by"], "channel");
    assert_eq!(breakdown["rows"][0], json!({"key": "office", "count": 90_010}));

    let kiosks = get_ok(&node, "/v1/kiosks").await;
    assert_eq!(kiosks["rows"][0]["kiosk_id"], "K-1");
    assert_eq!(kiosks["rows"][0]["gaps"], json!([[2, 2], [4, 4]]));
    assert_eq!((&kiosks["total"], &kiosks["next"]), (&json!(1), &Value::Null));
    let missing = get_ok(&node, "/v1/kiosks?missing=false&within=18&silent=false&limit=5").await;
    assert_eq!(missing["total"], 0);

    let quarantine = get_ok(&node, "/v1/quarantine").await;
    assert_eq!(quarantine["reasons"], json!([{"reason": "wrong_key", "count": 1}]));
    assert_eq!(quarantine["latest"][0]["kiosk_id"], "K-BAD");
    assert_eq!(get_ok(&node, "/v1/quarantine?limit=0").await["latest"], json!([]));
    assert_eq!(get_ok(&node, "/v1/quarantine?known_at=2024-01-01").await["total"], 0);

    let rows = |body: Value| body["rows"].as_array().unwrap().len();
    assert_eq!(rows(get_ok(&node, "/v1/regions").await), 553);
    assert_eq!(rows(get_ok(&node, "/v1/regions?level=regency&within=18").await), 15);
}

#[tokio::test]
async fn the_pace_of_every_level_answers_and_its_link_gives_the_same() {
    let node = ready();
    for path in [
        "/v1/regions/18.71/pace",
        "/v1/regions/18/pace?as_of=2024-01-01&known_at=2024-01-02",
        "/v1/regions/ID/pace?from=2023-12-31&to=2024-01-10",
    ] {
        let body = get_ok(&node, path).await;
        assert_eq!(body["evidence"]["partitions"][1]["partition"], 1);
        let again = get_ok(&node, body["link"].as_str().unwrap()).await;
        assert_eq!((&again["windows"], &again["goal"]), (&body["windows"], &body["goal"]));
    }
    let body = get_ok(&node, "/v1/regions/18.71/pace?from=2023-12-31&to=2024-01-10").await;
    assert_eq!(
        (&body["as_of"], &body["windows"][0]["per_day"]),
        (&json!("2024-01-10"), &json!("1.00"))
    );
}

#[tokio::test]
async fn every_part_of_a_change_links_to_its_postings() {
    let mut state = state();
    let lost = Detail::Deactivation(DeactivationReason::DeviceLost);
    let on = ("2024-01-01", "2024-01-03");
    state.post(0, Account::Deactivations, "18.71", on, lost, 4);
    let office = activation("18.71", Channel::Office, None, 0);
    let on = ("2023-12-31", "2024-01-03");
    state.post(1, Account::Activations, "18.71", on, office, 6);
    state.post(0, Account::Activations, "18.71", on, office, -1);
    // Released from quarantine: in the account and in its memo.
    for account in [Account::Activations, Account::ReleasedActivations] {
        state.post(1, account, "18.71", on, office, 3);
    }
    let node = node(state.live(NOW.parse().unwrap()));
    for (path, parts) in [
        ("/v1/regions/18/change?from=2023-12-31&to=2024-01-05", 5),
        ("/v1/regions/ID/change?from=2023-12-31&to=2024-01-05&as_of=2023-12-31", 3),
        ("/v1/regions/18.71/change?from=2023-12-31&to=2024-01-05&axis=as_of", 2),
        (
            "/v1/regions/18.71/change?from=2023-12-30&to=2024-01-05&axis=as_of&known_at=2024-01-02",
            1,
        ),
    ] {
        let body = get_ok(&node, path).await;
        let rows = body["parts"].as_array().unwrap();
        assert_eq!(rows.len(), parts, "{path}: {rows:?}");
        let mut sum = 0;
        for part in rows {
            let postings = get_ok(&node, part["link"].as_str().unwrap()).await;
            let count = part["count"].as_i64().unwrap();
            assert_eq!(postings["total"].as_i64().unwrap().abs(), count.abs(), "{part}");
            assert_eq!(postings["rows"][0]["region"], "18.71");
            sum += count;
        }
        assert_eq!(body["change"], sum);
        let (later, earlier) = (&body["later"]["activated"], &body["earlier"]["activated"]);
        assert_eq!(later.as_i64().unwrap() - earlier.as_i64().unwrap(), sum);
        for reading in ["earlier", "later"] {
            let progress = get_ok(&node, body[reading]["link"].as_str().unwrap()).await;
            assert_eq!(progress["activated"], body[reading]["activated"]);
        }
        let again = get_ok(&node, body["link"].as_str().unwrap()).await;
        assert_eq!(again["parts"].as_array().unwrap().len(), rows.len());
        assert_eq!(again["change"], body["change"]);
    }
}

#[tokio::test]
async fn every_part_of_a_figures_evidence_is_found_where_it_links_to() {
    let node = ready();
    for path in [
        "/v1/regions/18.71/evidence",
        "/v1/regions/18/evidence?as_of=2023-12-31",
        "/v1/regions/ID/evidence?known_at=2024-01-01",
    ] {
        let body = get_ok(&node, path).await;
        for part in body["parts"].as_array().unwrap() {
            let postings = get_ok(&node, part["link"].as_str().unwrap()).await;
            let (total, count) = (postings["total"].as_i64(), part["count"].as_i64());
            assert_eq!(total.unwrap().abs(), count.unwrap().abs(), "{path}: {part}");
        }
        for kiosk in body["missing_kiosks"]["rows"].as_array().into_iter().flatten() {
            let found = get_ok(&node, kiosk["link"].as_str().unwrap()).await;
            assert_eq!(found["missing"], kiosk["missing"]);
        }
        let quarantined = &body["quarantined"];
        let found = get_ok(&node, quarantined["link"].as_str().unwrap()).await;
        assert_eq!(
            (&found["total"], &found["reasons"]),
            (&quarantined["total"], &quarantined["reasons"])
        );
        let again = get_ok(&node, body["link"].as_str().unwrap()).await;
        assert_eq!(again["core"]["activated"], body["core"]["activated"]);
    }
    let body = get_ok(&node, "/v1/regions/18.71/evidence").await;
    assert_eq!(body["missing_kiosks"]["total"], 1);
    assert_eq!(get_ok(&node, "/v1/quarantine?within=17").await["total"], 0);
    assert_eq!(problem(&node, "/v1/quarantine?within=18.99").await["status"], 404);
    assert_eq!(problem(&node, "/v1/regions/18.99/evidence").await["status"], 404);
}

#[tokio::test]
async fn every_figure_says_what_may_be_missing_now_and_not_of_a_past_knowledge() {
    let mut state = state();
    let visit = Detail::Visit { visit: state.visit(1, "SMA-3", "V-1"), hour: 9 };
    state.post(1, Account::VisitActivations, "18.71", ("2024-01-01", "2024-01-01"), visit, 12);
    let node = node(state.live(NOW.parse().unwrap()));
    let span = "from=2023-12-31&to=2024-01-05";
    for (path, bounds, missing, count) in [
        ("regions/18.71/progress?".to_owned(), "/bounds", "/missing", "/activated"),
        (
            "progress?within=18.71&".to_owned(),
            "/rows/0/bounds",
            "/rows/0/missing",
            "/rows/0/activated",
        ),
        ("regions/18.71/pace?".to_owned(), "/bounds", "/missing", "/activated"),
        (
            format!("regions/18/series?{span}&"),
            "/points/5/bounds",
            "/missing",
            "/points/5/activated",
        ),
        ("regions/18.71/evidence?".to_owned(), "/bounds", "/missing", "/core/activated"),
        ("regions/18/flows?".to_owned(), "/bounds/own_served_here", "/missing", "/own_served_here"),
        ("outreach?within=18&".to_owned(), "/rows/0/bounds", "/missing", "/rows/0/activations"),
        (
            "outreach/SMA-3?".to_owned(),
            "/visits/0/bounds",
            "/visits/0/missing",
            "/visits/0/activations",
        ),
        ("regions/18/breakdown?by=channel&".to_owned(), "", "/missing", ""),
        ("flows?within=18&".to_owned(), "", "/missing", ""),
    ] {
        let path = format!("/v1/{path}known_at=");
        let now = get_ok(&node, &format!("{path}2024-08-02")).await;
        let at = |place: &str| now.pointer(place).unwrap_or_else(|| panic!("{path}: {place}"));
        assert_eq!(
            (at(missing)["events"].as_u64(), at(missing)["quarantined"].as_u64()),
            (Some(2), Some(1)),
            "{path}"
        );
        if !bounds.is_empty() {
            let count = at(count).as_i64().unwrap();
            let expected = json!({"lower": count - 3, "upper": count + 3});
            assert_eq!(*at(bounds), expected, "{path}");
        }
        let then = get_ok(&node, &format!("{path}2024-08-01")).await;
        for place in [missing, bounds].into_iter().filter(|place| !place.is_empty()) {
            let found = then.pointer(place).unwrap_or(&Value::Null);
            assert_eq!(*found, Value::Null, "{path}: {place}");
        }
    }
    let change = get_ok(&node, &format!("/v1/regions/18.71/change?{span}&axis=as_of")).await;
    assert_eq!(change["missing"]["events"], 2);
    assert_eq!(change["earlier"]["bounds"], json!({"lower": 89_997, "upper": 90_003}));
    assert_eq!(change["later"]["bounds"], json!({"lower": 90_007, "upper": 90_013}));
    let known = get_ok(&node, &format!("/v1/regions/18.71/change?{span}")).await;
    assert_eq!((&known["missing"], &known["later"]["bounds"]), (&Value::Null, &Value::Null));
}

#[tokio::test]
async fn flows_answer_for_all_and_for_one() {
    let node = ready();
    let all = get_ok(&node, "/v1/flows").await;
    let row = json!({"home_region": "18.71", "service_region": "18.71", "activations": 90_010});
    assert_eq!((&all["services"], &all["moves"]), (&json!([row]), &json!([])));
    let province = get_ok(&node, "/v1/flows?within=17&as_of=2023-12-31").await;
    assert_eq!(province["services"], json!([]));
    let one = get_ok(&node, "/v1/regions/18.71/flows?as_of=2023-12-31").await;
    assert_eq!(one["own_served_here"], 90_000);
    assert_eq!(get_ok(&node, one["link"].as_str().unwrap()).await["own_served_here"], 90_000);
    assert_eq!(problem(&node, "/v1/flows?within=18.99").await["status"], 404);
    assert_eq!(problem(&node, "/v1/flows?from=2023-01-01").await["parameter"], "from");
}

#[tokio::test]
async fn outreach_visits_answer_and_link_to_their_hours() {
    let mut state = state();
    let id = "pasar 1/2";
    let visit = Detail::Visit { visit: state.visit(1, id, "V-1"), hour: 9 };
    let on = ("2024-01-01", "2024-01-01");
    state.post(1, Account::VisitActivations, "18.71", on, visit, 12);
    let node = node(state.live(NOW.parse().unwrap()));
    let all = get_ok(&node, "/v1/outreach?within=18&from=2024-01-01&to=2024-01-31").await;
    assert_eq!((&all["total"], &all["rows"][0]["outreach_id"]), (&json!(1), &json!(id)));
    assert_eq!(all["rows"][0]["office"]["activations"], 10);
    let one = get_ok(&node, all["rows"][0]["link"].as_str().unwrap()).await;
    assert_eq!(one["visits"][0]["slots"][0]["activations"], 12);
    assert_eq!(get_ok(&node, "/v1/outreach?to=2023-12-31").await["total"], 0);
    let unknown = problem(&node, "/v1/outreach/SMA-3").await;
    assert_eq!(
        (&unknown["status"], &unknown["type"]),
        (&json!(404), &json!("/problems/unknown-outreach"))
    );
    assert_eq!(problem(&node, "/v1/outreach?limit=0").await["parameter"], "limit");
}

#[tokio::test]
async fn a_parameter_that_is_wrong_is_named() {
    let node = ready();
    let progress = "/v1/regions/18.71/progress";
    for (path, parameter) in [
        (format!("{progress}?asof=2023-12-31"), "asof"),
        (format!("{progress}?as_of=2023-12-32"), "as_of"),
        (format!("{progress}?as_of=20231231"), "as_of"),
        (format!("{progress}?as_of="), "as_of"),
        (format!("{progress}?known_at=2023-12-31T00:00:00"), "known_at"),
        (format!("{progress}?as_of=2023-12-31&as_of=2024-01-01"), "as_of"),
        (format!("{progress}?from=2023-12-31"), "from"),
        ("/v1/regions/18.71/series?to=2023-12-31".to_owned(), "from"),
        ("/v1/regions/18.71/series?from=2023-12-31".to_owned(), "to"),
        ("/v1/regions/18.71/series?from=2024-01-01&to=2023-12-31".to_owned(), "to"),
        ("/v1/regions/18.71/series?from=0001-01-01&to=2023-12-31".to_owned(), "step"),
        ("/v1/regions/18.71/series?from=2023-01-01&to=2023-12-31&step=year".to_owned(), "step"),
        ("/v1/regions/18.71/breakdown".to_owned(), "by"),
        ("/v1/regions/18.71/breakdown?by=colour".to_owned(), "by"),
        ("/v1/regions/18.71/pace?from=2024-01-01".to_owned(), "to"),
        ("/v1/regions/18.71/change?from=2024-01-01".to_owned(), "to"),
        ("/v1/regions/18.71/change?from=2024-01-01&to=2023-01-01".to_owned(), "to"),
        ("/v1/regions/18.71/change?from=2024-01-01&to=2024-01-02&axis=x".to_owned(), "axis"),
        (
            "/v1/regions/18.71/change?from=2024-01-01&to=2024-01-02&known_at=2024-01-02".to_owned(),
            "known_at",
        ),
        (
            "/v1/regions/18.71/change?from=2024-01-01&to=2024-01-02&axis=as_of&ahead=true"
                .to_owned(),
            "ahead",
        ),
        (
            "/v1/regions/18.71/change?from=2024-01-01&to=2024-01-02&axis=as_of&as_of=2024-01-02"
                .to_owned(),
            "as_of",
        ),
        ("/v1/regions/18.71/postings".to_owned(), "account"),
        ("/v1/regions/18.71/postings?account=deferrals".to_owned(), "account"),
        ("/v1/regions/18.71/postings?account=moves_in&sign=both".to_owned(), "sign"),
        ("/v1/regions/18.71/postings?account=moves_in&reason=x".to_owned(), "reason"),
        ("/v1/regions/18.71/postings?account=moves_in&age_from=-1".to_owned(), "age_from"),
        ("/v1/regions/18.71/pace?to=2024-01-01".to_owned(), "from"),
        ("/v1/regions/18.71/pace?from=2024-01-02&to=2024-01-02".to_owned(), "to"),
        ("/v1/regions/18.71/pace?from=2024-01-02&to=2024-08-03".to_owned(), "to"),
        ("/v1/regions/18.71/pace?as_of=2024-08-03".to_owned(), "as_of"),
        (
            "/v1/regions/18.71/pace?from=2024-01-01&to=2024-01-09&as_of=2024-01-10".to_owned(),
            "as_of",
        ),
        ("/v1/progress?level=nation".to_owned(), "level"),
        ("/v1/progress?level=province&within=18.71".to_owned(), "level"),
        ("/v1/progress?within=lampung".to_owned(), "within"),
        ("/v1/kiosks?as_of=2023-12-31".to_owned(), "as_of"),
        ("/v1/kiosks?limit=0".to_owned(), "limit"),
        ("/v1/kiosks?limit=10001".to_owned(), "limit"),
        ("/v1/kiosks?silent=yes".to_owned(), "silent"),
        ("/v1/kiosks?within=18710".to_owned(), "within"),
        ("/v1/kiosks/K-1?limit=1".to_owned(), "limit"),
        ("/v1/quarantine?limit=-1".to_owned(), "limit"),
        ("/v1/quarantine?limit=1001".to_owned(), "limit"),
        ("/v1/regions?name=x".to_owned(), "name"),
        ("/healthz?x".to_owned(), "x"),
    ] {
        let body = problem(&node, &path).await;
        assert_eq!(
            (&body["status"], &body["parameter"]),
            (&json!(400), &json!(parameter)),
            "{path}"
        );
    }
    let body = problem(&node, &format!("{progress}?asof=1")).await;
    assert_eq!(body["detail"], "there is no parameter 'asof'; known here: as_of, known_at, ahead");
}

#[tokio::test]
async fn a_region_that_is_wrong_is_told_apart_from_one_that_is_unknown() {
    let node = ready();
    for wrong in ["1871", "18.7", "kota", "18.71.01", "%FF", "id"] {
        let body = problem(&node, &format!("/v1/regions/{wrong}/progress")).await;
        assert_eq!(
            (&body["status"], &body["type"]),
            (&json!(400), &json!("/problems/bad-region-code"))
        );
    }
    for unknown in ["18.99", "99"] {
        for rest in ["progress", "series?from=2024-01-01&to=2024-01-02", "breakdown?by=venue"] {
            let body = problem(&node, &format!("/v1/regions/{unknown}/{rest}")).await;
            assert_eq!(body["status"], 404);
            assert_eq!(body["type"], "/problems/unknown-region");
            assert!(body["detail"].as_str().unwrap().contains(unknown));
        }
    }
    let body = problem(&node, "/v1/progress?within=18.99").await;
    assert_eq!((&body["status"], &body["type"]), (&json!(404), &json!("/problems/unknown-region")));
}

#[tokio::test]
async fn one_kiosk_is_found_by_its_id_whatever_is_in_it() {
    let mut state = state();
    let strange = "van 7/ä?";
    state.receive(0, (strange, "18.71"), [1, 2, 2], "18.71", "2024-01-01");
    let node = node(state.live(NOW.parse().unwrap()));
    let kiosk = get_ok(&node, "/v1/kiosks/K-1").await;
    assert_eq!((&kiosk["kiosk_id"], &kiosk["gaps_cut"]), (&json!("K-1"), &json!(false)));
    assert_eq!((&kiosk["highest_received"], &kiosk["highest_announced"]), (&json!(3), &json!(4)));
    assert_eq!(kiosk["conflicts"], json!({"events": 0, "sequences": [], "note": null}));
    let kiosk = get_ok(&node, "/v1/kiosks/van%207%2F%C3%A4%3F").await;
    assert_eq!((&kiosk["kiosk_id"], &kiosk["conflicts"]["events"]), (&json!(strange), &json!(1)));
    let unknown = problem(&node, "/v1/kiosks/K-2").await;
    assert_eq!(
        (&unknown["status"], &unknown["type"]),
        (&json!(404), &json!("/problems/unknown-kiosk"))
    );
    assert_eq!(problem(&node, "/v1/kiosks/%FF").await["status"], 400);
}

#[tokio::test]
async fn an_event_has_a_fate_and_a_text_that_is_no_id_has_none() {
    let now = NOW.parse().unwrap();
    let mut folding = Folding::new(2, "2024-08-01T05:00:00Z");
    folding.event((1, 7), (1, "K-1", 3), ("2024-07-31T05:00:00Z", "18.71"), ACTIVATED);
    let node = node(folding.live(now));
    let path = format!("/v1/events/{}", id(1));
    let (status, headers, body) = ask(&node, &path).await;
    assert_eq!((status, headers.contains_key("age")), (StatusCode::OK, true));
    assert_eq!(body["fate"], "counted");
    assert_eq!((&body["day"], &body["region"]["code"]), (&json!("2024-07-31"), &json!("18.71")));
    assert_eq!(body["evidence"]["partitions"][1]["next_offset"], 1);
    let unknown = get_ok(&node, &format!("/v1/events/{}", id(2))).await;
    assert_eq!((&unknown["fate"], &unknown["day"]), (&json!("not_seen"), &Value::Null));
    for (path, parameter) in [
        ("/v1/events/123".to_owned(), "event_id"),
        ("/v1/events/%FF".to_owned(), "event_id"),
        (format!("{path}?as_of=2024-08-01"), "as_of"),
    ] {
        let body = problem(&node, &path).await;
        assert_eq!((&body["status"], &body["parameter"]), (&json!(400), &json!(parameter)));
    }
}

#[tokio::test]
async fn figures_do_not_stand_in_line_behind_a_fold_that_is_busy() {
    let mut folding = Folding::new(1, "2024-08-01T05:00:00Z");
    folding.event((0, 7), (1, "K-1", 3), ("2024-07-31T05:00:00Z", "18.71"), ACTIVATED);
    let live = folding.live(NOW.parse().unwrap());
    let shards = Shards::divide(vec![PartitionState::new(0)], 1);
    live.set_shards(shards.clone());
    let node = node(live);
    let (begun, has_begun) = std::sync::mpsc::channel();
    let (end, ended) = std::sync::mpsc::channel::<()>();
    let fold = std::thread::spawn(move || {
        shards.iter().next().unwrap().fold(|_| {
            begun.send(()).unwrap();
            let _ = ended.recv();
        })
    });
    has_begun.recv().unwrap();
    let fates: Vec<_> = (0..2 * std::thread::available_parallelism().unwrap().get())
        .map(|_| {
            let node = node.clone();
            tokio::spawn(async move { ask(&node, &format!("/v1/events/{}", id(1))).await.0 })
        })
        .collect();
    let progress = get_ok(&node, "/v1/regions/18.71/progress").await;
    assert_eq!(progress["activated"], 1);
    assert!(fates.iter().all(|fate| !fate.is_finished()), "they still wait");
    drop(end);
    fold.join().unwrap();
    // The partition is being folded again: its facts are not there yet.
    for fate in fates {
        assert_eq!(fate.await.unwrap(), StatusCode::SERVICE_UNAVAILABLE);
    }
}

#[tokio::test]
async fn unknown_paths_and_methods_are_problems_too() {
    let node = ready();
    for path in
        ["/assets", "/v1", "/v1/regions/18.71", "/v1/regions/18.71/progress/", "/v2/regions"]
    {
        let body = problem(&node, path).await;
        assert_eq!((&body["status"], &body["type"]), (&json!(404), &json!("/problems/not-found")));
    }
    for method in [Method::POST, Method::DELETE, Method::PUT] {
        let request = Request::builder().method(method).uri("/v1/kiosks");
        let (status, headers, body) = send(&node, request.body(Body::empty()).unwrap()).await;
        let body: Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(status, StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(headers["content-type"], PROBLEM_JSON);
        assert_eq!(headers["allow"], "GET,HEAD");
        assert_eq!(body["type"], "/problems/method-not-allowed");
    }
    let request = Request::get("/v1/kiosks").header("content-length", 1 << 20);
    let (status, headers, body) = send(&node, request.body(Body::empty()).unwrap()).await;
    let body: Value = serde_json::from_slice(&body).unwrap();
    assert_eq!((status, &body["status"]), (StatusCode::PAYLOAD_TOO_LARGE, &json!(413)));
    assert_eq!(headers["content-type"], PROBLEM_JSON);
}

#[tokio::test]
async fn every_kind_of_problem_is_explained_at_its_type() {
    let node = ready();
    let kinds = ["bad-parameter", "unknown-region", "not-ready", "internal"];
    for kind in kinds {
        let body = get_ok(&node, &format!("/problems/{kind}")).await;
        assert_eq!(body["type"], format!("/problems/{kind}"));
    }
    assert!(Kind::ALL.len() > kinds.len());
    assert_eq!(problem(&node, "/problems/none").await["status"], 404);
}

#[tokio::test]
async fn figures_are_refused_until_all_of_the_sum_is_there() {
    let live = state().live(TimestampMs(0));
    live.update_readiness(|readiness| {
        readiness.partitions = Some(12);
        readiness.status_read = false;
        readiness.decisions_read = false;
        readiness.phase = "catching up".to_owned();
    });
    let node = node(live);
    let span = "from=2024-01-01&to=2024-01-02";
    for path in [
        "/v1/progress",
        "/v1/regions/18.71/progress",
        &format!("/v1/regions/18.71/series?{span}"),
        "/v1/regions/18.71/breakdown?by=channel",
        "/v1/kiosks",
        "/v1/kiosks/K-1",
        "/v1/events/018f0000-0000-7000-8000-000000000001",
        "/v1/quarantine",
    ] {
        let body = problem(&node, path).await;
        assert_eq!((&body["status"], &body["type"]), (&json!(503), &json!("/problems/not-ready")));
        let detail = body["detail"].as_str().unwrap();
        assert!(detail.contains("loaded: 2 of 12 partitions"), "{detail}");
        assert!(detail.contains("kiosk status topic"), "{detail}");
        assert!(detail.contains("quarantine decisions"), "{detail}");
        assert_eq!(ask(&node, path).await.1["retry-after"], "2");
    }
    let (status, headers, body) = ask(&node, "/readyz").await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(headers["content-type"], "application/json");
    assert_eq!((&body["ready"], &body["phase"]), (&json!(false), &json!("catching up")));
    assert_eq!(body["waiting_for"].as_array().unwrap().len(), 3);
    // A wrong question is wrong at any time, and some things need no figures.
    assert_eq!(problem(&node, "/v1/regions/18.99/progress").await["status"], 404);
    get_ok(&node, "/v1/regions").await;
    get_ok(&node, "/healthz").await;
}

#[tokio::test]
async fn a_ready_node_says_so_and_how_far_it_is() {
    let node = ready();
    let body = get_ok(&node, "/readyz").await;
    assert_eq!(body["ready"], true);
    assert_eq!(
        body["partitions"],
        json!([{"partition": 0, "next_offset": 2, "end_offset": 2, "lag_seconds": 0,
                "trouble": null, "recorded_ahead": null},
               {"partition": 1, "next_offset": 2, "end_offset": 2, "lag_seconds": 0,
                "trouble": null, "recorded_ahead": null}])
    );
    assert_eq!(body["troubles"], json!([]));
    assert_eq!(get_ok(&node, "/healthz").await, json!({"alive": true}));
    let request = Request::get("/metrics").body(Body::empty()).unwrap();
    let (status, headers, body) = send(&node, request).await;
    assert_eq!((status, body.as_slice()), (StatusCode::OK, b"laju_up 1\n".as_slice()));
    assert!(headers["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
}

#[tokio::test]
async fn a_partition_that_stands_still_keeps_a_node_from_being_ready() {
    let now: TimestampMs = NOW.parse().unwrap();
    let live = Arc::new(state().live(now));
    let troubled = |topic: &str, kind| {
        let (reason, cure) = ("zstd is not built in".to_owned(), "build it in".to_owned());
        let trouble = Trouble { kind, offset: 2, reason, cure };
        Arc::new(TroubledPartition { topic: topic.into(), partition: 1, trouble })
    };
    live.update_readiness(|readiness| {
        readiness.troubles_beside = vec![troubled("ikd.figures.v1", TroubleKind::Damaged)];
    });
    let clock: Clock = Arc::new(move || now);
    let metrics: RenderMetrics = Arc::new(String::new);
    let node = router(ApiState::new(Arc::clone(&live), clock, metrics));
    let body = get_ok(&node, "/readyz").await;
    assert_eq!(body["troubles"][0]["topic"], "ikd.figures.v1");
    assert_eq!(body["partitions"][1]["trouble"], Value::Null);

    live.update_readiness(|readiness| {
        readiness.troubles = vec![troubled("ikd.events.v1", TroubleKind::Codec)];
    });
    let (status, _, body) = ask(&node, "/readyz").await;
    assert_eq!((status, &body["ready"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(false)));
    let trouble = json!({"kind": "codec", "offset": 2, "detail": "zstd is not built in",
                         "cure": "build it in"});
    assert_eq!(body["partitions"][1]["trouble"], trouble);
    assert_eq!(body["partitions"][0]["trouble"], Value::Null);
    assert_eq!(body["troubles"].as_array().unwrap().len(), 2);
    assert_eq!(
        (&body["troubles"][0]["kind"], &body["troubles"][0]["partition"]),
        (&json!("codec"), &json!(1))
    );
    let detail = "partition 1 of ikd.events.v1 cannot be read on from offset 2: zstd is not built in; \
                  build it in";
    assert_eq!(body["waiting_for"], json!([detail]));
    let body = problem(&node, "/v1/regions/18.71/progress").await;
    assert_eq!((&body["status"], &body["detail"]), (&json!(503), &json!(detail)));

    live.update_readiness(|readiness| readiness.troubles.clear());
    get_ok(&node, "/v1/regions/18.71/progress").await;

    // A broker that is away for a moment keeps all nodes from committing at once, and an id that no
    // registry has from folding: how far each is behind says whether it is ready.
    for kind in
        [TroubleKind::NotConfirmed, TroubleKind::SchemaNotFound, TroubleKind::RegistryUnreachable]
    {
        live.update_readiness(|readiness| {
            readiness.troubles = vec![troubled("ikd.events.v1", kind)];
        });
        let body = get_ok(&node, "/readyz").await;
        assert_eq!(body["partitions"][1]["trouble"]["kind"], kind.as_str());
        get_ok(&node, "/v1/regions/18.71/progress").await;
    }
    // Nothing says how far behind a node is in the topics beside.
    live.update_readiness(|readiness| {
        readiness.troubles = vec![troubled("ikd.reference.v1", TroubleKind::SchemaNotFound)];
    });
    assert_eq!(ask(&node, "/readyz").await.0, StatusCode::SERVICE_UNAVAILABLE);
}

#[tokio::test]
async fn a_node_too_far_behind_is_not_ready_and_answers_all_the_same() {
    let now: TimestampMs = NOW.parse().unwrap();
    let live = Arc::new(state().live(now));
    let clock: Clock = Arc::new(move || now);
    let metrics: RenderMetrics = Arc::new(String::new);
    let node = router(ApiState::new(Arc::clone(&live), clock, metrics));
    let lag = |lag_ms: i64| {
        live.update_readiness(|readiness| {
            readiness.max_lag = Some(Duration::from_secs(30));
            readiness.positions.entry(1).and_modify(|position| position.lag_ms = lag_ms);
        });
    };
    lag(30_000);
    let body = get_ok(&node, "/readyz").await;
    assert_eq!((&body["max_lag_seconds"], &body["waiting_for"]), (&json!(30), &json!([])));
    assert_eq!(body["version"], env!("CARGO_PKG_VERSION"));
    assert_eq!(body["fold_version"], live.fold_version());
    lag(31_000);
    let (status, _, body) = ask(&node, "/readyz").await;
    assert_eq!((status, &body["ready"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(false)));
    assert_eq!(body["partitions"][1]["lag_seconds"], 31);
    let detail = "partition 1 is 31 s behind its end, more than --max-lag allows (30 s)";
    assert_eq!(body["waiting_for"], json!([detail]));
    get_ok(&node, "/v1/regions/18.71/progress").await;
}

#[tokio::test]
async fn answers_are_compressed_for_those_who_take_it() {
    let node = ready();
    let request = Request::get("/v1/progress").header("accept-encoding", "gzip");
    let (_, headers, packed) = send(&node, request.body(Body::empty()).unwrap()).await;
    assert_eq!(headers["content-encoding"], "gzip");
    assert_eq!(headers["age"], "3");
    let request = Request::get("/v1/progress").body(Body::empty()).unwrap();
    let (_, _, plain) = send(&node, request).await;
    assert!(packed.len() * 5 < plain.len());
    assert!(packed.starts_with(&[0x1f, 0x8b]));
}

#[tokio::test]
async fn a_panic_is_a_problem_and_not_a_broken_connection() {
    async fn fails() -> &'static str {
        panic!("on purpose")
    }
    let node = with_layers(Router::<()>::new().route("/fails", get(fails)), Access::default());
    let body = problem(&node, "/fails").await;
    assert_eq!((&body["status"], &body["type"]), (&json!(500), &json!("/problems/internal")));
    assert!(!body.to_string().contains("on purpose"), "what went wrong is for the log");
}

#[tokio::test(start_paused = true)]
async fn an_answer_that_takes_too_long_is_given_up() {
    let waits = Router::<()>::new().route("/waits", get(std::future::pending::<()>));
    let node = with_layers(waits, Access::default());
    let (status, headers, body) = ask(&node, "/waits").await;
    assert_eq!(
        (status, &body["type"]),
        (StatusCode::SERVICE_UNAVAILABLE, &json!("/problems/timed-out"))
    );
    assert_eq!(headers["retry-after"], "2");
}

#[tokio::test]
async fn the_server_answers_on_a_socket_and_ends_when_told() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let now: TimestampMs = NOW.parse().unwrap();
    let live = Arc::new(state().live(now));
    let api = ApiState::new(live, Arc::new(move || now), Arc::new(String::new));
    let (end, ended) = tokio::sync::oneshot::channel::<()>();
    let server = tokio::spawn(server::run(listener, api, async move {
        let _ = ended.await;
    }));
    let answer = tokio::task::spawn_blocking(move || {
        let mut answer = String::new();
        let mut reader = ureq::get(format!("http://{address}/v1/regions/18.71/progress"))
            .call()
            .unwrap()
            .into_body()
            .into_reader();
        reader.read_to_string(&mut answer).unwrap();
        answer
    });
    let answer: Value = serde_json::from_str(&answer.await.unwrap()).unwrap();
    assert_eq!(answer["activated"], 90_010);
    end.send(()).unwrap();
    server.await.unwrap().unwrap();
    assert!(tokio::net::TcpStream::connect(address).await.is_err());
}
