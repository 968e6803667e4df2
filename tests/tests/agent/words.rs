//! What a kiosk says of itself on the status topic, and how it ends.

use std::time::{Duration, Instant};

use laju_schemas::KioskStatus;
use laju_schemas::status::StatusReader;
use laju_schemas::topic::KIOSK_STATUS;
use laju_tests::broker::TestBroker;
use laju_tests::process::{command, connect, run, wait_until};

use crate::KIOSK;
use crate::kiosk::{ID, Kiosk, activation, lines, logged, no_broker};

/// Everything that kiosks have said, in order.
pub(crate) fn statuses(broker: &TestBroker) -> Vec<KioskStatus> {
    let reader = StatusReader::new().unwrap();
    let records = broker.read(&KIOSK_STATUS);
    records
        .iter()
        .map(|record| {
            let status = reader.read(record.record.value.as_deref().unwrap()).unwrap();
            assert_eq!(record.record.key.as_deref(), Some(status.kiosk_id.as_str().as_bytes()));
            status
        })
        .collect()
}

#[test]
fn a_kiosk_says_where_it_stands_at_the_start_every_so_often_and_at_the_end() {
    let broker = TestBroker::start(3);
    let kiosk = Kiosk::new(broker.connection()).with(&["--report-every", "1"]);
    let (process, client) = kiosk.start();
    wait_until("a first word", || !statuses(&broker).is_empty());
    let first = statuses(&broker).remove(0);
    assert_eq!((first.highest_sequence, first.unsent, first.oldest_unsent), (0, 0, None));
    assert_eq!((first.kiosk_id.as_str(), first.service_region.to_string()), (ID, "18.71".into()));
    assert!(!first.retired && !first.agent_version.is_empty());
    client.send_lines(&lines(0..7));
    client.drain();
    wait_until("a word about the events", || {
        statuses(&broker).iter().any(|status| (status.highest_sequence, status.unsent) == (7, 0))
    });
    let heard = statuses(&broker).len();
    wait_until("another word, without a reason", || statuses(&broker).len() > heard);
    client.send(&activation(7));
    let ended = process.stop();
    assert!(ended.status.success(), "{ended:?}");
    assert!(ended.stderr.contains("every event was sent"), "{ended:?}");
    let last = statuses(&broker).pop().unwrap();
    assert_eq!((last.highest_sequence, last.unsent, last.retired), (8, 0, false));
    assert!(last.clock_offset_ms.is_some() == broker.is_real(), "{last:?}");
    assert_eq!(logged(&broker).len(), 8);

    // A lost kiosk is retired by somebody else, who knows no more than what it said.
    let mut retire = command(KIOSK, &["retire", "--kiosk-id", ID]);
    connect(&mut retire, &broker.connection());
    let ended = run(retire);
    assert!(!ended.stderr.contains("ERROR"), "{ended:?}");
    assert!(ended.status.success(), "{ended:?}");
    let retired = statuses(&broker).pop().unwrap();
    assert_eq!(KioskStatus { retired: false, sent_at: last.sent_at, ..retired.clone() }, last);
    assert!(retired.retired);

    let mut unknown = command(KIOSK, &["retire", "--kiosk-id", "kbl-99"]);
    connect(&mut unknown, &broker.connection());
    run(unknown).assert_refused(&["kbl-99", "--service-region"]);
}

#[test]
fn the_end_without_a_broker_is_prompt_and_keeps_everything() {
    let broker = TestBroker::start(3);
    let mut kiosk = Kiosk::new(no_broker()).with(&["--drain", "1"]);
    let (process, client) = kiosk.start();
    client.send_lines(&lines(0..50));
    let begun = Instant::now();
    let ended = process.stop();
    let took = begun.elapsed();
    assert_eq!(ended.status.code(), Some(0), "{ended:?}");
    assert!(ended.stderr.contains("the rest stays in the outbox"), "{ended:?}");
    // What it is given, the last words, and a busy machine.
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(9), "{took:?}");
    println!("ended after {took:.1?}");

    kiosk.connection = broker.connection();
    let (process, client) = kiosk.start();
    assert_eq!(client.status()["highest_sequence"], 50);
    client.drain();
    assert!(process.stop().status.success());
    assert_eq!(logged(&broker).len(), 50);
}

#[test]
fn an_end_while_the_broker_is_away_waits_for_it_as_long_as_it_may() {
    let broker = TestBroker::start(3);
    let kiosk = Kiosk::new(broker.connection()).with(&["--drain", "60"]);
    let (mut process, client) = kiosk.start();
    client.send(&activation(0));
    client.drain();
    let Some(outage) = broker.outage() else { return };
    client.send_lines(&lines(1..50));
    process.ask_to_stop();
    process.wait_for("sending what is left");
    drop(outage);
    let ended = process.wait();
    assert!(ended.status.success(), "{ended:?}");
    assert!(ended.stderr.contains("every event was sent"), "{ended:?}");
    let last = statuses(&broker).pop().unwrap();
    assert_eq!((last.highest_sequence, last.unsent), (50, 0));
    // Kafka recognises what the client sends again after an outage; the embedded broker does not.
    let mut sequences: Vec<u64> = logged(&broker).iter().map(|(_, n, _)| *n).collect();
    sequences.sort_unstable();
    sequences.dedup();
    assert!(sequences.into_iter().eq(1..=50));
}

/// Which of the two is right nobody can tell here; the worker names the conflict.
#[test]
fn two_agents_with_one_kiosk_id_both_get_everything_to_the_log() {
    let broker = TestBroker::start(3);
    let kiosks = [(); 2].map(|()| Kiosk::new(broker.connection()));
    let mut ids = Vec::new();
    for (kiosk, from) in kiosks.iter().zip([0, 100]) {
        let (process, client) = kiosk.start();
        let answer = client.send_lines(&lines(from..from + 20));
        let items = answer["items"].as_array().unwrap();
        assert!(items.iter().zip(1..).all(|(item, n)| item["sequence"] == n), "{answer}");
        ids.extend(items.iter().map(|item| item["event_id"].as_str().unwrap().to_owned()));
        client.drain();
        assert!(process.stop().status.success());
    }
    let log = logged(&broker);
    let mut found: Vec<_> = log.iter().map(|(id, _, _)| id.clone()).collect();
    found.sort();
    ids.sort();
    assert_eq!(found, ids);
    for sequence in 1..=20 {
        assert_eq!(log.iter().filter(|(_, n, _)| *n == sequence).count(), 2, "{sequence}");
    }
}
