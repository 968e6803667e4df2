//! `laju verify` of a ledger: identical where it is, and where it is not, exactly what differs and
//! which records it comes from.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc;

use laju_consumer::projection::store::Log;
use laju_kafka::connection::Connection;
use laju_kafka::publish::Record;
use laju_schemas::Fact;
use laju_schemas::codec::Encoder;
use laju_schemas::event::Channel;
use laju_schemas::quarantine::HEADER_RELEASED_ORIGIN;
use laju_schemas::raw::RawEvent;
use laju_schemas::topic::{DECISIONS, EVENTS};
use laju_tests::broker::TestBroker;
use laju_tests::events::{activation, activations, record, verdict};
use laju_tests::fold::store_by_another_rule;
use laju_tests::judge::{Stored, log_of};
use laju_tests::log::LogRecord;
use laju_tests::make;
use laju_tests::process::{Ended, Process, command, connect, run, worker};
use laju_tests::proxy::{Damage, Proxy};
use laju_tests::replay::copy_all;
use serde_json::{Value, json};

use crate::LAJU;
use crate::replay::{empty, publish_in_transactions, seeded};

const PARTITIONS: u32 = 3;

/// The command on the ledger that `what` names, reading from this broker.
fn verify(broker: &TestBroker, what: &[&str]) -> Command {
    let mut verify = command(LAJU, &["verify"]);
    connect(&mut verify, &broker.connection());
    verify.args(what);
    verify
}

fn of_store(broker: &TestBroker, store: &Path, more: &[&str]) -> Command {
    verify(broker, &[&["--store", store.to_str().unwrap()], more].concat())
}

fn report(ended: &Ended) -> Value {
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

/// The report of a command that ends with this code.
fn told(mut command: Command, code: i32) -> Value {
    command.arg("--json");
    let ended = run(command);
    assert_eq!(ended.status.code(), Some(code), "{ended:?}");
    report(&ended)
}

fn identical(command: Command) -> Value {
    let report = told(command, 0);
    assert_eq!(report["verdict"], "identical");
    assert_eq!(report["digest"], report["digest_of_log"]);
    report
}

/// That a command cannot say either, for this reason.
fn impossible(command: Command, words: &[&str]) {
    let report = told(command, 2);
    assert_eq!(report["verdict"], "cannot_be_verified");
    let reason = report["reason"].as_str().unwrap();
    for word in words {
        assert!(reason.contains(word), "it does not say '{word}': {reason}");
    }
}

/// Events of all sorts, some of them sent again from quarantine.
fn publish(broker: &TestBroker) {
    broker.publish(&seeded(PARTITIONS, 800));
    let origin: &[(&str, &[u8])] = &[(HEADER_RELEASED_ORIGIN, b"0/1")];
    for record in activations(5_000..5_020, PARTITIONS) {
        broker.send(&record, origin).unwrap().wait().unwrap();
    }
}

fn running(broker: &TestBroker, store: &Path) -> (Process, String) {
    let mut process = Process::start(worker(LAJU, &broker.connection(), store));
    process.wait_ready();
    let url = format!("http://{}", process.address());
    (process, url)
}

#[test]
fn a_running_worker_and_its_stopped_store_are_identical_to_the_log() {
    let broker = TestBroker::start(PARTITIONS);
    publish(&broker);
    let records = broker.read_log().len();
    let store = tempfile::tempdir().unwrap();
    let (mut process, url) = running(&broker, store.path());
    let live = identical(verify(&broker, &["--worker", &url]));
    assert_eq!(live["records"], records);
    assert_eq!(live["partitions"].as_array().unwrap().len(), PARTITIONS as usize);
    assert!(live["rate"].as_f64().unwrap() > 0.0);
    let text = run(verify(&broker, &["--worker", &url])).stdout;
    assert!(text.starts_with("identical: ") && text.contains(live["digest"].as_str().unwrap()));
    impossible(of_store(&broker, store.path(), &[]), &["in use", "--worker"]);

    // It goes on folding meanwhile.
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        scope.spawn(|| {
            for first in (6_000..40_000).step_by(200) {
                if done.load(Ordering::Acquire) {
                    break;
                }
                broker.publish(&activations(first..first + 200, PARTITIONS));
            }
        });
        for _ in 0..3 {
            let ended = run(verify(&broker, &["--worker", &url]));
            if ended.status.code() != Some(0) {
                done.store(true, Ordering::Release);
                panic!("{ended:?}");
            }
        }
        done.store(true, Ordering::Release);
    });

    // All of it, so that the next worker has nothing to add.
    process.wait_folded(broker.read_log().len() as u64);
    assert!(process.stop().status.success());
    let log = log_of(&broker.connection(), &[]);
    let before = Stored::open_copy(store.path(), &log).unwrap();
    let stored = identical(of_store(&broker, store.path(), &[]));
    assert!(stored["records"].as_u64() > live["records"].as_u64());
    let one = identical(of_store(&broker, store.path(), &["--partitions", "1"]));
    assert_eq!(one["partitions"].as_array().unwrap().len(), 1);
    assert_eq!(one["partitions"][0], stored["partitions"][1]);
    impossible(of_store(&broker, store.path(), &["--partitions", "1,7"]), &["no partition 7"]);
    // Looking at it changed nothing, and the worker goes on with it.
    let after = Stored::open_copy(store.path(), &log).unwrap();
    assert_eq!((after.positions, after.node_id), (before.positions, before.node_id));
    let (process, url) = running(&broker, store.path());
    assert_eq!(identical(verify(&broker, &["--worker", &url]))["digest"], stored["digest"]);
    assert!(process.stop().status.success());
}

