//! Everything an installation has, and what a fresh node says of its copy.

use std::ffi::CString;
use std::path::Path;
use std::process::Command;

use laju_kafka::connection::Connection;
use laju_kafka::publish::Record;
use laju_kafka::registry::{Registry, RegistryAccess};
use laju_kafka::topic_id::topic_id;
use laju_schemas::codec::Encoder;
use laju_schemas::event::{DeactivationReason, RetractionReason};
use laju_schemas::framing::Framing;
use laju_schemas::known::ACTIVATION_EVENT_AVSC;
use laju_schemas::raw::RawEvent;
use laju_schemas::topic::{DECISIONS, EVENTS, KIOSK_STATUS};
use laju_schemas::{Fact, KioskStatus, LogCopy, TimestampMs};
use laju_tests::broker::{TestBroker, real_brokers};
use laju_tests::events::{self, activation, activations, now_ms, record, verdict, with_value};
use laju_tests::judge::{Stored, log_of};
use laju_tests::kafka::OwnKafka;
use laju_tests::log::LogRecord;
use laju_tests::process::{Process, command, connect, run, wait_until, worker};
use laju_tests::registry::TestRegistry;
use laju_tests::wire;
use serde_json::{Value, json};

use crate::transactions::Transactions;
use crate::{LAJU, PARTITIONS, answer, assert_same, backup, json_of, restore};

const DAY_MS: i64 = 86_400_000;

/// A broker's topics, with a registry that several brokers share.
struct Installation {
    broker: TestBroker,
    connection: Connection,
}

impl Installation {
    fn of(broker: TestBroker, registry: &TestRegistry) -> Self {
        let mut connection = broker.connection();
        connection.registry = Some(registry.url().to_owned());
        Self { broker, connection }
    }

    fn laju(&self, args: &[&str]) -> Command {
        let mut command = command(LAJU, args);
        connect(&mut command, &self.connection);
        command
    }

    fn node(&self, store: &Path) -> Process {
        let mut node = Process::start(worker(LAJU, &self.connection, store));
        node.wait_ready();
        wait_until("the figures topic is read", || node.get("/v1/figures").0 == 200);
        node
    }

    fn put(&self, record: &Record<'_>) {
        self.broker.publisher().publish_record(record).unwrap().wait().unwrap();
    }

    fn denominator(&self, number: u8, value: u64) {
        let figure = events::denominator(number, value);
        self.broker.publisher().publish_reference(&figure).unwrap().wait().unwrap();
    }

    fn status(&self, highest: u32) {
        let status = KioskStatus {
            kiosk_id: "kbl-01".parse().unwrap(),
            service_region: "18.71".parse().unwrap(),
            highest_sequence: highest,
            unsent: 0,
            oldest_unsent: None,
            clock_offset_ms: None,
            agent_version: "1".to_owned(),
            sent_at: TimestampMs(now_ms()),
            retired: false,
            key_id: None,
        };
        self.broker.publisher().publish_status(&status).unwrap().wait().unwrap();
    }

    /// Writes the verdict of a node that no registry has the schema of a record.
    fn verdict(&self, about: &LogRecord) {
        let patience = std::time::Duration::from_secs(30);
        let id = topic_id(&self.connection, &self.connection.topic(&EVENTS), patience).unwrap();
        let verdict = verdict(about.partition, about.offset, id.as_deref());
        let value = Encoder::decisions(None).value(&verdict).unwrap();
        let topic = self.connection.topic(&DECISIONS);
        self.put(&Record {
            topic: &topic,
            value: Some(&value),
            partition: Some(0),
            ..Record::default()
        });
    }
}

/// A later fact of a citizen.
fn then<'a>(citizen: u32, fact: Fact<&'a str>, home_region: &'a str) -> RawEvent<'a> {
    let mut event = activation(citizen);
    event.event_id.0[11] = 2;
    RawEvent { sequence: event.sequence + 10_000, home_region, fact, ..event }
}

