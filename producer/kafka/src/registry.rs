//! The schema registry: Confluent's API over HTTP, as far as writers and readers of the topics
//! need it.
//!
//! An answer that is not clear is an outage: only the registry's own word that an id is unknown
//! may make a reader give a value up.

mod access;
mod found;
mod references;

use std::time::Duration;

use serde::Deserialize;
use serde_json::json;
use thiserror::Error;
use ureq::Agent;
use ureq::http::StatusCode;

pub use access::{CredentialsError, RegistryAccess, RegistryCredentials};
pub use found::{Found, Lacking};

use crate::http_client::{self, HttpError, Times};
use crate::secret::Authorization;

const CONTENT_TYPE: &str = "application/vnd.schemaregistry.v1+json";
/// The longest that one question may take.
const TIMEOUT: Duration = Duration::from_secs(10);
/// Longer texts of an answer are not repeated in errors.
const QUOTED: usize = 500;

/// Why the registry gave no answer that can be used.
#[derive(Debug, Error)]
pub enum RegistryError {
    #[error("the schema registry {url} cannot be reached")]
    Unreachable {
        /// Its address.
        url: String,
        source: HttpError,
    },
    #[error(
        "the schema registry refuses this program's schema for {subject}: it is not compatible with the one there ({message})"
    )]
    Incompatible {
        subject: String,
        /// What the registry said.
        message: String,
    },
    #[error("the schema registry answers {status} to {question}: {message}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// What was asked.
        question: String,
        /// What it said.
        message: String,
    },
    #[error(
        "{url} does not answer as a schema registry does ({message}); is the path right? Apicurio's is /apis/ccompat/v7"
    )]
    NotARegistry {
        /// What was asked.
        url: String,
        /// What came back.
        message: String,
    },
}

/// A client of one registry. It blocks the calling thread, for ten seconds at most.
#[derive(Clone, Debug)]
pub struct Registry {
    url: String,
    agent: Agent,
    authorization: Option<Authorization>,
}

#[derive(Deserialize)]
struct Problem {
    error_code: u32,
    message: Option<String>,
}

#[derive(Deserialize)]
struct Id {
    id: u32,
}

struct Answer {
    url: String,
    status: StatusCode,
    body: String,
    /// Where it points, if it is a redirect.
    elsewhere: Option<String>,
}

impl Registry {
    /// A client of the registry at `url`, an [`http_client::address`]. Programs have theirs from
    /// their connection.
    #[must_use]
    pub fn new(url: &str, access: RegistryAccess) -> Self {
        let times = Times { whole: Some(TIMEOUT), ..Times::default() };
        let agent = http_client::client(&access.authorities, times);
        let url = url.trim_end_matches('/').to_owned();
        Self { url, agent, authorization: access.authorization }
    }

    /// The text of the schema with this id, with the types in it that other schemas have; `None` if
    /// the registry says that it has none, or not one of those.
    ///
    /// # Errors
    /// If it cannot be reached, refuses, or is no registry: an outage, to be waited out.
    pub fn schema(&self, id: u32) -> Result<Option<String>, RegistryError> {
        Ok(self.find(id)?.schema())
    }

    /// As [`Registry::schema`], with what exactly the registry says that it does not have.
    ///
    /// # Errors
    /// As there.
    pub fn find(&self, id: u32) -> Result<Found, RegistryError> {
        // Ids are Java's ints: of others a registry does not say that it has none, but that it
        // does not understand, which would be waited out for ever.
        if i32::try_from(id).is_err() {
            return Ok(Found::Missing(Lacking::of(id)));
        }
        let answer = self.get(&format!("/schemas/ids/{id}"))?;
        match answer.status {
            StatusCode::OK => self.whole(id, answer.read()?),
            StatusCode::NOT_FOUND if answer.says_unknown() => Ok(Found::Missing(Lacking::of(id))),
            _ => Err(answer.refusal()),
        }
    }

