//! What is not the backup that was made is not restored, and what is not empty is not written to.

use std::collections::BTreeSet;
use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use laju_schemas::topic::{ALL, EVENTS};
use laju_tests::broker::TestBroker;
use laju_tests::events::activations;
use laju_tests::process::{command, run};

use crate::{LAJU, PARTITIONS, answer, assert_same, backup, json_of, restore};

#[test]
fn a_backup_that_is_not_as_it_was_made_is_refused_with_file_and_place() {
    let original = TestBroker::start(PARTITIONS);
    original.publish(&activations(0..300, PARTITIONS));
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    answer(backup(&original.connection(), root, &["--json"]));
    let check = || run(command(LAJU, &["backup", root.to_str().unwrap(), "--check", "--json"]));
    let checked = check();
    assert!(checked.status.success(), "{checked:?}");
    assert_eq!(json_of(&checked)["topics"][EVENTS.name]["records"], 300);

    let copy = TestBroker::start(PARTITIONS);
    let refused = |words: &[&str]| {
        run(restore(&copy.connection(), root)).assert_refused(words);
        assert!(copy.read_log().is_empty());
        assert_eq!(copy.ends(&EVENTS), [0; PARTITIONS as usize]);
    };
    let file: PathBuf =
        fs::read_dir(root.join(EVENTS.name)).unwrap().next().unwrap().unwrap().path();
    let whole = fs::read(&file).unwrap();
    let mut damaged = whole.clone();
    let place = whole.len() * 2 / 3;
    damaged[place] ^= 1;
    fs::write(&file, &damaged).unwrap();
    let checked = check();
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    let fault = json_of(&checked)["faults"][0].as_str().unwrap().to_owned();
    assert!(fault.contains(file.to_str().unwrap()) && fault.contains("at byte"), "{fault}");
    refused(&["is damaged", file.file_name().unwrap().to_str().unwrap(), "at byte"]);
    fs::write(&file, &whole).unwrap();

    // A manifest that says otherwise, one that never came to its end, and none.
    let manifest = root.join("manifest.json");
    let text = fs::read_to_string(&manifest).unwrap();
    fs::write(&manifest, text.replace("\"sha256\": \"", "\"sha256\": \"0")).unwrap();
    refused(&["is not the file that the manifest lists"]);
    let mut json: serde_json::Value = serde_json::from_str(&text).unwrap();
    json["cut"] = serde_json::Value::Null;
    fs::write(&manifest, json.to_string()).unwrap();
    refused(&["never taken to its end", "laju backup"]);
    fs::remove_file(&manifest).unwrap();
    refused(&["there is no backup"]);
    fs::write(&manifest, &text).unwrap();

    // Into the topics that it is of, and onto other records.
    run(restore(&original.connection(), root)).assert_refused(&["was made of"]);
    let other = TestBroker::start(PARTITIONS);
    other.publish(&activations(900..901, PARTITIONS));
    run(restore(&other.connection(), root)).assert_refused(&["has records already", "empty"]);
    assert_eq!(other.read_log().len(), 1);
    let narrow = TestBroker::start(PARTITIONS + 1);
    run(restore(&narrow.connection(), root)).assert_refused(&["4 partitions", "has 3"]);

    // As it was made, it is restored, and again changes nothing.
    let said = answer(restore(&copy.connection(), root));
    assert_eq!((&said["records"], &said["went_on"]), (&300.into(), &false.into()));
    assert_same(&original, &copy);
    let again = answer(restore(&copy.connection(), root));
    assert_eq!(again["copy"]["copy_id"], said["copy"]["copy_id"]);
    assert_same(&original, &copy);
    // Once it has gone on by itself it is somebody's.
    copy.publish(&activations(300..301, PARTITIONS));
    run(restore(&copy.connection(), root)).assert_refused(&["has records already"]);
}

