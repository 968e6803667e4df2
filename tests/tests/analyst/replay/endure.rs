//! What happens in between: kills and outages.

use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use laju_kafka::read::ends;
use laju_schemas::topic::EVENTS as TOPIC;
use laju_tests::broker::{TestBroker, Topics};
use laju_tests::events::activations;
use laju_tests::kafka::OwnKafka;
use laju_tests::process::{PATIENCE, Process, run, wait_until};
use laju_tests::replay::{copy, replay};

use crate::LAJU;

const PARTITIONS: u32 = 8;
/// As many as take a while, and fit into the embedded broker.
const EVENTS: u32 = 200_000;

fn fill(broker: &TestBroker) {
    for first in (0..EVENTS).step_by(20_000) {
        broker.publish(&activations(first..first + 20_000, PARTITIONS));
    }
}

fn into(broker: &TestBroker, file: &Path) -> Command {
    let mut command = replay(LAJU, &broker.connection());
    command.arg("--output").arg(file);
    command
}

/// With little fetched beforehand, so that it needs its broker to the end.
fn bit_by_bit(mut command: Command) -> Command {
    for property in ["queued.min.messages=1", "fetch.message.max.bytes=50000"] {
        command.args(["--kafka-property", property]);
    }
    command
}

fn length(path: &Path) -> u64 {
    std::fs::metadata(path).map_or(0, |file| file.len())
}

#[test]
fn a_replay_that_is_killed_and_one_that_loses_its_broker_give_the_identical_file() {
    let broker = TestBroker::start(PARTITIONS);
    fill(&broker);
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let whole = path("whole.ndjson");
    assert!(run(into(&broker, &whole)).status.success());
    let expected = std::fs::read(&whole).unwrap();
    assert_eq!(expected.iter().filter(|byte| **byte == b'\n').count(), EVENTS as usize);
    run(into(&broker, &whole)).assert_refused(&["is there already", "--force"]);

    // Killed: whenever a checkpoint was written, and some time after.
    let (file, part) = (path("killed.ndjson"), path("killed.ndjson.part"));
    let checkpoint = path("killed.json");
    let again = || {
        let mut command = into(&broker, &file);
        command.arg("--checkpoint").arg(&checkpoint);
        command
    };
    let (mut kills, mut beyond) = (0, 0);
    let begun = Instant::now();
    loop {
        let before = std::fs::read(&checkpoint).ok();
        let mut process = Process::start(again());
        // What is there by the end of this process may be the end itself.
        while process.is_running() && kills < 6 {
            assert!(begun.elapsed() < PATIENCE, "it does not get on: {}", process.log());
            let now = std::fs::read(&checkpoint).ok();
            if now.is_some() && now != before {
                // Not to let something settle, but to choose the moment of the kill.
                std::thread::sleep(Duration::from_millis(7 * kills));
                break;
            }
        }
        if kills >= 6 || !process.is_running() {
            let ended = process.wait();
            assert!(ended.status.success(), "{ended:?}");
            break;
        }
        drop(process.kill());
        kills += 1;
        assert!(!file.exists() || !part.exists(), "it is whole, or it is not");
        let text = std::fs::read_to_string(&checkpoint).unwrap();
        let said: serde_json::Value = serde_json::from_str(&text).unwrap();
        beyond += u32::from(length(&part) > said["bytes"].as_u64().unwrap());
    }
    println!("{kills} kills, {beyond} of them beyond the checkpoint");
    assert!(kills > 0, "it was never killed in between");
    assert!(std::fs::read(&file).unwrap() == expected, "the files differ");
    assert!(!part.exists());
    // Whole is whole: the same command does nothing more.
    assert!(run(again()).status.success());
    assert!(std::fs::read(&file).unwrap() == expected);

    // The broker goes away in the middle.
    let (file, part) = (path("outage.ndjson"), path("outage.ndjson.part"));
    let mut process = Process::start(bit_by_bit(into(&broker, &file)));
    wait_until("it has begun", || length(&part) > 0);
    let Some(outage) = broker.outage() else { return };
    let mut was = 0;
    wait_until("nothing more comes", || {
        std::thread::sleep(Duration::from_millis(300));
        std::mem::replace(&mut was, length(&part)) == length(&part) || file.exists()
    });
    assert!(process.is_running() && !file.exists(), "it was over before the broker went away");
    drop(outage);
    let ended = process.wait();
    assert!(ended.status.success(), "{ended:?}");
    assert!(std::fs::read(&file).unwrap() == expected, "the files differ");
}

#[test]
fn a_broker_killed_in_the_middle_and_started_again_changes_neither_file_nor_copy() {
    // The tests' common broker is not this one's to kill; without a real one there is none to.
    let Some(kafka) = OwnKafka::start() else { return };
    let broker = TestBroker::at(kafka.address(), PARTITIONS);
    let topics = Topics { without: Some(TOPIC.name), ..Topics::of(PARTITIONS) };
    let target = TestBroker::with_at(kafka.address(), topics);
    fill(&broker);
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let whole = path("whole.ndjson");
    assert!(run(into(&broker, &whole)).status.success());

    let (file, part) = (path("restarted.ndjson"), path("restarted.ndjson.part"));
    let mut rows = Process::start(bit_by_bit(into(&broker, &file)));
    let mut command = copy(LAJU, &broker.connection(), &target.connection());
    command.arg("--create-topic");
    let mut copied = Process::start(bit_by_bit(command));
    wait_until("it has begun", || length(&part) > 0);
    let name = target.connection().topic(&TOPIC);
    wait_until("the copy has begun", || {
        ends(&target.connection(), &name).is_ok_and(|ends| ends.values().any(|(_, end)| *end > 0))
    });
    kafka.kill();
    assert!(rows.is_running() && !file.exists(), "it was over before the broker was killed");
    assert!(copied.is_running(), "it was over before the broker was killed");
    kafka.start_again();
    let ended = rows.wait();
    assert!(ended.status.success(), "{ended:?}");
    assert!(std::fs::read(&file).unwrap() == std::fs::read(&whole).unwrap(), "the files differ");
    let ended = copied.wait();
    assert!(ended.status.success(), "{ended:?}");
    assert!(target.read_log() == broker.read_log(), "the copy differs");
}
