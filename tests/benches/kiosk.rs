//! From the counter to the screen, in figures: how many events a kiosk's agent accepts a second
//! (each synced to the disk before it is answered), what an outbox of a million events costs, how
//! long it takes to ship it, and how long an accepted event takes to be seen in a worker's answer.
//!
//! `cargo bench -p laju-tests --bench kiosk -- --brokers 127.0.0.1:9092`; without brokers only what
//! needs none. The programs are the real ones, in processes of their own.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on says so by panicking")]

use std::io::Write as _;
use std::path::Path;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use laju_kafka::connection::Connection;
use laju_simulation::{Random, invented};
use laju_tests::broker::TestBroker;
use laju_tests::measure::{self, Percentiles, size};
use laju_tests::process::{Process, command, connect, worker};
use serde_json::{Value, json};

const KIOSK: &str = env!("CARGO_BIN_EXE_laju-kiosk-under-test");
const LAJU: &str = env!("CARGO_BIN_EXE_laju-under-test");
const PARTITIONS: u32 = 12;
/// A port that nobody listens on: a kiosk without a connection.
const NOBODY: &str = "127.0.0.1:1";
/// How long each number of clients is measured.
const SPELL: Duration = Duration::from_secs(5);
/// Clients that send one event after the other, each waiting for its answer.
const CLIENTS: [usize; 5] = [1, 8, 32, 64, 256];
/// Events in a request of a history.
const BATCH: u64 = 2_000;
/// Events whose way to the screen is measured.
const SEEN: u64 = 1_000;
/// How long the million may take to be shipped.
const PATIENCE: Duration = Duration::from_secs(600);

#[derive(clap::Parser)]
struct Options {
    /// A real Kafka, which the history is shipped to.
    #[arg(long)]
    brokers: Option<String>,
    /// Events in the history.
    #[arg(long, default_value_t = 1_000_000)]
    events: u64,
    /// Cargo's own.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let Options { brokers, events: million, .. } = clap::Parser::parse();
    let directory = tempfile::tempdir().unwrap();
    let key = directory.path().join("key");
    write_key(&key);

    accept(&directory.path().join("accept"), &key);
    let outbox = directory.path().join("history");
    fill(&outbox, &key, million);
    let Some(brokers) = brokers else {
        return println!("without --brokers nothing is shipped");
    };
    // The suites' broker: topics of its own, under a random prefix.
    let broker = TestBroker::at(&brokers, PARTITIONS);
    ship(&outbox, &key, million, &broker.connection());
    see(directory.path(), &key, &broker.connection());
}

fn write_key(path: &Path) {
    use std::os::unix::fs::OpenOptionsExt as _;
    let options = std::fs::File::options().create_new(true).write(true).mode(0o600).clone();
    options
        .open(path)
        .unwrap()
        .write_all(b"6f1d09c7a25be843f09a7731d54ce682be1370fa4598d21ec36b0d84e7295fa1")
        .unwrap();
}

fn agent(outbox: &Path, key: &Path, connection: &Connection) -> Process {
    let mut run = command(KIOSK, &["run", "--listen", "127.0.0.1:0", "--drain", "0"]);
    run.args(["--kiosk-id", "bench", "--service-region", "18.71"]);
    run.arg("--outbox").arg(outbox).arg("--key-file").arg(key);
    connect(&mut run, connection);
    let mut agent = Process::start(run);
    agent.address();
    agent
}

/// An activation of the citizen of this number, a line of JSON.
fn event(number: u64) -> String {
    let nik = invented::nik(Random::new(number).subject());
    let fact =
        json!({"Activated": {"channel": "office", "venue": null, "first_time_holder": false}});
    json!({"nik": nik.as_str(), "home_region": "18.71", "fact": fact,
        "idempotency_key": format!("bench/{number}")})
    .to_string()
}

fn client() -> ureq::Agent {
    ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(120)))
        .build()
        .new_agent()
}

fn post(client: &ureq::Agent, url: &str, kind: &str, body: &str) -> Value {
    let mut answer = client.post(url).content_type(kind).send(body).unwrap();
    assert_eq!(answer.status().as_u16(), 202);
    answer.body_mut().with_config().limit(64 << 20).read_json().unwrap()
}

