//! What is there before, during and after a change, and what is continued.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::continued::continues;
use super::cut::{Cut, DatasetEntry, FORM, FileEntry, LastRecord, Manifest};
use super::place::{MANIFEST, MARKER, NEXT, OLD, PARTIAL, Place, PlaceError};
use super::write::Format;

fn manifest(increment: u32, files: &[&str]) -> Manifest {
    let file = |path: &&str| {
        let (path, bytes) = ((*path).to_owned(), path.len() as u64);
        FileEntry { path, rows: 1, bytes, sha256: String::new() }
    };
    let folders: BTreeSet<&str> =
        files.iter().map(|path| path.split_once('/').unwrap().0).collect();
    Manifest {
        form: FORM,
        made_by: "a test".to_owned(),
        cluster_id: "a cluster".to_owned(),
        topic: "a topic".to_owned(),
        topic_id: None,
        fold_version: "a version".to_owned(),
        format: Format::Parquet,
        increment,
        cut: Cut { partitions: Vec::new(), reference_next_offset: 0 },
        datasets: folders
            .into_iter()
            .map(|name| DatasetEntry {
                name: name.to_owned(),
                schema_version: 1,
                reproducible: true,
                rows: 1,
                bytes: 1,
                columns: Vec::new(),
                files: files.iter().filter(|path| path.starts_with(name)).map(file).collect(),
            })
            .collect(),
    }
}

/// Files of an export, each with its own name in it.
fn write_files(root: &Path, files: &[&str]) {
    for file in files {
        fs::create_dir_all(root.join(file).parent().unwrap()).unwrap();
        fs::write(root.join(file), file).unwrap();
    }
}

/// All files below a folder.
fn files(root: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(root).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        if entry.file_type().unwrap().is_dir() {
            found.extend(files(&entry.path()).iter().map(|below| format!("{name}/{below}")));
        } else {
            found.push(name);
        }
    }
    found.sort();
    found
}

#[test]
fn what_is_there_is_kept_by_the_next_increment_and_the_change_is_one() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("out");
    let mut place = Place::open(&root).unwrap();
    assert!(matches!(Place::open(&root), Err(PlaceError::Busy(_))));
    let partial = place.begin().unwrap();
    write_files(&partial, &["events/a", "kiosks/a"]);
    assert!(place.manifest.is_none() && !root.join(MANIFEST).exists());
    place.commit(&manifest(0, &["events/a", "kiosks/a"])).unwrap();
    assert_eq!(files(&root), ["events/a", "kiosks/a", MANIFEST]);
    drop(place);

    let mut place = Place::open(&root).unwrap();
    assert_eq!((place.manifest.as_ref().unwrap().increment, &place.found), (0, &None));
    let partial = place.begin().unwrap();
    place.keep("events/a", 8).unwrap();
    assert!(matches!(place.keep("events/a", 9), Err(PlaceError::Changed(_))));
    write_files(&partial, &["events/b", "kiosks/b"]);
    place.commit(&manifest(1, &["events/a", "events/b", "kiosks/b"])).unwrap();
    assert_eq!(files(&root), ["events/a", "events/b", "kiosks/b", MANIFEST]);
    assert_eq!(fs::read(root.join("events/a")).unwrap(), b"events/a");
}

