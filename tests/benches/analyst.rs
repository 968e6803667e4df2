//! What the analysts' tools cost, on one log in one run: how fast a worker folds it, how fast it is
//! replayed to a file and to another topic, exported and verified, kept in files and restored, how many
//! bytes an event takes in Parquet and in a backup, and how much memory each of them needs at its peak.
//!
//! `cargo bench -p laju-tests --bench analyst -- --brokers 127.0.0.1:9092`; without brokers on the
//! embedded one, which holds fewer events. `--events N`. Every program is the real one in a process
//! of its own; the log is published while the worker is stopped, so that nothing else works when it
//! goes on. Ratios are of this run.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on says so by panicking")]

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use laju_kafka::connection::Connection;
use laju_schemas::topic::EVENTS;
use laju_tests::broker::TestBroker;
use laju_tests::measure::{self, size};
use laju_tests::process::{Process, command, connect, simulate, worker};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

const LAJU: &str = env!("CARGO_BIN_EXE_laju-under-test");
const KIOSK: &str = env!("CARGO_BIN_EXE_laju-kiosk-under-test");
const PARTITIONS: u32 = 12;
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(1_800);

#[derive(clap::Parser)]
struct Options {
    /// A real Kafka; without it the embedded broker, which holds fewer events.
    #[arg(long)]
    brokers: Option<String>,
    #[arg(long)]
    events: Option<u64>,
    /// Cargo's own.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    let options: Options = clap::Parser::parse();
    let broker = measure::broker(options.brokers.as_deref(), PARTITIONS);
    measure(&broker, options.events.unwrap_or(if broker.is_real() { 5_000_000 } else { 40_000 }));
}

fn measure(broker: &TestBroker, events: u64) {
    let connection = broker.connection();
    let directory = tempfile::tempdir().unwrap();
    let at = |name: &str| directory.path().join(name);

    let mut folding = Process::start(worker(LAJU, &connection, &at("store")));
    folding.wait_ready();
    let pid = Pid::from_raw(folding.id() as i32);
    kill(pid, Signal::SIGSTOP).unwrap();
    simulate(KIOSK, &connection, events);
    let begun = Instant::now();
    kill(pid, Signal::SIGCONT).unwrap();
    folding.wait_folded(events);
    let live = events as f64 / begun.elapsed().as_secs_f64();
    println!("{events} events, {PARTITIONS} partitions; rates in events a second");
    print(
        "a worker folds and stores",
        Ran { rate: live, memory: measure::memory(folding.id(), "VmHWM") },
        live,
    );

    let text = at("events.ndjson");
    let replay = run(&connection, &["replay", "--format", "ndjson", "--output"], &text, events);
    print("replay to a file", replay, live);
    println!("    {:.0} bytes an event", size(&text) as f64 / events as f64);
    std::fs::remove_file(&text).unwrap();
    let copy = format!("{}copy", connection.topic(&EVENTS));
    let mut to_topic = laju(&connection, &["replay", "--create-topic", "--to-topic"]);
    to_topic.arg(&copy);
    print("replay to another topic", timed(to_topic, events), live);

    let args = ["export", "events", "--format", "parquet", "--output"];
    let exported = run(&connection, &args, &at("events"), events);
    print("export of events", exported, live);
    println!("    {:.1} bytes an event in Parquet", size(&at("events")) as f64 / events as f64);
    let args = ["export", "postings", "balances", "kiosks", "--format", "parquet", "--output"];
    print("export of the ledger", run(&connection, &args, &at("ledger"), events), live);

    let kept = at("backup");
    print("backup", run(&connection, &["backup"], &kept, events), live);
    println!("    {:.1} bytes an event in a backup", size(&kept) as f64 / events as f64);
    // The embedded broker's topics are its own to make: another one has them, empty.
    let target = match broker.is_real() {
        true => TestBroker::bare_at(Some(connection.brokers.clone()), PARTITIONS),
        false => TestBroker::start(PARTITIONS),
    };
    print("restore", run(&target.connection(), &["restore"], &kept, events), live);
    drop(target);

    let url = format!("http://{}", folding.address());
    let mut verify = laju(&connection, &["verify", "--worker"]);
    verify.arg(url);
    print("verify against the worker", timed(verify, events), live);
    assert!(folding.stop().status.success());
}

fn laju(connection: &Connection, args: &[&str]) -> Command {
    let mut command = command(LAJU, &args[..1]);
    connect(&mut command, connection);
    command.args(&args[1..]);
    command
}

fn run(connection: &Connection, args: &[&str], target: &Path, events: u64) -> Ran {
    let mut command = laju(connection, args);
    command.arg(target);
    timed(command, events)
}

/// How fast a program was, and the most memory that it had.
struct Ran {
    rate: f64,
    memory: u64,
}

fn timed(command: Command, events: u64) -> Ran {
    let begun = Instant::now();
    let mut process = Process::start(command);
    let mut memory = 0;
    while process.is_running() {
        memory = memory.max(measure::memory(process.id(), "VmHWM"));
        assert!(begun.elapsed() < PATIENCE, "{}", process.log());
        std::thread::sleep(Duration::from_millis(20));
    }
    let rate = events as f64 / begun.elapsed().as_secs_f64();
    let ended = process.wait();
    assert!(ended.status.success(), "{ended:?}");
    Ran { rate, memory }
}

fn print(what: &str, ran: Ran, live: f64) {
    let Ran { rate, memory } = ran;
    let (ratio, memory) = (rate / live, memory as f64 / 1e6);
    println!("  {what:28} {rate:>10.0}  {ratio:>5.2} of the worker  {memory:>6.0} MB at the peak");
}
