//! Questions to states made by hand.

use laju_schemas::event::{CardReason, Channel, DeactivationReason, DeferralReason, Venue};
use laju_schemas::reference::Basis;
use laju_schemas::{RegionCode, RegionLevel};
use serde_json::{Value, json};

use super::days::Days;
use super::figures::{breakdown, progress, series};
use super::fixtures::{Fixture, activation, date, region};
use super::question::Level;
use super::view::View;
use super::*;
use crate::domain::account::Account;
use crate::domain::cell::Detail;
use crate::query::figures::breakdown::{BreakdownQuestion, By};
use crate::query::figures::series::{SeriesQuestion, Step};

pub(crate) const TODAY: &str = "2024-08-02";

pub(crate) fn code(text: &str) -> RegionCode {
    text.parse().unwrap()
}

pub(crate) fn asked(as_of: Option<&str>, known_at: Option<&str>) -> Days {
    Days { as_of: as_of.map(date), known_at: known_at.map(date), ahead: false }
}

pub(crate) fn ask(view: &View, region: &str, days: &Days) -> Value {
    serde_json::to_value(progress::progress(view, code(region), days).unwrap()).unwrap()
}

/// What the offices told the press, posted by hand.
pub(crate) fn five_cities() -> Fixture {
    let mut f = Fixture::new(2);
    f.denominator("18.71", Basis::WajibKtp, 767_000, "2023-01-01");
    f.denominator("19.71", Basis::RecordedKtp, 112_000, "2023-01-01");
    f.denominator("17.71", Basis::RecordedKtp, 108_000, "2023-01-01");
    f.percent_target("ID", Basis::WajibKtp, "25", "2023-01-01");
    f.percent_target("19.71", Basis::RecordedKtp, "25", "2023-01-01");
    f.percent_target("17.71", Basis::RecordedKtp, "25", "2023-01-01");
    f.percent_target("17.71", Basis::RecordedKtp, "30", "2024-01-01");
    f.absolute_target("36.04", 40_000, "2024-01-01", "2024-12-31");
    f.activate(0, "18.71", "2023-06-01", 60_000);
    f.activate(1, "18.71", "2023-12-31", 30_000);
    f.activate(1, "18.71", "2024-01-01", 5);
    f.activate(0, "19.71", "2023-02-28", 566);
    let school = activation("19.71", Channel::Outreach, Some(Venue::School), 0);
    f.post(1, Account::Activations, "19.71", ("2023-03-10", "2023-03-10"), school, 834);
    f.activate(0, "17.71", "2023-11-01", 1_053);
    f.activate(0, "36.04", "2024-01-01", 31_000);
    f.activate(1, "36.04", "2024-08-02", 5_000);
    let first = Detail::Recorded(true);
    f.post(0, Account::CardsRecorded, "17.71", ("2023-05-01", "2023-05-01"), first, 7_347);
    let again = Detail::Recorded(false);
    f.post(1, Account::CardsRecorded, "17.71", ("2023-05-01", "2023-05-01"), again, 3);
    let reprint = Detail::Card(CardReason::Damaged);
    let on = ("2023-06-01", "2023-06-01");
    f.post(0, Account::CardsRequested, "17.71", on, reprint, 40);
    f.post(0, Account::PrintQueue, "17.71", on, Detail::Queue, 40);
    f.post(0, Account::CardsPrinted, "17.71", on, reprint, 15);
    f.post(0, Account::PrintQueue, "17.71", on, Detail::Queue, -15);
    f
}

