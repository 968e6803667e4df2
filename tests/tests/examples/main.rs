//! The examples of the integration guide, run as an integrator runs them: by Python and Java,
//! which know nothing of Laju's code, on a real Kafka (`LAJU_TEST_BROKERS`), because they are about
//! what others' software does.
//!
//! `LAJU_TEST_PYTHON` has confluent-kafka and fastavro; `LAJU_TEST_JAVA` is a JDK's `java`, and
//! `LAJU_TEST_CLASSPATH` names the jars of `producer/examples/java/pom.xml`.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on says so by panicking")]

mod agent;
mod fact;
mod kafka;

use std::process::Command;

use laju_tests::broker::{BROKERS, real_brokers};
use laju_tests::process::command;

const LAJU: &str = env!("CARGO_BIN_EXE_laju-under-test");
const KIOSK: &str = env!("CARGO_BIN_EXE_laju-kiosk-under-test");
const EXAMPLES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../producer/examples");
const AVSC: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../schemas/avsc/activation_event.avsc");
/// The programme's key of these tests.
const KEY: &str = "6f1d09c7a25be843f09a7731d54ce682be1370fa4598d21ec36b0d84e7295fa1";

/// What other software the examples are run by.
struct Tools {
    python: String,
    java: String,
    classpath: String,
}

impl Tools {
    /// The tools, if all of them are there, and a real Kafka.
    fn find() -> Option<Self> {
        let named = |name| {
            let value = std::env::var(name).ok().filter(|value| !value.is_empty());
            if value.is_none() {
                println!("not run: it needs {name}");
            }
            value
        };
        if real_brokers().is_none() {
            println!("not run: it needs {BROKERS}");
            return None;
        }
        Some(Self {
            python: named("LAJU_TEST_PYTHON")?,
            java: named("LAJU_TEST_JAVA")?,
            classpath: named("LAJU_TEST_CLASSPATH")?,
        })
    }

    /// curl, which every machine of an integrator has; the script chooses it.
    fn curl(&self, script: &str) -> Command {
        command("sh", &[&format!("{EXAMPLES}/curl/{script}")])
    }

    fn python(&self, script: &str) -> Command {
        command(&self.python, &[&format!("{EXAMPLES}/python/{script}")])
    }

    fn java(&self, source: &str) -> Command {
        command(&self.java, &["-cp", &self.classpath, &format!("{EXAMPLES}/java/{source}")])
    }
}

/// NIKs that can be: of men born in 1990 in Bandar Lampung.
fn niks(serials: std::ops::Range<u32>) -> Vec<String> {
    serials.map(|serial| format!("187101010190{serial:04}")).collect()
}
