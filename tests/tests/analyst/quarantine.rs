//! What could not be counted, and what people decide about it: released events count exactly once,
//! also where everybody is killed again and again, and bounds narrow when they do and not before.

use std::collections::BTreeMap;
use std::process::Command;
use std::time::{Duration, Instant};

use laju_consumer::domain::version::fold_version;
use laju_consumer::ingest::decide::{DecideError, Decider, Order, Republish};
use laju_kafka::publish::Record;
use laju_schemas::decision::Decision;
use laju_schemas::known::EventReader;
use laju_schemas::quarantine::{
    HEADER_DECIDED_BY, HEADER_DECISION_ID, HEADER_DETAIL, HEADER_FOLD_VERSION, HEADER_OFFSET,
    HEADER_PARTITION, HEADER_REASON, HEADER_RELEASED_ORIGIN, HEADER_TIMESTAMP, HEADER_TOPIC,
    Origin,
};
use laju_schemas::raw::RawEvent;
use laju_schemas::topic::{DECISIONS, EVENTS, QUARANTINE};
use laju_schemas::{DecisionId, QuarantineDecision, TimestampMs};
use laju_tests::broker::{TestBroker, Topics};
use laju_tests::events::{REGION, activation, activations, now_ms, record, subject, with_value};
use laju_tests::log::LogRecord;
use laju_tests::process::{Ended, Process, command, connect, run, wait_until, worker};
use laju_tests::registry::TestRegistry;
use serde_json::{Value, json};

use crate::LAJU;

mod killed;

const PARTITIONS: u32 = 3;

/// `laju quarantine` with these arguments.
fn quarantine(broker: &TestBroker, args: &[&str]) -> Command {
    let mut command = command(LAJU, &[&["quarantine"], args].concat());
    connect(&mut command, &broker.connection());
    command
}

/// The same with who decides and why.
fn decide(broker: &TestBroker, args: &[&str]) -> Command {
    let who = ["--by", "Sri Rahayu", "--because", "the partitioner is mended", "--json"];
    quarantine(broker, &[args, &who].concat())
}

/// The JSON that a command answered, with its exit code.
fn json_of(ended: &Ended) -> (Option<i32>, Value) {
    let json = serde_json::from_str(&ended.stdout);
    (ended.status.code(), json.unwrap_or_else(|error| panic!("{error}: {ended:?}")))
}

/// A citizen's activation in the partition where it does not belong.
fn misplaced(number: u32) -> LogRecord {
    let record = record(&activation(number), PARTITIONS);
    LogRecord { partition: (record.partition + 1) % PARTITIONS, ..record }
}

/// What a worker says of the region of all events, and of its quarantine.
#[derive(Debug, PartialEq, Eq)]
struct Said {
    activated: i64,
    /// What is unknown, and by how much the bounds are apart from the figure.
    unknown: i64,
    total: u64,
    open: u64,
    released: u64,
    discarded: u64,
}

fn said(process: &mut Process) -> Said {
    let (status, progress) = process.get(&format!("/v1/regions/{REGION}/progress"));
    assert_eq!(status, 200, "{progress}");
    let (status, quarantine) = process.get(&format!("/v1/quarantine?within={REGION}"));
    assert_eq!(status, 200, "{quarantine}");
    let number = |value: &Value| value.as_i64().unwrap();
    let count = |name: &str| quarantine[name].as_u64().unwrap();
    let activated = number(&progress["activated"]);
    let unknown = number(&progress["missing"]["quarantined"]);
    let wide = unknown + number(&progress["missing"]["events"]);
    assert_eq!(number(&progress["bounds"]["upper"]), activated + wide, "{progress}");
    Said {
        activated,
        unknown,
        total: count("total"),
        open: count("open"),
        released: count("released"),
        discarded: count("discarded"),
    }
}

/// The age of an answer, in seconds, as its header says.
fn age(process: &mut Process) -> u64 {
    let url = format!("http://{}/v1/regions/ID/progress", process.address());
    let answer = ureq::get(&url).call().unwrap();
    answer.headers()["age"].to_str().unwrap().parse().unwrap()
}

fn wait_for(process: &mut Process, expected: &Said) {
    wait_until(&format!("{expected:?}"), || said(process) == *expected);
}

