//! Stores that are not this worker's, are damaged, or stand on a disk that does not take them:
//! refused with what to do about it, and left as they are.

use std::fs;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::os::unix::process::CommandExt as _;
use std::path::Path;

use laju_consumer::projection::store::{Log, Store, StoreError};
use laju_schemas::topic::EVENTS;
use laju_tests::broker::TestBroker;
use laju_tests::events::activations;
use laju_tests::generate;
use laju_tests::judge::{Stored, copy_tree};
use laju_tests::log::LogRecord;
use laju_tests::make;
use laju_tests::process::{Process, run, wait_until, with_files_up_to, worker};
use rand::SeedableRng as _;
use rand::rngs::StdRng;

use crate::{LAJU, PARTITIONS, counted, fold_all, log, refused};

/// A worker on a store that says it is of another log, and again with `--rebuild`.
fn refused_until_rebuilt(broker: &TestBroker, log: &Log, records: &[LogRecord], words: &[&str]) {
    let store = tempfile::tempdir().unwrap();
    make::store(store.path(), log, records, 2);
    let before = Stored::open_copy(store.path(), log).unwrap();
    refused(broker, store.path(), words);
    let after = Stored::open_copy(store.path(), log).unwrap();
    assert_eq!(after.positions, before.positions, "what is refused is left as it is");
    let mut command = worker(LAJU, &broker.connection(), store.path());
    command.arg("--rebuild");
    let mut process = Process::start(command);
    process.wait_ready();
    assert!(process.stop().status.success());
    let rebuilt = Stored::open_copy(store.path(), &self::log(broker)).unwrap();
    let mut random = StdRng::seed_from_u64(1);
    rebuilt.assert_is_the_fold_of(&broker.read_log(), PARTITIONS, 2, &mut random);
}

/// A worker on a store that says it is of another log, which `--rebuild` does not touch either.
fn refused_and_kept(broker: &TestBroker, log: &Log, records: &[LogRecord], words: &[&str]) {
    let store = tempfile::tempdir().unwrap();
    make::store(store.path(), log, records, 2);
    let before = Stored::open_copy(store.path(), log).unwrap();
    refused(broker, store.path(), words);
    let mut command = worker(LAJU, &broker.connection(), store.path());
    command.arg("--rebuild");
    run(command).assert_refused(words);
    let after = Stored::open_copy(store.path(), log).unwrap();
    assert_eq!(after.positions, before.positions, "the old store stays");
}

#[test]
fn a_log_without_its_beginning_is_not_folded_again_and_the_old_store_stays() {
    let broker = TestBroker::start(PARTITIONS);
    if !broker.is_real() {
        // The embedded broker deletes nothing on demand.
        return;
    }
    broker.publish(&activations(0..60, PARTITIONS));
    let store = tempfile::tempdir().unwrap();
    assert_eq!(counted(&fold_all(&broker, store.path(), &[])), (60, 0));
    broker.cut_events(1, 3);
    let words = ["partition 1", "begins at offset 3", "offset 0", "retention.ms"];
    let mut command = worker(LAJU, &broker.connection(), store.path());
    command.arg("--rebuild");
    run(command).assert_refused(&words);
    // Nor is a new store begun.
    let other = tempfile::tempdir().unwrap();
    refused(&broker, other.path(), &words);
    // What was folded is still there, and goes on.
    broker.publish(&activations(60..70, PARTITIONS));
    assert_eq!(counted(&fold_all(&broker, store.path(), &[])), (70, 0));
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    broker.cut_events(2, 4);
    // What was cut before it began is said, too.
    process.wait_for("partition=2 offset=4");
    assert!(process.log().contains("beginning is being deleted"), "{}", process.log());
    let metric = "laju_log_begin_offset{partition=\"2\"} 4";
    wait_until("the metric", || {
        process.try_get("/metrics").is_some_and(|(_, m)| m.contains(metric))
    });
    // Cut behind where it stands, it is refused where it lacks something.
    assert!(process.stop().status.success());
    broker.publish(&activations(70..200, PARTITIONS));
    let next = Stored::open_copy(store.path(), &log(&broker)).unwrap().positions[&0].next_offset;
    broker.cut_events(0, next + 5);
    let begins = format!("begins at offset {}", next + 5);
    refused(&broker, store.path(), &["partition 0", &begins, &format!("offset {}", next - 1)]);
}

