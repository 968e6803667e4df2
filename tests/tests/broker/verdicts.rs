//! A registry's 404 is not believed at once, and what comes of it in the end is written down before
//! anyone acts on it: the same log gives the same ledger for ever, whatever a registry answers later.

use std::path::Path;
use std::process::Command;

use laju_consumer::domain::day::Day;
use laju_kafka::connection::Connection;
use laju_kafka::publish::Record;
use laju_kafka::registry::{Found, Registry, RegistryAccess};
use laju_schemas::codec::Encoder;
use laju_schemas::decision::{Decision, DecisionReader};
use laju_schemas::framing::Framing;
use laju_schemas::known::ACTIVATION_EVENT_AVSC;
use laju_schemas::topic::{DECISIONS, EVENTS};
use laju_tests::broker::TestBroker;
use laju_tests::events::{activation, activations, record, verdict, with_value};
use laju_tests::judge::{Stored, log_of};
use laju_tests::log::LogRecord;
use laju_tests::process::{Process, command, connect, run, wait_until, worker};
use laju_tests::registry::TestRegistry;
use laju_tests::wire;
use serde_json::{Value, json};

use crate::LAJU;

const PARTITIONS: u32 = 3;

/// A broker and a registry that has the events' schema, under an id.
struct Place {
    broker: TestBroker,
    registry: TestRegistry,
    connection: Connection,
    id: u32,
}

impl Place {
    fn start() -> Self {
        let broker = TestBroker::start(PARTITIONS);
        let registry = TestRegistry::start();
        let mut connection = broker.connection();
        connection.registry = Some(registry.url().to_owned());
        let subject = format!("{}-value", connection.topic(&EVENTS));
        let client = Registry::new(registry.url(), RegistryAccess::default());
        let id = client.register(&subject, ACTIVATION_EVENT_AVSC).unwrap();
        Self { broker, registry, connection, id }
    }

    fn worker(&self, store: &Path, patience: &str) -> Command {
        let mut worker = worker(LAJU, &self.connection, store);
        worker.args(["--registry-patience", patience]);
        worker
    }

    /// Events of these citizens, framed with an id.
    fn framed(&self, numbers: std::ops::Range<u32>, id: u32) -> Vec<LogRecord> {
        let event = |number| {
            let value = wire::framed(&activation(number), Framing::Confluent(id));
            with_value(&activation(number), PARTITIONS, value)
        };
        numbers.map(event).collect()
    }

    /// The origins of the verdicts on the decisions topic.
    fn verdicts(&self) -> Vec<String> {
        let reader = DecisionReader::new().unwrap();
        let mut verdicts = Vec::new();
        for decision in self.broker.read(&DECISIONS) {
            let value = decision.record.value.unwrap();
            // What bears an id of the registry is a person's.
            let Ok(decision) = reader.read(&value) else { continue };
            if decision.decision == Decision::UnknownSchema {
                assert!(decision.decided_by.starts_with("worker laju-"), "{decision:?}");
                assert_eq!(decision.reason.matches("no schema with id").count(), 1, "{decision:?}");
                verdicts.push(decision.origin().to_string());
            }
        }
        verdicts
    }

    /// Writes the verdict of another node about a record, of the events topic with an id.
    fn write_verdict(&self, about: &LogRecord, topic_id: Option<&str>) {
        let verdict = verdict(about.partition, about.offset, topic_id);
        let value = Encoder::decisions(None).value(&verdict).unwrap();
        let topic = self.connection.topic(&DECISIONS);
        let record = Record {
            topic: &topic,
            key: None,
            value: Some(&value),
            partition: Some(0),
            timestamp: None,
            headers: &[],
        };
        self.broker.publisher().publish_record(&record).unwrap().wait().unwrap();
    }

    fn laju(&self, args: &[&str]) -> Command {
        let mut command = command(LAJU, args);
        connect(&mut command, &self.connection);
        command
    }
}

/// How many are active, and how many are in quarantine, for one reason at most.
fn said(process: &mut Process) -> (u64, u64) {
    said_if_ready(process).expect("it is ready")
}

