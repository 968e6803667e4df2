//! Whether a node is ready, and what it says while it is not.

use laju_kafka::trouble::{Trouble, TroubleKind, TroubledPartition};

use super::*;

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