/// Kiosks' events of every sort, repeats, and what cannot be counted.
fn fill(place: &Installation, framed_with: u32) {
    let broker = &place.broker;
    broker.publish(&activations(0..100, PARTITIONS));
    broker.publish(&activations(0..10, PARTITIONS));
    let old = (100..120).map(|n| RawEvent { occurred_at: now_ms() - 40 * DAY_MS, ..activation(n) });
    let lost = Fact::Deactivated { reason: DeactivationReason::DeviceLost };
    let moved = Fact::Relocated { from_region: "18.71" };
    let taken_back = |citizen| {
        let event_id = activation(citizen).event_id;
        then(citizen, Fact::Retracted { event_id, reason: RetractionReason::WrongPerson }, "18.71")
    };
    let later = (0..5).map(|n| then(n, lost, "18.71"));
    let later = later.chain((5..9).map(|n| then(n, moved, "18.72"))).chain((9..12).map(taken_back));
    let events: Vec<_> = old.chain(later).map(|event| record(&event, PARTITIONS)).collect();
    broker.publish(&events);
    // Neither key nor value, an empty key, junk; with headers, of which one's name is no text.
    let bare =
        LogRecord { partition: 0, offset: 0, timestamp_ms: now_ms(), key: None, value: None };
    let junk = LogRecord { key: Some(Vec::new()), value: Some(b"{}".to_vec()), ..bare.clone() };
    broker.publish(&[bare.clone(), junk.clone()]);
    broker.send(&junk, &[("traceparent", b"00-1"), ("empty", b"")]).unwrap().wait().unwrap();
    broker.publish_with_raw_header(&junk, &CString::new(b"\xff\xfe".to_vec()).unwrap(), b"value");
    // Where it does not belong; and one whose schema the registry has, today.
    let misplaced = |number| {
        let record = record(&activation(number), PARTITIONS);
        LogRecord { partition: (record.partition + 1) % PARTITIONS, ..record }
    };
    broker.publish(&(200..204).map(misplaced).collect::<Vec<_>>());
    let value = wire::framed(&activation(300), Framing::Confluent(framed_with));
    broker.publish(&[with_value(&activation(300), PARTITIONS, value)]);
    if let Some(transactions) = Transactions::to(broker, &EVENTS) {
        for round in 0..6 {
            let numbers = 400 + 10 * round..401 + 10 * round + round % 3;
            transactions.write(&activations(numbers, PARTITIONS), round % 2 == 0);
        }
    }
    if let Some(transactions) = Transactions::to(broker, &KIOSK_STATUS) {
        let key = Some(b"gone".to_vec());
        transactions.write(&[LogRecord { key, ..bare.clone() }], true);
        transactions.write(&[LogRecord { key: Some(b"never".to_vec()), ..bare }], false);
    }
}

/// Questions about past days, which have the same answers for ever.
fn questions() -> Vec<String> {
    let today = jiff::Timestamp::now().to_zoned(jiff::tz::TimeZone::get("Asia/Jakarta").unwrap());
    let (today, past) = (today.date(), today.date() - jiff::ToSpan::days(30));
    let mut questions = vec![
        format!("/v1/progress?level=regency&as_of={past}"),
        format!("/v1/regions/18.71/progress?as_of={today}"),
        format!("/v1/regions/18.71/progress?as_of={today}&known_at={past}"),
        format!("/v1/regions/18.71/breakdown?by=channel&as_of={today}"),
        format!("/v1/regions/18.71/series?from={past}&to={today}&step=day"),
        format!("/v1/regions/18.71/evidence?as_of={today}"),
        "/v1/quarantine".to_owned(),
        "/v1/kiosks".to_owned(),
        "/v1/figures".to_owned(),
    ];
    questions.extend((0..PARTITIONS).map(|partition| format!("/v1/ledger/{partition}")));
    questions
}

