//! Work beside the threads that serve connections, and only so much of a kind at the same time: what
//! comes later waits for its turn.

use std::sync::Arc;

use laju_kafka::problem::Problem;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// Waits for a turn.
pub(super) async fn turn(turns: &Arc<Semaphore>) -> Result<OwnedSemaphorePermit, Problem> {
    Arc::clone(turns).acquire_owned().await.map_err(|_| Problem::internal())
}

/// Waits for a turn, and works as long as it is had.
pub(super) async fn in_turn<T: Send + 'static>(
    turns: &Arc<Semaphore>,
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    let turn = turn(turns).await?;
    blocking(move || {
        let _turn = turn;
        work()
    })
    .await
}

/// Works away from the threads that serve connections.
pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> T + Send + 'static,
) -> Result<T, Problem> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => Ok(result),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(_) => Err(Problem::internal()),
        },
    }
}
