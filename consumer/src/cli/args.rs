//! Arguments that several commands take.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;
use clap::Args;
use laju_schemas::{RegionCode, RegionTable};

/// Further versions of the events topic's schema.
#[derive(Clone, Debug, Default, Args)]
pub struct Schemas {
    /// A further version of the events topic's schema, as the worker was given; may be given many
    /// times.
    #[arg(long = "schema", env = "LAJU_SCHEMAS", value_name = "FILE.avsc", value_delimiter = ',')]
    pub schemas: Vec<PathBuf>,
}

/// What else they are for where events are only read.
pub(super) const SCHEMAS_OF_EVENTS: &str = "A further version of the events topic's schema that \
     events may be written with; may be given many times";

impl Schemas {
    /// The texts of the files.
    pub(super) fn read(&self) -> anyhow::Result<Vec<String>> {
        let text = |path: &PathBuf| {
            laju_kafka::text::read(path)
                .with_context(|| format!("the schema file {} cannot be read", path.display()))
        };
        self.schemas.iter().map(text).collect()
    }
}

/// A region that exists, or the nation.
pub(super) fn region(text: &str) -> Result<RegionCode, String> {
    let code = text.parse().map_err(|e: laju_schemas::region::RegionCodeError| e.to_string())?;
    match RegionTable::get().name_of(code) {
        Some(_) => Ok(code),
        None => Err(format!("there is no region {code} in Kepmendagri 300.2.2-2138/2025")),
    }
}

/// A time like `90s`, `5m` or `1h 30m`, of a day at most.
pub(super) fn patience(text: &str) -> Result<Duration, String> {
    let span: jiff::SignedDuration =
        text.parse().map_err(|_| "give a time like 90s, 5m or 1h".to_owned())?;
    let time = Duration::try_from(span).map_err(|_| "a time is not below 0".to_owned())?;
    if time > Duration::from_secs(86_400) {
        return Err("at most 24h".to_owned());
    }
    Ok(time)
}
