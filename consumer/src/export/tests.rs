use std::fs::{self, File};
use std::path::Path;

use ::parquet::file::reader::{FileReader as _, SerializedFileReader};
use ::parquet::record::Field;
use apache_avro::types::Value as AvroValue;
use jiff::civil::{Date, date};

use super::avro;
use super::cut::FileEntry;
use super::datasets::Dataset;
use super::file::WriteError;
use super::parquet::GROUP_ROWS;
use super::parts::Parts;
use super::table::{Column, Table, Value, columns};
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

/// The table as the analysts' page shows it, in Markdown.
fn markdown(table: &Table) -> String {
    let mut text = String::from("| column | type | unit | meaning |\n| --- | --- | --- | --- |\n");
    for Column { name, kind, nullable, unit, meaning } in table.columns {
        let kind = kind.as_str();
        let null = if *nullable { ", may be null" } else { "" };
        text.push_str(&format!("| `{name}` | {kind}{null} | {unit} | {meaning} |\n"));
    }
    text
}

#[test]
fn the_analysts_page_says_of_every_column_what_the_program_says() {
    let page = include_str!("../../docs/analysts.md");
    for dataset in Dataset::ALL {
        let table = dataset.table();
        let heading = format!("### `{}`\n\n{}\n\n{}", table.name, table.row, markdown(table));
        assert!(page.contains(&heading), "the page has to have:\n\n{heading}");
    }
}
