//! A Kafka with users and rights, and the rights that `consumer/docs/rights.md` gives each program.

use std::collections::BTreeSet;
use std::io::{BufRead as _, BufReader, Write as _};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use laju_kafka::connection::Connection;
use laju_tests::broker::TestBroker;
use laju_tests::kafka::OwnKafka;
use tempfile::NamedTempFile;

/// The page that lists the rights.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../consumer/docs/rights.md");

/// A right, as a line of the page gives it to a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Line {
    pub(crate) operation: String,
    /// `topic`, `group` or `transactional-id`.
    resource: String,
    pub(crate) name: String,
    is_prefix: bool,
}

impl Line {
    fn read(line: &str) -> Self {
        let words: Vec<&str> = line.split_whitespace().collect();
        let [operation, operation_name, resource, name, more @ ..] = &words[2..] else {
            panic!("{line}");
        };
        assert_eq!(*operation, "--operation", "{line}");
        Self {
            operation: (*operation_name).to_owned(),
            resource: resource.trim_start_matches("--").to_owned(),
            name: (*name).to_owned(),
            is_prefix: *more == ["--resource-pattern-type", "prefixed"],
        }
    }
}

/// What the page gives to a program: the lines below its heading that begin with `allow`.
pub(crate) fn rights_of(heading: &str) -> Vec<Line> {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let section = page.split("\n## ").find(|section| section.lines().next() == Some(heading));
    let section = section.unwrap_or_else(|| panic!("the page has no section '{heading}'"));
    let lines: Vec<Line> =
        section.lines().filter(|line| line.starts_with("allow ")).map(Line::read).collect();
    assert!(!lines.is_empty(), "{heading}");
    lines
}

/// The sections of the page that give rights.
pub(crate) fn sections() -> BTreeSet<String> {
    let page = std::fs::read_to_string(PAGE).unwrap();
    let sections = page.split("\n## ").skip(1);
    let gives = |section: &&str| section.lines().any(|line| line.starts_with("allow "));
    sections.filter(gives).filter_map(|section| section.lines().next()).map(str::to_owned).collect()
}

/// The cluster, on which topics of the contract are under a prefix.
pub(crate) struct Cluster {
    /// As a user for whom there are no limits.
    pub(crate) broker: TestBroker,
    /// Everything that was not as it has to be.
    pub(crate) wrong: Vec<String>,
    /// The sections whose rights a program was held to.
    pub(crate) held: BTreeSet<String>,
    kafka: OwnKafka,
    acls: (Child, ChildStdin, BufReader<ChildStdout>),
    password: NamedTempFile,
}

impl Cluster {
    /// Starts it; none if there is no program to start it with.
    pub(crate) fn start() -> Option<Self> {
        let kafka = OwnKafka::start_with_users()?;
        let broker = TestBroker::at(kafka.address(), 2);
        let java = std::env::var_os("LAJU_TEST_JAVA").unwrap_or_else(|| "java".into());
        let program = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/rights/Acls.java");
        let mut child = Command::new(java)
            .args(["-cp", &format!("{}/*", kafka.jars()), program, kafka.address()])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let (stdin, stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let acls = (child, stdin, BufReader::new(stdout));
        Some(Self {
            broker,
            wrong: Vec::new(),
            held: BTreeSet::new(),
            kafka,
            acls,
            password: NamedTempFile::new().unwrap(),
        })
    }

    /// How a user reaches it.
    pub(crate) fn connection(&self, user: &str) -> Connection {
        std::fs::write(self.password.path(), format!("{user}-secret\n")).unwrap();
        let mut connection = Connection::to(self.kafka.address_with_users());
        connection.topic_prefix = self.broker.connection().topic_prefix;
        connection.kafka_password_file = Some(self.password.path().to_owned());
        let authority = self.kafka.authority();
        connection.kafka_properties = [
            "security.protocol=SASL_SSL",
            "sasl.mechanism=SCRAM-SHA-256",
            &format!("sasl.username={user}"),
            &format!("ssl.ca.location={}", authority.display()),
        ]
        .map(|property| property.parse().unwrap())
        .to_vec();
        connection
    }

    /// A name as it is on this cluster.
    pub(crate) fn name(&self, line: &Line) -> String {
        format!("{}{}", self.broker.connection().topic_prefix, line.name)
    }

    pub(crate) fn give(&mut self, user: &str, line: &Line) {
        self.tell("add", user, line);
    }

    pub(crate) fn take(&mut self, user: &str, line: &Line) {
        self.tell("remove", user, line);
    }

    fn tell(&mut self, what: &str, user: &str, line: &Line) {
        let mut operation = String::new();
        for c in line.operation.chars() {
            if c.is_uppercase() && !operation.is_empty() {
                operation.push('_');
            }
            operation.push(c.to_ascii_uppercase());
        }
        let resource = line.resource.to_uppercase().replace('-', "_");
        let pattern = if line.is_prefix { "PREFIXED" } else { "LITERAL" };
        let name = self.name(line);
        let (_, stdin, stdout) = &mut self.acls;
        writeln!(stdin, "{what} {user} {operation} {resource} {name} {pattern}").unwrap();
        stdin.flush().unwrap();
        let mut answer = String::new();
        stdout.read_line(&mut answer).unwrap();
        assert_eq!(answer, "done\n", "{what} {user} {line:?}");
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // Both fail only for a process that has ended.
        let _ = self.acls.0.kill();
        let _ = self.acls.0.wait();
    }
}
