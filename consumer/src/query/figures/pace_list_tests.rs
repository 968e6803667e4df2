//! The pace of every region at once: each row is what the region's own answer says, and the share
//! of the pace required is worked out by hand.

use laju_schemas::RegionCode;
use laju_schemas::event::DeactivationReason;
use laju_schemas::reference::Basis;
use serde_json::{Value, json};

use crate::domain::account::Account;
use crate::domain::cell::Detail;
use crate::query::QueryError;
use crate::query::days::Days;
use crate::query::figures::pace;
use crate::query::figures::pace_list::{PaceList, pace_list};
use crate::query::fixtures::{Fixture, date, region};
use crate::query::question::Level;
use crate::query::view::View;

pub(crate) const TODAY: &str = "2024-08-03";

pub(crate) fn ask(view: &View, level: Level, within: &str, days: Days) -> PaceList {
    pace_list(view, level, within.parse().unwrap(), &days).unwrap()
}

fn as_of(day: &str) -> Days {
    Days { as_of: Some(date(day)), known_at: None, ahead: false }
}

fn row<'a>(list: &'a Value, code: &str) -> &'a Value {
    let mut rows = list["rows"].as_array().unwrap().iter();
    rows.find(|row| row["region"]["code"] == code).unwrap()
}

/// Targets of their own and inherited ones, met, missed and out of time; people who come, go,
/// move and are recorded late.
pub(crate) fn islands() -> Fixture {
    let mut f = Fixture::new(2);
    f.percent_target("ID", Basis::RecordedKtp, "25", "2023-01-01");
    f.denominator("19.01", Basis::RecordedKtp, 2_000, "2023-01-01");
    f.denominator("19.71", Basis::RecordedKtp, 400, "2023-01-01");
    f.absolute_target("36.04", 40_000, "2024-01-01", "2024-12-31");
    f.absolute_target("36.01", 10, "2024-01-01", "2024-07-31");
    f.activate(0, "19.01", "2024-07-01", 100);
    f.activate(1, "19.01", "2024-07-20", 14);
    f.activate(0, "19.71", "2024-06-01", 100);
    f.activate(0, "36.04", "2024-07-28", 28);
    f.activate(1, "36.01", "2024-07-28", 3);
    let lost = Detail::Deactivation(DeactivationReason::DeviceLost);
    f.post(0, Account::Deactivations, "19.01", ("2024-07-30", "2024-08-01"), lost, 7);
    f.post(
        1,
        Account::MovesOut,
        "19.71",
        ("2024-07-29", "2024-07-29"),
        Detail::Move(region("19.01")),
        2,
    );
    f.post(
        1,
        Account::MovesIn,
        "19.01",
        ("2024-07-29", "2024-07-29"),
        Detail::Move(region("19.71")),
        2,
    );
    f
}

#[test]
fn every_row_is_what_the_regions_own_answer_says() {
    let view = islands().view(TODAY);
    let known =
        Days { as_of: Some(date("2024-07-31")), known_at: Some(date("2024-07-31")), ahead: false };
    let mut seen = 0;
    for days in [Days::default(), as_of("2024-07-29"), as_of("2022-01-03"), known] {
        for (level, within) in [
            (Level::Regency, "19"),
            (Level::Regency, "36"),
            (Level::Regency, "36.04"),
            (Level::Province, "ID"),
        ] {
            let list = ask(&view, level, within, days);
            for row in &list.rows {
                let own = pace::pace(&view, row.region.code, None, &days).unwrap();
                assert_eq!((&row.region, row.activated), (&own.region, own.activated));
                assert_eq!((row.goal, list.as_of), (own.goal, own.as_of), "{:?}", row.region);
                assert_eq!((list.known_at, &row.link), (own.known_at, &own.link));
                assert_eq!(row.windows.len(), own.windows.len());
                for (window, own) in row.windows.iter().zip(&own.windows) {
                    assert_eq!((window.from, window.to), (own.from, own.to));
                    assert_eq!((window.days, window.change), (own.days, own.change));
                    assert_eq!(window.per_day, own.per_day);
                    assert_eq!(window.per_month, own.per_month);
                    assert_eq!(window.is_enough, own.is_enough, "{:?}", row.region);
                    seen += i32::from(window.change != 0);
                }
            }
        }
    }
    assert!(seen > 20, "only {seen} windows in which anything happened");
}

