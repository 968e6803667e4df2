//! What Kafka does not take: for good, or until somebody mends it. It blocks nothing behind it.
//! Only a real Kafka refuses anything.

use laju_schemas::topic::EVENTS;
use laju_tests::broker::{BROKERS, TestBroker, Topics, real_brokers};
use laju_tests::process::{command, run, wait_until};
use serde_json::{Value, json};

use crate::KIOSK;
use crate::kiosk::{Client, JSON, Kiosk, activation, lines, logged};

/// The largest message of the topic: enough for a small event on its own, and too little for two
/// in a batch or for one with a long text.
const SMALL: u32 = 190;

fn needs_kafka() -> bool {
    if real_brokers().is_none() {
        println!("not run: it needs {BROKERS}");
    }
    real_brokers().is_some()
}

/// An activation at an outreach visit with a name that no compression makes short.
fn large(number: u32) -> Value {
    let mut event = activation(number);
    event["outreach_id"] = "qW7zRpkT9vXmB4nLjD2hGyF6cSeA1oUiM3wQrP5tY-Kd8xE_bN0fHgJ.sVZ-aCu".into();
    event
}

fn retry(client: &Client, args: &[&str]) -> String {
    let mut command = command(KIOSK, &["retry", "--agent", &format!("http://{}", client.address)]);
    command.args(args);
    let ended = run(command);
    assert!(ended.status.success(), "{ended:?}");
    ended.stdout
}

#[test]
fn an_event_that_is_too_large_is_set_aside_and_those_behind_it_go_on() {
    if !needs_kafka() {
        return;
    }
    let broker = TestBroker::with(Topics { max_event_bytes: SMALL, ..Topics::of(3) });
    let kiosk = Kiosk::new(broker.connection());
    let (process, client) = kiosk.start();
    let set_aside = |count: u32| {
        wait_until("those that can are sent, the others are set aside", || {
            let status = client.status();
            (&status["unsent"], &status["set_aside"]) == (&json!(0), &json!(count))
        });
    };
    let mut body = lines(0..20);
    body.push_str(&format!("{}\n", large(20)));
    body.push_str(&lines(21..40));
    body.push_str(&format!("{}\n", large(40)));
    body.push_str(&lines(41..60));
    let answer = client.send_lines(&body);
    let id = answer["items"][20]["event_id"].as_str().unwrap();
    set_aside(2);
    assert_eq!(logged(&broker).len(), 58);

    let status = client.status();
    let aside = &status["set_aside_events"];
    assert_eq!((&aside[0]["event_id"], &aside[0]["sequence"]), (&json!(id), &json!(21)), "{aside}");
    assert_eq!(aside[0]["obstacle"], "too_large", "{aside}");
    assert!(status["attention"].to_string().contains("laju-kiosk retry"), "{status}");
    let (_, fate) = client.get(&format!("/v1/events/{id}"));
    assert_eq!((&fate["state"], &fate["obstacle"]), (&json!("set_aside"), &json!("too_large")));
    let table = run(command(KIOSK, &["status", "--agent", &format!("http://{}", client.address)]));
    assert!(table.stdout.contains("laju-kiosk retry"), "{table:?}");

    // Nothing was mended: tried again, it is set aside again, one or all.
    assert!(retry(&client, &[id]).starts_with("1 event is"));
    set_aside(2);
    assert!(retry(&client, &[]).starts_with("2 events are"));
    set_aside(2);
    // It can be taken back like any other, and is so once it arrives.
    let (status, answer) = client.post(
        &format!("/v1/events/{id}/retract"),
        JSON,
        &json!({"reason": "wrong_details"}).to_string(),
    );
    assert_eq!((status, &answer["sequence"]), (202, &json!(61)), "{answer}");
    set_aside(2);
    assert_eq!(logged(&broker).len(), 59);

    // What was set aside stays so over a restart; those behind go on.
    assert!(process.stop().status.success());
    let (process, client) = kiosk.start();
    assert_eq!(client.status()["set_aside"], 2);
    client.send(&activation(62));
    client.drain();

    broker.set_largest_event(EVENTS.max_message_bytes);
    retry(&client, &[]);
    wait_until("everything is sent", || {
        let status = client.status();
        status["unsent"] == 0 && status["set_aside"] == 0
    });
    assert!(process.stop().status.success());
    let mut sequences: Vec<u64> = logged(&broker).iter().map(|(_, n, _)| *n).collect();
    sequences.sort_unstable();
    assert!(sequences.into_iter().eq(1..=62), "each once");
}

#[test]
fn events_wait_for_a_topic_that_is_made_later() {
    if !needs_kafka() {
        return;
    }
    let broker = TestBroker::with(Topics { without: Some(EVENTS.name), ..Topics::of(3) });
    let kiosk = Kiosk::new(broker.connection());
    let (process, client) = kiosk.start();
    client.send_lines(&lines(0..30));
    wait_until("the status says what is in the way", || {
        let obstacle = client.status()["obstacle"].to_string().to_lowercase();
        obstacle.contains("topic")
    });
    assert_eq!(client.status()["unsent"], 30);
    broker.create_topic(&EVENTS, 3, EVENTS.max_message_bytes);
    client.drain();
    assert!(process.stop().status.success());
    let mut sequences: Vec<u64> = logged(&broker).iter().map(|(_, n, _)| *n).collect();
    sequences.sort_unstable();
    assert!(sequences.into_iter().eq(1..=30));
}
