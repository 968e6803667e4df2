//! Serves the interface on a listener that somebody else has bound, until somebody else says
//! that it is over.

use std::io;

use laju_kafka::problem::{Kind, Problem};
use laju_kafka::serve::{self, Limits};
use tokio::net::TcpListener;

use super::router;
use super::state::ApiState;

/// How many connections there may be where the system allows it.
const CONNECTIONS: usize = 5_120;
/// How many connections there may be at least beside the readers of the live stream.
const BESIDE_READERS: usize = 1_024;
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
    // Nobody has asked in a language yet.
    let busy = Problem::new(
        Kind::TimedOut,
        "too many connections; ask again later / terlalu banyak koneksi; coba lagi nanti",
    );
    let ending = async move {
        shutdown.await;
        // Streams have no end of their own that could be waited for.
        feed.close();
    };
    serve::run(limits, listener, router(state), &busy, ending).await
}
