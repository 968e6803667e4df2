//! I4, no loss and no double: while an integrator sends, the agent is killed again and again and
//! the broker comes and goes.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use laju_consumer::domain::account::Account;
use laju_schemas::nik::Nik;
use laju_schemas::pseudonym::ProgrammeKey;
use laju_tests::asking::Over;
use laju_tests::broker::TestBroker;
use laju_tests::judge::{Stored, log_of};
use laju_tests::ledger;
use laju_tests::process::{Process, wait_until, worker};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::Value;

use crate::kiosk::{Client, JSON, Kiosk, NDJSON, activation, logged, nik};
use crate::{KEY, LAJU};

const PARTITIONS: u32 = 6;
const EVENTS: u32 = 20_000;
const CLIENTS: u32 = 4;
/// Kills while the integrator sends, spread over its events.
const KILLS: u32 = 32;
/// One in so many starts is killed before it is known whether it has come up.
const EARLY: u32 = 5;

/// What the integrator knows: its clients share it.
struct Integrator {
    /// Where the agent listens at present.
    address: Mutex<String>,
    /// By idempotency key: the event id and the sequence that were answered with 202.
    accepted: Mutex<HashMap<String, (String, u64)>>,
    /// How many different ones.
    count: AtomicU64,
    /// Requests that had to be sent again.
    retries: AtomicU64,
    /// The test has ended, well or not: nobody tries any longer.
    over: AtomicBool,
}

impl Integrator {
    fn key(number: u32) -> String {
        format!("counter-3/{number}")
    }

    /// Sends its share of the events, each until it is answered with 202; at times also one that
    /// was.
    fn send_share(&self, numbers: std::ops::Range<u32>, mut random: StdRng) {
        let mut client = Client::new(self.address.lock().unwrap().clone());
        let mut next = numbers.start;
        while next < numbers.end {
            let count = match random.random_range(0..3) {
                0 => 1,
                1 => random.random_range(1..40),
                _ => random.random_range(1..120),
            };
            let last = (next + count).min(numbers.end);
            let chosen: Vec<u32> = (next..last).collect();
            self.send(&mut client, &chosen, &mut random);
            next = last;
            if random.random_ratio(1, 10) {
                let again: Vec<u32> =
                    (0..5).map(|_| random.random_range(numbers.start..next)).collect();
                self.send(&mut client, &again, &mut random);
            }
        }
    }

    fn send(&self, client: &mut Client, numbers: &[u32], random: &mut StdRng) {
        let events: Vec<String> = numbers
            .iter()
            .map(|number| {
                let mut event = activation(*number);
                event["idempotency_key"] = Self::key(*number).into();
                event.to_string()
            })
            .collect();
        let (kind, body) = match &events[..] {
            [one] => (JSON, one.clone()),
            many if random.random() => (JSON, format!("[{}]", many.join(","))),
            many => (NDJSON, many.join("\n")),
        };
        loop {
            if let Some((status, text)) = client.try_post("/v1/events", kind, &body) {
                if status == 202 {
                    return self.note(numbers, &text);
                }
                // What an agent says that is stopping or has no room; anything else is a fault.
                assert!(status >= 500, "{status}: {text}");
            }
            assert!(
                !self.over.load(Ordering::Acquire),
                "the test ended before everything was taken"
            );
            self.retries.fetch_add(1, Ordering::Relaxed);
            // A client's patience, and another agent may be there.
            std::thread::sleep(Duration::from_millis(5));
            let address = self.address.lock().unwrap().clone();
            if client.address != address {
                *client = Client::new(address);
            }
        }
    }

    fn note(&self, numbers: &[u32], answer: &str) {
        let answer: Value = serde_json::from_str(answer).unwrap();
        let one = std::slice::from_ref(&answer);
        let items = answer["items"].as_array().map_or(one, |items| &items[..]);
        assert_eq!(items.len(), numbers.len(), "{answer}");
        let mut accepted = self.accepted.lock().unwrap();
        for (number, item) in numbers.iter().zip(items) {
            let id = item["event_id"].as_str().unwrap_or_else(|| panic!("{item}")).to_owned();
            let named = (id, item["sequence"].as_u64().unwrap());
            let key = Self::key(*number);
            let is_known = accepted.contains_key(&key);
            assert!(!is_known || item["repeated"] == true, "not known any more: {item}");
            let first = accepted.entry(key).or_insert_with(|| named.clone());
            assert_eq!(*first, named, "the same key, another event");
        }
        self.count.store(accepted.len() as u64, Ordering::Release);
    }
}

/// Starts the agent until it listens. Some starts are killed at a moment of their own; gives how
/// many were.
fn start(kiosk: &Kiosk, integrator: &Integrator, random: &mut StdRng) -> (Process, u32) {
    let mut early = 0;
    loop {
        let mut process = Process::start(kiosk.command());
        if random.random_ratio(1, EARLY) {
            // Not to let something settle, but to choose the moment of the kill.
            std::thread::sleep(Duration::from_millis(random.random_range(0..60)));
            drop(process.kill());
            early += 1;
            continue;
        }
        *integrator.address.lock().unwrap() = process.address();
        return (process, early);
    }
}

