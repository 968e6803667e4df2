//! What several nodes cost and bring: how long one takes from its start until it is ready, by folding, on
//! its own store and with another node's; what a second node costs the first; and how far apart two of
//! them are.
//!
//! `cargo bench -p laju-tests --bench nodes -- --brokers 127.0.0.1:9092`; without brokers on the embedded
//! one, which holds fewer events. `--events N` in the log at first, `--flood N` in each flood, `--rounds
//! N`, `--seconds N` for each measure of answers and distances; `--pin` gives the first node a processor of
//! its own, and everything else the others: nodes on one machine take them from each other. `--only start`,
//! `--only cost` and `--only apart` measure a part. Every node is the real program in a process of its own;
//! ratios are of one run, of medians of rounds in turn.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on says so by panicking")]

use std::path::Path;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use laju_kafka::connection::Connection;
use laju_tests::broker::TestBroker;
use laju_tests::events::activations;
use laju_tests::measure::{self, Percentiles, median, size};
use laju_tests::process::{Process, simulate, under, worker};
use nix::sys::signal::Signal;

const LAJU: &str = env!("CARGO_BIN_EXE_laju-under-test");
const KIOSK: &str = env!("CARGO_BIN_EXE_laju-kiosk-under-test");
const PARTITIONS: u32 = 12;
/// How often a node is asked where it is.
const LOOK_EVERY: Duration = Duration::from_millis(4);
/// Events a second, live.
const RATES: [u64; 2] = [1_000, 10_000];
/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(3_600);

#[derive(clap::Parser)]
struct Options {
    /// A real Kafka; without it the embedded broker, which holds fewer events.
    #[arg(long)]
    brokers: Option<String>,
    /// Events in the log at first.
    #[arg(long)]
    events: Option<u64>,
    /// Events in each flood.
    #[arg(long)]
    flood: Option<u64>,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// How long answers and distances are measured.
    #[arg(long, default_value_t = 10)]
    seconds: u64,
    /// Gives the first node a processor of its own, and everything else the others.
    #[arg(long)]
    pin: bool,
    /// Measures a part: start, cost or apart.
    #[arg(long)]
    only: Option<String>,
    /// Cargo's own.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() {
    measure(&clap::Parser::parse());
}

fn measure(options: &Options) {
    let broker = measure::broker(options.brokers.as_deref(), PARTITIONS);
    let is_real = broker.is_real();
    let events = options.events.unwrap_or(if is_real { 5_000_000 } else { 40_000 });
    let flood = options.flood.unwrap_or(if is_real { 1_000_000 } else { 20_000 });
    let is_wanted = |part: &str| options.only.as_deref().is_none_or(|only| only == part);
    let directory = tempfile::tempdir().unwrap();
    let connection = broker.connection();
    let nodes = Nodes { connection: &connection, directory: directory.path(), pin: options.pin };
    simulate(KIOSK, &connection, events);
    println!("{events} events, {PARTITIONS} partitions");
    if is_wanted("start") {
        starts(&nodes, options.rounds, events);
    }
    let mut log = Log { broker, next: 0, published: 0 };
    if !is_wanted("cost") && !is_wanted("apart") {
        return;
    }
    let mut first = nodes.ready(nodes.command("first", true));
    let url = format!("http://{}", first.address());
    let mut second = nodes.command("second", false);
    second.args(["--seed", &url]);
    let mut second = nodes.ready(second);
    // Repeats are among them.
    log.published = folded(&mut first);
    if is_wanted("cost") {
        cost(&mut log, [&mut first, &mut second], options, flood);
    }
    if is_wanted("apart") {
        for rate in RATES {
            log = apart(log, [&mut first, &mut second], rate, options.seconds);
        }
    }
    for node in [first, second] {
        assert!(node.stop().status.success());
    }
}

/// The records that a node has folded.
fn folded(node: &mut Process) -> u64 {
    let (_, ready) = node.get("/readyz");
    let partitions = ready["partitions"].as_array().unwrap();
    partitions.iter().map(|partition| partition["next_offset"].as_u64().unwrap()).sum()
}

/// Where nodes run.
struct Nodes<'a> {
    connection: &'a Connection,
    directory: &'a Path,
    pin: bool,
}

impl Nodes<'_> {
    /// A node on the store of this name.
    fn command(&self, store: &str, is_first: bool) -> Command {
        let command = worker(LAJU, self.connection, &self.directory.join(store));
        if !self.pin {
            return command;
        }
        let last = std::thread::available_parallelism().unwrap().get() - 1;
        let processors = if is_first { "0".to_owned() } else { format!("1-{last}") };
        under(&["taskset", "-c", &processors], &command)
    }

    fn ready(&self, command: Command) -> Process {
        let begun = Instant::now();
        let mut node = Process::start(command);
        // Longer than tests wait: it may fold for many minutes.
        while node.try_get("/readyz").is_none_or(|(status, _)| status != 200) {
            assert!(node.is_running() && begun.elapsed() < PATIENCE, "{}", node.log());
            std::thread::sleep(Duration::from_millis(5));
        }
        node
    }

    fn timed(&self, command: Command) -> (Process, f64) {
        let begun = Instant::now();
        let node = self.ready(command);
        (node, begun.elapsed().as_secs_f64())
    }
}

