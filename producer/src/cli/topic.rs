//! Whether the cluster has what a command sends to.

use std::time::Duration;

use anyhow::bail;
use laju_schemas::topic::Topic;

use laju_kafka::connection::{ClusterInfo, Connection, Operation};

/// How long a command that sends something waits for a broker to answer at all.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Connects, and makes sure that a topic is there and that this may be done with it; answers how
/// many partitions it has.
pub(super) fn require_topic(
    connection: &Connection,
    topic: &Topic,
    operations: &[Operation],
) -> anyhow::Result<(ClusterInfo, u32)> {
    let cluster = connection.check(CONNECT_TIMEOUT)?;
    let needs: Vec<_> = operations.iter().map(|operation| (*operation, topic)).collect();
    connection.require_on(&needs, CONNECT_TIMEOUT)?;
    let name = connection.topic(topic);
    match cluster.partitions(&name) {
        Some(partitions) if partitions > 0 => Ok((cluster, partitions)),
        _ => bail!(
            "the cluster at {} has no topic {name} that this user may see: make it with \
             `laju topics create`, or give the right to Describe and Write it",
            connection.brokers
        ),
    }
}
