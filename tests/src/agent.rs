//! What a kiosk's agent is sent, and the client that sends it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::process::{Process, wait_until};

/// A body's content type.
pub const JSON: &str = "application/json";
/// The same, for lines of JSON.
pub const NDJSON: &str = "application/x-ndjson";

/// A NIK that can be, another for each number: of men born in January 1990 in Bandar Lampung.
#[must_use]
pub fn nik(number: u32) -> String {
    let (day, serial) = (1 + number / 9_999, 1 + number % 9_999);
    format!("187101{day:02}0190{serial:04}")
}

/// An activation, as a client sends it.
#[must_use]
pub fn activation(number: u32) -> Value {
    json!({
        "nik": nik(number),
        "home_region": "18.71",
        "fact": {"Activated": {"channel": "office", "venue": null, "first_time_holder": false}},
    })
}

/// Activations, a line each.
#[must_use]
pub fn lines(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|number| format!("{}\n", activation(number))).collect()
}

/// A client of an agent, that keeps its connection.
pub struct Client {
    /// Where the agent listens.
    pub address: String,
    agent: ureq::Agent,
}

impl Client {
    /// A client of the agent at this address.
    #[must_use]
    pub fn new(address: String) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .timeout_global(Some(Duration::from_secs(60)))
            .build()
            .new_agent();
        Self { address, agent }
    }

    /// A client of this agent, as soon as it listens.
    pub fn of(process: &mut Process) -> Self {
        Self::new(process.address())
    }

    /// Sends a body; none if there is no answer.
    #[must_use]
    pub fn try_post(&self, path: &str, kind: &str, body: &str) -> Option<(u16, String)> {
        let request = self.agent.post(format!("http://{}{path}", self.address)).content_type(kind);
        let mut answer = request.send(body).ok()?;
        let limit = 64 << 20;
        let text = answer.body_mut().with_config().limit(limit).read_to_string().ok()?;
        Some((answer.status().as_u16(), text))
    }

    /// Sends a body; the answer is JSON.
    ///
    /// # Panics
    /// If there is no answer, or none that is JSON.
    #[must_use]
    pub fn post(&self, path: &str, kind: &str, body: &str) -> (u16, Value) {
        let (status, text) = self.try_post(path, kind, body).expect("an answer");
        (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
    }

    /// Sends one event, which is accepted.
    ///
    /// # Panics
    /// If it is not.
    pub fn send(&self, event: &Value) -> Value {
        let (status, answer) = self.post("/v1/events", JSON, &event.to_string());
        assert_eq!(status, 202, "{answer}");
        answer
    }

    /// Sends events, a line each, which are all accepted.
    ///
    /// # Panics
    /// If they are not.
    pub fn send_lines(&self, lines: &str) -> Value {
        let (status, answer) = self.post("/v1/events", NDJSON, lines);
        assert_eq!((status, &answer["refused"]), (202, &json!(0)), "{answer}");
        answer
    }

    /// Asks; gives the status and the body.
    ///
    /// # Panics
    /// If there is no answer.
    #[must_use]
    pub fn get_text(&self, path: &str) -> (u16, String) {
        let mut answer =
            self.agent.get(format!("http://{}{path}", self.address)).call().expect("an answer");
        (answer.status().as_u16(), answer.body_mut().read_to_string().expect("text"))
    }

    /// Asks; gives the status and the JSON of the body.
    ///
    /// # Panics
    /// If there is no answer, or none that is JSON.
    #[must_use]
    pub fn get(&self, path: &str) -> (u16, Value) {
        let (status, text) = self.get_text(path);
        (status, serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}")))
    }

    /// What the agent says of itself.
    ///
    /// # Panics
    /// If it says nothing.
    #[must_use]
    pub fn status(&self) -> Value {
        let (status, answer) = self.get("/v1/status");
        assert_eq!(status, 200, "{answer}");
        answer
    }

    /// Waits until everything has been sent.
    pub fn drain(&self) {
        wait_until("everything is sent", || self.status()["unsent"] == 0);
    }
}
