//! `laju quote`: fixes an answer under a permanent id, through a running worker.

use std::io::Write;
use std::process::ExitCode;

use clap::Args;
use jiff::civil::Date;
use laju_schemas::RegionCode;
use serde_json::json;

use super::query::Node;
use crate::cli::tables;

/// Quote a region's figure: fix the answer under an id for ever.
///
/// The same answer has the same id, however often it is quoted.
#[derive(Clone, Debug, Args)]
pub struct QuoteArgs {
    /// A regency or city (18.71), a province (18) or the nation (ID).
    #[arg(value_name = "REGION")]
    pub region: RegionCode,

    /// The day whose truth is quoted [default: today, and of today for ever].
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub as_of: Option<Date>,

    /// The day whose knowledge is quoted [default: all that is known].
    #[arg(long, value_name = "YYYY-MM-DD")]
    pub known_at: Option<Date>,

    /// What it is quoted for, at most 500 characters.
    #[arg(long, value_name = "TEXT")]
    pub note: Option<String>,

    #[command(flatten)]
    pub node: Node,
}

impl QuoteArgs {
    /// Quotes, and prints the figure.
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let body = json!({
            "region": self.region,
            "as_of": self.as_of,
            "known_at": self.known_at,
            "note": self.note,
        });
        self.node.print_posted("/v1/figures", &body, tables::figure::figure, out)?;
        Ok(ExitCode::SUCCESS)
    }
}