/// Whether the worker is at the end of every partition.
fn nothing_lags(process: &mut Process) -> bool {
    let (_, metrics) = process.try_get("/metrics").unwrap();
    let mut lags = metrics.lines().filter(|line| line.starts_with("laju_lag_events{"));
    lags.clone().count() == PARTITIONS as usize && lags.all(|line| line.ends_with(" 0"))
}

/// Of each event that was sent again its origin, and where it stands.
fn released_events(broker: &TestBroker) -> Vec<(Origin, Origin)> {
    let released = broker.read(&EVENTS).into_iter().filter_map(|event| {
        let origin = event.header(HEADER_RELEASED_ORIGIN)?.parse().unwrap();
        assert!(event.header(HEADER_DECISION_ID).is_some(), "{event:?}");
        assert!(event.header(HEADER_DECIDED_BY).is_some(), "{event:?}");
        let LogRecord { partition, offset, .. } = event.record;
        Some((origin, Origin { partition, offset }))
    });
    released.collect()
}

#[test]
fn what_is_released_counts_once_and_what_would_be_refused_again_is_not_sent() {
    let broker = TestBroker::start(PARTITIONS);
    let store = tempfile::tempdir().unwrap();
    // In the order of the numbers: 10 that count, and what cannot be counted.
    broker.publish(&activations(0..10, PARTITIONS));
    let wrong_key = LogRecord { key: Some(subject(99).0.to_vec()), ..misplaced(10) };
    let nowhere = RawEvent { home_region: "99.99", ..activation(12) };
    let ahead = RawEvent { occurred_at: now_ms() + 72 * 3_600_000, ..activation(13) };
    let cut = {
        let whole = record(&activation(14), PARTITIONS);
        let value = whole.value.as_ref().unwrap();
        let value = value[..value.len() - 2].to_vec();
        with_value(&activation(14), PARTITIONS, value)
    };
    let bad =
        [wrong_key, misplaced(11), record(&nowhere, PARTITIONS), record(&ahead, PARTITIONS), cut];
    let trace: &[(&str, &[u8])] = &[("trace", b"7"), ("laju-reason", b"mine")];
    for record in &bad {
        broker.send(record, trace).unwrap().wait().unwrap();
    }

    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    // The one that cannot be read concerns the nation alone.
    let before = Said { activated: 10, unknown: 4, total: 4, open: 4, released: 0, discarded: 0 };
    wait_for(&mut process, &before);
    assert_eq!(broker.wait_quarantine(5).len(), 5);

    let (code, listed) = json_of(&run(quarantine(&broker, &["list", "--json"])));
    assert_eq!((code, &listed["total"], &listed["open"]), (Some(0), &json!(5), &json!(5)));
    let places: BTreeMap<String, String> = listed["records"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let place = format!("{}/{}", row["partition"], row["offset"]);
            (row["reason"].as_str().unwrap().to_owned(), place)
        })
        .collect();
    let reasons = ["in_future", "undecodable", "unknown_region", "wrong_key", "wrong_partition"];
    assert!(places.keys().eq(reasons), "{listed}");
    let of_kiosk = ["list", "--json", "--kiosk", "kbl-01", "--region", "18", "--limit", "1"];
    let (_, of_kiosk) = json_of(&run(quarantine(&broker, &of_kiosk)));
    assert_eq!(
        (&of_kiosk["total"], &of_kiosk["records"].as_array().unwrap().len()),
        (&json!(5), &1)
    );
    let csv = run(quarantine(&broker, &["list", "--csv", "--reason", "wrong_key"])).stdout;
    assert!(csv.starts_with("partition,offset,") && csv.lines().count() == 2, "{csv}");

    let show =
        |reason: &str| json_of(&run(quarantine(&broker, &["show", &places[reason], "--json"]))).1;
    let shown = show("undecodable");
    assert_eq!(shown["fault"]["field"], "fact.Activated.venue");
    assert_eq!(shown["event"]["kiosk_id"], "kbl-01");
    assert_eq!((&shown["now"]["counts"], &shown["decision"]), (&json!(false), &Value::Null));
    assert_eq!(
        shown["headers"],
        json!([{"name": "trace", "value": "7"}, {"name": "original-laju-reason", "value": "mine"}])
    );
    assert_eq!(show("wrong_key")["now"]["counts"], true);
    let text = run(quarantine(&broker, &["show", &places["undecodable"]])).stdout;
    assert!(text.contains("fact.Activated.venue") && text.contains('['), "{text}");
    run(quarantine(&broker, &["show", "0/999"])).assert_refused(&["no record of 0/999"]);

    // Asked about first, where there is nobody to ask.
    run(decide(&broker, &["release", "--all"])).assert_refused(&["--yes"]);
    let (code, dry) = json_of(&run(decide(&broker, &["release", "--all", "--dry-run"])));
    assert_eq!((code, dry["left"].as_array().unwrap().len()), (Some(1), 2), "{dry}");
    assert_eq!(released_events(&broker), []);

    // Those of a wrong partition or key count now, the others would be refused again.
    let (code, report) = json_of(&run(decide(&broker, &["release", "--all", "--yes"])));
    assert_eq!((code, &report["ok"]), (Some(1), &json!(false)), "{report}");
    let refused: BTreeMap<&str, &str> = report["refused"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (row["reason"].as_str().unwrap(), row["detail"].as_str().unwrap()))
        .collect();
    let reasons: Vec<&str> = refused.keys().copied().collect();
    assert_eq!(reasons, ["in_future", "undecodable", "unknown_region"], "{report}");
    assert!(refused["unknown_region"].starts_with("home_region"), "{report}");
    let after = Said { activated: 12, unknown: 2, total: 4, open: 2, released: 2, discarded: 0 };
    wait_for(&mut process, &after);
    let released = released_events(&broker);
    assert_eq!(released.len(), 2);
    for done in report["decided"].as_array().unwrap() {
        let republish = Origin {
            partition: done["released_partition"].as_u64().unwrap() as u32,
            offset: done["released_offset"].as_i64().unwrap(),
        };
        let origin: Origin = done["origin"].as_str().unwrap().parse().unwrap();
        assert!(released.contains(&(origin, republish)), "{released:?} {done}");
    }

    // Again: nothing is sent.
    let again = ["release", &places["wrong_partition"], &places["wrong_key"]];
    let (code, report) = json_of(&run(decide(&broker, &again)));
    assert_eq!((code, &report["decided"]), (Some(0), &json!([])), "{report}");
    assert_eq!(report["already"].as_array().unwrap().len(), 2, "{report}");
    assert_eq!(report["already"][0]["decision"]["decided_by"], "Sri Rahayu");
    assert_eq!(released_events(&broker).len(), 2);

    // Discarded, at once.
    let discard = ["discard", &places["unknown_region"], &places["in_future"]];
    let (code, report) = json_of(&run(decide(&broker, &discard)));
    assert_eq!((code, &report["ok"]), (Some(0), &json!(true)), "{report}");
    let after = Said { activated: 12, unknown: 0, total: 4, open: 0, released: 2, discarded: 2 };
    wait_for(&mut process, &after);
    // The first decision stands.
    let (code, report) = json_of(&run(decide(&broker, &["release", &places["in_future"], "2/99"])));
    assert_eq!((code, report["already"].as_array().unwrap().len()), (Some(1), 1), "{report}");
    assert_eq!(report["not_found"], json!(["2/99"]));
    let (_, national) = process.get("/v1/regions/ID/progress");
    assert_eq!(national["missing"]["quarantined"], 1, "what cannot be read is still unknown");

    let (_, fate) = process.get(&format!("/v1/events/{}", activation(11).event_id));
    assert_eq!(fate["fate"], "counted", "{fate}");
    assert!(fate["detail"].as_str().unwrap().contains("by Sri Rahayu"), "{fate}");
    let (_, fate) = process.get(&format!("/v1/events/{}", ahead.event_id));
    assert_eq!(fate["fate"], "quarantined", "{fate}");
    assert!(fate["detail"].as_str().unwrap().contains("discarded by Sri Rahayu"), "{fate}");
    let (_, table) = json_of(&run(quarantine(&broker, &["list", "--discarded", "--json"])));
    assert_eq!((&table["total"], &table["open"]), (&json!(2), &json!(0)));

    // Behind a transaction stand its marks: the worker is at the end all the same.
    wait_until("nothing lags", || nothing_lags(&mut process));
    // And its answers are as old as its last look at the brokers, whatever was recorded when.
    let (_, national) = process.get("/v1/regions/ID/progress");
    let ends = national["evidence"]["partitions"].as_array().unwrap().clone();
    wait_until("every record is two seconds old", || {
        let until = ends.iter().filter_map(|part| part["recorded_until"].as_str());
        let latest = until.map(|at| at.parse::<TimestampMs>().unwrap()).max().unwrap();
        now_ms() - latest.0 > 2_500
    });
    wait_until("the answer's age is that of the last look", || age(&mut process) < 2);
    // The same after a restart, which reads the decisions again.
    assert!(process.stop().status.success());
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    assert_eq!(said(&mut process), after);
}

