//! Each program on a Kafka with TLS, users and rights: with what `consumer/docs/rights.md` gives it,
//! and nothing else, it does what it is for; without any one of those rights it says which is
//! missing, by operation and name, and how it is given.
//!
//! Needs a Kafka of its own, which `LAJU_TEST_KAFKA_TOOL` starts.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod cluster;

use std::cell::RefCell;
use std::collections::BTreeSet;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use laju_kafka::connection::Connection;
use laju_schemas::quarantine::{HEADER_OFFSET, HEADER_PARTITION};
use laju_schemas::topic::EVENTS;
use laju_tests::broker::TopicRecord;
use laju_tests::events::{activation, record};
use laju_tests::process::{Process, command, connect, run, wait_until, worker};
use serde_json::json;

use self::cluster::{Cluster, Line, rights_of, sections};

const LAJU: &str = env!("CARGO_BIN_EXE_laju-under-test");
const KIOSK: &str = env!("CARGO_BIN_EXE_laju-kiosk-under-test");
const KEY: &str = "8f14e45fceea167a5a36dedd4bea2543c9f0f895fb98ab9159f51fd0297e236d";

/// Records that nobody can count: one to be released with each set of rights, one to be discarded.
const STRANGERS: u32 = 7;

/// Sections that no program is held to here: they take a schema registry, another cluster or a log with
/// transactions, which this cluster has not.
const UNTRIED: [&str; 4] = [
    "A worker with a registry",
    "Replay, export and verify with a registry",
    "Verify a figure of another cluster",
    "Restore with gaps",
];

/// What a program came to: nothing to complain about, or what it said.
type Outcome = Result<(), String>;

/// Holds a program to the rights of a section of the page: with all of them it succeeds, without one
/// of them it names that one.
fn hold(
    cluster: &mut Cluster,
    heading: &str,
    user: &str,
    program: impl Fn(&Cluster, &Connection) -> Outcome,
) {
    let lines = rights_of(heading);
    for line in &lines {
        cluster.give(user, line);
    }
    let connection = cluster.connection(user);
    // One by one they would be found in as many runs: all that is wrong is said at the end.
    if let Err(said) = program(cluster, &connection) {
        cluster.wrong.push(format!("{heading}, with all of its rights: {said}"));
    }
    for line in &lines {
        cluster.take(user, line);
        let said = program(cluster, &connection);
        named(cluster, line, heading, said.err());
        cluster.give(user, line);
    }
    for line in &lines {
        cluster.take(user, line);
    }
}

/// That a program that lacks a right has said so.
fn named(cluster: &mut Cluster, line: &Line, heading: &str, said: Option<String>) {
    cluster.held.insert(heading.to_owned());
    let name = cluster.name(line);
    let is_named = |said: &String| {
        ["kafka-acls", &line.operation, &name].iter().all(|words| said.contains(words))
    };
    if !said.as_ref().is_some_and(is_named) {
        let said = said.unwrap_or_else(|| "it does what it is for".to_owned());
        cluster.wrong.push(format!("{heading} without {line:?}: {said}"));
    }
}

/// A program that ends.
fn ends(command: Command) -> Outcome {
    let ended = run(command);
    if ended.status.success() { Ok(()) } else { Err(format!("{}{}", ended.stdout, ended.stderr)) }
}

fn laju(args: &[&str], connection: &Connection) -> Command {
    let mut command = command(LAJU, args);
    connect(&mut command, connection);
    command
}

#[test]
fn each_program_needs_the_rights_on_its_page_and_names_the_one_that_is_missing() {
    let Some(mut cluster) = Cluster::start() else { return };
    let cluster = &mut cluster;
    let events: Vec<_> = (0..20).map(|number| record(&activation(number), 2)).collect();
    cluster.broker.publish(&events);
    for number in 90..90 + STRANGERS {
        // Where its key does not belong.
        let mut stranger = record(&activation(number), 2);
        stranger.partition = 1 - stranger.partition;
        cluster.broker.publish(&[stranger]);
    }

    references(cluster);
    let figure = workers(cluster);
    quarantine(cluster);
    analysts(cluster, &figure);
    kiosks(cluster);
    topics(cluster);
    let mut sections = sections();
    for section in UNTRIED {
        assert!(sections.remove(section), "{section}");
    }
    assert_eq!(cluster.held, sections, "no program is held to some section of the page");
    let wrong = &cluster.wrong;
    assert!(wrong.is_empty(), "{} are wrong:\n\n{}", wrong.len(), wrong.join("\n\n"));
}

