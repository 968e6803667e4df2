//! How far an event has come, as its kiosk tells it: up to what the worker made of it.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use laju_kafka::connection::Connection;
use laju_producer::agent::{self, Agent, AgentSettings, WorkerAddress, http};
use laju_producer::clock;
use laju_producer::outbox::OutboxSettings;
use laju_schemas::TimestampMs;
use laju_schemas::pseudonym::ProgrammeKey;
use laju_schemas::raw::RawEvent;
use laju_tests::broker::TestBroker;
use laju_tests::events::record;
use laju_tests::process::{PATIENCE, Process, command, run, wait_until, worker};
use serde_json::{Value, json};

use crate::kiosk::{Client, ID, JSON, Kiosk, activation, no_broker};
use crate::{KEY, KIOSK, LAJU};

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
    let position = counted["position"].as_str().unwrap();
    let figure = counting.get(&format!("/v1/regions/18.71/progress?at_least={position}"));
    assert_eq!((figure.0, &figure.1["activated"]), (200, &json!(1)));
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

/// An agent of this test's kiosk, whose clock is so far ahead.
fn agent(
    connection: Connection,
    outbox: &Path,
    worker: Option<WorkerAddress>,
    ahead_ms: i64,
) -> Agent {
    let settings = AgentSettings {
        kiosk: agent::Kiosk { id: ID.parse().unwrap(), service_region: "18.71".parse().unwrap() },
        outbox: outbox.to_owned(),
        outbox_settings: OutboxSettings::default(),
        connection,
        worker,
        report_every: Duration::from_millis(200),
    };
    let clock = Arc::new(move || TimestampMs(clock::now().0 + ahead_ms));
    Agent::start(settings, ProgrammeKey::parse(KEY).unwrap(), clock).unwrap()
}

/// The agent's HTTP interface, as long as the runtime is there.
fn serve(runtime: &tokio::runtime::Runtime, agent: &Agent) -> Client {
    runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let client = Client::new(listener.local_addr().unwrap().to_string());
        let router = http::router(agent.clone(), &[]);
        tokio::spawn(http::serve(listener, router, PATIENCE, std::future::pending()));
        client
    })
}

#[test]
fn quarantine_and_another_device_under_the_same_id_reach_the_counter() {
    let broker = TestBroker::start(3);
    let store = tempfile::tempdir().unwrap();
    let mut counting = Process::start(worker(LAJU, &broker.connection(), store.path()));
    let laju: WorkerAddress = format!("http://{}", counting.address()).parse().unwrap();
    counting.wait_ready();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let guard = runtime.enter();
    let folder = tempfile::tempdir().unwrap();
    let mut event = activation(1);
    event["idempotency_key"] = json!("the first");
    let event = event.to_string();

    // Offline, and three weeks ahead: nobody can know yet.
    let ahead = agent(no_broker(), folder.path(), None, 21 * 86_400_000);
    let (status, taken) = serve(&runtime, &ahead).post("/v1/events", JSON, &event);
    assert_eq!((status, taken.get("warning")), (202, None), "{taken}");
    runtime.block_on(ahead.shutdown(Duration::ZERO)).unwrap();

    let here = agent(broker.connection(), folder.path(), Some(laju), 0);
    let client = serve(&runtime, &here);
    wait_until("the quarantine is heard of", || client.status()["worker"]["quarantined"] == 1);
    let status = client.status();
    assert_eq!(status["worker"]["latest"][0]["event_id"], taken["event_id"], "{status}");
    let (code, again) = client.post("/v1/events", JSON, &event);
    assert_eq!((code, &again["repeated"]), (202, &json!(true)));
    let warning = again["warning"].as_str().unwrap();
    assert!(warning.contains("this event") && warning.contains("in_future"), "{warning}");
    let (_, again) = client.post("/v1/events", crate::kiosk::NDJSON, &event);
    assert_eq!(again["warning"], warning, "{again}");

    let address = format!("http://{}", client.address);
    let ask = |args: &[&str]| {
        let ended = run(command(KIOSK, &[args, &["--agent", &address]].concat()));
        (ended.status.code(), ended.stdout)
    };
    let (code, said) = ask(&["status"]);
    assert_eq!(code, Some(3), "{said}");
    for words in ["1 event of this kiosk", "in_future", "retract each event"] {
        assert!(said.contains(words), "no '{words}' in {said}");
    }
    let id = taken["event_id"].as_str().unwrap();
    let (code, said) = ask(&["event", id]);
    assert!(code == Some(3) && said.contains("quarantined"), "{code:?} {said}");
    assert_eq!(ask(&["event", id, "--json"]).0, Some(3));

    // One that counts ends with 0, and a new one is warned of nothing.
    let counted = client.send(&activation(2));
    assert_eq!(counted.get("warning"), None);
    let id = counted["event_id"].as_str().unwrap();
    let path = format!("/v1/events/{id}");
    wait_until("it is counted", || client.get(&path).1["worker"]["fate"] == "counted");
    assert_eq!(ask(&["event", id]).0, Some(0));

    // Another device, with an outbox that was copied.
    let other = RawEvent { kiosk_id: ID, sequence: 2, ..laju_tests::events::activation(77) };
    broker.publish(&[record(&other, broker.partitions())]);
    wait_until("the other device is heard of", || client.status()["worker"]["conflicts"] == 1);
    let (code, said) = ask(&["status"]);
    assert!(code == Some(3) && said.contains("another device"), "{code:?} {said}");

    // The worker's outage is no trouble of the kiosk's, and nothing is forgotten for it.
    assert!(counting.stop().status.success());
    wait_until("its silence is noticed", || client.status()["worker"]["silent"].is_string());
    let status = client.status();
    assert_eq!((&status["worker"]["quarantined"], &status["unsent"]), (&json!(1), &json!(0)));
    assert!(!status["attention"].to_string().contains("does not answer"), "{status}");
    runtime.block_on(here.shutdown(PATIENCE)).unwrap();
    drop(guard);
}
