//! How fast a worker gets through a log on a real Kafka, beside a loop that only polls: what is
//! left of the client's own speed once every record is decoded, folded and stored.
//!
//! ```text
//! cargo bench -p laju-consumer --bench pipeline -- --brokers HOST:PORT
//!     [--events N] [--rounds N] [--pipelines N,…] [--seed N] [--prefix PREFIX] [--dir DIR]
//!     [--peer PROGRAM] [--json]
//! ```
//!
//! Without `--brokers` (or `LAJU_BENCH_BROKERS`) it says so and measures nothing. The log is
//! published once, under a topic prefix of its own (`bench.…`) that names its contents, and used
//! again by later runs. With `--prefix` it is a log that is there already, whoever has published it.
//!
//! Measured in turn, each in a process of its own, `--rounds` times; medians count:
//!
//! - `bare`: rdkafka's poll loop with the worker's own settings;
//! - `decode`: that and an `EventReader`, on the same thread;
//! - `worker`: the whole worker with its store on disk, from offset 0 until everything is
//!   committed, with each number of pipelines in turn; then its store is opened again. The first
//!   number's is the one that others are compared with.
//!
//! Each is timed from its assignment to the last record (of a worker: its commit). Processor time
//! is of the whole process, and says more than the clock does where other programs are running.
//!
//! `--peer PROGRAM` measures another consumer of the same log as well, in two variants:
//! `PROGRAM papi|dsl --eos --schema ACTIVATION_EVENT.avsc --topic NAME --bootstrap HOST:PORT
//! --out COUNTS.csv`, which has to print `rate=EVENTS_PER_SECOND` and may print `rss_mb=`.

#[path = "../support/mod.rs"]
mod support;

mod log;
mod measure;
mod peer;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, bail};
use clap::{Parser, ValueEnum};
use laju_kafka::connection::Connection;
use support::{Report, median};

#[derive(Parser)]
struct Options {
    /// The brokers to measure with.
    #[arg(long, env = "LAJU_BENCH_BROKERS", value_name = "HOST:PORT,…")]
    brokers: Option<String>,
    /// How many events the log has.
    #[arg(long, default_value_t = 5_000_000)]
    events: u64,
    /// How often each is measured.
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// With how many threads that fold a worker is measured.
    #[arg(long, value_name = "N,…", value_delimiter = ',', default_value = "1,2")]
    pipelines: Vec<NonZeroUsize>,
    /// The same seed gives the same log.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    /// Where the store is made for the time of a measurement.
    #[arg(long, default_value = env!("CARGO_TARGET_TMPDIR"))]
    dir: PathBuf,
    /// A program to compare with.
    #[arg(long, value_name = "PROGRAM")]
    peer: Option<PathBuf>,
    /// Print one JSON object.
    #[arg(long)]
    json: bool,
    /// Take one measurement and print it as JSON: what this program starts itself with.
    #[arg(long, value_enum, requires_all = ["prefix", "store"], hide = true)]
    measure: Option<Measure>,
    /// Measure with the log that is there under this prefix of topics, which may be empty.
    #[arg(long)]
    prefix: Option<String>,
    #[arg(long, hide = true)]
    store: Option<PathBuf>,
    /// `cargo bench` gives this to every benchmark.
    #[arg(long, hide = true)]
    bench: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Measure {
    Bare,
    Decode,
    Worker,
    Reopen,
}

impl Measure {
    fn name(self) -> &'static str {
        match self {
            Self::Bare => "bare",
            Self::Decode => "decode",
            Self::Worker => "worker",
            Self::Reopen => "reopen",
        }
    }
}

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let Some(brokers) = options.brokers.clone() else {
        println!("nothing measured: give --brokers or LAJU_BENCH_BROKERS a Kafka to measure with");
        return Ok(());
    };
    let mut connection = Connection::to(brokers);
    if let (Some(measure), Some(prefix), Some(store)) =
        (options.measure, &options.prefix, &options.store)
    {
        connection.topic_prefix.clone_from(prefix);
        let figures = match measure {
            Measure::Bare => measure::bare(&connection, false)?,
            Measure::Decode => measure::bare(&connection, true)?,
            Measure::Worker => measure::worker(connection, store, options.pipelines[0])?,
            Measure::Reopen => measure::reopen(&connection, store)?,
        };
        println!("{}", serde_json::to_string(&figures)?);
        return Ok(());
    }
    match &options.prefix {
        Some(prefix) => connection.topic_prefix.clone_from(prefix),
        None => {
            let scenario = support::scenario(options.events, options.seed);
            connection.topic_prefix = log::prefix(scenario);
            log::publish_once(&connection, scenario)?;
        }
    }
    compare(&options, &connection)
}

