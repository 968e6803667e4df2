//! Serves the interface on a listener that somebody else has bound, until somebody else says
//! that it is over.

use std::io;
use std::time::Duration;

use laju_kafka::serve::{self, Limits, Manners};
use tokio::net::TcpListener;

use super::{ApiState, router};

/// How long requests under way may take after the end was called.
const GRACE: Duration = Duration::from_secs(5);
/// How many connections there may be where the system allows it.
const CONNECTIONS: usize = 5_120;
/// How many connections there may be at least beside the readers of the live stream.
const BESIDE_READERS: usize = 1_024;
/// The answer to a connection beyond the limit, in both languages: nobody has asked in one yet.
const BUSY: &str = r#"{"type":"/problems/timed-out","title":"The answer took too long","status":503,"detail":"too many connections; ask again later / terlalu banyak koneksi; coba lagi nanti"}"#;

/// Answers requests until `shutdown` completes; then takes no new ones, and lets those under way
/// end, but waits no longer than five seconds for them. As many connections are taken as the
/// system's limit of open files allows.
///
/// # Errors
/// If the listener fails.
pub async fn run(
    listener: TcpListener,
    state: ApiState,
    shutdown: impl Future<Output = ()> + Send + 'static,
) -> io::Result<()> {
    let most = CONNECTIONS.max(state.feed.most_readers() + BESIDE_READERS);
    let limits = Limits { connections: serve::connections_within(most), ..Limits::default() };
    run_within(limits, listener, state, shutdown).await
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
    // Streams have no end of their own that could be waited for.
    let manners = Manners { busy: BUSY.to_owned(), ending: move || feed.close(), grace: GRACE };
    serve::run(limits, listener, router(state), manners, shutdown).await
}