#[test]
fn a_store_of_another_cluster_is_refused_by_name() {
    let broker = TestBroker::start(PARTITIONS);
    let records = activations(0..20, PARTITIONS);
    broker.publish(&records);
    let ours = log(&broker);
    let log = Log { cluster_id: "another-cluster".to_owned(), ..ours.clone() };
    let words = ["belongs to cluster another-cluster", &ours.cluster_id, "--rebuild"];
    refused_until_rebuilt(&broker, &log, &records, &words);
}

#[test]
fn a_store_of_another_number_of_partitions_is_refused() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&activations(0..20, PARTITIONS));
    let log = Log { partitions: 2, ..log(&broker) };
    let words = ["when it had 2 partitions", "it has 3", "make a new topic", "--rebuild"];
    refused_and_kept(&broker, &log, &activations(0..20, 2), &words);
}

#[test]
fn a_store_of_a_topic_that_was_made_again_is_refused_with_both_ids() {
    let broker = TestBroker::start(PARTITIONS);
    let records = activations(0..20, PARTITIONS);
    broker.publish(&records);
    let ours = log(&broker);
    let is = ours.topic_id.clone().unwrap();
    // Made again with more partitions it is a log of its own, and can be folded from nothing.
    for partitions in [PARTITIONS, 2] {
        let was = Some("ThatWhichItWasMadeOf00".to_owned());
        let log = Log { topic_id: was, partitions, ..ours.clone() };
        let words = ["ThatWhichItWasMadeOf00", &is, "deleted and made again", "--rebuild"];
        refused_until_rebuilt(&broker, &log, &activations(0..20, partitions), &words);
    }
}

#[test]
fn a_store_from_before_there_were_ids_takes_the_topics_own() {
    let broker = TestBroker::start(PARTITIONS);
    let records = activations(0..20, PARTITIONS);
    broker.publish(&records);
    let ours = log(&broker);
    let store = tempfile::tempdir().unwrap();
    let without = Log { topic_id: None, ..ours.clone() };
    make::store(store.path(), &without, &broker.read_log(), 2);
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    assert!(process.stop().status.success());
    assert_eq!(Store::open_existing(store.path()).unwrap().identity().topic_id, ours.topic_id);
}

#[test]
fn a_store_of_other_rules_is_refused() {
    let broker = TestBroker::start(PARTITIONS);
    let records = activations(0..20, PARTITIONS);
    broker.publish(&records);
    let log = Log { fold_version: "0-old".to_owned(), ..log(&broker) };
    refused_until_rebuilt(&broker, &log, &records, &["fold version 0-old", "--rebuild"]);
}

/// All of a log, with the offsets that a broker would give.
fn numbered(mut records: Vec<LogRecord>) -> Vec<LogRecord> {
    let mut next = vec![0; PARTITIONS as usize];
    for record in &mut records {
        record.offset = next[record.partition as usize];
        next[record.partition as usize] += 1;
    }
    records
}

#[test]
fn a_topic_made_again_is_recognised_by_its_records_whatever_the_ids_say() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&activations(0..30, PARTITIONS));
    let log = log(&broker);
    // Other records at the same offsets, and more of them than there are.
    for (numbers, words) in [(100..110, "is another one"), (100..400, "ends before offset")] {
        let records = numbered(activations(numbers, PARTITIONS));
        refused_until_rebuilt(&broker, &log, &records, &[words, "--rebuild"]);
    }
    if broker.is_real() {
        let store = tempfile::tempdir().unwrap();
        assert_eq!(counted(&fold_all(&broker, store.path(), &[])), (30, 0));
        broker.delete_topic(&EVENTS);
        broker.create_topic(&EVENTS, PARTITIONS, EVENTS.max_message_bytes);
        broker.publish(&activations(100..130, PARTITIONS));
        refused(&broker, store.path(), &["deleted and made again"]);
    }
}

#[test]
fn a_directory_of_something_else_is_refused_and_left_alone() {
    let broker = TestBroker::start(PARTITIONS);
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("thesis.odt");
    fs::write(&file, "years of work").unwrap();
    refused(&broker, directory.path(), &["is not empty and not a store", "--store"]);
    let mut command = worker(LAJU, &broker.connection(), directory.path());
    command.arg("--rebuild");
    run(command).assert_refused(&["is not empty and not a store"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), "years of work");
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1, "nothing is added");
    // A file where the directory should be.
    refused(&broker, &file, &["thesis.odt", "cannot be used"]);
}

