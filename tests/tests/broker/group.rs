//! Two workers in one group: each holds a part and says so instead of answering with a part of the
//! sum; when one is gone the other takes over.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use laju_tests::broker::TestBroker;
use laju_tests::events::activations;
use laju_tests::process::{PATIENCE, Process, worker};

use crate::{LAJU, assert_figures};

const PARTITIONS: u32 = 4;

/// The partitions that a worker holds, and whether it says that it is ready.
fn held(process: &mut Process) -> (BTreeSet<u64>, bool) {
    let (status, answer) = process.get("/readyz");
    let partitions = answer["partitions"].as_array().unwrap();
    let held = partitions.iter().map(|p| p["partition"].as_u64().unwrap()).collect();
    assert_eq!(answer["ready"], status == 200, "{answer}");
    (held, status == 200)
}

fn wait_until(what: &str, mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "{what} did not happen");
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// Waits until two workers share the partitions; neither answers figures then.
fn assert_shared(first: &mut Process, second: &mut Process) {
    let all: BTreeSet<u64> = (0..u64::from(PARTITIONS)).collect();
    wait_until("the sharing of the partitions", || {
        let ((a, a_ready), (b, b_ready)) = (held(first), held(second));
        let shared = !a.is_empty() && !b.is_empty() && a.is_disjoint(&b);
        shared && !a_ready && !b_ready && a.union(&b).copied().collect::<BTreeSet<_>>() == all
    });
    for process in [first, second] {
        let (status, problem) = process.get("/v1/regions/18.71/progress");
        assert_eq!((status, &problem["status"]), (503, &503.into()), "{problem}");
        assert!(problem["type"].as_str().unwrap().ends_with("not-ready"), "{problem}");
        let detail = problem["detail"].as_str().unwrap();
        assert!(detail.contains("partition"), "{detail}");
        // What needs no figures is answered all the same.
        assert_eq!(process.get("/v1/regions").0, 200);
        assert_eq!(process.get("/healthz").0, 200);
    }
}

#[test]
fn two_workers_share_the_partitions_and_one_takes_over_when_the_other_is_gone() {
    let broker = TestBroker::start(PARTITIONS);
    let stores = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let start =
        |store: usize| Process::start(worker(LAJU, &broker.connection(), stores[store].path()));
    broker.publish(&activations(0..200, PARTITIONS));
    let mut first = start(0);
    first.wait_ready();
    assert_figures(&mut first, &broker.read_log(), PARTITIONS, &[None]);

    let mut second = start(1);
    assert_shared(&mut first, &mut second);
    // What each gets now the other does not see.
    broker.publish(&activations(200..300, PARTITIONS));
    let begun = Instant::now();
    assert!(second.stop().status.success());
    first.wait_ready();
    println!("taken over {:.1} s after the other stopped", begun.elapsed().as_secs_f64());
    assert_figures(&mut first, &broker.read_log(), PARTITIONS, &[None]);

    let mut second = start(1);
    assert_shared(&mut first, &mut second);
    broker.publish(&activations(300..350, PARTITIONS));
    let begun = Instant::now();
    drop(first.kill());
    second.wait_ready();
    println!("taken over {:.1} s after the other was killed", begun.elapsed().as_secs_f64());
    assert_figures(&mut second, &broker.read_log(), PARTITIONS, &[None]);
    assert!(second.stop().status.success());
}
