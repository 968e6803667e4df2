//! What a worker does about what brokers answer, which only a broker that can be told what to answer
//! shows.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::TcpListener;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use laju_kafka::connection::Connection;
use laju_kafka::embedded::EmbeddedBroker;
use laju_kafka::publish::{PublishSettings, Publisher, Record};
use laju_kafka::trouble::TroubleKind;
use laju_schemas::known::ACTIVATION_EVENT_AVSC;
use laju_schemas::topic::EVENTS;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

use super::{Running, WorkerConfig, open};
use crate::ingest::error::WorkerError;
use crate::ingest::progress::Progress;
use crate::ingest::stop::Stop;
use crate::ingest::verdicts::Decided;
use crate::projection::snapshot::Snapshot;

const CONDITION_TIMEOUT: Duration = Duration::from_secs(60);

fn start(connection: Connection, store: &std::path::Path) -> (Running, Arc<Progress>) {
    start_patient(connection, store, Duration::ZERO)
}

fn start_patient(
    connection: Connection,
    store: &std::path::Path,
    registry_patience: Duration,
) -> (Running, Arc<Progress>) {
    let store = store.join("store");
    let (rebuild, schemas) = (false, Vec::new());
    let config = WorkerConfig {
        connection,
        store,
        rebuild,
        schemas,
        registry_patience,
        pipelines: NonZeroUsize::MIN,
    };
    let opened = open(config, || "a-worker".to_owned()).unwrap();
    let progress = opened.progress();
    let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::default()));
    let (decided, stop) = (Decided::default(), Stop::default());
    let running = opened.run(Arc::clone(&progress), snapshot, decided, stop).unwrap();
    (running, progress)
}

fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + CONDITION_TIMEOUT;
    while !is_so() {
        assert!(Instant::now() < deadline, "it does not come to be: {what}");
        std::thread::sleep(Duration::from_millis(10));
    }
}

fn send(connection: &Connection) {
    let publisher = Publisher::new(connection, &PublishSettings::default()).unwrap();
    // It cannot be counted, and goes to quarantine: the position moves all the same.
    let record =
        Record { topic: EVENTS.name, value: Some(b"v"), partition: Some(0), ..Record::default() };
    publisher.publish_record(&record).unwrap().wait().unwrap();
}

/// A registry that has the events' schema under any id, once it may say so.
fn registry(has_it: &Arc<AtomicBool>) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    let has_it = Arc::clone(has_it);
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
            let (status, body) = match has_it.load(Ordering::Acquire) {
                true => (200, serde_json::json!({"schema": ACTIVATION_EVENT_AVSC})),
                false => (404, serde_json::json!({"error_code": 40_403, "message": "no"})),
            };
            let body = body.to_string();
            let length = body.len();
            let _ = write!(
                &stream,
                "HTTP/1.1 {status} Status\r\nContent-Length: {length}\r\n\
                 Connection: close\r\n\r\n{body}"
            );
        }
    });
    url
}

/// Junk that names a schema of the registry, again and again until the brokers take it.
fn send_framed(connection: &Connection, partition: u32, count: usize) {
    let value = [0, 0, 0, 0, 7, 1];
    let publisher = Publisher::new(connection, &PublishSettings::default()).unwrap();
    let record = Record {
        topic: EVENTS.name,
        value: Some(&value),
        partition: Some(partition),
        ..Record::default()
    };
    let send = || publisher.publish_record(&record).unwrap();
    let sent: Vec<_> = (0..count).map(|_| send()).collect();
    for delivery in sent {
        if delivery.wait().is_err() {
            while send().wait().is_err() {}
        }
    }
}

fn kinds(progress: &Progress, partition: u32) -> Vec<TroubleKind> {
    let troubles = progress.troubles.of(EVENTS.name, partition);
    troubles.iter().map(|troubled| troubled.trouble.kind).collect()
}

