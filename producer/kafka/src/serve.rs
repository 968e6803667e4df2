//! Serves HTTP on a listener that somebody else has bound, until somebody else says that it is
//! over: the one loop of the agent and of the worker. It knows no path.
//!
//! No client holds up others: connections are limited by what the system lets the process open,
//! those are cut that send no request or take no answer, and where every place is taken the one
//! that has been idle longest gives way. An answer as such may last, as event streams do.

mod descriptors;
mod host;
mod places;

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::ConnectInfo;
use axum::http::{Request, Response};
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt as _;

pub use descriptors::{connections_within, make_room};
pub use host::is_this_machine;
use places::{Place, Places};

use crate::problem::{Language, PROBLEM_JSON, Problem};

/// How long to wait after the system refused a connection, for example for want of descriptors.
const AFTER_REFUSAL: Duration = Duration::from_millis(250);

/// What connections may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many there may be.
    pub connections: usize,
    /// How long the head of a request may take, from when it is awaited.
    pub head: Duration,
    /// How long a client may take no byte of an answer.
    pub stalled: Duration,
    /// How long one must have been idle before it gives way to another.
    pub idle: Duration,
    /// The largest head of a request, in bytes.
    pub head_bytes: usize,
    /// How long requests under way may take after the end was called.
    pub grace: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 1_024,
            head: Duration::from_secs(30),
            stalled: Duration::from_secs(30),
            idle: Duration::from_secs(1),
            head_bytes: 32 << 10,
            grace: Duration::from_secs(5),
        }
    }
}

/// Answers requests until `shutdown` completes; then takes no new ones, and lets those under way
/// end, but waits no longer than the grace for them. `busy` is what those are told that there is no
/// place for.
///
/// # Errors
/// If the listener fails.
pub async fn run(
    limits: Limits,
    listener: TcpListener,
    router: Router,
    busy: &Problem,
    shutdown: impl Future<Output = ()>,
) -> io::Result<()> {
    let busy = at_once(busy);
    let places = Places::new(limits.connections, limits.idle);
    let graceful = GracefulShutdown::new();
    let mut shutdown = std::pin::pin!(shutdown);
    loop {
        let (stream, peer) = tokio::select! {
            accepted = listener.accept() => match accepted {
                Ok(accepted) => accepted,
                Err(error) => {
                    tracing::warn!(%error, "a connection could not be taken");
                    tokio::time::sleep(AFTER_REFUSAL).await;
                    continue;
                }
            },
            () = &mut shutdown => break,
        };
        match places.enter(peer.ip()) {
            Some(place) => {
                let serving =
                    serve(limits, stream, peer, router.clone(), graceful.watcher(), place);
                tokio::spawn(serving);
            }
            // Told at once, so that a supervisor sees a process that is busy and not one that
            // hangs.
            None => drop(stream.try_write(busy.as_bytes())),
        }
    }
    drop(listener);
    let grace = limits.grace;
    if tokio::time::timeout(grace, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests that were still under way after {grace:?} were cut off");
    }
    Ok(())
}

async fn serve(
    limits: Limits,
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    watcher: Watcher,
    place: Place,
) {
    // Answers are written at once and whole: waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.stalled));
    let activity = Arc::clone(place.activity());
    let service = service_fn(move |request: Request<Incoming>| {
        let busy = activity.busy();
        let mut request = request.map(Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = router.clone().oneshot(request);
        async move {
            let answer: Response<Body> = answer.await.unwrap_or_else(|never| match never {});
            // Until the body has ended, its connection is not idle.
            Ok::<_, Infallible>(answer.map(|body| {
                body.map_err(move |error| {
                    let _ = &busy;
                    error
                })
            }))
        }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_bytes)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    tokio::select! {
        // How a connection ends is the client's affair.
        ended = watcher.watch(connection) => if let Err(error) = ended {
            tracing::debug!(%peer, %error, "a connection ended early");
        },
        () = place.given_up() => tracing::debug!(%peer, "an idle connection gave way to another"),
    }
}

/// The answer to a connection beyond the limit, whose language nobody knows yet.
fn at_once(problem: &Problem) -> String {
    let (status, problem) = (problem.status(), problem.json(Language::English));
    format!(
        "HTTP/1.1 {status}\r\ncontent-type: {PROBLEM_JSON}\r\n\
         content-length: {}\r\nretry-after: 2\r\ncache-control: no-store\r\n\
         connection: close\r\n\r\n{problem}",
        problem.len()
    )
}