fn discard(number: u8) -> Order<'static> {
    let decision = QuarantineDecision {
        decision_id: DecisionId([number; 16]),
        origin_partition: 0,
        origin_offset: number.into(),
        decision: Decision::Discarded,
        event_id: None,
        released_partition: None,
        released_offset: None,
        decided_by: "Sri Rahayu".to_owned(),
        reason: "a test".to_owned(),
        decided_at: TimestampMs(now_ms()),
        origin_topic_id: None,
    };
    Order { decision, republish: None }
}

/// The embedded broker keeps nobody out: there the order of things has to do.
#[test]
fn a_second_release_at_work_stops_the_first() {
    let broker = TestBroker::start(PARTITIONS);
    if !broker.is_real() {
        return;
    }
    let first = Decider::open(&broker.connection()).unwrap();
    first.commit(&[discard(1)]).unwrap();
    let second = Decider::open(&broker.connection()).unwrap();
    assert_eq!(second.decided().unwrap().all().len(), 1, "what the first had committed stays");
    let error = first.commit(&[discard(2), discard(3)]).unwrap_err();
    assert!(matches!(error, DecideError::Fenced), "{error:?}");
    assert!(error.to_string().contains("another release has begun"), "{error}");
    second.commit(&[discard(2)]).unwrap();
    assert_eq!(broker.read(&DECISIONS).len(), 2, "nothing of what was stopped");
    // Another installation on the same cluster has a name of its own.
    let other = TestBroker::start(PARTITIONS);
    drop(Decider::open(&other.connection()).unwrap());
    second.commit(&[discard(4)]).unwrap();
}

