//! How the programs reach Kafka: the options that every command shares, what librdkafka is given,
//! and a check at start that says in words what is wrong.
//!
//! It knows nothing of what is sent or read, and never prints or logs a password.

pub mod ask;
mod authorized;
mod check;
mod error;
#[cfg(target_os = "linux")]
#[allow(unsafe_code)] // It stands between two functions of C.
mod librdkafka;
mod property;
mod rights;

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;
use laju_schemas::topic::Topic;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;
use zeroize::Zeroizing;

use crate::http_client::{self, Trust};
use crate::registry::{Registry, RegistryAccess, RegistryCredentials};

pub use check::{BrokerEvents, ClusterInfo, TopicInfo};
pub use error::ConnectionError;
pub use property::{KafkaProperty, PropertyError};
pub use rights::{MissingRights, Operation, Resource, Right};

/// The options of every command that talks to Kafka.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Connection")]
pub struct Connection {
    /// The brokers to ask for the cluster, separated by commas.
    #[arg(long, env = "LAJU_BROKERS", value_name = "HOST:PORT,…", value_parser = parse_brokers)]
    pub brokers: String,

    /// Put before every topic's name, for an installation on a shared cluster (e.g. `staging.`).
    #[arg(
        long,
        env = "LAJU_TOPIC_PREFIX",
        value_name = "PREFIX",
        default_value = "",
        hide_default_value = true,
        value_parser = parse_prefix
    )]
    pub topic_prefix: String,

    /// A property of librdkafka, e.g. security.protocol=SASL_SSL; may be given many times.
    #[arg(long = "kafka-property", env = "LAJU_KAFKA_PROPERTIES", value_name = "KEY=VALUE")]
    pub kafka_properties: Vec<KafkaProperty>,

    /// A file that holds the SASL password and nothing else; surrounding white space is ignored.
    #[arg(long, env = "LAJU_KAFKA_PASSWORD_FILE", value_name = "FILE")]
    pub kafka_password_file: Option<PathBuf>,

    /// A schema registry with Confluent's API, by http or https. Without it values carry their
    /// schema's fingerprint.
    #[arg(long, env = "LAJU_REGISTRY", value_name = "URL", value_parser = http_client::address)]
    pub registry: Option<String>,

    /// As whom the registry is asked.
    #[command(flatten)]
    pub registry_credentials: RegistryCredentials,

    /// Whose certificates are trusted for https. Kafka's are named by `ssl.ca.location`.
    #[command(flatten)]
    pub trust: Trust,
}

fn parse_brokers(text: &str) -> Result<String, String> {
    let wrong = |part: &str| format!("'{part}' is not HOST:PORT, e.g. kafka-1:9092");
    let mut brokers = Vec::new();
    for part in text.split(',').map(str::trim) {
        let (host, port) = part.rsplit_once(':').ok_or_else(|| wrong(part))?;
        if host.is_empty() || port.parse::<u16>().is_err() {
            return Err(wrong(part));
        }
        brokers.push(part);
    }
    Ok(brokers.join(","))
}

/// Kafka's own limit is 249 characters for the whole name; the longest of ours has 27.
const PREFIX_MAX: usize = 200;

fn parse_prefix(text: &str) -> Result<String, String> {
    let allowed = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'.' | b'_' | b'-');
    if text.len() > PREFIX_MAX || !text.bytes().all(allowed) {
        return Err(format!(
            "a prefix has at most {PREFIX_MAX} letters, digits, '.', '_' and '-', as Kafka allows"
        ));
    }
    Ok(text.to_owned())
}

impl Connection {
    /// Reads the addresses of brokers, separated by commas, as `--brokers` takes them.
    ///
    /// # Errors
    /// If one is not HOST:PORT.
    pub fn parse_brokers(text: &str) -> Result<String, String> {
        parse_brokers(text)
    }