#[test]
fn two_workers_do_not_share_a_store() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&activations(0..30, PARTITIONS));
    let store = tempfile::tempdir().unwrap();
    let mut first = Process::start(worker(LAJU, &broker.connection(), store.path()));
    first.wait_ready();
    refused(&broker, store.path(), &["in use by another worker", "--store"]);
    let mut rebuild = worker(LAJU, &broker.connection(), store.path());
    rebuild.arg("--rebuild");
    run(rebuild).assert_refused(&["in use by another worker"]);
    assert_eq!(first.try_get("/readyz").map(|(status, _)| status), Some(200), "the first goes on");
    assert!(first.stop().status.success());
    assert_eq!(counted(&Stored::open_copy(store.path(), &log(&broker)).unwrap()), (30, 0));
}

#[test]
fn a_snapshot_torn_by_a_kill_does_not_stop_the_next_start() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&activations(0..30, PARTITIONS));
    let store = tempfile::tempdir().unwrap();
    fold_all(&broker, store.path(), &[]);
    let torn = store.path().join("db").join("snap.00000000000FFFFF.generating");
    fs::write(&torn, [0x5a; 100]).unwrap();
    broker.publish(&activations(30..40, PARTITIONS));
    assert_eq!(counted(&fold_all(&broker, store.path(), &[])), (40, 0));
    assert!(!torn.exists());
}

/// A log for stores that need no broker.
fn log_of_nobody() -> Log {
    Log {
        cluster_id: "nobody's".to_owned(),
        topic_id: None,
        topic: EVENTS.name.to_owned(),
        partitions: PARTITIONS,
        fold_version: "1".to_owned(),
    }
}

/// Every file of a directory, and of those in it.
fn files(directory: &Path) -> Vec<std::path::PathBuf> {
    let mut all = Vec::new();
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() { all.extend(files(&path)) } else { all.push(path) }
    }
    all.sort();
    all
}

#[test]
fn a_flipped_byte_is_refused_or_cut_off_but_never_counted() {
    let log = log_of_nobody();
    let store = tempfile::tempdir().unwrap();
    let records = numbered(generate::seeded(7, PARTITIONS, 40, 1_500).records);
    make::store(store.path(), &log, &records, 12);
    let whole = Stored::open_copy(store.path(), &log).unwrap();
    assert_eq!(whole.passed(), records.len() as i64);
    let mut random = StdRng::seed_from_u64(1);
    let (mut refused, mut older, mut unchanged) = (0, 0, 0);
    for file in files(store.path()) {
        let bytes = fs::read(&file).unwrap();
        // The parts in use lie close together: what is zero is mostly room for more.
        let used: Vec<usize> = (0..bytes.len()).filter(|at| bytes[*at] != 0).collect();
        let every = used.len().div_ceil(90).max(1);
        for at in used.into_iter().skip(every / 2).step_by(every) {
            let copy = tempfile::tempdir().unwrap();
            copy_tree(store.path(), copy.path());
            let mut damaged = bytes.clone();
            damaged[at] ^= 1 << (at % 8);
            let place = file.strip_prefix(store.path()).unwrap();
            fs::write(copy.path().join(place), damaged).unwrap();
            match Stored::open(copy.path(), &log) {
                Ok(stored) => {
                    stored.assert_is_the_fold_of(&records, PARTITIONS, 1, &mut random);
                    if stored.positions == whole.positions {
                        unchanged += 1;
                    } else {
                        older += 1;
                    }
                }
                Err(error) => {
                    let text = error.to_string();
                    assert!(text.contains("--rebuild") || text.contains("disk"), "{text}");
                    assert!(!matches!(error, StoreError::Foreign(_) | StoreError::InUse(_)));
                    refused += 1;
                }
            }
        }
    }
    println!("flipped bytes: {refused} refused, {older} cut back, {unchanged} of no matter");
    assert!(refused > 20, "hardly any was noticed: {refused} refused, {older} cut back");
}

