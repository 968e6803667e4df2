//! The examples that publish straight to Kafka, from the `.avsc` alone.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use laju_kafka::connection::Connection;
use laju_schemas::framing::Framing;
use laju_schemas::known::ACTIVATION_EVENT;
use laju_schemas::nik::Nik;
use laju_schemas::partition::partition_for;
use laju_schemas::pseudonym::ProgrammeKey;
use laju_schemas::raw::RawEvent;
use laju_schemas::topic::EVENTS;
use laju_tests::broker::TestBroker;
use laju_tests::log::LogRecord;
use laju_tests::process::{Process, run_with_input, worker};
use laju_tests::registry::TestRegistry;

use crate::{AVSC, KEY, LAJU, Tools, niks};

const PARTITIONS: u32 = 6;

/// One kiosk that publishes by an example.
struct Kiosk<'a> {
    tools: &'a Tools,
    connection: &'a Connection,
    java: bool,
    /// With Confluent's framing.
    registry: bool,
    id: &'static str,
    home: &'static str,
    folder: &'a Path,
}

impl Kiosk<'_> {
    fn outbox(&self) -> PathBuf {
        self.folder.join(format!("{}.outbox", self.id))
    }

    fn command(&self) -> Command {
        let key = self.folder.join("key");
        std::fs::write(&key, format!("{KEY}\n")).unwrap();
        let mut command = if self.java {
            self.tools.java("Publish.java")
        } else {
            self.tools.python("publish.py")
        };
        command.args(["--brokers", &self.connection.brokers, "--schema", AVSC]);
        command.args(["--topic", &self.connection.topic(&EVENTS)]);
        command.args(["--kiosk-id", self.id, "--home-region", self.home]);
        command.arg("--key-file").arg(key).arg("--outbox").arg(self.outbox());
        if self.registry {
            command.args(["--registry", self.connection.registry.as_deref().unwrap()]);
        }
        command
    }

    /// Puts records into its outbox, as if Kafka had not confirmed them.
    fn put_back<'r>(&self, next: u32, records: impl IntoIterator<Item = &'r LogRecord>) {
        let hex = |bytes: Option<&[u8]>| {
            bytes.unwrap().iter().map(|byte| format!("{byte:02x}")).collect::<String>()
        };
        let mut text = format!("{next}\n");
        for record in records {
            let (key, value) = (hex(record.key.as_deref()), hex(record.value.as_deref()));
            text.push_str(&format!("{key} {value}\n"));
        }
        std::fs::write(self.outbox(), text).unwrap();
    }

    fn publish(&self, niks: &[String]) {
        let ended = run_with_input(self.command(), &niks.join("\n"));
        assert!(ended.status.success(), "{ended:?}");
    }
}

/// The framing and the event of a value, which is of the one schema that there is.
fn opened(value: &[u8]) -> (Framing, RawEvent<'_>) {
    let (framing, payload) = Framing::split(value).expect("framed");
    (framing, RawEvent::decode(payload).expect("an event"))
}

#[test]
fn events_published_by_python_and_java_are_counted_in_both_framings() {
    let Some(tools) = Tools::find() else { return };
    let broker = TestBroker::start(PARTITIONS);
    let registry = TestRegistry::start();
    let mut connection = broker.connection();
    connection.registry = Some(registry.url().to_owned());
    let folder = tempfile::tempdir().unwrap();
    let kiosk = |java, registry, id, home| {
        let (tools, connection, folder) = (&tools, &connection, folder.path());
        Kiosk { tools, connection, java, registry, id, home, folder }
    };
    let kiosks = [
        kiosk(false, false, "python-1", "51.71"),
        kiosk(false, true, "python-2", "91.71"),
        kiosk(true, false, "java-1", "31.71"),
        kiosk(true, true, "java-2", "18.71"),
    ];
    for (place, kiosk) in (0..).zip(&kiosks) {
        let all = niks(1 + 100 * place..26 + 100 * place);
        kiosk.publish(&all[..20]);
        kiosk.publish(&all[20..]);
        // As if it had been killed before the last event was confirmed: it sends it again.
        let log = broker.read_log();
        let last = log.iter().find(|record| {
            let (_, event) = opened(record.value.as_deref().unwrap());
            (event.kiosk_id, event.sequence) == (kiosk.id, 25)
        });
        assert_eq!(std::fs::read_to_string(kiosk.outbox()).unwrap(), "26\n");
        kiosk.put_back(26, [last.unwrap()]);
        kiosk.publish(&[]);
        assert_eq!(std::fs::read_to_string(kiosk.outbox()).unwrap(), "26\n");
    }

    // The same pseudonyms as ours, and event ids ordered by time.
    let log = broker.read_log();
    assert_eq!(log.len(), 4 * 26);
    let key = ProgrammeKey::parse(KEY).unwrap();
    for (place, kiosk) in (0..).zip(&kiosks) {
        let expected: BTreeSet<_> = niks(1 + 100 * place..26 + 100 * place)
            .iter()
            .map(|nik| key.pseudonym(&Nik::parse(nik).unwrap()))
            .collect();
        let mut subjects = BTreeSet::new();
        for record in &log {
            let (framing, event) = opened(record.value.as_deref().unwrap());
            if event.kiosk_id == kiosk.id {
                assert_eq!(matches!(framing, Framing::Confluent(_)), kiosk.registry);
                assert!(
                    kiosk.registry
                        || framing == Framing::SingleObject(ACTIVATION_EVENT.fingerprint)
                );
                assert_eq!(record.key.as_deref(), Some(&event.subject.0[..]));
                assert_eq!((event.event_id.0[6] >> 4, event.event_id.0[8] >> 6), (7, 2));
                subjects.insert(event.subject);
            }
        }
        assert_eq!(subjects, expected, "{}", kiosk.id);
    }

    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(worker(LAJU, &connection, store.path()));
    process.wait_ready();
    let (_, answer) = process.get("/v1/kiosks");
    for kiosk in &kiosks {
        let (status, progress) = process.get(&format!("/v1/regions/{}/progress", kiosk.home));
        assert_eq!((status, &progress["activated"]), (200, &25.into()), "{progress}");
        let rows = answer["rows"].as_array().unwrap();
        let row = rows.iter().find(|row| row["kiosk_id"] == kiosk.id).unwrap();
        let numbers = ["received", "sequences", "highest_sequence", "missing"].map(|n| &row[n]);
        assert_eq!(numbers, [26, 25, 25, 0], "{answer}");
    }
    let (_, quarantine) = process.get("/v1/quarantine");
    assert_eq!(quarantine["total"], 0, "{quarantine}");
    assert!(process.stop().status.success());
}

