//! `laju reference add|import|list`: denominators and targets, published and shown.

mod add;
mod field;
mod file;
mod import;
mod list;
mod names;
mod topic;

use std::io::Write;
use std::process::ExitCode;

use clap::{Args, Subcommand};
use laju_schemas::TimestampMs;

use self::add::AddArgs;
use self::import::ImportArgs;
use self::list::ListArgs;

/// Denominators and targets: add, import, list.
#[derive(Clone, Debug, Args)]
pub struct ReferenceArgs {
    #[command(subcommand)]
    command: ReferenceCommand,
}

#[derive(Clone, Debug, Subcommand)]
enum ReferenceCommand {
    Add(AddArgs),
    Import(ImportArgs),
    List(ListArgs),
}

impl ReferenceArgs {
    pub fn run(&self, now: TimestampMs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        match &self.command {
            ReferenceCommand::Add(args) => args.run(now, out),
            ReferenceCommand::Import(args) => args.run(now, out),
            ReferenceCommand::List(args) => args.run(now, out),
        }
    }
}
