//! Tags tell answers apart, and who has an answer is not sent it again.

use std::sync::atomic::{AtomicI64, Ordering};

use axum::Router;
use axum::body::Body;
use axum::http::{HeaderMap, Method, Request, StatusCode};
use laju_schemas::TimestampMs;
use laju_schemas::decision::Decision;
use serde_json::Value;

use super::access::keys;
use super::{NOW, api, ready, send, state};
use crate::api::*;
use crate::query::fixtures::Fixture;
use axum::routing::get;

const PROGRESS: &str = "/v1/regions/18.71/progress";
const SETTLED: &str = "/v1/regions/18.71/progress?as_of=2023-12-31&known_at=2024-08-01";

async fn with(
    node: &Router,
    path: &str,
    headers: &[(&str, &str)],
) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::get(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    send(node, request.body(Body::empty()).unwrap()).await
}

async fn tag(node: &Router, path: &str) -> String {
    let (status, headers, _) = with(node, path, &[]).await;
    assert_eq!(status, StatusCode::OK, "{path}");
    headers["etag"].to_str().unwrap().to_owned()
}

fn node_of(state: &Fixture) -> Router {
    let now: TimestampMs = NOW.parse().unwrap();
    router(api(state.live(now), now))
}

#[tokio::test]
async fn every_figure_has_a_strong_tag_and_who_has_it_is_told_so() {
    let node = ready();
    for path in [
        PROGRESS,
        SETTLED,
        "/v1/progress",
        "/v1/regions",
        "/v1/regions/18.71/series?from=2024-01-01&to=2024-01-02",
        "/v1/regions/18.71/breakdown?by=channel",
        "/v1/regions/18.71/pace",
        "/v1/regions/18.71/change?from=2024-01-01&to=2024-01-02",
        "/v1/regions/18.71/postings?account=activations",
        "/v1/regions/18.71/flows",
        "/v1/flows",
        "/v1/outreach",
        "/v1/kiosks",
        "/v1/kiosks/K-1",
        "/v1/quarantine",
    ] {
        let tag = tag(&node, path).await;
        assert!(tag.len() == 34 && tag.starts_with('"') && tag.ends_with('"'), "{path}: {tag}");
        for held in [tag.clone(), format!("\"other\" , W/{tag}"), "*".to_owned()] {
            let (status, headers, body) = with(&node, path, &[("if-none-match", &held)]).await;
            assert_eq!(status, StatusCode::NOT_MODIFIED, "{path}: {held}");
            assert!(body.is_empty());
            assert_eq!(headers["etag"], tag);
            assert_eq!(headers["cache-control"], "no-cache");
            assert_eq!(headers["vary"], "accept-encoding");
            assert!(!headers.contains_key("content-type"), "{path}");
        }
        let (status, ..) = with(&node, path, &[("if-none-match", "\"other\"")]).await;
        assert_eq!(status, StatusCode::OK);
    }
    let (_, headers, _) = with(&node, PROGRESS, &[]).await;
    assert_eq!(
        (&headers["age"], &headers["cache-control"]),
        (&"3".parse().unwrap(), &"no-cache".parse().unwrap())
    );
    // What goes wrong has no tag, whatever the client says it has.
    let wrong = "/v1/regions/18.99/progress";
    let (status, headers, _) = with(&node, wrong, &[("if-none-match", "*")]).await;
    assert_eq!((status, headers.contains_key("etag")), (StatusCode::NOT_FOUND, false));
}

#[tokio::test]
async fn what_the_client_has_is_not_worked_out_again() {
    use axum::extract::State;
    use axum::response::Response;

    use crate::api::parameters::Parameters;
    use crate::api::questions::answer;

    async fn asks(
        State(api): State<ApiState>,
        parameters: Parameters,
    ) -> Result<Response, Problem> {
        let asked = parameters.finish()?;
        answer(&api, &api.turns, asked, |_| -> Result<u8, _> { panic!("worked out") }).await
    }
    let now: TimestampMs = NOW.parse().unwrap();
    let api = api(state().live(now), now);
    let tag = {
        let request = Request::get("/asks").body(()).unwrap().into_parts().0;
        let view = api.live.view(now).unwrap();
        caching::Asked::of(&request).tag_of(&view, 0).unwrap()
    };
    let routes = Router::new().route("/asks", get(asks));
    let node = with_layers(routes, Access::default()).with_state(api);
    let (status, headers, _) = with(&node, "/asks", &[("if-none-match", &tag.to_string())]).await;
    assert_eq!(status, StatusCode::NOT_MODIFIED);
    assert_eq!(headers["etag"], tag.to_string());
    let (status, ..) = with(&node, "/asks", &[]).await;
    assert_eq!(status, StatusCode::INTERNAL_SERVER_ERROR, "else it is");
}

