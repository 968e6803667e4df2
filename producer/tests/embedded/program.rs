//! The program `laju-kiosk` itself, as a user runs it.

use std::collections::HashSet;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::Duration;

use laju_schemas::known::EventReader;
use laju_schemas::partition::partition_for;
use laju_schemas::status::StatusReader;
use rdkafka::Message;
use serde_json::Value;

use crate::support::{Broker, CannedRegistry, PARTITIONS, nobody};

const EVENTS: &str = "ikd.events.v1";
/// The pseudonym of this NIK under this key, by another HMAC-SHA-256.
const NIK: &str = "1871010101900001";
const KEY: &str = "6f1d09c7a25be843f09a7731d54ce682be1370fa4598d21ec36b0d84e7295fa1";
const SUBJECT: &str = "4759249d-8750-2180-54ea-4a3f82aeda52";

fn program(line: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_laju-kiosk"));
    command.args(line.split_whitespace()).env_clear().stdin(Stdio::null());
    command
}

fn key_file(directory: &tempfile::TempDir, mode: u32) -> PathBuf {
    let path = directory.path().join(format!("key-{mode:o}"));
    std::fs::write(&path, KEY).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
    path
}

fn publish(brokers: &str, options: &str, fact: &str) -> Command {
    let mut command = program(&format!(
        "publish --brokers {brokers} --kiosk-id k1 --sequence 5 --home-region 18.71 {options} {fact}"
    ));
    command.env("LAJU_KEY", KEY).env("LAJU_NIK", NIK);
    command
}

fn fails(command: &mut Command) -> String {
    let output = command.output().unwrap();
    let text = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success(), "{text}");
    assert!(text.starts_with("error:"), "{text}");
    assert!(!text.contains(&NIK[..6]), "{text}");
    text
}

fn json(output: &Output) -> Value {
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}");
    serde_json::from_slice(&output.stdout).unwrap()
}

#[test]
fn publish_confirms_one_event_under_the_citizens_pseudonym() {
    let broker = Broker::start();
    let directory = tempfile::tempdir().unwrap();
    let key = key_file(&directory, 0o600);
    let mut child: Child = program(&format!(
        "publish --brokers {} --kiosk-id k1 --sequence 5 --home-region 18.71 --service-region 18.72 \
         --occurred-at 2024-05-03T09:30:00+07:00 --outreach-id ob-1 --nik-file - --key-file {} \
         --json activated --channel outreach --venue school --first-time-holder",
        broker.connection.brokers,
        key.display()
    ))
    .stdin(Stdio::piped())
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    writeln!(child.stdin.take().unwrap(), "{NIK}").unwrap();
    let output = child.wait_with_output().unwrap();
    let answer = json(&output);
    assert_eq!((&answer["subject"], &answer["offset"]), (&SUBJECT.into(), &0.into()));

    let records = broker.read_all(EVENTS);
    assert_eq!(records.len(), 1);
    assert_eq!(answer["partition"], records[0].partition());
    let value = records[0].payload().unwrap();
    let mut reader = EventReader::new(&[]).unwrap();
    let event = reader.read(value).unwrap();
    assert_eq!(event.event_id.to_string(), answer["event_id"]);
    assert_eq!((event.kiosk_id, event.sequence), ("k1", 5));
    assert_eq!(event.occurred_at, 1_714_703_400_000);
    assert_eq!((event.service_region, event.outreach_id), ("18.72", Some("ob-1")));
    assert_eq!(event.fact.kind().record_name(), "Activated");
}

#[test]
fn i8_no_nik_in_the_record_or_in_the_output() {
    let broker = Broker::start();
    let output =
        publish(&broker.connection.brokers, "--log trace", "deferred --reason no_smartphone")
            .output()
            .unwrap();
    assert!(output.status.success());
    let records = broker.read_all(EVENTS);
    let key = records[0].key().unwrap();
    let value = records[0].payload().unwrap();
    for place in [output.stdout.as_slice(), output.stderr.as_slice(), key, value] {
        assert!(!place.windows(NIK.len()).any(|window| window == NIK.as_bytes()));
    }
}

#[test]
fn publish_refuses_by_name_before_anything_is_sent() {
    let broker = Broker::start();
    let brokers = &broker.connection.brokers;
    let fact = "activated --channel office";
    for (options, says) in [
        ("--service-region 18.99", "service_region"),
        ("--service-region 18", "service_region"),
        ("--occurred-at 2021-12-31T23:59:59+07:00", "2022-01-01"),
        ("--occurred-at 2999-01-01T00:00:00Z", "24 hours"),
        ("--event-id x", "UUID"),
        ("--nik-file /no/such/file", "/no/such/file"),
        ("--registry kafka:8081", "http://"),
    ] {
        let text = fails(&mut publish(brokers, options, fact));
        assert!(text.contains(says), "{options}: {text}");
    }
    let text = fails(&mut publish(brokers, "", "activated --channel unknown"));
    assert!(text.contains("sub_district"), "{text}");
    let text = fails(publish(brokers, "", fact).env("LAJU_NIK", "1871013201900001"));
    assert!(text.contains("date of birth"), "{text}");
    let text = fails(publish(brokers, "", fact).env_remove("LAJU_KEY"));
    assert!(text.contains("--key-file"), "{text}");
    let directory = tempfile::tempdir().unwrap();
    let open = format!("--key-file {}", key_file(&directory, 0o644).display());
    assert!(fails(&mut publish(brokers, &open, fact)).contains("chmod 600"));
    assert!(broker.read_all(EVENTS).is_empty());
}

