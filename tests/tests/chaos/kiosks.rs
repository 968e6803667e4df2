//! Agents on disks of their own, what is sent to them all the while, and records beside theirs that
//! cannot be counted.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use laju_kafka::connection::Connection;
use laju_schemas::framing::Framing;
use laju_schemas::known::{ACTIVATION_EVENT, ACTIVATION_EVENT_AVSC};
use laju_schemas::raw::RawEvent;
use laju_schemas::topic::EVENTS;
use laju_tests::agent::{Client, NDJSON, activation};
use laju_tests::broker::TestBroker;
use laju_tests::disk::Mounted;
use laju_tests::events;
use laju_tests::log::LogRecord;
use laju_tests::ports::free_ports;
use laju_tests::process::{PATIENCE, Process, command, connect};
use laju_tests::wire;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;
use tempfile::TempDir;

use crate::nodes::{SLOW, Surroundings, slow_disk};
use crate::{KEY, KIOSK, PARTITIONS};

/// Citizens of one agent's: there are NIKs for so many of two.
const CITIZENS: u32 = 150_000;
/// Of so many records that cannot be counted one names a schema that the registry does not have, each
/// another one, from this one on.
const STRANGE: u32 = 32;
const NO_SCHEMA: u32 = 1_000_000;
/// What an agent's disk holds, in MiB.
const DISK: u32 = 64;

/// An agent's place. It listens where it did whenever it is started again.
pub(crate) struct Agent<'a> {
    number: usize,
    at: Surroundings<'a>,
    folder: TempDir,
    mounted: Option<Mounted>,
    port: u16,
    pub(crate) process: Process,
}

impl<'a> Agent<'a> {
    pub(crate) fn start(number: usize, at: Surroundings<'a>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Mounted::at(&folder.path().join("disk"), DISK);
        let key = folder.path().join("key");
        std::fs::write(&key, format!("{KEY}\n")).unwrap();
        std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
        let port = free_ports(1, &[]);
        let process = Process::start(Self::command(number, at, folder.path(), port));
        let mut agent = Self { number, at, folder, mounted, port, process };
        drop(agent.process.address());
        agent
    }

    fn command(number: usize, at: Surroundings<'_>, folder: &Path, port: u16) -> Command {
        let id = format!("kbl-{number:02}");
        let mut command = command(KIOSK, &["run", "--kiosk-id", &id, "--service-region", "18.71"]);
        command.args(["--listen", &format!("127.0.0.1:{port}")]);
        command.arg("--outbox").arg(folder.join("disk/outbox"));
        command.arg("--key-file").arg(folder.join("key"));
        connect(&mut command, at.connection);
        if let Some(disks) = at.disks {
            disks.stand_before(&mut command, &folder.join(SLOW));
        }
        command
    }

    /// Starts it where the one before has ended.
    pub(crate) fn start_again(&mut self) {
        let again = Self::command(self.number, self.at, self.folder.path(), self.port);
        self.process = Process::start(again);
        drop(self.process.address());
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    pub(crate) fn slow_disk(&self, lasts: Duration) {
        slow_disk(&self.folder.path().join(SLOW), lasts, self.at.notes);
    }

    /// Where its disk is filled up; none if it has none of its own.
    pub(crate) fn ballast(&self) -> Option<PathBuf> {
        self.mounted.as_ref()?;
        Some(self.folder.path().join("disk/ballast"))
    }
}

/// What was sent to an agent and taken by it.
#[derive(Default)]
pub(crate) struct Sent {
    /// By citizen: the event's id and its number.
    pub(crate) taken: Mutex<BTreeMap<u32, (String, u64)>>,
    /// Requests that had to be sent again.
    pub(crate) again: AtomicU64,
}

impl Sent {
    /// Sends activations until it is over, each until it is taken.
    pub(crate) fn send(&self, number: usize, address: &str, seed: u64, over: &AtomicBool) {
        let mut random = StdRng::seed_from_u64(seed);
        let client = Client::new(address.to_owned());
        let first = number as u32 * CITIZENS;
        let mut next = first;
        while !over.load(Ordering::Acquire) && next < first + CITIZENS {
            let count = random.random_range(1..10).min(first + CITIZENS - next);
            self.send_all(&client, next..next + count);
            next += count;
            std::thread::sleep(Duration::from_millis(random.random_range(20..200)));
        }
    }

