//! Another consumer of the same log, to compare with.

use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, bail};
use laju_kafka::connection::Connection;
use laju_schemas::known::ACTIVATION_EVENT_AVSC;
use laju_schemas::topic::EVENTS;

/// How the other consumer does it.
#[derive(Clone, Copy)]
pub(crate) enum Variant {
    /// As fast as it goes, without guarantees.
    Papi,
    /// As one writes it, exactly once.
    DslEos,
}

impl Variant {
    pub(crate) const ALL: [Self; 2] = [Self::Papi, Self::DslEos];

    fn arguments(self) -> &'static [&'static str] {
        match self {
            Self::Papi => &["papi"],
            Self::DslEos => &["dsl", "--eos"],
        }
    }

    pub(crate) fn name(self) -> &'static str {
        self.titles()[0]
    }

    /// What its rate, the worker's in its terms, and its memory are called in the report.
    pub(crate) fn titles(self) -> [&'static str; 3] {
        match self {
            Self::Papi => ["peer papi", "worker of peer papi", "peak memory of peer papi"],
            Self::DslEos => ["peer dsl eos", "worker of peer dsl eos", "peak memory of peer dsl"],
        }
    }
}

/// What it says of itself.
pub(crate) struct Outcome {
    pub(crate) rate: f64,
    pub(crate) rss_mb: f64,
}

/// Runs it over the log.
pub(crate) fn run(
    program: &Path,
    variant: Variant,
    connection: &Connection,
) -> anyhow::Result<Outcome> {
    let directory = tempfile::tempdir()?;
    let schema = directory.path().join("activation_event.avsc");
    std::fs::write(&schema, ACTIVATION_EVENT_AVSC)?;
    let output = Command::new(program)
        .args(variant.arguments())
        .args(["--topic", &connection.topic(&EVENTS), "--bootstrap", &connection.brokers])
        .arg("--schema")
        .arg(&schema)
        .arg("--out")
        .arg(directory.path().join("counts.csv"))
        .stderr(Stdio::inherit())
        .output()
        .with_context(|| format!("starting {}", program.display()))?;
    let text = String::from_utf8_lossy(&output.stdout);
    let figure = |name: &str| {
        let text = text.split_whitespace().find_map(|word| word.strip_prefix(name))?;
        text.parse::<f64>().ok()
    };
    match figure("rate=") {
        Some(rate) if output.status.success() => {
            Ok(Outcome { rate, rss_mb: figure("rss_mb=").unwrap_or(f64::NAN) })
        }
        _ => bail!("{} {} failed: {text}", program.display(), variant.arguments().join(" ")),
    }
}
