//! HAProxy in front of nodes, as `consumer/deploy/haproxy.cfg` sets it up.

use std::io::{Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;

use crate::ports::free_ports;
use crate::process::Process;

const CONFIG: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../consumer/deploy/haproxy.cfg");
/// The nodes, as the balancer's configuration calls them.
pub const NODES: [&str; 3] = ["one", "two", "three"];

/// HAProxy: what `LAJU_TEST_HAPROXY` names, else one on the `PATH`.
///
/// # Panics
/// If the variable names no file.
#[must_use]
pub fn haproxy() -> Option<PathBuf> {
    if let Some(named) = std::env::var_os("LAJU_TEST_HAPROXY").filter(|name| !name.is_empty()) {
        let named = PathBuf::from(named);
        assert!(named.is_file(), "LAJU_TEST_HAPROXY names {named:?}, which is no file");
        return Some(named);
    }
    let path = std::env::var_os("PATH")?;
    std::env::split_paths(&path)
        .chain(["/usr/sbin".into()])
        .map(|directory| directory.join("haproxy"))
        .find(|program| program.is_file())
}

/// A balancer, and the ports that its nodes are to listen on.
pub struct Balancer {
    port: u16,
    directory: TempDir,
    _process: Process,
}

impl Balancer {
    /// Starts it for so many nodes, two or three.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(haproxy: &Path, nodes: usize) -> Self {
        let directory = tempfile::tempdir().expect("a directory");
        let port = free_ports(1 + nodes as u16, &[]);
        // By its socket it tells which nodes it takes for ready.
        let beside = directory.path().join("beside.cfg");
        let socket = directory.path().join("socket");
        let config = format!("global\n    stats socket {} mode 600 level user\n", socket.display());
        std::fs::write(&beside, config).expect("a file");
        let mut command = Command::new(haproxy);
        command.arg("-f").arg(CONFIG).arg("-f").arg(&beside);
        let address = |behind: usize| format!("127.0.0.1:{}", usize::from(port) + behind);
        command.env("LAJU_BALANCER", address(0)).env("LAJU_TOKEN", "none");
        for number in 1..=nodes {
            command.env(format!("LAJU_NODE_{number}"), address(number));
        }
        Self { port, directory, _process: Process::start(command) }
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Where a node has to listen, by its place in [`NODES`].
    #[must_use]
    pub fn node_address(&self, node: usize) -> String {
        format!("127.0.0.1:{}", usize::from(self.port) + 1 + node)
    }

    /// Whether it takes a node for ready.
    ///
    /// # Panics
    /// If it breaks off while it says so.
    #[must_use]
    pub fn is_up(&self, node: usize) -> bool {
        let Ok(mut socket) = UnixStream::connect(self.directory.path().join("socket")) else {
            return false;
        };
        let mut said = String::new();
        socket.write_all(b"show stat\n").expect("it takes a question");
        socket.read_to_string(&mut said).expect("an answer");
        let row = said.lines().find(|line| line.starts_with(&format!("nodes,{},", NODES[node])));
        row.is_some_and(|row| row.split(',').nth(17) == Some("UP"))
    }
}