#[tokio::test]
async fn tags_differ_where_answers_do_and_only_there() {
    let before = node_of(&state());
    let [now, settled] = [tag(&before, PROGRESS).await, tag(&before, SETTLED).await];
    assert_eq!(tag(&node_of(&state()), PROGRESS).await, now, "another node, the same offsets");
    assert_ne!(tag(&before, "/v1/regions/18/progress").await, now);
    assert_ne!(tag(&before, &format!("{PROGRESS}?as_of=2023-12-31")).await, now);

    let mut decided = state();
    decided.decide((0, 1), Decision::Discarded, None);
    let decided = node_of(&decided);
    assert_ne!(tag(&decided, PROGRESS).await, now, "its bounds are others");
    let quarantine = "/v1/quarantine";
    assert_ne!(tag(&decided, quarantine).await, tag(&before, quarantine).await);
    assert_eq!(tag(&decided, SETTLED).await, settled, "which has no bounds");

    let mut more = state();
    more.activate(0, "18.71", "2024-01-02", 1);
    let more = node_of(&more);
    assert_ne!(tag(&more, PROGRESS).await, now);
    // Its evidence says how far it reaches.
    assert_ne!(tag(&more, SETTLED).await, settled);

    let mut reference = state();
    reference.denominator("18.71", laju_schemas::reference::Basis::RecordedKtp, 1, "2023-01-01");
    assert_ne!(tag(&node_of(&reference), PROGRESS).await, now);

    // A status that announces more changes the bounds of this moment, without any event.
    let mut announced = state();
    announced.status("K-1", "18.71", 9, false);
    let announced = node_of(&announced);
    assert_ne!(tag(&announced, PROGRESS).await, now);
    assert_eq!(tag(&announced, SETTLED).await, settled);
    // One that says the same again changes nothing but the kiosk's own answer.
    let mut again = state();
    again.status("K-1", "18.71", 4, false);
    assert_eq!(tag(&node_of(&again), PROGRESS).await, now);
}

#[tokio::test]
async fn a_new_day_is_another_answer_but_not_to_a_settled_question() {
    let start: TimestampMs = NOW.parse().unwrap();
    let now = Arc::new(AtomicI64::new(start.0));
    let clock = Arc::clone(&now);
    let live = Arc::new(state().live(start));
    let clock: Clock = Arc::new(move || TimestampMs(clock.load(Ordering::Relaxed)));
    let node = router(ApiState::new(live, clock, Arc::new(String::new)));
    let before = [tag(&node, PROGRESS).await, tag(&node, SETTLED).await];
    now.fetch_add(60_000, Ordering::Relaxed);
    assert_eq!(tag(&node, PROGRESS).await, before[0], "a minute is nothing");
    now.fetch_add(86_400_000, Ordering::Relaxed);
    assert_ne!(tag(&node, PROGRESS).await, before[0]);
    assert_eq!(tag(&node, SETTLED).await, before[1]);
}

