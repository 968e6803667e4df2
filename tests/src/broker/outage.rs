//! The broker away for a while.

use std::ffi::OsString;
use std::process::Command;

use super::{Kind, TestBroker};

/// Names the program that the real broker was started with, an absolute path: `pause 1` stops the
/// broker where it stands, `resume 1` lets it go on.
pub const KAFKA_TOOL: &str = "LAJU_TEST_KAFKA_TOOL";

/// As long as this is there, the broker is not.
#[must_use]
pub struct Outage<'a>(&'a TestBroker);

impl Drop for Outage<'_> {
    fn drop(&mut self) {
        self.0.come_back();
    }
}

impl TestBroker {
    /// Has the broker go away until the outage is dropped: the embedded one hangs up, the real one
    /// stops where it stands. None if there is no tool to stop the real one with.
    ///
    /// # Panics
    /// If it does not.
    pub fn outage(&self) -> Option<Outage<'_>> {
        match &self.kind {
            Kind::Embedded(broker) => broker.go_away().expect("the broker is there"),
            Kind::Real(_) if kafka_tool().is_none() => return None,
            Kind::Real(_) => tell_kafka("pause"),
        }
        Some(Outage(self))
    }

    fn come_back(&self) {
        match &self.kind {
            Kind::Embedded(broker) => broker.come_back().expect("the broker is there"),
            Kind::Real(_) => tell_kafka("resume"),
        }
    }
}

fn kafka_tool() -> Option<OsString> {
    std::env::var_os(KAFKA_TOOL).filter(|tool| !tool.is_empty())
}

fn tell_kafka(what: &str) {
    let tool = kafka_tool().expect("it was there to begin with");
    let ended = Command::new(tool).args([what, "1"]).output().expect("a program");
    assert!(ended.status.success(), "{what}: {ended:?}");
}
