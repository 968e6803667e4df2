//! A node that begins with another one's store: it answers like the others, wherever it or the other is
//! killed, and what is not whole or not of its log never becomes a store.

use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use laju_consumer::projection::format::Kind;
use laju_consumer::projection::store::{Opening, Store};
use laju_tests::broker::TestBroker;
use laju_tests::events::{activations, later_schema};
use laju_tests::judge::{Stored, copy_tree, log_of};
use laju_tests::meddler::{Fault, Meddler};
use laju_tests::process::{Process, command, run, wait_until, worker};

use crate::LAJU;
use crate::nodes::{answers, folded};

const PARTITIONS: u32 = 4;
/// Enough for many chunks of each partition, in several runs of them.
const EVENTS: u32 = 12_000;
/// More bytes than a partition's store has of them, and not as many as two have.
const FURTHER: u64 = 160_000;

fn seeded(broker: &TestBroker, store: &Path, url: &str) -> Command {
    let mut command = worker(LAJU, &broker.connection(), store);
    command.args(["--seed", url]);
    command
}

fn ready(command: Command) -> Process {
    let mut node = Process::start(command);
    node.wait_ready();
    node
}

fn url(node: &mut Process) -> String {
    format!("http://{}", node.address())
}

/// A node that has folded so many events.
fn origin(broker: &TestBroker, store: &Path, events: u32) -> Process {
    broker.publish(&activations(0..events, PARTITIONS));
    let mut node = ready(worker(LAJU, &broker.connection(), store));
    wait_until("all is folded", || folded(&mut node) == u64::from(events));
    node
}

/// That all of them have folded so many events, and answer alike; and their stores, once they have
/// stopped.
fn assert_alike(broker: &TestBroker, events: u32, nodes: Vec<(Process, &Path)>) {
    let (mut nodes, stores): (Vec<_>, Vec<_>) = nodes.into_iter().unzip();
    for node in &mut nodes {
        wait_until("all is folded", || folded(node) == u64::from(events));
    }
    let said = answers(&mut nodes[0]);
    for node in &mut nodes[1..] {
        assert_eq!(answers(node), said);
    }
    for node in nodes {
        assert!(node.stop().status.success());
    }
    let log = log_of(&broker.connection(), &[]);
    let stored: Vec<_> = stores.iter().map(|at| Stored::open_copy(at, &log).unwrap()).collect();
    for one in &stored[1..] {
        assert_eq!(one.positions, stored[0].positions);
        assert_eq!(one.ledger_bytes(), stored[0].ledger_bytes());
        assert_ne!(one.node_id, stored[0].node_id);
    }
}

/// The chunks of an unfinished store, in a copy of it.
fn chunks(broker: &TestBroker, store: &Path) -> u64 {
    let copy = tempfile::tempdir().unwrap();
    copy_tree(store, copy.path());
    let log = log_of(&broker.connection(), &[]);
    match Store::open_or_seed(copy.path(), &log, String::new).unwrap() {
        Opening::Unfinished(seeding) => (0..PARTITIONS)
            .flat_map(|partition| Kind::ALL.map(|kind| seeding.chain(partition, kind).count))
            .sum(),
        Opening::There(_) => panic!("it is a store"),
    }
}

#[test]
fn i7_a_seeded_node_answers_like_its_origin_and_like_one_that_folded_all() {
    let broker = TestBroker::start(PARTITIONS);
    let stores = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let mut first = origin(&broker, stores[0].path(), EVENTS / 2);
    let url = url(&mut first);
    // Events come all the while.
    let over = AtomicBool::new(false);
    let (published, mut second) = std::thread::scope(|scope| {
        let publishing = scope.spawn(|| {
            let mut published = EVENTS / 2;
            while !over.load(Ordering::Acquire) {
                broker.publish(&activations(published..published + 50, PARTITIONS));
                published += 50;
            }
            published
        });
        let second = ready(seeded(&broker, stores[1].path(), &url));
        over.store(true, Ordering::Release);
        (publishing.join().unwrap(), second)
    });
    assert!(published > EVENTS / 2, "nothing came meanwhile");
    assert!(second.log().contains("this node's own"), "{}", second.log());
    // Once the store is there, the option has nothing to do.
    assert!(second.stop().status.success());
    second = ready(seeded(&broker, stores[1].path(), "http://127.0.0.1:9"));
    assert!(second.log().contains("the store is there already"), "{}", second.log());
    let third = ready(worker(LAJU, &broker.connection(), stores[2].path()));
    let [a, b, c] = stores.each_ref().map(|store| store.path());
    assert_alike(&broker, published, vec![(first, a), (second, b), (third, c)]);
}

