//! Is the pace enough? Cases worked out by hand.

use laju_schemas::event::DeactivationReason;
use laju_schemas::reference::Basis;
use serde_json::{Value, json};

use crate::domain::account::Account;
use crate::domain::cell::Detail;
use crate::query::QueryError;
use crate::query::days::Days;
use crate::query::figures::pace;
use crate::query::fixtures::{Fixture, date, region};
use crate::query::view::View;

pub(crate) const TODAY: &str = "2024-08-03";

fn ask(view: &View, code: &str, span: Option<(&str, &str)>, days: Days) -> Value {
    let span = span.map(|(from, to)| (date(from), date(to)));
    let answer = pace::pace(view, code.parse().unwrap(), span, &days).unwrap();
    serde_json::to_value(answer).unwrap()
}

pub(crate) fn as_of(day: &str) -> Days {
    Days { as_of: Some(date(day)), known_at: None, ahead: false }
}

/// Kabupaten Serang as its office told the press.
pub(crate) fn serang() -> Fixture {
    let mut f = Fixture::new(2);
    f.absolute_target("36.04", 40_000, "2024-01-01", "2024-12-31");
    f.activate(0, "36.04", "2023-12-31", 30_000);
    f.activate(0, "36.04", "2024-01-01", 1_000);
    f.activate(1, "36.04", "2024-08-02", 5_000);
    f
}

#[test]
fn kabupaten_serang_needs_more_than_its_pace() {
    let mut f = serang();
    f.activate(1, "36.04", "2024-08-03", 77);
    let view = f.view(TODAY);
    let answer = ask(&view, "36.04", Some(("2024-01-01", "2024-08-02")), Days::default());
    assert_eq!((&answer["as_of"], &answer["activated"]), (&json!("2024-08-02"), &json!(36_000)));
    assert_eq!(
        answer["goal"],
        json!({"by": "2024-12-31", "by_is": "valid_to", "to_go": 4_000, "days_left": 151,
               "required_per_day": "26.49", "required_per_month": "806.27"})
    );
    let window = &answer["windows"][0];
    assert_eq!(answer["windows"].as_array().unwrap().len(), 1);
    assert_eq!((&window["activated_from"], &window["change"]), (&json!(31_000), &json!(5_000)));
    assert_eq!((&window["days"], &window["per_day"]), (&json!(214), &json!("23.36")));
    assert_eq!(window["per_month"], "711.14", "5,000 / 214 × 30.436875");
    assert_eq!(window["is_enough"], false);
    assert_eq!(window["forecast"]["on"], "2024-12-31");
    assert_eq!(window["forecast"]["activated"], 39_528);
    assert_eq!(window["forecast"]["attainment_percent"], "98.82");
    assert_eq!(window["target_met_on"], "2025-01-21");
    assert_eq!((&window["no_forecast"], &window["no_target_day"]), (&Value::Null, &Value::Null));
    let intervals = window["forecast"]["intervals"].as_array().unwrap();
    let of = |place: usize, end: &str| intervals[place][end].as_i64().unwrap();
    assert!(of(1, "lower") < of(0, "lower") && of(0, "upper") < of(1, "upper"));
    assert!(of(0, "lower") < 39_528 && 39_528 < of(0, "upper"));
    assert_eq!(
        answer["link"],
        "/v1/regions/36.04/pace?from=2024-01-01&to=2024-08-02&as_of=2024-08-02&known_at=2024-08-03"
    );
    // Of the province the same people, but no target of its own.
    let province = ask(&view, "36", Some(("2024-01-01", "2024-08-02")), Days::default());
    assert_eq!(province["windows"][0]["per_day"], "23.36");
    assert_eq!((&province["goal"], &province["target"]), (&Value::Null, &Value::Null));
    assert_eq!(province["windows"][0]["forecast"]["activated"], 39_528, "at the year's end");
    assert_eq!(province["windows"][0]["no_target_day"]["reason"], "no_target");
}

#[test]
fn the_islands_target_requires_people_a_month() {
    // 25 % of 1,080,000 recorded, 20,000 there on 2023-03-17: 250,000 in 289 days.
    let mut f = Fixture::new(2);
    f.denominator("19", Basis::RecordedKtp, 1_080_000, "2023-01-01");
    f.percent_target("ID", Basis::RecordedKtp, "25", "2023-01-01");
    f.activate(0, "19.71", "2023-01-01", 12_000);
    f.activate(1, "19.01", "2023-03-17", 8_000);
    let answer = ask(&f.view(TODAY), "19", None, as_of("2023-03-17"));
    let goal = &answer["goal"];
    assert_eq!((&goal["by"], &goal["by_is"]), (&json!("2023-12-31"), &json!("year_end")));
    assert_eq!((&goal["to_go"], &goal["days_left"]), (&json!(250_000), &json!(289)));
    assert_eq!(goal["required_per_day"], "865.05");
    assert_eq!(goal["required_per_month"], "26329.48");
    assert_eq!(answer["target"]["inherited_from"], "ID");
}

