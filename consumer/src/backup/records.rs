//! The records of a topic in a range, one by one.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::AtomicBool;

use laju_kafka::connection::Connection;
use laju_kafka::read::{Order, Range, RangeReader};
use rdkafka::message::BorrowedMessage;

use super::error::BackupError;

/// Hands over what a topic has in these ranges, until `each` says no.
pub(super) fn each_record(
    connection: &Connection,
    topic: &str,
    ranges: &BTreeMap<u32, Range>,
    stop: &AtomicBool,
    mut each: impl FnMut(&BorrowedMessage<'_>) -> ControlFlow<()>,
) -> Result<(), BackupError> {
    let mut reader = RangeReader::open(connection, topic, ranges, Order::Together)?;
    let is_read = reader.read_all(stop, |message| Ok::<_, BackupError>(each(message)))?;
    if is_read { Ok(()) } else { Err(BackupError::Interrupted) }
}
