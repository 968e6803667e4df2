//! Figures as clients see them, and that what an answer links to is there.

use super::*;

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
    let district = activation("18.71", Channel::SubDistrict, None, 0);
    state.post(0, Account::Activations, "18.71", on, district, -1);
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
async fn figures_do_not_stand_in_line_behind_a_fold_that_is_busy() {
    let mut folding = FoldedLog::new(1, "2024-08-01T05:00:00Z");
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