/// An event too large for its topic, beside others that are not, in every partition: the transaction
/// is taken back at once, and nobody waits for what stands behind it.
#[test]
fn a_release_that_the_brokers_refuse_is_taken_back_at_once() {
    let broker = TestBroker::with(Topics { max_event_bytes: 2_000, ..Topics::of(PARTITIONS) });
    if !broker.is_real() {
        // The embedded one takes events of any size.
        return;
    }
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    let headers = Vec::new();
    let large: Vec<u8> = (0..6_000).map(|_| rand::random()).collect();
    let orders: Vec<_> = (0..60)
        .map(|number| {
            let value = if number == 30 { &large[..] } else { &large[..200] };
            let Order { mut decision, .. } = discard(number);
            decision.decision = Decision::Released;
            let subject = subject(number.into());
            Order { decision, republish: Some(Republish { subject, value, headers: &headers }) }
        })
        .collect();
    let decider = Decider::open(&broker.connection()).unwrap();
    let start = Instant::now();
    let error = decider.commit(&orders).unwrap_err();
    let took = start.elapsed();
    assert!(matches!(error, DecideError::Aborted(_)), "{error:?}");
    assert_eq!(error.to_string().matches("tart again").count(), 1, "{error}");
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(broker.read_log().is_empty() && broker.read(&DECISIONS).is_empty());
    // The same producer goes on, and so does who reads what stands behind.
    decider.commit(&[discard(1)]).unwrap();
    broker.publish(&activations(0..30, PARTITIONS));
    let after = Said { activated: 30, unknown: 0, total: 0, open: 0, released: 0, discarded: 0 };
    wait_for(&mut process, &after);
    wait_until("nothing lags", || nothing_lags(&mut process));
    let took = start.elapsed();
    assert!(took < Duration::from_secs(30), "readers waited for the time-out: {took:?}");
}