/// Lets the broker come and go until it is told to end; gives how often it was away.
fn outages(broker: &TestBroker, over: &AtomicBool, mut random: StdRng) -> u32 {
    let mut count = 0;
    let mut pause = |longest: u64| {
        let until = Instant::now() + Duration::from_millis(random.random_range(50..longest));
        while Instant::now() < until && !over.load(Ordering::Acquire) {
            std::thread::sleep(Duration::from_millis(5));
        }
    };
    while !over.load(Ordering::Acquire) {
        pause(700);
        let Some(outage) = broker.outage() else { return 0 };
        pause(700);
        drop(outage);
        count += 1;
    }
    count
}

#[test]
fn i4_no_loss() {
    let begun = Instant::now();
    let broker = TestBroker::start(PARTITIONS);
    let kiosk = Kiosk::new(broker.connection());
    let mut random = StdRng::seed_from_u64(4);
    let integrator = Integrator {
        address: Mutex::default(),
        accepted: Mutex::default(),
        count: AtomicU64::new(0),
        retries: AtomicU64::new(0),
        over: AtomicBool::new(false),
    };
    let (process, mut early) = start(&kiosk, &integrator, &mut random);
    let mut process = Some(process);
    let mut kills = 0;
    let seed = random.random();
    let away = std::thread::scope(|scope| {
        let end = Over(&integrator.over);
        let clients: Vec<_> = (0..CLIENTS)
            .map(|place| {
                let share = EVENTS / CLIENTS;
                let (integrator, random) = (&integrator, StdRng::seed_from_u64(place.into()));
                scope.spawn(move || {
                    integrator.send_share(place * share..(place + 1) * share, random);
                })
            })
            .collect();
        let outages =
            scope.spawn(|| outages(&broker, &integrator.over, StdRng::seed_from_u64(seed)));
        for kill in 1..=KILLS {
            let threshold = u64::from(EVENTS * kill / (KILLS + 1));
            wait_until("the integrator goes on", || {
                integrator.count.load(Ordering::Acquire) >= threshold
            });
            std::thread::sleep(Duration::from_micros(random.random_range(0..20_000)));
            drop(process.take().map(Process::kill));
            kills += 1;
            let (next, also) = start(&kiosk, &integrator, &mut random);
            process = Some(next);
            early += also;
        }
        for client in clients {
            client.join().unwrap();
        }
        drop(end);
        outages.join().unwrap()
    });
    let sent = begun.elapsed();
    let process = process.unwrap();
    let client = Client::new(integrator.address.lock().unwrap().clone());
    client.drain();
    let status = client.status();
    let figures = ["highest_sequence", "unsent", "set_aside", "acknowledged"];
    let all = [u64::from(EVENTS), 0, 0, u64::from(EVENTS)];
    assert_eq!(figures.map(|name| status[name].as_u64().unwrap()), all, "{status}");
    let ended = process.stop();
    assert!(ended.status.success(), "{ended:?}");

    let accepted = integrator.accepted.into_inner().unwrap();
    assert_eq!(accepted.len(), EVENTS as usize);
    let log = logged(&broker);
    let in_log: BTreeSet<(String, u64)> =
        log.iter().map(|(id, sequence, _)| (id.clone(), *sequence)).collect();
    let answered: BTreeSet<(String, u64)> = accepted.into_values().collect();
    assert!(answered == in_log, "what was answered with 202 is in the log, and nothing else");
    let sequences: BTreeMap<u64, &String> = in_log.iter().map(|(id, n)| (*n, id)).collect();
    assert_eq!(sequences.len(), in_log.len(), "a sequence was given twice");
    assert!(sequences.keys().copied().eq(1..=u64::from(EVENTS)), "the sequences have a gap");
    let programme = ProgrammeKey::parse(KEY).unwrap();
    let citizens: BTreeSet<_> =
        (0..EVENTS).map(|n| programme.pseudonym(&Nik::parse(&nik(n)).unwrap())).collect();
    assert!(citizens == log.iter().map(|(_, _, subject)| *subject).collect(), "the citizens");
    let duplicates = log.len() - in_log.len();
    assert_counted_once(&broker, duplicates as u64);
    println!(
        "{kills} kills and {early} at the start, {away} outages, {} requests sent again, \
         {duplicates} duplicates in the log; sent in {:.1} s, all in {:.1} s",
        integrator.retries.load(Ordering::Relaxed),
        sent.as_secs_f64(),
        begun.elapsed().as_secs_f64()
    );
    assert!(away >= 3 || broker.is_real(), "the broker was hardly away");
}

/// A worker's ledger has every event once.
fn assert_counted_once(broker: &TestBroker, duplicates: u64) {
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    let ended = process.stop();
    assert!(ended.status.success(), "{ended:?}");
    let stored = Stored::open(store.path(), &log_of(&broker.connection(), &[])).unwrap();
    let mut random = StdRng::seed_from_u64(4);
    stored.assert_is_the_fold_of(&broker.read_log(), PARTITIONS, 0, &mut random);
    let counts = ledger::counts(&stored.snapshot);
    let events = u64::from(EVENTS);
    assert_eq!((counts.standing, counts.repeats), (events, duplicates));
    assert!(counts.quarantined.is_empty() && counts.retracted == 0, "{counts:?}");
    let rows = ledger::rows(&stored.snapshot);
    let activations = rows.iter().filter(|row| row.account == Account::Activations);
    assert_eq!(activations.map(|row| row.amount).sum::<i64>(), i64::from(EVENTS));
}
