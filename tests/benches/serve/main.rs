//! What asking costs, and what it costs the worker: how long answers take from outside the process
//! while nothing comes in, while ten thousand events a second do, and while the worker folds as
//! fast as it can; and what of that speed is left beside queries and beside readers of the live
//! stream.
//!
//! `cargo bench -p laju-tests --bench serve -- --brokers 127.0.0.1:9092`; without brokers on the
//! embedded one, which holds fewer events. `--events N` in each flood, `--readers N`, `--rounds N`.
//!
//! With `--every` it asks instead every GET of the OpenAPI document that answers with JSON, of a
//! simulated nation's events (`--events 20000000` is what the documents have), for `--spell` seconds
//! each, and names what is too slow or too large; with `--check` too it fails if anything is.
//! The worker is the real program in a process of its own. A flood is published while that process
//! is stopped, so that nothing else works when it goes on; speeds are compared within a run, as
//! medians over the rounds.

#![allow(clippy::unwrap_used, reason = "a measurement that cannot go on says so by panicking")]

mod every;

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use laju_schemas::RegionTable;
use laju_tests::broker::TestBroker;
use laju_tests::events::{activation, record};
use laju_tests::log::LogRecord;
use laju_tests::measure::{self, Percentiles, median};
use laju_tests::process::{Process, worker};
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tokio::net::TcpStream;

const LAJU: &str = env!("CARGO_BIN_EXE_laju-under-test");
const PARTITIONS: u32 = 12;
/// Clients that ask one question after the other.
const CLIENTS: usize = 2;
/// How long a client waits after an answer while it is the worker that is timed.
const PAUSE: Duration = Duration::from_millis(100);
/// How long answers are timed.
const SPELL: Duration = Duration::from_secs(10);
/// Events a second of a busy day.
const LIVE: u64 = 10_000;
/// The questions that are timed.
const QUESTIONS: [(&str, &str); 2] =
    [("one region", "/v1/regions/18.71/progress"), ("all 514", "/v1/progress?level=regency")];

#[derive(clap::Parser)]
struct Options {
    /// A real Kafka; without it the embedded broker, which holds fewer events.
    #[arg(long)]
    brokers: Option<String>,
    /// Events in each flood.
    #[arg(long)]
    events: Option<u64>,
    #[arg(long, default_value_t = 2_000)]
    readers: usize,
    #[arg(long, default_value_t = 3)]
    rounds: usize,
    /// Ask every GET with JSON, and nothing else.
    #[arg(long)]
    every: bool,
    /// Fail if one of them is too slow or too large.
    #[arg(long, requires = "every")]
    check: bool,
    /// For how many seconds each of them is asked.
    #[arg(long, default_value_t = 3)]
    spell: u64,
    /// Cargo's own.
    #[arg(long, hide = true)]
    bench: bool,
}

fn main() -> ExitCode {
    let (_, most) = getrlimit(Resource::RLIMIT_NOFILE).unwrap();
    setrlimit(Resource::RLIMIT_NOFILE, most, most).unwrap();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let options: Options = clap::Parser::parse();
    if options.every {
        let broker = measure::broker(options.brokers.as_deref(), PARTITIONS);
        let is_well = every::measure(&options, broker, &runtime);
        return ExitCode::from(u8::from(options.check && !is_well));
    }
    measure(&options, &runtime);
    ExitCode::SUCCESS
}

fn measure(options: &Options, runtime: &tokio::runtime::Runtime) {
    let broker = measure::broker(options.brokers.as_deref(), PARTITIONS);
    let flood = options.events.unwrap_or(if broker.is_real() { 1_000_000 } else { 40_000 });
    let connection = broker.connection();
    let store = tempfile::tempdir().unwrap();
    let mut log = Log { feed: Plain::default(), broker };
    log.publish(flood);
    let mut run = worker(LAJU, &connection, store.path());
    run.args(["--stream-readers", &(options.readers + 1).to_string()]);
    let mut process = Process::start(run);
    process.wait_ready();
    let address = process.address();

    println!("answers, {CLIENTS} clients, {} s each", SPELL.as_secs());
    for (name, path) in QUESTIONS {
        let answers = runtime.block_on(asked(&address, path, Duration::ZERO, until(SPELL)));
        report("nothing comes in", name, answers);
    }
    for (name, path) in QUESTIONS {
        let end = Arc::new(AtomicBool::new(false));
        let stop = Arc::clone(&end);
        let publishing = std::thread::spawn(move || {
            trickle(&mut log.feed, &log.broker, &stop);
            log
        });
        let answers = runtime.block_on(asked(&address, path, Duration::ZERO, until(SPELL)));
        report("10,000 a second", name, answers);
        end.store(true, Ordering::Relaxed);
        log = publishing.join().unwrap();
    }

    let mut speeds: [Vec<f64>; 4] = Default::default();
    for _ in 0..options.rounds {
        speeds[0].push(log.fold(&mut process, flood, || {}));
        for (place, (name, path)) in QUESTIONS.into_iter().enumerate() {
            let end = Arc::new(AtomicBool::new(false));
            let is_over = {
                let end = Arc::clone(&end);
                move || end.load(Ordering::Relaxed)
            };
            let address = address.clone();
            let mut asking = None;
            let speed = log.fold(&mut process, flood, || {
                asking =
                    Some(runtime.spawn(async move { asked(&address, path, PAUSE, is_over).await }));
            });
            speeds[1 + place].push(speed);
            end.store(true, Ordering::Relaxed);
            report("at full speed", name, runtime.block_on(asking.unwrap()).unwrap());
        }
        let readers = runtime.block_on(Readers::connect(&address, options.readers));
        speeds[3].push(log.fold(&mut process, flood, || {}));
        readers.leave();
    }
    let [alone, beside @ ..] = speeds.map(median);
    println!("folded a second, {flood} events at once, medians of {}", options.rounds);
    let rate = CLIENTS as u128 * 1_000 / PAUSE.as_millis();
    println!("  (questions: up to {rate} a second)");
    println!("  alone                     {alone:>12.0}");
    let readers = format!("{} readers", options.readers);
    for (what, speed) in [QUESTIONS[0].0, QUESTIONS[1].0, &readers].into_iter().zip(beside) {
        println!("  beside {what:18} {speed:>12.0}  {:.2} of it", speed / alone);
    }
    assert!(process.stop().status.success());
}

