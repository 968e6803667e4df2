//! `laju-kiosk retract`: takes an event back.

use std::io::Write as _;
use std::process::ExitCode;

use clap::Args;
use laju_schemas::EventId;
use laju_schemas::event::RetractionReason;
use serde_json::json;

use super::agent::AgentAddress;
use super::emit::warned;
use super::fact::symbol;
use crate::agent::http::OneAnswer;
use laju_kafka::terminal;

/// The options of `retract`.
#[derive(Debug, Args)]
#[command(
    after_help = "To correct an event, retract it and send it again. One that this kiosk shipped \
    more than 30 days ago, or that another kiosk sent, needs the citizen's NIK:\n  \
    laju-kiosk emit --nik-file - --home-region 18.71 retracted --retracted-event-id UUID --reason test\n\n\
    Ends with 3 if the event was retracted before and it, or others of this kiosk, could not be \
    counted."
)]
pub(super) struct Retract {
    /// The event, as the agent named it when it accepted it.
    event_id: EventId,

    /// Why.
    #[arg(long, value_parser = symbol(RetractionReason::ALL, RetractionReason::as_str))]
    reason: RetractionReason,

    /// Answer in JSON.
    #[arg(long, env = "LAJU_JSON")]
    json: bool,

    #[command(flatten)]
    agent: AgentAddress,
}

impl Retract {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let path = format!("/v1/events/{}/retract", self.event_id);
        let body = json!({ "reason": self.reason });
        let accepted: OneAnswer = self.agent.client().post_json(&path, &body)?.read()?;
        if self.json {
            writeln!(terminal::stdout(), "{}", serde_json::to_string(&accepted)?)?;
        } else if accepted.repeated {
            println!("it was retracted before, by the event {}", accepted.event_id);
        } else {
            println!("retracted by the event {}", accepted.event_id);
        }
        Ok(warned(accepted.warning.as_deref()))
    }
}
