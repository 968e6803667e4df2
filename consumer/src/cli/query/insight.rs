//! The command lines of the questions that look behind a figure.

use clap::Args;
use jiff::civil::Date;
use laju_schemas::RegionCode;

use super::{Days, Node};

/// Is a region's pace enough?
#[derive(Clone, Debug, Args)]
pub struct PaceArgs {
    /// A regency or city (36.04), a province (36) or the nation (ID).
    #[arg(value_name = "REGION")]
    pub region: RegionCode,

    /// The pace from the end of this day [default: the trailing 7 and 28 days].
    #[arg(long, value_name = "YYYY-MM-DD", requires = "to")]
    pub from: Option<Date>,

    /// To the end of this day.
    #[arg(long, value_name = "YYYY-MM-DD", requires = "from", conflicts_with = "as_of")]
    pub to: Option<Date>,

    /// The two days; --as-of is the last day of the trailing windows [default: yesterday].
    #[command(flatten)]
    pub days: Days,

    /// Whom to ask.
    #[command(flatten)]
    pub node: Node,
}

impl PaceArgs {
    pub(super) fn add(&self, mut add: impl FnMut(&str, Option<String>)) {
        add("from", self.from.map(|day| day.to_string()));
        add("to", self.to.map(|day| day.to_string()));
        self.days.add(add);
    }
}