/// A store whose facts are not those of the log, and which adds up all the same.
#[test]
fn one_changed_fact_is_noticed_with_the_records_that_posted_to_what_differs() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&seeded(PARTITIONS, 800));
    broker.publish(&activations(5_000..5_020, PARTITIONS));
    let log = broker.read_log();
    let mut reader = laju_schemas::known::EventReader::new(&[]).unwrap();
    let mut changed = |record: &LogRecord| {
        let event = reader.read(record.value.as_deref()?).ok()?;
        let is_activation = matches!(event.fact, Fact::Activated { .. });
        // The only one of its citizen: nothing else depends on it.
        let is_alone = log.iter().filter(|other| other.key == record.key).count() == 1;
        (record.partition == 2 && is_activation && is_alone).then_some(event.event_id)
    };
    let changed = log.iter().find_map(&mut changed).unwrap();
    let store = tempfile::tempdir().unwrap();
    let belongs = log_of(&broker.connection(), &[]);
    store_by_another_rule(&log, &belongs, store.path(), |event| {
        if let (true, Fact::Activated { channel, .. }) =
            (event.event_id == changed, &mut event.fact)
        {
            *channel = Channel::Unknown;
        }
    })
    .unwrap();
    let report = told(of_store(&broker, store.path(), &[]), 1);
    assert_eq!(report["verdict"], "differs");
    let differences = &report["differences"];
    let postings = differences["postings"].as_array().unwrap();
    assert_eq!(postings.len(), 2, "{differences}");
    for others in ["tallies", "kiosks", "quarantined", "refused"] {
        assert_eq!(differences[others], json!([]));
    }
    let as_changed = |row: &Value| row["posting"]["channel"] == "unknown";
    let place = postings.iter().position(|row| !as_changed(row)).unwrap();
    let (row, records) = (&postings[place], &report["posting_records"][place]);
    assert_eq!(postings[1 - place]["in_ledger"], 1);
    assert_eq!(report["posting_records"][1 - place]["count"], 0);
    assert_eq!(row["posting"]["partition"], 2);
    let in_log = row["in_log"].as_i64().unwrap();
    assert_eq!(row["in_ledger"], in_log - 1);
    let first = records["first"].as_array().unwrap();
    assert!(!first.is_empty() && records["count"] == first.len());
    assert_eq!(first.iter().map(|r| r["amount"].as_i64().unwrap()).sum::<i64>(), in_log);
    for named in first {
        let stands =
            |record: &&LogRecord| record.partition == 2 && named["offset"] == record.offset;
        let record = log.iter().find(stands).unwrap();
        let mut reader = laju_schemas::known::EventReader::new(&[]).unwrap();
        let event = reader.read(record.value.as_deref().unwrap()).unwrap();
        assert_eq!(named["event_id"], event.event_id.to_string());
        assert_eq!(
            (&named["kiosk_id"], &named["sequence"]),
            (&json!(event.kiosk_id), &json!(event.sequence))
        );
    }
    assert_eq!(report["findings"][0]["sign"], "rows_changed");
    identical(of_store(&broker, store.path(), &["--partitions", "0,1"]));
    let ended = run(of_store(&broker, store.path(), &[]));
    assert_eq!(ended.status.code(), Some(1));
    let offset = format!("partition 2 offset {}", first[0]["offset"]);
    for words in ["differs in 2 rows", "ledger itself were changed", &offset] {
        assert!(ended.stdout.contains(words), "{}", ended.stdout);
    }
}

