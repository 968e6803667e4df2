//! The records of a topic in a range, one by one.

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use laju_kafka::connection::Connection;
use rdkafka::message::BorrowedMessage;

use super::error::BackupError;
use crate::ingest::range::{Order, Polled, Range, RangeReader};

/// How long records are waited for before it is looked at whether to stop.
pub(super) const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// Hands over what a topic has in these ranges, until `each` says no.
pub(super) fn each_record(
    connection: &Connection,
    topic: &str,
    ranges: &BTreeMap<u32, Range>,
    stop: &AtomicBool,
    mut each: impl FnMut(&BorrowedMessage<'_>) -> ControlFlow<()>,
) -> Result<(), BackupError> {
    let mut reader = RangeReader::open(connection, topic, ranges, Order::Together)?;
    let mut flow = ControlFlow::Continue(());
    loop {
        let polled = reader.poll(POLL_TIMEOUT, |message| {
            flow = each(message);
            Ok::<_, BackupError>(flow)
        })?;
        if polled == Polled::Done || flow.is_break() {
            return Ok(());
        }
        if stop.load(Ordering::Acquire) {
            return Err(BackupError::Interrupted);
        }
    }
}
