//! `laju-kiosk retry`: sends again what Kafka refused.

use std::io::Write as _;
use std::process::ExitCode;

use anyhow::bail;
use clap::Args;
use laju_schemas::EventId;
use serde_json::{Value, json};

use super::agent::AgentAddress;
use laju_kafka::terminal;

/// The options of `retry`.
#[derive(Debug, Args)]
pub(super) struct RetryArgs {
    /// One event (default: all that were set aside).
    event_id: Option<EventId>,

    /// Answer in JSON.
    #[arg(long, env = "LAJU_JSON")]
    json: bool,

    #[command(flatten)]
    agent: AgentAddress,
}

impl RetryArgs {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let body = json!({ "event_id": self.event_id });
        let answer: Value = self.agent.client().post_json("/v1/set-aside/retry", &body)?.read()?;
        let retried = answer["retried"].as_u64().unwrap_or_default();
        if let (Some(event_id), 0) = (self.event_id, retried) {
            bail!("no event {event_id} is set aside; see `laju-kiosk event {event_id}`");
        }
        if self.json {
            writeln!(terminal::stdout(), "{answer}")?;
        } else {
            let events = if retried == 1 { "event is" } else { "events are" };
            println!("{retried} {events} sent again; see `laju-kiosk status`");
        }
        Ok(ExitCode::SUCCESS)
    }
}
