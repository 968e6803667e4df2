//! `laju topics create|check`: the topics of an installation, made and checked against the contract.

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context as _;
use clap::{Args, Subcommand};
use laju_kafka::connection::Connection;
use laju_kafka::read::{TopicReadError, ends, offsets_at};
use laju_kafka::topics::{
    DEFAULT_PARTITIONS, Deviation, Made, TopicAdmin, Wanted, deviations, stamped_ahead,
};
use laju_schemas::TimestampMs;
use laju_schemas::topic::EVENTS;
use serde_json::json;

use crate::query::recorded_ahead::FAR_AHEAD_MS;

const TIMEOUT: Duration = Duration::from_secs(15);

/// Make the topics, or tell in which way they differ from what they should be.
#[derive(Clone, Debug, Args)]
pub struct TopicsArgs {
    #[command(subcommand)]
    pub command: TopicsCommand,
}

/// What to do with the topics.
#[derive(Clone, Debug, Subcommand)]
pub enum TopicsCommand {
    /// Make every topic that is not there yet; those that are stay as they are.
    Create(CreateArgs),
    /// Compare every topic with the contract; exit code 1 if one differs.
    Check(CheckArgs),
}

/// Make every topic that is not there yet.
#[derive(Clone, Debug, Args)]
pub struct CreateArgs {
    /// Partitions of the events topic: as many can be read at the same time. It cannot be changed
    /// once there are events.
    #[arg(long, value_name = "N", default_value_t = DEFAULT_PARTITIONS,
          value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub partitions: u32,

    /// Copies of every partition [default: the broker's default.replication.factor].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub replication_factor: Option<u16>,

    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub connection: Connection,
}

/// Compare every topic with the contract.
#[derive(Clone, Debug, Args)]
pub struct CheckArgs {
    /// How many partitions the events topic is to have [default: any number].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub partitions: Option<u32>,

    /// How many copies are wanted [default: at least 3, or as many as there are brokers].
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u16).range(1..=100))]
    pub replication_factor: Option<u16>,

    /// Answer in JSON.
    #[arg(long)]
    pub json: bool,

    #[command(flatten)]
    pub connection: Connection,
}

impl TopicsArgs {
    /// Runs the command. `now` is what a record's timestamp is checked against.
    pub fn run(&self, now: TimestampMs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        match &self.command {
            TopicsCommand::Create(args) => args.run(out),
            TopicsCommand::Check(args) => args.run(now, out),
        }
    }
}

impl CreateArgs {
    /// Makes the topics and reports each; exit code 1 if one was refused.
    pub fn run(&self, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let made = runtime()?.block_on(async {
            let admin = TopicAdmin::connect(&self.connection, TIMEOUT).await?;
            admin.create(self.partitions, self.replication_factor).await
        })?;
        let refused = made.iter().any(|(_, made)| matches!(made, Made::Refused(_)));
        let existed = made.iter().any(|(_, made)| *made == Made::Existed);
        if self.json {
            let topics: Vec<_> = made
                .iter()
                .map(|(name, made)| match made {
                    Made::Created => json!({"topic": name, "result": "created"}),
                    Made::Existed => json!({"topic": name, "result": "existed"}),
                    Made::Refused(why) => {
                        json!({"topic": name, "result": "refused", "reason": why})
                    }
                })
                .collect();
            writeln!(out, "{:#}", json!({"ok": !refused, "topics": topics}))?;
            return Ok(code(!refused));
        }
        for (name, made) in &made {
            match made {
                Made::Created => writeln!(out, "{name}: created")?,
                Made::Existed => writeln!(out, "{name}: was there, left as it is")?,
                Made::Refused(why) => writeln!(out, "{name}: refused: {why}")?,
            }
        }
        if existed {
            writeln!(out, "\n`laju topics check` tells whether those that were there will do.")?;
        }
        Ok(code(!refused))
    }
}

impl CheckArgs {
    /// Whether records of the events topic are stamped far in the future.
    fn stamped_ahead(&self, now: TimestampMs) -> anyhow::Result<Option<Deviation>> {
        let topic = self.connection.topic(&EVENTS);
        let ends = match ends(&self.connection, &topic) {
            Ok(ends) => ends,
            // That it is not there is said already.
            Err(TopicReadError::Missing(_)) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let mut first = offsets_at(&self.connection, &topic, now.0 + FAR_AHEAD_MS)?;
        first.retain(|partition, at| ends.get(partition).is_some_and(|(_, end)| *at < *end));
        Ok(stamped_ahead(&first))
    }

    /// Compares the topics with the contract and explains every difference; exit code 1 if there
    /// is one.
    pub fn run(&self, now: TimestampMs, out: &mut dyn Write) -> anyhow::Result<ExitCode> {
        let description = runtime()?.block_on(async {
            TopicAdmin::connect(&self.connection, TIMEOUT).await?.describe().await
        })?;
        let ahead = self.stamped_ahead(now)?;
        let checked: Vec<_> = description
            .topics
            .iter()
            .map(|(topic, name, found)| {
                let wanted = Wanted {
                    name,
                    brokers: &self.connection.brokers,
                    prefix: &self.connection.topic_prefix,
                    partitions: self.partitions,
                    replication: self.replication_factor,
                    broker_count: description.brokers,
                };
                let mut all = deviations(topic, &wanted, found.as_ref());
                all.extend(ahead.clone().filter(|_| topic.name == EVENTS.name));
                (topic, name, found, all)
            })
            .collect();
        let count: usize = checked.iter().map(|(.., deviations)| deviations.len()).sum();
        if self.json {
            let topics: Vec<_> = checked
                .iter()
                .map(|(topic, name, found, deviations)| {
                    let config = topic.config().into_iter().map(|(key, _)| {
                        let value = found.as_ref().and_then(|f| f.config.get(key));
                        (key.to_owned(), json!(value))
                    });
                    let deviations: Vec<_> = deviations
                        .iter()
                        .map(|d| {
                            json!({
                                "property": d.property, "expected": d.expected, "found": d.found,
                                "why": d.why, "mend": d.mend,
                            })
                        })
                        .collect();
                    json!({
                        "topic": name,
                        "exists": found.is_some(),
                        "partitions": found.as_ref().map(|f| f.partitions),
                        "replication": found.as_ref().map(|f| f.replication),
                        "config": serde_json::Map::from_iter(config),
                        "deviations": deviations,
                    })
                })
                .collect();
            writeln!(out, "{:#}", json!({"ok": count == 0, "topics": topics}))?;
            return Ok(code(count == 0));
        }
        for (_, name, found, deviations) in &checked {
            match found {
                Some(f) if deviations.is_empty() => {
                    let (n, copies) = (f.partitions, f.replication);
                    let plural = if n == 1 { "" } else { "s" };
                    writeln!(out, "{name}: fine ({n} partition{plural}, replication {copies})")?;
                }
                _ => writeln!(out, "{name}: differs")?,
            }
            for d in deviations {
                if found.is_some() {
                    writeln!(out, "  {} is {}, not {}", d.property, d.found, d.expected)?;
                }
                writeln!(out, "    {}\n    To mend it: {}", d.why, d.mend)?;
            }
        }
        match count {
            0 => writeln!(out, "\nEvery topic is as the contract has it.")?,
            1 => writeln!(out, "\n1 difference.")?,
            n => writeln!(out, "\n{n} differences.")?,
        }
        Ok(code(count == 0))
    }
}

fn code(fine: bool) -> ExitCode {
    if fine { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The admin client answers in futures; nothing else here does.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .context("cannot start the runtime that waits for the cluster's answers")
}
