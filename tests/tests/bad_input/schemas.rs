//! Events of a later version of the schema: counted as the same kind of fact where someone gives
//! the schema, quarantined where nobody knows it.

use std::collections::BTreeMap;

use laju_schemas::event::FactKind;
use laju_schemas::framing::Framing;
use laju_schemas::known::fingerprint;
use laju_schemas::quarantine::{HEADER_DETAIL, HEADER_REASON};
use laju_schemas::raw::RawEvent;
use laju_tests::broker::TestBroker;
use laju_tests::events::{activation, facts, later_schema, later_symbol, later_value, with_value};
use laju_tests::judge::Stored;
use laju_tests::ledger;
use laju_tests::process::{Process, run, worker};

use crate::{LAJU, PARTITIONS, counted, fold_all};

/// One later event of each kind, and one with a symbol that only the later version has.
fn publish_later(broker: &TestBroker, framing: Framing) -> u64 {
    let mut records = Vec::new();
    for (number, fact) in (0..).zip(facts()) {
        let event = RawEvent { fact, ..activation(number) };
        records.push(with_value(&event, PARTITIONS, later_value(&event, framing)));
    }
    let event = activation(99);
    records.push(with_value(&event, PARTITIONS, later_symbol(&event, framing)));
    broker.publish(&records);
    records.len() as u64
}

fn by_kind(stored: &Stored) -> BTreeMap<FactKind, u64> {
    ledger::counts(&stored.snapshot).by_kind
}

#[test]
fn a_later_schema_given_as_a_file_is_counted_and_one_that_nobody_knows_is_quarantined() {
    let broker = TestBroker::start(PARTITIONS);
    let avsc = later_schema();
    let published = publish_later(&broker, Framing::SingleObject(fingerprint(&avsc).unwrap()));

    let store = tempfile::tempdir().unwrap();
    let stored = fold_all(&broker, store.path(), &[]);
    assert_eq!(counted(&stored), (0, published));
    // The next holder of the leases puts into quarantine what is not there yet.
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    let copies = broker.wait_quarantine(published as usize);
    assert!(process.is_running() && process.stop().status.success());
    for copy in copies {
        assert_eq!(copy.header(HEADER_REASON), Some("unknown_schema"));
        assert!(copy.header(HEADER_DETAIL).unwrap().contains("fingerprint"));
    }

    let file =
        store.path().parent().unwrap().join(format!("later-{:x}.avsc", rand::random::<u64>()));
    std::fs::write(&file, &avsc).unwrap();
    // With the schema the rules are others, so the store has to be rebuilt.
    let mut command = worker(LAJU, &broker.connection(), store.path());
    command.arg("--schema").arg(&file);
    run(command).assert_refused(&["fold version", "--rebuild"]);
    let another = tempfile::tempdir().unwrap();
    let stored = fold_all(&broker, another.path(), &[&file]);
    std::fs::remove_file(&file).unwrap();
    assert_eq!(counted(&stored), (published, 0));
    let mut expected: BTreeMap<FactKind, u64> =
        FactKind::ALL.iter().map(|kind| (*kind, 1)).collect();
    *expected.get_mut(&FactKind::Deactivated).unwrap() += 1;
    assert_eq!(by_kind(&stored), expected);
}

#[test]
fn a_schema_file_that_cannot_serve_is_refused_by_name() {
    let broker = TestBroker::start(PARTITIONS);
    let directory = tempfile::tempdir().unwrap();
    let try_schema = |text: Option<&str>, words: &[&str]| {
        let file = directory.path().join("other.avsc");
        if let Some(text) = text {
            std::fs::write(&file, text).unwrap();
        }
        let store = directory.path().join("store");
        let mut command = worker(LAJU, &broker.connection(), &store);
        command.arg("--schema").arg(&file);
        run(command).assert_refused(words);
        assert!(!store.exists(), "nothing is made");
    };
    try_schema(None, &["other.avsc"]);
    try_schema(Some("{"), &["not an Avro schema"]);
    try_schema(Some(r#""string""#), &["cannot be read as the schema"]);
}
