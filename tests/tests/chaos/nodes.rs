//! Nodes on disks of their own, and what befalls them.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use laju_kafka::connection::Connection;
use laju_tests::balancer::{Balancer, NODES};
use laju_tests::disk::{Mounted, SlowDisks, fill_up};
use laju_tests::process::{PATIENCE, Process, command, connect};
use nix::sys::signal::Signal;
use tempfile::TempDir;

use crate::LAJU;
use crate::plan::{Fault, Kind};

/// What a node's disk holds, in MiB.
const DISK: u32 = 512;
/// While it is there, a disk is slow.
pub(crate) const SLOW: &str = "slow";
/// How long a registry's word that it has no such schema is not believed.
const REGISTRY_PATIENCE: &str = "1s";
/// Of a slow process: how long it stands, and how long it runs between.
const STANDS: Duration = Duration::from_millis(80);
const RUNS: Duration = Duration::from_millis(20);

/// What should not have happened, and what is worth telling.
#[derive(Default)]
pub(crate) struct Notes {
    failures: Mutex<Vec<String>>,
    told: Mutex<Vec<String>>,
    waits_for_disks: AtomicU64,
}

impl Notes {
    pub(crate) fn fail(&self, what: String) {
        eprintln!("FAILED: {what}");
        self.failures.lock().unwrap().push(what);
    }

    pub(crate) fn has_failed(&self) -> bool {
        !self.failures.lock().unwrap().is_empty()
    }

    pub(crate) fn failures(&self) -> Vec<String> {
        self.failures.lock().unwrap().clone()
    }

    pub(crate) fn tell(&self, what: String) {
        println!("{what}");
        self.told.lock().unwrap().push(what);
    }

    /// How often a program waited for a disk that was slow.
    pub(crate) fn waits_for_disks(&self) -> u64 {
        self.waits_for_disks.load(Ordering::Acquire)
    }

    /// How often something with these words was told.
    pub(crate) fn told(&self, words: &str) -> usize {
        self.told.lock().unwrap().iter().filter(|told| told.contains(words)).count()
    }
}

/// Lets a process be slow.
pub(crate) fn slow_down(process: &Process, lasts: Duration) {
    let until = Instant::now() + lasts;
    while Instant::now() < until {
        process.signal(Signal::SIGSTOP);
        std::thread::sleep(STANDS);
        process.signal(Signal::SIGCONT);
        std::thread::sleep(RUNS);
    }
}

/// Lets a disk be slow, and counts how often a program waited for it.
pub(crate) fn slow_disk(file: &Path, lasts: Duration, notes: &Notes) {
    std::fs::write(file, "").unwrap();
    std::thread::sleep(lasts);
    let waits = file.metadata().unwrap().len();
    std::fs::remove_file(file).unwrap();
    notes.waits_for_disks.fetch_add(waits, Ordering::AcqRel);
}

/// Where nodes and agents are.
#[derive(Clone, Copy)]
pub(crate) struct Surroundings<'a> {
    pub(crate) connection: &'a Connection,
    pub(crate) balancer: &'a Balancer,
    pub(crate) disks: Option<&'a SlowDisks>,
    pub(crate) notes: &'a Notes,
}

/// A node behind the balancer.
pub(crate) struct Node<'a> {
    number: usize,
    at: Surroundings<'a>,
    folder: TempDir,
    mounted: Option<Mounted>,
    process: Option<Process>,
    /// The process has met a full disk, and may not have ended of it yet.
    met_full_disk: bool,
}

impl<'a> Node<'a> {
    /// Starts it, as soon as the balancer has it.
    pub(crate) fn start(number: usize, at: Surroundings<'a>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let mounted = Mounted::at(&folder.path().join("disk"), DISK);
        let (process, met_full_disk) = (None, false);
        let mut node = Self { number, at, folder, mounted, process, met_full_disk };
        node.begin();
        node.wait_up();
        node
    }

    pub(crate) fn store(&self) -> PathBuf {
        self.folder.path().join("disk/store")
    }

    pub(crate) fn address(&self) -> String {
        self.at.balancer.node_address(self.number)
    }

    fn command(&self) -> Command {
        let mut command = command(LAJU, &["worker", "--listen", &self.address()]);
        connect(&mut command, self.at.connection);
        command.arg("--store").arg(self.store()).args(["--registry-patience", REGISTRY_PATIENCE]);
        // Whichever threads fold a partition, it comes out the same.
        command.args(["--pipelines", &(self.number + 1).to_string()]);
        if let Some(disks) = self.at.disks {
            disks.stand_before(&mut command, &self.slow_file());
        }
        command
    }

    fn slow_file(&self) -> PathBuf {
        self.folder.path().join(SLOW)
    }

    fn begin(&mut self) {
        self.process = Some(Process::start(self.command()));
        self.met_full_disk = false;
    }