/// The log that the worker reads.
struct Log {
    feed: Plain,
    broker: TestBroker,
}

/// What a log is made of.
trait Feed {
    /// Publishes the next so many events.
    fn publish(&mut self, broker: &TestBroker, count: u64);
}

/// Activations, one for each citizen, spread evenly over the regencies.
#[derive(Default)]
struct Plain {
    next: u64,
}

impl Plain {
    fn records(&mut self, count: u64) -> Vec<LogRecord> {
        let regencies: Vec<String> =
            RegionTable::get().regencies().map(|(_, region)| region.code.to_string()).collect();
        let from = self.next;
        self.next += count;
        let records = (from..self.next).map(|number| {
            let mut event = activation(number as u32);
            event.home_region = &regencies[number as usize % regencies.len()];
            event.service_region = event.home_region;
            record(&event, PARTITIONS)
        });
        records.collect()
    }
}

impl Feed for Plain {
    fn publish(&mut self, broker: &TestBroker, count: u64) {
        let mut left = count;
        while left > 0 {
            // As much as the publisher's queue takes at once.
            let part = left.min(50_000);
            let records = self.records(part);
            broker.publish(&records);
            left -= part;
        }
    }
}

/// Publishes the events of a busy day, until told to stop.
fn trickle(feed: &mut impl Feed, broker: &TestBroker, stop: &AtomicBool) {
    let begun = Instant::now();
    let mut published = 0;
    while !stop.load(Ordering::Relaxed) {
        let due = begun.elapsed().as_millis() as u64 * LIVE / 1_000;
        feed.publish(broker, due - published);
        published = due;
        std::thread::sleep(Duration::from_millis(20));
    }
}

impl Log {
    fn publish(&mut self, count: u64) {
        self.feed.publish(&self.broker, count);
    }

    /// Folded a second, of events that are all there when the worker goes on; `begin` is called
    /// right before.
    fn fold(&mut self, process: &mut Process, events: u64, begin: impl FnOnce()) -> f64 {
        let pid = Pid::from_raw(process.id() as i32);
        process.wait_folded(self.feed.next);
        kill(pid, Signal::SIGSTOP).unwrap();
        self.publish(events);
        begin();
        let begun = Instant::now();
        kill(pid, Signal::SIGCONT).unwrap();
        process.wait_folded(self.feed.next);
        events as f64 / begun.elapsed().as_secs_f64()
    }
}

fn until(spell: Duration) -> impl Fn() -> bool + Clone {
    let end = Instant::now() + spell;
    move || Instant::now() >= end
}

/// What clients were answered.
#[derive(Default)]
struct Asked {
    /// How long answers took.
    times: Vec<Duration>,
    /// How many were not what was asked for.
    refused: u64,
    /// The highest status.
    status: u16,
    /// The largest body.
    bytes: usize,
}