#[test]
fn the_five_offices_figures_come_out() {
    let view = five_cities().view(TODAY);
    let on = |region: &str, day: &str| ask(&view, region, &asked(Some(day), None));

    let lampung = on("18.71", "2023-12-31");
    assert_eq!(lampung["activated"], 90_000);
    assert_eq!(lampung["denominators"][0]["coverage_percent"], "11.73");
    assert_eq!(lampung["target"]["people"], 191_750);
    assert_eq!(lampung["target"]["attainment_percent"], "46.94");
    assert_eq!(lampung["target"]["inherited_from"], "ID");

    assert_eq!(on("19.71", "2023-02-28")["activated"], 566);
    let pinang = on("19.71", "2023-03-17");
    assert_eq!(pinang["activated"], 1_400);
    assert_eq!(pinang["denominators"][0]["coverage_percent"], "1.25");
    assert_eq!(pinang["target"]["attainment_percent"], "5.00");
    assert_eq!(pinang["target"]["inherited_from"], Value::Null);

    let bengkulu = on("17.71", "2023-12-31");
    assert_eq!(bengkulu["activated"], 1_053);
    assert_eq!(bengkulu["target"]["attainment_percent"], "3.90");
    assert_eq!(bengkulu["target"]["percent"], "25");
    assert_eq!(
        bengkulu["cards"],
        json!({"recorded": 7_350, "recorded_first_time": 7_347, "requested": 40, "printed": 15,
               "queue": 25})
    );
    let later = on("17.71", "2024-01-01");
    assert_eq!(
        (&later["target"]["percent"], &later["target"]["people"]),
        (&json!("30"), &json!(32_400))
    );

    let serang = on("36.04", "2024-08-02");
    assert_eq!(on("36.04", "2024-01-01")["activated"], 31_000);
    assert_eq!(serang["activated"], 36_000);
    assert_eq!(serang["target"]["kind"], "absolute");
    assert_eq!(serang["target"]["attainment_percent"], "90.00");
    assert_eq!(serang["target"]["valid_to"], "2024-12-31");
    assert_eq!(on("36.04", "2025-01-01")["target"], Value::Null, "its last day is past");
}

#[test]
fn a_progress_answer_has_every_name_in_its_order() {
    let view = five_cities().view(TODAY);
    let answer =
        progress::progress(&view, code("18.71"), &asked(Some("2023-12-31"), None)).unwrap();
    insta::assert_snapshot!(serde_json::to_string_pretty(&answer).unwrap());
    let text = serde_json::to_string(&answer).unwrap();
    assert_eq!(serde_json::from_str::<progress::Progress>(&text).unwrap(), answer);
}

#[test]
fn without_as_of_what_is_dated_ahead_counts_and_references_are_todays() {
    let mut f = five_cities();
    f.activate(0, "17.71", "2024-08-03", 2);
    let view = f.view(TODAY);
    let answer = ask(&view, "17.71", &Days::default());
    assert_eq!(answer["activated"], 1_055);
    assert_eq!(answer["as_of"], TODAY);
    assert_eq!(answer["known_at"], Value::Null);
    assert_eq!(answer["target"]["percent"], "30");
    assert_eq!(ask(&view, "17.71", &asked(Some(TODAY), None))["activated"], 1_053);
}

#[test]
fn what_was_said_then_is_told_apart_from_what_was_true_then() {
    let mut f = five_cities();
    // Ten of the last day of the year came in five days late, and two were taken back later.
    let office = activation("18.71", Channel::Office, None, 0);
    let account = Account::Activations;
    f.post(0, account, "18.71", ("2023-12-31", "2024-01-05"), office, 10);
    f.post(0, account, "18.71", ("2023-06-01", "2024-02-01"), office, -2);
    let view = f.view(TODAY);
    let count = |as_of, known_at| {
        ask(&view, "18.71", &asked(Some(as_of), known_at))["activated"].as_i64().unwrap()
    };
    assert_eq!(count("2023-12-31", None), 90_008);
    assert_eq!(count("2023-12-31", Some("2024-01-04")), 90_000);
    assert_eq!(count("2023-12-31", Some("2024-01-05")), 90_010);
    assert_eq!(count("2023-12-30", Some("2024-01-05")), 60_000);
    let past = ask(&view, "18.71", &asked(Some("2023-12-31"), Some("2024-01-04")));
    assert_eq!((&past["bounds"], &past["missing"]), (&Value::Null, &Value::Null));
    assert_eq!(past["known_at"], "2024-01-04");
    assert!(past["link"].as_str().unwrap().ends_with("as_of=2023-12-31&known_at=2024-01-04"));
    let now = ask(&view, "18.71", &asked(Some("2023-12-31"), Some(TODAY)));
    assert_eq!(now["bounds"], json!({"lower": 90_008, "upper": 90_008}));
}

