//! The command line of the program `laju`. Each command is clap's `Args` with a `run` that writes
//! to the output that it is given and answers with the exit code. The arguments of a connection come
//! last, but for the worker's: their heading holds for whatever comes after them.

mod args;
pub mod backup;
mod claim;
pub mod demo;
pub mod diff;
pub mod export;
pub mod http;
mod id;
pub mod moment;
mod output;
pub mod quarantine;
pub mod query;
pub mod quote;
pub mod reference;
pub mod replay;
pub mod restore;
mod seed;
mod stop;
pub mod tables;
pub mod token;
pub mod topics;
pub mod verify;
pub mod worker;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};
use laju_kafka::settings::{self, Environment, Logging};
use laju_kafka::terminal;
use laju_schemas::TimestampMs;

use crate::ingest::progress::now_ms;

/// Tells how far and how fast Indonesia's digital identity (IKD) is being activated in every
/// regency, city and province.
///
/// Options can also come from a TOML file (--config), where they have the same name, and those
/// that name a variable from the environment; the command line goes before the environment, that
/// before the file.
#[derive(Debug, Parser)]
#[command(name = "laju", version, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    logging: Logging,
    #[command(subcommand)]
    command: Command,
}

// The help of each is its arguments' own: a comment here would stand in its place, without the exit codes.
#[derive(Debug, Subcommand)]
enum Command {
    Demo(Box<demo::DemoArgs>),
    Worker(Box<worker::WorkerArgs>),
    Topics(Box<topics::TopicsArgs>),
    Query(Box<query::QueryArgs>),
    Quote(Box<quote::QuoteArgs>),
    Replay(Box<replay::ReplayArgs>),
    Verify(Box<verify::VerifyArgs>),
    Diff(Box<diff::DiffArgs>),
    Quarantine(Box<quarantine::QuarantineArgs>),
    Export(Box<export::ExportArgs>),
    Backup(Box<backup::BackupArgs>),
    Restore(Box<restore::RestoreArgs>),
    Reference(Box<reference::ReferenceArgs>),
    Token(Box<token::TokenArgs>),
}

/// Runs the program with its arguments (the first is its own name) and environment.
pub fn run(args: impl IntoIterator<Item = OsString>, env: Environment<'_>) -> ExitCode {
    settings::exit_code(execute(args, env), env)
}

fn execute(
    args: impl IntoIterator<Item = OsString>,
    env: Environment<'_>,
) -> anyhow::Result<ExitCode> {
    let mut cli: Cli = settings::parse(args, env)?;
    if matches!(cli.command, Command::Demo(_)) && env("RUST_LOG").is_none() {
        // The demo has a display of its own.
        cli.logging.log.get_or_insert_with(|| "error".to_owned());
    }
    settings::init_tracing(&cli.logging, env);
    let out = &mut terminal::stdout();
    match cli.command {
        Command::Demo(demo) => demo.run(out),
        Command::Worker(worker) => worker.run(),
        Command::Topics(topics) => topics.run(TimestampMs(now_ms()), out),
        Command::Query(query) => query.run(out),
        Command::Quote(quote) => quote.run(out),
        Command::Replay(replay) => replay.run(TimestampMs(now_ms()), out),
        Command::Verify(verify) => verify.run(out),
        Command::Diff(diff) => diff.run(out),
        Command::Quarantine(quarantine) => quarantine.run(TimestampMs(now_ms()), out),
        Command::Export(export) => export.run(out),
        Command::Backup(backup) => backup.run(TimestampMs(now_ms()), out),
        Command::Restore(restore) => restore.run(TimestampMs(now_ms()), out),
        Command::Reference(reference) => reference.run(TimestampMs(now_ms()), out),
        Command::Token(token) => token.run(out),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    #[test]
    fn the_help_of_a_command_says_what_its_exit_codes_mean() {
        let commands: [&[&str]; 6] = [
            &["verify"],
            &["diff"],
            &["backup"],
            &["restore"],
            &["quarantine", "release"],
            &["topics", "check"],
        ];
        for path in commands {
            let mut command = &mut Cli::command();
            for name in path {
                command = command.find_subcommand_mut(name).unwrap();
            }
            let help = command.render_long_help().to_string();
            assert!(help.to_lowercase().contains("exit code"), "{path:?}: {help}");
        }
    }
}
