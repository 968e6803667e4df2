//! Into another topic: the records themselves.

use std::ffi::CStr;
use std::time::Duration;

use laju_schemas::topic::EVENTS;
use laju_tests::broker::{TestBroker, TopicRecord, Topics};
use laju_tests::events::activations;
use laju_tests::process::{Process, run, wait_until};
use laju_tests::replay::{copy, copy_all, replay};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use serde_json::Value;

use super::{empty, lines, seeded};
use crate::LAJU;

const PARTITIONS: u32 = 3;
const PATIENCE: Duration = Duration::from_secs(30);

/// What a copy keeps: all but the offsets.
fn kept(records: Vec<TopicRecord>) -> Vec<TopicRecord> {
    let keep = |mut record: TopicRecord| {
        record.record.offset = 0;
        record
    };
    records.into_iter().map(keep).collect()
}

/// A log with headers of all sorts.
fn publish(broker: &TestBroker, steps: usize) {
    let log = seeded(PARTITIONS, steps);
    let (first, rest) = log.split_at(steps / 2);
    let headers: &[(&str, &[u8])] = &[("trace", b"1"), ("trace", b"\xff\0"), ("none", b"")];
    let deliveries: Vec<_> =
        first.iter().map(|record| broker.send(record, headers).unwrap()).collect();
    for delivery in deliveries {
        delivery.wait().unwrap();
    }
    const NAME: &CStr = c"\xff\xfe";
    broker.publish_with_raw_header(&first[0], NAME, b"v");
    broker.publish(rest);
}

/// Two transactions, of which the first is aborted: between the records there are holes now.
pub(crate) fn publish_in_transactions(broker: &TestBroker) {
    let mut config = broker.connection().client_config().unwrap();
    let topic = broker.connection().topic(&EVENTS);
    config.set("transactional.id", &topic);
    let producer: BaseProducer = config.create().unwrap();
    producer.init_transactions(PATIENCE).unwrap();
    for number in 0..2 {
        producer.begin_transaction().unwrap();
        for record in &activations(9_000 + 100 * number..9_060 + 100 * number, PARTITIONS) {
            let sent = BaseRecord::to(&topic)
                .key(record.key.as_deref().unwrap())
                .payload(record.value.as_deref().unwrap())
                .partition(record.partition as i32);
            producer.send(sent).unwrap();
        }
        producer.flush(PATIENCE).unwrap();
        match number {
            0 => producer.abort_transaction(PATIENCE).unwrap(),
            _ => producer.commit_transaction(PATIENCE).unwrap(),
        }
    }
}

#[test]
fn a_copy_has_every_record_as_it_was_and_in_its_order() {
    let (broker, target) = (TestBroker::start(PARTITIONS), empty(PARTITIONS));
    publish(&broker, 900);
    if broker.is_real() {
        // Once in the middle, and once at the end: behind the last record there is a mark.
        publish_in_transactions(&broker);
        broker.publish(&activations(0..30, PARTITIONS));
        publish_in_transactions(&broker);
    }
    let original = broker.read(&EVENTS);
    let ended = copy_all(LAJU, &broker.connection(), &target.connection(), target.is_real());
    assert!(ended.stdout.contains("records read"), "{ended:?}");
    let copied = target.read(&EVENTS);
    assert_eq!(kept(copied), kept(original.clone()));
    if broker.is_real() {
        let of = |partition| original.iter().filter(move |r| r.record.partition == partition);
        for partition in 0..PARTITIONS {
            let last = of(partition).next_back().unwrap().record.offset;
            assert!(last > of(partition).count() as i64, "the log has no holes");
        }
        // Rows of a log with holes come to their end as well.
        assert_eq!(lines(&run(replay(LAJU, &broker.connection()))).len(), original.len());
    }

    // A copy of a part has that part, and of what is wanted only what can be read.
    let part = empty(PARTITIONS);
    let mut command = copy(LAJU, &broker.connection(), &part.connection());
    command.args(["--kind", "activated", "--json"]);
    if part.is_real() {
        command.arg("--create-topic");
    }
    let ended = run(command);
    assert!(ended.status.success(), "{ended:?}");
    let summary: Value = serde_json::from_str(&ended.stdout).unwrap();
    let mut reader = laju_schemas::known::EventReader::new(&[]).unwrap();
    let wanted = original.into_iter().filter(|record| {
        let value = record.record.value.as_deref().unwrap_or_default();
        reader.read(value).is_ok_and(|event| event.fact.kind().record_name() == "Activated")
    });
    let wanted: Vec<_> = wanted.collect();
    assert_eq!(summary["written"], wanted.len());
    assert!(
        summary["undecodable"].as_u64().unwrap() > 0 && ended.stderr.contains("cannot be read")
    );
    assert_eq!(kept(part.read(&EVENTS)), kept(wanted));
}

