//! Releases and workers that are stopped and killed, again and again.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use laju_schemas::quarantine::Origin;
use laju_schemas::topic::DECISIONS;
use laju_tests::broker::TestBroker;
use laju_tests::events::activations;
use laju_tests::process::{Process, run, wait_until, worker};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::json;

use super::{PARTITIONS, Said, decide, json_of, misplaced, released_events, said, wait_for};
use crate::LAJU;

/// What a release says of each step of a transaction.
const STEPS: [&str; 4] = [
    "a transaction begins",
    "the events sent again are delivered",
    "the decisions are delivered",
    "the transaction is committed",
];

/// Kills a worker at random moments and starts it again, until told to stop.
fn kill_workers(broker: &TestBroker, store: &std::path::Path, seed: u64, stop: &AtomicBool) -> u32 {
    let mut random = StdRng::seed_from_u64(seed);
    let mut kills = 0;
    while !stop.load(Ordering::Acquire) {
        let process = Process::start(worker(LAJU, &broker.connection(), store));
        // Not to let something settle, but to choose the moment of the kill.
        std::thread::sleep(Duration::from_millis(random.random_range(100..1_500)));
        drop(process.kill());
        kills += 1;
    }
    kills
}

/// Each event counts exactly once, and there is one decision about each, whatever is killed when.
#[test]
fn released_quarantine_counts_exactly_once_under_kill_9() {
    const BAD: u32 = 2_000;
    const GOOD: u32 = 50;
    let broker = TestBroker::start(PARTITIONS);
    let store = tempfile::tempdir().unwrap();
    broker.publish(&activations(BAD..BAD + GOOD, PARTITIONS));
    let bad: Vec<_> = (0..BAD).map(misplaced).collect();
    broker.publish(&bad);
    // All of it is in quarantine before the first release.
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    let all = u64::from(BAD);
    let before = Said {
        activated: GOOD.into(),
        unknown: BAD.into(),
        total: all,
        open: all,
        released: 0,
        discarded: 0,
    };
    wait_for(&mut process, &before);
    let _ = broker.wait_quarantine(BAD as usize);
    drop(process.kill());

    let mut random = StdRng::seed_from_u64(9);
    let (stop, mut kills, mut moved) = (AtomicBool::new(false), 0, 0);
    let workers = std::thread::scope(|scope| {
        let workers = scope.spawn(|| kill_workers(&broker, store.path(), 11, &stop));
        loop {
            let decided = broker.read(&DECISIONS).len();
            let filter = ["release", "--reason", "wrong_partition", "--yes"];
            let mut release = decide(&broker, &filter);
            release.env("RUST_LOG", "laju_consumer=debug");
            let mut process = Process::start(release);
            // Behind a step of one of the first transactions, or while it starts.
            let step = STEPS[random.random_range(0..STEPS.len())];
            let times = random.random_range(0..4);
            while process.is_running() && process.log().matches(step).count() < times {
                std::thread::sleep(Duration::from_micros(200));
            }
            let longest = if times == 0 { 300_000 } else { 5_000 };
            std::thread::sleep(Duration::from_micros(random.random_range(0..longest)));
            if !process.is_running() {
                let ended = process.wait();
                let (code, report) = json_of(&ended);
                assert_eq!((code, &report["ok"]), (Some(0), &json!(true)), "{ended:?}");
                break;
            }
            drop(process.kill());
            kills += 1;
            moved += usize::from(broker.read(&DECISIONS).len() > decided);
            assert!(kills < 200, "it never ends");
        }
        stop.store(true, Ordering::Release);
        workers.join().unwrap()
    });
    println!("{kills} releases killed, {moved} of them in their midst; {workers} workers killed");
    assert!(moved >= 4, "too few kills were in the midst of it: {moved} of {kills}");

    let decisions = broker.read(&DECISIONS);
    let mut origins: BTreeMap<String, u32> = BTreeMap::new();
    for decision in &decisions {
        let key = String::from_utf8(decision.record.key.clone().unwrap()).unwrap();
        *origins.entry(key).or_default() += 1;
    }
    assert_eq!(origins.len() as u32, BAD);
    assert!(origins.values().all(|count| *count == 1), "one decision about each");
    let mut sent: BTreeMap<Origin, u32> = BTreeMap::new();
    for (origin, _) in released_events(&broker) {
        *sent.entry(origin).or_default() += 1;
    }
    assert_eq!(sent.len() as u32, BAD);
    assert!(sent.keys().all(|origin| origins.contains_key(&origin.to_string())));
    let twice = sent.values().filter(|count| **count > 1).count();
    println!("{twice} events stand in the log more than once");
    if broker.is_real() {
        assert_eq!(twice, 0, "the committed log has each exactly once");
    }

    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    let after = Said {
        activated: (BAD + GOOD).into(),
        unknown: 0,
        total: all,
        open: 0,
        released: all,
        discarded: 0,
    };
    wait_for(&mut process, &after);
}

/// Asked to stop, a release ends between two transactions, and says how far it has come.
#[test]
fn a_release_asked_to_stop_ends_between_transactions_and_goes_on_later() {
    const BAD: u32 = 3_000;
    let broker = TestBroker::start(PARTITIONS);
    let store = tempfile::tempdir().unwrap();
    let bad: Vec<_> = (0..BAD).map(misplaced).collect();
    broker.publish(&bad);
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    let _ = broker.wait_quarantine(BAD as usize);

    let mut release = decide(&broker, &["release", "--all", "--yes"]);
    release.env("RUST_LOG", "laju_consumer=debug");
    let mut release = Process::start(release);
    release.wait_for(STEPS[0]);
    let (code, report) = json_of(&release.stop());
    let count = |name: &str| report[name].as_array().unwrap().len() as u32;
    let decided = count("decided");
    assert_eq!(decided + count("left"), BAD);
    assert_eq!((code, &report["error"]), (Some(1), &json!("asked to stop")), "{decided}");
    assert!(decided.is_multiple_of(100) && decided < BAD, "{decided}");
    assert_eq!(broker.read(&DECISIONS).len() as u32, decided);
    wait_until("what was released counts", || said(&mut process).activated == i64::from(decided));

    let (code, report) = json_of(&run(decide(&broker, &["release", "--all", "--yes"])));
    assert_eq!(code, Some(0));
    assert_eq!(report["decided"].as_array().unwrap().len() as u32, BAD - decided);
    wait_until("all of it counts", || said(&mut process).activated == i64::from(BAD));
    assert_eq!(released_events(&broker).len() as u32, BAD);
}
