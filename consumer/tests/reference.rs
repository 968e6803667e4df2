//! `laju reference` on librdkafka's embedded broker, from the command line to the topic and back.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

use std::process::ExitCode;

use clap::Parser;
use laju_consumer::cli::reference::ReferenceArgs;
use laju_kafka::connection::Connection;
use laju_kafka::publish::{PublishSettings, Publisher, Record};
use laju_schemas::TimestampMs;
use laju_schemas::topic::REFERENCE;
use rdkafka::mocking::MockCluster;
use rdkafka::producer::DefaultProducerContext;
use serde_json::Value;

/// 2024-01-05T12:00Z.
const NOW: TimestampMs = TimestampMs(1_704_456_000_000);
const HEADER: &str = "region,kind,basis,value,percent,valid_from,valid_to,source,issued_by";

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    args: ReferenceArgs,
}

struct Broker(MockCluster<'static, DefaultProducerContext>);

impl Broker {
    fn new(partitions: i32) -> Self {
        let cluster = MockCluster::new(1).unwrap();
        cluster.create_topic(REFERENCE.name, partitions, 1).unwrap();
        Self(cluster)
    }

    fn try_run(&self, args: &[&str]) -> anyhow::Result<(ExitCode, String)> {
        let brokers = self.0.bootstrap_servers();
        let line = ["reference"].iter().chain(args).copied().chain(["--brokers", &brokers]);
        let cli = Cli::try_parse_from(line)?;
        let mut out = Vec::new();
        let code = cli.args.run(NOW, &mut out)?;
        Ok((code, String::from_utf8(out)?))
    }

    fn run(&self, args: &[&str]) -> String {
        let (code, out) = self.try_run(args).unwrap();
        assert_eq!(code, ExitCode::SUCCESS, "{out}");
        out
    }

    fn json(&self, args: &[&str]) -> Value {
        serde_json::from_str(&self.run(&[args, &["--json"]].concat())).unwrap()
    }

    fn add(&self, region: &str, kind: &str, basis: &str, amount: &[&str], from: &str) -> Value {
        let fields = ["add", "--region", region, "--kind", kind, "--basis", basis];
        let rest = ["--valid-from", from, "--source", "letter 1", "--issued-by", "me"];
        self.json(&[&fields, amount, &rest].concat())
    }

    /// Publishes a value as it is, recorded at an instant.
    fn put(&self, value: &[u8], timestamp: i64) {
        let connection = Connection::to(self.0.bootstrap_servers());
        let publisher = Publisher::new(&connection, &PublishSettings::default()).unwrap();
        let record = Record {
            topic: REFERENCE.name,
            key: Some(b"18.71"),
            value: Some(value),
            timestamp: Some(TimestampMs(timestamp)),
            ..Record::default()
        };
        publisher.publish_record(&record).unwrap().wait().unwrap();
    }
}

#[test]
fn a_figure_that_was_added_is_listed_replaced_and_withdrawn() {
    let broker = Broker::new(1);
    let added =
        broker.add("18.71", "denominator", "wajib_ktp", &["--value", "700000"], "2023-01-01");
    assert_eq!(added["offset"], 0);
    broker.add("18.71", "denominator", "wajib_ktp", &["--value", "767000"], "2023-01-01");
    broker.add("ID", "target", "wajib_ktp", &["--percent", "25"], "2023-01-01");

    let list = broker.json(&["list", "--region", "18.71", "--as-of", "2023-12-31"]);
    assert_eq!(list["denominators"][0]["value"], 767_000);
    assert_eq!(list["denominators"][0]["valid_from"], "2023-01-01");
    assert_eq!(list["target"]["people"], 191_750);
    assert_eq!(list["target"]["percent"], "25");
    assert_eq!(list["target"]["inherited_from"], "ID");
    assert_eq!(list["records"].as_array().unwrap().len(), 1);
    assert_eq!(list["next_offset"], 3);

    broker.add("18.71", "denominator", "wajib_ktp", &["--withdraw"], "2023-01-01");
    let list = broker.json(&["list", "--region", "18.71", "--as-of", "2023-12-31", "--all"]);
    assert_eq!((&list["denominators"], &list["target"]), (&Value::Array(vec![]), &Value::Null));
    let standings: Vec<_> =
        list["records"].as_array().unwrap().iter().map(|r| r["standing"].clone()).collect();
    assert_eq!(standings, ["replaced", "withdrawn", "withdrawal"]);

    let text = broker.run(&["list", "--as-of", "2023-12-31"]);
    assert!(text.contains("25 %") && text.contains("Indonesia"), "{text}");
    assert!(!text.contains("18.71"), "{text}");
}

#[test]
fn what_was_known_on_a_past_day_is_told_by_the_records_own_days() {
    let broker = Broker::new(1);
    let connection = Connection::to(broker.0.bootstrap_servers());
    let encoder = laju_schemas::codec::Encoder::reference(None);
    let day = 86_400_000;
    for (value, timestamp) in [(700, NOW.0 - 10 * day), (767, NOW.0 - 5 * day)] {
        let figure = laju_schemas::ReferenceFigure {
            reference_id: laju_schemas::ReferenceId([1; 16]),
            region: "18.71".parse().unwrap(),
            kind: laju_schemas::reference::ReferenceKind::Denominator,
            basis: laju_schemas::reference::Basis::WajibKtp,
            value: Some(value),
            percent: None,
            valid_from: "2023-01-01".parse().unwrap(),
            valid_to: None,
            source: "letter".to_owned(),
            issued_by: "me".to_owned(),
        };
        broker.put(&encoder.value(&figure).unwrap(), timestamp);
    }
    broker.put(b"junk", NOW.0 - 4 * day);
    assert_eq!(connection.topic(&REFERENCE), REFERENCE.name);

    let known = |at: &[&str]| {
        let list = broker.json(&[&["list", "--region", "18.71"], at].concat());
        assert_eq!(list["unreadable"][0]["offset"], 2);
        list["denominators"][0]["value"].clone()
    };
    assert_eq!(known(&["--known-at", "2023-12-25"]), Value::Null);
    assert_eq!(known(&["--known-at", "2023-12-26"]), 700);
    assert_eq!(known(&["--known-at", "2023-12-31"]), 767);
    assert_eq!(known(&[]), 767);
    let error = broker.try_run(&["list", "--known-at", "2021-12-31"]).unwrap_err().to_string();
    assert!(error.contains("2022-01-01"), "{error}");
}

#[test]
fn a_good_file_is_published_whole_and_in_its_order() {
    let broker = Broker::new(1);
    let example = concat!(env!("CARGO_MANIFEST_DIR"), "/data/reference-example.csv");
    let report = broker.json(&["import", example, "--dry-run"]);
    assert_eq!((&report["ok"], &report["dry_run"]), (&true.into(), &true.into()));
    assert_eq!(broker.json(&["list"])["next_offset"], 0);

    let report = broker.json(&["import", example]);
    let published = report["published"].as_array().unwrap();
    assert_eq!(report["figures"], published.len());
    for (offset, figure) in published.iter().enumerate() {
        assert_eq!((&figure["offset"], &figure["line"]), (&offset.into(), &(offset + 2).into()));
    }
    let list = broker.json(&["list", "--region", "17.71", "--as-of", "2023-12-31"]);
    assert_eq!(list["target"]["people"], 27_000);
}

#[test]
fn a_file_with_a_bad_line_publishes_nothing_and_names_it() {
    let broker = Broker::new(1);
    let file = tempfile::NamedTempFile::new().unwrap();
    let good = "18.71,denominator,wajib_ktp,767000,,2023-01-01,,letter,me";
    let bad = "18.99,denominator,wajib_ktp,x,,2023-01-01,,letter,me";
    std::fs::write(file.path(), format!("{HEADER}\n{good}\n{bad}\n")).unwrap();
    let path = file.path().to_str().unwrap();

    let (code, out) = broker.try_run(&["import", path]).unwrap();
    assert_eq!(code, ExitCode::FAILURE);
    assert!(out.contains("line 3: region: there is no region 18.99"), "{out}");
    assert!(out.contains("line 3: value: 'x'") && out.contains("nothing is published"), "{out}");

    let (code, out) = broker.try_run(&["import", path, "--json"]).unwrap();
    let report: Value = serde_json::from_str(&out).unwrap();
    assert_eq!(code, ExitCode::FAILURE);
    assert_eq!(report["errors"][1]["column"], "value");
    assert_eq!(broker.json(&["list", "--all"])["next_offset"], 0);
}

#[test]
fn a_trial_run_shows_which_region_each_line_is_of_and_what_is_strange() {
    let broker = Broker::new(1);
    let file = tempfile::NamedTempFile::new().unwrap();
    // Codes of the statistics office, and one of before 2022.
    let rows = "12.75,denominator,recorded_ktp,1278,,2024-01-01,,\"BPS, MEDAN\",Desk\n\
                91.01,denominator,recorded_ktp,1279,,2024-01-01,,DKB,Desk\n";
    std::fs::write(file.path(), format!("\u{feff}{HEADER}\n{rows}")).unwrap();
    let path = file.path().to_str().unwrap();

    let text = broker.run(&["import", path, "--dry-run"]);
    for words in [
        "12.75  Kota Binjai",
        " 1278 ",
        "93.01  Kabupaten Merauke",
        "note: line 2: its source names Kota Medan (12.71), but 12.75 is Kota Binjai",
        "note: line 3: 91.01 is the code that Kabupaten Merauke had until 2022; it is 93.01 now",
        "2 figures good; nothing is published",
    ] {
        assert!(text.contains(words), "{words}: {text}");
    }
    let report = broker.json(&["import", path, "--dry-run"]);
    assert_eq!(report["lines"][0]["name"], "Kota Binjai");
    assert_eq!(
        (&report["lines"][1]["region"], &report["lines"][1]["value"]),
        (&"93.01".into(), &1279.into())
    );
    // The former code is published as its successor, and that is said again.
    let report = broker.json(&["import", path]);
    assert_eq!(report["published"][1]["region"], "93.01");
    assert!(report["published"][1]["notes"][0].as_str().unwrap().contains("91.01"), "{report}");
    let list = broker.json(&["list", "--region", "91.01", "--as-of", "2024-12-31"]);
    assert_eq!(list["denominators"][0]["value"], 1279);

    // With names in the file, the wrong codes are no notes but faults.
    let named = "region,name,kind,basis,value,valid_from,source\n\
                 12.75,MEDAN,denominator,recorded_ktp,1278,2024-01-01,BPS\n";
    std::fs::write(file.path(), named).unwrap();
    let (code, out) = broker.try_run(&["import", path, "--issued-by", "me"]).unwrap();
    assert_eq!(code, ExitCode::FAILURE);
    assert!(out.contains("line 2: name: 'MEDAN' is Kota Medan (12.71), but 12.75 is"), "{out}");
}

#[test]
fn a_figure_whose_fields_do_not_go_together_is_not_published() {
    let broker = Broker::new(1);
    let add = |fields: &[&str]| {
        let common = ["--valid-from", "2023-01-01", "--source", "s", "--issued-by", "me"];
        broker.try_run(&[&["add"], fields, &common].concat()).unwrap_err().to_string()
    };
    let denominator = ["--region", "18.71", "--kind", "denominator", "--basis", "wajib_ktp"];
    let error = add(&[&denominator[..], &["--percent", "25"]].concat());
    assert!(error.contains("a denominator is a number of people"), "{error}");
    // Neither an amount nor --withdraw, two amounts, a region that does not exist.
    let error = add(&denominator);
    assert!(error.contains("--value") && error.contains("--withdraw"), "{error}");
    let error = add(&[&denominator[..], &["--value", "5", "--withdraw"]].concat());
    assert!(error.contains("cannot be used with"), "{error}");
    let error =
        add(&["--region", "18.99", "--kind", "target", "--basis", "wajib_ktp", "--percent", "1"]);
    assert!(error.contains("there is no region 18.99"), "{error}");
    assert_eq!(broker.json(&["list", "--all"])["next_offset"], 0);
}

#[test]
fn a_topic_without_one_order_is_refused() {
    let broker = Broker::new(3);
    let error = broker.try_run(&["list"]).unwrap_err().to_string();
    assert!(error.contains("3 partitions") && error.contains("laju topics check"), "{error}");

    let empty = Broker(MockCluster::new(1).unwrap());
    let error = empty.try_run(&["list"]).unwrap_err().to_string();
    assert!(error.contains("laju topics create"), "{error}");
}