#[test]
fn every_region_of_the_level_has_a_row_in_the_order_of_the_codes() {
    let view = islands().view(TODAY);
    let codes = |level, within| -> Vec<RegionCode> {
        let list = ask(&view, level, within, Days::default());
        assert_eq!((list.level, list.within), (level.into(), within.parse().unwrap()));
        list.rows.iter().map(|row| row.region.code).collect()
    };
    let all = codes(Level::Regency, "ID");
    assert!(all.len() == 514 && all.is_sorted());
    assert_eq!(codes(Level::Province, "ID").len(), 38);
    assert_eq!(codes(Level::Regency, "19").len(), 7);
    assert_eq!(codes(Level::Province, "19"), ["19".parse().unwrap()]);
    let (level, within) = (Level::Province, "19.01".parse().unwrap());
    let above = pace_list(&view, level, within, &Days::default());
    assert_eq!(above, Err(QueryError::LevelAbove { level: level.into(), within }));
    let (day, today) = (date("2024-08-04"), date(TODAY));
    let later = pace_list(&view, Level::Regency, within, &as_of("2024-08-04"));
    assert_eq!(later, Err(QueryError::NotYet { parameter: "as_of", day, today }));
}

#[test]
fn the_share_of_the_pace_required_is_worked_out_by_hand() {
    let view = islands().view(TODAY);
    let list = serde_json::to_value(ask(&view, Level::Regency, "ID", as_of("2024-08-02")));
    let list = list.unwrap();
    // 100 + 14 + 2 - 7 = 109 of 500: 391 to go in 151 days, 2.59 a day. Within 28 days from the
    // end of 5 July 14 + 2 - 7 = 9: (9 / 28) / (391 / 151) = 1359 / 10948 = 12.41 %. Within 7
    // days, from the end of 26 July, 2 - 7 = -5: no pace at all.
    let sungailiat = row(&list, "19.01");
    assert_eq!(sungailiat["goal"]["to_go"], 391);
    assert_eq!(sungailiat["goal"]["required_per_day"], "2.59");
    let windows = &sungailiat["windows"];
    assert_eq!((&windows[0]["days"], &windows[0]["change"]), (&json!(7), &json!(-5)));
    assert_eq!(
        (&windows[0]["per_day"], &windows[0]["is_enough"]),
        (&json!("-0.71"), &json!(false))
    );
    assert_eq!(windows[0]["percent_of_required"], "0.00");
    assert_eq!((&windows[1]["days"], &windows[1]["change"]), (&json!(28), &json!(9)));
    assert_eq!(windows[1]["percent_of_required"], "12.41");
    // 40,000 - 28 = 39,972 in 151 days; 28 in 7 days is 4 a day: 4 / 264.715 = 1.51 %.
    let serang = row(&list, "36.04");
    assert_eq!(serang["windows"][0]["percent_of_required"], "1.51");
    assert_eq!(serang["windows"][1]["percent_of_required"], "0.38");
    // 98 of 100: 2 to go in 151 days, and 2 who have gone.
    let pangkalpinang = row(&list, "19.71");
    assert_eq!(pangkalpinang["goal"]["to_go"], 2);
    assert_eq!(pangkalpinang["windows"][0]["percent_of_required"], "0.00");
    // A target whose last day is over applies no more; a region without one needs no pace.
    for code in ["36.01", "11.01"] {
        assert_eq!(row(&list, code)["goal"], Value::Null);
        assert_eq!(row(&list, code)["windows"][1]["percent_of_required"], Value::Null);
        assert_eq!(row(&list, code)["windows"][1]["is_enough"], Value::Null);
    }
    // On the last day of a target that is missed no pace would do.
    let last = serde_json::to_value(ask(&view, Level::Regency, "36", as_of("2024-07-31")));
    let last = last.unwrap();
    let tangerang = row(&last, "36.01");
    assert_eq!(
        (&tangerang["goal"]["to_go"], &tangerang["goal"]["days_left"]),
        (&json!(7), &json!(0))
    );
    assert_eq!(tangerang["goal"]["required_per_day"], Value::Null);
    assert_eq!(tangerang["windows"][0]["percent_of_required"], Value::Null);
    // Once the goal is reached none is required: 100 of 100 on the day before somebody moved.
    let before = serde_json::to_value(ask(&view, Level::Regency, "19", as_of("2024-07-28")));
    let before = before.unwrap();
    let there = row(&before, "19.71");
    assert_eq!(
        (&there["goal"]["to_go"], &there["goal"]["required_per_day"]),
        (&json!(0), &json!("0.00"))
    );
    assert_eq!(there["windows"][0]["is_enough"], true);
    assert_eq!(there["windows"][0]["percent_of_required"], Value::Null);
}
