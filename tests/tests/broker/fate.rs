//! What became of published events, asked over HTTP; and kiosks whose id is in use twice. The
//! same answers after a restart.

use std::time::{Duration, Instant};

use laju_schemas::event::RetractionReason;
use laju_schemas::raw::RawEvent;
use laju_schemas::{EventId, Fact};
use laju_tests::broker::TestBroker;
use laju_tests::events::{activation, activations, now_ms, record};
use laju_tests::process::{PATIENCE, Process, worker};
use serde_json::{Value, json};

use crate::LAJU;

const PARTITIONS: u32 = 4;

fn id(number: u8) -> EventId {
    let mut bytes = [0x51; 16];
    bytes[15] = number;
    EventId(bytes)
}

fn wait_until(mut done: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !done() {
        assert!(Instant::now() < deadline, "it does not happen");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn fate(process: &mut Process, event_id: EventId) -> Value {
    let (status, answer) = process.get(&format!("/v1/events/{event_id}"));
    assert_eq!(status, 200, "{answer}");
    answer
}

/// Everything that a worker says of these events, without what moves on.
fn assert_fates(process: &mut Process, citizens: &[RawEvent<'_>; 3]) -> Vec<Value> {
    let [plain, repeated, taken_back] = citizens;
    let counted = fate(process, plain.event_id);
    assert_eq!((&counted["fate"], &counted["effect"]), (&json!("counted"), &json!("activation")));
    assert_eq!(counted["region"]["code"], "18.71");
    assert_eq!(counted["kiosk_id"], plain.kiosk_id);
    assert_eq!(counted["sequence"], plain.sequence);
    assert!(counted["day"].is_string() && counted["recorded"].is_string(), "{counted}");
    assert!(!counted.to_string().contains(&plain.subject.to_string()), "whose it is stays hidden");

    let stands = fate(process, repeated.event_id);
    let repeat = fate(process, id(1));
    assert_eq!(stands["fate"], "repeat", "the smaller id stands");
    assert_eq!((&repeat["fate"], &stands["repeat_of"]), (&json!("counted"), &json!(id(1))));

    let retracted = fate(process, taken_back.event_id);
    assert_eq!(
        (&retracted["fate"], &retracted["retracted_by"], &retracted["reason"]),
        (&json!("retracted"), &json!(id(2)), &json!("wrong_person"))
    );
    assert_eq!(fate(process, id(2))["effect"], "retraction");

    let bad = fate(process, id(3));
    assert_eq!((&bad["fate"], &bad["reason"]), (&json!("quarantined"), &json!("unknown_region")));
    assert!(bad["detail"].as_str().unwrap().starts_with("home_region"), "{bad}");
    assert_eq!((&bad["kiosk_id"], &bad["sequence"]), (&json!("kbl-bad"), &json!(7)));
    let released = fate(process, id(4));
    assert_eq!(released["fate"], "counted");
    assert_eq!(released["quarantine"]["reason"], "unknown_region");

    let unknown = fate(process, id(5));
    assert_eq!((&unknown["fate"], &unknown["day"]), (&json!("not_seen"), &Value::Null));
    assert_eq!(process.get("/v1/events/nonsense").0, 400);
    vec![counted, stands, repeat, retracted, bad, released, unknown]
}

#[test]
fn a_published_event_has_a_fate_and_keeps_it_after_a_restart() {
    let broker = TestBroker::start(PARTITIONS);
    let store = tempfile::tempdir().unwrap();
    let plain = activation(1);
    let mut repeated = activation(2);
    repeated.event_id.0[0] = 0xff;
    let taken_back = activation(3);
    let reason = RetractionReason::WrongPerson;
    let retraction = Fact::Retracted { event_id: taken_back.event_id, reason };
    let nowhere = RawEvent {
        event_id: id(3),
        kiosk_id: "kbl-bad",
        sequence: 7,
        home_region: "99.99",
        ..activation(5)
    };
    let corrected = RawEvent { event_id: id(4), ..activation(6) };
    let sent = [
        plain,
        plain,
        repeated,
        RawEvent { event_id: id(1), sequence: 91, ..repeated },
        RawEvent { event_id: id(2), sequence: 92, fact: retraction, ..taken_back },
        taken_back,
        nowhere,
        RawEvent { home_region: "99.99", ..corrected },
        corrected,
    ];
    let records: Vec<_> = sent.iter().map(|event| record(event, PARTITIONS)).collect();
    // One at a time: in a partition they stand in this order.
    records.iter().for_each(|record| broker.publish(std::slice::from_ref(record)));
    broker.publish(&activations(100..300, PARTITIONS));

    let events = [plain, repeated, taken_back];
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    let before = assert_fates(&mut process, &events);
    assert!(process.stop().status.success());
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    assert_eq!(assert_fates(&mut process, &events), before);

    // What comes while it runs is found as well: the answer waits for no commit but its own.
    let late = activation(400);
    broker.publish(&[record(&late, PARTITIONS)]);
    wait_until(|| fate(&mut process, late.event_id)["fate"] == "counted");
    assert!(process.stop().status.success());
}

fn conflicts(process: &mut Process, kiosk: &str) -> Value {
    let (status, answer) = process.get(&format!("/v1/kiosks/{kiosk}"));
    assert_eq!(status, 200, "{answer}");
    answer["conflicts"].clone()
}

#[test]
fn two_devices_with_one_id_are_named_with_their_events() {
    let broker = TestBroker::start(PARTITIONS);
    let store = tempfile::tempdir().unwrap();
    let of = |citizen: u32, kiosk_id: &'static str, sequence: i64| RawEvent {
        kiosk_id,
        sequence,
        occurred_at: now_ms() - 60_000,
        ..activation(citizen)
    };
    let partition = |event: &RawEvent<'_>| record(event, PARTITIONS).partition;
    // Of another citizen, in the same partition or in another.
    let beside = |event: RawEvent<'static>, first: u32, same: bool| {
        let others = (first..).map(|citizen| of(citizen, event.kiosk_id, event.sequence));
        let mut found = others.filter(|o| (partition(o) == partition(&event)) == same);
        [event, found.next().unwrap()]
    };
    let within = beside(of(10, "van-1", 5), 11, true);
    let across = beside(of(1_000, "van-2", 6), 1_001, false);
    let honest = [of(3_000, "van-3", 1), of(3_001, "van-3", 2)];
    let all: Vec<_> = within.iter().chain(&across).chain(&honest).collect();
    // Each is sent twice, as after a crash: that is no conflict.
    for _ in 0..2 {
        let records: Vec<_> = all.iter().map(|event| record(event, PARTITIONS)).collect();
        broker.publish(&records);
    }

    let named = |events: &[RawEvent<'_>; 2], sequence: u32| {
        let mut ids = events.map(|event| event.event_id);
        ids.sort_unstable();
        json!([{"sequence": sequence, "event_ids": ids}])
    };
    for run in 0..2 {
        let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
        process.wait_ready();
        let first = conflicts(&mut process, "van-1");
        assert_eq!((&first["events"], &first["sequences"]), (&json!(1), &named(&within, 5)));
        let second = conflicts(&mut process, "van-2");
        assert_eq!((&second["events"], &second["sequences"]), (&json!(1), &named(&across, 6)));
        let none = json!({"events": 0, "sequences": [], "note": null});
        assert_eq!(conflicts(&mut process, "van-3"), none);
        assert_eq!(process.get("/v1/kiosks/van-4").0, 404);
        let (_, kiosks) = process.get("/v1/kiosks");
        let rows = kiosks["rows"].as_array().unwrap();
        let counts: Vec<_> =
            rows.iter().map(|row| (row["kiosk_id"].clone(), row["conflicts"].clone())).collect();
        let expected = [("van-1", 1), ("van-2", 1), ("van-3", 0)];
        assert_eq!(counts, expected.map(|(kiosk, count)| (json!(kiosk), json!(count))));
        // Both count.
        assert_eq!(process.get("/v1/regions/18.71/progress").1["activated"], all.len());
        process.wait_for("two devices have its id");
        wait_until(|| {
            let (_, metrics) = process.try_get("/metrics").unwrap();
            metrics.lines().any(|line| line == "laju_kiosk_conflicts 2")
        });
        assert!(process.stop().status.success(), "run {run}");
    }
}