    /// Begins with another node's store.
    fn begin_seeded(&mut self) {
        let other = self.at.balancer.node_address((self.number + 1) % NODES.len());
        let mut command = self.command();
        command.args(["--seed", &format!("http://{other}")]);
        self.process = Some(Process::start(command));
        self.met_full_disk = false;
    }

    /// The version of its rules.
    pub(crate) fn rules(&mut self) -> String {
        let process = self.process.as_mut().expect("it was started");
        process.get("/readyz").1["fold_version"].as_str().expect("a version").to_owned()
    }

    fn is_running(&mut self) -> bool {
        self.process.as_mut().is_some_and(Process::is_running)
    }

    /// That it has not ended by itself once it was ready, but for a full disk. One that ended is started
    /// again, as whatever runs programs does: also one that gave up while it started, as there was no
    /// broker or no room.
    fn require_running(&mut self) {
        if self.is_running() {
            return;
        }
        if let Some(ended) = self.process.take().map(Process::wait) {
            let said = |words: &str| ended.stderr.contains(words);
            let last = ended.stderr.trim_end().lines().last().unwrap_or_default();
            if ended.status.code().is_none() || ended.status.success() || said("panicked") {
                self.at.notes.fail(format!("node {} died: {ended:?}", self.number));
            } else if !said("caught up: figures are answered") {
                self.at.notes.tell(format!("node {} gave up at its start: {last}", self.number));
            } else if self.met_full_disk && said("check the disk's space") {
                self.at.notes.tell(format!("node {} ended as its disk was full", self.number));
            } else {
                self.at.notes.fail(format!("node {} ended by itself: {ended:?}", self.number));
            }
        }
        self.begin();
    }

    /// Waits until it runs and the balancer has it.
    pub(crate) fn wait_up(&mut self) {
        let deadline = Instant::now() + PATIENCE * 2;
        loop {
            self.require_running();
            if self.at.balancer.is_up(self.number) && self.is_running() {
                return;
            }
            if Instant::now() > deadline {
                let log = self.process.as_ref().map(Process::log).unwrap_or_default();
                return self
                    .at
                    .notes
                    .fail(format!("node {} does not come back: {log}", self.number));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    fn kill(&mut self) {
        drop(self.process.take().map(Process::kill));
    }

    fn signal(&self, signal: Signal) {
        if let Some(process) = &self.process {
            process.signal(signal);
        }
    }

    /// Lets a fault happen, and mends it.
    pub(crate) fn suffer(&mut self, fault: &Fault) {
        match fault.kind {
            Kind::Killed => {
                self.kill();
                std::thread::sleep(fault.lasts);
                self.begin();
            }
            Kind::MadeAnew => {
                self.kill();
                std::fs::remove_dir_all(self.store()).unwrap();
                std::thread::sleep(fault.lasts);
                // Every other one takes what the next node has.
                match fault.lasts.as_millis() % 2 {
                    0 => self.begin_seeded(),
                    _ => self.begin(),
                }
            }
            Kind::Hangs => {
                self.signal(Signal::SIGSTOP);
                std::thread::sleep(fault.lasts);
                self.signal(Signal::SIGCONT);
                self.require_running();
            }
            Kind::Slow => {
                slow_down(self.process.as_ref().expect("it was started"), fault.lasts);
                self.require_running();
            }
            Kind::SlowDisk => {
                slow_disk(&self.slow_file(), fault.lasts, self.at.notes);
                self.require_running();
            }
            Kind::DiskFull | Kind::KilledOnFullDisk => self.suffer_full_disk(fault),
            // No node's.
            Kind::TakenAway | Kind::Away => {}
        }
        self.wait_up();
    }

    fn suffer_full_disk(&mut self, fault: &Fault) {
        if self.mounted.is_none() {
            return;
        }
        let ballast = self.folder.path().join("disk/ballast");
        fill_up(&ballast);
        if fault.kind == Kind::KilledOnFullDisk {
            self.kill();
            self.begin();
        }
        self.met_full_disk = true;
        let until = Instant::now() + fault.lasts;
        while Instant::now() < until && self.is_running() {
            std::thread::sleep(Duration::from_millis(20));
        }
        std::fs::remove_file(&ballast).unwrap();
        self.require_running();
    }

    /// Waits until it has folded so many records.
    pub(crate) fn wait_folded(&mut self, records: u64) {
        self.require_running();
        if let Some(process) = &mut self.process {
            process.wait_folded(records);
        }
    }

    /// Stops it, which has to end well.
    pub(crate) fn stop(&mut self) {
        if let Some(ended) = self.process.take().map(Process::stop)
            && !ended.status.success()
        {
            self.at.notes.fail(format!("node {} does not stop well: {ended:?}", self.number));
        }
    }
}