#[test]
fn a_topic_that_would_not_keep_the_records_is_refused() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&activations(0..10, PARTITIONS));
    let refused = |to: &TestBroker, args: &[&str], words: &[&str]| {
        let mut command = copy(LAJU, &broker.connection(), &to.connection());
        command.args(args);
        run(command).assert_refused(words);
    };
    refused(&broker, &[], &["into itself"]);
    let quarantine = broker.connection().topic(&laju_schemas::topic::QUARANTINE);
    let mut into = replay(LAJU, &broker.connection());
    into.args(["--to-topic", &quarantine]);
    run(into).assert_refused(&[&quarantine, "topic of the installation"]);
    let fewer = TestBroker::start(2);
    refused(&fewer, &["--new-timestamps"], &["has 2 partitions", "has 3"]);
    let nowhere = TestBroker::with(Topics { without: Some(EVENTS.name), ..Topics::of(PARTITIONS) });
    refused(&nowhere, &[], &["there is no topic", "--create-topic"]);
    if !broker.is_real() {
        refused(&nowhere, &["--create-topic"], &["no admin API"]);
        return;
    }
    // The contract's own topics have the broker's time.
    let by_broker = TestBroker::start(PARTITIONS);
    refused(&by_broker, &[], &["LogAppendTime", "--new-timestamps"]);
    let mut command = copy(LAJU, &broker.connection(), &by_broker.connection());
    command.arg("--new-timestamps");
    assert!(run(command).status.success());
    let values = |broker: &TestBroker| {
        broker.read_log().into_iter().map(|record| record.value).collect::<Vec<_>>()
    };
    assert_eq!(values(&by_broker), values(&broker));
}

#[test]
fn a_copy_goes_on_where_it_was_and_follows() {
    let (broker, target) = (TestBroker::start(PARTITIONS), empty(PARTITIONS));
    let directory = tempfile::tempdir().unwrap();
    let checkpoint = directory.path().join("copy.json");
    let again = |more: &[&str]| {
        let mut command = copy(LAJU, &broker.connection(), &target.connection());
        command.arg("--checkpoint").arg(&checkpoint).args(more);
        command
    };
    broker.publish(&activations(0..40, PARTITIONS));
    let create = if target.is_real() { &["--create-topic"][..] } else { &[] };
    assert!(run(again(create)).status.success());
    assert_eq!(target.read_log().len(), 40);
    // The same command takes what has come since, and nothing twice.
    broker.publish(&activations(40..70, PARTITIONS));
    assert!(run(again(&[])).status.success());
    assert_eq!(kept(target.read(&EVENTS)), kept(broker.read(&EVENTS)));

    let process = Process::start(again(&["--follow"]));
    broker.publish(&activations(70..90, PARTITIONS));
    wait_until("all is copied", || target.read_log().len() >= 90);
    let ended = process.stop();
    assert_eq!(ended.status.code(), Some(130), "{ended:?}");
    assert!(ended.stderr.contains("the same command goes on from here"), "{ended:?}");
    assert_eq!(kept(target.read(&EVENTS)), kept(broker.read(&EVENTS)));

    // Without a checkpoint nothing is put behind what is there.
    let plain = || copy(LAJU, &broker.connection(), &target.connection());
    run(plain()).assert_refused(&["has records already", "--append"]);
    let mut appending = plain();
    appending.args(["--append", "--limit", "1"]);
    assert!(run(appending).status.success());
    assert_eq!(target.read_log().len(), 91);

    // What it has copied must still be there.
    let mut noted: Value =
        serde_json::from_str(&std::fs::read_to_string(&checkpoint).unwrap()).unwrap();
    assert!(noted["target_ends"]["1"].as_i64().unwrap() > 0, "{noted}");
    noted["target_ends"]["1"] = 5_000.into();
    std::fs::write(&checkpoint, noted.to_string()).unwrap();
    run(again(&[])).assert_refused(&["partition 1", "made again"]);

    // Another question is not gone on with.
    run(again(&["--home", "18"])).assert_refused(&["another replay", "filter"]);
}
