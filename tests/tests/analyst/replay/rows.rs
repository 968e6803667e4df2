//! Rows: against what the log holds, read by the simplest code that could be right.

use std::io::{BufRead as _, BufReader};
use std::process::Stdio;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Instant;

use laju_kafka::publish::{PublishSettings, Publisher};
use laju_schemas::framing::Framing;
use laju_schemas::known::EventReader;
use laju_schemas::{RawEvent, RegionCode, TimestampMs};
use laju_tests::broker::TestBroker;
use laju_tests::events::{activation, activations, later_value, now_ms, record, with_value};
use laju_tests::log::LogRecord;
use laju_tests::process::{PATIENCE, Process, run, wait_until};
use laju_tests::registry::TestRegistry;
use laju_tests::replay::replay;
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};
use serde_json::{Value, json};

use super::{lines, seeded};
use crate::LAJU;

const PARTITIONS: u32 = 3;

/// A question, by options and by what it means.
struct Question {
    options: Vec<String>,
    from: Vec<i64>,
    to: Vec<i64>,
    partitions: Vec<u32>,
    wants: Box<dyn Fn(&RawEvent<'_>) -> bool>,
}

/// A code of before is its successor's, in an event as in an option.
fn is_in(region: &str, code: &str) -> bool {
    let (region, code) = (RegionCode::parse(region), RegionCode::parse(code).unwrap());
    region.is_some_and(|region| region == code || region.province() == code)
}

impl Question {
    fn random(log: &[LogRecord], random: &mut StdRng) -> Self {
        let ends: Vec<i64> = (0..PARTITIONS)
            .map(|p| {
                log.iter().filter(|r| r.partition == p).map(|r| r.offset + 1).max().unwrap_or(0)
            })
            .collect();
        let mut question = Self {
            options: Vec::new(),
            from: vec![0; PARTITIONS as usize],
            to: ends.clone(),
            partitions: (0..PARTITIONS).collect(),
            wants: Box::new(|_| true),
        };
        // What an event of this log is about, so that something is found.
        let mut reader = EventReader::new(&[]).unwrap();
        let of = loop {
            let record = &log[random.random_range(0..log.len())];
            if let Ok(event) = reader.read(record.value.as_deref().unwrap_or_default()) {
                break event;
            }
        };
        let (home, service) = (of.home_region.to_owned(), of.service_region.to_owned());
        let (kiosk, visit) = (of.kiosk_id.to_owned(), of.outreach_id.map(str::to_owned));
        let (kind, subject) = (of.fact.kind(), of.subject);
        let is_region = |code: &str| laju_schemas::RegionTable::get().regency(code).is_some();
        let mut also = |options: &[&str], more: Box<dyn Fn(&RawEvent<'_>) -> bool>| {
            question.options.extend(options.iter().map(|text| (*text).to_owned()));
            let before = std::mem::replace(&mut question.wants, Box::new(|_| true));
            question.wants = Box::new(move |event| before(event) && more(event));
        };
        let often = |random: &mut StdRng| random.random_bool(0.3);
        if often(random) && is_region(&home) {
            let code = if random.random_bool(0.5) { home[..2].to_owned() } else { home };
            also(&["--home", &code.clone()], Box::new(move |e| is_in(e.home_region, &code)));
        }
        if often(random) && is_region(&service) {
            let options = ["--service".to_owned(), format!("{service},31")];
            let options: Vec<&str> = options.iter().map(String::as_str).collect();
            let wanted = move |e: &RawEvent<'_>| {
                is_in(e.service_region, &service) || is_in(e.service_region, "31")
            };
            also(&options, Box::new(wanted));
        }
        if often(random) && !kiosk.contains('\0') {
            also(&["--kiosk", &kiosk.clone()], Box::new(move |e| e.kiosk_id == kiosk));
        }
        if let Some(visit) = visit.filter(|_| often(random)) {
            let is_it = move |e: &RawEvent<'_>| e.outreach_id == Some(visit.as_str());
            let visit = of.outreach_id.unwrap();
            also(&["--outreach", visit], Box::new(is_it));
        }
        if often(random) {
            let options = ["--kind", kind.record_name(), "--kind", "activated"];
            let wanted = move |e: &RawEvent<'_>| {
                let name = e.fact.kind().record_name();
                name == kind.record_name() || name == "Activated"
            };
            also(&options, Box::new(wanted));
        }
        let by_subject = random.random_bool(0.2);
        if by_subject {
            let hex = subject.to_string().replace('-', "");
            also(&["--subject", &hex], Box::new(move |e| e.subject == subject));
            question.partitions =
                vec![laju_schemas::partition::partition_for(&subject.0, PARTITIONS)];
        } else if often(random) {
            question.partitions = vec![0, 2];
            question.options.extend(["--partitions".to_owned(), "2,0".to_owned()]);
        }
        for (option, is_from) in [("--from-offsets", true), ("--to-offsets", false)] {
            if often(random) {
                let which = random.random_range(0..question.partitions.len());
                let place = question.partitions[which] as usize;
                let least = if is_from { 0 } else { question.from[place] };
                let offset = random.random_range(least..=ends[place]);
                let of = if is_from { &mut question.from } else { &mut question.to };
                of[place] = offset;
                question.options.extend([option.to_owned(), format!("{place}:{offset}")]);
            }
        }
        question
    }

    /// The rows, in their order.
    fn expected(&self, log: &[LogRecord]) -> Vec<Value> {
        let mut reader = EventReader::new(&[]).unwrap();
        let mut rows = Vec::new();
        for record in log {
            let place = record.partition as usize;
            let is_asked = (self.from[place]..self.to[place]).contains(&record.offset);
            if !is_asked || !self.partitions.contains(&record.partition) {
                continue;
            }
            let timestamp = TimestampMs(record.timestamp_ms).to_string();
            let mut row = json!({
                "partition": record.partition, "offset": record.offset, "timestamp": timestamp,
            });
            match reader.read(record.value.as_deref().unwrap_or_default()) {
                Ok(event) if (self.wants)(&event) => {
                    let event = json!({
                        "event_id": event.event_id,
                        "kiosk_id": event.kiosk_id,
                        "sequence": event.sequence,
                        "occurred_at": TimestampMs(event.occurred_at).to_string(),
                        "subject": event.subject,
                        "home_region": event.home_region,
                        "service_region": event.service_region,
                        "outreach_id": event.outreach_id,
                        "kind": event.fact.kind().record_name(),
                        "fact": event.fact,
                    });
                    row.as_object_mut().unwrap().extend(event.as_object().unwrap().clone());
                    rows.push(row);
                }
                Ok(_) => {}
                Err(_) => {
                    row["undecodable"] = Value::Null;
                    rows.push(row);
                }
            }
        }
        rows
    }
}

