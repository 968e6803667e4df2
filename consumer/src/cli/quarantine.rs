//! `laju quarantine list|show|release|discard`: what could not be counted, and what is to become of
//! it.

mod choose;
mod decide;
mod decoded;
mod dump;
mod list;
mod order;
mod report;
mod select;
mod show;
mod source;

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use laju_schemas::TimestampMs;

use self::decide::{DiscardArgs, ReleaseArgs};
use self::list::ListArgs;
use self::show::ShowArgs;

/// What could not be counted: list it, look at a record, release it, discard it.
#[derive(Clone, Debug, Args)]
pub struct QuarantineArgs {
    #[command(subcommand)]
    command: QuarantineCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum QuarantineCommand {
    List(Box<ListArgs>),
    Show(Box<ShowArgs>),
    Release(Box<ReleaseArgs>),
    Discard(Box<DiscardArgs>),
}

impl QuarantineArgs {
    pub fn run(&self, now: TimestampMs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        match &self.command {
            QuarantineCommand::List(args) => args.run(now, out),
            QuarantineCommand::Show(args) => args.run(now, out),
            QuarantineCommand::Release(args) => args.run(now, out),
            QuarantineCommand::Discard(args) => args.run(now, out),
        }
    }
}