/// The same of a node that may have to catch up first.
fn said_if_ready(process: &mut Process) -> Option<(u64, u64)> {
    let (_, nation) = process.get("/v1/regions/ID/progress");
    let (_, quarantine) = process.get("/v1/quarantine");
    let latest = quarantine["latest"].as_array()?;
    assert!(latest.iter().all(|row| row["reason"] == "unknown_schema"), "{quarantine}");
    Some((nation["activated"].as_u64()?, quarantine["total"].as_u64()?))
}

fn readyz(process: &mut Process) -> Option<Value> {
    let (_, body) = process.try_get("/readyz")?;
    serde_json::from_str(&body).ok()
}

/// The troubles that partitions have, by kind.
fn troubles(process: &mut Process) -> Vec<String> {
    let Some(ready) = readyz(process) else { return Vec::new() };
    let kind = |row: &Value| Some(row["trouble"]["kind"].as_str()?.to_owned());
    ready["partitions"].as_array().into_iter().flatten().filter_map(kind).collect()
}

fn ledger(store: &Path, connection: &Connection) -> std::collections::BTreeMap<u32, Vec<u8>> {
    Stored::open_copy(store, &log_of(connection, &[])).unwrap().ledger_bytes()
}

#[test]
fn a_404_on_the_first_look_up_is_asked_again_and_every_event_counts_once_and_for_ever() {
    let place = Place::start();
    // More than are held: the partitions are paused, and read on.
    place.broker.publish(&place.framed(0..4_000, place.id));
    place.registry.hide(place.id, 2);
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(place.worker(store.path(), "5m"));
    process.wait_ready();
    assert_eq!(said(&mut process), (4_000, 0));
    assert!(place.registry.asked(place.id) >= 3, "asked again until it had it");
    assert!(process.stop().status.success());
    let first = ledger(store.path(), &place.connection);
    // Whatever a registry says at a restart or to another store.
    for (store, hidden) in [(store.path(), 1), (tempfile::tempdir().unwrap().path(), 1)] {
        place.registry.hide(place.id, hidden);
        let mut process = Process::start(place.worker(store, "5m"));
        process.wait_ready();
        assert_eq!(said(&mut process), (4_000, 0));
        assert!(process.stop().status.success());
        assert_eq!(ledger(store, &place.connection), first);
    }
    assert_eq!(place.verdicts(), Vec::<String>::new());
}

/// As many as are held, so that the client hands over a partition's end in the same batch as the record
/// for which it pauses.
#[test]
fn what_is_recorded_while_a_partition_is_paused_at_its_end_counts() {
    let place = Place::start();
    place.broker.publish(&place.framed(0..3_300, place.id));
    place.registry.hide(place.id, u32::MAX);
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(place.worker(store.path(), "1h"));
    let all_wait = |process: &mut Process| troubles(process) == ["schema_not_found"; 3];
    wait_until("every partition waits", || all_wait(&mut process));
    place.broker.publish(&place.framed(3_300..3_330, place.id));
    place.registry.hide(place.id, 0);
    process.wait_ready();
    wait_until("all are counted", || said_if_ready(&mut process) == Some((3_330, 0)));
    assert_eq!(troubles(&mut process), Vec::<String>::new());
}

#[test]
fn a_partition_waits_and_says_why_while_the_others_go_on_and_an_outage_is_no_verdict() {
    let place = Place::start();
    // One partition has a record that waits at its beginning, and more behind it.
    let waits = place.framed(0..1, place.id);
    let partition = waits[0].partition;
    place.broker.publish(&waits);
    place.broker.publish(&activations(1..40, PARTITIONS));
    place.registry.hide(place.id, u32::MAX);
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(place.worker(store.path(), "1h"));
    wait_until("it says why it waits", || troubles(&mut process) == ["schema_not_found"]);
    wait_until("the others go on", || {
        let ready = readyz(&mut process).unwrap_or_default();
        let rows = ready["partitions"].as_array().cloned().unwrap_or_default();
        rows.len() == PARTITIONS as usize
            && rows.iter().all(|row| {
                let at_end = row["next_offset"] == row["end_offset"];
                let is_that = row["partition"] == partition;
                if is_that { row["next_offset"] == 0 } else { at_end }
            })
    });
    let (status, _) = process.try_get("/readyz").unwrap();
    assert_eq!(status, 503);
    // An outage is another trouble, and never a verdict: without patience neither.
    place.registry.take_away();
    wait_until("it says so", || troubles(&mut process) == ["registry_unreachable"]);
    assert!(process.stop().status.success());
    let mut process = Process::start(place.worker(store.path(), "0s"));
    wait_until("it says so again", || troubles(&mut process) == ["registry_unreachable"]);
    assert_eq!(place.verdicts(), Vec::<String>::new());
    assert!(place.broker.read_quarantine().is_empty());
    place.registry.hide(place.id, 0);
    place.registry.bring_back();
    process.wait_ready();
    assert_eq!((said(&mut process), troubles(&mut process)), ((40, 0), Vec::new()));
}

