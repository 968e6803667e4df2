//! A copy of an installation, made by the real program: kept in files, put into other topics, and
//! every past answer and quoted figure stands on it. On the embedded broker, and by the same code on
//! the real Kafka that `LAJU_TEST_BROKERS` names, which has transactions besides.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod again;
mod copy;
mod cut;
mod damaged;
mod killed;
mod transactions;

use std::path::Path;
use std::process::Command;

use laju_kafka::connection::Connection;
use laju_schemas::topic::{ALL, DECISIONS, Topic};
use laju_tests::broker::{TestBroker, TopicRecord};
use laju_tests::process::{Ended, command, connect, run};
use serde_json::Value;

const LAJU: &str = env!("CARGO_BIN_EXE_laju-under-test");
const PARTITIONS: u32 = 3;

/// `laju backup` of a broker's topics, with these arguments.
fn backup(connection: &Connection, directory: &Path, args: &[&str]) -> Command {
    let mut command = command(LAJU, &["backup"]);
    command.arg(directory).args(args);
    connect(&mut command, connection);
    command
}

/// `laju restore` into a broker's topics.
fn restore(connection: &Connection, directory: &Path) -> Command {
    let mut command = command(LAJU, &["restore", "--json"]);
    command.arg(directory);
    connect(&mut command, connection);
    command
}

/// What a command answered in JSON; it succeeded.
fn answer(command: Command) -> Value {
    let ended = run(command);
    assert!(ended.status.success(), "{ended:?}");
    json_of(&ended)
}

fn json_of(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

/// The records of a topic, but what says that it is a copy.
fn records(broker: &TestBroker, topic: &Topic) -> Vec<TopicRecord> {
    let mut records = broker.read(topic);
    if topic.name == DECISIONS.name {
        records.retain(|record| record.record.key.as_deref() != Some(b"copy"));
    }
    records
}

/// That every topic of a copy has the same records at the same places, at the same times.
fn assert_same(original: &TestBroker, copy: &TestBroker) {
    for topic in ALL {
        let (of_original, of_copy) = (records(original, &topic), records(copy, &topic));
        assert_eq!(of_copy.len(), of_original.len(), "{}", topic.name);
        for (copied, kept) in of_copy.iter().zip(&of_original) {
            assert_eq!(copied, kept, "{}", topic.name);
        }
        if topic.name != DECISIONS.name {
            assert_eq!(copy.ends(&topic), original.ends(&topic), "{}", topic.name);
        }
    }
}
