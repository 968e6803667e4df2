//! The permanent link in an answer gives that answer: of every question that has one, also where
//! something is dated ahead or was recorded by a clock that is wrong.

use laju_schemas::event::{Channel, DeferralReason};
use laju_schemas::reference::Basis;
use serde_json::{Value, json};

use super::{NOW, get_ok, node};
use crate::domain::account::Account;
use crate::domain::cell::Detail;
use crate::query::fixtures::{Fixture, activation, region};

/// Questions whose answers have a link to themselves.
const QUESTIONS: [&str; 23] = [
    "regions/18.71/progress",
    "regions/ID/progress",
    "progress?level=province",
    "regions/18.71/series?from=2024-07-01&to=2024-08-09&step=day",
    "regions/18.71/breakdown?by=channel",
    "regions/18.71/breakdown?by=venue",
    "regions/18.71/breakdown?by=outreach",
    "regions/18.71/breakdown?by=service_region",
    "regions/18.71/breakdown?by=first_time",
    "regions/18.71/breakdown?by=deferral_reason",
    "regions/18.71/breakdown?by=card_reason",
    "regions/18.71/breakdown?by=deactivation_reason",
    "regions/18.71/pace",
    "regions/18.71/pace?from=2024-07-20&to=2024-08-01",
    "pace?level=regency",
    "regions/18.71/change?from=2024-07-31&to=2024-08-02",
    "regions/18.71/change?from=2024-07-31&to=2099-01-01",
    "regions/18.71/change?from=2024-07-31&to=2024-08-02&axis=as_of",
    "regions/18.71/evidence",
    "flows?within=18",
    "regions/18.71/flows",
    "outreach?within=18",
    "outreach/visit-1",
];

/// Something of every account on a day, as it was recorded on another.
fn post(f: &mut Fixture, partition: u32, (on, recorded): (&str, &str), amount: i32) {
    let days = (on, recorded);
    let outreach = f.outreach(partition, "visit-1");
    let at = Detail::Visit { visit: f.visit(partition, "visit-1", "V-1"), hour: 9 };
    let away = activation("18.72", Channel::Outreach, None, outreach);
    let (reason, service) = (DeferralReason::NoSmartphone, region("18.71"));
    let deferral = Detail::Deferral { reason, service, outreach };
    f.post(partition, Account::Activations, "18.71", days, away, amount);
    f.post(partition, Account::VisitActivations, "18.72", days, at, amount);
    f.post(partition, Account::Deferrals, "18.71", days, deferral, amount);
    f.post(partition, Account::PrintQueue, "18.71", days, Detail::Queue, amount);
    f.post(partition, Account::MovesIn, "18.71", days, Detail::Move(region("19.71")), amount);
    f.post(partition, Account::MovesOut, "19.71", days, Detail::Move(region("18.71")), amount);
}

/// What an answer says beside the days that a link fills in.
fn said(mut answer: Value) -> Value {
    let members = answer.as_object_mut().unwrap();
    for name in ["link", "known_at", "digest", "missing", "missing_kiosks"] {
        members.remove(name);
    }
    for name in ["core", "earlier", "later"] {
        if let Some(Value::Object(inner)) = members.get_mut(name) {
            inner.remove("known_at");
            inner.remove("link");
        }
    }
    for name in ["rows", "visits", "parts"] {
        for row in members.get_mut(name).and_then(Value::as_array_mut).into_iter().flatten() {
            if let Some(row) = row.as_object_mut() {
                row.remove("link");
            }
        }
    }
    for inner in ["quarantined", "visit"] {
        if let Some(Value::Object(inner)) = members.get_mut(inner) {
            inner.remove("link");
        }
    }
    answer
}

#[tokio::test]
async fn the_link_of_every_answer_gives_that_answer() {
    let plain = |f: &mut Fixture| post(f, 0, ("2024-07-30", "2024-07-31"), 40);
    // It is tomorrow already in the east, and a kiosk may be a day ahead.
    let dated_ahead = |f: &mut Fixture| post(f, 0, ("2024-08-03", "2024-08-02"), 5);
    // A broker's clock in 2099: what comes after it is recorded then.
    let recorded_ahead = |f: &mut Fixture| {
        post(f, 1, ("2024-08-01", "2099-01-01"), 7);
        post(f, 1, ("2098-12-31", "2099-01-01"), 3);
        f.percent_target("18", Basis::WajibKtp, "30", "2024-08-01");
    };
    type Change<'a> = &'a dyn Fn(&mut Fixture);
    let states: [&[Change<'_>]; 4] = [
        &[&plain],
        &[&plain, &dated_ahead],
        &[&plain, &recorded_ahead],
        &[&plain, &dated_ahead, &recorded_ahead],
    ];
    for (number, changes) in states.into_iter().enumerate() {
        let mut f = Fixture::new(2);
        f.denominator("18.71", Basis::WajibKtp, 767_000, "2023-01-01");
        f.percent_target("ID", Basis::WajibKtp, "25", "2023-01-01");
        changes.iter().for_each(|change| change(&mut f));
        let node = node(f.live(NOW.parse().unwrap()));
        for question in QUESTIONS {
            let answer = get_ok(&node, &format!("/v1/{question}")).await;
            let link = answer["link"].as_str().unwrap();
            let linked = get_ok(&node, link).await;
            let (answer, linked) = (said(answer.clone()), said(linked));
            assert_eq!(answer, linked, "state {number}: {question}: {link}");
        }
        // Every row leads to the same figure of its region.
        for (list, figure) in [
            ("progress?level=regency&within=18", "activated"),
            ("pace?level=regency&within=18", "activated"),
        ] {
            let list = get_ok(&node, &format!("/v1/{list}")).await;
            for row in list["rows"].as_array().unwrap() {
                let linked = get_ok(&node, row["link"].as_str().unwrap()).await;
                assert_eq!(row[figure], linked[figure], "state {number}: {row}");
            }
        }
        // Evidence leads to the postings that its parts are the sums of.
        let evidence = get_ok(&node, "/v1/regions/18.71/evidence").await;
        for part in evidence["parts"].as_array().unwrap() {
            let postings = get_ok(&node, part["link"].as_str().unwrap()).await;
            let sign =
                if ["deactivations", "moves_out"].contains(&part["account"].as_str().unwrap()) {
                    -1
                } else {
                    1
                };
            let total = postings["total"].as_i64().unwrap_or_default();
            assert_eq!(part["count"], json!(sign * total), "state {number}: {part} {postings}");
        }
    }
}

#[tokio::test]
async fn a_record_stamped_far_in_the_future_is_said_where_figures_are_asked_for() {
    let mut f = Fixture::new(2);
    post(&mut f, 0, ("2024-07-30", "2024-08-03"), 40);
    let node_of = |f: &Fixture| node(f.live(NOW.parse().unwrap()));
    let ready = get_ok(&node_of(&f), "/readyz").await;
    assert_eq!(ready["partitions"][0]["recorded_ahead"], Value::Null, "within a day is no fault");
    post(&mut f, 1, ("2024-07-30", "2099-01-01"), 7);
    let router = node_of(&f);
    let ready = get_ok(&router, "/readyz").await;
    let ahead = &ready["partitions"][1]["recorded_ahead"];
    assert_eq!(ready["ready"], true, "the rule stays, and figures are answered");
    assert_eq!(ahead["recorded_until"].as_str().map(|at| &at[..10]), Some("2099-01-01"));
    assert!(ahead["offset"].is_i64());
    let evidence = get_ok(&router, "/v1/regions/18.71/evidence").await;
    assert_eq!(evidence["recorded_ahead"], json!([ahead]));
}
