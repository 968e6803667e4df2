//! The programs as a user runs them: child processes, of which a test sees what they print, the
//! address they listen on, and how they end. They are killed with the test that started them.

use std::io::{Read, Write as _};
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use laju_kafka::connection::Connection;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// How long anything may take on a busy machine. A client that has had no answer tries again after a
/// minute, and what waits for it waits longer.
pub const PATIENCE: Duration = Duration::from_secs(150);

/// A command that knows nothing of the environment's `LAJU_…` variables.
#[must_use]
pub fn command(program: &str, args: &[&str]) -> Command {
    let mut command = Command::new(program);
    for (name, _) in std::env::vars_os() {
        if name.to_string_lossy().starts_with("LAJU_") {
            command.env_remove(name);
        }
    }
    command.env("RUST_LOG", "info").args(args);
    command
}

/// Adds a connection's options to a command.
pub fn connect(command: &mut Command, connection: &Connection) {
    command.args(["--brokers", &connection.brokers]);
    if !connection.topic_prefix.is_empty() {
        command.args(["--topic-prefix", &connection.topic_prefix]);
    }
    for property in &connection.kafka_properties {
        command.arg("--kafka-property").arg(format!("{}={}", property.key(), property.value()));
    }
    if let Some(file) = &connection.kafka_password_file {
        command.arg("--kafka-password-file").arg(file);
    }
    if let Some(registry) = &connection.registry {
        command.args(["--registry", registry]);
    }
}

/// `laju worker` on a store, listening on a port that the system chooses.
#[must_use]
pub fn worker(program: &str, connection: &Connection, store: &Path) -> Command {
    let mut command = command(program, &["worker", "--listen", "127.0.0.1:0"]);
    connect(&mut command, connection);
    // More than one, however few processors there are.
    command.arg("--store").arg(store).env("LAJU_PIPELINES", "2");
    command
}

/// A command as another program starts it, such as `taskset -c 0`, in the same environment.
#[must_use]
pub fn under(outer: &[&str], command: &Command) -> Command {
    let mut whole = Command::new(outer[0]);
    whole.args(&outer[1..]).arg(command.get_program()).args(command.get_args());
    for (name, value) in command.get_envs() {
        match value {
            Some(value) => whole.env(name, value),
            None => whole.env_remove(name),
        };
    }
    whole
}

/// A command as a shell starts it after a script of its own: limits, say.
#[must_use]
pub fn after(script: &str, command: &Command) -> Command {
    under(&["sh", "-c", &format!("{script} && exec \"$@\""), "sh"], command)
}

/// A command with files no larger than so many blocks of 512 bytes, as on a full disk; what would
/// make one larger fails instead of ending the process.
#[must_use]
pub fn with_files_up_to(blocks: u64, command: &Command) -> Command {
    after(&format!("trap '' XFSZ; ulimit -f {blocks}"), command)
}

/// Has the kiosk's program make so many events of the year 2023 and later, one in twenty of them
/// twice, and publish them.
///
/// # Panics
/// If it fails.
pub fn simulate(kiosk: &str, connection: &Connection, events: u64) {
    let mut simulate = command(kiosk, &["simulate", "--events", &events.to_string()]);
    simulate.args(["--from", "2023-01-01", "--duplicates", "0.05"]);
    connect(&mut simulate, connection);
    let mut process = Process::start(simulate);
    // As long as it takes: hundreds of millions take more than anything else here.
    while process.is_running() {
        std::thread::sleep(Duration::from_millis(100));
    }
    let ended = process.wait();
    assert!(ended.status.success(), "{ended:?}");
}

