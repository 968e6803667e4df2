//! How far an event has come, as its kiosk tells it: up to what the worker made of it.

use laju_tests::broker::TestBroker;
use laju_tests::process::{Process, run, wait_until, worker};
use serde_json::{Value, json};

use crate::kiosk::{JSON, Kiosk, activation};
use crate::{KIOSK, LAJU};

#[test]
fn a_kiosk_tells_what_the_worker_made_of_its_events() {
    let broker = TestBroker::start(3);
    let store = tempfile::tempdir().unwrap();
    let mut counting = Process::start(worker(LAJU, &broker.connection(), store.path()));
    let laju = format!("http://{}", counting.address());
    counting.wait_ready();
    let kiosk = Kiosk::new(broker.connection()).with(&["--laju", &laju]);
    let (process, client) = kiosk.start();

    let id = client.send(&activation(1))["event_id"].as_str().unwrap().to_owned();
    let path = format!("/v1/events/{id}");
    let until = |fate: &str| -> Value {
        let mut last = Value::Null;
        wait_until(fate, || {
            last = client.get(&path).1;
            last["worker"]["fate"] == fate
        });
        last
    };
    let counted = until("counted");
    assert_eq!((&counted["state"], &counted["sequence"]), (&json!("acknowledged"), &json!(1)));
    assert!(counted["partition"].is_u64() && counted["offset"].is_u64(), "{counted}");
    let region = &counted["worker"]["region"]["code"];
    assert_eq!((region, &counted["worker"]["effect"]), (&json!("18.71"), &json!("activation")));

    let reason = json!({"reason": "wrong_person"}).to_string();
    let (status, retraction) = client.post(&format!("{path}/retract"), JSON, &reason);
    assert_eq!(status, 202, "{retraction}");
    let retracted = until("retracted");
    assert_eq!(retracted["worker"]["retracted_by"], retraction["event_id"]);
    assert_eq!(retracted["worker"]["reason"], "wrong_person");
    let agent = format!("http://{}", client.address);
    let told = run(laju_tests::process::command(KIOSK, &["event", "--agent", &agent, &id]));
    assert!(told.stdout.contains("acknowledged") && told.stdout.contains("retracted"), "{told:?}");

    // Without the worker the kiosk still tells what it knows itself.
    assert!(counting.stop().status.success());
    let (status, alone) = client.get(&path);
    assert_eq!((status, &alone["state"]), (200, &json!("acknowledged")));
    assert!(alone["worker"]["error"].as_str().unwrap().contains("does not answer"), "{alone}");
    assert!(process.stop().status.success());
}