/// A store that a fold of these records gives, of the broker's own log by its name.
fn made(broker: &TestBroker, records: &[LogRecord]) -> tempfile::TempDir {
    let store = tempfile::tempdir().unwrap();
    make::store(store.path(), &log_of(&broker.connection(), &[]), records, 3);
    store
}

#[test]
fn a_missing_and_an_extra_event_are_noticed_by_name() {
    let broker = TestBroker::start(PARTITIONS);
    let sent: Vec<RawEvent<'_>> = (0..60).map(activation).collect();
    let mut records: Vec<_> = sent.iter().map(|event| record(event, PARTITIONS)).collect();
    // The same event twice, and others behind it in its partition.
    records.insert(31, records[30].clone());
    records.iter().for_each(|record| broker.publish(std::slice::from_ref(record)));
    let log = broker.read_log();
    identical(of_store(&broker, made(&broker, &log).path(), &[]));
    let place = |event: &RawEvent<'_>, nth: usize| {
        let key = event.subject.0.to_vec();
        let mut of_it = log.iter().enumerate().filter(|(_, r)| r.key.as_ref() == Some(&key));
        of_it.nth(nth).unwrap().0
    };

    // Passed over, as by a fold that lost a record.
    let mut folded = log.clone();
    let missing = folded.remove(place(&sent[10], 0));
    let store = made(&broker, &folded);
    let report = told(of_store(&broker, store.path(), &[]), 1);
    let expected = json!([{
        "sign": "event_missing",
        "partition": missing.partition,
        "kiosk_id": "kbl-01",
        "sequence": sent[10].sequence,
        "offset": missing.offset,
        "event_id": sent[10].event_id.to_string(),
        "words": format!(
            "an event is missing in the ledger: kiosk kbl-01 sequence {}, partition {} offset {}",
            sent[10].sequence, missing.partition, missing.offset
        ),
    }]);
    assert_eq!(report["findings"], expected);
    let names_it = |records: &Value| {
        let mut first = records["first"].as_array().unwrap().iter();
        first.any(|record| record["offset"] == missing.offset)
    };
    let behind = report["posting_records"].as_array().unwrap();
    assert!(!behind.is_empty() && behind.iter().all(names_it), "{report}");
    let others: Vec<_> = (0..PARTITIONS).filter(|number| *number != missing.partition).collect();
    let others = others.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    identical(of_store(&broker, store.path(), &["--partitions", &others]));

    // In place of the repeat, which adds nothing, an event that nobody sent.
    let repeat = place(&sent[30], 1);
    let of_its_partition =
        |event: &RawEvent<'_>| record(event, PARTITIONS).partition == log[repeat].partition;
    let extra = (900..).map(activation).find(of_its_partition).unwrap();
    let mut folded = log.clone();
    folded[repeat].key = Some(extra.subject.0.to_vec());
    folded[repeat].value = record(&extra, PARTITIONS).value;
    let store = made(&broker, &folded);
    let report = told(of_store(&broker, store.path(), &[]), 1);
    let findings = report["findings"].as_array().unwrap();
    assert_eq!(findings.len(), 1, "{report}");
    assert_eq!(
        findings[0]["words"],
        format!(
            "the ledger has an event that the log has not: kiosk kbl-01 sequence {}, partition {}",
            extra.sequence, log[repeat].partition
        )
    );
    assert_eq!(findings[0]["sign"], "event_extra");
    let ended = run(of_store(&broker, store.path(), &["--limit", "1"]));
    assert!(ended.stdout.contains(findings[0]["words"].as_str().unwrap()), "{ended:?}");
}

