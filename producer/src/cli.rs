//! The program `laju-kiosk`: its command line, and nothing that a library would want.

mod agent;
mod emit;
mod event;
mod fact;
mod progress;
mod publish;
mod retire;
mod retract;
mod retry;
mod run;
mod simulate;
mod status;
mod stop;
mod topic;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use laju_kafka::settings::{self, Environment, Logging};

/// Takes activation events of the digital identity (IKD) in at a kiosk, and brings them to Kafka.
///
/// Options can also come from a TOML file (--config), where they have the same name, and those
/// that name a variable from the environment; the command line goes before the environment, that
/// before the file.
#[derive(Debug, Parser)]
#[command(name = "laju-kiosk", version, propagate_version = true)]
struct Cli {
    #[command(flatten)]
    logging: Logging,
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run the agent: take events in, keep them safe, ship them.
    Run(Box<run::Run>),
    /// Send events through the agent on this machine: one, or a file of them.
    Emit(Box<emit::Emit>),
    /// Tell where the kiosk stands, what is stuck and what to do about it.
    Status(status::StatusArgs),
    /// Tell how far an event has come.
    Event(event::Event),
    /// Take an event back: it is to count as never happened.
    Retract(retract::Retract),
    /// Send again what Kafka refused and the agent set aside.
    Retry(retry::RetryArgs),
    /// Say of a lost or withdrawn kiosk that nothing is to be expected of it any more.
    Retire(retire::Retire),
    /// Publish one event straight to Kafka, past any agent, and wait until it is confirmed.
    Publish(Box<publish::Publish>),
    /// Publish what synthetic kiosks would: for load, tests and demonstrations.
    Simulate(Box<simulate::Simulate>),
}

/// Runs the program with its arguments (the first is its own name) and environment.
pub fn run(args: impl IntoIterator<Item = OsString>, env: Environment<'_>) -> ExitCode {
    settings::exit_code(execute(args, env), env)
}

fn execute(
    args: impl IntoIterator<Item = OsString>,
    env: Environment<'_>,
) -> anyhow::Result<ExitCode> {
    let cli: Cli = settings::parse(args, env)?;
    settings::init_tracing(&cli.logging, env);
    match cli.command {
        Command::Run(run) => run.run(env),
        Command::Emit(emit) => emit.run(env),
        Command::Status(status) => status.run(env),
        Command::Event(event) => event.run(),
        Command::Retract(retract) => retract.run(),
        Command::Retry(retry) => retry.run(),
        Command::Retire(retire) => retire.run(),
        Command::Publish(publish) => publish.run(env),
        Command::Simulate(simulate) => simulate.run(env),
    }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }
}