#[test]
fn a_node_answers_on_while_the_schema_of_an_event_is_waited_for() {
    let place = Place::start();
    place.broker.publish(&activations(0..10, PARTITIONS));
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(place.worker(store.path(), "1h"));
    process.wait_ready();
    place.broker.publish(&place.framed(10..11, 40_000));
    wait_until("it waits", || troubles(&mut process) == ["schema_not_found"]);
    assert_eq!((process.get("/readyz").0, said(&mut process)), (200, (10, 0)));
    place.registry.take_away();
    wait_until("an outage", || troubles(&mut process) == ["registry_unreachable"]);
    assert_eq!((process.get("/readyz").0, said(&mut process)), (200, (10, 0)));
    assert!(process.stop().status.success());

    // Started then, it has not caught up, and has nothing to say.
    let mut process = Process::start(place.worker(store.path(), "1h"));
    wait_until("it waits again", || troubles(&mut process) == ["registry_unreachable"]);
    assert_eq!(process.get("/readyz").0, 503);
    assert!(said_if_ready(&mut process).is_none());
    assert!(process.stop().status.success());
}

#[test]
fn what_the_registry_never_has_is_a_verdict_that_every_store_follows_until_it_is_released() {
    let place = Place::start();
    let unknown = place.framed(0..10, place.id);
    place.broker.publish(&unknown);
    // What says itself what it is counts, whatever the registry has.
    place.broker.publish(&[record(&activation(50), PARTITIONS)]);
    // No registry gives this id: nobody is asked, and nothing has to be written down.
    let never = wire::framed(&activation(51), Framing::Confluent(3_999_999_999));
    place.broker.publish(&[with_value(&activation(51), PARTITIONS, never)]);
    place.registry.hide(place.id, u32::MAX);
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(place.worker(store.path(), "1s"));
    process.wait_ready();
    assert_eq!(said(&mut process), (1, 11));
    assert_eq!(place.verdicts().len(), 10);
    let (_, known) = process.get("/v1/regions/ID/progress");
    assert!(process.stop().status.success());
    let first = ledger(store.path(), &place.connection);

    // The registry has it now. Nothing changes in what was decided: not at a restart, not for
    // another store, not for one that is rebuilt, not as it was known before.
    place.registry.hide(place.id, 0);
    let other = tempfile::tempdir().unwrap();
    let recorded = known["evidence"]["partitions"].as_array().unwrap().iter();
    let recorded = recorded.filter_map(|row| row["recorded_until"].as_str());
    let recorded: jiff::Timestamp = recorded.max().unwrap().parse().unwrap();
    let known_at = Day::recorded(recorded.as_millisecond()).date();
    for (store, option) in [(&store, None), (&other, None), (&store, Some("--rebuild"))] {
        let mut worker = place.worker(store.path(), "1s");
        worker.args(option);
        let mut process = Process::start(worker);
        process.wait_ready();
        assert_eq!(said(&mut process), (1, 11), "{option:?}");
        let path = format!("/v1/regions/ID/progress?known_at={known_at}");
        assert_eq!(process.get(&path).1["activated"], 1);
        assert!(process.stop().status.success());
        let verified =
            run(place.laju(&["verify", "--json", "--store", store.path().to_str().unwrap()]));
        assert!(verified.status.success(), "{verified:?}");
        assert!(verified.stdout.contains("identical"), "{verified:?}");
        assert_eq!(ledger(store.path(), &place.connection), first, "{option:?}");
    }

    // Until somebody releases them: each counts once, where it was sent to.
    let mut process = Process::start(place.worker(store.path(), "1s"));
    process.wait_ready();
    let _ = place.broker.wait_quarantine(11);
    let released = run(place.laju(&[
        "quarantine",
        "release",
        "--reason",
        "unknown_schema",
        "--yes",
        "--by",
        "Sri Rahayu",
        "--because",
        "the schema is registered now",
        "--json",
    ]));
    assert!(!released.status.success(), "one that names an impossible id stays: {released:?}");
    wait_until("they count", || said(&mut process).0 == 11);
    wait_until("they are no longer open", || {
        let (_, quarantine) = process.get("/v1/quarantine");
        (&quarantine["released"], &quarantine["open"]) == (&10.into(), &1.into())
    });
    let origin = place.verdicts()[0].clone();
    let shown = run(place.laju(&["quarantine", "show", &origin]));
    assert!(shown.stdout.contains("Verdict") && shown.stdout.contains("released"), "{shown:?}");
    assert!(process.stop().status.success());
    let mut rebuilt = place.worker(other.path(), "1s");
    rebuilt.arg("--rebuild");
    let mut process = Process::start(rebuilt);
    process.wait_ready();
    assert_eq!(said(&mut process), (11, 11));
    assert!(process.stop().status.success());
    assert_eq!(ledger(store.path(), &place.connection), ledger(other.path(), &place.connection));
}

