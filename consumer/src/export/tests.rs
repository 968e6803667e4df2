use std::collections::BTreeSet;
use std::fs::{self, File};
use std::path::Path;

use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
use ::parquet::record::Field;
use apache_avro::types::Value as AvroValue;
use jiff::civil::{Date, date};

use super::avro;
use super::continued::continues;
use super::cut::{Cut, DatasetEntry, FORM, FileEntry, LastRecord, Manifest};
use super::datasets::Dataset;
use super::file::{WriteError, Written};
use super::parquet::GROUP_ROWS;
use super::parts::Parts;
use super::place::{MANIFEST, MARKER, NEXT, OLD, PARTIAL, Place, PlaceError};
use super::table::{Kind, Table, Value, columns};
use super::write::Format;

/// A column of each kind, and one that may have nothing.
const TABLE: Table = Table {
    name: "kinds",
    version: 3,
    row: "A row.",
    sorted_by: &["rising"],
    by_month: true,
    columns: columns! {
        rising: Rising, "", "";
        text: Text, "", "";
        symbol: Symbol, "", "";
        small: Int32, "", "";
        large: Int64, "", "";
        flag: Boolean, "", "";
        on: Date, "", "";
        at: Timestamp, "", "";
        id: Uuid, "", "";
        pseudonym: Fixed16, "", "";
        bytes: Bytes, "", "";
        share: Percent, "", "";
        maybe: Symbol or null, "", "";
    },
};

const DAY: Date = date(2024, 2, 29);
const AT: i64 = 1_709_164_800_123;

fn row(number: i64) -> Vec<Value<'static>> {
    vec![
        Value::Number(number),
        Value::Text("a \"word\", and\na line"),
        Value::Text("18.71"),
        Value::Number(-7),
        Value::Number(i64::MIN),
        Value::Boolean(number % 2 == 0),
        Value::Date(DAY),
        Value::Instant(AT),
        Value::Fixed([0xab; 16]),
        Value::Fixed([0xcd; 16]),
        Value::Bytes(&[0, 255]),
        Value::Number(250_000),
        if number % 2 == 0 { Value::Null } else { Value::Text("there") },
    ]
}

fn written(folder: &Path, format: Format, rows: i64) -> Vec<FileEntry> {
    let metadata = vec![("laju.until_offsets", "0:12".to_owned())];
    let mut parts = Parts::new(folder, &TABLE, format, metadata, 4);
    for number in 0..rows {
        parts.row(DAY, &row(number)).unwrap();
    }
    parts.finish(true).unwrap()
}

#[test]
fn parquet_reads_back_as_it_was_written_with_its_types_and_says_its_cut() {
    let folder = tempfile::tempdir().unwrap();
    let rows = GROUP_ROWS as i64 + 3;
    let [file] = &written(folder.path(), Format::Parquet, rows)[..] else { panic!("one file") };
    assert_eq!(file.path, "kinds/month=2024-02/part-00004.parquet");
    let path = folder.path().join(&file.path);
    assert_eq!(fs::metadata(&path).unwrap().len(), file.bytes);
    let reader = SerializedFileReader::new(File::open(path).unwrap()).unwrap();
    let metadata = reader.metadata().file_metadata();
    assert_eq!((metadata.num_rows(), file.rows), (rows, rows as u64));
    assert_eq!(reader.metadata().num_row_groups(), 2);
    let cut = metadata.key_value_metadata().unwrap();
    assert!(cut.iter().any(|pair| pair.value.as_deref() == Some("0:12")), "{cut:?}");
    let read: Vec<_> = reader.get_row_iter(None).unwrap().map(Result::unwrap).collect();
    for number in [0, 1, rows - 1] {
        let fields: Vec<Field> =
            read[number as usize].get_column_iter().map(|(_, field)| field.clone()).collect();
        assert_eq!(fields[0], Field::Long(number));
        assert_eq!(fields[1], Field::Str("a \"word\", and\na line".to_owned()));
        assert_eq!(fields[2], Field::Str("18.71".to_owned()));
        assert_eq!((&fields[3], &fields[4]), (&Field::Int(-7), &Field::Long(i64::MIN)));
        assert_eq!(fields[5], Field::Bool(number % 2 == 0));
        assert_eq!(fields[6], Field::Date(19_782));
        assert_eq!(fields[7], Field::TimestampMillis(AT));
        let bytes = |field: &Field| match field {
            Field::Bytes(bytes) => bytes.data().to_vec(),
            other => panic!("{other:?}"),
        };
        // Text, because Spark opens no file with Parquet's own UUIDs.
        let id = "abababab-abab-abab-abab-abababababab".to_owned();
        assert_eq!(fields[8], Field::Str(id));
        assert_eq!(bytes(&fields[9]), [0xcd; 16]);
        assert_eq!(bytes(&fields[10]), [0, 255]);
        assert_eq!(fields[11].to_string(), "25.0000");
        let maybe = if number % 2 == 0 { Field::Null } else { Field::Str("there".to_owned()) };
        assert_eq!(fields[12], maybe);
    }
}

#[test]
fn csv_reads_back_as_it_was_written() {
    let folder = tempfile::tempdir().unwrap();
    let [file] = &written(folder.path(), Format::Csv, 2)[..] else { panic!("one file") };
    let mut reader = ::csv::Reader::from_path(folder.path().join(&file.path)).unwrap();
    let header: Vec<_> = reader.headers().unwrap().iter().map(str::to_owned).collect();
    assert!(header.iter().eq(TABLE.columns.iter().map(|column| column.name)), "{header:?}");
    let read: Vec<_> = reader.records().map(Result::unwrap).collect();
    let common = [
        "a \"word\", and\na line",
        "18.71",
        "-7",
        "-9223372036854775808",
        "true",
        "2024-02-29",
        "2024-02-29T00:00:00.123Z",
        "abababab-abab-abab-abab-abababababab",
        "cdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd",
        "00ff",
        "25.0000",
    ];
    assert_eq!(read[0].iter().skip(1).take(11).collect::<Vec<_>>(), common);
    assert_eq!((&read[0][12], &read[1][12]), ("", "there"));
}

