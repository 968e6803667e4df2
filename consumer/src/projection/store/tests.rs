//! What a store of another version of the program is told.

use super::*;

fn open(path: &Path, rebuild: bool) -> Result<Store, StoreError> {
    let log = Log {
        cluster_id: "a cluster".to_owned(),
        topic: "ikd.events.v1".to_owned(),
        partitions: 2,
        fold_version: "a version".to_owned(),
    };
    Store::open(path, &log, rebuild, || "a worker".to_owned())
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