#[test]
fn what_cannot_be_verified_is_neither_confirmed_nor_refuted() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&activations(0..60, PARTITIONS));
    let records = broker.read_log();
    let ours = log_of(&broker.connection(), &[]);
    let of = |log: &Log| {
        let store = tempfile::tempdir().unwrap();
        make::store(store.path(), log, &records, 2);
        store
    };
    let rules = of(&Log { fold_version: "0-old".to_owned(), ..ours.clone() });
    impossible(of_store(&broker, rules.path(), &[]), &["rules 0-old", &ours.fold_version]);
    let cluster = of(&Log { cluster_id: "another".to_owned(), ..ours.clone() });
    impossible(of_store(&broker, cluster.path(), &[]), &["cluster another", "--events-topic"]);
    let topic = of(&Log { topic: "other.events".to_owned(), ..ours.clone() });
    impossible(of_store(&broker, topic.path(), &[]), &["topic other.events"]);
    let is = ours.topic_id.clone().unwrap();
    let made_again = of(&Log { topic_id: Some("another-id".to_owned()), ..ours.clone() });
    let words = ["the id another-id", &is, "deleted and made again"];
    impossible(of_store(&broker, made_again.path(), &[]), &words);

    // The log is shorter than the ledger.
    let mut longer = records.clone();
    let last = records.iter().rev().find(|record| record.partition == 1).unwrap();
    longer.push(LogRecord { offset: last.offset + 5, ..last.clone() });
    let store = made(&broker, &longer);
    impossible(of_store(&broker, store.path(), &[]), &["partition 1", "ends at offset"]);
    identical(of_store(&broker, store.path(), &["--partitions", "0,2"]));

    // No store: nothing is made, and nothing touched.
    let directory = tempfile::tempdir().unwrap();
    let none = directory.path().join("none");
    impossible(of_store(&broker, &none, &[]), &["there is no store", "none"]);
    assert!(!none.exists());
    std::fs::write(directory.path().join("thesis.odt"), "years of work").unwrap();
    impossible(of_store(&broker, directory.path(), &[]), &["there is no store"]);
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);

    let nobody = ["--worker", "http://127.0.0.1:1"];
    impossible(verify(&broker, &nobody), &["no worker answers"]);
    let no_address = run(verify(&broker, &["--worker", "127.0.0.1:1"]));
    assert_eq!(no_address.status.code(), Some(2), "{no_address:?}");
    assert!(no_address.stderr.contains("--worker") && no_address.stderr.contains("http://"));
    for wrong in [&[][..], &[&nobody[..], &["--store", "x"]].concat()] {
        let ended = run(verify(&broker, wrong));
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        assert!(ended.stderr.contains("--worker") && ended.stderr.contains("--store"));
    }

    if broker.is_real() {
        let whole = made(&broker, &records);
        broker.cut_events(0, 1);
        impossible(of_store(&broker, whole.path(), &[]), &["the log is cut", "partition 0"]);
        identical(of_store(&broker, whole.path(), &["--partitions", "1,2"]));
    }
}