/// What exactly is wrong is the decoder's to say; that something is said, is asked for here.
fn without_reasons(mut rows: Vec<Value>) -> Vec<Value> {
    for row in &mut rows {
        if let Some(fault) = row.get_mut("undecodable") {
            let reason = fault["reason"].as_str().unwrap();
            assert!(["undecodable", "unknown_schema"].contains(&reason), "{fault}");
            assert!(!fault["detail"].as_str().unwrap().is_empty());
            *fault = Value::Null;
        }
    }
    rows
}

#[test]
fn rows_are_the_events_that_were_asked_for_and_what_cannot_be_read_is_named() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&seeded(PARTITIONS, 1_500));
    let log = broker.read_log();
    let mut random = StdRng::seed_from_u64(6);
    let (mut found, mut faults) = (0, 0);
    for number in 0..12 {
        let mut question = Question::random(&log, &mut random);
        if number == 0 {
            question = Question {
                options: Vec::new(),
                wants: Box::new(|_| true),
                partitions: (0..PARTITIONS).collect(),
                from: vec![0; 3],
                to: vec![i64::MAX; 3],
            };
        }
        let mut command = replay(LAJU, &broker.connection());
        command.args(&question.options).arg("--json");
        let ended = run(command);
        assert!(ended.status.success(), "{ended:?}");
        let rows = without_reasons(lines(&ended));
        let expected = question.expected(&log);
        assert_eq!(rows, expected, "{:?}", question.options);
        found += rows.len();

        // What cannot be read is named on standard error, and counted.
        let unread: Vec<_> = rows.iter().filter(|row| row.get("undecodable").is_some()).collect();
        faults += unread.len();
        assert_eq!(ended.stderr.matches("cannot be read").count(), unread.len());
        for row in unread {
            let (partition, offset) = (&row["partition"], &row["offset"]);
            let place = format!("partition={partition} offset={offset}");
            let plain = plain(&ended.stderr);
            assert!(plain.contains(&place), "{place}: {plain}");
        }
        let summary = ended.stderr.lines().last().unwrap();
        let summary: Value = serde_json::from_str(summary).unwrap();
        assert_eq!(summary["written"], rows.len());
        assert_eq!(
            summary["matched"].as_u64(),
            Some(rows.len() as u64 - summary["undecodable"].as_u64().unwrap())
        );
    }
    assert!(found > 1_000 && faults > 20, "the questions find too little: {found}, {faults}");

    let mut command = replay(LAJU, &broker.connection());
    command.args(["--skip-undecodable", "--format", "csv"]);
    let ended = run(command);
    assert!(ended.status.success() && ended.stderr.contains("could not be read"), "{ended:?}");
    let mut reader = EventReader::new(&[]).unwrap();
    let readable = log
        .iter()
        .filter(|record| reader.read(record.value.as_deref().unwrap_or_default()).is_ok());
    let rows = ended.stdout.lines().filter(|line| line.ends_with(",,")).count();
    assert_eq!(rows, readable.count(), "a row for each that can be read");

    let mut command = replay(LAJU, &broker.connection());
    command.args(["--limit", "7"]);
    assert_eq!(lines(&run(command)).len(), 7);
}

