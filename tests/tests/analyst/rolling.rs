//! Brokers that are restarted one after the other, as every upgrade of them does: nothing that reads
//! a range of the log fails for it.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};

use laju_tests::asking::Over;
use laju_tests::broker::{TestBroker, Topics};
use laju_tests::events::activations;
use laju_tests::kafka::OwnKafka;
use laju_tests::process::{command, connect};

use crate::LAJU;

const PARTITIONS: u32 = 3;
const BROKERS: u16 = 3;

/// Ends each broker in turn, and starts it again before the next.
fn restart_all(kafka: &OwnKafka) {
    for number in 1..=BROKERS {
        kafka.kill_broker(number);
        kafka.start_broker_again(number);
    }
}

#[test]
fn exports_and_replays_come_through_a_rolling_restart_of_the_brokers() {
    let Some(kafka) = OwnKafka::of(BROKERS) else { return };
    let broker =
        TestBroker::with_at(kafka.address(), Topics { copies: BROKERS, ..Topics::of(PARTITIONS) });
    broker.publish(&activations(0..600, PARTITIONS));
    let connection = broker.connection();
    let directory = tempfile::tempdir().unwrap();
    let of = |args: &[&str]| -> Command {
        let mut command = command(LAJU, args);
        connect(&mut command, &connection);
        command
    };
    let is_over = AtomicBool::new(false);
    let mut runs = 0;
    std::thread::scope(|scope| {
        scope.spawn(|| {
            // Told even if a broker does not come back.
            let _over = Over(&is_over);
            restart_all(&kafka);
        });
        while !is_over.load(Ordering::Acquire) {
            let output = directory.path().join(format!("export-{runs}"));
            let output = output.to_str().unwrap();
            // Without a limit of the tests' own: each question may be asked for a minute.
            let export = of(&["export", "--format", "csv", "--output", output]).output();
            let ended = export.unwrap();
            assert!(ended.status.success(), "export {runs}: {ended:?}");
            let ended = of(&["replay", "--from", "2022-01-01"]).output().unwrap();
            assert!(ended.status.success(), "replay {runs}: {ended:?}");
            let rows = ended.stdout.iter().filter(|byte| **byte == b'\n').count();
            assert_eq!(rows, 600, "replay {runs}");
            runs += 1;
        }
    });
    println!("{runs} exports and replays during the restart");
    assert!(runs > 0);
}
