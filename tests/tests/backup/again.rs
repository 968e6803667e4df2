//! A restore that is run again: when all is there, when the backup has gone on, and when somebody
//! writes meanwhile.

use std::sync::atomic::AtomicBool;

use laju_consumer::backup::BackupError;
use laju_consumer::backup::restore::{Restoring, Step};
use laju_schemas::topic::{ALL, EVENTS, REFERENCE};
use laju_schemas::{CopyId, TimestampMs};
use laju_tests::broker::TestBroker;
use laju_tests::events::{self, activations, now_ms};
use laju_tests::process::run;

use crate::{PARTITIONS, answer, assert_same, backup, restore};

fn denominator(broker: &TestBroker, number: u8) {
    let figure = events::denominator(number, 1_000);
    broker.publisher().publish_reference(&figure).unwrap().wait().unwrap();
}

#[test]
fn a_copy_that_is_whole_is_left_as_it_is_when_the_backup_has_gone_on() {
    let original = TestBroker::start(PARTITIONS);
    original.publish(&activations(0..50, PARTITIONS));
    denominator(&original, 1);
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    answer(backup(&original.connection(), root, &["--json"]));
    let copy = TestBroker::start(PARTITIONS);
    let first = answer(restore(&copy.connection(), root));
    assert_same(&original, &copy);

    let again = answer(restore(&copy.connection(), root));
    assert_eq!(again["copy"], first["copy"]);

    // What is new of the reference figures would come before the decisions are looked at.
    let ends = || ALL.map(|topic| copy.ends(&topic));
    let before = ends();
    denominator(&original, 2);
    original.publish(&activations(50..60, PARTITIONS));
    answer(backup(&original.connection(), root, &["--json"]));
    let refused = run(restore(&copy.connection(), root));
    assert_eq!(ends(), before);
    refused.assert_refused(&["has gone on to", "another"]);
    assert!(original.ends(&REFERENCE) > copy.ends(&REFERENCE));
    if copy.is_real() {
        assert_eq!(copy.config(&EVENTS)["message.timestamp.type"], "LogAppendTime");
    }
}

#[test]
fn who_writes_behind_a_partition_that_is_done_is_noticed_before_the_end() {
    let original = TestBroker::start(PARTITIONS);
    original.publish(&activations(0..60, PARTITIONS));
    let directory = tempfile::tempdir().unwrap();
    answer(backup(&original.connection(), directory.path(), &["--json"]));
    let copy = TestBroker::start(PARTITIONS);
    let connection = copy.connection();
    let foreign: Vec<_> = activations(900..960, PARTITIONS)
        .into_iter()
        .filter(|record| record.partition == 0)
        .take(1)
        .collect();
    let stop = AtomicBool::new(false);
    let restoring = Restoring {
        connection: &connection,
        root: directory.path(),
        now: TimestampMs(now_ms()),
        copy_id: CopyId([7; 16]),
        stop: &stop,
    };
    let first_is_done = original.ends(&EVENTS)[0] as u64;
    let mut is_disturbed = false;
    let error = restoring
        .run(&mut |step, at, _| {
            if step == Step::Writing && at >= first_is_done && !is_disturbed {
                is_disturbed = true;
                copy.publish(&foreign);
            }
        })
        .unwrap_err();
    assert!(
        matches!(error, BackupError::Disturbed { partition: 0, found: (0, found), .. }
            if found as u64 == first_is_done + 1),
        "{error}"
    );
}
