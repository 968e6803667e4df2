//! Talking to a running agent on this machine.

use std::time::Duration;

use anyhow::{Context as _, bail};
use clap::Args;
use serde::de::DeserializeOwned;
use serde_json::Value;

use laju_kafka::http_client::{self, Authorities, HttpError, Times};
use laju_kafka::serve::is_this_machine;

/// The largest answer: a batch of the largest size, each item refused at length.
const MAX_ANSWER: u64 = 64 << 20;

/// Where the agent is.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Agent")]
pub(super) struct AgentAddress {
    /// The agent to talk to, on this machine.
    #[arg(
        long,
        env = "LAJU_AGENT",
        value_name = "URL",
        default_value = "http://127.0.0.1:8470",
        value_parser = parse_agent
    )]
    agent: String,
}

fn parse_agent(text: &str) -> Result<String, String> {
    match text.strip_prefix("http://").map(|host| host.trim_end_matches('/')) {
        Some(host) if is_this_machine(host, None) => Ok(format!("http://{host}")),
        _ => Err("an agent's address is like http://127.0.0.1:8470; it is on this machine, \
                  because a NIK goes to it in clear"
            .to_owned()),
    }
}

/// What the agent answered.
pub(super) struct Answer {
    pub(super) status: u16,
    pub(super) body: Vec<u8>,
}

impl Answer {
    /// The answer, if the status is a good one.
    pub(super) fn read<T: DeserializeOwned>(&self) -> anyhow::Result<T> {
        if self.status >= 400 {
            bail!("{}", self.problem());
        }
        serde_json::from_slice(&self.body).context("the agent's answer is not what it should be")
    }

    /// What a problem says, with the field it is about.
    pub(super) fn problem(&self) -> String {
        let problem: Value = serde_json::from_slice(&self.body).unwrap_or_default();
        let text = |name: &str| problem[name].as_str().unwrap_or_default();
        match (text("field"), text("detail")) {
            (_, "") => format!("the agent answers {}", self.status),
            ("", detail) => detail.to_owned(),
            (field, detail) => format!("{field}: {detail}"),
        }
    }
}

/// A connection to the agent, kept open from one request to the next.
pub(super) struct AgentClient {
    address: String,
    client: ureq::Agent,
}

impl AgentAddress {
    pub(super) fn client(&self) -> AgentClient {
        // Whatever HTTP_PROXY says, and wherever another program on the agent's port may point:
        // the NIK goes to the loopback and no further.
        let times = Times { whole: Some(Duration::from_secs(150)), ..Times::default() };
        let client = http_client::client(&Authorities::default(), times);
        AgentClient { address: self.agent.clone(), client }
    }
}

impl AgentClient {
    pub(super) fn get(&self, path: &str) -> anyhow::Result<Answer> {
        let answer = self.client.get(format!("{}{path}", self.address)).call();
        self.answer(answer)
    }

    pub(super) fn post(&self, path: &str, kind: &str, body: &[u8]) -> anyhow::Result<Answer> {
        let request = self.client.post(format!("{}{path}", self.address)).content_type(kind);
        self.answer(request.send(body))
    }

    pub(super) fn post_json(&self, path: &str, body: &Value) -> anyhow::Result<Answer> {
        self.post(path, "application/json", body.to_string().as_bytes())
    }

    fn answer(
        &self,
        answer: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> anyhow::Result<Answer> {
        let address = &self.address;
        let mut answer = answer.map_err(HttpError::from).with_context(|| {
            format!("no agent answers at {address}: start one with `laju-kiosk run`, or say where it is with --agent")
        })?;
        let status = answer.status().as_u16();
        let body = answer.body_mut().with_config().limit(MAX_ANSWER).read_to_vec();
        Ok(Answer { status, body: body.context("the agent's answer broke off")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_is_on_this_machine() {
        for right in ["http://127.0.0.1:8470", "http://localhost:8470/", "http://[::1]:8470"] {
            assert_eq!(parse_agent(right).as_deref(), Ok(right.trim_end_matches('/')));
        }
        for wrong in [
            "http://192.0.2.1:8470",
            "http://kiosk.example:8470",
            "http://user@127.0.0.1:8470",
            "http://127.0.0.1:8470/path",
            "https://127.0.0.1:8470",
            "127.0.0.1:8470",
            "http://",
        ] {
            assert!(parse_agent(wrong).unwrap_err().contains("this machine"), "{wrong}");
        }
    }
}
