//! The cookbook's own queries, run by DuckDB, pandas and Polars over an export, give what the
//! interface answers to the same questions.

use std::collections::BTreeMap;

use jiff::civil::Date;
use laju_schemas::reference::{Basis, ReferenceKind};
use laju_schemas::{KioskStatus, ReferenceFigure, ReferenceId, TimestampMs};
use laju_tests::broker::TestBroker;
use laju_tests::events::now_ms;
use laju_tests::generate;
use laju_tests::process::{Process, worker};
use serde_json::Value;

use crate::LAJU;
use crate::duck::Python;
use crate::export::{export, log};

const COOKBOOK: &str =
    include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/../consumer/docs/cookbook.md"));
const PARTITIONS: u32 = 4;
const REGION: &str = "18.71";

/// The block of a name: "```sql coverage" begins one.
fn block(name: &str) -> String {
    let mut blocks = COOKBOOK.split("\n```").skip(1).step_by(2);
    let found = blocks.find_map(|block| {
        let (head, body) = block.split_once('\n')?;
        (head.split_once(' ')?.1 == name).then(|| body.to_owned())
    });
    found.unwrap_or_else(|| panic!("the cookbook has no {name}"))
}

/// All names, in their order.
fn names() -> Vec<&'static str> {
    let heads = COOKBOOK.lines().filter(|line| line.starts_with("```sql "));
    heads.map(|head| &head["```sql ".len()..]).collect()
}

fn publish_reference(broker: &TestBroker, number: u8, value: Option<u64>, from: &str) {
    let figure = ReferenceFigure {
        reference_id: ReferenceId([number; 16]),
        region: REGION.parse().unwrap(),
        kind: ReferenceKind::Denominator,
        basis: if number < 10 { Basis::WajibKtp } else { Basis::RecordedKtp },
        value,
        percent: None,
        valid_from: from.parse().unwrap(),
        valid_to: None,
        source: format!("letter {number}"),
        issued_by: "tests".to_owned(),
    };
    broker.publisher().publish_reference(&figure).unwrap().wait().unwrap();
}

fn publish_status(broker: &TestBroker, kiosk: &str, highest_sequence: u32, retired: bool) {
    let status = KioskStatus {
        kiosk_id: kiosk.parse().unwrap(),
        service_region: REGION.parse().unwrap(),
        highest_sequence,
        unsent: 0,
        oldest_unsent: None,
        clock_offset_ms: None,
        agent_version: "0".to_owned(),
        sent_at: TimestampMs(now_ms()),
        retired,
        key_id: None,
    };
    broker.publisher().publish_status(&status).unwrap().wait().unwrap();
}

