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
use serde_json::{Value, json};

use super::output::{answer, exit_code};
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
    Create(CreateArgs),
    Check(CheckArgs),
}

/// Make every topic that is not there yet; those that are stay as they are.
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

/// Compare every topic with the contract; exit code 1 if one differs.
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
        let json = self.json.then(|| {
            let topics = made.iter().map(|(name, made)| match made {
                Made::Created => json!({"topic": name, "result": "created"}),
                Made::Existed => json!({"topic": name, "result": "existed"}),
                Made::Refused(why) => json!({"topic": name, "result": "refused", "reason": why}),
            });
            json!({"ok": !refused, "topics": topics.collect::<Value>()})
        });
        answer(out, json, || {
            let lines = made.iter().map(|(name, made)| match made {
                Made::Created => format!("{name}: created"),
                Made::Existed => format!("{name}: was there, left as it is"),
                Made::Refused(why) => format!("{name}: refused: {why}"),
            });
            let advice = "\n`laju topics check` tells whether those that were there will do.";
            let advice = existed.then(|| advice.to_owned());
            lines.chain(advice).collect::<Vec<_>>().join("\n")
        })?;
        Ok(exit_code(!refused))
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
        let json = self.json.then(|| {
            let topics = checked.iter().map(|(topic, name, found, deviations)| {
                let config = topic.config().into_iter().map(|(key, _)| {
                    let value = found.as_ref().and_then(|f| f.config.get(key));
                    (key.to_owned(), json!(value))
                });
                let deviations = deviations.iter().map(|d| {
                    json!({
                        "property": d.property, "expected": d.expected, "found": d.found,
                        "why": d.why, "mend": d.mend,
                    })
                });
                json!({
                    "topic": name,
                    "exists": found.is_some(),
                    "partitions": found.as_ref().map(|f| f.partitions),
                    "replication": found.as_ref().map(|f| f.replication),
                    "config": config.collect::<Value>(),
                    "deviations": deviations.collect::<Value>(),
                })
            });
            json!({"ok": count == 0, "topics": topics.collect::<Value>()})
        });
        answer(out, json, || {
            let mut text = String::new();
            for (_, name, found, deviations) in &checked {
                text += &match found {
                    Some(f) if deviations.is_empty() => {
                        let (n, copies) = (f.partitions, f.replication);
                        let plural = if n == 1 { "" } else { "s" };
                        format!("{name}: fine ({n} partition{plural}, replication {copies})\n")
                    }
                    _ => format!("{name}: differs\n"),
                };
                for d in deviations {
                    if found.is_some() {
                        text += &format!("  {} is {}, not {}\n", d.property, d.found, d.expected);
                    }
                    text += &format!("    {}\n    To mend it: {}\n", d.why, d.mend);
                }
            }
            text + &match count {
                0 => "\nEvery topic is as the contract has it.".to_owned(),
                1 => "\n1 difference.".to_owned(),
                n => format!("\n{n} differences."),
            }
        })?;
        Ok(exit_code(count == 0))
    }
}

/// The admin client answers in futures; nothing else here does.
fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .context("cannot start the runtime that waits for the cluster's answers")
}