#[test]
fn a_schema_that_refers_to_others_is_put_together_and_its_events_count() {
    let place = Place::start();
    // The fact is a union whose kinds stand in schemas of their own, one of which refers to another.
    let mut root: Value = serde_json::from_str(ACTIVATION_EVENT_AVSC).unwrap();
    let namespace = root["namespace"].as_str().unwrap().to_owned();
    let prefix = place.connection.topic(&EVENTS);
    let fields = root["fields"].as_array_mut().unwrap();
    let mut references = Vec::new();
    // A retraction names the event that it takes back.
    let of_event = fields.iter_mut().find(|field| field["name"] == "event_id").unwrap();
    let name = format!("{namespace}.EventId");
    let mut apart = std::mem::replace(&mut of_event["type"], name.as_str().into());
    apart["namespace"] = namespace.as_str().into();
    let subject = format!("{prefix}-{name}");
    let _ = place.registry.register(&subject, &apart.to_string(), &json!([]));
    references.push(json!({"name": name, "subject": subject, "version": 1}));
    let fact = fields.iter_mut().find(|field| field["name"] == "fact").unwrap();
    for branch in fact["type"].as_array_mut().unwrap() {
        let name = format!("{namespace}.{}", branch["name"].as_str().unwrap());
        let mut apart = std::mem::replace(branch, name.as_str().into());
        apart["namespace"] = namespace.as_str().into();
        let mut of_it = Vec::new();
        for field in apart["fields"].as_array_mut().unwrap() {
            let kind = &mut field["type"];
            let is_name = kind.as_str().is_some_and(|name| name.starts_with(char::is_uppercase));
            if kind["type"] != "enum" && !is_name {
                continue;
            }
            let short = kind["name"].as_str().or(kind.as_str()).unwrap();
            let name = format!("{namespace}.{short}");
            let mut apart = std::mem::replace(kind, name.as_str().into());
            let subject = format!("{prefix}-{name}");
            if !is_name {
                apart["namespace"] = namespace.as_str().into();
                let _ = place.registry.register(&subject, &apart.to_string(), &json!([]));
            }
            of_it.push(json!({"name": name, "subject": subject, "version": 1}));
        }
        let subject = format!("{prefix}-{name}");
        let _ = place.registry.register(&subject, &apart.to_string(), &Value::Array(of_it));
        references.push(json!({"name": name, "subject": subject, "version": 1}));
    }
    let subject = format!("{prefix}-apart");
    let id = place.registry.register(&subject, &root.to_string(), &Value::Array(references));
    assert_ne!(id, place.id);
    place.broker.publish(&place.framed(0..30, id));
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(place.worker(store.path(), "1s"));
    process.wait_ready();
    assert_eq!(said(&mut process), (30, 0));
}

