//! What a connection may take, on real sockets.

use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use axum::http::StatusCode;
use laju_kafka::serve::Limits;
use laju_schemas::TimestampMs;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use super::{NOW, api, state};
use crate::api::server::run_within;

/// How long anything may take that is expected to come.
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(30);

struct Server {
    address: SocketAddr,
    end: oneshot::Sender<()>,
    task: JoinHandle<std::io::Result<()>>,
}

async fn server(limits: Limits) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let now: TimestampMs = NOW.parse().unwrap();
    let api = api(state().live(now), now);
    let (end, ended) = oneshot::channel::<()>();
    let shutdown = async move {
        let _ = ended.await;
    };
    let task = tokio::spawn(run_within(limits, listener, api, shutdown));
    Server { address, end, task }
}

fn connect(server: &Server) -> TcpStream {
    let stream = TcpStream::connect(server.address).unwrap();
    stream.set_read_timeout(Some(RESPONSE_TIMEOUT)).unwrap();
    stream
}

/// Sends a request and reads the head of the answer.
fn head(stream: &mut TcpStream, request: &str) -> String {
    stream.write_all(request.as_bytes()).unwrap();
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") {
        stream.read_exact(&mut byte).unwrap();
        head.extend(byte);
    }
    String::from_utf8(head).unwrap()
}

/// Reads until the other side closes.
fn until_closed(stream: &mut TcpStream) {
    if let Err(error) = stream.read_to_end(&mut Vec::new()) {
        // A reset is an end too; that nothing came for so long is none.
        assert_eq!(error.kind(), std::io::ErrorKind::ConnectionReset, "{error}");
    }
}

const HEALTHZ: &str = "GET /healthz HTTP/1.1\r\nhost: localhost\r\n\r\n";

#[tokio::test(flavor = "multi_thread")]
async fn connections_beyond_the_limit_are_told_and_room_comes_back() {
    let limits = Limits { connections: 2, idle: RESPONSE_TIMEOUT, ..Limits::default() };
    let server = server(limits).await;
    let (mut first, mut second) = (connect(&server), connect(&server));
    for stream in [&mut first, &mut second] {
        assert!(head(stream, HEALTHZ).starts_with("HTTP/1.1 200"));
    }
    let mut third = connect(&server);
    let mut told = String::new();
    third.read_to_string(&mut told).unwrap();
    let (head_told, body) = told.split_once("\r\n\r\n").unwrap();
    assert!(head_told.starts_with("HTTP/1.1 503") && head_told.contains("retry-after: 2"));
    assert!(head_told.contains(&format!("content-length: {}\r\n", body.len())));
    let problem: laju_kafka::problem::ProblemBody = serde_json::from_str(body).unwrap();
    assert_eq!(problem.status, StatusCode::SERVICE_UNAVAILABLE.as_u16());
    for words in ["too many connections", "terlalu banyak koneksi"] {
        assert!(problem.detail.contains(words), "{}", problem.detail);
    }
    drop(first);
    let deadline = std::time::Instant::now() + RESPONSE_TIMEOUT;
    loop {
        let mut again = connect(&server);
        if head(&mut again, HEALTHZ).starts_with("HTTP/1.1 200") {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "the place of a closed connection is free");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_sends_no_whole_request_is_cut() {
    let limits = Limits { head: Duration::from_millis(200), ..Limits::default() };
    let server = server(limits).await;
    let mut silent = connect(&server);
    let mut halfway = connect(&server);
    halfway.write_all(b"GET /healthz HTTP/1.1\r\nhost: loc").unwrap();
    let mut idle = connect(&server);
    assert!(head(&mut idle, HEALTHZ).starts_with("HTTP/1.1 200"));
    for stream in [&mut silent, &mut halfway, &mut idle] {
        until_closed(stream);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_client_that_takes_no_answer_is_cut_and_its_place_is_free() {
    let stalled = Duration::from_millis(300);
    let server = server(Limits { connections: 1, stalled, ..Limits::default() }).await;
    let mut greedy = connect(&server);
    // More answers than the system keeps for a reader who does not read.
    let ask = "GET /v1/progress HTTP/1.1\r\nhost: localhost\r\n\r\n".repeat(200);
    greedy.write_all(ask.as_bytes()).unwrap();
    let deadline = std::time::Instant::now() + RESPONSE_TIMEOUT;
    loop {
        let mut other = connect(&server);
        if head(&mut other, HEALTHZ).starts_with("HTTP/1.1 200") {
            break;
        }
        assert!(std::time::Instant::now() < deadline, "who does not read is cut");
        std::thread::sleep(Duration::from_millis(20));
    }
    until_closed(&mut greedy);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_head_that_is_too_large_is_refused() {
    let server = server(Limits { head_bytes: 8 << 10, ..Limits::default() }).await;
    let mut stream = connect(&server);
    let request =
        format!("GET /healthz HTTP/1.1\r\nhost: localhost\r\nx: {}\r\n\r\n", "x".repeat(20_000));
    let _ = stream.write_all(request.as_bytes());
    let mut answer = [0; 12];
    stream.read_exact(&mut answer).unwrap();
    assert_eq!(std::str::from_utf8(&answer).unwrap(), "HTTP/1.1 431");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_idle_connection_does_not_hold_up_the_end() {
    let server = server(Limits::default()).await;
    let mut idle = connect(&server);
    head(&mut idle, HEALTHZ);
    let begun = std::time::Instant::now();
    server.end.send(()).unwrap();
    server.task.await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(5), "not the whole grace");
    until_closed(&mut idle);
}