/// The answers, byte for byte but for the cluster and the topic that they come from.
fn answers(node: &mut Process, place: &Installation) -> Vec<String> {
    let patience = std::time::Duration::from_secs(30);
    let cluster = node.get("/v1/regions/ID/progress").1["evidence"]["cluster_id"].clone();
    let topic = place.connection.topic(&EVENTS);
    let id = topic_id(&place.connection, &topic, patience).unwrap();
    questions()
        .iter()
        .map(|path| {
            let (status, mut body) = node.try_get(path).unwrap();
            assert_eq!(status, 200, "{path}: {body}");
            if path != "/v1/figures" {
                body = body.replace(cluster.as_str().unwrap(), "CLUSTER");
            }
            body = body.replace(&format!("\"{topic}\""), "\"TOPIC\"");
            if let Some(id) = &id {
                body = body.replace(id, "ID");
            }
            // What the digest of evidence and ledger is over has the cluster in it.
            let is_digest = |line: &str| line.contains("digest");
            match path.contains("ledger") || path.contains("evidence") {
                true => body.lines().filter(|line| !is_digest(line)).collect(),
                false => body,
            }
        })
        .collect()
}

fn verify(place: &Installation, id: &str) -> Value {
    let ended = run(place.laju(&["verify", "--figure", id, "--json"]));
    assert!(ended.status.success(), "{ended:?}");
    json_of(&ended)
}