/// What is registered does not change: such a schema will not serve, and is not asked for again and again.
#[test]
fn references_that_lead_nowhere_are_followed_within_bounds() {
    let place = Place::start();
    let prefix = place.connection.topic(&EVENTS);
    let link = |number: u32, next: Option<&str>| {
        let next = next.unwrap_or("int");
        let field = json!({"name": "next", "type": next});
        let name = format!("Link{number}");
        json!({"type": "record", "namespace": "links", "name": name, "fields": [field]}).to_string()
    };
    let reference = |number: u32| {
        let (name, subject) = (format!("links.Link{number}"), format!("{prefix}-link-{number}"));
        json!([{"name": name, "subject": subject, "version": 1}])
    };
    let registry = place.connection.registry_client().unwrap().unwrap();
    let mut last = (0, link(0, None), json!([]));
    for number in 0..40 {
        let (subject, id) = (format!("{prefix}-link-{number}"), &mut last.0);
        *id = place.registry.register(&subject, &last.1, &last.2);
        let whole = registry.schema(*id).unwrap().unwrap();
        let as_it_is: Value = serde_json::from_str(&last.1).unwrap();
        let unchanged = serde_json::from_str::<Value>(&whole).unwrap() == as_it_is;
        assert_eq!(unchanged, number == 0 || number > 32, "{number}: {whole}");
        let name = format!("links.Link{number}");
        (last.1, last.2) = (link(number + 1, Some(&name)), reference(number));
    }
    // A real registry takes none that refers to itself.
    if !place.registry.is_real() {
        let (there, back) = (link(90, Some("links.Link91")), link(91, Some("links.Link90")));
        let _ = place.registry.register(&format!("{prefix}-link-90"), &there, &reference(91));
        let id = place.registry.register(&format!("{prefix}-link-91"), &back, &reference(90));
        assert_eq!(registry.schema(id).unwrap().unwrap(), back);
        // What is missing is named, and not the schema that is there.
        let subject = format!("{prefix}-nobody");
        let nobody = json!([{"name": "links.Link95", "subject": subject, "version": 3}]);
        let gone = link(94, Some("links.Link95"));
        let id = place.registry.register(&format!("{prefix}-link-94"), &gone, &nobody);
        let Found::Missing(lacking) = registry.find(id).unwrap() else { panic!("it is whole") };
        let words = format!("the schema with id {id}, but not version 3 of the subject {subject}");
        assert!(lacking.to_string().contains(&words), "{lacking}");
    }
}

#[test]
fn a_node_that_acted_otherwise_than_a_verdict_folds_the_partition_again() {
    let place = Place::start();
    place.broker.publish(&place.framed(0..60, place.id));
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(place.worker(store.path(), "5m"));
    process.wait_ready();
    assert_eq!(said(&mut process), (60, 0));
    let log = place.broker.read_log();
    // Quarantine is further than what the verdicts will be about, and the group knows.
    let mut ends = vec![Some(0); PARTITIONS as usize];
    for record in &log {
        ends[record.partition as usize] = Some(record.offset + 1);
    }
    let rules = readyz(&mut process).unwrap()["fold_version"].as_str().unwrap().to_owned();
    let group = format!("{}laju-{rules}", place.connection.topic_prefix);
    wait_until("the group knows", || place.broker.committed(&group) == ends);
    // Another node's registry does not have what this one's has.
    place.write_verdict(&log[0], None);
    let late = "the partition is folded again";
    process.wait_for(late);
    wait_until("it is followed", || said_if_ready(&mut process) == Some((59, 1)));
    // What is in the making is no store that a kill could leave.
    place.write_verdict(&log[1], None);
    wait_until("it is noticed", || process.log().matches(late).count() == 2);
    drop(process.kill());
    // Another comes while this node is down.
    place.write_verdict(&log[2], None);
    let mut process = Process::start(place.worker(store.path(), "5m"));
    wait_until("all are followed", || said_if_ready(&mut process) == Some((57, 3)));
    assert!(place.broker.wait_quarantine(3).len() <= 6, "each of them, and no others");
    assert!(process.log().contains(late), "{}", process.log());
    place.broker.publish(&place.framed(60..70, place.id));
    wait_until("it goes on", || said_if_ready(&mut process) == Some((67, 3)));
    assert!(process.stop().status.success());
    let followed = ledger(store.path(), &place.connection);

    // What it has followed is nothing to say, and nobody who folds the log differs.
    let mut process = Process::start(place.worker(store.path(), "5m"));
    process.wait_ready();
    assert!(!process.log().contains(late), "{}", process.log());
    assert!(process.stop().status.success());
    let other = tempfile::tempdir().unwrap();
    let mut process = Process::start(place.worker(other.path(), "5m"));
    process.wait_ready();
    assert_eq!(said(&mut process), (67, 3));
    assert!(process.stop().status.success());
    assert_eq!(ledger(other.path(), &place.connection), followed);
}

