//! The demo as a user runs it: the figures that the offices reported come out of the real path.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::process::Command;

use serde_json::Value;

#[test]
fn every_reported_figure_comes_out_and_nothing_is_dropped() {
    let output = Command::new(env!("CARGO_BIN_EXE_laju"))
        .args(["demo", "--once", "--json"])
        .output()
        .unwrap();
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {errors}", output.status);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["ok"], true, "{answer:#}");

    // The figures that the README and the press have, each through events, fold and HTTP.
    let found = |region: &str, as_of: &str, measure: &str| -> Value {
        let figures = answer["figures"].as_array().unwrap();
        let figure = figures.iter().find(|figure| {
            figure["region"] == region && figure["as_of"] == as_of && figure["measure"] == measure
        });
        figure.unwrap_or_else(|| panic!("{region} {as_of} {measure} is not asked"))["found"].clone()
    };
    assert_eq!(found("18.71", "2023-12-31", "activated"), 90_000);
    assert_eq!(found("18.71", "2023-12-31", "coverage of wajib_ktp, %"), "11.73");
    assert_eq!(found("18.71", "2023-12-31", "attainment of target, %"), "46.94");
    assert_eq!(found("18.71", "2023-12-31", "target inherited from"), "ID");
    assert_eq!(found("19.71", "2023-02-28", "activated"), 566);
    assert_eq!(found("19.71", "2023-03-17", "activated"), 1_400);
    assert_eq!(found("19.71", "2023-03-17", "coverage of recorded_ktp, %"), "1.25");
    assert_eq!(found("19.71", "2023-03-17", "attainment of target, %"), "5.00");
    let pace = found("19", "2023-03-17", "required a month");
    let pace: f64 = pace.as_str().unwrap().parse().unwrap();
    assert!((20_900.0..21_100.0).contains(&pace), "21 thousand, as the press says: {pace}");
    assert_eq!(found("17.71", "2023-12-31", "activated"), 1_053);
    assert_eq!(found("17.71", "2023-12-31", "attainment of target, %"), "3.90");
    assert_eq!(found("17.71", "2023-12-31", "first-time card recordings"), 7_347);
    assert_eq!(found("17.71", "2023-12-31", "target, %"), "25");
    assert_eq!(found("17.71", "2024-01-01", "target, people"), 32_400);
    assert_eq!(found("36.04", "2024-01-01", "activated"), 31_000);
    assert_eq!(found("36.04", "2024-08-02", "activated"), 36_000);
    assert_eq!(found("36.04", "2024-08-02", "attainment of target, %"), "90.00");

    // What a counter gets wrong is all in it.
    for what in
        ["repeats", "late", "retractions", "moves", "deactivations", "quarantined", "missing"]
    {
        assert!(answer["happened"][what].as_u64().unwrap() > 0, "{what}: {:#}", answer["happened"]);
    }
    assert_eq!(answer["happened"]["missing"], 2);
    assert_eq!(answer["happened"]["quarantined"], 19);
}