/// Takes every measurement in turn, and prints figures and ratios.
fn compare(options: &Options, connection: &Connection) -> anyhow::Result<()> {
    let (mut bare, mut decode, mut reopen) = (vec![], vec![], vec![]);
    let mut workers = vec![vec![]; options.pipelines.len()];
    let mut peers: Vec<(peer::Variant, Vec<peer::Outcome>)> = Vec::new();
    for round in 1..=options.rounds {
        let directory = tempfile::tempdir_in(&options.dir)?;
        let first = options.pipelines[0];
        let of_workers = options.pipelines.iter().zip(&mut workers);
        let of_workers = of_workers.map(|(number, taken)| (Measure::Worker, *number, taken));
        for (measure, pipelines, taken) in of_workers.chain([
            (Measure::Reopen, first, &mut reopen),
            (Measure::Bare, first, &mut bare),
            (Measure::Decode, first, &mut decode),
        ]) {
            let store = directory.path().join(pipelines.to_string());
            let figures = take(measure, connection, &store, pipelines)?;
            let per_second = figures.count as f64 / figures.seconds;
            let of = match measure {
                Measure::Worker => format!(" ({pipelines})"),
                _ => String::new(),
            };
            let name = format!("{}{of}", measure.name());
            eprintln!("round {round}: {name:<12}{per_second:>12.0} a second");
            taken.push(figures);
        }
    }
    let worker = &workers[0];
    if let Some(program) = &options.peer {
        for variant in peer::Variant::ALL {
            let outcomes = (1..=options.rounds).map(|round| {
                let outcome = peer::run(program, variant, connection)?;
                eprintln!("round {round}: {:<10}{:>9.0} a second", variant.name(), outcome.rate);
                Ok(outcome)
            });
            peers.push((variant, outcomes.collect::<anyhow::Result<_>>()?));
        }
    }
    let rate = |taken: &[measure::Figures]| {
        median(&taken.iter().map(|f| f.count as f64 / f.seconds).collect::<Vec<_>>())
    };
    let peak = |taken: &[measure::Figures]| {
        median(&taken.iter().map(|f| f.peak_memory as f64 / 1e6).collect::<Vec<_>>())
    };
    let processor = |taken: &[measure::Figures]| {
        median(&taken.iter().map(|f| f.processor * 1e6 / f.count as f64).collect::<Vec<_>>())
    };
    let disk = median(&worker.iter().map(|f| f.disk as f64).collect::<Vec<_>>());
    let (events, subjects) = (worker[0].count as f64, worker[0].subjects as f64);
    let (bare_rate, worker_rate) = (rate(&bare), rate(worker));
    let mut report = Report::default();
    report.add("events", events, "");
    report.add("key and value", bare[0].bytes as f64 / events, "B/event");
    report.add("bare", bare_rate, "events/s");
    report.add("decode", rate(&decode), "events/s");
    report.add("worker", worker_rate, "events/s");
    for (pipelines, worker) in options.pipelines.iter().zip(&workers).skip(1) {
        report.add(format!("worker with {pipelines} pipelines"), rate(worker), "events/s");
    }
    report.add("decode of bare", rate(&decode) / bare_rate, "");
    report.add("worker of bare", worker_rate / bare_rate, "");
    report.add("processors of bare", processor(&bare), "µs/event");
    report.add("processors of decode", processor(&decode), "µs/event");
    report.add("processors of worker", processor(worker), "µs/event");
    report.add("reopen", rate(&reopen), "subjects/s");
    report.add("subjects", subjects, "");
    report.add("peak memory of bare", peak(&bare), "MB");
    report.add("peak memory of worker", peak(worker), "MB");
    report.add("peak memory reopened", peak(&reopen), "MB");
    report.add("store", disk / 1e6, "MB");
    report.add("store of events", disk / events, "B/event");
    report.add("store of subjects", disk / subjects, "B/subject");
    for (variant, outcomes) in &peers {
        let rate = median(&outcomes.iter().map(|outcome| outcome.rate).collect::<Vec<_>>());
        let memory = median(&outcomes.iter().map(|outcome| outcome.rss_mb).collect::<Vec<_>>());
        let [name, ratio, peak] = variant.titles();
        report.add(name, rate, "events/s");
        report.add(ratio, worker_rate / rate, "times");
        report.add(peak, memory, "MB");
    }
    report.print(options.json);
    Ok(())
}

/// Starts this program again for one measurement, so that its memory is its own.
fn take(
    measure: Measure,
    connection: &Connection,
    store: &std::path::Path,
    pipelines: NonZeroUsize,
) -> anyhow::Result<measure::Figures> {
    let output = Command::new(std::env::current_exe()?)
        .args(["--brokers", &connection.brokers, "--prefix", &connection.topic_prefix])
        .args(["--pipelines", &pipelines.to_string(), "--measure", measure.name(), "--store"])
        .arg(store)
        .stderr(std::process::Stdio::inherit())
        .output()?;
    if !output.status.success() {
        bail!("measuring {} failed", measure.name());
    }
    serde_json::from_slice(&output.stdout).context("a measurement that cannot be read")
}
