//! Publish, fold, ask; stop, start, ask again.

use std::time::{Duration, Instant};

use laju_tests::broker::{BROKERS, TestBroker};
use laju_tests::events::{activations, now_ms};
use laju_tests::generate;
use laju_tests::judge::{Stored, log_of};
use laju_tests::process::{PATIENCE, Process, command, connect, run, worker};

use crate::{LAJU, assert_figures};

const PARTITIONS: u32 = 4;

/// Gauges are set once a second.
fn wait_for_metrics(process: &mut Process, names: &[&str]) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let (status, metrics) = process.try_get("/metrics").unwrap();
        assert_eq!(status, 200);
        let has = |name: &&str| metrics.contains(*name);
        if names.iter().all(has) {
            return;
        }
        assert!(Instant::now() < deadline, "not all of {names:?} in {metrics}");
        std::thread::sleep(Duration::from_millis(50));
    }
}

#[test]
fn figures_over_http_are_those_of_the_log_and_go_on_after_a_restart() {
    let broker = TestBroker::start(PARTITIONS);
    let store = tempfile::tempdir().unwrap();
    let mut records = generate::seeded(11, PARTITIONS, 50, 1_200).records;
    for record in &mut records {
        record.timestamp_ms = record.timestamp_ms.clamp(-1, 1 << 41);
    }
    let (first, later) = records.split_at(800);
    broker.publish(first);
    let days = [None, Some(generate::day(4)), Some(generate::day(9))];

    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    assert_figures(&mut process, &broker.read_log(), PARTITIONS, &days);
    wait_for_metrics(&mut process, &["laju_lag_seconds", "laju_lag_events", "laju_fold_rate"]);
    let ended = process.stop();
    assert!(ended.status.success(), "{ended:?}");
    let warned = ended.stderr.contains("CreateTime");
    assert_eq!(warned, !broker.is_real(), "it warns of a topic with CreateTime, and only then");
    let log = log_of(&broker.connection(), &[]);
    let before = Stored::open_copy(store.path(), &log).unwrap();

    broker.publish(later);
    let begun = Instant::now();
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    println!("ready {:.1} s after a restart", begun.elapsed().as_secs_f64());
    assert_figures(&mut process, &broker.read_log(), PARTITIONS, &days);
    // Each partition goes on with the last record that was folded.
    for (partition, position) in &before.positions {
        let line = format!("partition={partition} offset={}", position.last.unwrap().offset);
        assert!(process.log().contains(&line), "no '{line}': {}", process.log());
    }
    assert!(process.stop().status.success());
    let after = Stored::open_copy(store.path(), &log).unwrap();
    assert_eq!(after.node_id, before.node_id, "the same node");
}

#[test]
fn what_was_recorded_when_is_the_brokers_word_where_the_topic_says_so() {
    let broker = TestBroker::start(PARTITIONS);
    let store = tempfile::tempdir().unwrap();
    let long_ago = 1_690_000_000_000;
    let mut records = activations(0..20, PARTITIONS);
    for record in &mut records {
        // On the embedded broker the event would lie in the future.
        record.timestamp_ms = if broker.is_real() { long_ago } else { now_ms() };
    }
    let begun = now_ms();
    broker.publish(&records);
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    let (_, answer) = process.get("/v1/regions/18.71/progress");
    assert_eq!(answer["activated"], 20, "{answer}");
    assert!(process.stop().status.success());
    let stored = Stored::open_copy(store.path(), &log_of(&broker.connection(), &[])).unwrap();
    for position in stored.positions.values() {
        let until = position.recorded_until.unwrap();
        assert!((begun - 60_000..now_ms() + 60_000).contains(&until), "{until}");
    }
}

#[test]
fn topics_are_checked_on_a_real_kafka() {
    let broker = TestBroker::start(PARTITIONS);
    let mut check = command(LAJU, &["topics", "check", "--replication-factor", "1"]);
    connect(&mut check, &broker.connection());
    let ended = run(check);
    if broker.is_real() {
        assert!(ended.status.success(), "{ended:?}");
    } else {
        println!("the embedded broker has no admin API, so nothing is checked without {BROKERS}");
        ended.assert_refused(&["no admin API"]);
    }
}
