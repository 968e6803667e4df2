//! From published events to figures over HTTP, through the real program: on the embedded broker,
//! and by the same code on the real Kafka that `LAJU_TEST_BROKERS` names.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod codecs;
mod damaged;
mod fate;
mod figures;
mod log;
mod nodes;
mod quoted;
mod registry;
mod seed;
mod stream;
mod verdicts;

use std::collections::BTreeMap;

use jiff::civil::Date;
use laju_consumer::domain::account::Account;
use laju_schemas::RegionTable;
use laju_tests::log::LogRecord;
use laju_tests::oracle::Oracle;
use laju_tests::process::Process;
use serde_json::Value;

const LAJU: &str = env!("CARGO_BIN_EXE_laju-under-test");

/// Sums of the oracle's balances, as a row of a progress answer has them.
fn expected(
    oracle: &Oracle,
    as_of: Option<Date>,
    known_at: Option<Date>,
) -> BTreeMap<String, [i64; 9]> {
    let mut rows: BTreeMap<String, [i64; 9]> = BTreeMap::new();
    for ((account, region, _), amount) in oracle.balances(as_of, known_at) {
        let place = match account {
            Account::Activations => 1,
            Account::Deactivations => 2,
            Account::MovesIn => 3,
            Account::MovesOut => 4,
            Account::Deferrals => 5,
            Account::CardsRecorded => 6,
            Account::CardsRequested => 7,
            Account::PrintQueue => 8,
            _ => continue,
        };
        rows.entry(region.to_string()).or_default()[place] += amount;
    }
    for row in rows.values_mut() {
        row[0] = row[1] - row[2] + row[3] - row[4];
    }
    rows
}

/// Holds all regions' figures over HTTP against the oracle of the whole log.
fn assert_figures(worker: &mut Process, log: &[LogRecord], partitions: u32, days: &[Option<Date>]) {
    let oracle = Oracle::read(log, partitions);
    for as_of in days {
        for known_at in days {
            let mut path = "/v1/progress?level=regency".to_owned();
            for (name, day) in [("as_of", as_of), ("known_at", known_at)] {
                if let Some(day) = day {
                    path.push_str(&format!("&{name}={day}"));
                }
            }
            let (status, answer) = worker.get(&path);
            assert_eq!(status, 200, "{answer}");
            let expected = expected(&oracle, *as_of, *known_at);
            let rows = answer["rows"].as_array().unwrap();
            let regencies = RegionTable::get().regencies();
            assert_eq!(rows.len(), regencies.count(), "a row for every region");
            for row in rows {
                let code = row["region"]["code"].as_str().unwrap();
                let number = |value: &Value| value.as_i64().unwrap();
                let found = [
                    number(&row["activated"]),
                    number(&row["activations"]),
                    number(&row["deactivations"]),
                    number(&row["moves_in"]),
                    number(&row["moves_out"]),
                    number(&row["deferrals"]),
                    number(&row["cards"]["recorded"]),
                    number(&row["cards"]["requested"]),
                    number(&row["cards"]["queue"]),
                ];
                let wanted = expected.get(code).copied().unwrap_or_default();
                assert_eq!(found, wanted, "{code} in {path}");
            }
            let evidence = answer["evidence"]["partitions"].as_array().unwrap();
            let passed: i64 = evidence.iter().map(|p| p["next_offset"].as_i64().unwrap()).sum();
            assert_eq!((evidence.len() as u32, passed), (partitions, log.len() as i64));
        }
    }
    let (status, quarantine) = worker.get("/v1/quarantine");
    assert_eq!(status, 200, "{quarantine}");
    assert_eq!(quarantine["total"].as_u64(), Some(oracle.refused.len() as u64));
    let reasons: BTreeMap<String, u64> = quarantine["reasons"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["reason"].as_str().unwrap().to_owned(), row["count"].as_u64().unwrap()))
        .collect();
    let counts = oracle.counts().quarantined;
    assert_eq!(reasons, counts.into_iter().map(|(r, n)| (r.as_str().to_owned(), n)).collect());
}
