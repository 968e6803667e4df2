//! `laju export`: it says what the interface says, whatever is asked; the same cut gives the same
//! rows, and a whole export of it the same bytes; what is killed on its way leaves nothing that looks complete.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use jiff::civil::Date;
use laju_tests::broker::TestBroker;
use laju_tests::events::{activations, now_ms};
use laju_tests::generate;
use laju_tests::log::LogRecord;
use laju_tests::process::{Ended, Process, command, connect, run, wait_until, worker};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use parquet::file::reader::SerializedFileReader;
use parquet::record::{Field, Row};
use rand::RngExt as _;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::LAJU;
use crate::duck::Python;

const PARTITIONS: u32 = 4;

/// A log with everything that kiosks and clocks do, and with records that cannot be counted.
pub(crate) fn log(seed: u64, steps: usize) -> Vec<LogRecord> {
    let mut log = generate::seeded(seed, PARTITIONS, 60, steps).records;
    for record in &mut log {
        // Clocks beyond what a broker takes.
        if !(1..1 << 41).contains(&record.timestamp_ms) {
            record.timestamp_ms = 1_700_000_000_000;
        }
    }
    log
}

fn exporting(broker: &TestBroker, output: &Path, args: &[&str]) -> Command {
    let mut command = command(LAJU, &["export", "--json", "--output"]);
    command.arg(output).args(args);
    connect(&mut command, &broker.connection());
    command
}