/// Rows by what stands in their first columns.
fn keyed(rows: &[Vec<Value>], keys: usize, value: usize) -> BTreeMap<String, i64> {
    let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    let mut found = BTreeMap::new();
    for row in rows {
        let key: Vec<String> = row[..keys].iter().map(text).collect();
        *found.entry(key.join(" ")).or_default() += row[value].as_i64().unwrap();
    }
    found
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn int(value: &Value) -> i64 {
    value.as_i64().unwrap()
}

struct Kitchen {
    process: Process,
    answers: BTreeMap<&'static str, Vec<Vec<Value>>>,
}

impl Kitchen {
    fn get(&mut self, path: &str) -> Value {
        let (status, answer) = self.process.get(path);
        assert_eq!(status, 200, "{path}: {answer}");
        answer
    }

    fn rows(&mut self, name: &str) -> Vec<Vec<Value>> {
        self.answers.remove(name).unwrap_or_else(|| panic!("{name} was not run, or twice"))
    }
}

#[test]
fn every_recipe_of_the_cookbook_gives_what_the_interface_answers() {
    let Some(python) = Python::find() else { return };
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&log(8, 2_000));
    publish_reference(&broker, 1, Some(1_000), "2023-01-01");
    publish_reference(&broker, 2, Some(1_234), "2023-01-01");
    publish_reference(&broker, 3, Some(9_999), "2024-01-01");
    publish_reference(&broker, 4, None, "2024-01-01");
    publish_reference(&broker, 11, Some(777), "2022-01-01");
    publish_status(&broker, "k", 4_000_000_000, true);
    publish_status(&broker, "never-heard-of", 3, false);
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    let folder = tempfile::tempdir().unwrap();
    export(&broker, &folder.path().join("laju"), &[]);

    // Days on which something of the region was recorded. On a real Kafka that is today.
    let recorded = format!(
        "SELECT DISTINCT recorded FROM read_parquet('laju/postings/**/*.parquet') WHERE region = \
         '{REGION}' ORDER BY 1"
    );
    let recorded = python.ask(folder.path(), &[recorded]).remove(0);
    let day = |place: usize| text(&recorded[place][0]).parse::<Date>().unwrap();
    let known_at = day(recorded.len() / 2);
    let before = if recorded.len() > 1 { day(0) } else { known_at.yesterday().unwrap() };
    let as_of: Date = generate::day(7);
    let setting = format!(
        "SET VARIABLE region = '{REGION}'; SET VARIABLE province = '18'; SET VARIABLE as_of = DATE \
         '{as_of}'; SET VARIABLE known_at = DATE '{known_at}'; SET VARIABLE before = DATE \
         '{before}';"
    );
    let recipes: Vec<&str> = names().into_iter().filter(|name| *name != "setup").collect();
    assert_eq!(recipes.len(), 10);
    let mut statements = vec![block("setup"), setting];
    statements.extend(recipes.iter().map(|name| block(name)));
    statements.push("SELECT share(201, 20000), share(1, 3), share(2, 3), share(1, 0)".to_owned());
    let mut rows = python.ask(folder.path(), &statements);
    // Half of a hundredth is rounded up, which no binary fraction has exactly.
    let shares = rows.pop().unwrap().remove(0);
    assert_eq!(shares, [1.01.into(), 33.33.into(), 66.67.into(), Value::Null]);
    let answers = recipes.iter().copied().zip(rows.into_iter().skip(2)).collect();
    let mut kitchen = Kitchen { process, answers };
    let place = format!("/v1/regions/{REGION}");

    // 1. How far is a regency today?
    let answer = kitchen.get(&format!("{place}/progress"));
    let rows = kitchen.rows("coverage");
    assert!(rows.iter().all(|row| row[0] == answer["activated"]) && int(&rows[0][0]) > 0);
    let shares = answer["denominators"].as_array().unwrap();
    assert_eq!((rows.len(), shares.len()), (2, 2), "{answer}");
    for share in shares {
        let row = rows.iter().find(|row| row[1] == share["basis"]).unwrap();
        assert_eq!((&row[2], &row[4]), (&share["value"], &share["source"]));
        assert_eq!(format!("{:.2}", row[3].as_f64().unwrap()), share["coverage_percent"]);
    }

    // 2. How far were a province's regencies on a day?
    let answer = kitchen.get(&format!("/v1/progress?level=regency&within=18&as_of={as_of}"));
    let rows = kitchen.rows("as_of");
    let answered = answer["rows"].as_array().unwrap();
    assert_eq!(rows.len(), answered.len());
    for (row, answer) in rows.iter().zip(answered) {
        assert_eq!((&row[0], &row[2]), (&answer["region"]["code"], &answer["activated"]));
    }

    // 3. What did we say then?
    let rows = kitchen.rows("known_at");
    let now = kitchen.get(&format!("{place}/progress?as_of={as_of}"));
    let then = kitchen.get(&format!("{place}/progress?as_of={as_of}&known_at={known_at}"));
    assert_eq!(rows, [[now["activated"].clone(), then["activated"].clone()]]);

    // 4. How many activations a month, by channel?
    let rows = kitchen.rows("by_channel");
    for month_end in [jiff::civil::date(2022, 2, 28), jiff::civil::date(2022, 3, 31)] {
        let answer = kitchen.get(&format!("{place}/breakdown?by=channel&as_of={month_end}"));
        for row in answer["rows"].as_array().unwrap() {
            let until = month_end.to_string();
            let of_it = |r: &&Vec<Value>| r[1] == row["key"] && text(&r[0]) <= until.as_str();
            let sum: i64 = rows.iter().filter(of_it).map(|r| int(&r[2])).sum();
            assert_eq!(sum, int(&row["count"]), "{row} until {month_end}");
        }
    }

    // 5. How late do activations come in?
    let rows = keyed(&kitchen.rows("lateness"), 1, 1);
    let classes = [
        ("0 to 1", 0, Some(1)),
        ("2 to 7", 2, Some(7)),
        ("8 to 30", 8, Some(30)),
        ("31 and more", 31, None),
    ];
    for (class, from, to) in classes {
        let to = to.map(|to| format!("&age_to={to}")).unwrap_or_default();
        let answer =
            kitchen.get(&format!("{place}/postings?account=activations&age_from={from}{to}"));
        assert_eq!(rows.get(class).copied().unwrap_or(0), int(&answer["total"]), "{class}");
    }

    // 6. Who serves whom?
    let rows = keyed(&kitchen.rows("who_serves_whom"), 2, 2);
    let answer = kitchen.get(&format!("/v1/flows?within={REGION}"));
    let flows = answer["services"].as_array().unwrap();
    assert!(!flows.is_empty());
    let answered: BTreeMap<String, i64> = flows
        .iter()
        .map(|flow| {
            let (home, service) = (text(&flow["home_region"]), text(&flow["service_region"]));
            (format!("{home} {service}"), int(&flow["activations"]))
        })
        .collect();
    assert_eq!(rows, answered);

    // 7. What does an outreach visit bring in an hour?
    let rows = kitchen.rows("outreach");
    let answer = kitchen.get("/v1/outreach?within=ID&limit=1000");
    let visits = answer["rows"].as_array().unwrap();
    assert_eq!(rows.len(), visits.len());
    for visit in visits {
        let (id, office) = (&visit["outreach_id"], &visit["region"]["code"]);
        let row = rows.iter().find(|row| row[0] == *id && row[1] == *office).unwrap();
        let answered = [&visit["activations"], &visit["deferrals"], &visit["hours"]];
        assert_eq!([&row[2], &row[3], &row[4]], answered, "{visit}");
        let rate: f64 = text(&visit["activations_per_hour"]).parse().unwrap();
        assert!((row[5].as_f64().unwrap() - rate).abs() < 0.011, "{row:?} {rate}");
    }

    // 8. Why could people not be activated?
    let rows = keyed(&kitchen.rows("deferrals"), 1, 1);
    let answer = kitchen.get(&format!("{place}/breakdown?by=deferral_reason"));
    for row in answer["rows"].as_array().unwrap() {
        assert_eq!(rows.get(text(&row["key"])).copied().unwrap_or(0), int(&row["count"]));
    }
    assert!(!rows.is_empty());

    // 9. Why is the figure another one?
    let rows = kitchen.rows("why");
    let answer = kitchen.get(&format!("{place}/change?from={before}&to={known_at}"));
    assert_eq!(rows.iter().map(|row| int(&row[2])).sum::<i64>(), int(&answer["change"]));
    let mut parts: BTreeMap<String, i64> = BTreeMap::new();
    for part in answer["parts"].as_array().unwrap() {
        let kind = text(&part["part"]);
        let account = kind.trim_start_matches("reversed_");
        let what = if account == kind { "posted" } else { "taken back" };
        let account = match account {
            "new_activations" | "late_activations" => "activations",
            other => other,
        };
        *parts.entry(format!("{account} {what}")).or_default() += int(&part["count"]);
    }
    assert!(!parts.is_empty());
    assert_eq!(keyed(&rows, 2, 2), parts);

    // 10. Which events of which kiosk are missing?
    let rows = kitchen.rows("gaps");
    let missing = keyed(&rows, 1, 3);
    let answer = kitchen.get("/v1/kiosks");
    for kiosk in answer["rows"].as_array().unwrap() {
        let id = text(&kiosk["kiosk_id"]);
        assert_eq!(missing.get(id).copied().unwrap_or(0), int(&kiosk["missing"]), "{kiosk}");
        let gaps = rows.iter().filter(|row| row[0] == id);
        let gaps: Vec<Value> = gaps.map(|row| Value::from(row[1..3].to_vec())).collect();
        let shown = kiosk["gaps"].as_array().unwrap();
        assert_eq!(&gaps[..shown.len()], shown, "{id}");
    }
    assert_eq!(missing.get("never-heard-of"), Some(&3));
    assert_eq!(missing.get("k"), None);

    // The three lines that others need.
    let answer = kitchen.get("/v1/regions/ID/progress");
    for name in ["pandas", "polars"] {
        let lines = block(name);
        assert_eq!(lines.trim().lines().count(), 3);
        let printed = python.print(folder.path(), &lines);
        assert_eq!(printed, answer["activations"].to_string(), "{name}");
    }
    assert!(kitchen.process.stop().status.success());
}
