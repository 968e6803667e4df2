//! Several nodes of one log: each folds the whole of it and answers everything, whatever becomes of
//! the others.

use laju_tests::broker::TestBroker;
use laju_tests::events::{activation, activations, record};
use laju_tests::process::{Process, command, connect, run, wait_until, worker};
use nix::sys::signal::Signal;

use crate::{LAJU, assert_figures};

const PARTITIONS: u32 = 4;

/// What a node says of the nation, if it answers: the node is healthy, so it has to.
fn nation(node: &mut Process) -> serde_json::Value {
    let (status, answer) = node.get("/v1/regions/ID/progress");
    assert_eq!(status, 200, "{answer}");
    answer
}

/// The records that a node has folded.
fn folded(node: &mut Process) -> u64 {
    let (_, ready) = node.get("/readyz");
    let partitions = ready["partitions"].as_array().unwrap();
    partitions.iter().map(|partition| partition["next_offset"].as_u64().unwrap()).sum()
}

#[test]
fn each_of_several_nodes_answers_everything_whatever_becomes_of_the_others() {
    let broker = TestBroker::start(PARTITIONS);
    let stores = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let start =
        |store: usize| Process::start(worker(LAJU, &broker.connection(), stores[store].path()));
    broker.publish(&activations(0..200, PARTITIONS));
    let mut first = start(0);
    first.wait_ready();
    assert_figures(&mut first, &broker.read_log(), PARTITIONS, &[None]);

    // One that comes takes nothing away.
    let mut second = start(1);
    while second.try_get("/readyz").is_none_or(|(status, _)| status != 200) {
        nation(&mut first);
    }
    broker.publish(&activations(200..300, PARTITIONS));
    for node in [&mut first, &mut second] {
        wait_until("all is folded", || folded(node) == 300);
        assert_figures(node, &broker.read_log(), PARTITIONS, &[None]);
    }

    // Nor does one that goes, is killed or hangs.
    assert!(second.stop().status.success());
    nation(&mut first);
    let mut second = start(1);
    second.wait_ready();
    broker.publish(&activations(300..350, PARTITIONS));
    drop(first.kill());
    wait_until("all is folded", || {
        nation(&mut second);
        folded(&mut second) == 350
    });
    let mut first = start(0);
    first.wait_ready();
    second.signal(Signal::SIGSTOP);
    broker.publish(&activations(350..400, PARTITIONS));
    wait_until("all is folded", || {
        nation(&mut first);
        folded(&mut first) == 400
    });
    second.signal(Signal::SIGCONT);
    wait_until("all is folded", || folded(&mut second) == 400);
    for node in [&mut first, &mut second] {
        assert_figures(node, &broker.read_log(), PARTITIONS, &[None]);
    }
    for node in [first, second] {
        assert!(node.stop().status.success());
    }
}

#[test]
fn what_several_nodes_put_into_quarantine_is_there_once_for_whoever_reads() {
    let broker = TestBroker::start(PARTITIONS);
    let mut stranger = record(&activation(1), PARTITIONS);
    // Where its key does not belong.
    stranger.partition = (stranger.partition + 1) % PARTITIONS;
    broker.publish(&[stranger]);
    let stores = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let mut nodes = stores.each_ref().map(|store| {
        let mut node = Process::start(worker(LAJU, &broker.connection(), store.path()));
        node.wait_ready();
        node
    });
    for node in &mut nodes {
        assert_eq!(node.get("/v1/quarantine").1["total"], 1);
    }
    let mut list = command(LAJU, &["quarantine", "list", "--json"]);
    connect(&mut list, &broker.connection());
    let listed: serde_json::Value = serde_json::from_str(&run(list).stdout).unwrap();
    assert_eq!((&listed["total"], &listed["copies"]), (&1.into(), &1.into()), "{listed}");
}