/// Asks one question after the other, by several clients at once.
async fn asked(
    address: &str,
    path: &str,
    pause: Duration,
    is_over: impl Fn() -> bool + Clone + Send + 'static,
) -> Asked {
    let clients: Vec<_> = (0..CLIENTS)
        .map(|_| {
            let (address, path, is_over) = (address.to_owned(), path.to_owned(), is_over.clone());
            tokio::spawn(async move {
                let mut stream = TcpStream::connect(&address).await.unwrap();
                let mut asked = Asked::default();
                while !is_over() {
                    let begun = Instant::now();
                    let Some((status, bytes)) = ask(&stream, &path).await else {
                        asked.refused += 1;
                        stream = TcpStream::connect(&address).await.unwrap();
                        continue;
                    };
                    asked.times.push(begun.elapsed());
                    asked.refused += u64::from(status != 200);
                    asked.status = asked.status.max(status);
                    asked.bytes = asked.bytes.max(bytes);
                    tokio::time::sleep(pause).await;
                }
                asked
            })
        })
        .collect();
    let mut all = Asked::default();
    for client in clients {
        let of_it = client.await.unwrap();
        all.times.extend(of_it.times);
        all.refused += of_it.refused;
        all.status = all.status.max(of_it.status);
        all.bytes = all.bytes.max(of_it.bytes);
    }
    all
}

/// Asks once on a connection that stays; gives the status and the size of the body, and nothing if the
/// worker has hung up instead of an answer.
async fn ask(stream: &TcpStream, path: &str) -> Option<(u16, usize)> {
    send(stream, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
    let (mut answer, mut part) = (Vec::new(), vec![0; 1 << 18]);
    loop {
        stream.readable().await.unwrap();
        match stream.try_read(&mut part) {
            Ok(0) if answer.is_empty() => return None,
            Ok(0) => panic!("the worker hung up in the midst of {path}"),
            Ok(count) => answer.extend_from_slice(&part[..count]),
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => continue,
            Err(error) => panic!("{error}"),
        }
        let Some(end) = answer.windows(4).position(|window| window == b"\r\n\r\n") else {
            continue;
        };
        let head = std::str::from_utf8(&answer[..end]).unwrap().to_ascii_lowercase();
        let length = head.split("content-length: ").nth(1).unwrap();
        let length: usize = length.split("\r\n").next().unwrap().parse().unwrap();
        if answer.len() >= end + 4 + length {
            return Some((head.split(' ').nth(1).unwrap().parse().unwrap(), length));
        }
    }
}

async fn send(stream: &TcpStream, text: &str) {
    stream.writable().await.unwrap();
    assert_eq!(stream.try_write(text.as_bytes()).unwrap(), text.len(), "a short request");
}

fn report(when: &str, what: &str, Asked { times, refused, .. }: Asked) {
    let Percentiles { p50, p99, count } = Percentiles::of(times);
    let refused = if refused > 0 { format!(", {refused} refused") } else { String::new() };
    println!("  {when:18} {what:12} p50 {p50:>8.2} ms  p99 {p99:>8.2} ms  of {count}{refused}");
}

/// Readers of the live stream, each of a regency, its province and the nation.
struct Readers {
    tasks: Vec<tokio::task::JoinHandle<()>>,
    bytes: Arc<AtomicU64>,
    begun: Instant,
}

impl Readers {
    /// Connects them, and waits until each has been told everything once.
    async fn connect(address: &str, count: usize) -> Self {
        let regencies: Vec<_> = RegionTable::get().regencies().map(|(_, r)| r.code).collect();
        let (bytes, live) = (Arc::new(AtomicU64::new(0)), Arc::new(AtomicU64::new(0)));
        let mut tasks = Vec::with_capacity(count);
        for number in 0..count {
            let regency = regencies[number % regencies.len()];
            let path = format!("/v1/stream?regions={regency},{},ID", regency.province());
            let stream = TcpStream::connect(address).await.unwrap();
            send(&stream, &format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n")).await;
            let (bytes, live) = (Arc::clone(&bytes), Arc::clone(&live));
            tasks.push(tokio::spawn(read(stream, bytes, live)));
        }
        let deadline = Instant::now() + Duration::from_secs(120);
        while live.load(Ordering::Relaxed) < count as u64 {
            assert!(Instant::now() < deadline, "{live:?} of {count} readers are live");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        bytes.store(0, Ordering::Relaxed);
        Self { tasks, bytes, begun: Instant::now() }
    }

    fn leave(self) {
        let (bytes, seconds) =
            (self.bytes.load(Ordering::Relaxed) as f64, self.begun.elapsed().as_secs_f64());
        let count = self.tasks.len();
        println!("  {count} readers were sent {:.1} MB in {seconds:.1} s", bytes / 1e6);
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

async fn read(stream: TcpStream, bytes: Arc<AtomicU64>, live: Arc<AtomicU64>) {
    let mut part = vec![0; 16 << 10];
    let mut is_live = false;
    loop {
        stream.readable().await.unwrap();
        match stream.try_read(&mut part) {
            Ok(0) => panic!("the worker hung up"),
            Ok(count) => {
                bytes.fetch_add(count as u64, Ordering::Relaxed);
                // Three states and the mark come in one piece.
                if !is_live && part[..count].windows(11).any(|w| w == b"event: live") {
                    is_live = true;
                    live.fetch_add(1, Ordering::Relaxed);
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            Err(error) => panic!("{error}"),
        }
    }
}
