//! Three brokers, three nodes, a balancer, a schema registry, agents and clients, to which faults happen all the while:
//! nothing is lost, nothing counts twice, no figure is wrong or goes back, and every client is answered
//! as long as one node is healthy.
//!
//! It starts a Kafka of its own with the program that `LAJU_TEST_KAFKA_TOOL` names (`.ci/kafka/kafka`,
//! an absolute path), and needs HAProxy. Where one of them is missing nothing is tested.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod brokers;
mod faults;
mod follower;
mod health;
mod judge;
mod kiosks;
mod lanes;
mod nodes;
mod plan;

use std::path::PathBuf;

use laju_tests::balancer::haproxy;
use laju_tests::kafka::OwnKafka;

const LAJU: &str = env!("CARGO_BIN_EXE_laju-under-test");
const KIOSK: &str = env!("CARGO_BIN_EXE_laju-kiosk-under-test");
/// The programme's key of these tests.
const KEY: &str = "6f1d09c7a25be843f09a7731d54ce682be1370fa4598d21ec36b0d84e7295fa1";
const PARTITIONS: u32 = 6;
const BROKERS: u16 = 3;

/// What nothing can be tested without.
fn needed(start: impl FnOnce(u16) -> Option<OwnKafka>) -> Option<(OwnKafka, PathBuf)> {
    let Some(haproxy) = haproxy() else {
        eprintln!("no HAProxy on the PATH, and LAJU_TEST_HAPROXY names none: nothing is tested");
        return None;
    };
    let Some(kafka) = start(BROKERS) else {
        eprintln!("LAJU_TEST_KAFKA_TOOL names no program that starts a Kafka: nothing is tested");
        return None;
    };
    Some((kafka, haproxy))
}
