//! The worker on the embedded broker: from published events to what readers see.

#![allow(clippy::unwrap_used, reason = "the tests' helpers panic as the tests do")]

use std::num::NonZeroUsize;
use std::time::{Duration, Instant};

use laju_consumer::ingest::stop::Stop;
use laju_consumer::ingest::verdicts::Decided;
use laju_consumer::ingest::worker::{self, Running, WorkerConfig};
use laju_kafka::embedded::EmbeddedBroker;
use laju_kafka::publish::{PublishSettings, Publisher};
use laju_schemas::event::Channel;
use laju_schemas::{ActivationEvent, EventId, Fact, SubjectId, TimestampMs};

fn event(number: u32) -> ActivationEvent {
    let mut subject = [7; 16];
    subject[..4].copy_from_slice(&number.to_be_bytes());
    ActivationEvent {
        event_id: EventId(subject),
        kiosk_id: "kbl-01".parse().unwrap(),
        sequence: i64::from(number + 1).try_into().unwrap(),
        occurred_at: TimestampMs(1_700_000_000_000),
        subject: SubjectId(subject),
        home_region: "18.71".parse().unwrap(),
        service_region: "18.71".parse().unwrap(),
        outreach_id: None,
        fact: Fact::Activated { channel: Channel::Office, venue: None, first_time_holder: false },
    }
}

fn publish(broker: &EmbeddedBroker, numbers: std::ops::Range<u32>) {
    let publisher = Publisher::new(&broker.connection(), &PublishSettings::default()).unwrap();
    let deliveries: Vec<_> =
        numbers.map(|number| publisher.publish(&event(number)).unwrap()).collect();
    for delivery in deliveries {
        delivery.wait().unwrap();
    }
}

fn start(broker: &EmbeddedBroker, store: &std::path::Path, pipelines: usize) -> Running {
    let config = WorkerConfig {
        connection: broker.connection(),
        store: store.to_owned(),
        rebuild: false,
        schemas: Vec::new(),
        registry_patience: worker::REGISTRY_PATIENCE,
        pipelines: NonZeroUsize::new(pipelines).unwrap(),
    };
    let opened = worker::open(config, || "laju-test".to_owned()).unwrap();
    let progress = opened.progress();
    opened.run(progress, std::sync::Arc::default(), Decided::default(), Stop::default()).unwrap()
}

fn wait_for(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !done() {
        assert!(Instant::now() < deadline, "{what} did not happen in 30 s");
        std::thread::sleep(Duration::from_millis(5));
    }
}

fn standing(worker: &Running) -> u64 {
    worker.snapshot.load().partitions.values().map(|view| view.tallies.standing).sum()
}

#[test]
fn a_restart_goes_on_where_the_store_stands_with_however_many_pipelines() {
    let broker = EmbeddedBroker::start(3).unwrap();
    let store = tempfile::tempdir().unwrap();
    publish(&broker, 0..500);
    let worker = start(&broker, store.path(), 1);
    wait_for("catching up", || worker.progress.is_complete());
    assert_eq!(standing(&worker), 500);
    worker.stop.stop();
    worker.join().unwrap();

    publish(&broker, 400..900);
    let worker = start(&broker, store.path(), 3);
    assert_eq!(standing(&worker), 500, "the store has what was committed");
    wait_for("catching up", || worker.progress.is_complete());
    assert_eq!(standing(&worker), 900);
    let received: u64 =
        worker.snapshot.load().partitions.values().map(|view| view.tallies.received).sum();
    assert_eq!(received, 1_000, "repeats are received, but do not stand");
    publish(&broker, 900..1_000);
    wait_for("live events", || standing(&worker) == 1_000);
    worker.stop.stop();
    worker.join().unwrap();
}
