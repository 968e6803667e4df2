//! The tools of analysts and operators, run as programs: on the embedded broker, and by the same
//! code on the real Kafka that `LAJU_TEST_BROKERS` names.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod cookbook;
mod diff;
mod duck;
mod export;
mod quarantine;
mod replay;
mod rolling;
mod spark;
mod verify;

const LAJU: &str = env!("CARGO_BIN_EXE_laju-under-test");
