//! I8, no NIK: after everything that a client can say has been said, right and wrong, with every
//! program at its most talkative, no number of a citizen is in any file, any output, any answer or
//! any topic.

mod traces;

use std::cell::RefCell;
use std::fs;
use std::path::Path;
use std::process::Command;

use laju_schemas::topic;
use laju_tests::broker::TestBroker;
use laju_tests::process::{Ended, Process, command, run, run_with_input, wait_until, worker};
use serde_json::{Value, json};

use self::traces::Traces;
use crate::kiosk::{Client, JSON, Kiosk, NDJSON, activation, logged, nik};
use crate::{KIOSK, LAJU};

/// Numbers of citizens that are used in this test: those below are of events that are accepted.
const NIKS: u32 = 80;

/// What was seen, by where.
#[derive(Default)]
struct Evidence(RefCell<Vec<(String, Vec<u8>)>>);

impl Evidence {
    fn add(&self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.0.borrow_mut().push((place.into(), bytes.into()));
    }

    fn output(&self, program: &str, ended: &Ended) {
        self.add(format!("{program}'s standard output"), ended.stdout.as_str());
        self.add(format!("{program}'s standard error"), ended.stderr.as_str());
    }

    fn files(&self, directory: &Path) -> usize {
        let mut count = 0;
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                count += self.files(&path);
            } else {
                self.add(path.display().to_string(), fs::read(&path).unwrap());
                count += 1;
            }
        }
        count
    }

    fn topics(&self, broker: &TestBroker) {
        for topic in topic::ALL {
            for (place, record) in broker.read(&topic).into_iter().enumerate() {
                let name = |part: &str| format!("{} record {place}'s {part}", topic.name);
                self.add(name("key"), record.record.key.unwrap_or_default());
                self.add(name("value"), record.record.value.unwrap_or_default());
                for (header, value) in record.headers {
                    self.add(name("header's name"), header);
                    self.add(name("header"), value.unwrap_or_default());
                }
            }
        }
    }

    /// Sends a body; the answer is evidence.
    fn post(&self, client: &Client, path: &str, kind: &str, body: &str) -> u16 {
        let (status, text) = client.try_post(path, kind, body).unwrap();
        self.add(format!("the answer to {body}"), text);
        status
    }

    fn get(&self, client: &Client, path: &str) -> u16 {
        let (status, text) = client.get_text(path);
        self.add(format!("the answer to GET {path}"), text);
        status
    }
}

/// Everything that a program can say, it says.
fn talkative(mut command: Command) -> Command {
    command.env("RUST_LOG", "trace");
    command
}

/// NIKs where none belongs, each in another place.
fn misplaced(number: u32) -> Vec<Value> {
    let whole = |place: u32| (activation(number + place), nik(number + 20 + place));
    let mut events = Vec::new();
    for (place, field) in
        (0..).zip(["home_region", "service_region", "outreach_id", "occurred_at", "event_id"])
    {
        let (mut event, nik) = whole(place);
        event[field] = json!(nik);
        events.push(event);
    }
    let (mut event, nik) = whole(5);
    event["fact"]["Activated"]["venue"] = json!(nik);
    events.push(event);
    let (mut event, nik) = whole(6);
    event["fact"] = json!({ nik: {} });
    events.push(event);
    let (mut event, nik) = whole(7);
    event[&nik] = json!(nik);
    events.push(event);
    let (mut event, nik) = whole(8);
    event["outreach_id"] = json!(format!("school {} {}", &nik[..8], &nik[8..]));
    events.push(event);
    let (mut event, nik) = whole(9);
    event["nik"] = json!(nik.parse::<u64>().unwrap());
    events.push(event);
    let (mut event, nik) = whole(10);
    event["nik"] = json!(format!("{nik}0"));
    events.push(event);
    let (mut event, nik) = whole(11);
    event["home_region"] = json!(nik.parse::<u64>().unwrap());
    events.push(event);
    events
}