/// Events accepted a second, by how many clients there are.
fn accept(outbox: &Path, key: &Path) {
    let mut agent = agent(outbox, key, &Connection::to(NOBODY));
    let url = format!("http://{}/v1/events", agent.address());
    let number = AtomicU64::new(0);
    println!("accepted a second, one event a request, each synced before it is answered");
    for clients in CLIENTS {
        let until = Instant::now() + SPELL;
        let before = number.load(Ordering::Relaxed);
        let slowest = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..clients)
                .map(|_| {
                    scope.spawn(|| {
                        let client = client();
                        let mut waits = Vec::new();
                        while Instant::now() < until {
                            let next = number.fetch_add(1, Ordering::Relaxed);
                            let began = Instant::now();
                            post(&client, &url, "application/json", &event(next));
                            waits.push(began.elapsed());
                        }
                        waits
                    })
                })
                .collect();
            threads.into_iter().flat_map(|thread| thread.join().unwrap()).collect::<Vec<_>>()
        });
        let accepted = number.load(Ordering::Relaxed) - before;
        let rate = accepted as f64 / SPELL.as_secs_f64();
        println!("  {clients:>4} clients  {rate:>9.0}  {}", quantiles(slowest));
    }
    drop(agent.kill());
}

/// Resident memory of a process, now and at its peak, in MiB.
fn memory(process: &Process) -> (u64, u64) {
    let field = |name| measure::memory(process.id(), name) >> 20;
    (field("VmRSS"), field("VmHWM"))
}

fn quantiles(waits: Vec<Duration>) -> String {
    let Percentiles { p50, p99, .. } = Percentiles::of(waits);
    format!("p50 {p50:.1} ms, p99 {p99:.1} ms")
}

/// A history of so many events into an agent that has no connection.
fn fill(outbox: &Path, key: &Path, events: u64) {
    let mut agent = agent(outbox, key, &Connection::to(NOBODY));
    let url = format!("http://{}/v1/events", agent.address());
    let (before, _) = memory(&agent);
    let next = AtomicU64::new(0);
    let began = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let client = client();
                loop {
                    let first = next.fetch_add(BATCH, Ordering::Relaxed);
                    if first >= events {
                        return;
                    }
                    let lines = first..(first + BATCH).min(events);
                    let body: Vec<String> = lines.map(|number| event(number + (1 << 40))).collect();
                    post(&client, &url, "application/x-ndjson", &body.join("\n"));
                }
            });
        }
    });
    let seconds = began.elapsed().as_secs_f64();
    let (now, peak) = memory(&agent);
    let (_, status) = agent.get("/v1/status");
    assert_eq!(status["unsent"], events);
    println!("a history of {events} events, {BATCH} a request, 2 clients, no connection");
    println!("  accepted a second  {:>9.0}", events as f64 / seconds);
    println!(
        "  agent's memory     {now:>9} MiB with {events} unsent, {peak} at its peak, {before} at its start"
    );
    println!("  on the disk        {:>9.0} bytes an event", size(outbox) as f64 / events as f64);
    drop(agent.kill());
}

/// The history after the connection has come back.
fn ship(outbox: &Path, key: &Path, events: u64, connection: &Connection) {
    let began = Instant::now();
    let mut agent = agent(outbox, key, connection);
    let opened = began.elapsed().as_secs_f64();
    while agent.get("/v1/status").1["unsent"] != 0 {
        assert!(began.elapsed() < PATIENCE, "it is not shipped: {:?}", agent.get("/v1/status"));
        std::thread::sleep(Duration::from_millis(20));
    }
    let seconds = began.elapsed().as_secs_f64() - opened;
    let (now, peak) = memory(&agent);
    println!("shipping the history, after a kill");
    println!("  opened in          {opened:>9.1} s");
    println!("  shipped in         {seconds:>9.1} s, {:.0} a second", events as f64 / seconds);
    println!("  agent's memory     {now:>9} MiB, {peak} at its peak");
    drop(agent.stop());
}

/// From the agent's 202 to the worker's answer that counts the event.
fn see(directory: &Path, key: &Path, connection: &Connection) {
    let mut laju = Process::start(worker(LAJU, connection, &directory.join("store")));
    laju.wait_ready();
    let mut agent = agent(&directory.join("see"), key, connection);
    let url = format!("http://{}/v1/events", agent.address());
    let (client, address) = (client(), laju.address());
    let mut waits = Vec::new();
    for number in 0..SEEN {
        let accepted = post(&client, &url, "application/json", &event(number + (2 << 40)));
        let began = Instant::now();
        let fate = format!("http://{address}/v1/events/{}", accepted["event_id"].as_str().unwrap());
        loop {
            let mut answer = client.get(&fate).call().unwrap();
            let answer: Value = answer.body_mut().read_json().unwrap();
            if answer["fate"] == "counted" {
                break;
            }
            assert!(began.elapsed() < Duration::from_secs(60), "{answer}");
        }
        waits.push(began.elapsed());
    }
    println!("from 202 to the worker's answer, one event after the other");
    println!("  {SEEN} events  {}", quantiles(waits));
    drop(agent.stop());
    drop(laju.stop());
}
