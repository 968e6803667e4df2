//! A worker, as an agent asks it over HTTP.

use std::str::FromStr;
use std::time::Duration;

use laju_schemas::EventId;

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

    /// What it says of an event, or that it does not answer.
    pub(super) fn event(&self, event_id: EventId) -> serde_json::Value {
        self.get(&format!("/v1/events/{event_id}")).unwrap_or_else(
            |error| serde_json::json!({ "error": format!("{self} does not answer: {error}") }),
        )
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
            assert_eq!(address.event(EventId([1; 16])), serde_json::json!({}));
            answering.join().unwrap();
            return;
        }
        let name = "agent::worker::tests::a_worker_is_asked_directly_whatever_proxy_there_is";
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
        assert_eq!(address.event(id), serde_json::json!({}));
        assert_eq!(answering.join().unwrap(), None);

        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "laju_0f0f\n").unwrap();
        let (address, answering) = worker();
        let address = address.with_token(secret::token(file.path()).unwrap());
        assert_eq!(address.event(id), serde_json::json!({}));
        assert!(answering.join().unwrap().unwrap().ends_with("Bearer laju_0f0f"));
        assert!(!format!("{address} {address:?}").contains("0f0f"));
        // Nobody answers any more: what is reported of that has no token either.
        assert!(!address.event(id).to_string().contains("0f0f"));
    }
}
