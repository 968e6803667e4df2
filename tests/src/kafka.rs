//! A real Kafka of a test's own, which it may kill without harm to others.

use std::ffi::OsString;
use std::net::TcpListener;
use std::process::Command;

use tempfile::TempDir;

use crate::broker::KAFKA_TOOL;

/// A broker that ends with the test.
pub struct OwnKafka {
    tool: OsString,
    directory: TempDir,
    address: String,
}

impl OwnKafka {
    /// Starts it; none if there is no program to start it with.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        let tool = std::env::var_os(KAFKA_TOOL).filter(|tool| !tool.is_empty())?;
        let directory = tempfile::tempdir().expect("a directory");
        let port = two_free_ports();
        let kafka = Self { tool, directory, address: format!("127.0.0.1:{port}") };
        kafka.tell(&["start", "--port", &port.to_string()]);
        Some(kafka)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Ends its process at once; its data stay.
    ///
    /// # Panics
    /// If it does not end.
    pub fn kill(&self) {
        self.tell(&["kill", "1"]);
    }

    /// Starts it again on its data, and waits until it answers.
    ///
    /// # Panics
    /// If it does not.
    pub fn start_again(&self) {
        self.tell(&["again", "1"]);
    }

    fn tell(&self, args: &[&str]) {
        let ended = self.command(args).output().expect("a program");
        assert!(ended.status.success(), "{args:?}: {ended:?}");
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.tool);
        command.args(args).env("LAJU_KAFKA_DIR", self.directory.path().join("kafka"));
        command
    }
}

impl Drop for OwnKafka {
    fn drop(&mut self) {
        // Best effort: the test has ended, and another panic would hide why.
        drop(self.command(&["destroy"]).output());
    }
}

/// A port that is free, as is the one behind it: the broker's controller takes that.
fn two_free_ports() -> u16 {
    loop {
        let first = TcpListener::bind("127.0.0.1:0").expect("a port on the loopback");
        let port = first.local_addr().expect("it is bound").port();
        if port < u16::MAX && TcpListener::bind(("127.0.0.1", port + 1)).is_ok() {
            return port;
        }
    }
}