/// Of several nodes the one decides that holds the lease, whatever the others' registries say: so one
/// that lacks a schema which the others have takes nothing away.
#[test]
fn only_the_holder_of_the_lease_decides_and_whoever_acted_otherwise_follows() {
    let broker = TestBroker::start(1);
    let registries = [TestRegistry::start(), TestRegistry::start()];
    let subject = format!("{}-value", broker.connection().topic(&EVENTS));
    let id = registries.each_ref().map(|registry| {
        let client = Registry::new(registry.url(), RegistryAccess::default());
        client.register(&subject, ACTIVATION_EVENT_AVSC).unwrap()
    });
    assert_eq!(id[0], id[1]);
    let stores = [tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap()];
    let connections = registries.each_ref().map(|registry| Connection {
        registry: Some(registry.url().to_owned()),
        ..broker.connection()
    });
    let start = |node: usize| {
        let mut worker = worker(LAJU, &connections[node], stores[node].path());
        worker.args(["--registry-patience", "1s"]);
        Process::start(worker)
    };
    let mut has_it = start(0);
    wait_until("it holds the lease", || has_it.metric("laju_leases") == Some(1.0));
    registries[1].hide(id[1], u32::MAX);
    let mut lacks_it = start(1);
    lacks_it.wait_ready();
    let value = wire::framed(&activation(0), Framing::Confluent(id[0]));
    broker.publish(&[with_value(&activation(0), 1, value)]);
    wait_until("one counts it", || said(&mut has_it) == (1, 0));
    wait_until("the other waits", || troubles(&mut lacks_it) == ["schema_not_found"]);
    let asked = registries[1].asked(id[1]);
    wait_until("its patience is over", || registries[1].asked(id[1]) >= asked + 2);
    assert!(broker.read(&DECISIONS).is_empty(), "it is not for this one to decide");

    // The lease goes over, and with it the word.
    assert!(has_it.stop().status.success());
    wait_until("it is decided", || said_if_ready(&mut lacks_it) == Some((0, 1)));
    assert_eq!(broker.wait_quarantine(1).len(), 1, "although quarantine was further already");
    let mut has_it = start(0);
    wait_until("it follows", || said_if_ready(&mut has_it) == Some((0, 1)));
    broker.publish(&[record(&activation(1), 1)]);
    for node in [&mut has_it, &mut lacks_it] {
        wait_until("both go on", || said_if_ready(node) == Some((1, 1)));
    }
    for node in [has_it, lacks_it] {
        assert!(node.stop().status.success());
    }
    let ledgers = [0, 1].map(|node: usize| ledger(stores[node].path(), &connections[node]));
    assert_eq!(ledgers[0], ledgers[1]);
}

