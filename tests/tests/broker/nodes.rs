//! Several nodes of one log: each folds the whole of it and answers everything, whatever becomes of
//! the others.

use std::path::Path;

use laju_kafka::publish::{PublishSettings, Publisher, Record};
use laju_schemas::topic::EVENTS;
use laju_tests::broker::TestBroker;
use laju_tests::events::{activation, activations, record};
use laju_tests::judge::{Stored, log_of};
use laju_tests::log::LogRecord;
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
pub(crate) fn folded(node: &mut Process) -> u64 {
    let (_, ready) = node.get("/readyz");
    let partitions = ready["partitions"].as_array().unwrap();
    partitions.iter().map(|partition| partition["next_offset"].as_u64().unwrap()).sum()
}

/// Questions to which every node gives the same bytes for the same offsets.
const QUESTIONS: [&str; 5] = [
    "/v1/progress?level=regency",
    "/v1/regions/ID/progress?known_at=2024-06-01",
    "/v1/regions/18.71/breakdown?by=channel",
    "/v1/kiosks",
    "/v1/ledger",
];

pub(crate) fn answers(node: &mut Process) -> Vec<String> {
    QUESTIONS
        .iter()
        .map(|path| {
            let (status, body) = node.try_get(path).unwrap();
            assert_eq!(status, 200, "{path}: {body}");
            body
        })
        .collect()
}

#[test]
fn i7_every_node_answers_everything_alike_whatever_becomes_of_it_and_of_the_others() {
    let broker = TestBroker::start(PARTITIONS);
    let stores = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    // Nor does it matter which threads fold which partitions.
    let folding = |store: &Path, pipelines: u32| {
        let mut command = worker(LAJU, &broker.connection(), store);
        command.args(["--pipelines", &pipelines.to_string()]);
        Process::start(command)
    };
    let start = |store: usize| folding(stores[store].path(), 1 + 2 * store as u32);
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
    assert_figures(&mut first, &broker.read_log(), PARTITIONS, &[None]);

    // One was killed and started, one was stopped, started and hung, one comes now.
    let newest = tempfile::tempdir().unwrap();
    let mut third = folding(newest.path(), 2);
    third.wait_ready();
    let said = answers(&mut third);
    assert_eq!(answers(&mut first), said);
    assert_eq!(answers(&mut second), said);
    for node in [first, second, third] {
        assert!(node.stop().status.success());
    }
    let ledger = |store: &Path| {
        let stored = Stored::open_copy(store, &log_of(&broker.connection(), &[])).unwrap();
        (stored.positions.clone(), stored.ledger_bytes())
    };
    let [first, second] = stores.each_ref().map(|store| ledger(store.path()));
    assert_eq!(first, ledger(newest.path()));
    assert_eq!(first, second);
}

/// The figure of the nation and the position that it bears, asked for from a position on.
fn active(node: &str, at_least: &str) -> (u64, String) {
    let url = format!("http://{node}/v1/regions/ID/progress");
    let request = match at_least {
        "" => ureq::get(&url),
        position => ureq::get(&url).header("laju-at-least", position),
    };
    let mut answer = request.call().unwrap();
    let position = answer.headers()["laju-position"].to_str().unwrap().to_owned();
    let body: serde_json::Value = answer.body_mut().read_json().unwrap();
    (body["activated"].as_u64().unwrap(), position)
}

#[test]
fn no_answer_is_from_before_another_that_its_client_has() {
    let broker = TestBroker::start(PARTITIONS);
    let stores = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [mut ahead, mut behind] = stores.each_ref().map(|store| {
        let mut node = Process::start(worker(LAJU, &broker.connection(), store.path()));
        node.wait_ready();
        node
    });
    let addresses = [ahead.address(), behind.address()].map(|address| address.to_string());
    for round in 1..=10 {
        // One hangs while the other folds, and is asked the moment it goes on.
        behind.signal(Signal::SIGSTOP);
        let published = round * 100;
        broker.publish(&activations(published - 100..published, PARTITIONS));
        wait_until("one is ahead", || folded(&mut ahead) == u64::from(published));
        let (_, position) = active(&addresses[0], "");
        behind.signal(Signal::SIGCONT);
        let (now, _) = active(&addresses[1], &position);
        assert_eq!(now, u64::from(published), "it went back");
    }

    // The command keeps the position, and who has published an event can make one.
    let directory = tempfile::tempdir().unwrap();
    let kept = directory.path().join("position");
    for address in &addresses {
        let url = format!("http://{address}");
        let mut query = command(LAJU, &["query", "progress", "ID", "--json", "--url", &url]);
        query.arg("--position-file").arg(&kept);
        let answer: serde_json::Value = serde_json::from_str(&run(query).stdout).unwrap();
        assert_eq!(answer["activated"], 1_000);
    }
    let token = std::fs::read_to_string(&kept).unwrap();
    let (log, _) = token.split_once('.').unwrap();
    let last = broker.read_log().into_iter().max_by_key(|record| record.offset).unwrap();
    // One beyond the end is not called wrong by nodes that have not read from the same leader for long.
    for (number, status) in [(last.offset + 1, 200), (last.offset + 1_000, 503)] {
        let path = format!("/v1/regions/ID/progress?at_least={log}.{}:{number}", last.partition);
        assert_eq!(ahead.get(&path).0, status);
        assert_eq!(behind.get(&path).0, status);
    }
}