    fn send_all(&self, client: &Client, citizens: std::ops::Range<u32>) {
        let lines: Vec<String> = citizens
            .clone()
            .map(|number| {
                let mut event = activation(number);
                event["idempotency_key"] = format!("counter-3/{number}").into();
                event.to_string()
            })
            .collect();
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some((status, text)) = client.try_post("/v1/events", NDJSON, &lines.join("\n")) {
                if status == 202 && self.note(citizens.clone(), &text) {
                    return;
                }
                // What an agent says that is stopping or has no room.
                assert!(status == 202 || status >= 500, "{status}: {text}");
            }
            assert!(Instant::now() < deadline, "it is not taken");
            self.again.fetch_add(1, Ordering::Relaxed);
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Notes what was taken; says whether all was.
    fn note(&self, citizens: std::ops::Range<u32>, answer: &str) -> bool {
        let answer: Value = serde_json::from_str(answer).unwrap();
        let one = std::slice::from_ref(&answer);
        let items = answer["items"].as_array().map_or(one, |items| &items[..]);
        let mut taken = self.taken.lock().unwrap();
        let mut all = items.len() == citizens.len();
        for (citizen, item) in citizens.zip(items) {
            let Some(id) = item["event_id"].as_str() else {
                all = false;
                continue;
            };
            let named = (id.to_owned(), item["sequence"].as_u64().unwrap());
            let first = taken.entry(citizen).or_insert_with(|| named.clone());
            assert_eq!(*first, named, "the same key, another event");
        }
        all
    }
}

/// Publishes records that cannot be counted, until it is over.
pub(crate) fn publish_what_cannot_be_counted(broker: &TestBroker, over: &AtomicBool) {
    let mut deliveries = Vec::new();
    for number in 0.. {
        if over.load(Ordering::Acquire) {
            break;
        }
        let event = RawEvent { kiosk_id: "elsewhere", ..events::activation(number) };
        let good = events::record(&event, PARTITIONS);
        let bad = match number % 4 {
            _ if number % STRANGE == 0 => {
                let framing = Framing::Confluent(NO_SCHEMA + number);
                events::with_value(&event, PARTITIONS, wire::framed(&event, framing))
            }
            0 => LogRecord { value: Some(b"no event at all".to_vec()), ..good },
            1 => LogRecord { value: None, ..good },
            2 => LogRecord { key: None, ..good },
            _ => LogRecord { partition: (good.partition + 1) % PARTITIONS, ..good },
        };
        deliveries.push(broker.send(&bad, &[]).unwrap());
        std::thread::sleep(Duration::from_millis(200));
    }
    for delivery in deliveries {
        // Whether a broker that went away has it is what the log says.
        drop(delivery.wait());
    }
}

/// A log as it would be without a registry: in the place of its id for the events' schema the
/// fingerprint of that, which a reader knows by itself.
pub(crate) fn as_without_registry(log: &[LogRecord], connection: &Connection) -> Vec<LogRecord> {
    let registry = connection.registry_client().unwrap().expect("one is named");
    let subject = format!("{}-value", connection.topic(&EVENTS));
    let own = Framing::Confluent(registry.register(&subject, ACTIVATION_EVENT_AVSC).unwrap());
    let known = |value: &Vec<u8>| match Framing::split(value) {
        Some((framing, event)) if framing == own => {
            let mut known = Vec::new();
            Framing::SingleObject(ACTIVATION_EVENT.fingerprint).write(&mut known);
            known.extend_from_slice(event);
            known
        }
        _ => value.clone(),
    };
    let records = log.iter();
    records
        .map(|record| LogRecord { value: record.value.as_ref().map(known), ..record.clone() })
        .collect()
}