#[test]
fn killed_anywhere_in_the_change_it_is_the_old_or_not_there_and_the_next_run_ends_it() {
    // The steps of a change, each of which may be the last.
    type Step = (&'static str, fn(&Path));
    let steps: [Step; 11] = [
        ("the new one is whole", |_| {}),
        ("there is a place for the old", |root| fs::create_dir(root.join(OLD)).unwrap()),
        ("it is marked", |root| write_files(root, &[".laju-old/.laju-export"])),
        ("the manifest is away", |root| {
            fs::rename(root.join(MANIFEST), root.join(OLD).join(MANIFEST)).unwrap();
        }),
        ("the old is away", |root| {
            fs::rename(root.join("events"), root.join(OLD).join("events")).unwrap();
        }),
        ("the new is in its place", |root| {
            fs::rename(root.join(NEXT).join("events"), root.join("events")).unwrap();
        }),
        ("the manifest is in its place", |root| {
            fs::rename(root.join(NEXT).join(MANIFEST), root.join(MANIFEST)).unwrap();
        }),
        ("what was on its way has no mark", |root| {
            fs::remove_file(root.join(NEXT).join(".laju-export")).unwrap();
        }),
        ("what was on its way is gone", |root| fs::remove_dir(root.join(NEXT)).unwrap()),
        ("the old is going", |root| fs::remove_dir_all(root.join(OLD).join("events")).unwrap()),
        ("its manifest is gone", |root| fs::remove_file(root.join(OLD).join(MANIFEST)).unwrap()),
    ];
    for last in 0..steps.len() {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        write_files(root, &["events/a"]);
        let json = |manifest: &Manifest| serde_json::to_vec(manifest).unwrap();
        fs::write(root.join(MANIFEST), json(&manifest(0, &["events/a"]))).unwrap();
        write_files(&root.join(NEXT), &[".laju-export", "events/b"]);
        let next = manifest(1, &["events/b"]);
        fs::write(root.join(NEXT).join(MANIFEST), json(&next)).unwrap();
        for (_, step) in &steps[..=last] {
            step(root);
        }
        if root.join(MANIFEST).exists() {
            let there = fs::read(root.join(MANIFEST)).unwrap();
            let there: Manifest = serde_json::from_slice(&there).unwrap();
            for file in &there.datasets[0].files {
                assert!(root.join(&file.path).exists(), "{} after {}", file.path, steps[last].0);
            }
        }
        let place = Place::open(root).unwrap();
        assert_eq!(place.manifest, Some(next), "{}", steps[last].0);
        assert_eq!(files(root), ["events/b", MANIFEST], "{}", steps[last].0);
    }
}

#[test]
fn a_half_written_export_is_removed_and_other_peoples_files_are_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path(), &[".laju-partial/.laju-export", ".laju-partial/events/a"]);
    let place = Place::open(folder.path()).unwrap();
    assert!(place.found.is_some() && place.manifest.is_none());
    assert!(files(folder.path()).is_empty());
    drop(place);
    let marked = ".laju-partial/.laju-export";
    let foreign = [
        &["letter.txt"][..],
        &["letter.txt", marked, ".laju-partial/events/a"],
        &[".old/letter.txt"],
        &[".next/letter.txt", ".next/manifest.json"],
        &[".partial/events/a"],
        &["events/a"],
        &["events/a", marked],
        &[".laju-old/letter.txt"],
        &[".laju-old/letter.txt", marked],
        &[".laju-next/manifest.json", ".laju-next/events/a"],
        &[".laju-partial/events/a"],
        &[".laju-partial"],
    ];
    for names in foreign {
        assert_refused(names, None);
    }
    // Beside an export, too: of what its manifest does not list, nothing is touched.
    for names in foreign.iter().filter(|names| !names.contains(&"events/a")) {
        assert_refused(&[&["events/b"], *names].concat(), Some(&manifest(0, &["events/b"])));
    }
    assert_refused(&["events/a", "kiosks/b"], Some(&manifest(0, &["kiosks/b"])));
}

/// That a folder with these files is refused, and stays as it was.
#[test]
fn what_systems_leave_in_a_folder_is_in_nobodys_way_and_stays() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("out");
    let left = [".DS_Store", "@eaDir/a", "desktop.ini", "lost+found/a"];
    write_files(&root, &left);
    let mut place = Place::open(&root).unwrap();
    let partial = place.begin().unwrap();
    write_files(&partial, &["events/a", ".DS_Store"]);
    place.commit(&manifest(0, &["events/a"])).unwrap();
    drop(place);
    let with = |more: &[&str]| {
        let mut all: Vec<_> = [&left[..], more].concat().iter().map(|s| (*s).to_owned()).collect();
        all.sort();
        all
    };
    assert_eq!(files(&root), with(&["events/a", MANIFEST]));
    let mut place = Place::open(&root).unwrap();
    let partial = place.begin().unwrap();
    write_files(&partial, &["events/b"]);
    place.commit(&manifest(1, &["events/b"])).unwrap();
    place.abandon().unwrap();
    assert_eq!(files(&root), with(&["events/b", MANIFEST]));
}

fn assert_refused(names: &[&str], manifest: Option<&Manifest>) {
    let folder = tempfile::tempdir().unwrap();
    write_files(folder.path(), names);
    if let Some(manifest) = manifest {
        let json = serde_json::to_vec(manifest).unwrap();
        fs::write(folder.path().join(MANIFEST), json).unwrap();
    }
    let before = files(folder.path());
    let result = Place::open(folder.path());
    assert!(matches!(result, Err(PlaceError::Occupied(_))), "{names:?}");
    assert_eq!(files(folder.path()), before);
}

