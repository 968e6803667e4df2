//! What goes for every path: problems, compression, time limits.

use super::*;

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
    let server = tokio::spawn(crate::api::server::run(listener, api, async move {
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