/// Exports; gives what was said.
pub(crate) fn export(broker: &TestBroker, output: &Path, args: &[&str]) -> Value {
    let ended = run(exporting(broker, output, args));
    assert!(ended.status.success(), "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap()
}

fn manifest(output: &Path) -> Option<Value> {
    let bytes = fs::read(output.join("manifest.json")).ok()?;
    Some(serde_json::from_slice(&bytes).unwrap())
}

/// The files of a manifest: path and digest, by dataset.
fn files(manifest: &Value) -> BTreeMap<String, Vec<(String, String)>> {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let datasets = manifest["datasets"].as_array().unwrap().iter();
    let of = |dataset: &Value| {
        let files = dataset["files"].as_array().unwrap().iter();
        files.map(|file| (text(&file["path"]), text(&file["sha256"]))).collect()
    };
    datasets.map(|dataset| (text(&dataset["name"]), of(dataset))).collect()
}

/// That what is there is exactly what its manifest lists.
fn assert_whole(output: &Path, manifest: &Value) {
    let mut listed = vec!["manifest.json".to_owned()];
    for (path, sha256) in files(manifest).into_values().flatten() {
        let bytes = fs::read(output.join(&path)).unwrap();
        let digest: String = Sha256::digest(bytes).iter().map(|b| format!("{b:02x}")).collect();
        assert_eq!(digest, sha256, "{path}");
        listed.push(path);
    }
    listed.sort();
    assert_eq!(found(output, output), listed);
}

fn found(root: &Path, folder: &Path) -> Vec<String> {
    let mut found_here = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found_here.extend(found(root, &path));
        } else {
            found_here.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
    found_here.sort();
    found_here
}

/// All rows of a dataset in Parquet.
fn rows(output: &Path, dataset: &str) -> Vec<Row> {
    let manifest = manifest(output).unwrap();
    let mut rows = Vec::new();
    for (path, _) in &files(&manifest)[dataset] {
        let file = fs::File::open(output.join(path)).unwrap();
        rows.extend(SerializedFileReader::new(file).unwrap().into_iter().map(Result::unwrap));
    }
    rows
}

/// Rows as text, in an order of their own.
fn sorted(output: &Path, dataset: &str) -> Vec<String> {
    let mut texts: Vec<String> =
        rows(output, dataset).iter().map(|row| format!("{row:?}")).collect();
    texts.sort();
    texts
}

fn number(field: &Field) -> i64 {
    match field {
        Field::Long(number) => *number,
        Field::Int(number) | Field::Date(number) => i64::from(*number),
        other => panic!("{other:?}"),
    }
}

/// `balances` as read by the parquet crate.
struct Balances(Vec<(String, i64, i64, String, i64)>);

impl Balances {
    fn read(output: &Path) -> Self {
        let row = |row: Row| {
            let fields: Vec<Field> =
                row.get_column_iter().map(|(_, field)| field.clone()).collect();
            let text = |place: usize| match &fields[place] {
                Field::Str(text) => text.clone(),
                other => panic!("{other:?}"),
            };
            (text(0), number(&fields[1]), number(&fields[2]), text(3), number(&fields[4]))
        };
        Self(rows(output, "balances").into_iter().map(row).collect())
    }

    fn sum(&self, asked: &Asked, account: &str) -> i64 {
        let days = |date: Date| i64::from((date - jiff::civil::date(1970, 1, 1)).get_days());
        let counts = |(region, day, recorded, of, _): &&(String, i64, i64, String, i64)| {
            of == account
                && (asked.region == "ID" || region.starts_with(&asked.region))
                && asked.as_of.is_none_or(|as_of| *day <= days(as_of))
                && asked.known_at.is_none_or(|known_at| *recorded <= days(known_at))
        };
        self.0.iter().filter(counts).map(|row| row.4).sum()
    }
}

struct Asked {
    region: String,
    as_of: Option<Date>,
    known_at: Option<Date>,
}

impl Asked {
    fn random(days: &[Date]) -> Self {
        const REGIONS: [&str; 10] =
            ["18.71", "18.72", "31.71", "51.71", "51.03", "91.71", "94.01", "18", "51", "ID"];
        let mut random = rand::rng();
        let mut day =
            || (random.random_range(0..4) > 0).then(|| days[random.random_range(0..days.len())]);
        let (as_of, known_at) = (day(), day());
        let region = REGIONS[random.random_range(0..REGIONS.len())].to_owned();
        Self { region, as_of, known_at }
    }

    fn path(&self) -> String {
        let mut path = format!("/v1/regions/{}/progress?", self.region);
        for (name, day) in [("as_of", self.as_of), ("known_at", self.known_at)] {
            path.extend(day.map(|day| format!("{name}={day}&")));
        }
        path
    }

    fn sql(&self) -> String {
        let mut sql = "SELECT account, sum(amount) FROM read_parquet('balances/**/*.parquet') \
                       WHERE true"
            .to_owned();
        if self.region != "ID" {
            sql.push_str(&format!(" AND starts_with(region, '{}')", self.region));
        }
        sql.extend(self.as_of.map(|day| format!(" AND day <= DATE '{day}'")));
        sql.extend(self.known_at.map(|day| format!(" AND recorded <= DATE '{day}'")));
        sql + " GROUP BY account"
    }
}

/// Accounts, and where an answer has their sums.
const ANSWERED: [(&str, &str); 9] = [
    ("activations", "/activations"),
    ("deactivations", "/deactivations"),
    ("moves_in", "/moves_in"),
    ("moves_out", "/moves_out"),
    ("deferrals", "/deferrals"),
    ("cards_recorded", "/cards/recorded"),
    ("cards_requested", "/cards/requested"),
    ("cards_printed", "/cards/printed"),
    ("print_queue", "/cards/queue"),
];

/// The days on which something of the log happens or may be recorded, and today.
fn days() -> Vec<Date> {
    let today = jiff::Timestamp::from_millisecond(now_ms()).unwrap();
    let today = today.to_zoned(jiff::tz::TimeZone::UTC).date();
    (0..16).map(generate::day).chain([today.yesterday().unwrap(), today]).collect()
}

#[test]
fn an_export_says_what_the_interface_says_to_random_questions() {
    let broker = TestBroker::start(PARTITIONS);
    let records = log(5, 1_500);
    broker.publish(&records);
    let folder = tempfile::tempdir().unwrap();
    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(worker(LAJU, &broker.connection(), store.path()));
    process.wait_ready();
    let said = export(&broker, &folder.path().join("laju"), &[]);
    let output = folder.path().join("laju");
    assert_whole(&output, &manifest(&output).unwrap());

    let balances = Balances::read(&output);
    let days = days();
    let asked: Vec<Asked> = (0..60).map(|_| Asked::random(&days)).collect();
    let mut answers = Vec::new();
    for asked in &asked {
        let (status, answer) = process.get(&asked.path());
        assert_eq!(status, 200, "{answer}");
        for (account, place) in ANSWERED {
            let answered = answer.pointer(place).unwrap().as_i64().unwrap();
            assert_eq!(balances.sum(asked, account), answered, "{account} in {}", asked.path());
        }
        answers.push(answer);
    }
    if let Some(python) = Python::find() {
        let statements: Vec<String> = asked.iter().map(Asked::sql).collect();
        let read = python.ask(&output, &statements);
        for ((asked, answer), rows) in asked.iter().zip(&answers).zip(read) {
            let sums: BTreeMap<&str, i64> = rows
                .iter()
                .map(|row| (row[0].as_str().unwrap(), row[1].as_i64().unwrap()))
                .collect();
            for (account, place) in ANSWERED {
                let answered = answer.pointer(place).unwrap().as_i64().unwrap();
                let sum = sums.get(account).copied().unwrap_or(0);
                assert_eq!(sum, answered, "{account} in {}", asked.path());
            }
        }
    }

    if let Some(python) = Python::find() {
        // Every value of every column can be read.
        let datasets = [
            "balances",
            "events",
            "kiosks",
            "postings",
            "quarantine",
            "reference",
            "regions",
            "statuses",
        ];
        let all = datasets.map(|name| {
            format!("SELECT max(COLUMNS(*))::VARCHAR FROM read_parquet('{name}/**/*.parquet')")
        });
        assert_eq!(python.ask(&output, &all).len(), datasets.len());
    }

    // Every record is in events or in quarantine, and of each reason as many as it says.
    let (events, refused) = (rows(&output, "events"), rows(&output, "quarantine"));
    assert_eq!((events.len() + refused.len(), said["records"].as_u64()), (1_500, Some(1_500)));
    let (_, quarantine) = process.get("/v1/quarantine");
    assert_eq!(quarantine["total"].as_u64(), Some(refused.len() as u64));
    let mut reasons: BTreeMap<String, u64> = BTreeMap::new();
    for row in &refused {
        let reason = row.get_column_iter().find(|(name, _)| *name == "reason").unwrap().1;
        let Field::Str(reason) = reason else { panic!("{reason:?}") };
        *reasons.entry(reason.clone()).or_default() += 1;
    }
    for row in quarantine["reasons"].as_array().unwrap() {
        assert_eq!(reasons.get(row["reason"].as_str().unwrap()).copied(), row["count"].as_u64());
    }
    // Postings are balances with details.
    let sum = |dataset: &str| -> i64 {
        let amount = |row: &Row| {
            number(row.get_column_iter().find(|(name, _)| *name == "amount").unwrap().1)
        };
        rows(&output, dataset).iter().map(amount).sum()
    };
    assert_eq!(sum("postings"), sum("balances"));
    let (_, kiosks) = process.get("/v1/kiosks");
    for (row, answer) in rows(&output, "kiosks").iter().zip(kiosks["rows"].as_array().unwrap()) {
        let fields: Vec<Field> = row.get_column_iter().map(|(_, field)| field.clone()).collect();
        assert_eq!(fields[0], Field::Str(answer["kiosk_id"].as_str().unwrap().to_owned()));
        for (place, name) in
            [(2, "received"), (3, "sequences"), (4, "highest_received"), (5, "missing")]
        {
            assert_eq!(Some(number(&fields[place])), answer[name].as_i64(), "{name}");
        }
    }
    assert_eq!(rows(&output, "regions").len(), 552);
    assert!(process.stop().status.success());
}

#[test]
fn an_increment_makes_what_a_whole_export_makes_and_the_same_cut_gives_the_same_bytes() {
    let broker = TestBroker::start(PARTITIONS);
    let records = log(6, 1_200);
    let folder = tempfile::tempdir().unwrap();
    let place = |name: &str| folder.path().join(name);
    broker.publish(&records[..500]);
    let first = export(&broker, &place("grown"), &[]);
    // With nothing new it stays what it is.
    let again = export(&broker, &place("grown"), &[]);
    assert_eq!(files(&again), files(&first));
    broker.publish(&records[500..]);
    let grown = export(&broker, &place("grown"), &[]);
    assert_eq!(grown["increment"], 2);
    assert_whole(&place("grown"), &manifest(&place("grown")).unwrap());
    let old = files(&first)["events"].clone();
    assert!(old.iter().all(|file| files(&grown)["events"].contains(file)), "a part was rewritten");

    let like = place("grown").join("manifest.json");
    let like = ["--like", like.to_str().unwrap()];
    let whole = export(&broker, &place("whole"), &like);
    assert_eq!(whole["cut"], grown["cut"]);
    for dataset in ["events", "quarantine"] {
        assert_eq!(sorted(&place("grown"), dataset), sorted(&place("whole"), dataset));
    }
    for dataset in ["balances", "postings", "kiosks", "reference", "regions"] {
        assert_eq!(files(&grown)[dataset], files(&whole)[dataset], "{dataset}");
    }
    // The cut as offsets, the log having gone on since.
    broker.publish(&activations(5_000..5_050, PARTITIONS));
    let cut = whole["cut"]["partitions"].as_array().unwrap();
    let cut: Vec<String> =
        cut.iter().map(|part| format!("{}:{}", part["partition"], part["next_offset"])).collect();
    let until = ["--until-offsets", &cut.join(",")];
    export(&broker, &place("until"), &until);
    let bytes = |name: &str| fs::read(place(name).join("manifest.json")).unwrap();
    assert_eq!(bytes("until"), bytes("whole"));
    // Like another in everything that is not said.
    export(&broker, &place("some"), &["regions", "kiosks", "--format", "csv"]);
    let some = place("some").join("manifest.json");
    export(&broker, &place("alike"), &["--like", some.to_str().unwrap()]);
    assert_eq!(bytes("alike"), bytes("some"));
    for format in ["csv", "avro"] {
        let args = |name: &str| {
            export(&broker, &place(name), &[&until[..], &["--format", format]].concat())
        };
        let (one, other) = (args(&format!("{format}-1")), args(&format!("{format}-2")));
        assert_eq!(files(&one), files(&other));
        assert_eq!(one["datasets"][0]["rows"], whole["datasets"][0]["rows"]);
    }
}

#[test]
fn a_cut_stays_whole_while_events_keep_coming() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&activations(0..2_000, PARTITIONS));
    let folder = tempfile::tempdir().unwrap();
    let (live, after) = (folder.path().join("live"), folder.path().join("after"));
    let stop = AtomicBool::new(false);
    let said = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut from = 2_000;
            while !stop.load(Ordering::Acquire) {
                broker.publish(&activations(from..from + 50, PARTITIONS));
                from += 50;
            }
        });
        let said = export(&broker, &live, &[]);
        stop.store(true, Ordering::Release);
        said
    });
    let like = live.join("manifest.json");
    let again = export(&broker, &after, &["--like", like.to_str().unwrap()]);
    assert!(said["records"].as_u64() >= Some(2_000), "{said}");
    assert_eq!(fs::read(&like).unwrap(), fs::read(after.join("manifest.json")).unwrap());
    assert_eq!(files(&said), files(&again));
    // One citizen, one event, one activation each.
    let active: i64 = Balances::read(&live).0.iter().map(|row| row.4).sum();
    assert_eq!(active as usize, rows(&live, "events").len());
}

