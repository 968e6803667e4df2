//! Settings and surroundings that cannot work: the program stops before it listens anywhere, and
//! says which option or which topic.

use std::net::TcpListener;

use laju_kafka::connection::Connection;
use laju_schemas::topic::{EVENTS, KIOSK_STATUS, QUARANTINE, REFERENCE};
use laju_tests::broker::{TestBroker, Topics};
use laju_tests::events::activations;
use laju_tests::ports::free_ports;
use laju_tests::process::{Ended, command, connect, run, worker};

use crate::{LAJU, PARTITIONS, refused};

/// Runs `laju worker` on a port that is taken. Binding it would be the error reported, so
/// whatever else is reported was found before.
fn worker_on_a_taken_port(args: &[&str], env: &[(&str, &str)]) -> Ended {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = command(LAJU, &["worker", "--listen", &address]);
    command.args(args).envs(env.iter().copied());
    let ended = run(command);
    assert!(!ended.stderr.contains(&address), "it has listened: {}", ended.stderr);
    ended
}

#[test]
fn a_bad_option_stops_before_anything_binds() {
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    let store_text = store.to_str().unwrap();
    let good = ["--brokers", "127.0.0.1:9", "--store", store_text];
    let bad: &[(&[&str], &[&str])] = &[
        (&["--store", store_text], &["--brokers"]),
        (&["--brokers", "nowhere", "--store", store_text], &["nowhere", "HOST:PORT"]),
        (&["--brokers", "127.0.0.1:9"], &["--store"]),
        (&[&good[..], &["--no-such-option"]].concat(), &["--no-such-option"]),
        (&[&good[..], &["--kafka-property", "acks=0"]].concat(), &["acks", "cannot be set"]),
        (&[&good[..], &["--kafka-property", "no.such.property=1"]].concat(), &["no.such.property"]),
        (&[&good[..], &["--topic-prefix", "a b"]].concat(), &["prefix", "a b"]),
        (&[&good[..], &["--registry", "ftp://x"]].concat(), &["--registry", "http://"]),
        (&[&good[..], &["--schema", "/no/such.avsc"]].concat(), &["/no/such.avsc"]),
        (&[&good[..], &["--config", "/no/such.toml"]].concat(), &["/no/such.toml"]),
    ];
    for (args, words) in bad {
        worker_on_a_taken_port(args, &[]).assert_refused(words);
    }
    let env = [("LAJU_BROKERS", "nowhere")];
    worker_on_a_taken_port(&["--store", store_text], &env)
        .assert_refused(&["LAJU_BROKERS", "HOST:PORT"]);
    let ended = run(command(LAJU, &[&["worker", "--listen", "here"], &good[..]].concat()));
    ended.assert_refused(&["--listen", "here"]);
    assert!(!store.exists(), "nothing is made");
}

#[test]
fn a_bad_value_in_the_settings_file_stops_before_anything_binds() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("laju.toml");
    let store = directory.path().join("store");
    let bad: &[(&str, &[&str])] = &[
        ("brokers = ", &["not TOML"]),
        ("brokers = 9092", &["brokers"]),
        ("brokers = 'nowhere'", &["brokers", "HOST:PORT"]),
        ("brokers = '127.0.0.1:9'\nbrokres = 'x'", &["brokres"]),
        ("brokers = '127.0.0.1:9'\n[worker]\nrebuild = 'perhaps'", &["rebuild"]),
        ("brokers = '127.0.0.1:9'\nkafka-property = ['acks=0']", &["acks"]),
    ];
    for (text, words) in bad {
        std::fs::write(&file, text).unwrap();
        let args = ["--config", file.to_str().unwrap(), "--store", store.to_str().unwrap()];
        worker_on_a_taken_port(&args, &[]).assert_refused(words);
    }
    assert!(!store.exists(), "nothing is made");
}

#[test]
fn no_broker_is_said_with_the_address() {
    // A port that was free a moment ago, on which nobody listens.
    let nobody = format!("127.0.0.1:{}", free_ports(1, &[]));
    let directory = tempfile::tempdir().unwrap();
    let store = directory.path().join("store");
    let args = ["--brokers", &nobody, "--store", store.to_str().unwrap()];
    worker_on_a_taken_port(&args, &[]).assert_refused(&["no broker answers at", &nobody]);
    assert!(!store.exists(), "nothing is made");
}

#[test]
fn a_taken_port_is_said_with_the_address() {
    let broker = TestBroker::start(PARTITIONS);
    let store = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let mut command = command(LAJU, &["worker", "--listen", &address]);
    connect(&mut command, &broker.connection());
    command.arg("--store").arg(store.path());
    run(command).assert_refused(&["cannot listen on", &address]);
}

#[test]
fn a_missing_topic_is_named_with_the_command_that_makes_it() {
    for topic in [EVENTS, REFERENCE, KIOSK_STATUS, QUARANTINE] {
        let broker = TestBroker::with(Topics { without: Some(topic.name), ..Topics::of(2) });
        let directory = tempfile::tempdir().unwrap();
        let store = directory.path().join("store");
        let name = broker.connection().topic(&topic);
        refused(&broker, &store, &[&name, "laju topics create"]);
        assert!(!store.exists(), "nothing is made");
    }
}

#[test]
fn a_prefix_of_another_installation_finds_no_topics() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&activations(0..3, PARTITIONS));
    let directory = tempfile::tempdir().unwrap();
    let connection = Connection { topic_prefix: "nobodys.".to_owned(), ..broker.connection() };
    let ended = run(worker(LAJU, &connection, &directory.path().join("store")));
    ended.assert_refused(&["nobodys.ikd.events.v1", "--topic-prefix"]);
}
