//! Backups and restores that are killed at any moment, again and again.

use std::time::Duration;

use laju_schemas::topic::{ALL, EVENTS};
use laju_tests::broker::TestBroker;
use laju_tests::events::activations;
use laju_tests::process::{Process, run};
use rand::rngs::StdRng;
use rand::{RngExt as _, SeedableRng as _};

use crate::transactions::Transactions;
use crate::{PARTITIONS, answer, assert_same, backup, restore};

const EVENTS_EACH: u32 = 20_000;
const KILLS: u32 = 4;

/// Runs a command so often, killed at random moments, unless it has ended by then. Gives how often it
/// was killed.
fn killed(
    mut make: impl FnMut() -> std::process::Command,
    random: &mut StdRng,
    longest: u64,
) -> u32 {
    let mut kills = 0;
    for _ in 0..KILLS {
        let mut process = Process::start(make());
        // Not to let something settle, but to choose the moment of the kill.
        std::thread::sleep(Duration::from_millis(random.random_range(20..longest)));
        kills += u32::from(process.is_running());
        drop(process.kill());
    }
    kills
}

#[test]
fn a_backup_and_a_restore_that_are_killed_again_and_again_lose_and_double_nothing() {
    let original = TestBroker::start(PARTITIONS);
    original.publish(&activations(0..EVENTS_EACH, PARTITIONS));
    if let Some(transactions) = Transactions::to(&original, &EVENTS) {
        for round in 0..12 {
            let from = 2 * EVENTS_EACH + round * 3;
            transactions.write(&activations(from..from + 3, PARTITIONS), round % 3 > 0);
        }
    }
    original.publish(&activations(EVENTS_EACH..2 * EVENTS_EACH, PARTITIONS));
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let mut random = StdRng::seed_from_u64(3);
    let kills = killed(|| backup(&original.connection(), root, &[]), &mut random, 1_500);
    assert!(kills > 0, "none was killed on its way");
    answer(backup(&original.connection(), root, &["--json"]));

    let copy = TestBroker::start(PARTITIONS);
    let (mut kills, mut stuck) = (0, 0);
    loop {
        kills += killed(|| restore(&copy.connection(), root), &mut random, 2_500);
        let ended = run(restore(&copy.connection(), root));
        if ended.status.success() {
            break;
        }
        // Killed in the middle of a transaction, it may not go on, and says what to do.
        ended.assert_refused(&[&copy.connection().topic(&EVENTS)]);
        assert!(copy.is_real() && stuck < 20, "{ended:?}");
        stuck += 1;
        for topic in ALL {
            copy.make_again(&topic, PARTITIONS);
        }
    }
    assert!(kills > 0, "none was killed on its way");
    assert_same(&original, &copy);
    if copy.is_real() {
        assert_eq!(copy.config(&EVENTS)["message.timestamp.type"], "LogAppendTime");
    }
}