#[test]
fn an_export_killed_on_its_way_leaves_nothing_that_looks_complete_and_the_next_is_right() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&log(7, 1_000));
    broker.publish(&activations(0..4_000, PARTITIONS));
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("killed");
    let begun = Instant::now();
    let right = export(&broker, &folder.path().join("right"), &[]);
    let usual = begun.elapsed();
    let (mut killed, mut from) = (0, 4_000);
    for round in 0..12 {
        let before = manifest(&output);
        let mut process = Process::start(exporting(&broker, &output, &[]));
        let pause = usual.mul_f64(rand::rng().random_range(0.05..1.1));
        std::thread::sleep(pause);
        if process.is_running() {
            killed += 1;
        }
        let _ = process.kill();
        match manifest(&output) {
            // Whatever else lies about: what the manifest lists is there, all of it.
            Some(manifest) => {
                for (path, sha256) in files(&manifest).into_values().flatten() {
                    let bytes = fs::read(output.join(&path)).unwrap();
                    let digest = Sha256::digest(bytes);
                    let digest: String = digest.iter().map(|b| format!("{b:02x}")).collect();
                    assert_eq!(digest, sha256, "{path} in round {round}");
                }
            }
            None => {
                assert!(before.is_none() || output.join(".laju-next").exists(), "round {round}")
            }
        }
        if round % 4 == 3 {
            let said = export(&broker, &output, &[]);
            assert_whole(&output, &manifest(&output).unwrap());
            let whole = folder.path().join(format!("whole-{round}"));
            let like = output.join("manifest.json");
            let whole_said = export(&broker, &whole, &["--like", like.to_str().unwrap()]);
            for dataset in ["balances", "postings", "kiosks"] {
                assert_eq!(files(&said)[dataset], files(&whole_said)[dataset]);
            }
            assert_eq!(sorted(&output, "events"), sorted(&whole, "events"));
            if round == 3 {
                assert_eq!(files(&said)["balances"], files(&right)["balances"]);
            }
            broker.publish(&activations(from..from + 500, PARTITIONS));
            from += 500;
        }
    }
    assert!(killed > 0, "none was killed on its way");
}

