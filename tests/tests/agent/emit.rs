//! An office's list, given to the agent in one go, and given again.

use std::fmt::Write as _;
use std::time::Instant;

use laju_tests::broker::TestBroker;
use laju_tests::process::{Ended, Process, command, run, run_with_input};
use serde_json::{Value, json};

use crate::KIOSK;
use crate::kiosk::{Client, Kiosk, activation, logged, nik, no_broker};

const LINES: u32 = 100_000;
/// One line in so many is refused.
const BAD_EVERY: u32 = 1_000;

/// What is wrong with a bad line, by its number: the line, the field, and a part of the reason.
fn bad_line(number: u32) -> (String, &'static str, &'static str) {
    let mut event = activation(number);
    let (field, words) = match (number / BAD_EVERY) % 5 {
        0 => {
            event["nik"] = json!(&nik(number)[..15]);
            ("nik", "16 digits")
        }
        1 => {
            event["home_region"] = json!("18.99");
            ("home_region", "18.99")
        }
        2 => {
            event["fact"]["Activated"]["channel"] = json!("ofice");
            ("fact.Activated.channel", "sub_district")
        }
        3 => {
            event["occurred_at"] = json!("2021-05-03T09:30:00+07:00");
            ("occurred_at", "2022")
        }
        _ => {
            return (format!("{{\"nik\": \"{}\", ", nik(number)), "", "ends before it is complete");
        }
    };
    (event.to_string(), field, words)
}

fn list() -> String {
    let mut list = String::new();
    for number in 1..=LINES {
        if number.is_multiple_of(BAD_EVERY) {
            writeln!(list, "{}", bad_line(number).0).unwrap();
            continue;
        }
        let mut event = activation(number);
        let (day, month) = (1 + number % 28, 1 + number % 12);
        event["occurred_at"] = json!(format!("2024-{month:02}-{day:02}T09:30:00+07:00"));
        writeln!(list, "{event}").unwrap();
    }
    list
}

fn emit(client: &Client, args: &[&str]) -> Ended {
    let mut command = command(KIOSK, &["emit", "--agent", &format!("http://{}", client.address)]);
    command.args(args);
    run(command)
}

#[test]
fn a_list_of_a_hundred_thousand_lines_is_taken_once_and_every_refused_line_is_named() {
    let broker = TestBroker::start(6);
    let kiosk = Kiosk::new(broker.connection());
    let file = kiosk.folder().join("list.ndjson");
    std::fs::write(&file, list()).unwrap();
    let file = file.to_str().unwrap();
    let (process, client) = kiosk.start();
    let (bad, good) = (LINES / BAD_EVERY, LINES - LINES / BAD_EVERY);

    let begun = Instant::now();
    let first = emit(&client, &["--json", "--file", file]);
    let took = begun.elapsed();
    assert_eq!(first.status.code(), Some(1), "{}", first.stderr);
    let report: Value = serde_json::from_str(&first.stdout).unwrap();
    assert_eq!((&report["accepted"], &report["repeated"]), (&json!(good), &json!(0)));
    let refused = report["refused"].as_array().unwrap();
    assert_eq!(refused.len(), bad as usize, "{refused:?}");
    for (line, refused) in (1..).map(|place| place * BAD_EVERY).zip(refused) {
        let (_, field, words) = bad_line(line);
        assert_eq!((&refused["line"], &refused["field"]), (&json!(line), &json!(field)));
        assert!(refused["detail"].as_str().unwrap().contains(words), "{refused}");
    }

    let begun = Instant::now();
    let again = emit(&client, &["--file", file]);
    println!("{LINES} lines in {took:.1?}, again in {:.1?}", begun.elapsed());
    assert_eq!(again.status.code(), Some(1), "{}", again.stderr);
    let said = |words: &str| assert!(again.stdout.contains(words), "{words}: {}", again.stdout);
    said(&format!("accepted  {:>9}\n", 0));
    said(&format!("repeated  {good:>9}"));
    said(&format!("refused   {bad:>9}\n"));
    said("line 1000: home_region: ");

    client.drain();
    assert_eq!(client.status()["highest_sequence"], good);
    assert!(process.stop().status.success());
    let mut sequences: Vec<u64> = logged(&broker).iter().map(|(_, n, _)| *n).collect();
    sequences.sort_unstable();
    sequences.dedup();
    assert!(sequences.into_iter().eq(1..=u64::from(good)));
}

#[test]
fn single_events_and_their_fate_by_command() {
    let kiosk = Kiosk::new(no_broker());
    let (process, client) = kiosk.start();
    let agent = format!("http://{}", client.address);
    let fact = ["--home-region", "18.71", "activated", "--channel", "office"];
    let mut one = command(KIOSK, &["emit", "--agent", &agent, "--json", "--nik-file", "-"]);
    one.args(fact);
    let taken = run_with_input(one, &nik(1));
    assert!(taken.status.success(), "{taken:?}");
    let taken: Value = serde_json::from_str(&taken.stdout).unwrap();
    assert_eq!(taken["sequence"], 1);
    let id = taken["event_id"].as_str().unwrap();
    let fate = run(command(KIOSK, &["event", "--agent", &agent, id]));
    assert!(fate.status.success() && fate.stdout.contains("unsent"), "{fate:?}");
    let mut retract = command(KIOSK, &["retract", "--agent", &agent, id]);
    retract.args(["--reason", "test", "--json"]);
    let retracted: Value = serde_json::from_str(&run(retract).stdout).unwrap();
    assert_eq!(retracted["sequence"], 2);
    let mut bad = command(KIOSK, &["emit", "--agent", &agent, "--nik-file", "-"]);
    bad.args(fact);
    run_with_input(bad, &nik(1)[..15]).assert_refused(&["NIK", "16 digits"]);
    drop(process.kill());
    emit(
        &client,
        &["--nik-file", "/no/such", "--home-region", "18.71", "activated", "--channel", "office"],
    )
    .assert_refused(&["/no/such"]);
    let mut nobody = command(KIOSK, &["emit", "--agent", &agent, "--nik-file", "-"]);
    nobody.args(fact);
    run_with_input(nobody, &nik(2)).assert_refused(&["no agent answers", "laju-kiosk run"]);
}

