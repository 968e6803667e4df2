//! Simulated kiosks with real agents: what they send is numbered, kept and shipped like any other's.

use std::collections::{BTreeMap, BTreeSet};

use laju_schemas::known::EventReader;
use laju_tests::broker::TestBroker;
use laju_tests::process::{command, connect, run};
use serde_json::Value;

use crate::kiosk::Kiosk;
use crate::{KEY, KIOSK};

const RECORDS: u64 = 1_500;
const KIOSKS: usize = 4;

#[test]
fn simulated_kiosks_send_through_agents_of_their_own() {
    let broker = TestBroker::start(3);
    let kiosk = Kiosk::new(broker.connection());
    let outboxes = kiosk.outbox();
    let simulate = |events: u64, more: &[&str]| {
        let mut simulate = command(KIOSK, &["simulate", "--json", "--events", &events.to_string()]);
        simulate.args(["--kiosks", &KIOSKS.to_string(), "--duplicates", "0.1"]).args(more);
        simulate.arg("--outboxes").arg(&outboxes).env("LAJU_KEY", KEY);
        connect(&mut simulate, &broker.connection());
        run(simulate)
    };
    simulate(10, &["--bad", "0.1"]).assert_refused(&["--bad", "--outboxes"]);
    assert!(!outboxes.exists(), "nothing is made");

    let ended = simulate(RECORDS, &[]);
    assert!(ended.status.success(), "{ended:?}");
    let summary: Value = serde_json::from_str(&ended.stdout).unwrap();
    let accepted = summary["accepted"].as_u64().unwrap();
    let duplicates = summary["duplicates"].as_u64().unwrap();
    assert!(duplicates > 50 && summary["failed"] == 0, "{summary}");
    // A retraction of what was never accepted is not said; all else is.
    assert!(accepted <= RECORDS - duplicates && accepted > RECORDS / 2, "{summary}");
    assert_eq!(summary["delivered"], accepted, "{summary}");

    let mut reader = EventReader::new(&[]).unwrap();
    let mut events: BTreeMap<String, BTreeSet<(i64, [u8; 16])>> = BTreeMap::new();
    for record in broker.read_log() {
        let event = reader.read(record.value.as_deref().unwrap()).unwrap();
        let of_kiosk = events.entry(event.kiosk_id.to_owned()).or_default();
        of_kiosk.insert((event.sequence, event.event_id.0));
    }
    assert_eq!(events.len(), KIOSKS);
    for (kiosk, events) in &events {
        let numbers = events.iter().map(|(number, _)| *number);
        assert!(numbers.eq(1..=events.len() as i64), "{kiosk}");
    }
    assert_eq!(events.values().map(BTreeSet::len).sum::<usize>() as u64, accepted);

    // The same stream again is what the outboxes know already.
    let again: Value = serde_json::from_str(&simulate(RECORDS, &[]).stdout).unwrap();
    assert_eq!(again["failed"], 0, "{again}");
    assert!(again["accepted"].as_u64().unwrap() < RECORDS / 10, "{again}");
}