#[tokio::test]
async fn a_kiosk_that_falls_silent_is_another_answer() {
    let mut state = state();
    for day in ["2024-07-26", "2024-07-27", "2024-07-28", "2024-07-29", "2024-07-30"] {
        let sequence = day[8..].parse().unwrap();
        state.receive(0, ("K-2", "18.71"), [sequence], "18.71", day);
    }
    let start: TimestampMs = "2024-08-01T17:30:00Z".parse().unwrap();
    let now = Arc::new(AtomicI64::new(start.0));
    let clock = Arc::clone(&now);
    let clock: Clock = Arc::new(move || TimestampMs(clock.load(Ordering::Relaxed)));
    let node = router(ApiState::new(Arc::new(state.live(start)), clock, Arc::new(String::new)));
    let mut seen: Option<(String, Value)> = None;
    let mut fell_silent = false;
    // Within one day in Jakarta.
    for _ in 0..23 {
        let (_, headers, body) = with(&node, PROGRESS, &[]).await;
        let tag = headers["etag"].to_str().unwrap().to_owned();
        let body: Value = serde_json::from_slice(&body).unwrap();
        if let Some((last_tag, last_body)) = &seen {
            assert_eq!(tag == *last_tag, body == *last_body);
            fell_silent |= body != *last_body;
        }
        seen = Some((tag, body));
        now.fetch_add(3_600_000, Ordering::Relaxed);
    }
    assert!(fell_silent, "{:?}", seen.map(|(_, body)| body["missing"].clone()));
}

#[tokio::test]
async fn a_compressed_answer_has_a_tag_of_its_own_which_is_taken_back() {
    let node = ready();
    let plain = tag(&node, "/v1/progress").await;
    let bare = plain.trim_matches('"');
    for encoding in ["gzip", "br"] {
        let accept = ("accept-encoding", encoding);
        let (_, headers, _) = with(&node, "/v1/progress", &[accept]).await;
        assert_eq!(headers["content-encoding"], encoding);
        let tagged = format!("\"{bare}-{encoding}\"");
        assert_eq!(headers["etag"], tagged);
        assert_eq!(headers.get_all("vary").iter().count(), 1);
        assert_eq!(headers["vary"], "accept-encoding");
        let (status, ..) = with(&node, "/v1/progress", &[accept, ("if-none-match", &tagged)]).await;
        assert_eq!(status, StatusCode::NOT_MODIFIED);
    }
    let (status, headers, body) =
        with(&node, "/v1/progress", &[("accept-encoding", "identity;q=0")]).await;
    assert_eq!(status, StatusCode::NOT_ACCEPTABLE);
    assert_eq!(headers["content-type"], laju_kafka::problem::PROBLEM_JSON);
    assert_eq!(headers["cache-control"], "no-store");
    assert_eq!(serde_json::from_slice::<Value>(&body).unwrap()["status"], 406);
    let asked = [("accept-encoding", "identity;q=0"), ("accept-language", "id")];
    let (_, headers, body) = with(&node, "/v1/progress", &asked).await;
    assert_eq!(headers["content-language"], "id");
    let problem: Value = serde_json::from_slice(&body).unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("tidak menyisakan gzip"), "{problem}");
}

#[tokio::test]
async fn a_head_says_what_a_get_would() {
    let node = ready();
    for encoding in ["identity", "gzip", "br"] {
        let request = |method| {
            let request = Request::builder().method(method).uri("/v1/progress");
            request.header("accept-encoding", encoding).body(Body::empty()).unwrap()
        };
        let (status, got, _) = send(&node, request(Method::GET)).await;
        let (head_status, head, body) = send(&node, request(Method::HEAD)).await;
        assert_eq!((head_status, body.len()), (status, 0));
        for name in ["etag", "content-type", "content-encoding", "vary", "cache-control", "age"] {
            assert_eq!(head.get(name), got.get(name), "{encoding}: {name}");
        }
    }
}

#[tokio::test]
async fn what_took_a_token_is_kept_by_nobody_else() {
    let keys = keys();
    let now: TimestampMs = NOW.parse().unwrap();
    let access = Access { tokens: Some(keys.tokens), ..Access::default() };
    let node = router(api(state().live(now), now).with_access(access));
    let bearer = format!("Bearer {}", keys.read);
    let (status, headers, _) = with(&node, PROGRESS, &[("authorization", &bearer)]).await;
    assert_eq!(
        (status, &headers["cache-control"]),
        (StatusCode::OK, &"private, no-cache".parse().unwrap())
    );
    let tag = headers["etag"].to_str().unwrap();
    // Who has an answer and no token learns nothing.
    let (status, headers, _) = with(&node, PROGRESS, &[("if-none-match", tag)]).await;
    assert_eq!((status, headers.contains_key("etag")), (StatusCode::UNAUTHORIZED, false));
}
