//! Serves the interface on a listener that somebody else has bound, until somebody else says
//! that it is over.

use std::io;
use std::time::Duration;

use tokio::net::TcpListener;
use tokio::sync::oneshot;

use super::{ApiState, router};

/// How long requests under way may take after the end was called.
const GRACE: Duration = Duration::from_secs(5);

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
    let (called, is_called) = oneshot::channel();
    let feed = state.feed.clone();
    let signal = async move {
        shutdown.await;
        // Streams have no end of their own that could be waited for.
        feed.close();
        // Nobody listens if the server has failed already.
        let _ = called.send(());
    };
    let served = axum::serve(listener, router(state)).with_graceful_shutdown(signal);
    let grace = async move {
        match is_called.await {
            Ok(()) => tokio::time::sleep(GRACE).await,
            // The signal was dropped: the server itself tells how it ended.
            Err(_) => std::future::pending().await,
        }
    };
    tokio::select! {
        result = served => result,
        () = grace => {
            tracing::warn!("requests that were still under way after {GRACE:?} were cut off");
            Ok(())
        }
    }
}