#[test]
fn what_comes_of_a_partition_that_stands_still_moves_no_place() {
    let broker = EmbeddedBroker::start(2).unwrap();
    let has_it = Arc::new(AtomicBool::new(false));
    let mut connection = broker.connection();
    // More than are held, so that the partition is paused.
    send_framed(&connection, 0, 1_500);
    connection.registry = Some(registry(&has_it));
    let store = tempfile::tempdir().unwrap();
    let (running, progress) =
        start_patient(connection.clone(), store.path(), Duration::from_secs(3_600));
    wait_until("it waits for a schema", || kinds(&progress, 0) == [TroubleKind::SchemaNotFound]);
    wait_until("the other one has caught up", || progress.partitions[1].caught_up());
    // Only the other one is being fetched, but the error concerns the whole topic.
    let forbidden = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    broker.answer_with(RDKafkaApiKey::Fetch, &[forbidden; 3]).unwrap();
    wait_until("both stand still", || {
        (0..2).all(|partition| kinds(&progress, partition).contains(&TroubleKind::NotAuthorized))
    });
    has_it.store(true, Ordering::Release);
    wait_until("everything is over", || !progress.troubles.any());
    wait_until("it goes on", || progress.partitions[0].next_offset() == 1_500);
    assert_eq!(progress.folded(), 1_500, "each record, and none was passed over");
    running.stop.stop();
    running.join().unwrap();
}

#[test]
fn a_record_whose_verdict_is_on_its_way_waits_for_it_whatever_the_registry_has_meanwhile() {
    let broker = EmbeddedBroker::start(1).unwrap();
    let has_it = Arc::new(AtomicBool::new(false));
    let mut connection = broker.connection();
    send_framed(&connection, 0, 1);
    let plain = connection.clone();
    connection.registry = Some(registry(&has_it));
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE;
    broker.answer_with(RDKafkaApiKey::Produce, &[refused; 3]).unwrap();
    let store = tempfile::tempdir().unwrap();
    let (running, progress) = start(connection, store.path());
    wait_until("the verdict cannot be written", || {
        let troubles = progress.troubles.of(EVENTS.name, 0);
        troubles.iter().any(|troubled| troubled.trouble.reason.contains("cannot be written down"))
    });
    has_it.store(true, Ordering::Release);
    // Its schema is asked for once more for the next record's sake, and is there.
    send_framed(&plain, 0, 1);
    wait_until("both are judged", || progress.folded() == 2);
    let snapshot = running.snapshot.load();
    let refused = &snapshot.partitions[&0].quarantine.latest;
    let said: Vec<_> = refused.iter().map(|r| r.detail.contains("no schema with id 7")).collect();
    assert_eq!(said, [true, false], "{refused:?}");
    running.stop.stop();
    running.join().unwrap();
}

#[test]
fn what_the_brokers_refuse_for_good_ends_the_start_with_what_to_do() {
    let broker = EmbeddedBroker::start(1).unwrap();
    let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
    broker.answer_with(RDKafkaApiKey::FindCoordinator, &[refused; 50]).unwrap();
    let store = tempfile::tempdir().unwrap();
    let (running, _) = start(broker.connection(), store.path());
    let error = running.join().unwrap_err();
    assert!(matches!(error, WorkerError::Refused(_)), "{error}");
    let text = error.to_string();
    assert!(text.contains("give them the rights"), "{text}");
}

#[test]
fn a_right_that_is_taken_away_while_running_is_a_trouble_until_it_is_back() {
    let broker = EmbeddedBroker::start(1).unwrap();
    let connection = broker.connection();
    send(&connection);
    let store = tempfile::tempdir().unwrap();
    let (running, progress) = start(connection.clone(), store.path());
    wait_until("it has caught up", || progress.is_complete());

    let forbidden = RDKafkaRespErr::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED;
    broker.answer_with(RDKafkaApiKey::Fetch, &[forbidden; 3]).unwrap();
    wait_until("it is a trouble", || {
        let troubles = progress.troubles.of(EVENTS.name, 0);
        troubles.iter().any(|troubled| troubled.trouble.kind == TroubleKind::NotAuthorized)
    });
    assert_eq!(progress.troubles.all()[0].trouble.offset, 1);
    send(&connection);
    wait_until("it is over", || !progress.troubles.any());
    wait_until("it goes on", || progress.partitions[0].next_offset() == 2);
    running.stop.stop();
    running.join().unwrap();
}
