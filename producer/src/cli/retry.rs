//! `laju-kiosk retry`: sends again what Kafka refused.

use std::process::ExitCode;

use clap::Args;
use laju_schemas::EventId;
use serde_json::{Value, json};

use super::agent::AgentAddress;

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
        if self.json {
            println!("{answer}");
        } else {
            println!("{} events are sent again; see `laju-kiosk status`", answer["retried"]);
        }
        Ok(ExitCode::SUCCESS)
    }
}
