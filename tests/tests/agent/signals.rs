//! A terminal that is closed: what was begun is brought to its end, as on SIGTERM.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use laju_tests::broker::TestBroker;
use laju_tests::process::{Process, wait_until, worker};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::LAJU;
use crate::kiosk::{Client, Kiosk, lines, logged};

#[test]
fn a_closed_terminal_drains_the_agent_as_sigterm_does() {
    let broker = TestBroker::start(3);
    let kiosk = Kiosk::new(broker.connection());
    let mut command = kiosk.command();
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::piped());
    let mut agent = command.spawn().unwrap();
    let mut log = BufReader::new(agent.stderr.take().unwrap());
    let mut line = String::new();
    while !line.contains("listening") {
        line.clear();
        assert!(log.read_line(&mut line).unwrap() > 0, "it ended");
    }
    let (_, after) = line.split_once("127.0.0.1:").unwrap();
    let port: String = after.chars().take_while(char::is_ascii_digit).collect();
    let client = Client::new(format!("127.0.0.1:{port}"));
    client.send_lines(&lines(0..50));
    // The terminal is gone, and so is the reader of its output. It sends SIGHUP twice.
    drop(log);
    let pid = Pid::from_raw(agent.id() as i32);
    for _ in 0..2 {
        kill(pid, Signal::SIGHUP).unwrap();
    }
    let mut ended = None;
    wait_until("it ends", || {
        ended = agent.try_wait().unwrap();
        ended.is_some()
    });
    assert!(ended.unwrap().success(), "{ended:?}");
    assert_eq!(logged(&broker).len(), 50);
}

#[test]
fn a_closed_terminal_stops_the_worker_in_order() {
    let broker = TestBroker::start(3);
    let store = tempfile::tempdir().unwrap();
    let mut counting = Process::start(worker(LAJU, &broker.connection(), store.path()));
    counting.wait_ready();
    counting.hang_up();
    let ended = counting.wait();
    assert!(ended.status.success(), "{ended:?}");
    assert!(ended.stderr.contains("everything folded is in the store"), "{}", ended.stderr);
}

#[test]
fn an_agent_that_is_to_outlive_its_terminal_does() {
    let kiosk = Kiosk::new(crate::kiosk::no_broker());
    let command = kiosk.command();
    let mut nohup = Command::new("sh");
    nohup.args(["-c", "trap '' HUP; exec \"$0\" \"$@\""]).env("RUST_LOG", "info");
    nohup.arg(command.get_program()).args(command.get_args());
    let (mut process, client) = {
        let mut process = Process::start(nohup);
        let client = Client::of(&mut process);
        (process, client)
    };
    process.hang_up();
    client.send_lines(&lines(0..1));
    assert!(process.is_running());
    process.ask_to_stop();
    assert!(process.wait().status.success());
}
