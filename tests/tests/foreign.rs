//! A foreign client: a Python program that has only the `.avsc` publishes in both framings, and
//! is counted. It needs a real Kafka (`LAJU_TEST_BROKERS`), because a foreign client is about what
//! others' software does, and a Python with confluent-kafka and fastavro (`LAJU_TEST_PYTHON`).

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use laju_schemas::topic::EVENTS;
use laju_tests::broker::{BROKERS, TestBroker, real_brokers};
use laju_tests::process::{Process, command, run, worker};
use laju_tests::registry::TestRegistry;

const LAJU: &str = env!("CARGO_BIN_EXE_laju-under-test");
const PYTHON: &str = "LAJU_TEST_PYTHON";
const EACH: u32 = 250;

#[test]
fn a_foreign_client_with_the_avsc_alone_is_counted_in_both_framings() {
    let python = std::env::var(PYTHON).ok().filter(|python| !python.is_empty());
    let (Some(_), Some(python)) = (real_brokers(), python) else {
        println!("not run: it needs {BROKERS} and {PYTHON} (with confluent-kafka and fastavro)");
        return;
    };
    let broker = TestBroker::start(6);
    let registry = TestRegistry::start();
    let mut connection = broker.connection();
    connection.registry = Some(registry.url().to_owned());
    let home = env!("CARGO_MANIFEST_DIR");
    let script = format!("{home}/foreign/publish.py");
    let avsc = format!("{home}/../schemas/avsc/activation_event.avsc");
    let topic = connection.topic(&EVENTS);
    let each = EACH.to_string();
    let args = [&script, &connection.brokers, &topic, &avsc, registry.url(), &each];
    let ended = run(command(&python, &args));
    assert!(ended.status.success(), "{ended:?}");

    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(worker(LAJU, &connection, store.path()));
    process.wait_ready();
    // In single-object encoding from Denpasar, in Confluent's from Jayapura.
    for region in ["51.71", "91.71"] {
        let (status, answer) = process.get(&format!("/v1/regions/{region}/progress"));
        assert_eq!((status, &answer["activated"]), (200, &EACH.into()), "{answer}");
    }
    let (_, answer) = process.get("/v1/regions/ID/breakdown?by=venue");
    let rows = answer["rows"].as_array().unwrap();
    let campus = rows.iter().find(|row| row["key"] == "campus").unwrap();
    assert_eq!(campus["count"], 2 * EACH, "{answer}");
    let (_, quarantine) = process.get("/v1/quarantine");
    assert_eq!(quarantine["total"], 0, "{quarantine}");
    assert!(process.stop().status.success());
}
