//! A kiosk: the agent's process on its outbox, and the client that talks to it.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use laju_producer::connection::Connection;
use laju_schemas::known::EventReader;
use laju_tests::broker::TestBroker;
use laju_tests::process::{Process, command, connect, wait_until};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::{KEY, KIOSK};

/// The kiosk of all tests that have one.
pub(crate) const ID: &str = "kbl-01";
/// A body's content type.
pub(crate) const JSON: &str = "application/json";
/// Likewise.
pub(crate) const NDJSON: &str = "application/x-ndjson";

/// Nobody listens there.
pub(crate) fn no_broker() -> Connection {
    Connection::to("127.0.0.1:9".to_owned())
}

/// A NIK that can be, another for each number: of men born in January 1990 in Bandar Lampung.
pub(crate) fn nik(number: u32) -> String {
    let (day, serial) = (1 + number / 9_999, 1 + number % 9_999);
    format!("187101{day:02}0190{serial:04}")
}

/// An activation, as a client sends it.
pub(crate) fn activation(number: u32) -> Value {
    json!({
        "nik": nik(number),
        "home_region": "18.71",
        "fact": {"Activated": {"channel": "office", "venue": null, "first_time_holder": false}},
    })
}

/// Activations, a line each.
pub(crate) fn lines(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|number| format!("{}\n", activation(number))).collect()
}

/// A kiosk's directory, and what its agent is started with.
pub(crate) struct Kiosk {
    folder: TempDir,
    pub(crate) connection: Connection,
    args: Vec<String>,
}

impl Kiosk {
    pub(crate) fn new(connection: Connection) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let kiosk = Self { folder, connection, args: Vec::new() };
        std::fs::write(kiosk.key_file(), format!("{KEY}\n")).unwrap();
        std::fs::set_permissions(kiosk.key_file(), PermissionsExt::from_mode(0o600)).unwrap();
        kiosk
    }

    /// With these options, too.
    pub(crate) fn with(mut self, args: &[&str]) -> Self {
        self.args.extend(args.iter().map(|arg| (*arg).to_owned()));
        self
    }

    /// For what a test needs beside the outbox.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    pub(crate) fn outbox(&self) -> PathBuf {
        self.folder.path().join("outbox")
    }

    pub(crate) fn key_file(&self) -> PathBuf {
        self.folder.path().join("key")
    }

    /// The command that starts the agent on another outbox and address.
    pub(crate) fn command_on(&self, outbox: &Path, listen: &str) -> Command {
        let mut command = command(KIOSK, &["run", "--kiosk-id", ID, "--service-region", "18.71"]);
        command.args(["--listen", listen]).arg("--outbox").arg(outbox);
        command.arg("--key-file").arg(self.key_file()).args(&self.args);
        connect(&mut command, &self.connection);
        command
    }

    pub(crate) fn command(&self) -> Command {
        self.command_on(&self.outbox(), "127.0.0.1:0")
    }

    /// The agent, as soon as it listens.
    pub(crate) fn start(&self) -> (Process, Client) {
        let mut process = Process::start(self.command());
        let client = Client::of(&mut process);
        (process, client)
    }
}

/// A client of an agent, that keeps its connection.
pub(crate) struct Client {
    pub(crate) address: String,
    agent: ureq::Agent,
}

impl Client {
    pub(crate) fn new(address: String) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .new_agent();
        Self { address, agent }
    }

    pub(crate) fn of(process: &mut Process) -> Self {
        Self::new(process.address())
    }

    /// Sends a body; none if there is no answer.
    pub(crate) fn try_post(&self, path: &str, kind: &str, body: &str) -> Option<(u16, String)> {
        let request = self.agent.post(format!("http://{}{path}", self.address)).content_type(kind);
        let mut answer = request.send(body).ok()?;
        let limit = 64 << 20;
        let text = answer.body_mut().with_config().limit(limit).read_to_string().ok()?;
        Some((answer.status().as_u16(), text))
    }

    /// Sends a body; the answer is JSON.
    pub(crate) fn post(&self, path: &str, kind: &str, body: &str) -> (u16, Value) {
        let (status, text) = self.try_post(path, kind, body).expect("an answer");
        (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
    }

    /// Sends one event, which is accepted.
    pub(crate) fn send(&self, event: &Value) -> Value {
        let (status, answer) = self.post("/v1/events", JSON, &event.to_string());
        assert_eq!(status, 202, "{answer}");
        answer
    }

    /// Sends events, a line each, which are all accepted.
    pub(crate) fn send_lines(&self, lines: &str) -> Value {
        let (status, answer) = self.post("/v1/events", NDJSON, lines);
        assert_eq!((status, &answer["refused"]), (202, &json!(0)), "{answer}");
        answer
    }

    pub(crate) fn get_text(&self, path: &str) -> (u16, String) {
        let mut answer = self.agent.get(format!("http://{}{path}", self.address)).call().unwrap();
        (answer.status().as_u16(), answer.body_mut().read_to_string().unwrap())
    }

    pub(crate) fn get(&self, path: &str) -> (u16, Value) {
        let (status, text) = self.get_text(path);
        (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
    }

    pub(crate) fn status(&self) -> Value {
        let (status, answer) = self.get("/v1/status");
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// Waits until everything has been sent.
    pub(crate) fn drain(&self) {
        wait_until("everything is sent", || self.status()["unsent"] == 0);
    }
}

/// An event of the log: its id as text, its sequence, its citizen.
pub(crate) type Logged = (String, u64, laju_schemas::SubjectId);

/// The events of the log, as often as they are there.
pub(crate) fn logged(broker: &TestBroker) -> Vec<Logged> {
    let mut reader = EventReader::new(&[]).unwrap();
    let log = broker.read_log();
    log.iter()
        .map(|record| {
            let event = reader.read(record.value.as_deref().unwrap()).unwrap();
            assert_eq!(event.kiosk_id, ID);
            (event.event_id.to_string(), event.sequence as u64, event.subject)
        })
        .collect()
}
