//! `laju-kiosk event`: how far an event has come.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;
use laju_schemas::EventId;
use serde_json::Value;

use super::agent::AgentAddress;
use super::status::ATTENTION_EXIT_CODE;
use crate::agent::Fate;
use laju_kafka::terminal::{self, shown};

/// The options of `event`.
#[derive(Debug, Args)]
#[command(
    after_help = "Ends with 3 if the event is set aside or in quarantine, and with 1 if no agent \
                  answers or knows it."
)]
pub(super) struct Event {
    /// The event, as the agent named it when it accepted it.
    event_id: EventId,

    /// Answer in JSON.
    #[arg(long, env = "LAJU_JSON")]
    json: bool,

    #[command(flatten)]
    agent: AgentAddress,
}

impl Event {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let fate: Value =
            self.agent.client().get(&format!("/v1/events/{}", self.event_id))?.read()?;
        let code = if Fate::is_stuck(&fate) {
            ExitCode::from(ATTENTION_EXIT_CODE)
        } else {
            ExitCode::SUCCESS
        };
        if self.json {
            writeln!(terminal::stdout(), "{fate}")?;
            return Ok(code);
        }
        let row = |name: &str, value: &Value| match value {
            Value::Null => {}
            Value::String(text) => println!("{name:<12} {}", shown(text)),
            other => println!("{name:<12} {}", shown(&other.to_string())),
        };
        for name in ["event_id", "sequence", "occurred_at", "accepted_at", "state"] {
            row(name, &fate[name]);
        }
        for name in ["obstacle", "detail", "partition", "offset", "recorded_at"] {
            row(name, &fate[name]);
        }
        if let Value::Object(worker) = &fate["worker"] {
            println!("the worker says:");
            for (name, value) in worker {
                if name != "evidence" && name != "event_id" {
                    row(&format!("  {name}"), value);
                }
            }
        }
        Ok(code)
    }
}
