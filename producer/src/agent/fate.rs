//! How far an event has come: in the outbox, acknowledged by Kafka, and what a worker made of it.

use std::str::FromStr;
use std::time::Duration;

use laju_schemas::position::Position;
use laju_schemas::{EventId, TimestampMs};
use serde::{Serialize, Serializer};

use super::{Agent, publisher};
use crate::outbox::{Obstacle, OutboxError, State};
use laju_kafka::http_client::{self, AddressError, Authorities, HttpError, Times};
use laju_kafka::secret::Authorization;

/// How long a worker may take to answer.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(3);

/// Where a worker is asked.
#[derive(Clone, Debug)]
pub struct WorkerAddress {
    url: String,
    token: Option<Authorization>,
    client: ureq::Agent,
}

impl FromStr for WorkerAddress {
    type Err = AddressError;

    fn from_str(text: &str) -> Result<Self, AddressError> {
        let url = http_client::address(text)?;
        Ok(Self { url, token: None, client: client(&Authorities::default()) })
    }
}

impl WorkerAddress {
    /// The same, to be asked with a token.
    #[must_use]
    pub fn with_token(self, token: Authorization) -> Self {
        Self { token: Some(token), ..self }
    }

    /// The same, whose certificate one of these authorities must have signed, for https.
    #[must_use]
    pub fn trusting(self, authorities: &Authorities) -> Self {
        Self { client: client(authorities), ..self }
    }

    /// Its answer in JSON to a path.
    pub(super) fn get(&self, path: &str) -> Result<serde_json::Value, HttpError> {
        let mut request = self.client.get(format!("{}{path}", self.url));
        if let Some(token) = &self.token {
            request = request.header("authorization", token.header());
        }
        let mut answer = request.call()?;
        if let Some(elsewhere) = http_client::elsewhere(&answer) {
            return Err(HttpError::Answer(elsewhere));
        }
        Ok(answer.body_mut().read_json()?)
    }
}

fn client(authorities: &Authorities) -> ureq::Agent {
    http_client::client(authorities, Times { whole: Some(REQUEST_TIMEOUT), ..Times::default() })
}

impl std::fmt::Display for WorkerAddress {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.url)
    }
}

/// Where an event is.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum Whereabouts {
    /// In the outbox, waiting or on its way.
    Unsent,
    /// In the outbox; Kafka refused it for good.
    SetAside {
        /// What kind of refusal.
        obstacle: Obstacle,
        /// Its words.
        detail: String,
        /// When, by the kiosk's clock.
        at: TimestampMs,
    },
    /// In Kafka.
    Acknowledged {
        /// The partition of the events topic.
        partition: u32,
        /// The offset within it; null if the broker did not tell.
        offset: Option<u64>,
        /// When it was recorded, by the broker's clock.
        recorded_at: Option<TimestampMs>,
    },
}

/// What is known of an event.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Fate {
    /// The event.
    pub event_id: EventId,
    /// The kiosk's own number of it.
    pub sequence: u32,
    /// When it happened.
    pub occurred_at: TimestampMs,
    /// When the agent accepted it, by the kiosk's clock.
    pub accepted_at: TimestampMs,
    /// Where it is.
    #[serde(flatten)]
    pub whereabouts: Whereabouts,
    /// A worker that is asked with this (in the header `Laju-At-Least`) has counted the event in its
    /// answer; null as long as the event is not in Kafka or it is not known which log that is.
    #[serde(serialize_with = "as_text")]
    pub position: Option<Position>,
    /// The worker's answer, if the agent knows one and the event is in Kafka; `{"error": …}` if
    /// it did not answer.
    pub worker: Option<serde_json::Value>,
}

fn as_text<S: Serializer>(position: &Option<Position>, to: S) -> Result<S::Ok, S::Error> {
    position.as_ref().map(Position::to_string).serialize(to)
}

impl Fate {
    /// Whether it is not on its way to be counted: set aside, or in quarantine.
    #[must_use]
    pub fn is_stuck(fate: &serde_json::Value) -> bool {
        fate["state"] == "set_aside" || fate["worker"]["fate"] == "quarantined"
    }
}