/// Without what colours a terminal.
fn plain(text: &str) -> String {
    let mut plain = String::new();
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\u{1b}') {
        plain.push_str(before);
        rest = after.split_once('m').map_or("", |(_, after)| after);
    }
    plain + rest
}

#[test]
fn a_moment_is_where_the_first_record_not_before_it_stands() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&seeded(PARTITIONS, 300));
    let log = broker.read_log();
    let mut random = StdRng::seed_from_u64(7);
    for _ in 0..4 {
        let moment =
            log[random.random_range(0..log.len())].timestamp_ms + random.random_range(0..2);
        let before = |record: &&LogRecord| {
            let first =
                log.iter().find(|r| r.partition == record.partition && r.timestamp_ms >= moment);
            first.is_none_or(|first| record.offset < first.offset)
        };
        let count = log.iter().filter(before).count();
        let moment = TimestampMs(moment).to_string();
        let ask = |option: &str| {
            let mut command = replay(LAJU, &broker.connection());
            command.args([option, &moment]);
            lines(&run(command)).len()
        };
        assert_eq!((ask("--to"), ask("--from")), (count, log.len() - count), "{moment}");
    }
    let mut command = replay(LAJU, &broker.connection());
    command.args(["--from", "1 hour ago"]);
    let recent = now_ms() - 3_600_000;
    let expected = log.iter().filter(|record| record.timestamp_ms >= recent).count();
    // On the embedded broker the log is of other years.
    assert_eq!(lines(&run(command)).len(), if broker.is_real() { log.len() } else { expected });
}

#[test]
fn schemas_are_asked_of_the_registry_and_its_outage_is_waited_out() {
    let broker = TestBroker::start(PARTITIONS);
    let registry = TestRegistry::start();
    let mut connection = broker.connection();
    connection.registry = Some(registry.url().to_owned());
    let publisher = Publisher::new(&connection, &PublishSettings::default()).unwrap();
    for number in 0..20 {
        let event = activation(number).check().unwrap();
        publisher.publish(&event).unwrap().wait().unwrap();
    }
    // One of an id that nobody has.
    let stranger = activation(30);
    let value = later_value(&stranger, Framing::Confluent(39_999));
    broker.publish(&[with_value(&stranger, PARTITIONS, value)]);

    registry.take_away();
    let mut process = Process::start(replay(LAJU, &connection));
    process.wait_for("waiting for the schema registry");
    registry.bring_back();
    let ended = process.wait();
    assert!(ended.status.success(), "{ended:?}");
    let rows = lines(&ended);
    assert_eq!(rows.iter().filter(|row| row["kind"] == "Activated").count(), 20);
    let unknown: Vec<_> = rows.iter().filter(|row| row.get("undecodable").is_some()).collect();
    assert_eq!((rows.len(), unknown.len()), (21, 1));
    assert_eq!(unknown[0]["undecodable"]["reason"], "unknown_schema");
}