fn references(cluster: &mut Cluster) {
    let denominator = [
        "reference",
        "add",
        "--region",
        "18.71",
        "--kind",
        "denominator",
        "--basis",
        "wajib_ktp",
        "--value",
        "767000",
        "--valid-from",
        "2023-01-01",
        "--source",
        "a test",
        "--issued-by",
        "a test",
    ];
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/../consumer/data/reference-example.csv");
    hold(cluster, "Reference figures: add, import", "analyst", |_, connection| {
        ends(laju(&denominator, connection))?;
        ends(laju(&["reference", "import", example], connection))
    });
    hold(cluster, "Reference figures: list", "analyst", |_, connection| {
        ends(laju(&["reference", "list"], connection))
    });
}

/// The id of a figure that was quoted meanwhile.
fn workers(cluster: &mut Cluster) -> String {
    hold(cluster, "A worker", "worker", |cluster, connection| {
        let store = tempfile::tempdir().unwrap();
        let mut process = Process::start(worker(LAJU, connection, store.path()));
        if !process.is_ready() {
            return Err(process.wait().stderr);
        }
        wait_until("all is folded", || process.get("/v1/quarantine").1["total"] == STRANGERS);
        wait_until("it holds leases, or has ended", || {
            !process.is_running() || process.metric("laju_leases").is_some_and(|held| held > 0.0)
        });
        if !process.is_running() {
            return Err(process.wait().stderr);
        }
        let _ = cluster.broker.wait_quarantine(STRANGERS as usize);
        assert!(process.stop().status.success());
        Ok(())
    });
    // Quoting is more than folding.
    let folding = rights_of("A worker");
    let quoting = rights_of("A worker that quotes");
    for line in folding.iter().chain(&quoting) {
        cluster.give("worker", line);
    }
    let connection = cluster.connection("worker");
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(worker(LAJU, &connection, store.path()));
    process.wait_ready();
    let asked =
        json!({"region": "18.71", "as_of": "2024-01-01", "known_at": null, "note": "a test"});
    let (status, answer) = process.post("/v1/figures", &asked);
    assert_eq!(status, 201, "{answer}");
    let figure = answer["figure_id"].as_str().unwrap().to_owned();
    for line in &quoting {
        cluster.take("worker", line);
        let other =
            json!({"region": "31.71", "as_of": "2024-01-01", "known_at": null, "note": "a test"});
        let (status, answer) = process.post("/v1/figures", &other);
        assert!(status >= 500, "{answer}");
        let said = format!("{answer} {}", process.log());
        named(cluster, line, "A worker that quotes", Some(said));
    }
    assert!(process.stop().status.success());
    for line in &folding {
        cluster.take("worker", line);
    }
    figure
}

fn quarantine(cluster: &mut Cluster) {
    // A record is decided once; every worker has put them there.
    let refused = cluster.broker.read_quarantine();
    let origin = |record: &TopicRecord| {
        let header = |name| record.header(name).unwrap().to_owned();
        format!("{}/{}", header(HEADER_PARTITION), header(HEADER_OFFSET))
    };
    let origins: BTreeSet<String> = refused.iter().map(origin).collect();
    let first = origins.first().unwrap().clone();
    hold(cluster, "Quarantine: list, show", "analyst", |_, connection| {
        ends(laju(&["quarantine", "list"], connection))?;
        ends(laju(&["quarantine", "show", &first], connection))
    });
    let left = RefCell::new(origins.into_iter());
    hold(cluster, "Quarantine: release, discard", "analyst", |_, connection| {
        for decision in ["release", "discard"] {
            let record = left.borrow_mut().next().unwrap();
            let mut decide = laju(&["quarantine", decision, &record, "--yes"], connection);
            decide.args(["--by", "a test", "--because", "a test"]);
            ends(decide)?;
        }
        Ok(())
    });
}

fn analysts(cluster: &mut Cluster, figure: &str) {
    hold(cluster, "Replay to a file", "analyst", |_, connection| {
        ends(laju(&["replay", "--limit", "1"], connection))
    });
    let copy = format!("{}ikd.events.v1.copy", cluster.broker.connection().topic_prefix);
    let mut topic = EVENTS;
    topic.name = "ikd.events.v1.copy";
    cluster.broker.create_topic(&topic, 2, EVENTS.max_message_bytes);
    hold(cluster, "Replay to a topic", "analyst", |_, connection| {
        ends(laju(
            &["replay", "--to-topic", &copy, "--new-timestamps", "--append", "--limit", "1"],
            connection,
        ))
    });
    hold(cluster, "Export", "analyst", |_, connection| {
        let folder = tempfile::tempdir().unwrap();
        let mut command = laju(&["export", "--format", "csv"], connection);
        command.arg("--output").arg(folder.path().join("out"));
        ends(command)
    });
    hold(cluster, "Verify a ledger", "analyst", |cluster, connection| {
        let store = tempfile::tempdir().unwrap();
        let open = cluster.broker.connection();
        let mut process = Process::start(worker(LAJU, &open, store.path()));
        process.wait_ready();
        let url = format!("http://{}", process.address());
        let outcome = ends(laju(&["verify", "--worker", &url], connection));
        assert!(process.stop().status.success());
        outcome?;
        ends(laju(&["verify", "--store", store.path().to_str().unwrap()], connection))
    });
    hold(cluster, "Verify a figure", "analyst", |_, connection| {
        ends(laju(&["verify", "--figure", figure], connection))
    });
    copies(cluster);
}