#[test]
fn every_past_answer_and_quoted_figure_stands_on_the_copy() {
    let registry = TestRegistry::start();
    let original = Installation::of(TestBroker::start(PARTITIONS), &registry);
    let subject = format!("{}-value", original.connection.topic(&EVENTS));
    let client = Registry::new(registry.url(), RegistryAccess::default());
    let framed_with = client.register(&subject, ACTIVATION_EVENT_AVSC).unwrap();
    original.denominator(1, 1_000);
    fill(&original, framed_with);
    let about = original
        .broker
        .read_log()
        .into_iter()
        .find(|record| record.value.as_ref().is_some_and(|value| value.first() == Some(&0)));
    let about = about.unwrap();
    original.verdict(&about);
    original.status(20_000);

    let store = tempfile::tempdir().unwrap();
    let mut node = original.node(store.path());
    let open = |node: &mut Process| node.get("/v1/quarantine").1["open"].as_u64().unwrap();
    let all = open(&mut node);
    let decide = |what: &str, origin: &str| {
        let who = ["--by", "Sri", "--because", "looked at", "--yes", "--json"];
        answer(original.laju(&[&["quarantine", what, origin], &who[..]].concat()))
    };
    let _ = original.broker.wait_quarantine(all as usize);
    let listed = answer(original.laju(&["quarantine", "list", "--json"]));
    let misplaced: Vec<String> = listed["records"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|row| row["reason"] == "wrong_partition")
        .map(|row| format!("{}/{}", row["partition"], row["offset"]))
        .collect();
    decide("release", &misplaced[0]);
    decide("discard", &misplaced[1]);
    wait_until("both are decided", || open(&mut node) == all - 2);
    let (status, figure) = node.post("/v1/figures", &json!({"region": "18.71", "note": "rilis"}));
    assert_eq!(status, 201, "{figure}");

    // Once with all of that; then what is new, more of which is quoted.
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let first = answer(backup(&original.connection, root, &["--json"]));
    assert_eq!(first["missing"], json!([]));
    original.denominator(2, 1_100);
    original.broker.publish(&activations(500..530, PARTITIONS));
    original.status(30_000);
    wait_until("all is folded", || {
        node.get("/v1/regions/18.71/progress").1["denominators"][0]["value"] == 1_100
            && folded(&mut node) == original.broker.ends(&EVENTS).iter().sum::<i64>()
    });
    let (status, later) = node.post("/v1/figures", &json!({"region": "18.71"}));
    assert_eq!(status, 201, "{later}");
    let ids = [&figure, &later].map(|figure| figure["figure_id"].as_str().unwrap().to_owned());
    wait_until("both are listed", || node.get("/v1/figures").1["total"] == 2);
    let second = answer(backup(&original.connection, root, &["--json"]));
    assert_eq!(second["topics"][EVENTS.name]["added"], 30);
    let of_original = answers(&mut node, &original);
    assert!(node.stop().status.success());
    for id in &ids {
        assert_eq!(verify(&original, id)["copy_of"], Value::Null);
    }

    // On another cluster where there is one, else beside it.
    let own = real_brokers().and_then(|_| OwnKafka::start());
    let address = own.as_ref().map(|kafka| kafka.address().to_owned()).or_else(real_brokers);
    let copy = Installation::of(TestBroker::bare_at(address, PARTITIONS), &registry);
    let is_elsewhere = own.is_some() || !original.broker.is_real();
    let restored = answer(restore(&copy.connection, root));
    let cluster = original.connection.check(std::time::Duration::from_secs(30)).unwrap().cluster_id;
    assert_eq!(restored["copy"]["original_cluster_id"], json!(cluster));
    assert_same(&original.broker, &copy.broker);
    let said: Vec<_> = copy.broker.read(&DECISIONS);
    let said = LogCopy::read(said.last().unwrap().record.value.as_deref().unwrap());
    assert_eq!(json!(said.unwrap().unwrap()), restored["copy"]);

    let of_copy = tempfile::tempdir().unwrap();
    let mut node = copy.node(of_copy.path());
    for ((path, original), copy) in
        questions().iter().zip(&of_original).zip(&answers(&mut node, &copy))
    {
        assert_eq!(copy, original, "{path}");
    }
    assert!(!node.log().contains("CreateTime"), "{}", node.log());
    for id in &ids {
        let report = verify(&copy, id);
        assert_eq!(report["verdict"], "same", "{report}");
        let (_, shown) = node.get(&format!("/v1/figures/{id}"));
        assert_eq!(shown["difference"]["same_log"], true, "{shown}");
        if is_elsewhere {
            assert_eq!(report["copy_of"]["cluster_id"], json!(cluster), "{report}");
            assert_eq!(shown["difference"]["copy_of"]["cluster_id"], json!(cluster), "{shown}");
        }
    }
    let (_, shown) = node.get(&format!("/v1/figures/{}", ids[1]));
    assert_eq!(shown["difference"]["activated"], 0, "{shown}");

    // It folds to the same bytes.
    assert!(node.stop().status.success());
    let stored = |store: &Path, place: &Installation| {
        let stored = Stored::open_copy(store, &log_of(&place.connection, &[])).unwrap();
        (stored.ledger_bytes(), stored.positions)
    };
    assert_eq!(stored(of_copy.path(), &copy), stored(store.path(), &original));

    // It goes on by itself: what was decided is decided, the rest can be, and what comes counts.
    let mut node = copy.node(of_copy.path());
    let active = |node: &mut Process| {
        node.get("/v1/regions/18.71/progress").1["activated"].as_i64().unwrap()
    };
    let before = active(&mut node);
    let who = ["--by", "Sri", "--because", "again", "--yes", "--json"];
    let origins = [&*misplaced[0], &misplaced[1], &misplaced[2]];
    let ended = run(copy.laju(&[&["quarantine", "release"], &origins[..], &who].concat()));
    let report = json_of(&ended);
    assert_eq!(report["decided"].as_array().map(Vec::len), Some(1), "{ended:?}");
    copy.broker.publish(&activations(600..601, PARTITIONS));
    wait_until("both count, once", || active(&mut node) == before + 2);
    let (_, quoted) = node.post("/v1/figures", &json!({"region": "18.71", "note": "on the copy"}));
    assert!(node.stop().status.success());
    assert_eq!(verify(&copy, quoted["figure_id"].as_str().unwrap())["copy_of"], Value::Null);

    // A copy of the copy stands as well.
    if !copy.broker.is_real() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    answer(backup(&copy.connection, directory.path(), &["--json"]));
    let second = Installation::of(TestBroker::bare(PARTITIONS), &registry);
    answer(restore(&second.connection, directory.path()));
    let store = tempfile::tempdir().unwrap();
    let mut node = second.node(store.path());
    assert_eq!(active(&mut node), before + 2);
    assert!(node.stop().status.success());
    for id in &ids {
        assert_eq!(verify(&second, id)["verdict"], "same");
    }
}

fn folded(node: &mut Process) -> i64 {
    let (_, ready) = node.get("/readyz");
    let partitions = ready["partitions"].as_array().unwrap();
    partitions.iter().map(|partition| partition["next_offset"].as_i64().unwrap()).sum()
}
