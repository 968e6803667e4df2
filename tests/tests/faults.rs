//! I3, atomicity: after `kill -9` at any moment the store is the fold of exactly the offsets it
//! says. The real program is really killed, over a log with duplicates, disorder, retractions and
//! event ids used twice; on the embedded broker, and by the same code on the real Kafka.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use laju_schemas::quarantine::{
    HEADER_DETAIL, HEADER_FOLD_VERSION, HEADER_OFFSET, HEADER_PARTITION, HEADER_REASON,
    HEADER_TIMESTAMP, HEADER_TOPIC,
};
use laju_schemas::topic::EVENTS;
use laju_tests::broker::{TestBroker, TopicRecord};
use laju_tests::generate;
use laju_tests::judge::{Stored, log_of};
use laju_tests::log::LogRecord;
use laju_tests::oracle::Oracle;
use laju_tests::process::{Process, worker};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

const LAJU: &str = env!("CARGO_BIN_EXE_laju-under-test");
const PARTITIONS: u32 = 3;
/// Pairs of days asked about after each kill.
const QUESTIONS: usize = 6;
/// What the worker says before and after it opens and loads its store.
const OPENING: &str = "opening the store";
const LOADED: &str = "the store is loaded";
const READING: &str = "reading begins";

/// The log to publish: what kiosks, producers and clocks can do, but for clocks centuries ahead,
/// after which everything would be recorded on one day.
fn log_to_publish() -> Vec<LogRecord> {
    let mut log = generate::seeded(3, PARTITIONS, 60, 6_000);
    for record in &mut log.records {
        if !(-1..1 << 41).contains(&record.timestamp_ms) {
            record.timestamp_ms = -1;
        }
    }
    log.records
}

/// Publishes some bites of the log, from its beginning again at its end.
fn feed(broker: &TestBroker, records: &[LogRecord], from: &mut usize, bites: usize) {
    for _ in 0..bites {
        let deliveries: Vec<_> = (*from..*from + 5)
            .map(|place| {
                let text = place.to_string();
                let trace: &[(&str, &[u8])] =
                    &[("trace", text.as_bytes()), ("trace", b"\xff"), ("none", b"")];
                let headers = if place % 3 == 0 { &[] } else { trace };
                broker.send(&records[place % records.len()], headers).unwrap()
            })
            .collect();
        *from += 5;
        for delivery in deliveries {
            delivery.wait().unwrap();
        }
    }
}

/// Where the kills fell.
#[derive(Debug, Default)]
struct Kills {
    /// While a store was made.
    making: u32,
    /// While a store with something in it was opened and loaded.
    opening: u32,
    /// After the position had moved since the kill before.
    moved: u32,
    /// Elsewhere: these don't count.
    idle: u32,
}

impl Kills {
    fn effective(&self) -> u32 {
        self.making + self.opening + self.moved
    }

    /// Notes a kill; says whether it fell while the store was opened.
    fn note(&mut self, log: &str, moved: bool, had_store: bool) -> bool {
        let opening = log.contains(OPENING) && !log.contains(LOADED);
        *match (opening, moved) {
            (true, _) if had_store => &mut self.opening,
            (true, _) => &mut self.making,
            (false, true) => &mut self.moved,
            (false, false) => &mut self.idle,
        } += 1;
        opening
    }
}

/// Within which time after the opening began to kill: as long as opening takes on this machine
/// now, which the kills that come too late tell.
struct Aim(Duration);

impl Aim {
    fn adjust(&mut self, hit: bool) {
        self.0 = self.0.mul_f64(if hit { 1.3 } else { 0.6 });
    }
}

fn sleep_up_to(longest: Duration, random: &mut StdRng) {
    // Not to let something settle, but to choose the moment of the kill.
    std::thread::sleep(longest.mul_f64(random.random::<f64>()));
}