#[test]
fn days_before_the_programme_have_zeros_and_no_knowledge() {
    let view = five_cities().view(TODAY);
    let before = ask(&view, "18.71", &asked(Some("2021-12-31"), None));
    assert_eq!(before["activated"], 0);
    assert_eq!(before["denominators"], json!([]));
    let unknown = ask(&view, "18.71", &asked(Some("2023-12-31"), Some("1999-01-01")));
    assert_eq!(unknown["activated"], 0);
    assert_eq!((&unknown["denominators"], &unknown["target"]), (&json!([]), &Value::Null));
}

#[test]
fn i6_regions_add_up_and_every_region_has_a_row() {
    let mut f = five_cities();
    let on = ("2024-02-01", "2024-02-01");
    f.post(1, Account::MovesOut, "18.71", on, Detail::Move(region("17.71")), 7);
    f.post(1, Account::MovesIn, "17.71", on, Detail::Move(region("18.71")), 7);
    let view = f.view(TODAY);
    let days = asked(Some("2024-03-01"), None);
    let list =
        |level, within: &str| progress::progress_list(&view, level, code(within), &days).unwrap();
    let regencies = list(Level::Regency, "ID");
    let provinces = list(Level::Province, "ID");
    assert_eq!((regencies.rows.len(), provinces.rows.len()), (514, 38));
    let nation = progress::progress(&view, RegionCode::NATION, &days).unwrap();
    let sum = |rows: &[progress::ProgressRow]| -> i64 {
        rows.iter().map(|row| row.figures.activated).sum()
    };
    assert_eq!(sum(&regencies.rows), nation.figures.activated);
    assert_eq!(sum(&provinces.rows), nation.figures.activated);
    assert_eq!(nation.figures.moves_in, nation.figures.moves_out);
    let lampung = list(Level::Regency, "18");
    assert!(lampung.rows.iter().all(|row| row.region.code.is_within(code("18"))));
    for row in lampung.rows.iter().chain(&provinces.rows).chain(&regencies.rows) {
        let alone = progress::progress(&view, row.region.code, &days).unwrap();
        assert_eq!((&alone.figures, &alone.link), (&row.figures, &row.link));
    }
    assert_eq!(
        progress::progress_list(&view, Level::Province, code("18.71"), &days),
        Err(QueryError::LevelAbove { level: RegionLevel::Province, within: code("18.71") })
    );
}

#[test]
fn a_series_has_the_stock_at_the_end_and_the_flows_within() {
    let mut f = Fixture::new(2);
    f.activate(0, "18.71", "2023-12-31", 100);
    f.activate(1, "18.71", "2024-01-01", 10);
    f.activate(0, "18.71", "2024-01-31", 5);
    let lost = Detail::Deactivation(DeactivationReason::DeviceLost);
    let on = ("2024-02-01", "2024-02-03");
    f.post(1, Account::Deactivations, "18.71", on, lost, 3);
    f.post(1, Account::PrintQueue, "18.71", ("2023-05-05", "2023-05-05"), Detail::Queue, 4);
    f.post(1, Account::PrintQueue, "18.71", ("2024-02-29", "2024-02-29"), Detail::Queue, -1);
    f.activate(0, "18.71", "2024-03-01", 1_000);
    let view = f.view(TODAY);
    let ask = |days| {
        let span = (date("2024-01-01"), date("2024-02-29"));
        series::series(
            &view,
            &SeriesQuestion { code: code("18"), from: span.0, to: span.1, step: Step::Month },
            &days,
        )
        .unwrap()
    };
    let points = |days| {
        let points = ask(days).points.into_iter();
        points
            .map(|p| (p.activated, p.activations, p.deactivations, p.cards.queue))
            .collect::<Vec<_>>()
    };
    assert_eq!(points(Days::default()), [(115, 15, 0, 4), (112, 0, 3, 3)]);
    assert_eq!(points(asked(Some("2024-01-15"), None)), [(110, 10, 0, 4), (110, 0, 0, 4)]);
    assert_eq!(points(asked(None, Some("2024-02-02"))), [(115, 15, 0, 4), (115, 0, 0, 4)]);
    assert_eq!(
        ask(Days::default()).link,
        "/v1/regions/18/series?from=2024-01-01&to=2024-02-29&step=month&as_of=2024-08-02&known_at=2024-08-02"
    );
    let span = (date("2023-01-01"), date("2024-08-02"));
    let whole = series::series(
        &view,
        &SeriesQuestion { code: code("ID"), from: span.0, to: span.1, step: Step::Day },
        &Days::default(),
    )
    .unwrap();
    let last = whole.points.last().unwrap();
    assert_eq!((whole.points.len(), last.activated), (580, 1_112));
    let flows: i64 = whole.points.iter().map(|p| p.activations - p.deactivations).sum();
    assert_eq!(last.activated, flows);
}

