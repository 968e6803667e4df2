//! `laju quarantine list|show|release|discard`: what could not be counted, and what is to become of
//! it.

use std::io::{IsTerminal as _, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use indicatif::{ProgressBar, ProgressStyle};
use laju_schemas::TimestampMs;

mod choose;
mod decide;
mod decoded;
mod dump;
mod list;
mod report;
mod select;
mod show;

pub use decide::{DecideArgs, DiscardArgs, ReleaseArgs};
pub use list::ListArgs;
pub use select::Filter;
pub use show::ShowArgs;

/// What could not be counted: list it, look at a record, release it, discard it.
#[derive(Clone, Debug, Args)]
pub struct QuarantineArgs {
    #[command(subcommand)]
    pub command: QuarantineCommand,
}

/// What to do with quarantined records.
#[derive(Clone, Debug, Subcommand)]
pub enum QuarantineCommand {
    /// Show what is in quarantine, and how much of it for which reason.
    List(Box<ListArgs>),
    /// Show a record: what it says, where it stops making sense, what the present rules say of it.
    Show(Box<ShowArgs>),
    /// Send records through the fold again.
    Release(Box<ReleaseArgs>),
    /// Decide that records are not to be counted.
    Discard(Box<DiscardArgs>),
}

impl QuarantineArgs {
    /// Runs the command at the instant `now`.
    pub fn run(&self, now: TimestampMs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        match &self.command {
            QuarantineCommand::List(args) => args.run(now, out),
            QuarantineCommand::Show(args) => args.run(now, out),
            QuarantineCommand::Release(args) => args.run(now, out),
            QuarantineCommand::Discard(args) => args.run(now, out),
        }
    }
}

/// Further versions of the events topic's schema.
#[derive(Clone, Debug, Default, Args)]
pub struct Schemas {
    /// A further version of the events topic's schema, as the worker is given; may be given many
    /// times.
    #[arg(long = "schema", env = "LAJU_SCHEMAS", value_name = "FILE.avsc", value_delimiter = ',')]
    pub schemas: Vec<PathBuf>,
}

impl Schemas {
    fn read(&self) -> anyhow::Result<Vec<String>> {
        let text = |path: &PathBuf| {
            laju_kafka::text::read(path)
                .with_context(|| format!("the schema file {} cannot be read", path.display()))
        };
        self.schemas.iter().map(text).collect()
    }
}

/// A bar on a terminal, with rate and time left; nothing elsewhere and beside JSON.
fn bar(what: &str, json: bool) -> ProgressBar {
    if json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let style = ProgressStyle::with_template(
        "{msg} {wide_bar} {human_pos}/{human_len}  {per_sec}  {eta} left",
    );
    let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
    ProgressBar::new(0).with_style(style).with_message(what.to_owned())
}

/// So many records, in words.
fn records(count: usize) -> String {
    let number = crate::cli::tables::number(count);
    if count == 1 { "1 record".to_owned() } else { format!("{number} records") }
}