#[test]
fn what_is_wrong_with_the_cluster_is_said_in_words() {
    let fact = "activated --channel office";
    let address = nobody();
    let text = fails(&mut publish(&address, "", fact));
    assert!(text.contains(&address) && text.contains("is Kafka running"), "{text}");

    let broker = Broker::start();
    let brokers = &broker.connection.brokers;
    let text = fails(&mut publish(brokers, "--topic-prefix staging.", fact));
    assert!(text.contains("staging.ikd.events.v1") && text.contains("topics create"), "{text}");

    let registry = format!("--registry http://{}", nobody());
    let text = fails(&mut publish(brokers, &registry, fact));
    assert!(text.contains("schema registry"), "{text}");
    let wrong = CannedRegistry::start(|_, _| (404, "no such page"));
    let text = fails(&mut publish(brokers, &format!("--registry {}", wrong.url), fact));
    assert!(text.contains("does not answer as a schema registry"), "{text}");
    assert!(broker.read_all(EVENTS).is_empty());
}

#[test]
fn simulate_sends_what_it_says_and_the_same_again() {
    let mut runs = Vec::new();
    for _ in 0..2 {
        let broker = Broker::start();
        let output = program(&format!(
            "simulate --brokers {} --events 3000 --kiosks 20 --bad 0.02 --duplicates 0.05 \
             --disorder 0.1 --from 2024-01-01 --to 2024-01-31 --json",
            broker.connection.brokers
        ))
        .output()
        .unwrap();
        let summary = json(&output);
        assert_eq!((&summary["records"], &summary["delivered"]), (&3000.into(), &3000.into()));
        assert_eq!(summary["failed"], 0);

        let mut reader = EventReader::new(&[]).unwrap();
        let mut countable = 0;
        let mut ids = HashSet::new();
        let mut values = Vec::new();
        for record in broker.read_all(EVENTS) {
            let (key, value) = (record.key().unwrap(), record.payload().unwrap());
            let right = partition_for(key, PARTITIONS) as i32 == record.partition();
            if let Ok(event) = reader.read(value)
                && event.subject.0 == key
                && right
            {
                countable += 1;
                ids.insert(event.event_id);
            }
            values.push((record.partition(), record.offset(), value.to_vec()));
        }
        let bad = summary["bad"].as_u64().unwrap();
        // Half of the kinds of bad events are readable and in their place.
        assert!(countable >= 3000 - bad && countable < 3000);
        assert!(ids.len() < countable as usize, "duplicates");

        let statuses = StatusReader::new().unwrap();
        let kiosks = broker.read_all("ikd.kiosk-status.v1");
        assert_eq!(summary["statuses"], kiosks.len());
        assert!(kiosks.iter().all(|record| {
            statuses.read(record.payload().unwrap()).unwrap().highest_sequence > 0
        }));
        values.sort();
        runs.push(values);
    }
    assert!(runs[0] == runs[1]);
}

#[test]
fn simulate_ends_in_order_when_it_is_interrupted() {
    let broker = Broker::start();
    let child = program(&format!(
        "simulate --brokers {} --duration 1h --rate 2000 --kiosks 5 --json",
        broker.connection.brokers
    ))
    .stdout(Stdio::piped())
    .stderr(Stdio::piped())
    .spawn()
    .unwrap();
    broker.wait_for_records(EVENTS);
    let id = child.id().to_string();
    assert!(Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let summary = json(&child.wait_with_output().unwrap());
    assert_eq!(summary["interrupted"], true);
    assert_eq!(summary["records"], broker.read_all(EVENTS).len());
}

#[test]
fn simulate_refuses_what_cannot_be_played() {
    for (options, says) in [
        ("--duplicates 2", "from 0 to 1"),
        ("--from 2024-02-01 --to 2024-01-01", "before --from"),
        ("--from 2021-06-01 --to 2021-06-02", "2022-01-01"),
        ("--cards 0.9 --deferred 0.9", "add up"),
        ("--duration soon", "30s"),
        ("--kafka-property acks=0", "acks"),
    ] {
        let text = fails(&mut program(&format!("simulate --brokers {} {options}", nobody())));
        assert!(text.contains(says), "{options}: {text}");
    }
}

/// Listens, and tells of everything that connects what it said first.
fn listener() -> (String, std::sync::mpsc::Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let (said, heard) = std::sync::mpsc::channel();
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            let mut connection = connection.unwrap();
            let mut bytes = [0; 4096];
            let length = connection.read(&mut bytes).unwrap();
            drop(said.send(String::from_utf8_lossy(&bytes[..length]).into_owned()));
        }
    });
    (address, heard)
}

#[test]
fn i8_emit_goes_to_the_agent_past_any_proxy() {
    let ((agent, at_agent), (proxy, at_proxy)) = (listener(), listener());
    let mut command = program(&format!("emit --agent http://{agent} --home-region 18.71"));
    command.args(["activated", "--channel", "office"]).env("LAJU_NIK", NIK);
    for variable in ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"] {
        command.env(variable, format!("http://{proxy}"));
    }
    assert!(!command.output().unwrap().status.success(), "this agent hangs up");
    let heard = at_agent.recv_timeout(Duration::from_secs(10)).unwrap();
    assert!(heard.starts_with("POST /v1/events"), "{heard}");
    assert!(at_proxy.try_recv().is_err(), "the proxy was spoken to");
}
