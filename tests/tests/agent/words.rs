//! What a kiosk says of itself on the status topic, and how it ends.

use std::path::Path;
use std::time::{Duration, Instant};

use laju_producer::latest_status::{ReadTimeouts, StatusReadError, StatusSearch};
use laju_schemas::KioskStatus;
use laju_schemas::pseudonym::ProgrammeKey;
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
    let kiosks = [(); 2].map(|()| Kiosk::new(no_broker()).with(&["--drain", "0"]));
    let mut ids = Vec::new();
    for (mut kiosk, from) in kiosks.into_iter().zip([0, 100]) {
        // Both give their numbers before either has heard of the other.
        let (process, client) = kiosk.start();
        let answer = client.send_lines(&lines(from..from + 20));
        let items = answer["items"].as_array().unwrap();
        assert!(items.iter().zip(1..).all(|(item, n)| item["sequence"] == n), "{answer}");
        ids.extend(items.iter().map(|item| item["event_id"].as_str().unwrap().to_owned()));
        assert!(process.stop().status.success());
        kiosk.connection = broker.connection();
        let (process, client) = kiosk.start();
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

/// A disk's image of one evening, put back after another day: whatever was given on that day has
/// been announced in Kafka, and is not given again.
#[test]
fn an_outbox_that_was_set_back_goes_on_above_its_last_word_in_kafka() {
    let broker = TestBroker::start(3);
    let kiosk = Kiosk::new(broker.connection());
    let send = |numbers| {
        let (process, client) = kiosk.start();
        client.send_lines(&lines(numbers));
        client.drain();
        assert!(process.stop().status.success());
    };
    send(0..10);
    let image = kiosk.folder().join("image");
    copy(&kiosk.outbox(), &image);
    send(10..40);
    std::fs::remove_dir_all(kiosk.outbox()).unwrap();
    std::fs::rename(&image, kiosk.outbox()).unwrap();

    let (mut process, client) = kiosk.start();
    // At once: with a broker there no number is given before it is known which were.
    assert_eq!(client.send(&activation(40))["sequence"], 41);
    process.wait_for("the outbox has been set back");
    let attention = client.status()["attention"].to_string();
    for part in ["up to 10", "40 were given", "last word in Kafka", "set back"] {
        assert!(attention.contains(part), "it does not say '{part}': {attention}");
    }
    client.drain();
    assert!(process.stop().status.success());
    let last = statuses(&broker).pop().unwrap();
    assert_eq!((last.highest_sequence, last.unsent), (41, 0));
    let mut sequences: Vec<u64> = logged(&broker).iter().map(|(_, n, _)| *n).collect();
    sequences.sort_unstable();
    assert!(sequences.into_iter().eq(1..=41), "each number was given once");
}

/// Without a connection, by what another volume remembers.
#[test]
fn a_witness_notices_an_outbox_that_was_set_back_and_the_agent_goes_on() {
    let kiosk = Kiosk::new(no_broker());
    let witness = kiosk.folder().join("kiosk.witness");
    let kiosk = kiosk.with(&["--drain", "0", "--witness", witness.to_str().unwrap()]);
    let image = kiosk.folder().join("image");
    for (from, to) in [(0, 20), (20, 40)] {
        let (process, client) = kiosk.start();
        client.send_lines(&lines(from..to));
        assert!(process.stop().status.success());
        if from == 0 {
            copy(&kiosk.outbox(), &image);
        }
    }
    std::fs::remove_dir_all(kiosk.outbox()).unwrap();
    std::fs::rename(&image, kiosk.outbox()).unwrap();
    let (mut process, client) = kiosk.start();
    process.wait_for("the outbox has been set back");
    let attention = client.status()["attention"].to_string();
    for part in ["up to 20", "40 were given", "the witness on another volume", "set back"] {
        assert!(attention.contains(part), "it does not say '{part}': {attention}");
    }
    assert_eq!(client.send(&activation(40))["sequence"], 41);
    let ended = process.stop();
    assert!(ended.status.success(), "{ended:?}");
}

/// Offline, an outbox that was set back gives as many numbers as had been announced, and more.
#[test]
fn an_outbox_that_has_overtaken_its_last_word_is_noticed_and_that_is_not_forgotten() {
    let broker = TestBroker::start(3);
    let mut kiosk = Kiosk::new(broker.connection()).with(&["--drain", "5"]);
    let send = |kiosk: &Kiosk, numbers| {
        let (process, client) = kiosk.start();
        client.send_lines(&lines(numbers));
        if kiosk.connection.brokers == broker.connection().brokers {
            client.drain();
        }
        assert!(process.stop().status.success());
    };
    send(&kiosk, 0..10);
    let image = kiosk.folder().join("image");
    copy(&kiosk.outbox(), &image);
    send(&kiosk, 10..30);
    std::fs::remove_dir_all(kiosk.outbox()).unwrap();
    std::fs::rename(&image, kiosk.outbox()).unwrap();
    kiosk.connection = no_broker();
    send(&kiosk, 30..70);
    kiosk.connection = broker.connection();
    let (mut process, client) = kiosk.start();
    process.wait_for("the outbox has been set back");
    client.drain();
    assert!(process.stop().status.success());
    // And once more at every start of a month, though nothing is wrong with its last word now.
    let (process, client) = kiosk.start();
    let attention = client.status()["attention"].to_string();
    for part in ["knows of 10 numbers", "there were 30", "last word in Kafka", "for 30 days"] {
        assert!(attention.contains(part), "it does not say '{part}': {attention}");
    }
    assert!(process.stop().status.success());
}

fn status(kiosk: &str, highest_sequence: u32) -> KioskStatus {
    KioskStatus {
        kiosk_id: kiosk.parse().unwrap(),
        service_region: "18.71".parse().unwrap(),
        highest_sequence,
        unsent: 0,
        oldest_unsent: None,
        clock_offset_ms: None,
        key_id: None,
        agent_version: "test".to_owned(),
        sent_at: laju_producer::clock::now(),
        retired: false,
    }
}

/// A kiosk that was away while others spoke: what one look has seen, the next need not.
#[test]
fn a_last_word_is_found_behind_those_of_many_others_a_stretch_at_a_time() {
    const OTHERS: u32 = 6_000;
    let broker = TestBroker::start(3);
    let publisher = broker.publisher();
    publisher.publish_status(&status(ID, 40)).unwrap().wait().unwrap();
    let others = (0..OTHERS).map(|number| {
        publisher.publish_status(&status(&format!("other-{}", number % 50), number)).unwrap()
    });
    let others: Vec<_> = others.collect();
    for delivery in others {
        delivery.wait().unwrap();
    }

    let (long, none) = (Duration::from_secs(20), Duration::ZERO);
    let impatient = ReadTimeouts { idle: long, total: none, schema: none };
    let mut search = StatusSearch::new(broker.connection(), ID.parse().unwrap());
    let mut lefts = Vec::new();
    let found = loop {
        match search.look(impatient) {
            Ok(found) => break found.unwrap(),
            Err(StatusReadError::Unfinished { left, .. }) => lefts.push(left),
            Err(error) => panic!("{error}"),
        }
        assert!(lefts.len() < 20, "{lefts:?}");
    };
    assert_eq!(found.status.highest_sequence, 40);
    assert!(!lefts.is_empty() && lefts.is_sorted_by(|a, b| a > b), "{lefts:?}");
    println!("found after {} looks, with {lefts:?} left", lefts.len() + 1);
    let begun = Instant::now();
    let patient = ReadTimeouts { total: long, ..impatient };
    let never =
        StatusSearch::new(broker.connection(), "never-heard".parse().unwrap()).look(patient);
    assert_eq!(never.unwrap(), None);
    println!("{OTHERS} statuses of others looked through in {:.1?}", begun.elapsed());

    let kiosk = Kiosk::new(broker.connection());
    let (process, client) = kiosk.start();
    assert_eq!(client.send(&activation(40))["sequence"], 41);
    client.drain();
    assert!(process.stop().status.success());
}

/// A client that may write to the status topic must not use up a kiosk's numbers.
#[test]
fn a_last_word_of_numbers_too_far_is_not_believed_and_said() {
    let broker = TestBroker::start(3);
    broker.publisher().publish_status(&status(ID, 200_000_000)).unwrap().wait().unwrap();
    let kiosk = Kiosk::new(broker.connection());
    let (process, client) = kiosk.start();
    assert_eq!(client.send(&activation(1))["sequence"], 1);
    client.drain();
    let attention = client.status()["attention"].to_string();
    for part in ["not known whether", "200000000", "not believed", "under this kiosk's id"] {
        assert!(attention.contains(part), "it does not say '{part}': {attention}");
    }
    assert!(!attention.contains("--witness"), "{attention}");
    assert!(process.stop().status.success());
}

/// Under another key everybody is somebody else.
#[test]
fn an_agent_with_another_key_does_not_start_on_an_outbox() {
    let kiosk = Kiosk::new(no_broker()).with(&["--drain", "0"]);
    let (process, client) = kiosk.start();
    client.send(&activation(1));
    assert!(process.stop().status.success());
    let other = "0e84b7c95d1f2a6638f0d5c1b79a4e23c8861fd0a35be97244d1f60b8c3a9e57";
    std::fs::write(kiosk.key_file(), other).unwrap();
    let ended = run(kiosk.command());
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    let id = |key: &str| ProgrammeKey::parse(key).unwrap().id().to_string();
    ended.assert_refused(&[&id(crate::KEY), &id(other), "counted again"]);
    std::fs::write(kiosk.key_file(), crate::KEY).unwrap();
    let (process, client) = kiosk.start();
    assert_eq!(client.status()["unsent"], 1, "nothing of it was changed");
    assert!(process.stop().status.success());
}

/// The files of a folder without folders.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir(to).unwrap();
    for file in std::fs::read_dir(from).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), to.join(file.file_name())).unwrap();
    }
}
