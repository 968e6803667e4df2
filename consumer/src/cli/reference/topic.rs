//! The reference topic, before it is written or read.

use std::time::Duration;

use anyhow::bail;
use laju_kafka::connection::{Connection, Operation};
use laju_schemas::topic::REFERENCE;

const TIMEOUT: Duration = Duration::from_secs(15);

/// The reference topic's full name, once it is sure that it is there, has one order, and that this
/// user may do this with it.
pub(super) fn reference_topic(
    connection: &Connection,
    operation: Operation,
) -> anyhow::Result<String> {
    let topic = connection.topic(&REFERENCE);
    connection.require_on(&[(operation, &REFERENCE)], TIMEOUT)?;
    match connection.check(TIMEOUT)?.partitions(&topic) {
        Some(1) => Ok(topic),
        Some(count) => bail!(
            "{topic} has {count} partitions, and a later figure replaces an earlier one only in a \
             topic with one: `laju topics check` says how to mend it"
        ),
        None => bail!(
            "there is no topic {topic}: make it with `laju topics create`, or check \
             --topic-prefix and the user's rights"
        ),
    }
}
