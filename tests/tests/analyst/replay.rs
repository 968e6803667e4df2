//! `laju replay`: rows are exactly the events that were asked for, copies are the records
//! themselves, and whatever happens in between changes neither.

mod endure;
mod rows;
mod topic;

pub(crate) use topic::publish_in_transactions;

use laju_schemas::topic::EVENTS;
use laju_tests::broker::{TestBroker, Topics};
use laju_tests::log::LogRecord;
use laju_tests::process::Ended;
use serde_json::Value;

/// A log with everything that kiosks and clocks do, and with records that cannot be read.
pub(crate) fn seeded(partitions: u32, steps: usize) -> Vec<LogRecord> {
    let mut log = laju_tests::generate::seeded(11, partitions, 40, steps).records;
    for record in &mut log {
        // Clocks beyond what a broker takes.
        if !(1..1 << 41).contains(&record.timestamp_ms) {
            record.timestamp_ms = 1_700_000_000_000;
        }
    }
    log
}

/// A broker on which there is room for a copy.
pub(crate) fn empty(partitions: u32) -> TestBroker {
    // A real broker makes the topic, with a copy's settings; the embedded one cannot be asked to.
    let is_real = laju_tests::broker::real_brokers().is_some();
    let without = is_real.then_some(EVENTS.name);
    TestBroker::with(Topics { without, ..Topics::of(partitions) })
}

fn lines(ended: &Ended) -> Vec<Value> {
    ended.stdout.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}