fn interrupted(mut process: Process) -> Ended {
    kill(Pid::from_raw(process.id() as i32), Signal::SIGINT).unwrap();
    wait_until("it has ended", || !process.is_running());
    process.wait()
}

#[test]
fn what_cannot_be_continued_is_refused_and_ctrl_c_leaves_what_was_there() {
    let broker = TestBroker::start(PARTITIONS);
    broker.publish(&activations(0..3_000, PARTITIONS));
    let folder = tempfile::tempdir().unwrap();
    let output = folder.path().join("laju");
    let wanted = ["events", "balances"];
    let said = export(&broker, &output, &wanted);
    assert_eq!(said["datasets"].as_array().unwrap().len(), 2);
    let refused = |args: &[&str], why: &str| {
        run(exporting(&broker, &output, args)).assert_refused(&[why]);
        assert_whole(&output, &manifest(&output).unwrap());
    };
    refused(&["--format", "csv"], "another folder");
    refused(&["--until-offsets", "0:1,1:1,2:1,3:1"], "goes up to offset");
    refused(&["--until-offsets", "0:1"], "partitions");
    let other = TestBroker::start(PARTITIONS);
    run(exporting(&other, &output, &[])).assert_refused(&["another folder"]);
    let occupied = folder.path().join("letters");
    fs::create_dir(&occupied).unwrap();
    fs::write(occupied.join("letter.txt"), "").unwrap();
    run(exporting(&broker, &occupied, &[])).assert_refused(&["not made by an export"]);

    // A broker that does not answer holds it where it is.
    let before = fs::read(output.join("manifest.json")).unwrap();
    broker.publish(&activations(3_000..3_100, PARTITIONS));
    let new = folder.path().join("new");
    let process = Process::start(exporting(&broker, &new, &[]));
    wait_until("it has begun", || {
        new.join(".laju-partial").exists() || new.join("manifest.json").exists()
    });
    let ended = interrupted(process);
    match ended.status.code() {
        Some(130) => assert!(!new.exists(), "{ended:?}"),
        // It was quicker than the signal.
        Some(0) => assert_whole(&new, &manifest(&new).unwrap()),
        _ => panic!("{ended:?}"),
    }
    assert_eq!(fs::read(output.join("manifest.json")).unwrap(), before);
    // A recreated topic is another log, whatever it is called; what is there does not vouch for
    // another manifest.
    let mut forged: Value = serde_json::from_slice(&before).unwrap();
    forged["cut"]["partitions"][0]["last_record"]["digest"] = "0".repeat(16).into();
    let other = folder.path().join("other.json");
    fs::write(&other, forged.to_string()).unwrap();
    refused(&["--like", other.to_str().unwrap()], "another log");
    fs::write(output.join("manifest.json"), forged.to_string()).unwrap();
    run(exporting(&broker, &output, &[])).assert_refused(&["another log"]);
}