/// Says everything that a client can say over HTTP, right and wrong.
fn ask_for_everything(client: &Client, evidence: &Evidence) {
    assert_eq!(evidence.post(client, "/v1/events", JSON, &activation(0).to_string()), 202);
    let named = |number: u32, key: String| {
        let mut event = activation(number);
        event["idempotency_key"] = key.into();
        event
    };
    // A key is the client's own text, and may well be the citizen's number.
    let array = json!([named(1, nik(1)), named(2, nik(3)), activation(4)]);
    assert_eq!(evidence.post(client, "/v1/events", JSON, &array.to_string()), 202);
    assert_eq!(evidence.post(client, "/v1/events", JSON, &array.to_string()), 202);
    let reused = named(5, nik(1)).to_string();
    assert_eq!(evidence.post(client, "/v1/events", JSON, &reused), 409);

    let misplaced = misplaced(10);
    for event in &misplaced {
        assert_eq!(evidence.post(client, "/v1/events", JSON, &event.to_string()), 422);
    }
    let mut lines: String = misplaced.iter().map(|event| format!("{event}\n")).collect();
    lines.push_str(&format!("{}\n", activation(6)));
    lines.push_str(&format!("{{\"nik\": \"{}\n{}\n[\"{0}\"]\n", nik(60), nik(61)));
    assert_eq!(evidence.post(client, "/v1/events", NDJSON, &lines), 202);
    let broken = format!("[{}, {{\"nik\": \"{}", activation(62), nik(63));
    assert_eq!(evidence.post(client, "/v1/events", JSON, &broken), 400);
    assert_eq!(evidence.post(client, "/v1/events", "text/plain", &nik(64)), 415);
    for wrong in wrong() {
        let mut event = activation(7);
        event["nik"] = wrong.into();
        assert_eq!(evidence.post(client, "/v1/events", JSON, &event.to_string()), 422);
    }

    // Where an event's id, a reason or a path belongs.
    let number = nik(65);
    assert_eq!(evidence.get(client, &format!("/v1/events/{number}")), 400);
    assert_eq!(evidence.get(client, &format!("/v1/{number}")), 404);
    assert_eq!(evidence.get(client, &format!("/v1/status?nik={number}")), 200);
    let path = "/v1/events/018d4a6e-5c00-7000-8000-000000000001/retract";
    for body in [
        json!({ "reason": number }),
        json!({ "reason": "test", &number: 1 }),
        json!({ "reason": "test", "idempotency_key": number }),
    ] {
        assert!(evidence.post(client, path, JSON, &body.to_string()) >= 404);
    }
    let retry = json!({ "event_id": number }).to_string();
    assert_eq!(evidence.post(client, "/v1/set-aside/retry", JSON, &retry), 422);
    for path in ["/v1/status", "/metrics", "/healthz"] {
        assert_eq!(evidence.get(client, path), 200);
    }
}

/// Sixteen digits that are nobody's, as a typing error makes them.
fn wrong() -> [String; 3] {
    ["1871013202900001", "9971010101900001", "1871010101900000"].map(str::to_owned)
}