    /// The id of a schema under a subject: the one it has, else a new one.
    ///
    /// # Errors
    /// If the registry cannot be reached, or does not take the schema.
    pub fn register(&self, subject: &str, avsc: &str) -> Result<u32, RegistryError> {
        // Looked up first: many installations let only a deployment register.
        let known = self.post(&format!("/subjects/{subject}"), avsc)?;
        match known.status {
            StatusCode::OK => return Ok(known.read::<Id>()?.id),
            StatusCode::NOT_FOUND if known.says_unknown() => {}
            _ => return Err(known.refusal()),
        }
        let new = self.post(&format!("/subjects/{subject}/versions"), avsc)?;
        match new.status {
            StatusCode::OK => Ok(new.read::<Id>()?.id),
            StatusCode::CONFLICT => Err(RegistryError::Incompatible {
                subject: subject.to_owned(),
                message: new.message(),
            }),
            _ => Err(new.refusal()),
        }
    }

    fn get(&self, path: &str) -> Result<Answer, RegistryError> {
        let url = format!("{}{path}", self.url);
        let request = self.agent.get(&url).header("accept", CONTENT_TYPE);
        let response = self.authorized(request).call();
        self.answer(url, response)
    }

    fn post(&self, path: &str, avsc: &str) -> Result<Answer, RegistryError> {
        let url = format!("{}{path}", self.url);
        let body = json!({ "schema": avsc }).to_string();
        let request = self.agent.post(&url).header("accept", CONTENT_TYPE);
        let request = self.authorized(request);
        self.answer(url, request.content_type(CONTENT_TYPE).send(&body))
    }

    fn authorized<B>(&self, request: ureq::RequestBuilder<B>) -> ureq::RequestBuilder<B> {
        match &self.authorization {
            Some(authorization) => request.header("authorization", authorization.header()),
            None => request,
        }
    }

    fn answer(
        &self,
        url: String,
        response: Result<ureq::http::Response<ureq::Body>, ureq::Error>,
    ) -> Result<Answer, RegistryError> {
        let unreachable = |error: ureq::Error| RegistryError::Unreachable {
            url: self.url.clone(),
            source: error.into(),
        };
        let mut response = response.map_err(unreachable)?;
        let body = response.body_mut().read_to_string().map_err(unreachable)?;
        let elsewhere = http_client::elsewhere(&response);
        Ok(Answer { url, status: response.status(), body, elsewhere })
    }
}

impl Answer {
    fn read<T: for<'de> Deserialize<'de>>(&self) -> Result<T, RegistryError> {
        serde_json::from_str(&self.body).map_err(|_| self.not_a_registry())
    }

    /// Whether a 404 is the registry's own (40401 subject, 40402 version, 40403 schema) and not
    /// that of a proxy or of another program at a wrong path.
    fn says_unknown(&self) -> bool {
        serde_json::from_str(&self.body)
            .is_ok_and(|problem: Problem| matches!(problem.error_code, 40_401..=40_403))
    }

    fn message(&self) -> String {
        match serde_json::from_str::<Problem>(&self.body) {
            Ok(Problem { message: Some(message), .. }) => message.chars().take(QUOTED).collect(),
            _ => self.body.trim().chars().take(QUOTED).collect(),
        }
    }

    fn refusal(&self) -> RegistryError {
        if self.status == StatusCode::NOT_FOUND || self.status.is_redirection() {
            return self.not_a_registry();
        }
        let mut message = self.message();
        if matches!(self.status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            message.push_str(
                "; give --registry-user with --registry-password-file, or --registry-token-file, of \
                 somebody whom the registry lets do this",
            );
        }
        RegistryError::Refused { status: self.status.as_u16(), question: self.url.clone(), message }
    }

    fn not_a_registry(&self) -> RegistryError {
        let start: String = self.body.trim().chars().take(80).collect();
        let message = match &self.elsewhere {
            Some(elsewhere) => elsewhere.clone(),
            None => format!("{}: {start}", self.status),
        };
        RegistryError::NotARegistry { url: self.url.clone(), message }
    }
}