#[test]
fn a_node_killed_while_it_takes_a_store_goes_on_from_there() {
    let broker = TestBroker::start(PARTITIONS);
    let stores = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let [at, path, whole] = stores.each_ref().map(|store| store.path());
    let mut first = origin(&broker, at, EVENTS);
    let between = Meddler::before(&first.address());
    let mut published = EVENTS;
    let mut here = 0;
    // In the first answer, in one of the next, and then each time in what comes of a further partition:
    // what came before is kept before more is asked for.
    for after in [100, 5_000, FURTHER, FURTHER, FURTHER] {
        between.set(Fault::Hold, after);
        let mut node = Process::start(seeded(&broker, path, &between.url()));
        wait_until("the store is on its way", || between.is_met());
        assert!(node.listens());
        let (status, body) = node.try_get("/readyz").unwrap();
        assert_eq!(status, 503);
        assert!(body.contains("taking the store from"), "{body}");
        assert_eq!(node.get("/healthz").0, 200);
        drop(node.kill());
        let before = std::mem::replace(&mut here, chunks(&broker, path));
        if after == FURTHER {
            assert!(here > before, "{here} after {before}");
            run(worker(LAJU, &broker.connection(), path)).assert_refused(&[
                "not all of it is there",
                "--seed",
                "--rebuild",
            ]);
        }
        // The other one goes on.
        broker.publish(&activations(published..published + 100, PARTITIONS));
        published += 100;
        wait_until("all is folded", || folded(&mut first) == u64::from(published));
    }
    between.set(Fault::None, 0);
    let node = ready(seeded(&broker, path, &between.url()));
    let resumed = between.passed();
    assert!(node.log().contains(&format!("here={here}")), "{here}: {}", node.log());
    between.set(Fault::None, 0);
    let other = ready(seeded(&broker, whole, &between.url()));
    assert!(resumed < between.passed(), "{resumed} bytes of {}", between.passed());
    assert_alike(&broker, published, vec![(first, at), (node, path), (other, whole)]);
}

#[test]
fn a_node_whose_origin_is_killed_waits_for_it_and_goes_on() {
    let broker = TestBroker::start(PARTITIONS);
    let stores = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [at, path] = stores.each_ref().map(|store| store.path());
    let mut first = origin(&broker, at, EVENTS);
    let between = Meddler::before(&first.address());
    between.set(Fault::Hold, 300_000);
    let mut node = Process::start(seeded(&broker, path, &between.url()));
    wait_until("the store is on its way", || between.is_met());
    drop(first.kill());
    between.set(Fault::None, 0);
    node.wait_for("trying again");
    let mut first = ready(worker(LAJU, &broker.connection(), at));
    between.stand_before(&first.address());
    // And once more, in the middle of an answer.
    between.set(Fault::Cut, 50_000);
    node.wait_ready();
    assert!(between.is_met());
    assert_alike(&broker, EVENTS, vec![(first, at), (node, path)]);

    let nobody = tempfile::tempdir().unwrap();
    let mut command = seeded(&broker, nobody.path(), "http://127.0.0.1:9");
    command.args(["--seed-patience", "1s"]);
    run(command).assert_refused(&["did not come from http://127.0.0.1:9", "start again"]);
}

#[test]
fn a_bit_that_changes_on_the_way_is_noticed_and_asked_for_again() {
    let broker = TestBroker::start(PARTITIONS);
    let stores = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [at, path] = stores.each_ref().map(|store| store.path());
    let mut first = origin(&broker, at, EVENTS);
    let between = Meddler::before(&first.address());
    // In the middle of the facts of the first partition.
    between.set(Fault::Flip, 100_000);
    let node = ready(seeded(&broker, path, &between.url()));
    assert!(between.is_met());
    assert!(node.log().contains("arrived damaged"), "{}", node.log());
    assert_alike(&broker, EVENTS, vec![(first, at), (node, path)]);
}

#[test]
fn a_store_of_another_log_or_other_rules_is_not_taken() {
    let (broker, another) = (TestBroker::start(PARTITIONS), TestBroker::start(PARTITIONS));
    let stores = [(); 2].map(|()| tempfile::tempdir().unwrap());
    let [at, path] = stores.each_ref().map(|store| store.path());
    let mut first = origin(&broker, at, 100);
    let url = url(&mut first);
    let words = ["is not of this log and these rules", &url, "leave --seed out"];
    run(seeded(&another, path, &url)).assert_refused(&words);
    let schema = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(schema.path(), later_schema()).unwrap();
    let mut command = seeded(&broker, path, &url);
    command.arg("--schema").arg(schema.path());
    run(command).assert_refused(&["is not of this log and these rules", "fold version"]);
    let mut command = seeded(&broker, path, &url);
    command.arg("--rebuild");
    run(command).assert_refused(&["--rebuild", "cannot be used with"]);
    // Nothing of it is there: a node begins as if nothing had been.
    let node = ready(worker(LAJU, &broker.connection(), path));
    assert_alike(&broker, 100, vec![(first, at), (node, path)]);
}

#[test]
fn a_store_is_given_to_a_token_for_it_only() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&activations(0..100, PARTITIONS));
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);
    for role in ["read", "seed"] {
        let mut new = command(LAJU, &["token", "new", "--name", role, "--role", role, "--file"]);
        new.arg(at("tokens.toml"));
        std::fs::write(at(role), run(new).stdout).unwrap();
    }
    let mut first = worker(LAJU, &broker.connection(), &at("first"));
    first.arg("--tokens").arg(at("tokens.toml"));
    let mut first = Process::start(first);
    let url = url(&mut first);
    let second = at("second");
    run(seeded(&broker, &second, &url)).assert_refused(&[
        "wants a token",
        "--seed-token-file",
        "LAJU_SEED_TOKEN_FILE",
    ]);
    let with = |token: &str| {
        let mut command = seeded(&broker, &second, &url);
        command.arg("--seed-token-file").arg(at(token));
        command
    };
    run(with("read")).assert_refused(&["the role seed", "--role seed"]);
    let mut node = ready(with("seed"));
    assert_eq!(folded(&mut node), 100);
    assert!(node.stop().status.success());
    assert!(first.stop().status.success());
}
