//! Nodes behind a balancer: every client is answered, and never from before, while one node after the
//! other is stopped, killed and rebuilt, upgraded and downgraded, or cut off from Kafka.
//!
//! `LAJU_TEST_HAPROXY` names HAProxy. Without it one on the `PATH` is taken, and where there is none
//! nothing is tested.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod cut_off;
mod upgrade;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::Ordering;
use std::time::Duration;

use laju_kafka::connection::Connection;
use laju_tests::asking::{Met, Over};
use laju_tests::balancer::{Balancer, NODES, haproxy};
use laju_tests::broker::TestBroker;
use laju_tests::events::activations;
use laju_tests::process::{Process, command, connect, wait_until};

const LAJU: &str = env!("CARGO_BIN_EXE_laju-under-test");
const KIOSK: &str = env!("CARGO_BIN_EXE_laju-kiosk-under-test");
const PARTITIONS: u32 = 4;

/// Two nodes' places, and the balancer in front of them.
struct Place {
    broker: TestBroker,
    directory: tempfile::TempDir,
    balancer: Balancer,
}

impl Place {
    /// None where there is no balancer.
    fn start() -> Option<Self> {
        let Some(haproxy) = haproxy() else {
            eprintln!(
                "no HAProxy on the PATH, and LAJU_TEST_HAPROXY names none: nothing is tested"
            );
            return None;
        };
        let broker = TestBroker::start(PARTITIONS);
        let directory = tempfile::tempdir().unwrap();
        Some(Self { broker, directory, balancer: Balancer::start(&haproxy, 2) })
    }

    fn store(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// The command of a node, that reaches Kafka by this connection.
    fn command(&self, connection: &Connection, number: usize, store: &Path) -> Command {
        let listen = self.balancer.node_address(number);
        let mut command = command(LAJU, &["worker", "--listen", &listen]);
        connect(&mut command, connection);
        command.arg("--store").arg(store);
        command
    }

    /// A node, as soon as the balancer has it.
    fn start_node(&self, number: usize, command: Command) -> Process {
        let mut node = Process::start(command);
        node.wait_ready();
        wait_until("the balancer has it", || self.balancer.is_up(number));
        node
    }

    fn node(&self, number: usize, store: &str) -> Process {
        let connection = self.broker.connection();
        self.start_node(number, self.command(&connection, number, &self.store(store)))
    }
}

/// Has clients ask for as long as something is done.
fn while_asking<T>(place: &Place, met: &Met, what: impl FnOnce() -> T) -> T {
    std::thread::scope(|scope| {
        let _over = Over(&met.over);
        for _ in 0..3 {
            scope.spawn(|| met.ask(&place.balancer.address(), Duration::ZERO));
        }
        what()
    })
}

#[test]
fn no_question_fails_while_one_node_after_the_other_is_stopped_killed_and_made_again() {
    let Some(place) = Place::start() else { return };
    place.broker.publish(&activations(0..100, PARTITIONS));
    let mut nodes = [0, 1].map(|number| place.node(number, NODES[number]));
    let met = Met::default();
    let mut published = 100;
    while_asking(&place, &met, || {
        for round in 0..6 {
            for number in [0, 1] {
                place.broker.publish(&activations(published..published + 50, PARTITIONS));
                published += 50;
                // One is stopped to be run as another version, one is killed, one begins from nothing.
                let store = match round % 3 {
                    0 => {
                        nodes[number].ask_to_stop();
                        NODES[number].to_owned()
                    }
                    1 => {
                        nodes[number].kill_now();
                        NODES[number].to_owned()
                    }
                    _ => {
                        nodes[number].kill_now();
                        format!("{}-{round}", NODES[number])
                    }
                };
                wait_until("it has gone", || !nodes[number].is_running());
                nodes[number] = place.node(number, &store);
            }
        }
        wait_until("all is told", || met.latest.load(Ordering::Acquire) == u64::from(published));
    });
    met.assert_all_answered();
}
