//! What a request is refused for: parameters and parts of paths.

use super::*;

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
        ("/v1/regions/18.71/postings?account=moves_in&after=x".to_owned(), "after"),
        ("/v1/regions/18.71/breakdown?by=outreach&after=x".to_owned(), "after"),
        ("/v1/regions/18.71/breakdown?by=channel&limit=0".to_owned(), "limit"),
        ("/v1/flows?after=18.71".to_owned(), "after"),
        ("/v1/flows?limit=10001".to_owned(), "limit"),
        ("/v1/outreach?after=2024-01-01,18.99,SMA-3".to_owned(), "after"),
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
    let mut folding = FoldedLog::new(2, "2024-08-01T05:00:00Z");
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