#[test]
fn what_an_interrupted_backup_kept_does_not_stand_in_the_way_of_the_one_before() {
    let original = TestBroker::start(PARTITIONS);
    original.publish(&activations(0..100, PARTITIONS));
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let manifest = || -> serde_json::Value {
        serde_json::from_slice(&fs::read(root.join("manifest.json")).unwrap()).unwrap()
    };
    let files = || -> BTreeSet<PathBuf> {
        let entries = fs::read_dir(root.join(EVENTS.name)).unwrap();
        entries.map(|entry| entry.unwrap().path()).collect()
    };
    answer(backup(&original.connection(), root, &["--json"]));
    let (whole, cut) = (files(), manifest()["cut"].clone());
    original.publish(&activations(100..150, PARTITIONS));
    answer(backup(&original.connection(), root, &["--json"]));

    // As if it had been interrupted before its end, and its files were damaged since.
    let mut listed = manifest();
    listed["cut"] = cut;
    fs::write(root.join("manifest.json"), listed.to_string()).unwrap();
    let since: Vec<PathBuf> = files().difference(&whole).cloned().collect();
    assert!(!since.is_empty());
    since.iter().for_each(|file| fs::write(file, "").unwrap());
    let checked = run(command(LAJU, &["backup", root.to_str().unwrap(), "--check"]));
    assert_eq!(checked.status.code(), Some(1), "{checked:?}");
    let copy = TestBroker::start(PARTITIONS);
    let said = answer(restore(&copy.connection(), root));
    assert_eq!((&said["records"], copy.read_log().len()), (&100.into(), 100));
}

#[test]
fn a_backup_goes_on_with_its_own_log_and_with_no_other() {
    let original = TestBroker::start(PARTITIONS);
    original.publish(&activations(0..100, PARTITIONS));
    let directory = tempfile::tempdir().unwrap();
    let root = directory.path();
    let first = answer(backup(&original.connection(), root, &["--json"]));
    assert_eq!(
        (&first["went_on"], &first["topics"][EVENTS.name]["added"]),
        (&false.into(), &100.into())
    );
    original.publish(&activations(100..150, PARTITIONS));
    let second = answer(backup(&original.connection(), root, &["--json"]));
    assert_eq!(
        (&second["went_on"], &second["topics"][EVENTS.name]["added"]),
        (&true.into(), &50.into())
    );
    let third = answer(backup(&original.connection(), root, &["--json"]));
    assert_eq!(third["topics"][EVENTS.name]["added"], 0);

    let other = TestBroker::start(PARTITIONS);
    run(backup(&other.connection(), root, &[])).assert_refused(&["the backup is of"]);
    // One that says that it is the same has other records.
    other.publish(&activations(500..800, PARTITIONS));
    let kept = fs::read(root.join("manifest.json")).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    let cluster = other.connection().check(Duration::from_secs(30)).unwrap().cluster_id;
    manifest["cluster_id"] = cluster.into();
    for topic in ALL {
        let part = &mut manifest["topics"][topic.name];
        part["name"] = other.connection().topic(&topic).into();
        part["topic_id"] = serde_json::Value::Null;
    }
    fs::write(root.join("manifest.json"), manifest.to_string()).unwrap();
    run(backup(&other.connection(), root, &[])).assert_refused(&["another record at offset"]);
    assert_eq!(fs::read_to_string(root.join("manifest.json")).unwrap(), manifest.to_string());
    fs::write(root.join("manifest.json"), kept).unwrap();
    fs::write(root.join("thesis.tex"), "x").unwrap();
    run(backup(&original.connection(), root, &[])).assert_refused(&["thesis.tex", "nothing else"]);
    fs::remove_file(root.join("thesis.tex")).unwrap();
    let kept = fs::read(root.join("manifest.json")).unwrap();
    let mut manifest: serde_json::Value = serde_json::from_slice(&kept).unwrap();
    manifest["topics"]["gone.v1"] = manifest["topics"][EVENTS.name].clone();
    manifest["topics"]["gone.v1"]["name"] = "gone.v1".into();
    fs::write(root.join("manifest.json"), manifest.to_string()).unwrap();
    run(backup(&original.connection(), root, &[])).assert_refused(&["no topic gone.v1 any more"]);
    assert_eq!(fs::read_to_string(root.join("manifest.json")).unwrap(), manifest.to_string());
    fs::write(root.join("manifest.json"), kept).unwrap();
    if original.is_real() {
        original.make_again(&EVENTS, PARTITIONS);
        run(backup(&original.connection(), root, &[])).assert_refused(&["with the id"]);
    }
    // What was kept stays.
    let copy = TestBroker::start(PARTITIONS);
    let said = answer(restore(&copy.connection(), root));
    assert_eq!((&said["records"], copy.read_log().len()), (&150.into(), 150));
}