#[test]
fn breakdowns_name_every_key() {
    let mut f = Fixture::new(2);
    // The same visit has other numbers in other partitions.
    f.outreach(0, "other");
    let visits = [f.outreach(0, "SMA-3"), f.outreach(1, "SMA-3")];
    assert_ne!(visits[0], visits[1]);
    let on = ("2024-01-01", "2024-01-01");
    for (partition, amount) in [(0, 30), (1, 12)] {
        let visit = visits[partition as usize];
        let at_school = activation("18.72", Channel::Outreach, Some(Venue::School), visit);
        f.post(partition, Account::Activations, "18.71", on, at_school, amount);
    }
    f.activate(0, "18.71", "2024-01-02", 8);
    f.activate(0, "17.71", "2024-01-02", 1_000);
    let deferral = Detail::Deferral {
        reason: DeferralReason::NoSmartphone,
        service: region("18.71"),
        outreach: 0,
    };
    f.post(1, Account::Deferrals, "18.71", on, deferral, 5);
    f.post(1, Account::CardsRequested, "18.71", on, Detail::Card(CardReason::Lost), 3);
    f.post(0, Account::CardsPrinted, "18.71", on, Detail::Card(CardReason::Lost), 2);
    let view = f.view(TODAY);
    let rows = |by: By, days: &Days| {
        let answer =
            breakdown::breakdown(&view, &BreakdownQuestion::of(code("18"), by), days).unwrap();
        serde_json::to_value(answer.rows).unwrap()
    };
    let all = Days::default();
    assert_eq!(
        rows(By::Channel, &all),
        json!([{"key": "office", "count": 8}, {"key": "sub_district", "count": 0},
               {"key": "service_mall", "count": 0}, {"key": "outreach", "count": 42},
               {"key": "self_service", "count": 0}])
    );
    let venues = rows(By::Venue, &all);
    assert_eq!(venues[0], json!({"key": "school", "count": 42}));
    assert_eq!(venues.as_array().unwrap().last(), Some(&json!({"key": null, "count": 8})));
    assert_eq!(
        rows(By::Outreach, &all),
        json!([{"key": "SMA-3", "count": 42}, {"key": null, "count": 8}])
    );
    assert_eq!(
        rows(By::ServiceRegion, &all),
        json!([{"key": "18.72", "count": 42}, {"key": "18.71", "count": 8}])
    );
    assert_eq!(
        rows(By::FirstTime, &all),
        json!([{"key": "false", "count": 50}, {"key": "true", "count": 0}])
    );
    assert_eq!(rows(By::DeferralReason, &all)[0], json!({"key": "no_smartphone", "count": 5}));
    assert_eq!(rows(By::CardReason, &all)[2], json!({"key": "lost", "requested": 3, "printed": 2}));
    assert_eq!(rows(By::DeactivationReason, &all)[0], json!({"key": "device_lost", "count": 0}));
    assert_eq!(
        rows(By::Outreach, &asked(Some("2024-01-01"), None)),
        json!([{"key": "SMA-3", "count": 42}])
    );
}
