//! A reader of the live stream that comes back after the worker was killed has every region's
//! state as it is now.

use std::collections::BTreeSet;

use laju_tests::broker::TestBroker;
use laju_tests::events::activations;
use laju_tests::generate;
use laju_tests::process::{Process, worker};
use laju_tests::stream::{Event, Stream, Told};

use crate::LAJU;

const PARTITIONS: u32 = 4;

fn code(event: &Event) -> Option<String> {
    event.data["region"]["code"].as_str().map(str::to_owned)
}

/// Holds what a reader was told against what is answered.
fn assert_told(process: &mut Process, told: &Told, level: &str) -> BTreeSet<String> {
    let (status, answer) = process.get(&format!("/v1/progress?level={level}"));
    assert_eq!(status, 200, "{answer}");
    let mut active = BTreeSet::new();
    for row in answer["rows"].as_array().unwrap() {
        let code = row["region"]["code"].as_str().unwrap();
        let mut state = told.states[code].clone();
        assert_eq!(state.as_object_mut().unwrap().remove("as_of"), Some(answer["as_of"].clone()));
        assert_eq!(state, *row, "{code}");
        if row["activated"] != 0 {
            active.insert(code.to_owned());
        }
    }
    active
}

#[test]
fn a_reader_that_comes_back_after_a_kill_has_every_region_as_it_is() {
    let broker = TestBroker::start(PARTITIONS);
    let store = tempfile::tempdir().unwrap();
    let start = || Process::start(worker(LAJU, &broker.connection(), store.path()));
    broker.publish(&activations(0..20, PARTITIONS));
    let mut process = start();
    process.wait_ready();

    let mut told = Told::default();
    let mut stream = Stream::connect(&mut process, "", &told);
    let events = stream.take_until(&mut told, |event, _| event.name == "live");
    assert_eq!(events.iter().filter_map(code).count(), 553);
    assert_eq!(told.states["18.71"]["activated"], 20);

    // What comes in while it listens is sent to it, and only that.
    broker.publish(&activations(20..30, PARTITIONS));
    let of_bandar = |told: &Told| told.states["18.71"]["activated"].as_i64();
    let ends = |event: &Event, told: &Told| event.id.is_some() && of_bandar(told) == Some(30);
    let events = stream.take_until(&mut told, ends);
    let changed: BTreeSet<String> = events.iter().filter_map(code).collect();
    assert_eq!(changed, ["18", "18.71", "ID"].map(str::to_owned).into());
    let before = told.clone();

    // Killed in the midst of it, and much comes in while nobody is there.
    drop(process.kill());
    while stream.event().is_some() {}
    let mut records = generate::seeded(29, PARTITIONS, 40, 400).records;
    for record in &mut records {
        record.timestamp_ms = record.timestamp_ms.clamp(-1, 1 << 41);
    }
    broker.publish(&records);
    let mut process = start();
    process.wait_ready();
    let mut stream = Stream::connect(&mut process, "", &told);
    let mut events = stream.take_until(&mut told, |event, _| event.name == "live");
    assert_eq!(events[0].name, "resync", "another run cannot tell what has changed");
    assert!(events.pop().unwrap().id != before.last_id);
    for level in ["province", "regency"] {
        let active = assert_told(&mut process, &told, level);
        assert!(active.len() > 1, "the log is of one region only: {active:?}");
    }
    let changed = told.states.iter().filter(|(code, state)| before.states[*code] != **state);
    assert!(changed.count() > 3, "nothing came in while the worker was away");

    // The same run knows: nothing has changed since.
    drop(stream);
    let mut stream = Stream::connect(&mut process, "", &told);
    let events = stream.take_until(&mut told, |event, _| event.name == "live");
    assert_eq!((events.len(), &events[0].data["resumed"]), (1, &true.into()));

    // Asked to stop, it does not wait for its readers.
    let ended = process.stop();
    assert!(ended.status.success() && !ended.stderr.contains("cut off"), "{ended:?}");
    assert!(stream.event().is_none());
}
