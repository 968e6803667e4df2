//! Work with the brokers' admin interface, which answers in futures; nothing else here does.

use std::time::Duration;

use laju_kafka::connection::Connection;
use laju_kafka::topics::{TopicAdmin, TopicsError};

use super::error::BackupError;

/// How long a question to the brokers may take.
pub(super) const TIMEOUT: Duration = Duration::from_secs(15);

/// Does some work and waits for its end.
pub(super) fn with_admin<T>(
    connection: &Connection,
    work: impl AsyncFnOnce(TopicAdmin<'_>) -> Result<T, BackupError>,
) -> Result<T, BackupError> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_time().build();
    let runtime = runtime.map_err(|error| {
        let (what, reason) = ("wait for the cluster's answers", error.to_string());
        TopicsError::Kafka { what, reason }
    })?;
    runtime.block_on(async { work(TopicAdmin::connect(connection, TIMEOUT).await?).await })
}
