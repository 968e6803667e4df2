//! `laju diff`: nodes of the same rules are identical, wherever each of them is; and what other rules
//! would change is reported before anybody switches to them.

use std::path::Path;

use laju_schemas::framing::Framing;
use laju_schemas::known::fingerprint;
use laju_schemas::raw::RawEvent;
use laju_tests::broker::TestBroker;
use laju_tests::events::{
    REGION, activation, activations, later_schema, later_value, record, with_value,
};
use laju_tests::fold::store_by_another_rule;
use laju_tests::judge::log_of;
use laju_tests::process::{Process, command, run, worker};
use serde_json::Value;

use crate::LAJU;

const PARTITIONS: u32 = 3;

/// The report on two places, of a command that ends with this code.
fn diff(a: &str, b: &str, code: i32) -> Value {
    let ended = run(command(LAJU, &["diff", a, b, "--json"]));
    assert_eq!(ended.status.code(), Some(code), "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

fn node(broker: &TestBroker, store: &Path, more: &[&Path]) -> (Process, String) {
    let mut worker = worker(LAJU, &broker.connection(), store);
    for schema in more {
        worker.arg("--schema").arg(schema);
    }
    let mut node = Process::start(worker);
    node.wait_ready();
    let address = format!("http://{}", node.address());
    (node, address)
}

#[test]
fn nodes_of_the_same_rules_are_identical_wherever_each_is() {
    let broker = TestBroker::start(PARTITIONS);
    // Recorded on several days, as far as the broker lets a client say so.
    let mut records = activations(0..300, PARTITIONS);
    for (day, record) in (0..).zip(&mut records) {
        record.timestamp_ms += day / 10 * 86_400_000;
    }
    broker.publish(&records[..200]);
    let stores = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let path = |store: usize| stores[store].path().to_str().unwrap().to_owned();
    let (first, address) = node(&broker, stores[0].path(), &[]);
    let (second, other) = node(&broker, stores[1].path(), &[]);
    let same = diff(&address, &other, 0);
    assert_eq!(same["verdict"], "identical");
    for part in same["partitions"].as_array().unwrap() {
        assert_eq!(part["digest_a"], part["digest_b"], "{part}");
        assert!(part["digest_a"].is_string() && part["recorded_before"].is_null(), "{part}");
    }

    // One stands still, the other goes on.
    assert!(first.stop().status.success());
    broker.publish(&records[200..]);
    assert!(second.stop().status.success());
    let (second, other) = node(&broker, stores[1].path(), &[]);
    let apart = diff(&path(0), &other, 0);
    assert_eq!((&apart["verdict"], &apart["reason"]), (&"identical".into(), &Value::Null));
    assert!(apart["partitions"][0]["recorded_before"].is_string(), "{apart}");
    assert!(broker.is_real() || apart["postings"].as_u64() > Some(0), "{apart}");

    // What is not of the same log is not compared.
    assert!(second.stop().status.success());
    let elsewhere = TestBroker::start(PARTITIONS);
    elsewhere.publish(&records);
    let strange = tempfile::tempdir().unwrap();
    let (third, third_address) = node(&elsewhere, strange.path(), &[]);
    let cannot = diff(&path(0), &third_address, 2);
    assert!(cannot["reason"].as_str().unwrap().contains("not of the same log"), "{cannot}");
    assert!(third.stop().status.success());
    let missing = diff(&path(0), "/nowhere", 2);
    assert!(missing["reason"].as_str().unwrap().contains("/nowhere"), "{missing}");
}

#[test]
fn what_other_rules_would_change_is_told_region_by_region() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&activations(0..50, PARTITIONS));
    let avsc = later_schema();
    let framing = Framing::SingleObject(fingerprint(&avsc).unwrap());
    let later: Vec<_> = (100..107)
        .map(|number| {
            let event: RawEvent<'_> = activation(number);
            with_value(&event, PARTITIONS, later_value(&event, framing))
        })
        .collect();
    broker.publish(&later);
    let directory = tempfile::tempdir().unwrap();
    let schema = directory.path().join("later.avsc");
    std::fs::write(&schema, &avsc).unwrap();
    let (old, address) = node(&broker, &directory.path().join("old"), &[]);
    let (new, other) = node(&broker, &directory.path().join("new"), &[&schema]);

    let report = diff(&address, &other, 1);
    assert_eq!(report["verdict"], "differs");
    assert_ne!(report["fold_version_a"], report["fold_version_b"]);
    let accounts = report["accounts"].as_array().unwrap();
    let more: i64 = accounts
        .iter()
        .filter(|row| row["account"] == "activations")
        .map(|row| row["difference"].as_i64().unwrap())
        .sum();
    assert_eq!(more, 7, "{report}");
    let refused = &report["quarantined"][0];
    assert_eq!(
        (&refused["reason"], &refused["in_a"], &refused["in_b"]),
        (&"unknown_schema".into(), &7.into(), &0.into())
    );
    let text = run(command(LAJU, &["diff", &address, &other])).stdout;
    for words in
        ["they differ in", "activations", "+7", "unknown_schema", "everything, at the same"]
    {
        assert!(text.contains(words), "'{words}': {text}");
    }
    for node in [old, new] {
        assert!(node.stop().status.success());
    }
}