#[test]
fn a_list_from_a_windows_machine_is_taken_and_utf_16_is_named() {
    let kiosk = Kiosk::new(no_broker());
    let key = std::fs::read_to_string(kiosk.key_file()).unwrap();
    std::fs::write(kiosk.key_file(), format!("\u{feff}{}\r\n", key.trim())).unwrap();
    let (process, client) = kiosk.start();
    let list = crate::kiosk::lines(1..4).replace('\n', "\r\n");
    let file = kiosk.folder().join("list.ndjson");
    std::fs::write(&file, format!("\u{feff}{list}")).unwrap();
    let path = file.to_str().unwrap();
    let taken = emit(&client, &["--json", "--file", path]);
    assert!(taken.status.success(), "{taken:?}");
    let report: Value = serde_json::from_str(&taken.stdout).unwrap();
    assert_eq!(report["accepted"], 3);
    // As bodies, too: another list, with and without a name of its own.
    let list = format!("\u{feff}{}", crate::kiosk::lines(4..6));
    client.send_lines(&list);
    let (status, answer) =
        client.post("/v1/events", crate::kiosk::JSON, &format!("\u{feff}{}", activation(6)));
    assert_eq!(status, 202, "{answer}");
    assert_eq!(client.status()["highest_sequence"], 6);

    let wide: Vec<u8> = list.encode_utf16().flat_map(u16::to_le_bytes).collect();
    std::fs::write(&file, wide).unwrap();
    emit(&client, &["--file", path]).assert_refused(&["UTF-16", "save it as UTF-8"]);
    assert_eq!(client.status()["highest_sequence"], 6);
    drop(process.stop());
}

#[test]
fn codes_that_papua_had_until_2022_are_their_successors_from_the_kiosk_to_the_answer() {
    let broker = TestBroker::start(3);
    let kiosk = Kiosk::new(broker.connection());
    let (process, client) = kiosk.start();
    let former = laju_schemas::FormerCode::all();
    let mut list = String::new();
    for (number, former) in (1..).zip(former) {
        let mut event = activation(number);
        event["home_region"] = json!(former.code);
        event["occurred_at"] = json!("2022-06-01T02:30:00Z");
        writeln!(list, "{event}").unwrap();
    }
    let file = kiosk.folder().join("list.ndjson");
    std::fs::write(&file, &list).unwrap();
    let taken = emit(&client, &["--file", file.to_str().unwrap()]);
    assert!(taken.status.success(), "{taken:?}");
    for former in former {
        assert!(taken.stderr.contains(&format!("note: {former}\n")), "{former}: {taken:?}");
    }
    // The same lines by themselves, and one of them, in either language.
    let answer = client.send_lines(&list);
    let note = answer["items"][0]["note"].as_str().unwrap();
    assert_eq!(note, former[0].to_string());
    assert!(answer["note"].as_str().unwrap().contains(note), "{answer}");
    let one: Value = serde_json::from_str(list.lines().next().unwrap()).unwrap();
    assert_eq!(client.send(&one)["note"], note);
    assert_eq!(client.send(&activation(98)).get("note"), None);
    let fact = ["--home-region", "91.01", "activated", "--channel", "office"];
    let agent = format!("http://{}", client.address);
    let mut one = command(KIOSK, &["emit", "--agent", &agent, "--nik-file", "-"]);
    one.args(fact);
    let said = run_with_input(one, &nik(99));
    assert!(said.status.success() && said.stderr.contains("it is 93.01 now"), "{said:?}");
    client.drain();
    assert!(process.stop().status.success());

    // What others publish under an old code is read as well: the same event but for its code.
    let mut record = broker.read_log().remove(0);
    let value = record.value.as_mut().unwrap();
    let place = |code: &str| value.windows(5).position(|part| part == code.as_bytes());
    let (at, old) = former
        .iter()
        .find_map(|former| Some((place(&former.now.to_string())?, former.code.as_str())))
        .expect("one of the codes");
    value[at..at + 5].copy_from_slice(old.as_bytes());
    broker.publish(&[record]);
    let store = tempfile::tempdir().unwrap();
    let mut worker = Process::start(laju_tests::process::worker(
        crate::LAJU,
        &broker.connection(),
        store.path(),
    ));
    worker.wait_ready();
    for former in former {
        let more = i64::from(former.code == "91.01");
        for code in [former.code.to_owned(), former.now.to_string()] {
            let (status, answer) = worker.get(&format!("/v1/regions/{code}/progress"));
            assert_eq!((status, &answer["activated"]), (200, &json!(1 + more)), "{code}: {answer}");
            assert_eq!(answer["region"]["code"], former.now.to_string());
        }
    }
    let (_, quarantine) = worker.get("/v1/quarantine");
    assert_eq!(quarantine["total"], 0, "{quarantine}");
}
