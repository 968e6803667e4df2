//! A real Kafka of a test's own, which it may kill without harm to others.

use std::ffi::OsString;
use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::broker::KAFKA_TOOL;
use crate::ports::free_ports;

/// Brokers that end with the test.
pub struct OwnKafka {
    tool: OsString,
    directory: TempDir,
    port: u16,
    address: String,
}

impl OwnKafka {
    /// Starts one broker; none if there is no program to start it with.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start() -> Option<Self> {
        Self::with(1, &[])
    }

    /// Starts so many brokers, which keep a copy of every partition each, up to three. All of them are
    /// controllers.
    ///
    /// # Panics
    /// If they do not start.
    #[must_use]
    pub fn of(brokers: u16) -> Option<Self> {
        Self::with(brokers, &["--controllers", &brokers.to_string()])
    }

    /// The same with one controller, and with the times after which Kafka by itself takes a broker for
    /// dead, instead of shorter ones.
    ///
    /// # Panics
    /// If they do not start.
    #[must_use]
    pub fn with_default_timeouts(brokers: u16) -> Option<Self> {
        Self::with(brokers, &["--default-timeouts"])
    }

    /// Starts it with a further listener that speaks TLS (see [`OwnKafka::authority`]) and knows the
    /// users `kiosk`, `worker` and `analyst`, whose passwords are their names and `-secret`, by
    /// SCRAM-SHA-256. They may do nothing until they are given rights.
    ///
    /// # Panics
    /// If it does not start.
    #[must_use]
    pub fn start_with_users() -> Option<Self> {
        Self::with(1, &["--sasl"])
    }

    fn with(brokers: u16, options: &[&str]) -> Option<Self> {
        let tool = std::env::var_os(KAFKA_TOOL).filter(|tool| !tool.is_empty())?;
        let directory = tempfile::tempdir().expect("a directory");
        // Two for each broker, its own and its controller's, and the one for users with names.
        let port = free_ports(2 * brokers, &[USERS]);
        let addresses = (0..brokers).map(|number| format!("127.0.0.1:{}", port + 2 * number));
        let address = addresses.collect::<Vec<_>>().join(",");
        let kafka = Self { tool, directory, port, address };
        let (port, brokers) = (port.to_string(), brokers.to_string());
        kafka.tell(&[&["start", "--port", &port, "--brokers", &brokers], options].concat());
        Some(kafka)
    }

    /// Where it listens; of several brokers all of them, separated by commas.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Where it listens for users with names.
    #[must_use]
    pub fn address_with_users(&self) -> String {
        format!("127.0.0.1:{}", self.port + USERS)
    }

    /// The certificate of the authority that signed its own, where it has users with names.
    #[must_use]
    pub fn authority(&self) -> PathBuf {
        self.directory.path().join("kafka/tls/ca.pem")
    }

    /// The directory of Kafka's own jars.
    ///
    /// # Panics
    /// If the program does not name it.
    #[must_use]
    pub fn jars(&self) -> String {
        let named = self.command(&["install"]).output().expect("a program");
        String::from_utf8(named.stdout).expect("a path").trim().to_owned()
    }

    /// Ends its process at once; its data stay.
    ///
    /// # Panics
    /// If it does not end.
    pub fn kill(&self) {
        self.kill_broker(1);
    }

    /// Ends the process of one of several at once; its data stay.
    ///
    /// # Panics
    /// If it does not end.
    pub fn kill_broker(&self, number: u16) {
        self.tell(&["kill", &number.to_string()]);
    }

    /// Starts it again on its data, and waits until it answers.
    ///
    /// # Panics
    /// If it does not.
    pub fn start_again(&self) {
        self.start_broker_again(1);
    }

    /// Starts one of several again on its data, and waits until it answers.
    ///
    /// # Panics
    /// If it does not.
    pub fn start_broker_again(&self, number: u16) {
        self.tell(&["up", &number.to_string()]);
    }

    /// Stops one of several where it stands.
    ///
    /// # Panics
    /// If it does not run.
    pub fn pause_broker(&self, number: u16) {
        self.tell(&["pause", &number.to_string()]);
    }

    /// Lets it go on.
    ///
    /// # Panics
    /// If it does not run.
    pub fn resume_broker(&self, number: u16) {
        self.tell(&["resume", &number.to_string()]);
    }

    fn tell(&self, args: &[&str]) {
        let ended = self.command(args).output().expect("a program");
        assert!(ended.status.success(), "{args:?}: {ended:?}");
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(&self.tool);
        command.args(args).env("LAJU_KAFKA_DIR", self.directory.path().join("kafka"));
        command.env("LAJU_KAFKA_HEAP", HEAP);
        command
    }
}

impl Drop for OwnKafka {
    fn drop(&mut self) {
        // Best effort: the test has ended, and another panic would hide why.
        drop(self.command(&["destroy"]).output());
    }
}

/// What each broker may have: tests' logs are small.
const HEAP: &str = "256m";
/// How far behind its first port the broker has the one for users with names.
const USERS: u16 = 1001;
