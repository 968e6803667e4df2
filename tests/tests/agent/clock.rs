//! A clock that is wrong. One that jumps back by a day: numbers go on, requests are known again,
//! nothing is lost, and the kiosk and the country learn how wrong it is. One that cannot be right:
//! nothing gets its time, nothing correct is refused for good, and what was taken is remembered.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use laju_kafka::connection::Connection;
use laju_producer::agent::submission::event;
use laju_producer::agent::{
    Agent, AgentSettings, ClockState, DoubtfulTimes, Kiosk, Refused, Status,
};
use laju_producer::clock;
use laju_producer::outbox::{Accepted, OutboxSettings};
use laju_schemas::TimestampMs;
use laju_schemas::known::EventReader;
use laju_schemas::pseudonym::ProgrammeKey;
use laju_tests::broker::TestBroker;
use laju_tests::process::PATIENCE;

use crate::KEY;
use crate::kiosk::{ID, activation, logged, no_broker};
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
    // Where a broker has told the time the clock cannot be right, until the broker is met again.
    let is_met = |status: &Status| status.clock_offset_ms.is_some() || !is_real;
    until(&agent, "the broker is met", is_met).await;
    assert_eq!(sequences(&submit(&agent, 10..11).await), [11]);
    until(&agent, "all is sent", |status| status.unsent == 0).await;
    agent.shutdown(PATIENCE).await.unwrap();
}

/// Sends one event, with a time of its own or without.
async fn send(agent: &Agent, number: u32, at: Option<TimestampMs>) -> Result<Accepted, Refused> {
    let mut activation = activation(number);
    activation["idempotency_key"] = format!("key {number}").into();
    if let Some(at) = at {
        activation["occurred_at"] = at.to_string().into();
    }
    let answers = agent.submit(vec![event(activation.to_string().as_bytes())]).await.unwrap();
    answers.into_iter().next().unwrap()
}

/// The times of the log's events, by their sequences.
fn times(broker: &TestBroker) -> BTreeMap<i64, i64> {
    let mut reader = EventReader::new(&[]).unwrap();
    let log = broker.read_log();
    let events = log.iter().map(|record| {
        let event = reader.read(record.value.as_deref().unwrap()).unwrap();
        (event.sequence, event.occurred_at)
    });
    events.collect()
}

#[test]
fn a_clock_that_cannot_be_right_refuses_nothing_for_good_and_dates_nothing() {
    let broker = TestBroker::start(3);
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        for wrong in ["1970-01-01T00:05:00Z", "2023-03-01T08:00:00Z", "2099-01-01T00:00:00Z"] {
            boots_with(wrong).await;
        }
        meets_the_broker_late(&broker).await;
    });
    let now = clock::now().0;
    let times = times(&broker);
    assert_eq!(times.len(), if broker.is_real() { 3 } else { 2 });
    // By the broker's clock, whatever the kiosk's says.
    if broker.is_real() {
        assert!((times[&3] - now).abs() < 2 * NEAR_MS, "{times:?}");
    }
}

/// Offline, with a clock that shows this.
async fn boots_with(wrong: &str) {
    let folder = tempfile::tempdir().unwrap();
    let wrong: TimestampMs = wrong.parse().unwrap();
    let ahead_ms = Arc::new(AtomicI64::new(wrong.0 - clock::now().0));
    let agent = start(&no_broker(), folder.path(), &ahead_ms);
    let refused = send(&agent, 1, None).await.unwrap_err();
    assert!(matches!(refused, Refused::Clock(_)), "{refused:?}");
    assert!(refused.to_string().contains("set it (NTP)"), "{refused}");
    let status = agent.status().await.unwrap();
    assert!(matches!(status.clock, ClockState::Wrong { .. }), "{status:?}");
    assert!(format!("{:?}", status.attention).contains("cannot be right"), "{status:?}");
    // A time that is plausible is taken, and what was taken is known again.
    let dated = Some(TimestampMs(clock::now().0 - 60_000));
    let taken = send(&agent, 2, dated).await.unwrap();
    assert_eq!((taken.sequence.get(), taken.repeated), (1, false));
    assert!(send(&agent, 2, dated).await.unwrap().repeated);
    // Somebody sets the clock: the very same request is taken.
    ahead_ms.store(0, Ordering::Release);
    let taken = send(&agent, 1, None).await.unwrap();
    assert_eq!((taken.sequence.get(), taken.repeated), (2, false));
    ahead_ms.store(wrong.0 - clock::now().0, Ordering::Release);
    assert!(send(&agent, 1, None).await.unwrap().repeated, "known whatever the clock shows");
    let status = agent.status().await.unwrap();
    let [found] = &status.doubtful[..] else { panic!("{status:?}") };
    assert_eq!((found.found.span.first, found.found.span.events), (1, 1));
    assert_eq!(found.found.times, DoubtfulTimes::ClientAlone);
    agent.shutdown(Duration::ZERO).await.unwrap();
    let agent = start(&no_broker(), folder.path(), &ahead_ms);
    assert_eq!(agent.status().await.unwrap().doubtful, status.doubtful, "for good");
    agent.shutdown(Duration::ZERO).await.unwrap();
}

/// A clock that is days ahead, which may be right for all that an offline kiosk knows.
async fn meets_the_broker_late(broker: &TestBroker) {
    let folder = tempfile::tempdir().unwrap();
    let ahead_ms = Arc::new(AtomicI64::new(20 * DAY_MS));
    let agent = start(&no_broker(), folder.path(), &ahead_ms);
    let given = clock::now().0 + 20 * DAY_MS;
    assert!(send(&agent, 1, None).await.is_ok());
    assert!(send(&agent, 2, Some(clock::now())).await.is_ok());
    agent.shutdown(Duration::ZERO).await.unwrap();

    let agent = start(&broker.connection(), folder.path(), &ahead_ms);
    let status = until(&agent, "all is sent", |status| status.unsent == 0).await;
    if !broker.is_real() {
        // The timestamps of the embedded broker are the kiosk's own: nothing is found out.
        assert!(status.doubtful.is_empty(), "{status:?}");
        agent.shutdown(PATIENCE).await.unwrap();
        return;
    }
    let status = until(&agent, "it is found out", |status| !status.doubtful.is_empty()).await;
    let [found] = &status.doubtful[..] else { panic!("{status:?}") };
    assert_eq!((found.found.span.first, found.found.span.last, found.found.span.events), (1, 1, 1));
    assert!((found.found.offset_ms.unwrap() - 20 * DAY_MS).abs() < NEAR_MS, "{found:?}");
    let [shown] = &found.shown[..] else { panic!("{found:?}") };
    assert!((shown.occurred_at.0 - given).abs() < NEAR_MS && shown.sequence == 1, "{shown:?}");
    let said = format!("{:?}", status.attention);
    assert!(said.contains("taken with times of a wrong clock"), "{said}");
    assert!(send(&agent, 3, None).await.is_ok());
    until(&agent, "all is sent", |status| status.unsent == 0).await;
    agent.shutdown(PATIENCE).await.unwrap();
}