#[test]
fn i3_atomicity() {
    let broker = TestBroker::start(PARTITIONS);
    let mut random = StdRng::seed_from_u64(3);
    let wanted = if broker.is_real() { 40 } else { 20 };
    let records = log_to_publish();
    let log = log_of(&broker.connection(), &[]);
    let mut kills = Kills::default();
    let begun = Instant::now();
    let mut published = 0;

    // A store that is just being made.
    let mut aim = Aim(Duration::from_millis(20));
    for _ in 0..wanted / 5 {
        let store = tempfile::tempdir().unwrap();
        let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
        process.wait_for(OPENING);
        sleep_up_to(aim.0, &mut random);
        let hit = kills.note(&process.kill(), false, false);
        aim.adjust(hit);
        let stored = Stored::open_copy(store.path(), &log).unwrap();
        assert_eq!(stored.passed(), 0);
        // The next start makes it whole: the copy was opened by this process, the original not.
        let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
        process.wait_for(LOADED);
    }

    let directory = tempfile::tempdir().unwrap();
    let store = directory.path();
    let mut passed = 0;
    for round in 0.. {
        if kills.effective() >= wanted && kills.moved >= wanted / 3 && kills.opening >= wanted / 5 {
            break;
        }
        assert!(round < 5 * wanted, "too few kills were effective: {kills:?}");
        let mut process = Process::start(worker(LAJU, &broker.connection(), store));
        let while_opening = round > 0 && random.random_bool(0.3);
        if while_opening {
            process.wait_for(OPENING);
            sleep_up_to(aim.0, &mut random);
        } else {
            // Some wait to be folded, and more come.
            feed(&broker, &records, &mut published, 20);
            process.wait_for(READING);
            let killed = AtomicBool::new(false);
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    while !killed.load(Ordering::Acquire) {
                        feed(&broker, &records, &mut published, 1);
                    }
                });
                sleep_up_to(Duration::from_millis(600), &mut random);
                process.kill_now();
                killed.store(true, Ordering::Release);
            });
        }
        let said = process.kill();
        let stored = Stored::open_copy(store, &log).unwrap();
        stored.assert_is_the_fold_of(&broker.read_log(), PARTITIONS, QUESTIONS, &mut random);
        assert!(stored.passed() >= passed, "the position went back");
        let opening = kills.note(&said, stored.passed() > passed, true);
        if while_opening {
            aim.adjust(opening);
        }
        passed = stored.passed();
    }
    println!(
        "{} kills counted in {:.1} s: {kills:?}; {published} records published",
        kills.effective(),
        begun.elapsed().as_secs_f64()
    );

    let mut process = Process::start(worker(LAJU, &broker.connection(), store));
    process.wait_ready();
    let events = broker.read(&EVENTS);
    let log_read: Vec<LogRecord> = events.iter().map(|event| event.record.clone()).collect();
    assert_quarantine_is_whole(&broker, &events);
    let ended = process.stop();
    assert!(ended.status.success(), "{ended:?}");
    let stored = Stored::open_copy(store, &log).unwrap();
    assert_eq!(stored.passed(), log_read.len() as i64, "all of the log");
    stored.assert_is_the_fold_of(&log_read, PARTITIONS, 4 * QUESTIONS, &mut random);

    let mut command = worker(LAJU, &broker.connection(), store);
    command.arg("--rebuild");
    let mut process = Process::start(command);
    process.wait_ready();
    let ended = process.stop();
    assert!(ended.status.success(), "{ended:?}");
    let rebuilt = Stored::open_copy(store, &log).unwrap();
    assert_eq!(rebuilt.positions, stored.positions);
    assert_eq!(rebuilt.ledger_bytes(), stored.ledger_bytes(), "a rebuild differs");
    assert_eq!(rebuilt.node_id, stored.node_id, "the name outlives a rebuild");
    rebuilt.assert_is_the_fold_of(&log_read, PARTITIONS, QUESTIONS, &mut random);
    // A store made again puts nothing there again.
    assert_quarantine_is_whole(&broker, &events);
}

/// Everything that could not be counted, and nothing else, is on the quarantine topic as it was,
/// with why and from where; a reader that takes one per origin sees each once.
fn assert_quarantine_is_whole(broker: &TestBroker, events: &[TopicRecord]) {
    let log: Vec<LogRecord> = events.iter().map(|event| event.record.clone()).collect();
    let refused = Oracle::read(&log, PARTITIONS).refused;
    let refused: BTreeMap<(u32, i64), _> =
        refused.into_iter().map(|r| ((r.partition, r.offset), r)).collect();
    assert!(refused.len() > 50, "the log has too few that cannot be counted");
    let originals: BTreeMap<(u32, i64), &TopicRecord> =
        events.iter().map(|event| ((event.record.partition, event.record.offset), event)).collect();
    let mut origins = BTreeMap::new();
    let topic = broker.connection().topic(&EVENTS);
    for copy in broker.wait_quarantine(refused.len()) {
        let number = |name| copy.header(name).unwrap().parse::<i64>().unwrap();
        let origin = (number(HEADER_PARTITION) as u32, number(HEADER_OFFSET));
        *origins.entry(origin).or_insert(0) += 1;
        let Some(refused) = refused.get(&origin) else { panic!("{copy:?} could be counted") };
        let original = originals[&origin];
        assert_eq!(copy.header(HEADER_TOPIC), Some(topic.as_str()));
        assert_eq!(copy.header(HEADER_REASON), Some(refused.reason.as_str()));
        assert_eq!(number(HEADER_TIMESTAMP), original.record.timestamp_ms);
        assert!(!copy.header(HEADER_DETAIL).unwrap().is_empty());
        assert!(!copy.header(HEADER_FOLD_VERSION).unwrap().is_empty());
        assert_eq!(copy.record.key, original.record.key, "{origin:?}");
        assert_eq!(copy.record.value, original.record.value, "{origin:?}");
        let own: Vec<_> =
            copy.headers.iter().filter(|(name, _)| !name.starts_with("laju-")).collect();
        assert_eq!(own, original.headers.iter().collect::<Vec<_>>(), "{origin:?}");
    }
    let copies: usize = origins.values().sum();
    println!("{} quarantined, {copies} copies", origins.len());
    assert!(origins.keys().eq(refused.keys()), "one for each, and no other");
}