#[test]
fn a_wrong_new_rule_is_told_with_the_regions_and_accounts_that_it_is_wrong_in() {
    const AWAY: &str = "17.71";
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&activations(0..50, PARTITIONS));
    let away: Vec<_> = (100..112)
        .map(|number| record(&RawEvent { service_region: AWAY, ..activation(number) }, PARTITIONS))
        .collect();
    broker.publish(&away);
    let directory = tempfile::tempdir().unwrap();
    let (right, address) = node(&broker, &directory.path().join("right"), &[]);

    // An activation counts where the citizen lives, and not where the office is that served them.
    let mut log = log_of(&broker.connection(), &[]);
    log.fold_version = "4-of-tomorrow".to_owned();
    let wrong = directory.path().join("wrong");
    store_by_another_rule(&broker.read_log(), &log, &wrong, |event| event.home = event.service)
        .unwrap();
    let wrong = wrong.to_str().unwrap();

    let report = diff(&address, wrong, 1);
    assert_eq!((&report["verdict"], &report["reason"]), (&"differs".into(), &Value::Null));
    assert_eq!(report["fold_version_b"], "4-of-tomorrow");
    let accounts = report["accounts"].as_array().unwrap();
    let differing: Vec<_> = accounts
        .iter()
        .map(|row| {
            let text = |name: &str| row[name].as_str().unwrap().to_owned();
            (text("region"), text("account"), row["difference"].as_i64().unwrap())
        })
        .collect();
    let expected = [(AWAY, 12), (REGION, -12)]
        .map(|(region, by)| (region.to_owned(), "activations".to_owned(), by));
    assert_eq!(differing, expected, "{report}");
    let text = run(command(LAJU, &["diff", &address, wrong])).stdout;
    for words in ["of 2 regions", AWAY, "+12", REGION, "-12", "activations"] {
        assert!(text.contains(words), "'{words}': {text}");
    }

    // Nor is one overlooked that gives the same sums, a day earlier.
    let early = directory.path().join("early");
    let a_day = 86_400_000;
    store_by_another_rule(&broker.read_log(), &log, &early, |event| event.occurred_at -= a_day)
        .unwrap();
    let early = diff(&address, early.to_str().unwrap(), 1);
    let [row] = &early["accounts"].as_array().unwrap()[..] else { panic!("{early}") };
    assert_eq!((&row["region"], &row["account"]), (&REGION.into(), &"activations".into()));
    assert_eq!((&row["difference"], &row["moved"]), (&0.into(), &62.into()), "{early}");

    // By the right rule, there is nothing to tell, whatever the version is called.
    let same = directory.path().join("same");
    store_by_another_rule(&broker.read_log(), &log, &same, |_| ()).unwrap();
    assert_eq!(diff(&address, same.to_str().unwrap(), 0)["verdict"], "identical");
    assert!(right.stop().status.success());
}
