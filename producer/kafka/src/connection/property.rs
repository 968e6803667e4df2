//! One `KEY=VALUE` for librdkafka, and which keys are not the user's to set.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Keys that this program sets itself, each with the reason or the option to use instead.
const OURS: &[(&str, &str)] = &[
    ("bootstrap.servers", "use --brokers"),
    ("metadata.broker.list", "use --brokers"),
    ("sasl.password", "use --kafka-password-file, so that the password is not seen by others"),
    ("enable.idempotence", "without it a retry may change the order of a subject's facts"),
    ("acks", "an acknowledged event must be on every replica in sync"),
    ("request.required.acks", "an acknowledged event must be on every replica in sync"),
    ("partitioner", "a subject in two partitions would count twice"),
    ("message.max.bytes", "the topics' limits are part of the contract"),
    ("message.timeout.ms", "how long a delivery may take is an option of the command"),
    ("delivery.timeout.ms", "how long a delivery may take is an option of the command"),
    ("retries", "deliveries are tried again until their time is over"),
    ("message.send.max.retries", "deliveries are tried again until their time is over"),
    ("max.in.flight", "idempotence sets it"),
    ("max.in.flight.requests.per.connection", "idempotence sets it"),
    ("transactional.id", "its name keeps two releases from quarantine apart"),
    ("enable.auto.commit", "positions are kept with the state, in the store"),
    ("auto.commit.enable", "positions are kept with the state, in the store"),
    ("enable.auto.offset.store", "positions are kept with the state, in the store"),
    ("auto.offset.reset", "a position that is gone must be an error and not a gap"),
    ("isolation.level", "what is not committed is not a fact"),
    ("enable.partition.eof", "the program sets it where it needs it"),
    ("group.id", "the program sets it where it needs it"),
    ("group.instance.id", "the program sets it where it needs it"),
    ("group.protocol", "the program sets it where it needs it"),
    ("partition.assignment.strategy", "every worker reads all partitions"),
    ("allow.auto.create.topics", "topics are made by `laju topics create`, with their settings"),
];

/// A property that cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum PropertyError {
    #[error("a property is written KEY=VALUE, e.g. security.protocol=SASL_SSL")]
    Shape,
    #[error("the property {key} cannot be set: {why}")]
    Protected {
        key: String,
        /// Why, or what to use instead.
        why: &'static str,
    },
}

/// A property of librdkafka. Its value may be a secret and is never printed.
#[derive(Clone, PartialEq, Eq)]
pub struct KafkaProperty {
    key: String,
    value: String,
}

impl KafkaProperty {
    /// Its name, in small letters.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }

    #[must_use]
    pub fn value(&self) -> &str {
        &self.value
    }

    /// Whether it is the user's to set.
    ///
    /// # Errors
    /// If the program depends on it.
    pub fn check(&self) -> Result<(), PropertyError> {
        let ours = OURS.iter().find(|(name, _)| *name == self.key);
        let why = match ours {
            Some((_, why)) => *why,
            None if self.key.starts_with("test.mock.") => "the program has its own embedded broker",
            None => return Ok(()),
        };
        Err(PropertyError::Protected { key: self.key.clone(), why })
    }
}

impl FromStr for KafkaProperty {
    type Err = PropertyError;

    fn from_str(text: &str) -> Result<Self, PropertyError> {
        let (key, value) = text.split_once('=').ok_or(PropertyError::Shape)?;
        let key = key.trim().to_ascii_lowercase();
        if key.is_empty() {
            return Err(PropertyError::Shape);
        }
        Ok(Self { key, value: value.trim().to_owned() })
    }
}

impl fmt::Debug for KafkaProperty {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}=…", self.key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_property_is_split_at_the_first_equals_sign() {
        let property: KafkaProperty = "sasl.jaas.config=a=b, c".parse().unwrap();
        assert_eq!((property.key(), property.value()), ("sasl.jaas.config", "a=b, c"));
        assert_eq!(format!("{property:?}"), "sasl.jaas.config=…");
        for wrong in ["", "acks", "=1"] {
            assert_eq!(wrong.parse::<KafkaProperty>().unwrap_err(), PropertyError::Shape);
        }
    }

    #[test]
    fn a_password_on_the_command_line_is_refused_without_repeating_it() {
        let property: KafkaProperty = "SASL.Password=hunter2".parse().unwrap();
        let error = property.check().unwrap_err().to_string();
        assert!(error.contains("--kafka-password-file") && !error.contains("hunter2"), "{error}");
    }
}