/// Answers requests in the worker's stead; of what `answer` gives nothing for it never answers.
fn serve(
    listener: TcpListener,
    answer: impl Fn(&str) -> Option<Vec<u8>> + Send + 'static,
) -> mpsc::Receiver<String> {
    let (sender, asked) = mpsc::channel();
    std::thread::spawn(move || {
        let mut unanswered: Vec<TcpStream> = Vec::new();
        for mut stream in listener.incoming().map_while(Result::ok) {
            let mut lines = BufReader::new(stream.try_clone().unwrap()).lines();
            let request = lines.next().unwrap().unwrap();
            for line in lines.map_while(Result::ok) {
                if line.is_empty() {
                    break;
                }
            }
            let path = request.split(' ').nth(1).unwrap().to_owned();
            match answer(&path) {
                Some(body) => {
                    // Its end is that of the connection, as when a worker is killed.
                    stream.write_all(b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\n").unwrap();
                    drop(stream.write_all(&body));
                }
                None => unanswered.push(stream),
            }
            if sender.send(path).is_err() {
                return;
            }
        }
    });
    asked
}

#[test]
fn a_ledger_that_is_cut_or_changed_on_its_way_is_not_taken_for_the_workers() {
    let broker = TestBroker::start(PARTITIONS);
    publish(&broker);
    let store = tempfile::tempdir().unwrap();
    let (mut process, _) = running(&broker, store.path());
    let sizes = process.try_get("/v1/ledger").unwrap().1.into_bytes();
    let ledgers: Vec<_> = (0..PARTITIONS)
        .map(|number| process.try_get(&format!("/v1/ledger/{number}")).unwrap().1.into_bytes())
        .collect();
    let served = |change: fn(usize, &[u8]) -> Option<Vec<u8>>| {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let (sizes, ledgers) = (sizes.clone(), ledgers.clone());
        let asked = serve(listener, move |path| match path.strip_prefix("/v1/ledger/") {
            None => Some(sizes.clone()),
            Some(number) => {
                let number: usize = number.parse().unwrap();
                change(number, &ledgers[number])
            }
        });
        (verify(&broker, &["--worker", &url]), asked)
    };
    let (same, _asked) = served(|_, body| Some(body.to_vec()));
    identical(same);
    let (cut, _asked) = served(|number, body| {
        Some(body[..if number == 1 { body.len() / 2 } else { body.len() }].to_vec())
    });
    impossible(cut, &["partition 1", "broke off"]);
    let (changed, _asked) = served(|_, body| {
        let text = String::from_utf8(body.to_vec()).unwrap();
        Some(text.replacen("\"amount\":1}", "\"amount\":2}", 1).into_bytes())
    });
    impossible(changed, &["changed on its way"]);

    // A client that is not answered can be told to give up.
    let (unanswered, asked) = served(|_, _| None);
    let waiting = Process::start(unanswered);
    while asked.recv().unwrap() != "/v1/ledger/0" {}
    waiting.ask_to_stop();
    let ended = waiting.wait();
    assert_eq!(ended.status.code(), Some(130), "{ended:?}");
    assert!(ended.stdout.is_empty() && ended.stderr.contains("interrupted"), "{ended:?}");
    assert!(process.stop().status.success());
}

#[test]
fn a_copy_of_the_log_in_another_topic_gives_the_identical_ledger() {
    let (broker, target) = (TestBroker::start(PARTITIONS), empty(PARTITIONS));
    if broker.is_real() {
        // In the log there are holes, and so the copy's offsets are others.
        publish_in_transactions(&broker);
    }
    publish(&broker);
    copy_all(LAJU, &broker.connection(), &target.connection(), target.is_real());
    let store = tempfile::tempdir().unwrap();
    let (mut process, url) = running(&broker, store.path());
    let name = target.connection().topic(&EVENTS);
    let of_copy = || verify(&target, &["--worker", &url, "--events-topic", &name]);
    let report = identical(of_copy());
    assert_eq!(
        (&report["folded"]["topic"], &report["folded"]["is_copy"]),
        (&json!(name), &json!(true))
    );
    assert_eq!(report["digest"], identical(verify(&broker, &["--worker", &url]))["digest"]);
    let text = run(of_copy()).stdout;
    assert!(text.contains("everything but cluster, topic and offsets"), "{text}");
    if !target.is_real() {
        impossible(verify(&target, &["--worker", &url]), &["cluster", "--events-topic"]);
    }
    // What the copy has not is missing there.
    let late = activation(9_999);
    broker.publish(&[record(&late, PARTITIONS)]);
    let last = broker.read_log().into_iter().map(|record| (record.partition, record.offset + 1));
    process.wait_folded(last.collect::<BTreeMap<_, _>>().into_values().sum::<i64>() as u64);
    let report = told(of_copy(), 1);
    assert_eq!(report["findings"][0]["sign"], "event_extra");
    assert_eq!(report["findings"][0]["sequence"], late.sequence);
    assert!(process.stop().status.success());
}

#[test]
fn a_copy_of_a_log_with_verdicts_is_neither_confirmed_nor_refuted() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&activations(0..20, PARTITIONS));
    let store = made(&broker, &broker.read_log());
    let verdict = verdict(0, 0, None);
    let value = Encoder::decisions(None).value(&verdict).unwrap();
    let topic = broker.connection().topic(&DECISIONS);
    let record =
        Record { topic: &topic, value: Some(&value), partition: Some(0), ..Record::default() };
    broker.publisher().publish_record(&record).unwrap().wait().unwrap();
    let name = broker.connection().topic(&EVENTS);
    let args = ["--events-topic", &name, "--registry", "http://127.0.0.1:1"];
    impossible(of_store(&broker, store.path(), &args), &["verdicts", "places of the original"]);
}

