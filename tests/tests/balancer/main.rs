//! Two nodes behind a balancer: whoever asks is answered, and never from before, while one node after
//! the other is stopped, killed and made anew.
//!
//! `LAJU_TEST_HAPROXY` names HAProxy. Without it one on the `PATH` is taken, and where there is none
//! nothing is tested.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use laju_tests::broker::TestBroker;
use laju_tests::events::activations;
use laju_tests::ports::free_ports;
use laju_tests::process::{Process, command, connect, wait_until};

const LAJU: &str = env!("CARGO_BIN_EXE_laju-under-test");
const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../consumer/deploy/haproxy.cfg");
const PARTITIONS: u32 = 4;
/// The nodes, as the balancer's configuration calls them.
const NODES: [&str; 2] = ["one", "two"];

fn haproxy() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("LAJU_TEST_HAPROXY").filter(|name| !name.is_empty()) {
        let named = PathBuf::from(named);
        assert!(named.is_file(), "LAJU_TEST_HAPROXY names {named:?}, which is no file");
        return Some(named);
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .map(|directory| directory.join("haproxy"))
        .find(|program| program.is_file())
}

/// Two nodes' places, and the balancer in front of them.
struct Place {
    broker: TestBroker,
    directory: tempfile::TempDir,
    port: u16,
    _balancer: Process,
}

impl Place {
    fn start(haproxy: &Path) -> Self {
        let broker = TestBroker::start(PARTITIONS);
        let directory = tempfile::tempdir().unwrap();
        let port = free_ports(3, &[]);
        // By its socket it tells which nodes it takes for ready.
        let beside = directory.path().join("beside.cfg");
        let socket = directory.path().join("socket");
        let config = format!("global\n    stats socket {} mode 600 level user\n", socket.display());
        std::fs::write(&beside, config).unwrap();
        let mut command = Command::new(haproxy);
        command.arg("-f").arg(CONFIG).arg("-f").arg(&beside);
        let address = |behind: u16| format!("127.0.0.1:{}", port + behind);
        command.env("LAJU_BALANCER", address(0)).env("LAJU_TOKEN", "none");
        command.env("LAJU_NODE_1", address(1)).env("LAJU_NODE_2", address(2));
        let balancer = Process::start(command);
        Self { broker, directory, port, _balancer: balancer }
    }

    fn node(&self, number: usize, store: &str) -> Process {
        let listen = format!("127.0.0.1:{}", self.port + 1 + number as u16);
        let mut command = command(LAJU, &["worker", "--listen", &listen]);
        connect(&mut command, &self.broker.connection());
        command.arg("--store").arg(self.directory.path().join(store));
        let mut node = Process::start(command);
        node.wait_ready();
        wait_until("the balancer has it", || self.is_up(NODES[number]));
        node
    }

    fn is_up(&self, node: &str) -> bool {
        let Ok(mut socket) = UnixStream::connect(self.directory.path().join("socket")) else {
            return false;
        };
        let mut said = String::new();
        socket.write_all(b"show stat\n").unwrap();
        socket.read_to_string(&mut said).unwrap();
        let row = said.lines().find(|line| line.starts_with(&format!("nodes,{node},")));
        row.is_some_and(|row| row.split(',').nth(17) == Some("UP"))
    }
}

/// What clients have met.
#[derive(Default)]
struct Met {
    over: AtomicBool,
    answers: AtomicU64,
    latest: AtomicU64,
    longest_ms: AtomicU64,
    failures: Mutex<Vec<String>>,
}

/// Asks all the while, each time from where the last answer was.
fn ask(port: u16, met: &Met) {
    let url = format!("http://127.0.0.1:{port}/v1/regions/ID/progress");
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(25)))
        .build()
        .new_agent();
    let (mut position, mut active) = (None::<String>, 0);
    while !met.over.load(Ordering::Acquire) {
        let begun = Instant::now();
        let request = agent.get(&url);
        let request = match &position {
            Some(position) => request.header("laju-at-least", position),
            None => request,
        };
        let answered = request.call().and_then(|mut answer| {
            let bears = answer.headers().get("laju-position");
            let bears = bears.and_then(|position| position.to_str().ok()).map(str::to_owned);
            Ok((answer.status().as_u16(), bears, answer.body_mut().read_to_string()?))
        });
        let failed = |what: String| met.failures.lock().unwrap().push(what);
        match answered {
            Ok((200, Some(bears), body)) => {
                let body: serde_json::Value = serde_json::from_str(&body).unwrap();
                let now = body["activated"].as_u64().unwrap();
                if now < active {
                    failed(format!("it went back from {active} to {now}"));
                }
                (active, position) = (now, Some(bears));
                met.latest.fetch_max(now, Ordering::AcqRel);
                met.answers.fetch_add(1, Ordering::AcqRel);
            }
            Ok((status, _, body)) => failed(format!("{status}: {body}")),
            Err(error) => failed(error.to_string()),
        }
        let took = begun.elapsed().as_millis() as u64;
        met.longest_ms.fetch_max(took, Ordering::AcqRel);
    }
}

#[test]
fn no_question_fails_while_one_node_after_the_other_is_stopped_killed_and_made_anew() {
    let Some(haproxy) = haproxy() else {
        eprintln!("no HAProxy on the PATH, and LAJU_TEST_HAPROXY names none: nothing is tested");
        return;
    };
    let place = Place::start(&haproxy);
    place.broker.publish(&activations(0..100, PARTITIONS));
    let mut nodes = [0, 1].map(|number| place.node(number, NODES[number]));
    let met = Met::default();
    let mut published = 100;
    std::thread::scope(|scope| {
        for _ in 0..3 {
            scope.spawn(|| ask(place.port, &met));
        }
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
        met.over.store(true, Ordering::Release);
    });
    println!(
        "{} answers, the slowest after {} ms",
        met.answers.load(Ordering::Acquire),
        met.longest_ms.load(Ordering::Acquire)
    );
    let failures = met.failures.into_inner().unwrap();
    assert!(
        failures.is_empty(),
        "{} failed: {:#?}",
        failures.len(),
        &failures[..failures.len().min(9)]
    );
}
