//! What is reported of a store of another version of the program, and what is stored of a partition that
//! begins again.

use std::ops::Range;

use laju_schemas::quarantine::Reason;

use super::*;
use crate::domain::admission::Refusal;
use crate::projection::format::FORMAT_VERSION;
use crate::projection::partition::{PartitionState, RecordMark};

fn open(path: &Path, rebuild: bool) -> Result<Store, StoreError> {
    let log = Log {
        cluster_id: "a cluster".to_owned(),
        topic_id: Some("an id".to_owned()),
        topic: "ikd.events.v1".to_owned(),
        partitions: 2,
        fold_version: "a version".to_owned(),
    };
    Store::open(path, &log, rebuild, || "a worker".to_owned())
}

#[test]
fn a_store_is_made_beside_what_systems_leave_and_beside_nothing_else() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    for name in ["lost+found", "@eaDir"] {
        fs::create_dir(path.join(name)).unwrap();
    }
    for name in [".DS_Store", "desktop.ini"] {
        fs::write(path.join(name), "theirs").unwrap();
    }
    fs::write(path.join("letter.txt"), "").unwrap();
    assert!(matches!(open(path, false), Err(StoreError::Foreign(_))));
    assert!(matches!(open(path, true), Err(StoreError::Foreign(_))));
    fs::remove_file(path.join("letter.txt")).unwrap();
    drop(open(path, false).unwrap());
    fs::write(path.join(DATABASE).join(".DS_Store"), "theirs").unwrap();
    drop(open(path, false).unwrap());
    drop(open(path, true).unwrap());
    assert_eq!(fs::read(path.join(".DS_Store")).unwrap(), b"theirs");
    assert!(path.join("lost+found").is_dir() && path.join("@eaDir").is_dir());
}

#[test]
fn a_store_of_an_older_format_is_refused_with_what_to_do() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path();
    drop(open(path, false).unwrap());
    let database = open_database(path).unwrap();
    let mut identity = read_identity(&database).unwrap();
    identity.format_version = FORMAT_VERSION - 1;
    database.insert(IDENTITY_KEY, format::row(&identity)).unwrap();
    database.flush().unwrap();
    drop(database);
    let refused = open(path, false).err().unwrap();
    assert!(matches!(refused, StoreError::Format { found, .. } if found == FORMAT_VERSION - 1));
    assert!(refused.to_string().contains("--rebuild"), "{refused}");
    let rebuilt = open(path, true).unwrap();
    assert_eq!(rebuilt.identity().format_version, FORMAT_VERSION);
}

/// Stores that the records at these offsets of the first partition cannot be counted.
fn refuse(store: &mut Store, state: &mut PartitionState, offsets: Range<i64>) {
    for offset in offsets {
        let mark = RecordMark { offset, timestamp: 1_720_000_000_000, digest: 7 };
        let refusal = Refusal { reason: Reason::WrongKey, detail: "a long reason ".repeat(9) };
        state.refused(mark, &refusal, None);
    }
    store.commit(&mut [state.take_commit().unwrap()]).unwrap();
}

/// The offsets of the rows from one on, read in bites.
fn offsets(reader: &StoreReader, from: i64) -> Vec<i64> {
    let (mut found, mut chunk) = (Vec::new(), 0);
    loop {
        let bite = reader.refused(0, chunk, from, 10).unwrap();
        if bite.next_chunk == chunk {
            return found;
        }
        found.extend(bite.rows.iter().map(|row| row.offset));
        chunk = bite.next_chunk;
    }
}

#[test]
fn a_partition_that_begins_again_takes_the_place_of_all_that_was_stored_of_it() {
    let directory = tempfile::tempdir().unwrap();
    let mut store = open(directory.path(), false).unwrap();
    let reader = store.reader();
    assert_eq!(offsets(&reader, 0), Vec::<i64>::new());
    refuse(&mut store, &mut PartitionState::new(0), 0..500);
    assert!(offsets(&reader, 0).into_iter().eq(0..500));
    assert!(offsets(&reader, 250).into_iter().eq(250..500));
    assert!(offsets(&reader, 500).is_empty());

    refuse(&mut store, &mut PartitionState::again(0), 0..100);
    assert!(offsets(&reader, 0).into_iter().eq(0..100));
    drop((store, reader));
    let mut store = open(directory.path(), false).unwrap();
    let mut stored = store.load(&|_| ()).unwrap();
    assert_eq!(stored[0].ledger.view.tallies.quarantined, 100);
    assert_eq!(stored[0].state.position().next_offset, 100);
    // It goes on like any other.
    refuse(&mut store, &mut stored[0].state, 100..150);
    assert!(offsets(&store.reader(), 0).into_iter().eq(0..150));
}
