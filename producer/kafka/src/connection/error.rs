//! Why Kafka cannot be reached, and what to do about it.

use std::path::PathBuf;

use rdkafka::error::KafkaError;
use thiserror::Error;

use super::property::PropertyError;
use super::rights::MissingRights;
use crate::http_client::HttpError;
use crate::registry::CredentialsError;

/// Why Kafka cannot be reached, and what to do about it.
#[derive(Debug, Error)]
pub enum ConnectionError {
    /// A property that the program depends on was given another value.
    #[error(transparent)]
    Property(#[from] PropertyError),
    /// The password file could not be read.
    #[error("cannot read the password file {path}")]
    PasswordFile {
        /// The file.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// The password file holds nothing.
    #[error("the password file {0} is empty")]
    PasswordEmpty(PathBuf),
    /// Nobody can be named to the registry.
    #[error(transparent)]
    RegistryCredentials(#[from] CredentialsError),
    /// The user lacks a right.
    #[error(transparent)]
    Rights(#[from] MissingRights),
    /// The file of trusted certificates.
    #[error(transparent)]
    Trust(#[from] HttpError),
    /// librdkafka refuses the configuration.
    #[error("librdkafka refuses the configuration: {0} (properties are set by --kafka-property)")]
    Config(String),
    /// TLS or SCRAM is asked for, but this program was built without them.
    #[error(
        "this program was built without TLS and SCRAM, which {0} needs: build it with the feature `tls`, as by default, or `tls-system` for the machine's OpenSSL"
    )]
    WithoutTls(String),
    /// No broker answers.
    #[error("no broker answers at {brokers}: {reason}")]
    Unreachable {
        /// The addresses tried.
        brokers: String,
        /// What the last attempt came to, and what else it may be.
        reason: String,
    },
    /// The brokers refuse who we say we are.
    #[error(
        "the brokers at {brokers} refuse the user or the password: {reason}; check sasl.username, sasl.mechanism and the password file"
    )]
    Authentication {
        /// The addresses tried.
        brokers: String,
        /// What they said.
        reason: String,
    },
    /// The TLS handshake fails on the certificate.
    #[error(
        "TLS to {brokers} fails: {reason}; check ssl.ca.location and that the certificate names this host"
    )]
    Certificate {
        /// The addresses tried.
        brokers: String,
        /// What OpenSSL said.
        reason: String,
    },
    /// One side speaks TLS and the other does not.
    #[error(
        "the brokers at {brokers} do not speak the protocol asked for: {reason}; check security.protocol"
    )]
    Protocol {
        /// The addresses tried.
        brokers: String,
        /// What librdkafka said.
        reason: String,
    },
    /// The cluster answers, but does not say which it is.
    #[error("the brokers at {0} do not tell their cluster's id: Apache Kafka does since 0.10.1")]
    NoClusterId(String),
}

impl ConnectionError {
    /// A configuration that librdkafka does not take, said without the value: it may be a secret.
    #[must_use]
    pub fn refused(error: &KafkaError) -> Self {
        let text = match error {
            KafkaError::ClientConfig(_, description, key, _) => format!("{key}: {description}"),
            KafkaError::ClientCreation(description) => description.clone(),
            other => other.to_string(),
        };
        if text.contains("not available at build time") || text.contains("No provider for SASL") {
            return Self::WithoutTls(format!("this configuration ({text})"));
        }
        Self::Config(text)
    }
}