fn copies(cluster: &mut Cluster) {
    let kept = tempfile::tempdir().unwrap();
    let kept = kept.path().to_str().unwrap();
    hold(cluster, "Backup", "analyst", |_, connection| ends(laju(&["backup", kept], connection)));
    // Each time into topics that are not there yet. Releases were transactions: they leave gaps.
    let mut gaps = rights_of("Restore with gaps");
    // The ids of transactions have the prefix before them, as the topics.
    gaps.iter_mut().for_each(|line| line.name = "ikd.".to_owned());
    gaps.iter().for_each(|line| cluster.give("analyst", line));
    let number = std::cell::Cell::new(0);
    hold(cluster, "Restore", "analyst", |_, connection| {
        number.set(number.get() + 1);
        let mut connection = connection.clone();
        connection.topic_prefix.push_str(&format!("ikd.{}.", number.get()));
        ends(laju(&["restore", kept], &connection))
    });
    gaps.iter().for_each(|line| cluster.take("analyst", line));
}

fn kiosks(cluster: &mut Cluster) {
    let key = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(key.path(), KEY).unwrap();
    std::fs::set_permissions(key.path(), PermissionsExt::from_mode(0o600)).unwrap();
    let key = key.path().to_str().unwrap();
    let lines = rights_of("A kiosk's agent");
    for line in &lines {
        cluster.give("kiosk", line);
    }
    let connection = cluster.connection("kiosk");
    let event = json!({
        "nik": "1871010101900001",
        "home_region": "18.71",
        "fact": {"Activated": {"channel": "office", "venue": null, "first_time_holder": false}},
    });
    let agent = |id: &str, outbox: &std::path::Path| {
        let mut agent = command(KIOSK, &["run", "--service-region", "18.71", "--kiosk-id", id]);
        agent.args([
            "--listen",
            "127.0.0.1:0",
            "--report-every",
            "1",
            "--key-file",
            key,
            "--outbox",
        ]);
        agent.arg(outbox);
        connect(&mut agent, &connection);
        let mut agent = Process::start(agent);
        let (status, taken) = agent.post("/v1/events", &event);
        assert_eq!(status, 202, "{taken}");
        (agent, format!("/v1/events/{}", taken["event_id"].as_str().unwrap()))
    };
    let folder = tempfile::tempdir().unwrap();
    let (mut process, path) = agent("kbl-01", &folder.path().join("all"));
    wait_until("the event is in Kafka", || process.get(&path).1["state"] == "acknowledged");
    assert!(process.stop().status.success());
    for (number, line) in lines.iter().enumerate() {
        cluster.take("kiosk", line);
        let (mut process, _) =
            agent(&format!("kbl-1{number}"), &folder.path().join(number.to_string()));
        let name = cluster.name(line);
        // Whether it goes to the log or into its status, a person finds it.
        cluster.held.insert("A kiosk's agent".to_owned());
        wait_until(&format!("the agent names {line:?}"), || {
            let said = format!("{} {}", process.log(), process.get("/v1/status").1);
            ["kafka-acls", &line.operation, &name].iter().all(|words| said.contains(words))
        });
        process.kill_now();
        cluster.give("kiosk", line);
    }
    for line in &lines {
        cluster.take("kiosk", line);
    }

    hold(cluster, "Publishing past an agent", "kiosk", |_, connection| {
        let mut publishing =
            command(KIOSK, &["publish", "--kiosk-id", "kbl-09", "--sequence", "1"]);
        publishing.args(["--home-region", "18.71", "--key-file", key, "--delivery-timeout", "10"]);
        publishing.env("LAJU_NIK", "1871010101900001");
        connect(&mut publishing, connection);
        publishing.args(["activated", "--channel", "office"]);
        ends(publishing)
    });
    hold(cluster, "Retiring a kiosk", "kiosk", |_, connection| {
        let mut retiring =
            command(KIOSK, &["retire", "--kiosk-id", "kbl-01", "--service-region", "18.71"]);
        connect(&mut retiring, connection);
        ends(retiring)
    });
}

fn topics(cluster: &mut Cluster) {
    hold(cluster, "Topics: create, check", "analyst", |_, connection| {
        ends(laju(&["topics", "create", "--partitions", "2"], connection))?;
        let checked = run(laju(&["topics", "check"], connection));
        // This cluster of one broker deviates from what is to be; it was looked at all the same.
        let said = format!("{}{}", checked.stdout, checked.stderr);
        if said.contains("kafka-acls") { Err(said) } else { Ok(()) }
    });
}