#[test]
fn a_ledger_that_ends_before_the_log_is_said_to_be_behind_and_not_just_identical() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&activations(0..60, PARTITIONS));
    let connection = broker.connection();
    let proxy = Proxy::before(&connection.brokers);
    let through = Connection { brokers: proxy.address(), ..connection };
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(worker(LAJU, &through, store.path()));
    process.wait_ready();
    let url = format!("http://{}", process.address());
    let whole = identical(verify(&broker, &["--worker", &url]));
    assert_eq!((&whole["behind"], &whole["stays_behind"]), (&json!([]), &json!(false)));

    // The worker hears nothing of what comes now.
    proxy.set(Damage::Withhold);
    let before = broker.read_log();
    let ends_at = |log: &[LogRecord], partition: u32| {
        log.iter().filter(|record| record.partition == partition).count()
    };
    broker.publish(&activations(60..90, PARTITIONS));
    let after = broker.read_log();
    let wanted: Vec<_> = (0..PARTITIONS)
        .map(|partition| {
            let (from, to) = (ends_at(&before, partition), ends_at(&after, partition));
            json!({"partition": partition, "next_offset": from, "end_offset": to,
                   "records": to - from, "unreadable": null})
        })
        .filter(|row| row["records"] != 0)
        .collect();
    let report = told(verify(&broker, &["--worker", &url]), 3);
    assert_eq!((&report["verdict"], &report["stays_behind"]), (&json!("identical"), &json!(true)));
    assert_eq!(report["behind"], json!(wanted));
    let text = run(verify(&broker, &["--worker", &url])).stdout;
    assert!(
        text.starts_with("identical as far as it goes, but behind the end of the log"),
        "{text}"
    );
    let row = &wanted[0];
    let words = format!("partition {} by {} record", row["partition"], row["records"]);
    assert!(text.contains(&words) && text.contains("/readyz"), "{text}");

    // A store goes nowhere: it is said, and is no failure.
    assert!(process.stop().status.success());
    let report = identical(of_store(&broker, store.path(), &[]));
    assert_eq!((&report["behind"], &report["stays_behind"]), (&json!(wanted), &json!(false)));
    let text = run(of_store(&broker, store.path(), &[])).stdout;
    assert!(text.starts_with("identical as far as it goes, but behind"), "{text}");
    // A worker that goes on has it all.
    let (process, url) = running(&broker, store.path());
    assert_eq!(identical(verify(&broker, &["--worker", &url]))["behind"], json!([]));
    assert!(process.stop().status.success());
}