impl From<State> for Whereabouts {
    fn from(state: State) -> Self {
        match state {
            State::Unsent => Self::Unsent,
            State::SetAside { obstacle, detail, at } => Self::SetAside { obstacle, detail, at },
            State::Acknowledged(receipt) => Self::Acknowledged {
                partition: receipt.partition,
                offset: receipt.offset,
                recorded_at: receipt.timestamp,
            },
        }
    }
}

impl Agent {
    /// How far an event has come; none if this agent does not know it (any more).
    ///
    /// # Errors
    /// If the outbox cannot be read. A worker that does not answer is reported within the fate.
    pub async fn fate(&self, event_id: EventId) -> Result<Option<Fate>, OutboxError> {
        let Some(known) = self.find(event_id).await? else { return Ok(None) };
        let whereabouts = Whereabouts::from(known.state);
        let worker = match (&whereabouts, self.0.worker.clone()) {
            (Whereabouts::Acknowledged { .. }, Some(address)) => {
                Some(publisher::blocking(move || ask(&address, event_id)).await)
            }
            _ => None,
        };
        let position = match &whereabouts {
            Whereabouts::Acknowledged { partition, offset: Some(offset), .. } => {
                let log = self.0.shipping.log.get();
                let offset = i64::try_from(*offset).unwrap_or(i64::MAX);
                log.map(|log| Position::behind(*log, *partition, offset))
            }
            _ => None,
        };
        Ok(Some(Fate {
            event_id,
            position,
            sequence: known.sequence,
            occurred_at: known.occurred_at,
            accepted_at: known.accepted_at,
            whereabouts,
            worker,
        }))
    }
}

fn ask(address: &WorkerAddress, event_id: EventId) -> serde_json::Value {
    address.get(&format!("/v1/events/{event_id}")).unwrap_or_else(
        |error| serde_json::json!({ "error": format!("{address} does not answer: {error}") }),
    )
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::net::TcpListener;

    use super::*;
    use laju_kafka::secret;

    /// Answers one request, and says with which `Authorization` it came.
    fn worker() -> (WorkerAddress, std::thread::JoinHandle<Option<String>>) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = format!("http://{}", listener.local_addr().unwrap()).parse().unwrap();
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let lines = BufReader::new(stream.try_clone().unwrap()).lines().map(Result::unwrap);
            let head: Vec<String> = lines.take_while(|line| !line.is_empty()).collect();
            stream
                .write_all(
                    b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 2\r\n\
                      connection: close\r\n\r\n{}",
                )
                .unwrap();
            head.into_iter().find(|line| line.to_lowercase().starts_with("authorization:"))
        });
        (address, answering)
    }

    /// Runs itself again where the environment names a proxy, at which nobody is.
    #[test]
    fn a_worker_is_asked_directly_whatever_proxy_there_is() {
        if std::env::var_os("ALL_PROXY").is_some() {
            let (address, answering) = worker();
            assert_eq!(ask(&address, EventId([1; 16])), serde_json::json!({}));
            answering.join().unwrap();
            return;
        }
        let name = "agent::fate::tests::a_worker_is_asked_directly_whatever_proxy_there_is";
        let again = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", name])
            .env("ALL_PROXY", "http://127.0.0.1:1")
            .env_remove("NO_PROXY")
            .env_remove("no_proxy")
            .output()
            .unwrap();
        let told = String::from_utf8_lossy(&again.stdout);
        assert!(again.status.success() && told.contains("1 passed"), "{told}");
    }

    #[test]
    fn a_worker_is_asked_with_the_token_and_nobody_else_sees_it() {
        let id = EventId([1; 16]);
        let (address, answering) = worker();
        assert_eq!(ask(&address, id), serde_json::json!({}));
        assert_eq!(answering.join().unwrap(), None);

        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "laju_0f0f\n").unwrap();
        let (address, answering) = worker();
        let address = address.with_token(secret::token(file.path()).unwrap());
        assert_eq!(ask(&address, id), serde_json::json!({}));
        assert!(answering.join().unwrap().unwrap().ends_with("Bearer laju_0f0f"));
        assert!(!format!("{address} {address:?}").contains("0f0f"));
        // Nobody answers any more: what is reported of that has no token either.
        assert!(!ask(&address, id).to_string().contains("0f0f"));
    }
}