#[test]
fn avro_reads_back_as_it_was_written_and_says_its_cut() {
    let folder = tempfile::tempdir().unwrap();
    let [file] = &written(folder.path(), Format::Avro, 5_000)[..] else { panic!("one file") };
    let reader =
        apache_avro::Reader::new(File::open(folder.path().join(&file.path)).unwrap()).unwrap();
    assert_eq!(reader.user_metadata()["laju.until_offsets"], b"0:12");
    let read: Vec<_> = reader.map(Result::unwrap).collect();
    assert_eq!(read.len(), 5_000);
    let AvroValue::Record(fields) = &read[1] else { panic!("{:?}", read[1]) };
    let field = |name: &str| &fields.iter().find(|(field, _)| field == name).unwrap().1;
    assert_eq!(field("rising"), &AvroValue::Long(1));
    assert_eq!(field("on"), &AvroValue::Date(19_782));
    assert_eq!(field("at"), &AvroValue::TimestampMillis(AT));
    assert_eq!(field("id"), &AvroValue::Uuid(uuid::Uuid::from_bytes([0xab; 16])));
    assert_eq!(field("pseudonym"), &AvroValue::Fixed(16, vec![0xcd; 16]));
    let there = AvroValue::Union(1, Box::new(AvroValue::String("there".to_owned())));
    assert_eq!(field("maybe"), &there);
}

#[test]
fn the_same_rows_give_the_same_bytes_in_every_format() {
    for format in [Format::Parquet, Format::Csv, Format::Avro] {
        let (one, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let files = written(one.path(), format, 5_000);
        assert_eq!(files, written(other.path(), format, 5_000));
        let bytes = fs::read(one.path().join(&files[0].path)).unwrap();
        use sha2::Digest as _;
        assert_eq!(files[0].sha256, hex::encode(sha2::Sha256::digest(bytes)));
    }
}

#[test]
fn rows_that_wait_in_memory_are_bounded_and_every_month_has_its_file() {
    let folder = tempfile::tempdir().unwrap();
    let mut parts = Parts::new(folder.path(), &TABLE, Format::Parquet, Vec::new(), 0);
    for number in 0..360_000 {
        let month = 1 + (number % 12) as i8;
        parts.row(date(2024, month, 1), &row(number)).unwrap();
    }
    let files = parts.finish(true).unwrap();
    assert_eq!(files.len(), 12);
    assert_eq!(files.iter().map(|file| file.rows).sum::<u64>(), 360_000);
    let groups = |file: &FileEntry| {
        let file = File::open(folder.path().join(&file.path)).unwrap();
        SerializedFileReader::new(file).unwrap().metadata().num_row_groups()
    };
    assert!(files.iter().map(groups).any(|groups| groups > 1), "none was written on the way");
}

#[test]
fn a_value_that_is_not_its_columns_is_told_and_not_written() {
    let folder = tempfile::tempdir().unwrap();
    for format in [Format::Parquet, Format::Csv, Format::Avro] {
        for (place, wrong) in [(0, Value::Null), (3, Value::Number(1 << 40)), (6, Value::Number(3))]
        {
            let path = folder.path().join(format!("{}-{place}", format.as_str()));
            let mut file = format.create(&path, &TABLE, &Vec::new()).unwrap();
            let mut row = row(1);
            row[place] = wrong;
            let result = file.row(&row);
            let fits_text = format == Format::Csv && place == 3;
            assert_eq!(matches!(result, Err(WriteError::Value { .. })), !fits_text, "{result:?}");
        }
    }
}

#[test]
fn a_dataset_without_rows_has_a_file_with_its_columns() {
    let folder = tempfile::tempdir().unwrap();
    for dataset in Dataset::ALL {
        for format in [Format::Parquet, Format::Csv, Format::Avro] {
            let parts = Parts::new(folder.path(), dataset.table(), format, Vec::new(), 0);
            let files = parts.finish(true).unwrap();
            assert_eq!((files.len(), files[0].rows), (1, 0));
            let month = if dataset.table().by_month { "month=2022-01/" } else { "" };
            let (name, ending) = (dataset.name(), format.as_str());
            assert_eq!(files[0].path, format!("{name}/{month}part-00000.{ending}"));
        }
        apache_avro::Schema::parse_str(&avro::schema(dataset.table())).unwrap();
        let sorted = dataset.table().sorted_by;
        assert!(sorted.iter().all(|name| dataset.table().place(name).is_some()));
        assert_eq!(Dataset::of(dataset.name()), Some(dataset));
    }
}

fn manifest(increment: u32, files: &[&str]) -> Manifest {
    let file = |path: &&str| {
        let Written { rows, bytes, sha256 } =
            Written { rows: 1, bytes: path.len() as u64, sha256: String::new() };
        FileEntry { path: (*path).to_owned(), rows, bytes, sha256 }
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

#[test]
fn the_analysts_page_says_of_every_column_what_the_program_says() {
    let page = include_str!("../../docs/analysts.md");
    for dataset in Dataset::ALL {
        let table = dataset.table();
        let heading = format!("### `{}`\n\n{}\n\n{}", table.name, table.row, table.markdown());
        assert!(page.contains(&heading), "the page has to have:\n\n{heading}");
    }
}