#[test]
fn a_manifest_that_is_none_is_found_before_anything_is_removed() {
    let mut other = serde_json::to_value(manifest(0, &[])).unwrap();
    other["form"] = 99.into();
    for text in ["{}".to_owned(), other.to_string()] {
        for place in [MANIFEST, ".laju-next/manifest.json"] {
            let folder = tempfile::tempdir().unwrap();
            let marks =
                [PARTIAL, NEXT, OLD].map(|name| [format!("{name}/{MARKER}"), format!("{name}/a")]);
            let marks: Vec<&str> = marks.iter().flatten().map(String::as_str).collect();
            write_files(folder.path(), &marks);
            fs::write(folder.path().join(place), &text).unwrap();
            let before = files(folder.path());
            assert!(matches!(Place::open(folder.path()), Err(PlaceError::Manifest { .. })));
            assert_eq!(files(folder.path()), before);
        }
    }
}

#[test]
fn what_somebody_puts_there_meanwhile_is_not_replaced() {
    let folder = tempfile::tempdir().unwrap();
    let mut place = Place::open(folder.path()).unwrap();
    write_files(&place.begin().unwrap(), &["events/a"]);
    write_files(folder.path(), &["events/letter.txt"]);
    let committed = place.commit(&manifest(0, &["events/a"]));
    assert!(matches!(committed, Err(PlaceError::Occupied(_))), "{committed:?}");
    place.abandon().unwrap();
    drop(place);
    assert_eq!(files(folder.path()), ["events/letter.txt"]);

    // Nor where a killed export is brought to its end: with no old one this is nobody's `events`.
    let next = serde_json::to_vec(&manifest(0, &["events/a"])).unwrap();
    write_files(folder.path(), &[".laju-next/.laju-export", ".laju-next/events/a"]);
    fs::write(folder.path().join(NEXT).join(MANIFEST), next).unwrap();
    assert!(matches!(Place::open(folder.path()), Err(PlaceError::Occupied(_))));
    assert!(folder.path().join("events/letter.txt").exists());
}

#[test]
fn an_export_of_fewer_partitions_is_not_continued() {
    let at = |offsets: &[(u32, i64)]| Manifest {
        cut: Cut::at(&offsets.iter().copied().collect(), 0),
        ..manifest(0, &[])
    };
    let before = at(&[(0, 5), (1, 0)]);
    continues(&before, &at(&[(0, 6), (1, 2)])).unwrap();
    for (now, count) in [(at(&[(0, 6), (1, 2), (2, 0)]), 3), (at(&[(0, 6)]), 1)] {
        let why = continues(&before, &now).unwrap_err().to_string();
        let said = format!("the topic has {count} partitions now and had 2: export into another");
        assert!(why.starts_with(&said), "{why}");
    }
}

#[test]
fn an_export_of_a_topic_that_was_made_again_is_not_continued() {
    let of = |id: Option<&str>| Manifest {
        topic_id: id.map(str::to_owned),
        cut: Cut::at(&[(0, 5)].into(), 0),
        ..manifest(0, &[])
    };
    let why = continues(&of(Some("one")), &of(Some("another"))).unwrap_err().to_string();
    assert!(why.starts_with("what is there is of the topic id one, and this is another"), "{why}");
    // What says nothing of it is recognised by its last records.
    continues(&of(None), &of(Some("one"))).unwrap();
    continues(&of(Some("one")), &of(None)).unwrap();
}

#[test]
fn a_cut_tells_the_records_that_another_does_not_have() {
    let last =
        |digest: &str| Some(LastRecord { offset: 4, timestamp_ms: 9, digest: digest.into() });
    let at = |last: [Option<LastRecord>; 2]| {
        let mut cut = Cut::at(&[(0, 5), (1, 5)].into(), 0);
        for (part, last) in cut.partitions.iter_mut().zip(last) {
            part.last_record = last;
        }
        cut
    };
    let read = at([last("0a"), last("0b")]);
    assert_eq!(read.missing_in(&read), None);
    assert_eq!(at([None, last("0b")]).missing_in(&read), None);
    assert_eq!(at([last("0a"), last("0c")]).missing_in(&read), Some((1, 4)));
    assert_eq!(read.missing_in(&at([None, last("0b")])), Some((0, 4)));
}