    /// A plain connection to these brokers, as tests and embedded brokers use it.
    #[must_use]
    pub fn to(brokers: impl Into<String>) -> Self {
        Self {
            brokers: brokers.into(),
            topic_prefix: String::new(),
            kafka_properties: Vec::new(),
            kafka_password_file: None,
            registry: None,
            registry_credentials: RegistryCredentials::default(),
            trust: Trust::default(),
        }
    }

    /// A topic's full name in this installation.
    #[must_use]
    pub fn topic(&self, topic: &Topic) -> String {
        topic.with_prefix(&self.topic_prefix)
    }

    /// What every client of this connection is configured with. Set what the client depends on
    /// afterwards: it goes before the user's properties.
    ///
    /// # Errors
    /// If a property may not be set, the password cannot be read, or TLS is not built in.
    pub fn client_config(&self) -> Result<ClientConfig, ConnectionError> {
        let mut config = ClientConfig::new();
        config
            .set("bootstrap.servers", &self.brokers)
            .set("client.id", "laju")
            // Middleboxes drop silent connections; a kiosk may be silent for hours.
            .set("socket.keepalive.enable", "true")
            .set("reconnect.backoff.max.ms", "2000")
            // A batch that was damaged on a disk or on the way is never taken for records.
            .set("check.crcs", "true")
            .set_log_level(RDKafkaLogLevel::Info);
        for property in &self.kafka_properties {
            property.check()?;
            config.set(property.key(), property.value());
        }
        self.require_tls_if_needed(&config)?;
        let protocol = config.get("security.protocol").unwrap_or_default().to_ascii_lowercase();
        if cfg!(feature = "tls")
            && protocol.ends_with("ssl")
            && config.get("ssl.ca.location").is_none()
        {
            // The OpenSSL that is built along does not know where this machine has its authorities.
            config.set("ssl.ca.location", "probe");
        }
        if let Some(password) = self.password()? {
            config.set("sasl.password", password.as_str());
        }
        Ok(config)
    }

    /// A client of the registry, if there is one.
    ///
    /// # Errors
    /// If its password, its token or the trusted certificates cannot be read.
    pub fn registry_client(&self) -> Result<Option<Registry>, ConnectionError> {
        let Some(url) = &self.registry else { return Ok(None) };
        let access = RegistryAccess {
            authorities: self.trust.read()?,
            authorization: self.registry_credentials.read()?,
        };
        Ok(Some(Registry::new(url, access)))
    }

    /// Connects and asks for the cluster's id and topics.
    ///
    /// # Errors
    /// If no broker answers within `timeout`, with what is most likely wrong. A refused password
    /// or certificate is reported at once.
    pub fn check(&self, timeout: Duration) -> Result<ClusterInfo, ConnectionError> {
        check::check(&self.brokers, &self.client_config()?, timeout)
    }

    fn password(&self) -> Result<Option<Zeroizing<String>>, ConnectionError> {
        let Some(path) = &self.kafka_password_file else { return Ok(None) };
        let text = crate::text::read(path)
            .map_err(|source| ConnectionError::PasswordFile { path: path.clone(), source })?;
        let text = Zeroizing::new(text);
        let password = text.trim();
        if password.is_empty() {
            return Err(ConnectionError::PasswordEmpty(path.clone()));
        }
        Ok(Some(Zeroizing::new(password.to_owned())))
    }

