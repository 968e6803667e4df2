//! Confluent framing through a registry: schemas known from it alone, an id that it does not
//! know, and an outage. A stand-in answers, or the real one that `LAJU_TEST_REGISTRY` names.

use laju_kafka::publish::{PublishSettings, Publisher};
use laju_kafka::registry::{Registry, RegistryAccess};
use laju_schemas::framing::Framing;
use laju_schemas::raw::RawEvent;
use laju_schemas::topic::EVENTS;
use laju_schemas::{ActivationEvent, TimestampMs};
use laju_tests::broker::TestBroker;
use laju_tests::events::{activation, facts, later_schema, later_symbol, later_value, with_value};
use laju_tests::judge::{Stored, log_of};
use laju_tests::ledger;
use laju_tests::process::{Process, worker};
use laju_tests::registry::TestRegistry;
use laju_tests::wire;

use crate::LAJU;

const PARTITIONS: u32 = 3;

/// The event as a producer has it.
pub(crate) fn typed(event: &RawEvent<'_>) -> ActivationEvent {
    ActivationEvent {
        event_id: event.event_id,
        kiosk_id: event.kiosk_id.parse().unwrap(),
        sequence: event.sequence.try_into().unwrap(),
        occurred_at: TimestampMs(event.occurred_at),
        subject: event.subject,
        home_region: event.home_region.parse().unwrap(),
        service_region: event.service_region.parse().unwrap(),
        outreach_id: None,
        fact: event.fact.try_map_region(|code| code.parse().ok()).unwrap(),
    }
}

#[test]
fn schemas_are_known_from_the_registry_alone_and_its_outage_is_waited_out() {
    let broker = TestBroker::start(PARTITIONS);
    let registry = TestRegistry::start();
    let mut connection = broker.connection();
    connection.registry = Some(registry.url().to_owned());

    let publisher = Publisher::new(&connection, &PublishSettings::default()).unwrap();
    for number in 0..30 {
        publisher.publish(&typed(&activation(number))).unwrap().wait().unwrap();
    }
    let subject = format!("{}-value", connection.topic(&EVENTS));
    let id = Registry::new(registry.url(), RegistryAccess::default())
        .register(&subject, &later_schema())
        .unwrap();
    let mut later = Vec::new();
    for (number, fact) in (100..).zip(facts()) {
        let event = RawEvent { fact, ..activation(number) };
        let value = later_value(&event, Framing::Confluent(id));
        later.push(with_value(&event, PARTITIONS, value));
    }
    let event = activation(199);
    later.push(with_value(&event, PARTITIONS, later_symbol(&event, Framing::Confluent(id))));
    broker.publish(&later);
    // An id that the registry does not have, and one that no registry can have.
    for (number, id) in [(200, 39_999), (201, 3_999_999_999)] {
        let stranger = activation(number);
        let value = wire::framed(&stranger, Framing::Confluent(id));
        broker.publish(&[with_value(&stranger, PARTITIONS, value)]);
    }
    assert!(broker.read_log().iter().all(|record| record.value.as_ref().unwrap()[0] == 0));

    registry.take_away();
    let store = tempfile::tempdir().unwrap();
    let mut worker = worker(LAJU, &connection, store.path());
    worker.args(["--registry-patience", "1s"]);
    let mut process = Process::start(worker);
    process.wait_for("registry_unreachable");
    let (status, _) = process.try_get("/readyz").unwrap();
    assert_eq!(status, 503, "it waits");
    assert!(broker.read_quarantine().is_empty(), "an outage is not the record's fault");
    registry.bring_back();
    process.wait_ready();
    let (_, answer) = process.get("/v1/regions/18.71/progress");
    // 30 of today's version and one of the later, whose citizen nobody deactivates.
    assert_eq!(answer["activated"], 31, "{answer}");
    let (_, quarantine) = process.get("/v1/quarantine");
    assert_eq!(quarantine["total"], 2, "{quarantine}");
    let latest = quarantine["latest"].as_array().unwrap();
    assert!(latest.iter().all(|row| row["reason"] == "unknown_schema"), "{quarantine}");
    assert!(process.stop().status.success());

    let stored = Stored::open_copy(store.path(), &log_of(&connection, &[])).unwrap();
    let counts = ledger::counts(&stored.snapshot);
    assert_eq!(counts.received, 30 + later.len() as u64);
    let by_kind: Vec<u64> = counts.by_kind.values().copied().collect();
    assert_eq!(by_kind, [31, 2, 1, 1, 1, 1, 1, 1], "each kind as itself");
}
