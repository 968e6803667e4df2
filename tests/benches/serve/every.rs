//! What every GET costs that answers with JSON: each path of the node's own OpenAPI document, with
//! default parameters, while nothing comes in and while ten thousand events a second do; and how
//! large the answers are.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use laju_schemas::TimestampMs;
use laju_schemas::codec::Encoder;
use laju_simulation::{Generator, Scenario, Shares};
use laju_tests::broker::TestBroker;
use laju_tests::events::now_ms;
use laju_tests::log::LogRecord;
use laju_tests::measure::Percentiles;
use laju_tests::process::{Process, worker};
use serde_json::{Value, json};

use super::{Asked, Feed, LAJU, Options, PARTITIONS, asked, trickle, until};

/// Kiosks of the simulated nation, and what each sends on a day.
const KIOSKS: u32 = 1_000;
const EVENTS_PER_KIOSK_DAY: u64 = 40;
const DAY_MS: i64 = 86_400_000;
/// A 99th percentile above this is named: while nothing comes in, and while something does.
const IDLE_MS: f64 = 100.0;
const BUSY_MS: f64 = 150.0;
/// So is a body above this.
const BODY: usize = 2_000_000;

/// The events of a nation's kiosks: visits, moves, retractions, late ones.
pub(crate) struct Nation {
    generator: Generator,
    encoder: Encoder,
    /// The id of an event that was published.
    event: String,
    published: u64,
}

impl Nation {
    fn new(events: u64) -> Self {
        let days = events.div_ceil(u64::from(KIOSKS) * EVENTS_PER_KIOSK_DAY).max(7) as i64;
        // An hour ago, so that no clock is ahead.
        let to = now_ms() - 3_600_000;
        let scenario = Scenario {
            seed: 1,
            events: None,
            kiosks: KIOSKS,
            subjects: events * 2,
            from: TimestampMs(to - days * DAY_MS),
            to: TimestampMs(to),
            shares: Shares { bad: 0.000_1, ..Shares::default() },
        };
        Self {
            generator: Generator::new(scenario).unwrap(),
            encoder: Encoder::events(None),
            event: String::new(),
            published: 0,
        }
    }
}

impl Feed for Nation {
    fn publish(&mut self, broker: &TestBroker, count: u64) {
        let mut left = count;
        while left > 0 {
            // As much as the publisher's queue takes at once.
            let part = left.min(50_000);
            let records = self.generator.by_ref().take(part as usize).map(|record| {
                let mut value = Vec::with_capacity(128);
                record.encode(&self.encoder, &mut value).unwrap();
                self.event = record.event.event_id.to_string();
                LogRecord {
                    partition: record.partition(PARTITIONS),
                    offset: 0,
                    timestamp_ms: record.recorded_at.0,
                    key: Some(record.key().0.to_vec()),
                    value: Some(value),
                }
            });
            let records: Vec<_> = records.collect();
            broker.publish(&records);
            self.published += part;
            left -= part;
        }
    }
}