/// Waits until something is so.
///
/// # Panics
/// If it does not come to be.
pub fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !is_so() {
        assert!(Instant::now() < deadline, "not so in time: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// How a process ended.
#[derive(Debug)]
pub struct Ended {
    /// Its exit status.
    pub status: ExitStatus,
    /// What it wrote to its standard output.
    pub stdout: String,
    /// What it wrote to its standard error.
    pub stderr: String,
}

impl Ended {
    /// That it failed by its own decision, and said all of this.
    ///
    /// # Panics
    /// If it succeeded, died of a signal or a panic, or said something else.
    pub fn assert_refused(&self, words: &[&str]) {
        let code = self.status.code();
        assert!(code.is_some_and(|code| code != 0 && code != 101), "{self:?}");
        for word in words {
            assert!(self.stderr.contains(word), "it does not say '{word}': {}", self.stderr);
        }
    }
}

/// Everything that a pipe has brought so far.
#[derive(Clone, Default)]
struct Output(Arc<(Mutex<String>, Condvar)>);

impl Output {
    fn collect(&self, mut pipe: impl Read + Send + 'static) -> JoinHandle<()> {
        let (text, changed) = (Arc::clone(&self.0), Arc::clone(&self.0));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            // A pipe that breaks has ended.
            while let Ok(count @ 1..) = pipe.read(&mut bytes) {
                let mut text = text.0.lock().unwrap_or_else(PoisonError::into_inner);
                text.push_str(&String::from_utf8_lossy(&bytes[..count]));
                drop(text);
                changed.1.notify_all();
            }
        })
    }

    fn so_far(&self) -> String {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until something is found in the text.
    fn wait_for<T>(&self, patience: Duration, find: impl Fn(&str) -> Option<T>) -> Option<T> {
        let deadline = Instant::now() + patience;
        let mut text = self.0.0.lock().unwrap_or_else(PoisonError::into_inner);
        loop {
            if let Some(found) = find(&text) {
                return Some(found);
            }
            let left = deadline.checked_duration_since(Instant::now())?;
            let waited = self.0.1.wait_timeout(text, left.min(Duration::from_millis(100)));
            text = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
    }
}

/// A running program. Dropping it kills it.
pub struct Process {
    child: Child,
    stdout: Output,
    stderr: Output,
    readers: Vec<JoinHandle<()>>,
}

impl Process {
    /// Starts a program.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start(command: Command) -> Self {
        Self::start_with(command, Stdio::null())
    }

    /// Starts a program with this on its standard input, which is short.
    ///
    /// # Panics
    /// If it cannot be started.
    #[must_use]
    pub fn start_with_input(command: Command, input: &str) -> Self {
        let mut process = Self::start_with(command, Stdio::piped());
        if let Some(mut stdin) = process.child.stdin.take() {
            // A program need not read to the end.
            drop(stdin.write_all(input.as_bytes()));
        }
        process
    }

    fn start_with(mut command: Command, stdin: Stdio) -> Self {
        let mut child = command
            .stdin(stdin)
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("the program is built with the tests");
        let (stdout, stderr) = (Output::default(), Output::default());
        let readers = vec![
            stdout.collect(child.stdout.take().expect("piped")),
            stderr.collect(child.stderr.take().expect("piped")),
        ];
        Self { child, stdout, stderr, readers }
    }

    /// What it has written to its standard error so far.
    #[must_use]
    pub fn log(&self) -> String {
        self.stderr.so_far()
    }

    /// Waits until it has written this to its standard error.
    ///
    /// # Panics
    /// If it does not.
    pub fn wait_for(&mut self, words: &str) {
        self.find(words, |text| text.contains(words).then_some(()));
    }

    /// Waits until it has written this to its standard output.
    ///
    /// # Panics
    /// If it does not.
    pub fn wait_for_output(&mut self, words: &str) {
        let stdout = self.stdout.clone();
        self.find_in(&stdout, words, |text| text.contains(words).then_some(()));
    }

    fn find<T>(&mut self, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let stderr = self.stderr.clone();
        self.find_in(&stderr, what, find)
    }

    fn find_in<T>(&mut self, output: &Output, what: &str, find: impl Fn(&str) -> Option<T>) -> T {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if let Some(found) = output.wait_for(Duration::from_millis(200), &find) {
                return found;
            }
            let running = self.child.try_wait().is_ok_and(|status| status.is_none());
            assert!(
                running && Instant::now() < deadline,
                "no '{what}' (running: {running}): {}",
                self.log()
            );
        }
    }

    /// The address that it listens on, as it announces it.
    ///
    /// # Panics
    /// If it does not.
    pub fn address(&mut self) -> String {
        const LOOPBACK: &str = "127.0.0.1:";
        self.find("listening", |text| {
            let line = text.split_inclusive('\n').find(|line| line.contains("listening"))?;
            let (_, after) = line.split_once(LOOPBACK)?;
            let port = after.split(|c: char| !c.is_ascii_digit()).next()?;
            // What follows the port has to be there: else the number may go on.
            (after.len() > port.len()).then(|| format!("{LOOPBACK}{port}"))
        })
    }

    /// Asks over HTTP; gives the status and the body, or nothing if there was no answer.
    pub fn try_get(&mut self, path: &str) -> Option<(u16, String)> {
        let address = self.address();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(10)))
            .build()
            .new_agent();
        let mut answer = agent.get(format!("http://{address}{path}")).call().ok()?;
        let body = answer.body_mut().read_to_string().ok()?;
        Some((answer.status().as_u16(), body))
    }

    /// Asks over HTTP; gives the status and the JSON of the body.
    ///
    /// # Panics
    /// If there is no answer, or none that is JSON.
    pub fn get(&mut self, path: &str) -> (u16, serde_json::Value) {
        let Some((status, body)) = self.try_get(path) else {
            panic!("no answer to {path}: {}", self.log());
        };
        match serde_json::from_str(&body) {
            Ok(json) => (status, json),
            Err(error) => panic!("{path} answers {status} with {body:?}: {error}"),
        }
    }

    /// Sends JSON over HTTP; gives the status and the JSON of the answer.
    ///
    /// # Panics
    /// If there is no answer, or none that is JSON.
    pub fn post(&mut self, path: &str, body: &serde_json::Value) -> (u16, serde_json::Value) {
        let address = self.address();
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(25)))
            .build()
            .new_agent();
        let answer = agent.post(format!("http://{address}{path}")).send_json(body);
        let Ok(mut answer) = answer else { panic!("no answer to {path}: {}", self.log()) };
        let text = answer.body_mut().read_to_string().expect("text");
        let json = serde_json::from_str(&text);
        let json = json.unwrap_or_else(|error| panic!("{path} answers {text:?}: {error}"));
        (answer.status().as_u16(), json)
    }

    /// Waits until it says that it is ready.
    ///
    /// # Panics
    /// If it does not become ready.
    pub fn wait_ready(&mut self) {
        assert!(self.is_ready(), "it ended: {}", self.log());
    }

    /// A metric that it shows now, by its name and, if it has such, its labels.
    pub fn metric(&mut self, name: &str) -> Option<f64> {
        let (_, metrics) = self.try_get("/metrics")?;
        let line = metrics.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
        line.parse().ok()
    }

    /// Waits until it says that it is ready, or ends.
    ///
    /// # Panics
    /// If it does neither.
    pub fn is_ready(&mut self) -> bool {
        if !self.listens() {
            return false;
        }
        let deadline = Instant::now() + PATIENCE;
        while self.try_get("/readyz").is_none_or(|(status, _)| status != 200) {
            if !self.is_running() {
                return false;
            }
            assert!(Instant::now() < deadline, "not ready: {}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
        true
    }

    /// Waits until a worker has folded so many events.
    ///
    /// # Panics
    /// If it does not get there in ten minutes.
    pub fn wait_folded(&mut self, events: u64) {
        let deadline = Instant::now() + PATIENCE * 10;
        loop {
            let (_, answer) = self.get("/readyz");
            let offset = |partition: &serde_json::Value| partition["next_offset"].as_u64();
            let partitions = answer["partitions"].as_array().into_iter().flatten();
            if partitions.filter_map(offset).sum::<u64>() >= events {
                return;
            }
            assert!(Instant::now() < deadline, "{answer}");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The system's number of it.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Waits until it listens, or ends.
    ///
    /// # Panics
    /// If it does neither.
    pub fn listens(&mut self) -> bool {
        let deadline = Instant::now() + PATIENCE;
        let listens = |log: &str| log.contains("listening").then_some(());
        while self.stderr.wait_for(Duration::from_millis(50), listens).is_none() {
            if !self.is_running() {
                return false;
            }
            assert!(Instant::now() < deadline, "it does not listen: {}", self.log());
        }
        true
    }

    /// Whether it is still running.
    pub fn is_running(&mut self) -> bool {
        self.child.try_wait().is_ok_and(|status| status.is_none())
    }

    /// Kills it with SIGKILL, without waiting for its end.
    pub fn kill_now(&self) {
        self.signal(Signal::SIGKILL);
    }

    /// Kills it with SIGKILL, and gives what it had written to its standard error.
    #[must_use]
    pub fn kill(self) -> String {
        self.kill_now();
        self.wait().stderr
    }

    /// Asks it to stop, and waits until it has.
    #[must_use]
    pub fn stop(self) -> Ended {
        self.signal(Signal::SIGTERM);
        self.wait()
    }

    /// Tells it that its terminal was closed.
    pub fn hang_up(&self) {
        self.signal(Signal::SIGHUP);
    }

    /// Asks it to stop, without waiting for its end.
    pub fn ask_to_stop(&self) {
        self.signal(Signal::SIGTERM);
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        // It may have ended by itself.
        let _ = kill(Pid::from_raw(self.child.id() as i32), signal);
    }

    /// Waits until it ends.
    ///
    /// # Panics
    /// If it does not.
    #[must_use]
    pub fn wait(mut self) -> Ended {
        let deadline = Instant::now() + PATIENCE;
        let status = loop {
            if let Some(status) = self.child.try_wait().expect("it is our child") {
                break status;
            }
            assert!(Instant::now() < deadline, "it does not end: {}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        };
        for reader in std::mem::take(&mut self.readers) {
            drop(reader.join());
        }
        Ended { status, stdout: self.stdout.so_far(), stderr: self.stderr.so_far() }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a process that has ended.
        let _ = self.child.kill();
        let _ = self.child.wait();
        // For people who look at what a test's programs said.
        if let Some(logs) = std::env::var_os("LAJU_TEST_LOGS").filter(|logs| !logs.is_empty()) {
            let _ = std::fs::write(Path::new(&logs).join(format!("{}.log", self.id())), self.log());
        }
    }
}

/// Runs a program to its end.
#[must_use]
pub fn run(command: Command) -> Ended {
    Process::start(command).wait()
}

/// Runs a program to its end, with this on its standard input.
#[must_use]
pub fn run_with_input(command: Command, input: &str) -> Ended {
    Process::start_with_input(command, input).wait()
}
