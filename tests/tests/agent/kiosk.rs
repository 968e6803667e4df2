//! A kiosk: the agent's process on its outbox.

use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use laju_kafka::connection::Connection;
use laju_schemas::known::EventReader;
use laju_tests::broker::TestBroker;
use laju_tests::process::{Process, command, connect};
use tempfile::TempDir;

use crate::{KEY, KIOSK};

pub(crate) use laju_tests::agent::{Client, JSON, NDJSON, activation, lines, nik};

/// The kiosk of all tests that have one.
pub(crate) const ID: &str = "kbl-01";

/// Nobody listens there.
pub(crate) fn no_broker() -> Connection {
    Connection::to("127.0.0.1:9".to_owned())
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