/// A copy of a record in quarantine, as a worker with these rules has put it there.
fn put_into_quarantine(broker: &TestBroker, record: &LogRecord, reason: &str, rules: &str) {
    let (partition, offset) = (record.partition.to_string(), record.offset.to_string());
    let topic = broker.connection().topic(&EVENTS);
    let at = record.timestamp_ms.to_string();
    let headers: &[(&str, &[u8])] = &[
        (HEADER_REASON, reason.as_bytes()),
        (HEADER_DETAIL, b"made by hand"),
        (HEADER_TOPIC, topic.as_bytes()),
        (HEADER_PARTITION, partition.as_bytes()),
        (HEADER_OFFSET, offset.as_bytes()),
        (HEADER_TIMESTAMP, at.as_bytes()),
        (HEADER_FOLD_VERSION, rules.as_bytes()),
    ];
    let copy = Record {
        topic: &broker.connection().topic(&QUARANTINE),
        key: record.key.as_deref(),
        value: record.value.as_deref(),
        partition: Some(0),
        timestamp: None,
        headers,
    };
    broker.publisher().publish_record(&copy).unwrap().wait().unwrap();
}

#[test]
fn what_the_present_rules_count_where_it_stands_is_left_alone() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&[record(&activation(0), PARTITIONS), misplaced(1)]);
    let log = broker.read_log();
    let of = |number| {
        let record = log.iter().find(|r| r.key.as_deref() == Some(&subject(number).0[..])).unwrap();
        (record, format!("{}/{}", record.partition, record.offset))
    };
    let ((counts, counting), (bad, misplaced)) = (of(0), of(1));
    put_into_quarantine(&broker, counts, "unknown_region", "0-01234567");
    put_into_quarantine(&broker, bad, "unknown_region", "0-01234567");
    // The worker's own copy of the other one is the later.
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    let before = Said { activated: 1, unknown: 1, total: 1, open: 1, released: 0, discarded: 0 };
    wait_for(&mut process, &before);
    wait_until("it is in quarantine twice", || broker.read_quarantine().len() == 3);

    let (_, listed) = json_of(&run(quarantine(&broker, &["list", "--json"])));
    assert_eq!((&listed["total"], &listed["open"]), (&json!(2), &json!(1)), "{listed}");
    assert_eq!(listed["copies"], 1, "{listed}");
    let rows = listed["records"].as_array().unwrap();
    let row = |reason: &str| rows.iter().find(|row| row["reason"] == reason).unwrap();
    assert_eq!(row("unknown_region")["counts_at_its_place"], true, "{listed}");
    assert_eq!(row("wrong_partition")["counts_at_its_place"], false, "{listed}");
    let (_, open) = json_of(&run(quarantine(&broker, &["list", "--open", "--json"])));
    assert_eq!(
        (&open["total"], &open["records"][0]["reason"]),
        (&json!(1), &json!("wrong_partition"))
    );
    let table = run(quarantine(&broker, &["list"])).stdout;
    assert_eq!(table.matches("counts at its place").count(), 1, "{table}");
    let (_, shown) = json_of(&run(quarantine(&broker, &["show", &counting, "--json"])));
    assert_eq!(shown["counts_at_its_place"], true, "{shown}");

    let (code, report) = json_of(&run(decide(&broker, &["discard", &counting])));
    assert_eq!((code, &report["at_place"]), (Some(1), &json!([counting])), "{report}");
    let (code, report) = json_of(&run(decide(&broker, &["release", "--all", "--yes"])));
    assert_eq!((code, &report["at_place"]), (Some(0), &json!([counting])), "{report}");
    assert_eq!(report["decided"].as_array().unwrap().len(), 1, "{report}");
    let released = released_events(&broker);
    assert_eq!(released.len(), 1, "{released:?}");
    let (origin, republish) = released[0];
    assert_eq!(origin.to_string(), misplaced);
    let after = Said { activated: 2, open: 0, unknown: 0, released: 1, ..before };
    wait_for(&mut process, &after);

    // What was sent again is refused by other rules and counts by these; refused by these, it is
    // released and open all the same.
    let log = broker.read_log();
    let sent =
        log.iter().find(|r| (r.partition, r.offset) == (republish.partition, republish.offset));
    put_into_quarantine(&broker, sent.unwrap(), "unknown_region", "0-01234567");
    let (code, report) = json_of(&run(decide(&broker, &["release", &misplaced])));
    assert_eq!((code, &report["already"][0]["again"]), (Some(0), &Value::Null), "{report}");
    let rules = fold_version(&EventReader::new(&[]).unwrap().book.fingerprints(), false);
    put_into_quarantine(&broker, sent.unwrap(), "unknown_schema", &rules);
    let (code, report) = json_of(&run(decide(&broker, &["release", &misplaced])));
    assert_eq!(code, Some(1), "{report}");
    assert_eq!(report["already"][0]["again"], json!(republish.to_string()), "{report}");
}

