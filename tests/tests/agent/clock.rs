//! A clock that jumps back by a day: numbers go on, requests are known again, nothing is lost, and
//! the kiosk and the country learn how wrong it is.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use laju_producer::agent::submission::{Kiosk, event};
use laju_producer::agent::{Agent, AgentSettings, Status};
use laju_producer::clock;
use laju_producer::connection::Connection;
use laju_producer::outbox::{Accepted, OutboxSettings};
use laju_schemas::TimestampMs;
use laju_schemas::pseudonym::ProgrammeKey;
use laju_tests::broker::TestBroker;
use laju_tests::process::PATIENCE;

use crate::KEY;
use crate::kiosk::{ID, activation, logged};
use crate::words::statuses;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// How far a measured offset may be from what it is, on a busy machine.
const NEAR_MS: i64 = 10_000;

fn start(connection: &Connection, outbox: &std::path::Path, ahead_ms: &Arc<AtomicI64>) -> Agent {
    let settings = AgentSettings {
        kiosk: Kiosk { id: ID.parse().unwrap(), service_region: "18.71".parse().unwrap() },
        outbox: outbox.to_owned(),
        outbox_settings: OutboxSettings::default(),
        connection: connection.clone(),
        worker: None,
        report_every: Duration::from_millis(200),
    };
    let ahead_ms = Arc::clone(ahead_ms);
    let clock = move || TimestampMs(clock::now().0 + ahead_ms.load(Ordering::Acquire));
    Agent::start(settings, ProgrammeKey::parse(KEY).unwrap(), Arc::new(clock)).unwrap()
}

async fn submit(agent: &Agent, numbers: std::ops::Range<u32>) -> Vec<Accepted> {
    let submissions = numbers.map(|number| {
        let mut activation = activation(number);
        activation["idempotency_key"] = format!("key {number}").into();
        event(activation.to_string().as_bytes())
    });
    let answers = agent.submit(submissions.collect()).await.unwrap();
    answers.into_iter().map(Result::unwrap).collect()
}

/// Waits until the agent is where it should be.
async fn until(agent: &Agent, what: &str, is_so: impl Fn(&Status) -> bool) -> Status {
    let deadline = tokio::time::Instant::now() + PATIENCE;
    loop {
        let status = agent.status().await.unwrap();
        if is_so(&status) {
            return status;
        }
        assert!(tokio::time::Instant::now() < deadline, "{what}: {status:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

fn sequences(accepted: &[Accepted]) -> Vec<u32> {
    accepted.iter().map(|accepted| accepted.sequence.get()).collect()
}

#[test]
fn a_clock_that_jumps_back_a_day_loses_and_repeats_nothing() {
    let broker = TestBroker::start(3);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(jump_back_a_day(&broker));
    drop(runtime);

    let last = statuses(&broker).pop().unwrap();
    assert_eq!((last.highest_sequence, last.unsent), (11, 0));
    assert!((last.sent_at.0 + DAY_MS - clock::now().0).abs() < NEAR_MS, "{last:?}");
    match last.clock_offset_ms {
        Some(offset) => {
            assert!(broker.is_real() && (offset + DAY_MS).abs() < NEAR_MS, "{last:?}");
        }
        // The timestamps of the embedded broker are the kiosk's own.
        None => assert!(!broker.is_real(), "{last:?}"),
    }
    let log = logged(&broker);
    let sent: BTreeSet<u64> = log.iter().map(|(_, sequence, _)| *sequence).collect();
    assert!(sent.into_iter().eq(1..=11), "{log:?}");
    let ids: BTreeSet<&String> = log.iter().map(|(id, _, _)| id).collect();
    assert_eq!(ids.len(), 11);
}

async fn jump_back_a_day(broker: &TestBroker) {
    let folder = tempfile::tempdir().unwrap();
    let ahead_ms = Arc::new(AtomicI64::new(0));
    let agent = start(&broker.connection(), folder.path(), &ahead_ms);
    let first = submit(&agent, 0..5).await;
    assert_eq!(sequences(&first), [1, 2, 3, 4, 5]);
    let before = until(&agent, "all is sent", |status| status.unsent == 0).await;
    assert!(before.attention.is_empty(), "{before:?}");

    ahead_ms.store(-DAY_MS, Ordering::Release);
    let again = submit(&agent, 0..5).await;
    let repeated: Vec<Accepted> =
        first.iter().map(|accepted| Accepted { repeated: true, ..*accepted }).collect();
    assert_eq!(again, repeated);
    let status = agent.status().await.unwrap();
    let said = format!("{:?}", status.attention);
    assert!(said.contains("gone back by 86") && said.contains("numbers go on"), "{said}");
    let second = submit(&agent, 5..10).await;
    assert_eq!(sequences(&second), [6, 7, 8, 9, 10]);
    let is_real = broker.is_real();
    let is_off = move |status: &Status| {
        status.clock_offset_ms.is_some_and(|offset| (offset + DAY_MS).abs() < NEAR_MS)
    };
    let status = until(&agent, "all is sent, and the offset measured", |status| {
        status.unsent == 0 && (is_off(status) || !is_real)
    })
    .await;
    assert_eq!(is_off(&status), is_real, "{status:?}");
    let says_so = format!("{:?}", status.attention).contains("behind the broker's");
    assert_eq!(says_so, is_real, "{status:?}");
    assert_eq!(agent.shutdown(PATIENCE).await.unwrap(), 0);

    // An agent that starts with the clock still wrong knows everything, too.
    let agent = start(&broker.connection(), folder.path(), &ahead_ms);
    let again = submit(&agent, 0..10).await;
    assert!(again.iter().all(|accepted| accepted.repeated));
    assert_eq!(sequences(&again), (1..=10).collect::<Vec<_>>());
    assert_eq!(sequences(&submit(&agent, 10..11).await), [11]);
    until(&agent, "all is sent", |status| status.unsent == 0).await;
    agent.shutdown(PATIENCE).await.unwrap();
}