#[test]
fn a_damaged_store_is_refused_by_the_program_and_made_again_from_kafka() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&activations(0..200, PARTITIONS));
    let store = tempfile::tempdir().unwrap();
    let stored = fold_all(&broker, store.path(), &[]);
    let file = store.path().join("db").join("db");
    let mut bytes = fs::read(&file).unwrap();
    // Subjects lie in the chunks of facts.
    let subject = &activations(5..6, PARTITIONS)[0].key.clone().unwrap()[..];
    let places: Vec<usize> =
        (0..bytes.len() - 16).filter(|at| &bytes[*at..*at + 16] == subject).collect();
    assert!(!places.is_empty(), "no fact of the subject");
    for place in places {
        bytes[place + 3] ^= 0x10;
    }
    fs::write(&file, bytes).unwrap();
    // sled may take the damage for a write that a kill has torn, and cut back to before it: then
    // the rest is folded again.
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    if process.is_ready() {
        assert!(process.stop().status.success());
        let again = Stored::open_copy(store.path(), &log(&broker)).unwrap();
        assert_eq!(again.ledger_bytes(), stored.ledger_bytes());
    } else {
        process.wait().assert_refused(&["is damaged", "--rebuild"]);
    }
    let mut command = worker(LAJU, &broker.connection(), store.path());
    command.arg("--rebuild");
    let mut process = Process::start(command);
    process.wait_ready();
    assert!(process.stop().status.success());
    let rebuilt = Stored::open_copy(store.path(), &log(&broker)).unwrap();
    assert_eq!(rebuilt.ledger_bytes(), stored.ledger_bytes());
}

#[test]
fn a_full_disk_stops_the_worker_and_nothing_is_lost() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&activations(0..100, PARTITIONS));
    let store = tempfile::tempdir().unwrap();
    // No room at all: it cannot even be made.
    let command = worker(LAJU, &broker.connection(), store.path());
    run(with_files_up_to(0, &command)).assert_refused(&["cannot be", "disk"]);
    assert_eq!(counted(&fold_all(&broker, store.path(), &[])), (100, 0));
    // Room for what is there, and for a MiB more.
    let size = fs::metadata(store.path().join("db").join("db")).unwrap().len();
    let mut process = Process::start(with_files_up_to((size + (1 << 20)) / 512, &command));
    process.wait_for("reading begins");
    let mut published = 100;
    while process.is_running() {
        assert!(published < 60_000, "it goes on: {}", process.log());
        broker.publish(&activations(published..published + 500, PARTITIONS));
        published += 500;
    }
    process.wait().assert_refused(&["cannot be", "disk"]);
    let stored = Stored::open_copy(store.path(), &log(&broker)).unwrap();
    let mut random = StdRng::seed_from_u64(1);
    stored.assert_is_the_fold_of(&broker.read_log(), PARTITIONS, 2, &mut random);
    // With room again it goes on where it stood.
    let stored = fold_all(&broker, store.path(), &[]);
    assert_eq!(counted(&stored), (u64::from(published), 0));
}

#[test]
fn a_store_that_may_not_be_written_is_refused() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&activations(0..10, PARTITIONS));
    let directory = tempfile::tempdir().unwrap();
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let store = directory.path().join("store");
    fold_all(&broker, &store, &[]);
    let program = directory.path().join("laju");
    fs::copy(LAJU, &program).unwrap();
    let set_mode = |mode: u32| {
        for path in files(&store) {
            fs::set_permissions(path, fs::Permissions::from_mode(mode & 0o666)).unwrap();
        }
        for path in [store.join("db"), store.clone()] {
            fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
        }
    };
    let program = program.to_str().unwrap();
    let start = |store: &Path| {
        let mut command = worker(program, &broker.connection(), store);
        if fs::metadata(program).unwrap().uid() == 0 {
            // Root may write anything.
            command.uid(65_534).gid(65_534);
        }
        run(command)
    };
    set_mode(0o555);
    start(&store).assert_refused(&["cannot be used", "store"]);
    // Nor may one be made there.
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o555)).unwrap();
    start(&directory.path().join("new")).assert_refused(&["cannot be used", "new"]);
    fs::set_permissions(directory.path(), fs::Permissions::from_mode(0o755)).unwrap();
    set_mode(0o755);
    assert_eq!(counted(&fold_all(&broker, &store, &[])), (10, 0));
}
