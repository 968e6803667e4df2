//! `laju replay` as a user runs it.

use std::process::Command;

use laju_kafka::connection::Connection;
use laju_schemas::topic::EVENTS;

use crate::process::{Ended, command, connect, run};

/// The command, reading from this connection.
#[must_use]
pub fn replay(program: &str, connection: &Connection) -> Command {
    let mut replay = command(program, &["replay"]);
    connect(&mut replay, connection);
    replay
}

/// The command, copying into the events topic of another connection.
#[must_use]
pub fn copy(program: &str, from: &Connection, to: &Connection) -> Command {
    let mut copy = replay(program, from);
    copy.args(["--to-topic", &to.topic(&EVENTS), "--to-brokers", &to.brokers]);
    for property in &to.kafka_properties {
        copy.arg("--to-property").arg(format!("{}={}", property.key(), property.value()));
    }
    copy
}

/// Copies the whole events topic into that of another connection, which is made if the broker can
/// make it.
///
/// # Panics
/// If it does not succeed.
pub fn copy_all(program: &str, from: &Connection, to: &Connection, create: bool) -> Ended {
    let mut copy = copy(program, from, to);
    if create {
        copy.arg("--create-topic");
    }
    let ended = run(copy);
    assert!(ended.status.success(), "{ended:?}");
    ended
}
