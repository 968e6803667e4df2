//! Serves the interface on a listener that somebody else has bound, until somebody else says
//! that it is over. No client holds up others: connections are limited, and those are cut that
//! send no request or take no answer. An answer as such may last, as event streams do.

use std::collections::HashMap;
use std::convert::Infallible;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Router;
use axum::extract::ConnectInfo;
use axum::http::Request;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::{GracefulShutdown, Watcher};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio_io_timeout::TimeoutStream;
use tower::ServiceExt as _;

use super::problem::PROBLEM_JSON;
use super::{ApiState, router};

/// How long requests under way may take after the end was called.
const GRACE: Duration = Duration::from_secs(5);
/// How many connections there may be at least beside the readers of the live stream.
const BESIDE_READERS: usize = 1_024;
/// How long to wait after the system refused a connection, for example for want of descriptors.
const AFTER_REFUSAL: Duration = Duration::from_millis(250);
/// What a connection may take.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// How many there may be.
    pub connections: usize,
    /// How long the head of a request may take, from when it is awaited.
    pub head: Duration,
    /// How long a client may take no byte of an answer.
    pub stalled: Duration,
    /// The largest head of a request, in bytes.
    pub head_bytes: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections: 5_120,
            head: Duration::from_secs(30),
            stalled: Duration::from_secs(30),
            head_bytes: 32 << 10,
        }
    }
}

/// Answers requests until `shutdown` completes; then takes no new ones, and lets those under way
/// end, but waits no longer than five seconds for them.
///
/// # Errors
/// If the listener fails.
pub async fn run(
    listener: TcpListener,
    state: ApiState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let limits = Limits::default();
    let connections = limits.connections.max(state.feed.most_readers() + BESIDE_READERS);
    run_within(Limits { connections, ..limits }, listener, state, shutdown).await
}

/// The same with limits of one's own.
///
/// # Errors
/// If the listener fails.
pub async fn run_within(
    limits: Limits,
    listener: TcpListener,
    mut state: ApiState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    state.access.listen.get_or_insert(listener.local_addr()?);
    let feed = state.feed.clone();
    let router = router(state);
    let places = Arc::new(Semaphore::new(limits.connections));
    let crowd = Crowd::default();
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
        let own = crowd.enter(peer.ip(), limits.connections / 2);
        match (Arc::clone(&places).try_acquire_owned(), own) {
            (Ok(place), Some(own)) => {
                let serving = serve(limits, stream, peer, router.clone(), graceful.watcher());
                tokio::spawn(async move {
                    let _places = (place, own);
                    serving.await;
                });
            }
            // Told at once, so that a supervisor sees a node that is busy and not one that hangs.
            _ => drop(stream.try_write(busy().as_bytes())),
        }
    }
    drop(listener);
    // Streams have no end of their own that could be waited for.
    feed.close();
    if tokio::time::timeout(GRACE, graceful.shutdown()).await.is_err() {
        tracing::warn!("requests that were still under way after {GRACE:?} were cut off");
    }
    Ok(())
}

/// How many connections each address has: none takes more than half of them all, so that nobody
/// alone can lock the others out. Those of the machine itself are its owner's.
#[derive(Clone, Default)]
struct Crowd(Arc<Mutex<HashMap<IpAddr, usize>>>);

/// One of an address's connections.
struct Own(Crowd, IpAddr);

impl Crowd {
    fn counts(&self) -> MutexGuard<'_, HashMap<IpAddr, usize>> {
        // Nothing that can fail is done under it.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn enter(&self, address: IpAddr, most: usize) -> Option<Own> {
        let mut counts = self.counts();
        let count = counts.entry(address).or_default();
        if *count >= most && !address.is_loopback() {
            return None;
        }
        *count += 1;
        Some(Own(self.clone(), address))
    }
}

impl Drop for Own {
    fn drop(&mut self) {
        let mut counts = self.0.counts();
        if let Some(count) = counts.get_mut(&self.1) {
            *count -= 1;
            if *count == 0 {
                counts.remove(&self.1);
            }
        }
    }
}

async fn serve(
    limits: Limits,
    stream: TcpStream,
    peer: SocketAddr,
    router: Router,
    watcher: Watcher,
) {
    // Answers are written at once and whole: waiting for more to send would only delay them.
    let _ = stream.set_nodelay(true);
    let mut stream = TimeoutStream::new(stream);
    stream.set_write_timeout(Some(limits.stalled));
    let service = service_fn(move |request: Request<Incoming>| {
        let mut request = request.map(axum::body::Body::new);
        request.extensions_mut().insert(ConnectInfo(peer));
        let answer = router.clone().oneshot(request);
        async move { Ok::<_, Infallible>(answer.await.unwrap_or_else(|never| match never {})) }
    });
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(limits.head)
        .max_buf_size(limits.head_bytes)
        .serve_connection(TokioIo::new(Box::pin(stream)), service);
    // How a connection ends is the client's affair.
    if let Err(error) = watcher.watch(connection).await {
        tracing::debug!(%peer, %error, "a connection ended early");
    }
}

/// What who comes beyond the limit of connections is told.
fn busy() -> String {
    let body = r#"{"type":"/problems/timed-out","title":"The answer took too long","status":503,"detail":"too many connections; ask again later"}"#;
    format!(
        "HTTP/1.1 503 Service Unavailable\r\ncontent-type: {PROBLEM_JSON}\r\n\
         content-length: {}\r\nretry-after: 2\r\ncache-control: no-store\r\n\
         connection: close\r\n\r\n{body}",
        body.len()
    )
}
