//! Spark opens what `laju export` writes, and reads in it what DuckDB reads.

use std::collections::BTreeMap;
use std::path::Path;

use laju_tests::broker::TestBroker;
use serde_json::Value;

use crate::duck::Python;
use crate::export::{export, log};

const OPEN: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/analyst/spark.py");
const PARTITIONS: u32 = 4;

/// A statement that both understand, but for how they quote a name: `"` is to be replaced.
const EVENTS: &str = "SELECT \"partition\", \"offset\", event_id, lower(hex(subject)), \
     CAST(day AS STRING), home_region, sequence, first_time_holder FROM events \
     ORDER BY \"partition\", \"offset\"";
const POSTINGS: &str = "SELECT region, account, CAST(sum(amount) AS BIGINT) FROM postings \
     GROUP BY region, account ORDER BY region, account";

impl Python {
    /// The rows that Spark answers to a statement about each dataset of the export in a folder.
    fn spark(&self, folder: &Path, asked: &BTreeMap<String, String>) -> Value {
        let asked = serde_json::to_string(asked).unwrap();
        // A JVM beside whatever else is built takes its time: no deadline.
        let ended = self.command(&[OPEN, &asked]).current_dir(folder).output().unwrap();
        assert!(ended.status.success(), "{}", String::from_utf8_lossy(&ended.stderr));
        serde_json::from_slice(&ended.stdout).unwrap()
    }
}

#[test]
fn spark_opens_every_dataset_and_reads_what_duckdb_reads() {
    let Some(python) = Python::find() else { return };
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&log(8, 500));
    let folder = tempfile::tempdir().unwrap();
    let said = export(&broker, &folder.path().join("laju"), &[]);

    let datasets = said["datasets"].as_array().unwrap();
    let mut asked = BTreeMap::new();
    let mut rows = BTreeMap::new();
    for dataset in datasets {
        let name = dataset["name"].as_str().unwrap().to_owned();
        rows.insert(name.clone(), dataset["rows"].as_u64().unwrap());
        let statement = match name.as_str() {
            "events" => EVENTS.replace('"', "`"),
            "postings" => POSTINGS.to_owned(),
            // Every column is read, not only the files' own counts.
            other => format!("SELECT count(DISTINCT struct(*)), count(*) FROM {other}"),
        };
        asked.insert(name, statement);
    }
    assert!(rows["events"] > 100 && rows["quarantine"] > 0, "{rows:?}");
    let answers = python.spark(folder.path(), &asked);

    let views = ["events", "postings"]
        .map(|name| format!("CREATE VIEW {name} AS FROM read_parquet('laju/{name}/**/*.parquet')"));
    let [events, postings] = [EVENTS, POSTINGS].map(str::to_owned);
    let mut duck = python.ask(folder.path(), &[views.to_vec(), vec![events, postings]].concat());
    let postings = duck.pop().unwrap();
    let events = duck.pop().unwrap();
    assert_eq!(answers["events"], serde_json::json!(events));
    assert_eq!(answers["postings"], serde_json::json!(postings));
    for (name, count) in &rows {
        match name.as_str() {
            "events" => assert_eq!(events.len() as u64, *count),
            "postings" => {}
            other => assert_eq!(answers[other][0][1].as_u64(), Some(*count), "{other}"),
        }
    }
}