/// From a node's start until it is ready.
fn starts(nodes: &Nodes<'_>, rounds: usize, events: u64) {
    let [mut folded, mut own, mut seeded, mut loaded] = [const { Vec::new() }; 4];
    let mut bytes = 0;
    for round in 0..rounds {
        let store = format!("folded-{round}");
        let (node, seconds) = nodes.timed(nodes.command(&store, true));
        folded.push(seconds);
        assert!(node.stop().status.success());
        let (mut node, seconds) = nodes.timed(nodes.command(&store, true));
        own.push(seconds);
        bytes = size(&nodes.directory.join(&store));
        let copy = format!("seeded-{round}");
        let mut command = nodes.command(&copy, false);
        command.args(["--seed", &format!("http://{}", node.address())]);
        let (other, seconds) = nodes.timed(command);
        seeded.push(seconds);
        let log = other.log();
        assert!(log.contains("this node's own"), "{log}");
        loaded.push(seconds_of(&log, "the store is loaded"));
        for node in [node, other] {
            assert!(node.stop().status.success());
        }
        for store in [store, copy] {
            std::fs::remove_dir_all(nodes.directory.join(store)).unwrap();
        }
    }
    let [folded, own, seeded, loaded] = [folded, own, seeded, loaded].map(median);
    println!("from a node's start until it is ready, s, medians of {rounds}");
    println!("  by folding from nothing  {folded:>8.2}  {:>10.0} events/s", events as f64 / folded);
    println!("  on its own store         {own:>8.2}  {:.2} of folding", own / folded);
    println!("  with another node's      {seeded:>8.2}  {:.2} of folding", seeded / folded);
    let (megabytes, taken) = (bytes as f64 / 1e6, seeded - loaded);
    println!(
        "    of it loading {loaded:.2}; the store has {megabytes:.0} MB, {:.0} MB/s",
        megabytes / taken
    );
}

/// What a line of a log says of seconds.
fn seconds_of(log: &str, line: &str) -> f64 {
    let line = log.lines().find(|said| said.contains(line)).unwrap();
    let (_, seconds) = line.split_once("seconds=").unwrap();
    seconds.split_whitespace().next().unwrap().parse().unwrap()
}

/// What the first node does while the second one does the same, and while that hangs.
fn cost(log: &mut Log, [first, second]: [&mut Process; 2], options: &Options, flood: u64) {
    let mut speeds = [const { Vec::new() }; 2];
    let mut times = [const { Vec::new() }; 2];
    for _ in 0..options.rounds {
        for beside in [0, 1] {
            first.wait_folded(log.published);
            second.wait_folded(log.published);
            first.signal(Signal::SIGSTOP);
            second.signal(Signal::SIGSTOP);
            log.publish(flood);
            let begun = Instant::now();
            first.signal(Signal::SIGCONT);
            if beside == 1 {
                second.signal(Signal::SIGCONT);
            }
            first.wait_folded(log.published);
            speeds[beside].push(flood as f64 / begun.elapsed().as_secs_f64());
            times[beside].extend(log.answers(first, RATES[0], options.seconds));
            second.signal(Signal::SIGCONT);
        }
    }
    let [alone, beside] = speeds.map(median);
    let rounds = options.rounds;
    println!("the first node, medians of {rounds} rounds in turn; --pin: {}", options.pin);
    println!("  folds, events/s: alone                    {alone:>10.0}");
    println!(
        "    beside one that folds the same          {beside:>10.0}  {:.2} of it",
        beside / alone
    );
    let [alone, beside] = times.map(Percentiles::of);
    println!("  answers at {} events a second, ms: alone {alone}", RATES[0]);
    println!(
        "    beside one that folds the same          {beside}, {:.2} and {:.2} of it",
        beside.p50 / alone.p50,
        beside.p99 / alone.p99
    );
}

/// How far apart two nodes are, and how long an event takes until each shows it.
fn apart(log: Log, nodes: [&mut Process; 2], rate: u64, seconds: u64) -> Log {
    let [first, second] = nodes;
    for node in [&mut *first, &mut *second] {
        node.wait_folded(log.published);
    }
    let begun = Instant::now();
    let end = Arc::new(AtomicBool::new(false));
    let looking = [first.address(), second.address()].map(|address| {
        let end = Arc::clone(&end);
        std::thread::spawn(move || look(&address, begun, &end))
    });
    let (log, sent) = log.trickle(rate, begun, Duration::from_secs(seconds));
    first.wait_folded(log.published);
    second.wait_folded(log.published);
    end.store(true, Ordering::Relaxed);
    let seen = looking.map(|looking| looking.join().unwrap());
    println!(
        "two nodes at {rate} events a second, ms, of {seconds} s; looked at every {} ms",
        LOOK_EVERY.as_millis()
    );
    for (name, seen) in ["first", "second"].into_iter().zip(&seen) {
        let shown = sent.iter().map(|(at, total)| {
            let sum = |seen: &&Seen| seen.offsets.iter().sum::<i64>() as u64 >= *total;
            seen.iter().find(sum).unwrap().at.saturating_sub(*at)
        });
        println!("  from publishing to the {name:6} node's answer {}", Percentiles::of(shown));
    }
    let [a, b] = [behind(&seen[0], &seen[1]), behind(&seen[1], &seen[0])];
    println!("  from one node's answer to the other's       {}", Percentiles::of(a.chain(b)));
    log
}