#[test]
fn with_librdkafkas_own_partitioner_events_end_in_quarantine() {
    let Some(tools) = Tools::find() else { return };
    let broker = TestBroker::start(PARTITIONS);
    let connection = broker.connection();
    let folder = tempfile::tempdir().unwrap();
    let kiosk = Kiosk {
        tools: &tools,
        connection: &connection,
        java: false,
        registry: false,
        id: "python-3",
        home: "18.71",
        folder: folder.path(),
    };
    let mut command = kiosk.command();
    command.args(["--partitioner", "consistent_random"]);
    let ended = run_with_input(command, &niks(1..25).join("\n"));
    assert!(ended.status.success(), "Kafka takes them all: {ended:?}");

    let log = broker.read_log();
    let is_misplaced = |key: &[u8], partition| partition_for(key, PARTITIONS) != partition;
    let misplaced =
        log.iter().filter(|r| is_misplaced(r.key.as_deref().unwrap(), r.partition)).count();
    assert!((1..24).contains(&misplaced), "{misplaced} of {} are misplaced", log.len());
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(worker(LAJU, &connection, store.path()));
    process.wait_ready();
    let (_, quarantine) = process.get("/v1/quarantine");
    let reasons = serde_json::json!([{"reason": "wrong_partition", "count": misplaced}]);
    assert_eq!(quarantine["reasons"], reasons, "{quarantine}");
    let detail = quarantine["latest"][0]["detail"].as_str().unwrap();
    assert!(detail.contains("murmur2_random"), "it says what to do: {detail}");
    let (_, progress) = process.get("/v1/regions/18.71/progress");
    assert_eq!(progress["activated"], 24 - misplaced, "{progress}");
    assert!(process.stop().status.success());

    // The same events once more, by the right partitioner: each counts once.
    kiosk.put_back(25, &log);
    kiosk.publish(&[]);
    let mut process = Process::start(worker(LAJU, &connection, store.path()));
    process.wait_ready();
    let (_, progress) = process.get("/v1/regions/18.71/progress");
    assert_eq!(progress["activated"], 24, "{progress}");
    let (_, quarantine) = process.get("/v1/quarantine");
    assert_eq!(quarantine["total"], misplaced, "{quarantine}");
    let (_, kiosks) = process.get("/v1/kiosks");
    let row = &kiosks["rows"][0];
    assert_eq!([&row["sequences"], &row["missing"]], [24, 0], "{kiosks}");
    assert!(process.stop().status.success());
}

#[test]
fn a_line_that_is_no_nik_is_refused_without_being_repeated_and_uses_no_number() {
    let Some(tools) = Tools::find() else { return };
    let broker = TestBroker::start(1);
    let connection = broker.connection();
    let folder = tempfile::tempdir().unwrap();
    for (java, id) in [(false, "python-4"), (true, "java-4")] {
        let (tools, connection, folder) = (&tools, &connection, folder.path());
        let home = "18.71";
        let kiosk = Kiosk { tools, connection, java, registry: false, id, home, folder };
        let ended = run_with_input(kiosk.command(), "1871010101900001\n187101010190000x\n");
        assert!(!ended.status.success());
        assert!(ended.stderr.contains("line 2 is not a NIK"), "{ended:?}");
        assert!(!format!("{ended:?}").contains("1871010"), "{ended:?}");
        assert!(!kiosk.outbox().exists());
    }
    assert!(broker.read_log().is_empty());
}
