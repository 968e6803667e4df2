//! A log that has lost its beginning: said clearly, and kept as it is only where that is asked for.

use laju_schemas::topic::EVENTS;
use laju_tests::broker::TestBroker;
use laju_tests::events::activations;
use laju_tests::process::run;

use crate::{PARTITIONS, answer, backup, restore};

#[test]
fn a_log_without_its_beginning_is_kept_only_where_that_is_asked_for_and_at_its_offsets() {
    let original = TestBroker::start(PARTITIONS);
    if !original.is_real() {
        return;
    }
    original.publish(&activations(0..120, PARTITIONS));
    let whole = original.read_log();
    original.cut_events(0, 1);
    original.cut_events(1, 17);
    // Of one, nothing is left.
    let all = original.ends(&EVENTS)[2];
    original.cut_events(2, all);
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    run(backup(&original.connection(), root, &[])).assert_refused(&[
        "begins at offset",
        "what came first is gone",
        "--without-beginning",
    ]);
    let said = answer(backup(&original.connection(), root, &["--without-beginning", "--json"]));
    assert_eq!(said["topics"][EVENTS.name]["partitions"][1]["begin"], 17);
    assert_eq!(said["topics"][EVENTS.name]["partitions"][2]["begin"], all);

    // What stands where the backup has nothing is somebody's.
    let other = TestBroker::start(PARTITIONS);
    let foreign = activations(900..960, PARTITIONS);
    let foreign: Vec<_> =
        foreign.into_iter().filter(|record| record.partition == 1).take(3).collect();
    other.publish(&foreign);
    run(restore(&other.connection(), root)).assert_refused(&["has records already", "partition 1"]);
    assert_eq!(other.read_log().len(), 3);

    let copy = TestBroker::bare(PARTITIONS);
    answer(restore(&copy.connection(), root));
    assert_eq!(copy.ends(&EVENTS), original.ends(&EVENTS));
    assert_eq!(copy.begins(&EVENTS), original.begins(&EVENTS));
    let left: Vec<_> = whole
        .into_iter()
        .filter(|record| record.offset >= copy.begins(&EVENTS)[record.partition as usize])
        .collect();
    let found: Vec<_> = copy.read_from_begin(&EVENTS).into_iter().map(|r| r.record).collect();
    assert_eq!(found, left);

    // What is deleted between two backups is missed.
    let ends = original.ends(&EVENTS);
    original.publish(&activations(120..240, PARTITIONS));
    original.cut_events(1, ends[1] + 2);
    run(backup(&original.connection(), root, &[])).assert_refused(&["what stood between is gone"]);
}