    fn require_tls_if_needed(&self, config: &ClientConfig) -> Result<(), ConnectionError> {
        if cfg!(feature = "tls-system") {
            return Ok(());
        }
        let is = |key: &str, test: fn(&str) -> bool| {
            config.get(key).is_some_and(|value| test(&value.to_ascii_lowercase()))
        };
        let needs = if is("security.protocol", |p| p.ends_with("ssl")) {
            "security.protocol with SSL"
        } else if is("sasl.mechanism", |m| m.starts_with("scram"))
            || is("sasl.mechanisms", |m| m.starts_with("scram"))
        {
            "SASL with SCRAM"
        } else {
            return Ok(());
        };
        Err(ConnectionError::WithoutTls(needs.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_users_properties_arrive_and_the_prefix_stands_first() {
        let mut connection = Connection::to("a:1,b:2");
        connection.topic_prefix = "staging.".to_owned();
        connection.kafka_properties = vec!["socket.timeout.ms=1234".parse().unwrap()];
        let config = connection.client_config().unwrap();
        assert_eq!(config.get("bootstrap.servers"), Some("a:1,b:2"));
        assert_eq!(config.get("socket.timeout.ms"), Some("1234"));
        assert_eq!(connection.topic(&laju_schemas::topic::EVENTS), "staging.ikd.events.v1");
    }

    #[test]
    fn what_the_program_depends_on_cannot_be_overridden() {
        for text in ["acks=1", "enable.idempotence=false", "group.id=x", "partitioner=random"] {
            let mut connection = Connection::to("a:1");
            connection.kafka_properties = vec![text.parse().unwrap()];
            let error = connection.client_config().unwrap_err().to_string();
            assert!(error.contains(text.split('=').next().unwrap()), "{error}");
        }
    }

    #[test]
    fn the_password_comes_from_its_file_and_is_never_printed() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), "hunter2\n").unwrap();
        let mut connection = Connection::to("a:1");
        connection.kafka_password_file = Some(file.path().to_owned());
        assert_eq!(connection.client_config().unwrap().get("sasl.password"), Some("hunter2"));
        connection.kafka_properties = vec!["ssl.key.password=hunter3".parse().unwrap()];
        assert!(!format!("{connection:?}").contains("hunter"));

        std::fs::write(file.path(), " \n").unwrap();
        assert!(matches!(connection.client_config(), Err(ConnectionError::PasswordEmpty(_))));
    }

    #[test]
    #[cfg(feature = "tls-system")]
    fn kafkas_client_is_built_with_tls_scram_and_every_codec() {
        let built = ClientConfig::new().create_native_config().unwrap();
        let built = built.get("builtin.features").unwrap();
        let built: Vec<&str> = built.split(',').collect();
        for feature in ["ssl", "sasl_scram", "zstd", "gzip", "snappy", "lz4"] {
            assert!(built.contains(&feature), "no {feature} in {built:?}");
        }
    }

    #[test]
    #[cfg(feature = "tls")]
    fn the_machines_authorities_are_looked_for_unless_others_are_named() {
        let location = |more: &[&str]| {
            let mut connection = Connection::to("a:1");
            connection.kafka_properties = more.iter().map(|text| text.parse().unwrap()).collect();
            let config = connection.client_config().unwrap();
            config.get("ssl.ca.location").map(str::to_owned)
        };
        assert_eq!(location(&[]), None);
        assert_eq!(location(&["security.protocol=SASL_SSL"]).as_deref(), Some("probe"));
        let own = ["security.protocol=ssl", "ssl.ca.location=/ca.pem"];
        assert_eq!(location(&own).as_deref(), Some("/ca.pem"));
    }

    #[test]
    #[cfg(not(feature = "tls-system"))]
    fn tls_without_the_feature_is_said_before_anything_starts() {
        for text in ["security.protocol=SASL_SSL", "sasl.mechanism=SCRAM-SHA-256"] {
            let mut connection = Connection::to("a:1");
            connection.kafka_properties = vec![text.parse().unwrap()];
            let error = connection.client_config().unwrap_err();
            assert!(error.to_string().contains("feature `tls`"), "{error}");
        }
    }

    #[test]
    fn addresses_and_prefixes_have_a_shape() {
        assert_eq!(parse_brokers("a:1, [::1]:9092").unwrap(), "a:1,[::1]:9092");
        for wrong in ["", "kafka", "kafka:", ":9092", "kafka:http", "a:1,,b:2"] {
            assert!(parse_brokers(wrong).is_err(), "{wrong}");
        }
        assert!(parse_prefix("staging.").is_ok() && parse_prefix("a b").is_err());
    }
}