/// Where a node was, as an answer said.
struct Seen {
    at: Duration,
    offsets: Vec<i64>,
}

/// Asks a node all the while where it is.
fn look(address: &str, begun: Instant, end: &AtomicBool) -> Vec<Seen> {
    let agent = ureq::Agent::new_with_defaults();
    let url = format!("http://{address}/v1/regions/ID/progress");
    let mut seen = Vec::new();
    while !end.load(Ordering::Relaxed) {
        let asked = Instant::now();
        let mut answer = agent.get(&url).call().unwrap();
        let position = answer.headers()["laju-position"].to_str().unwrap().to_owned();
        answer.body_mut().read_to_vec().unwrap();
        let at = begun.elapsed();
        // The log's digest, then a partition's number and offset each, then other topics.
        let (_, position) = position.split_once('.').unwrap();
        let mut offsets = vec![0; PARTITIONS as usize];
        for part in position.split(';').next().unwrap().split(',') {
            if let Some((partition, offset)) = part.split_once(':') {
                offsets[partition.parse::<usize>().unwrap()] = offset.parse().unwrap();
            }
        }
        seen.push(Seen { at, offsets });
        std::thread::sleep(LOOK_EVERY.saturating_sub(asked.elapsed()));
    }
    seen
}

/// Whenever one node showed something new, how long the other one took until it showed that, too: nothing
/// where it had before.
fn behind<'a>(ahead: &'a [Seen], other: &'a [Seen]) -> impl Iterator<Item = Duration> + 'a {
    let mut place = vec![0; PARTITIONS as usize];
    ahead.windows(2).flat_map(move |pair| {
        let mut times = Vec::new();
        for partition in 0..PARTITIONS as usize {
            let [before, now] = [&pair[0], &pair[1]].map(|seen| seen.offsets[partition]);
            if now > before {
                let place = &mut place[partition];
                while other.get(*place).is_some_and(|seen| seen.offsets[partition] < now) {
                    *place += 1;
                }
                // The last looks may have been before the other node showed the end.
                times.extend(other.get(*place).map(|seen| seen.at.saturating_sub(pair[1].at)));
            }
        }
        times
    })
}

/// The log that the nodes read.
struct Log {
    broker: TestBroker,
    next: u32,
    published: u64,
}

impl Log {
    fn publish(&mut self, count: u64) {
        let mut left = count as u32;
        while left > 0 {
            // As much as the publisher's queue takes at once.
            let part = left.min(50_000);
            self.broker.publish(&activations(self.next..self.next + part, PARTITIONS));
            (self.next, left) = (self.next + part, left - part);
        }
        self.published += count;
    }

    /// Publishes so many events a second; gives when each part was, and the events in the log after it.
    fn trickle(
        mut self,
        rate: u64,
        begun: Instant,
        time: Duration,
    ) -> (Self, Vec<(Duration, u64)>) {
        let (first, mut sent, mut published) = (begun.elapsed(), Vec::new(), 0);
        while begun.elapsed() < first + time {
            let at = begun.elapsed();
            let due = (at - first).as_millis() as u64 * rate / 1_000;
            if due > published {
                self.publish(due - published);
                published = due;
                sent.push((at, self.published));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        (self, sent)
    }

    /// How long answers of a node take while so many events a second come.
    fn answers(&mut self, node: &mut Process, rate: u64, seconds: u64) -> Vec<Duration> {
        let end = Arc::new(AtomicBool::new(false));
        let (until, address) = (Arc::clone(&end), node.address());
        let asking = std::thread::spawn(move || {
            let agent = ureq::Agent::new_with_defaults();
            let url = format!("http://{address}/v1/regions/18.71/progress");
            let mut times = Vec::new();
            while !until.load(Ordering::Relaxed) {
                let begun = Instant::now();
                agent.get(&url).call().unwrap().body_mut().read_to_vec().unwrap();
                times.push(begun.elapsed());
                std::thread::sleep(LOOK_EVERY);
            }
            times
        });
        let (begun, mut published) = (Instant::now(), 0);
        while begun.elapsed() < Duration::from_secs(seconds) {
            let due = begun.elapsed().as_millis() as u64 * rate / 1_000;
            self.publish(due - published);
            published = due;
            std::thread::sleep(Duration::from_millis(20));
        }
        end.store(true, Ordering::Relaxed);
        asking.join().unwrap()
    }
}
