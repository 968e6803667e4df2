//! What a store of another version of the program is told.

use super::*;

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
