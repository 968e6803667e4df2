//! The examples that give events to the kiosk agent: by curl, Python and Java.

use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use laju_kafka::connection::Connection;
use laju_tests::broker::TestBroker;
use laju_tests::ports::free_ports;
use laju_tests::process::{Ended, Process, command, connect, run_with_input, wait_until, worker};
use serde_json::{Value, json};

use crate::{KEY, KIOSK, LAJU, Tools, niks};

/// The agent of a kiosk in Bandar Lampung, with an outbox in `folder`.
fn agent(connection: &Connection, folder: &Path, listen: &str) -> Process {
    let key = folder.join("key");
    std::fs::write(&key, format!("{KEY}\n")).unwrap();
    std::fs::set_permissions(&key, PermissionsExt::from_mode(0o600)).unwrap();
    let mut command = command(KIOSK, &["run", "--kiosk-id", "example-1"]);
    command.args(["--service-region", "18.71", "--listen", listen]);
    command.arg("--outbox").arg(folder.join("outbox")).arg("--key-file").arg(key);
    connect(&mut command, connection);
    Process::start(command)
}

/// The three clients, by name.
fn clients(tools: &Tools) -> [(&'static str, Command); 3] {
    [
        ("curl", tools.curl("agent.sh")),
        ("python", tools.python("agent.py")),
        ("java", tools.java("Agent.java")),
    ]
}

/// One client of one agent.
struct Client<'a> {
    tools: &'a Tools,
    place: usize,
    address: String,
}

impl Client<'_> {
    fn command(&self, args: &[&str]) -> Command {
        let [curl, python, java] = clients(self.tools);
        let mut command = [curl.1, python.1, java.1].into_iter().nth(self.place).unwrap();
        command.args(args).env("LAJU_AGENT", format!("http://{}", self.address));
        command
    }

    fn ask(&self, args: &[&str], input: &str) -> Ended {
        run_with_input(self.command(args), input)
    }
}

fn answer(ended: &Ended) -> Value {
    assert!(ended.status.success(), "{ended:?}");
    serde_json::from_str(&ended.stdout).unwrap_or_else(|error| panic!("{error}: {ended:?}"))
}

fn activation(nik: &str, idempotency_key: &str) -> Value {
    json!({
        "nik": nik,
        "home_region": "18.71",
        "fact": {"Activated": {"channel": "office", "venue": null, "first_time_holder": false}},
        "idempotency_key": idempotency_key,
    })
}

#[test]
fn events_given_to_the_agent_by_curl_python_and_java_are_counted_once() {
    const WRONG: &str = "18710101019";
    let Some(tools) = Tools::find() else { return };
    let broker = TestBroker::start(6);
    let connection = broker.connection();
    let folder = tempfile::tempdir().unwrap();
    let mut agent = agent(&connection, folder.path(), "127.0.0.1:0");
    let address = agent.address();
    for (place, (name, _)) in clients(&tools).iter().enumerate() {
        let client = Client { tools: &tools, place, address: address.clone() };
        let first = 1 + 10 * place as u32;
        let niks = niks(first..first + 3);
        let key = |number: usize| format!("{name}/{number}");

        let event = activation(&niks[0], &key(0)).to_string();
        let taken = answer(&client.ask(&["send"], &event));
        assert_eq!(taken["repeated"], false, "{taken}");
        let again = answer(&client.ask(&["send"], &event));
        assert_eq!(again["repeated"], true, "{again}");
        assert_eq!(
            [&again["event_id"], &again["sequence"]],
            [&taken["event_id"], &taken["sequence"]]
        );

        let wrong = activation(WRONG, &key(9));
        let refused = client.ask(&["send"], &wrong.to_string());
        refused.assert_refused(&["nik"]);
        assert!(!format!("{refused:?}").contains(WRONG), "{refused:?}");

        let items = [activation(&niks[1], &key(1)), wrong, activation(&niks[2], &key(2))];
        let lines: String = items.iter().map(|item| format!("{item}\n")).collect();
        let ended = client.ask(&["batch"], &lines);
        let batch = answer(&ended);
        assert_eq!([&batch["accepted"], &batch["refused"]], [2, 1], "{batch}");
        assert!(
            !ended.stderr.contains("item 1:") && !ended.stderr.contains("item 3:"),
            "{ended:?}"
        );
        let item = &batch["items"][1];
        assert_eq!((&item["status"], &item["field"]), (&422.into(), &"nik".into()), "{batch}");

        let event_id = taken["event_id"].as_str().unwrap();
        let fate = answer(&client.ask(&["fate", event_id], ""));
        assert!(fate.to_string().contains(event_id), "{fate}");
    }
    wait_until("every event gets to Kafka", || broker.read_log().len() >= 9);
    assert!(agent.stop().status.success());

    let store = tempfile::tempdir().unwrap();
    let mut process = Process::start(worker(LAJU, &connection, store.path()));
    process.wait_ready();
    let (_, progress) = process.get("/v1/regions/18.71/progress");
    assert_eq!(progress["activated"], 9, "{progress}");
    let (_, kiosks) = process.get("/v1/kiosks");
    let row = &kiosks["rows"][0];
    assert_eq!(row["kiosk_id"], "example-1", "{kiosks}");
    let numbers = ["sequences", "highest_sequence", "missing"].map(|name| &row[name]);
    assert_eq!(numbers, [9, 9, 0], "{kiosks}");
    assert!(process.stop().status.success());
}

/// A port that was free a moment ago.
fn free_address() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], free_ports(1, &[])))
}

#[test]
fn every_client_goes_on_until_an_agent_is_there() {
    let Some(tools) = Tools::find() else { return };
    let broker = TestBroker::start(1);
    let connection = broker.connection();
    let address = free_address().to_string();
    let mut waiting = Vec::new();
    for (place, nik) in niks(1..4).iter().enumerate() {
        let client = Client { tools: &tools, place, address: address.clone() };
        let event = activation(nik, &format!("waiting/{place}"));
        let mut process = Process::start_with_input(client.command(&["send"]), &event.to_string());
        process.wait_for("not taken");
        waiting.push(process);
    }
    let folder = tempfile::tempdir().unwrap();
    let agent = agent(&connection, folder.path(), &address);
    for process in waiting {
        assert_eq!(answer(&process.wait())["repeated"], false);
    }
    wait_until("every event gets to Kafka", || broker.read_log().len() >= 3);
    assert!(agent.stop().status.success());
}

/// What the repository has as a sample is taken, apart from the line that shows a refusal.
#[test]
fn the_sample_events_are_what_an_agent_takes() {
    let Some(tools) = Tools::find() else { return };
    let broker = TestBroker::start(1);
    let folder = tempfile::tempdir().unwrap();
    let mut agent = agent(&broker.connection(), folder.path(), "127.0.0.1:0");
    let client = Client { tools: &tools, place: 0, address: agent.address() };
    let sample = |name| std::fs::read_to_string(format!("{}/{name}", crate::EXAMPLES)).unwrap();
    let event = sample("event.json");
    assert_eq!(answer(&client.ask(&["send"], &event))["sequence"], 1);
    let batch = answer(&client.ask(&["batch"], &sample("events.ndjson")));
    assert_eq!([&batch["accepted"], &batch["refused"]], [2, 1], "{batch}");
    let array = answer(&client.ask(&["batch"], &format!("[{event}]")));
    assert_eq!(array["items"][0]["repeated"], true, "{array}");
    assert!(agent.stop().status.success());
}