#[test]
fn an_installation_made_before_there_were_decisions_goes_on_and_finds_them_later() {
    let broker =
        TestBroker::with(Topics { without: Some(DECISIONS.name), ..Topics::of(PARTITIONS) });
    let store = tempfile::tempdir().unwrap();
    broker.publish(&[record(&activation(0), PARTITIONS), misplaced(1)]);
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    let before = Said { activated: 1, unknown: 1, total: 1, open: 1, released: 0, discarded: 0 };
    wait_for(&mut process, &before);
    process.wait_for("quarantined records count as undecided");
    let _ = broker.wait_quarantine(1);
    run(decide(&broker, &["release", "--all", "--yes"])).assert_refused(&[
        "there is no topic",
        DECISIONS.name,
        "laju topics create",
    ]);
    assert_eq!(process.log().matches("count as undecided").count(), 1, "warned of once");

    broker.create_topic(&DECISIONS, 1, DECISIONS.max_message_bytes);
    let (code, report) = json_of(&run(decide(&broker, &["release", "--all", "--yes"])));
    assert_eq!(code, Some(0), "{report}");
    let after = Said { activated: 2, unknown: 0, total: 1, open: 0, released: 1, discarded: 0 };
    wait_for(&mut process, &after);
}

/// With a registry decisions bear the id of their schema, and everybody learns it there.
#[test]
fn decisions_are_framed_by_the_registry_where_there_is_one() {
    let broker = TestBroker::start(PARTITIONS);
    let registry = TestRegistry::start();
    let mut connection = broker.connection();
    connection.registry = Some(registry.url().to_owned());
    let store = tempfile::tempdir().unwrap();
    broker.publish(&[misplaced(0), misplaced(1)]);
    // What is no decision at all keeps nobody from deciding.
    let junk = Record {
        topic: &connection.topic(&DECISIONS),
        key: None,
        value: Some(b"junk"),
        partition: Some(0),
        timestamp: None,
        headers: &[],
    };
    broker.publisher().publish_record(&junk).unwrap().wait().unwrap();
    let mut process = Process::start(worker(LAJU, &connection, store.path()));
    process.wait_ready();
    wait_until("both are refused", || said(&mut process).open == 2);
    let _ = broker.wait_quarantine(2);
    let mut release = command(LAJU, &["quarantine", "release", "--all", "--yes", "--json"]);
    release.args(["--by", "Sri Rahayu", "--because", "mended"]);
    connect(&mut release, &connection);
    assert_eq!(json_of(&run(release)).0, Some(0));
    let mut decisions = broker.read(&DECISIONS);
    assert_eq!(decisions.remove(0).record.value.as_deref(), Some(&b"junk"[..]));
    assert_eq!(decisions.len(), 2);
    assert!(decisions.iter().all(|d| d.record.value.as_ref().unwrap()[0] == 0), "{decisions:?}");
    let after = Said { activated: 2, unknown: 0, total: 2, open: 0, released: 2, discarded: 0 };
    wait_for(&mut process, &after);
    let mut list = command(LAJU, &["quarantine", "list", "--released", "--json"]);
    connect(&mut list, &connection);
    assert_eq!(json_of(&run(list)).1["total"], 2);
    // Who cannot read them does not take for open what is decided.
    let offset = format!("offset {} of", decisions[0].record.offset);
    let cannot = ["cannot be read", offset.as_str(), "--registry"];
    let released = run(decide(&broker, &["release", "--all", "--yes"]));
    released.assert_refused(&cannot);
    run(quarantine(&broker, &["list"])).assert_refused(&cannot);
    let place = decisions[0].record.key.as_deref().map(String::from_utf8_lossy).unwrap();
    run(quarantine(&broker, &["show", &place])).assert_refused(&cannot);
    assert_eq!(broker.read(&DECISIONS).len(), 3);
}