#[test]
fn a_verdict_about_a_topic_that_had_the_name_before_refuses_nothing_of_the_one_there_is() {
    let place = Place::start();
    place.broker.publish(&place.framed(0..3, place.id));
    let log = place.broker.read_log();
    // The topic with this id had another record there.
    place.write_verdict(&log[0], Some("AQIDBAUGBwj-_________w"));
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(place.worker(store.path(), "5m"));
    process.wait_ready();
    assert_eq!(said(&mut process), (3, 0));
    assert!(process.stop().status.success());
    let path = store.path().to_str().unwrap();
    let verified = run(place.laju(&["verify", "--store", path]));
    assert!(verified.stdout.contains("identical"), "{verified:?}");

    // One that a worker writes names its own.
    place.broker.publish(&place.framed(3..4, 40_000));
    let mut process = Process::start(place.worker(store.path(), "0s"));
    process.wait_ready();
    assert_eq!(said(&mut process), (3, 1));
    assert!(process.stop().status.success());
    if !place.broker.is_real() {
        return;
    }
    place.broker.make_again(&EVENTS, PARTITIONS);
    place.broker.publish(&place.framed(0..4, place.id));
    let mut worker = place.worker(store.path(), "5m");
    worker.arg("--rebuild");
    let mut process = Process::start(worker);
    process.wait_ready();
    assert_eq!(said(&mut process), (4, 0));
}

#[test]
fn an_id_in_a_header_or_of_eight_bytes_is_named_with_the_setting_to_change_and_asks_nobody() {
    let place = Place::start();
    let bare = |number| wire::framed(&activation(number), Framing::Confluent(7))[5..].to_vec();
    let in_header = with_value(&activation(0), PARTITIONS, bare(0));
    place.broker.publish_with_raw_header(&in_header, c"__value_schema_id", &[1; 17]);
    let eight_bytes = [&[0, 0, 0, 0, 0, 0, 0, 0, 7], &bare(1)[..]].concat();
    place.broker.publish(&[with_value(&activation(1), PARTITIONS, eight_bytes)]);
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(place.worker(store.path(), "1h"));
    process.wait_ready();
    assert_eq!(said(&mut process), (0, 2));
    assert_eq!((place.registry.asked(0), place.verdicts()), (0, Vec::new()));
    let _ = place.broker.wait_quarantine(2);
    let listed = run(place.laju(&["quarantine", "list", "--json"])).stdout;
    for setting in ["value.schema.id.serializer", "apicurio.registry.as-confluent=true"] {
        assert!(listed.contains(setting), "{listed}");
    }
    let origin = format!("{}/0", in_header.partition);
    let shown = run(place.laju(&["quarantine", "show", &origin])).stdout;
    assert_eq!(shown.matches("value.schema.id.serializer").count(), 2, "then and now: {shown}");
}

#[test]
fn made_up_ids_do_not_each_take_their_time() {
    let place = Place::start();
    let mut records = Vec::new();
    for number in 0..60 {
        records.extend(place.framed(number..number + 1, 30_000 + number));
    }
    records.extend(place.framed(60..90, place.id));
    place.broker.publish(&records);
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(place.worker(store.path(), "3s"));
    // Sixty of them, one after the other, would take three minutes.
    process.wait_ready();
    assert_eq!(said(&mut process), (30, 60));
    assert_eq!(place.verdicts().len(), 60);
}

#[test]
fn a_worker_killed_between_a_verdict_and_the_fold_goes_on_as_if_it_had_not_been() {
    let place = Place::start();
    place.registry.hide(place.id, u32::MAX);
    let store = tempfile::tempdir().unwrap();
    for round in 0..3 {
        place.broker.publish(&place.framed(round * 10..round * 10 + 10, place.id));
        let process = Process::start(place.worker(store.path(), "1s"));
        wait_until("a verdict", || place.verdicts().len() > round as usize * 10);
        drop(process.kill());
    }
    // What it had not written down is there now, and counts; what it had written is refused.
    place.registry.hide(place.id, 0);
    let refused = place.verdicts().len() as u64;
    let other = tempfile::tempdir().unwrap();
    let mut figures = Vec::new();
    for store in [&store, &other] {
        let mut process = Process::start(place.worker(store.path(), "1s"));
        process.wait_ready();
        figures.push(said(&mut process));
        assert!(process.stop().status.success());
    }
    assert_eq!(figures, [(30 - refused, refused); 2]);
    let mut origins = place.verdicts();
    let count = origins.len();
    origins.sort();
    origins.dedup();
    assert_eq!(origins.len(), count, "each is written once");
    assert_eq!(ledger(store.path(), &place.connection), ledger(other.path(), &place.connection));
}