#[test]
fn trailing_windows_end_with_yesterday_and_count_the_net_change() {
    let mut f = Fixture::new(2);
    f.absolute_target("18.71", 1_000, "2024-01-01", "2024-12-31");
    f.activate(0, "18.71", "2024-07-01", 100);
    for day in 6..=31 {
        f.activate(day % 2, "18.71", &format!("2024-07-{day:02}"), 4);
    }
    f.activate(0, "18.71", "2024-08-01", 10);
    f.activate(0, "18.71", "2024-08-02", 6);
    let lost = Detail::Deactivation(DeactivationReason::DeviceLost);
    f.post(1, Account::Deactivations, "18.71", ("2024-08-01", "2024-08-01"), lost, 2);
    let on = ("2024-08-02", "2024-08-02");
    f.post(1, Account::MovesOut, "18.71", on, Detail::Move(region("18.72")), 3);
    f.post(1, Account::MovesIn, "18.72", on, Detail::Move(region("18.71")), 3);
    f.activate(1, "18.71", TODAY, 500);
    let view = f.view(TODAY);
    let answer = ask(&view, "18.71", None, Days::default());
    assert_eq!(answer["as_of"], "2024-08-02", "today is not over");
    let windows = answer["windows"].as_array().unwrap();
    assert_eq!(windows.len(), 2);
    // Five days of 4, one of 8, one of 3: 31 in 7 days.
    assert_eq!(
        (&windows[0]["from"], &windows[0]["to"]),
        (&json!("2024-07-26"), &json!("2024-08-02"))
    );
    assert_eq!((&windows[0]["change"], &windows[0]["per_day"]), (&json!(31), &json!("4.43")));
    // 26 days of 4, and 11: 115 in 28 days.
    assert_eq!((&windows[1]["from"], &windows[1]["change"]), (&json!("2024-07-05"), &json!(115)));
    assert_eq!(windows[1]["per_day"], "4.11");
    assert_eq!(answer["activated"], 215);
    assert_eq!(windows[1]["target_met_on"], "2025-02-10", "785 · 28 / 115 = 191.1 days");
    let between = &windows[1]["target_met_between"];
    let day = |name: &str| between[name].as_str().unwrap().to_owned();
    assert!(day("earliest").as_str() < "2025-02-10" && "2025-02-10" < day("latest").as_str());
    let province = ask(&view, "18", None, Days::default());
    assert_eq!(province["windows"][0]["change"], 34, "a move within changes nothing");
    // Asked for, today counts; as it was known before, what came late does not.
    assert_eq!(ask(&view, "18.71", None, as_of(TODAY))["activated"], 715);
    let known = Days { as_of: None, known_at: Some(date("2024-08-01")), ahead: false };
    let then = ask(&view, "18.71", None, known);
    assert_eq!((&then["windows"][0]["change"], &then["bounds"]), (&json!(28), &Value::Null));
}

#[test]
fn where_there_is_too_little_there_is_no_forecast_and_a_reason() {
    let view = serang().view(TODAY);
    let window = |code: &str, from: &str, to: &str| {
        ask(&view, code, Some((from, to)), Days::default())["windows"][0].clone()
    };
    let reasons = |window: &Value| {
        assert!(window["target_met_on"].is_null());
        let reason = |name: &str| window[name]["reason"].as_str().unwrap_or("-").to_owned();
        (reason("no_forecast"), reason("no_target_day"))
    };
    let both = |reason: &str| (reason.to_owned(), reason.to_owned());
    assert_eq!(reasons(&window("36.04", "2024-07-28", "2024-08-02")), both("too_little_data"));
    let early = window("36.04", "2023-12-01", "2024-08-02");
    assert_eq!(
        early["no_forecast"]["detail"],
        "the first activation was on 2023-12-31, after 2023-12-01"
    );
    assert_eq!(early["per_day"], "146.94", "36,000 in 245 days");
    assert_eq!(reasons(&window("36.04", "2024-02-01", "2024-06-01")), both("pace_not_positive"));
    let nobody = window("11.01", "2024-02-01", "2024-06-01");
    assert_eq!(reasons(&nobody), ("too_little_data".to_owned(), "no_target".to_owned()));
    assert!(nobody["forecast"].is_null());
}

#[test]
fn a_target_that_is_met_requires_nothing_and_one_too_far_has_no_day() {
    let mut f = serang();
    f.absolute_target("18.71", 50, "2024-01-01", "2024-08-02");
    f.absolute_target("18.72", 1_000_000, "2024-01-01", "2024-08-02");
    for day in 1..=31 {
        f.activate(0, "18.71", &format!("2024-07-{day:02}"), 2);
        f.activate(1, "18.72", &format!("2024-07-{day:02}"), 2);
    }
    let view = f.view(TODAY);
    let met = ask(&view, "18.71", None, Days::default());
    assert_eq!((&met["goal"]["to_go"], &met["goal"]["days_left"]), (&json!(0), &json!(0)));
    assert_eq!(met["goal"]["required_per_day"], "0.00");
    assert_eq!(met["windows"][0]["no_target_day"]["reason"], "already_met");
    assert_eq!(met["windows"][0]["is_enough"], true);
    let far = ask(&view, "18.72", None, Days::default());
    assert_eq!(far["goal"]["required_per_day"], Value::Null, "no day is left");
    assert_eq!(far["windows"][1]["no_target_day"]["reason"], "too_far");
    assert_eq!(far["windows"][1]["is_enough"], Value::Null);
}

#[test]
fn days_to_come_have_no_pace() {
    let view = serang().view(TODAY);
    let code = "36.04".parse().unwrap();
    let (from, to, today) = (date("2024-01-01"), date("2024-08-04"), date(TODAY));
    assert_eq!(
        pace::pace(&view, code, Some((from, to)), &Days::default()),
        Err(QueryError::NotYet { parameter: "to", day: to, today })
    );
    assert_eq!(
        pace::pace(&view, code, Some((from, from)), &Days::default()),
        Err(QueryError::NoDayBetween { from, to: from })
    );
}