#[test]
fn a_node_cut_off_from_kafka_is_not_ready_by_its_lag_and_catches_up_by_itself() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&activations(0..10, PARTITIONS));
    let store = tempfile::tempdir().unwrap();
    let mut worker = worker(LAJU, &broker.connection(), store.path());
    worker.args(["--max-lag", "3s"]);
    let mut node = Process::start(worker);
    node.wait_ready();
    let Some(outage) = broker.outage() else { return };
    wait_until("its lag is told", || {
        let (status, ready) = node.get("/readyz");
        let partitions = ready["partitions"].as_array().unwrap();
        let lags = partitions.iter().map(|partition| partition["lag_seconds"].as_u64().unwrap());
        // What is known is answered all the same: there may be no other node.
        nation(&mut node);
        let is_told = ready["waiting_for"].to_string().contains("behind its end");
        assert_eq!(is_told, status == 503, "{ready}");
        is_told && lags.min() >= Some(3)
    });
    drop(outage);
    node.wait_ready();
    // By another publisher: the embedded broker's does not find back to it.
    let publisher = Publisher::new(&broker.connection(), &PublishSettings::default()).unwrap();
    let topic = broker.connection().topic(&EVENTS);
    for event in activations(10..20, PARTITIONS) {
        let (key, value) = (event.key.as_deref(), event.value.as_deref());
        let partition = Some(event.partition);
        let record = Record { topic: &topic, key, value, partition, ..Record::default() };
        publisher.publish_record(&record).unwrap().wait().unwrap();
    }
    wait_until("all is folded", || folded(&mut node) == 20);
    assert!(node.stop().status.success());
}

#[test]
fn a_figure_that_one_node_has_quoted_is_found_at_another_with_its_position() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&activations(0..20, PARTITIONS));
    let stores = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let [mut first, mut second] = stores.each_ref().map(|store| {
        let mut node = Process::start(worker(LAJU, &broker.connection(), store.path()));
        node.wait_ready();
        node
    });
    let url = format!("http://{}/v1/figures", first.address());
    for day in 1..=20 {
        let figure = serde_json::json!({"region": "ID", "as_of": format!("2024-06-{day:02}")});
        let mut answer = ureq::post(&url).send_json(figure).unwrap();
        let position = answer.headers()["laju-position"].to_str().unwrap().to_owned();
        assert!(position.contains(";q"), "{position}");
        let figure: serde_json::Value = answer.body_mut().read_json().unwrap();
        let id = figure["figure_id"].as_str().unwrap();
        let (status, _) = second.get(&format!("/v1/figures/{id}?at_least={position}"));
        assert_eq!(status, 200, "{id} {position}");
        // Other figures rest on none.
        if day == 20 {
            let asked = format!("/v1/regions/ID/progress?at_least={position}");
            assert_eq!(second.get(&asked).0, 200);
        }
    }
}

/// Records that cannot be counted: where their keys do not belong.
fn strangers(numbers: std::ops::Range<u32>) -> Vec<LogRecord> {
    let stranger = |number| {
        let mut stranger = record(&activation(number), PARTITIONS);
        stranger.partition = (stranger.partition + 1) % PARTITIONS;
        stranger
    };
    numbers.map(stranger).collect()
}

/// How many there are for a reader of the quarantine topic.
fn quarantined(broker: &TestBroker) -> u64 {
    let mut list = command(LAJU, &["quarantine", "list", "--json"]);
    connect(&mut list, &broker.connection());
    let listed: serde_json::Value = serde_json::from_str(&run(list).stdout).unwrap();
    listed["total"].as_u64().unwrap()
}

#[test]
fn what_several_nodes_refuse_is_in_quarantine_whichever_of_them_dies_or_hangs() {
    let broker = TestBroker::start(PARTITIONS);
    let stores = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let start = |node: usize| {
        let mut node = Process::start(worker(LAJU, &broker.connection(), stores[node].path()));
        node.wait_ready();
        node
    };
    broker.publish(&strangers(0..20));
    let mut nodes = [start(0), start(1)];
    for node in &mut nodes {
        assert_eq!(node.get("/v1/quarantine").1["total"], 20);
    }
    let _ = broker.wait_quarantine(20);
    let leases = |nodes: &mut [Process]| {
        nodes.iter_mut().filter_map(|node| node.metric("laju_leases")).sum::<f64>()
    };
    wait_until("each lease is held once", || leases(&mut nodes) == f64::from(PARTITIONS));

    // One hangs, and is taken for dead; it wakes up and writes what it was about to.
    nodes[0].signal(Signal::SIGSTOP);
    broker.publish(&strangers(20..60));
    let _ = broker.wait_quarantine(60);
    nodes[0].signal(Signal::SIGCONT);
    for node in &mut nodes {
        wait_until("both have refused them", || node.get("/v1/quarantine").1["total"] == 60);
    }
    assert_eq!(quarantined(&broker), 60);

    // One is killed, and the other stopped: the next node puts there what is not there yet.
    let [first, second] = nodes;
    drop(first.kill());
    broker.publish(&strangers(60..80));
    assert!(second.stop().status.success());
    broker.publish(&strangers(80..100));
    let mut last = start(0);
    let copies = broker.wait_quarantine(100);
    // Twice at most what one was about to write when it hung, or had not told of when it was killed.
    assert!(copies.len() <= 100 + 80, "{}", copies.len());
    assert_eq!(quarantined(&broker), 100);
    assert_eq!(last.get("/v1/quarantine").1["total"], 100);
    // The next node begins where this one ended.
    let rules = last.get("/readyz").1["fold_version"].as_str().unwrap().to_owned();
    let group = format!("{}laju-{rules}", broker.connection().topic_prefix);
    assert!(last.stop().status.success());
    let mut ends = vec![Some(0); PARTITIONS as usize];
    for record in broker.read_log() {
        ends[record.partition as usize] = Some(record.offset + 1);
    }
    assert_eq!(broker.committed(&group), ends);
}