/// Publishes, asks, prints; gives whether all of it is within the aims.
pub(crate) fn measure(
    options: &Options,
    broker: TestBroker,
    runtime: &tokio::runtime::Runtime,
) -> bool {
    let events = options.events.unwrap_or(if broker.is_real() { 1_000_000 } else { 40_000 });
    let store = tempfile::tempdir().unwrap();
    let mut nation = Nation::new(events);
    nation.publish(&broker, events);
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    process.wait_folded(nation.published);
    let address = process.address();
    let paths = paths(&mut process, &nation.event);
    let spell = Duration::from_secs(options.spell);

    let ask = |path: &str| runtime.block_on(asked(&address, path, Duration::ZERO, until(spell)));
    let idle: Vec<Asked> = paths.iter().map(|path| ask(path)).collect();
    let end = Arc::new(AtomicBool::new(false));
    let stop = Arc::clone(&end);
    let publishing: JoinHandle<_> =
        std::thread::spawn(move || trickle(&mut nation, &broker, &stop));
    let busy: Vec<Asked> = paths.iter().map(|path| ask(path)).collect();
    end.store(true, Ordering::Relaxed);
    publishing.join().unwrap();

    println!("every GET with JSON, {events} events, {} s each", options.spell);
    println!("  {:>22}  {:>22}  {:>9}", "idle p50 and p99, ms", "10,000 a second", "body, B");
    let mut over = Vec::new();
    for (path, (idle, busy)) in paths.iter().zip(idle.into_iter().zip(busy)) {
        let size = idle.bytes.max(busy.bytes);
        let mut remark = match idle.status.max(busy.status) {
            200 => String::new(),
            status => format!("  answers {status}"),
        };
        let refused = idle.refused + busy.refused;
        if remark.is_empty() && refused > 0 {
            remark = format!("  {refused} times not answered");
        }
        let [idle, busy] = [idle, busy].map(|asked| Percentiles::of(asked.times));
        let times = [&idle, &busy].map(|times| format!("{:>10.2} {:>11.2}", times.p50, times.p99));
        println!("  {}  {}  {size:>9}  {path}{remark}", times[0], times[1]);
        let reasons = [
            (idle.p99 > IDLE_MS).then(|| format!("{:.0} ms idle", idle.p99)),
            (busy.p99 > BUSY_MS).then(|| format!("{:.0} ms beside events", busy.p99)),
            (size > BODY).then(|| format!("{:.1} MB", size as f64 / 1e6)),
        ];
        let reasons: Vec<String> = reasons.into_iter().flatten().collect();
        if !reasons.is_empty() {
            over.push(format!("  {path}: {}", reasons.join(", ")));
        }
    }
    match over.len() {
        0 => println!("none is above {IDLE_MS} ms, {BUSY_MS} ms beside events, or 2 MB"),
        _ => println!("above {IDLE_MS} ms, {BUSY_MS} ms beside events, or 2 MB:"),
    }
    over.iter().for_each(|line| println!("{line}"));
    assert!(process.stop().status.success());
    over.is_empty()
}

/// Every path of the document that is answered by GET with JSON, with what the node has in the place
/// of its parameters: once for a regency, and once for the nation where a region is asked for.
fn paths(process: &mut Process, event: &str) -> Vec<String> {
    let document = process.get("/openapi.json").1;
    let progress = process.get("/v1/progress").1;
    let rows = progress["rows"].as_array().unwrap();
    let largest = rows.iter().max_by_key(|row| row["activated"].as_i64()).unwrap();
    let regency = largest["region"]["code"].as_str().unwrap().to_owned();
    let quotation = json!({"region": regency, "as_of": progress["as_of"]});
    let figure = process.post("/v1/figures", &quotation).1["figure_id"].clone();
    let mut first = |path: &str, member: &str| {
        let rows = process.get(path).1["rows"].clone();
        escaped(rows[0][member].as_str().unwrap_or("none"))
    };
    let kiosk = first("/v1/kiosks?limit=1", "kiosk_id");
    let visit = first("/v1/outreach?limit=1", "outreach_id");
    let mut all = Vec::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let operation = &item["get"];
        if !operation["responses"]["200"]["content"]["application/json"].is_object() {
            continue;
        }
        let id = match path {
            path if path.contains("kiosks") => kiosk.clone(),
            path if path.contains("outreach") => visit.clone(),
            _ => figure.as_str().unwrap_or("none").to_owned(),
        };
        let filled = path.replace("{id}", &id).replace("{event_id}", event);
        let kind = if path.starts_with("/problems") { "internal" } else { "facts" };
        let filled = filled.replace("{partition}", "0").replace("{kind}", kind);
        let filled = format!("{filled}{}", needed(operation));
        if filled.contains("{code}") {
            all.extend([&*regency, "ID"].map(|code| filled.replace("{code}", code)));
            // The list of keys that grows.
            if path.ends_with("/breakdown") {
                all.push(format!("{}?by=outreach", path.replace("{code}", "ID")));
            }
        } else {
            all.push(filled);
        }
    }
    all
}

/// The parameters without which there is no answer, as the document's examples have them.
fn needed(operation: &Value) -> String {
    let parameters = operation["parameters"].as_array().into_iter().flatten();
    let needed = parameters.filter(|p| p["in"] == "query" && p["required"] == true);
    let text = needed.map(|p| {
        format!("{}={}", p["name"].as_str().unwrap(), p["example"].as_str().unwrap_or_default())
    });
    let text: Vec<String> = text.collect();
    if text.is_empty() { String::new() } else { format!("?{}", text.join("&")) }
}

fn escaped(id: &str) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte);
    id.bytes().map(|b| if plain(b) { char::from(b).into() } else { format!("%{b:02X}") }).collect()
}