/// The commands that handle NIKs and events, and what they say.
fn run_commands(kiosk: &Kiosk, client: &Client, evidence: &Evidence) {
    let agent = format!("http://{}", client.address);
    let kiosk_command = |args: &[&str]| {
        let mut command = talkative(command(KIOSK, &args[..1]));
        command.args(["--agent", &agent]).args(&args[1..]);
        command
    };
    let list = kiosk.folder().join("list.ndjson");
    let mut lines: String = (70..74).map(|number| format!("{}\n", activation(number))).collect();
    misplaced(30).iter().for_each(|event| lines.push_str(&format!("{event}\n")));
    fs::write(&list, lines).unwrap();
    let ended = run(kiosk_command(&["emit", "--file", list.to_str().unwrap()]));
    assert_eq!(ended.status.code(), Some(1), "{ended:?}");
    evidence.output("emit --file", &ended);
    // The list is the office's own.
    fs::remove_file(&list).unwrap();

    let fact = ["--home-region", "18.71", "activated", "--channel", "office"];
    let one = kiosk_command(&[&["emit", "--json", "--nik-file", "-"], &fact[..]].concat());
    let ended = run_with_input(one, &nik(74));
    assert!(ended.status.success(), "{ended:?}");
    evidence.output("emit --nik-file", &ended);
    let taken: Value = serde_json::from_str(&ended.stdout).unwrap();
    let id = taken["event_id"].as_str().unwrap();
    let mut by_variable = kiosk_command(&[&["emit"], &fact[..]].concat());
    by_variable.env("LAJU_NIK", nik(75));
    let ended = run(by_variable);
    assert!(ended.status.success(), "{ended:?}");
    evidence.output("emit with LAJU_NIK", &ended);
    let bad = kiosk_command(&[&["emit", "--nik-file", "-"], &fact[..]].concat());
    let ended = run_with_input(bad, &wrong()[0]);
    assert!(!ended.status.success());
    evidence.output("emit of a wrong NIK", &ended);
    for args in [&["status"][..], &["event", id], &["retract", id, "--reason", "test"], &["retry"]]
    {
        let ended = run(kiosk_command(args));
        assert!(ended.status.success(), "{args:?}: {ended:?}");
        evidence.output(args[0], &ended);
    }
}

#[test]
fn i8_no_nik() {
    let broker = TestBroker::start(3);
    let kiosk = Kiosk::new(broker.connection()).with(&["--report-every", "1"]);
    let store = tempfile::tempdir().unwrap();
    let evidence = Evidence::default();
    let mut counting = Process::start(talkative(worker(LAJU, &broker.connection(), store.path())));
    let mut process = Process::start(talkative(kiosk.command()));
    let client = Client::of(&mut process);
    ask_for_everything(&client, &evidence);
    run_commands(&kiosk, &client, &evidence);
    client.drain();
    // The outbox as it is while the agent runs, and as a kill leaves it.
    evidence.files(&kiosk.outbox());
    evidence.add("the killed agent's log", process.kill());
    evidence.files(&kiosk.outbox());
    let mut process = Process::start(talkative(kiosk.command()));
    let client = Client::of(&mut process);
    assert_eq!(evidence.post(&client, "/v1/events", JSON, &activation(8).to_string()), 202);
    client.drain();
    evidence.get(&client, "/metrics");
    let status = client.status();
    let ended = process.stop();
    assert!(ended.status.success(), "{ended:?}");
    evidence.output("the agent", &ended);

    counting.wait_ready();
    let events = logged(&broker).len();
    let expected = status["highest_sequence"].as_u64().unwrap() as usize;
    assert!(events >= expected && expected > 10, "{events} of {expected}");
    let everything = format!("\"sequences\":{expected}");
    wait_until("the worker has counted everything", || {
        counting.try_get("/v1/kiosks").is_some_and(|(_, body)| body.contains(&everything))
    });
    for path in ["/v1/kiosks", "/v1/progress?level=regency", "/v1/quarantine", "/metrics"] {
        let (_, body) = counting.try_get(path).unwrap();
        evidence.add(format!("the worker's {path}"), body);
    }
    let ended = counting.stop();
    assert!(ended.status.success(), "{ended:?}");
    evidence.output("the worker", &ended);
    assert!(evidence.files(&kiosk.outbox()) >= 3 && evidence.files(store.path()) >= 2);
    evidence.topics(&broker);

    let mut numbers: Vec<String> = (0..NIKS).map(nik).collect();
    numbers.extend(wrong());
    let traces = Traces::of(numbers.iter().map(String::as_str));
    let evidence = evidence.0.into_inner();
    let bytes: usize = evidence.iter().map(|(_, bytes)| bytes.len()).sum();
    for (place, bytes) in &evidence {
        let found = traces.find(bytes);
        assert!(found.is_empty(), "in {place}: {found:?}");
    }
    println!("{} numbers looked for in {} things of {bytes} bytes", numbers.len(), evidence.len());
}
