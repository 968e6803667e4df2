//! What the HTTP interface takes, of whom, and how it says no. The requests are written by hand:
//! no client library sends what is wrong with them.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::TcpStream;
use std::time::{Duration, Instant};

use laju_tests::process::{PATIENCE, Process, after, wait_until};
use serde_json::Value;

use crate::kiosk::{Client, JSON, Kiosk, activation, no_broker};

/// A connection on which requests follow one another.
struct Wire(BufReader<TcpStream>);

/// An answer: its status, its headers' lines, and its body.
#[derive(Debug)]
struct Answer {
    status: u16,
    headers: Vec<String>,
    body: String,
}

impl Answer {
    fn detail(&self) -> String {
        let problem: Value = serde_json::from_str(&self.body).unwrap();
        assert_eq!(problem["status"], self.status, "{self:?}");
        let kind = "content-type: application/problem+json";
        assert!(self.headers.iter().any(|header| header == kind), "{self:?}");
        problem["detail"].as_str().unwrap().to_owned()
    }
}

impl Wire {
    fn to(address: &str) -> Self {
        let stream = TcpStream::connect(address).unwrap();
        stream.set_read_timeout(Some(PATIENCE)).unwrap();
        Self(BufReader::new(stream))
    }

    fn line(&mut self) -> String {
        let mut line = String::new();
        self.0.read_line(&mut line).unwrap();
        line.trim_end().to_owned()
    }

    fn ask(&mut self, head: &str, body: &str) -> Answer {
        let head = head.replace('\n', "\r\n");
        self.0.get_mut().write_all(format!("{head}\r\n\r\n{body}").as_bytes()).unwrap();
        let first = self.line();
        let status = first.split(' ').nth(1).and_then(|status| status.parse().ok());
        let mut headers = Vec::new();
        loop {
            match self.line() {
                line if line.is_empty() => break,
                line => headers.push(line.to_ascii_lowercase()),
            }
        }
        let length = headers.iter().find_map(|line| line.strip_prefix("content-length: "));
        let mut body = vec![0; length.map_or(0, |length| length.parse().unwrap())];
        self.0.read_exact(&mut body).unwrap();
        let status = status.unwrap_or_else(|| panic!("no answer: {first:?}"));
        Answer { status, headers, body: String::from_utf8(body).unwrap() }
    }
}

fn head(host: &str, kind: &str, length: usize) -> String {
    format!(
        "POST /v1/events HTTP/1.1\nHost: {host}\nContent-Type: {kind}\nContent-Length: {length}"
    )
}

#[test]
fn the_interface_says_no_to_what_is_too_large_or_not_for_it() {
    let kiosk = Kiosk::new(no_broker()).with(&["--allow-origin", "http://localhost:3000"]);
    let (process, client) = kiosk.start();
    let address = client.address.as_str();
    let event = activation(1).to_string();
    let length = event.len();

    // Told from the announcement alone, before a byte of the body.
    let large = Wire::to(address).ask(&head(address, "application/json", (64 << 20) + 1), "");
    assert_eq!(large.status, 413, "{large:?}");
    assert!(large.detail().contains("67108864 bytes"), "{large:?}");

    for kind in ["text/plain", "application/x-www-form-urlencoded", ""] {
        let answer = Wire::to(address).ask(&head(address, kind, length), &event);
        assert_eq!(answer.status, 415, "{answer:?}");
        assert!(answer.detail().contains("application/x-ndjson"), "{answer:?}");
    }

    // Pages of others, and pages that have this machine go by another name.
    let mut wire = Wire::to(address);
    let good = head(address, "application/json", length);
    for origin in ["http://evil.example", "null", "http://localhost:3001"] {
        let answer = wire.ask(&format!("{good}\nOrigin: {origin}"), &event);
        assert_eq!(answer.status, 403, "{answer:?}");
        assert!(answer.detail().contains("--allow-origin"), "{answer:?}");
        wire = Wire::to(address);
    }
    for host in ["evil.example", "192.168.0.2:8470", "127.0.0.1.nip.io"] {
        let answer = Wire::to(address).ask(&head(host, "application/json", length), &event);
        assert_eq!(answer.status, 403, "{answer:?}");
        assert!(answer.detail().contains("localhost"), "{answer:?}");
    }
    assert_eq!(client.status()["highest_sequence"], 0, "nothing of all this was taken");

    // Those that may, one after the other on one connection.
    let mut wire = Wire::to(address);
    let ours = wire.ask(&format!("{good}\nOrigin: http://localhost:3000"), &event);
    assert_eq!(ours.status, 202, "{ours:?}");
    let allowed = "access-control-allow-origin: http://localhost:3000";
    assert!(ours.headers.iter().any(|header| header == allowed), "{ours:?}");
    let asked = wire.ask(
        &format!(
            "OPTIONS /v1/events HTTP/1.1\nHost: {address}\nOrigin: http://localhost:3000\n\
             Access-Control-Request-Method: POST\nAccess-Control-Request-Headers: content-type"
        ),
        "",
    );
    assert!(asked.status == 200 && asked.headers.iter().any(|h| h == allowed), "{asked:?}");
    for sequence in 2..5 {
        let answer = wire.ask(&head("localhost", "application/json", length), &event);
        assert_eq!(answer.status, 202, "{answer:?}");
        let answer: Value = serde_json::from_str(&answer.body).unwrap();
        assert_eq!(answer["sequence"], sequence);
    }
    let broken = wire.ask(&head(address, "application/json", 3), "[{]");
    assert!(broken.status == 400 && broken.detail().contains("not JSON"), "{broken:?}");
    let nothing = wire.ask(&format!("GET /nothing HTTP/1.1\nHost: {address}"), "");
    assert_eq!(nothing.status, 404, "{nothing:?}");
    let other = wire.ask(&format!("GET /v1/events HTTP/1.1\nHost: {address}"), "");
    assert_eq!(other.status, 405, "{other:?}");
    for id in ["%ff", "1871", "%2e%2e"] {
        let answer = wire.ask(&format!("GET /v1/events/{id} HTTP/1.1\nHost: {address}"), "");
        assert!(answer.status == 400 && answer.detail().contains("UUID"), "{answer:?}");
    }
    let health = wire.ask(&format!("GET /healthz HTTP/1.1\nHost: {address}"), "");
    assert_eq!((health.status, health.body.as_str()), (200, "ok\n"));
    drop(process);
}

/// A browser or a program that leaks connections: all of the agent's files would be theirs.
#[test]
fn hundreds_of_idle_connections_do_not_silence_an_agent_with_few_files() {
    let kiosk = Kiosk::new(no_broker());
    let mut process = Process::start(after("ulimit -n 256", &kiosk.command()));
    let address = process.address();
    let idle: Vec<TcpStream> = (0..300).map(|_| TcpStream::connect(&address).unwrap()).collect();
    let begun = Instant::now();
    let client = Client::new(address);
    let event = activation(1).to_string();
    wait_until("an event is taken", || {
        client.try_post("/v1/events", JSON, &event).is_some_and(|(status, _)| status == 202)
    });
    // Long before the idle ones are cut because they send nothing.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    assert_eq!(client.status()["highest_sequence"], 1);
    drop(idle);
    assert!(process.stop().status.success());
}