#[test]
fn who_follows_sees_what_comes_and_ends_cleanly() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&activations(0..5, PARTITIONS));
    let mut command = replay(LAJU, &broker.connection());
    command.arg("--follow");
    let mut process = Process::start(command);
    let is_seen = |number: u32| activation(number).event_id.to_string();
    for number in 0..5 {
        process.wait_for_output(&is_seen(number));
    }
    broker.publish(&activations(5..8, PARTITIONS));
    for number in 5..8 {
        process.wait_for_output(&is_seen(number));
    }
    let ended = process.stop();
    assert_eq!(ended.status.code(), Some(130), "{ended:?}");
    assert_eq!(lines(&ended).len(), 8);
    assert!(ended.stderr.contains("8 records read"), "{ended:?}");
}

#[test]
fn who_follows_need_not_wait_until_others_pause() {
    let broker = TestBroker::start(PARTITIONS);
    let mut wanted = activation(0);
    wanted.kiosk_id = "the-one";
    let (stop, sent) = (AtomicBool::new(false), AtomicU32::new(1));
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let begun = Instant::now();
            while !stop.load(Ordering::Acquire) && begun.elapsed() < PATIENCE {
                // Always some more, so that the reader never finds nothing.
                let first = sent.fetch_add(200, Ordering::AcqRel);
                broker.publish(&activations(first..first + 200, PARTITIONS));
            }
        });
        let mut command = replay(LAJU, &broker.connection());
        command.args(["--follow", "--kiosk", "the-one", "--format", "ndjson"]);
        let mut process = Process::start(command);
        wait_until("the publisher is at work", || sent.load(Ordering::Acquire) > 600);
        broker.publish(&[record(&wanted, PARTITIONS)]);
        process.wait_for_output(&wanted.event_id.to_string());
        stop.store(true, Ordering::Release);
        assert_eq!(process.stop().status.code(), Some(130));
    });
}

#[test]
fn a_reader_that_goes_away_is_no_error() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&activations(0..2_000, PARTITIONS));
    let mut command = replay(LAJU, &broker.connection());
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut first = String::new();
    // The pipe is closed with what reads it, and is far smaller than what is to come.
    BufReader::with_capacity(64, child.stdout.take().unwrap()).read_line(&mut first).unwrap();
    assert!(first.starts_with('{'));
    let ended = child.wait_with_output().unwrap();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(!String::from_utf8_lossy(&ended.stderr).contains("error"), "{ended:?}");
}

#[test]
fn what_the_log_does_not_have_is_refused_by_name() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&activations(0..20, PARTITIONS));
    let refused = |args: &[&str], words: &[&str]| {
        let mut command = replay(LAJU, &broker.connection());
        command.args(args);
        run(command).assert_refused(words);
    };
    refused(&["--to-offsets", "1:999"], &["partition 1", "asked for up to 999"]);
    refused(&["--from-offsets", "1:999"], &["partition 1", "ends at offset"]);
    refused(&["--partitions", "3"], &["no partition 3"]);
    // Nothing is empty without a word.
    refused(&["--from", "1 hour ago", "--to", "2 hours ago"], &["is after --to"]);
    refused(&["--from-offsets", "1:3", "--to-offsets", "1:2"], &["partition 1", "which is before"]);
    refused(&["--from-offsets", "2:1", "--partitions", "0"], &["partition 2, which is not read"]);
    if broker.is_real() {
        let log = broker.read_log();
        let mut first = log.iter().filter(|record| record.partition == 1);
        let second = first.nth(1).unwrap().offset;
        broker.cut_events(1, second);
        let low = format!("begins at offset {second}");
        refused(&["--from-offsets", "1:0"], &["the log is cut: partition 1", &low]);
        let ended = run(replay(LAJU, &broker.connection()));
        assert_eq!(lines(&ended).len(), log.len() - 1);
        assert!(ended.stderr.contains("the log is cut"), "{ended:?}");
    }
}
