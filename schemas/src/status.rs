//! What a kiosk says of itself, so that missing events are noticed.

use std::sync::LazyLock;

use apache_avro::types::Value;
use serde::{Deserialize, Serialize};

use crate::cursor::{Cursor, fault};
use crate::id::KioskId;
use crate::known::{FORMER_KIOSK_STATUS_AVSCS, KIOSK_STATUS, OwnSchema, TopicValue, ValueReader};
use crate::pseudonym::KeyId;
use crate::raw::DecodeError;
use crate::region::RegionCode;
use crate::time::TimestampMs;

/// A kiosk's latest word about itself.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KioskStatus {
    /// The kiosk, also the message key.
    pub kiosk_id: KioskId,
    /// The regency or city whose office it serves.
    pub service_region: RegionCode,
    /// The highest sequence that it has given to an event; 0 before the first.
    pub highest_sequence: u32,
    /// Events in its outbox that Kafka has not acknowledged.
    pub unsent: u64,
    /// When the oldest of them occurred.
    pub oldest_unsent: Option<TimestampMs>,
    /// The kiosk's clock minus the broker's, in milliseconds, if measured.
    pub clock_offset_ms: Option<i64>,
    /// The version of its agent.
    pub agent_version: String,
    /// When it said so, by its clock.
    pub sent_at: TimestampMs,
    /// A lost or withdrawn kiosk: none of its events is awaited any more.
    pub retired: bool,
    /// Which key its pseudonyms are made with; none of agents that do not say so.
    #[serde(default)]
    pub key_id: Option<KeyId>,
}

impl KioskStatus {
    pub(crate) fn to_avro(&self) -> Value {
        let option = |value: Option<Value>| match value {
            Some(value) => Value::Union(1, Box::new(value)),
            None => Value::Union(0, Box::new(Value::Null)),
        };
        let fields = [
            ("kiosk_id", Value::String(self.kiosk_id.to_string())),
            ("service_region", Value::String(self.service_region.to_string())),
            ("highest_sequence", Value::Long(self.highest_sequence.into())),
            ("unsent", Value::Long(i64::try_from(self.unsent).unwrap_or(i64::MAX))),
            ("oldest_unsent", option(self.oldest_unsent.map(|t| Value::TimestampMillis(t.0)))),
            ("clock_offset_ms", option(self.clock_offset_ms.map(Value::Long))),
            ("agent_version", Value::String(self.agent_version.clone())),
            ("sent_at", Value::TimestampMillis(self.sent_at.0)),
            ("retired", Value::Boolean(self.retired)),
            ("key_id", option(self.key_id.map(|id| Value::String(id.to_string())))),
        ];
        Value::Record(fields.map(|(name, value)| (name.to_owned(), value)).into())
    }

    fn decode(payload: &[u8]) -> Result<Self, DecodeError> {
        let mut at = Cursor::new(payload);
        let highest = |number: i64| {
            u32::try_from(number).map_err(|_| {
                fault("highest_sequence", &format!("{number} is not from 0 to 4294967295"))
            })
        };
        let unsent = |number: i64| {
            u64::try_from(number).map_err(|_| fault("unsent", &format!("{number} is below 0")))
        };
        let status = Self {
            kiosk_id: at.text("kiosk_id")?.parse().map_err(|e| fault("kiosk_id", &e))?,
            service_region: at
                .text("service_region")?
                .parse()
                .map_err(|e| fault("service_region", &e))?,
            highest_sequence: highest(at.long("highest_sequence")?)?,
            unsent: unsent(at.long("unsent")?)?,
            oldest_unsent: at
                .nullable("oldest_unsent", |at| at.long("oldest_unsent"))?
                .map(TimestampMs),
            clock_offset_ms: at.nullable("clock_offset_ms", |at| at.long("clock_offset_ms"))?,
            agent_version: at.text("agent_version")?.to_owned(),
            sent_at: TimestampMs(at.long("sent_at")?),
            retired: at.boolean("retired")?,
            key_id: match at.nullable("key_id", |at| at.text("key_id"))? {
                Some(text) => Some(text.parse().map_err(|e| fault("key_id", &e))?),
                None => None,
            },
        };
        at.end()?;
        Ok(status)
    }
}

impl TopicValue for KioskStatus {
    const OWN: &'static LazyLock<OwnSchema> = &KIOSK_STATUS;
    const FORMER: &'static [&'static str] = &FORMER_KIOSK_STATUS_AVSCS;

    fn from_avro(payload: &[u8]) -> Result<Self, DecodeError> {
        Self::decode(payload)
    }
}

/// Reads the values of the kiosk status topic, in either framing.
pub type StatusReader = ValueReader<KioskStatus>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Encoder;
    use crate::cursor::put_long;
    use crate::known::{ACTIVATION_EVENT_AVSC, KIOSK_STATUS_AVSC, ReadError};

    /// A status's bytes with these two numbers.
    fn bytes(kiosk_id: &str, region: &str, highest: i64, unsent: i64) -> Vec<u8> {
        let mut out = Vec::new();
        for text in [kiosk_id, region] {
            put_long(&mut out, text.len() as i64);
            out.extend_from_slice(text.as_bytes());
        }
        put_long(&mut out, highest);
        put_long(&mut out, unsent);
        // Neither of the two nullable numbers, no version, sent in 1970, not retired, no key.
        out.extend_from_slice(&[0, 0, 0, 0, 0, 0]);
        out
    }

    #[test]
    fn a_field_that_holds_what_it_cannot_is_named() {
        let read = |id, region, highest, unsent| {
            KioskStatus::decode(&bytes(id, region, highest, unsent)).map_err(|e| e.to_string())
        };
        assert!(read("k", "18.71", u32::MAX.into(), i64::MAX).is_ok());
        let named = [
            ("kiosk_id", read("", "18.71", 0, 0)),
            ("service_region", read("k", "1871", 0, 0)),
            ("highest_sequence", read("k", "18.71", i64::from(u32::MAX) + 1, 0)),
            ("highest_sequence", read("k", "18.71", -1, 0)),
            ("unsent", read("k", "18.71", 0, -1)),
        ];
        let odd_key = [&bytes("k", "18.71", 0, 0)[..15], &[2, 4, b'0', b'f']].concat();
        let odd_key = KioskStatus::decode(&odd_key).map_err(|e| e.to_string());
        for (field, read) in named.into_iter().chain([("key_id", odd_key)]) {
            assert!(read.as_ref().is_err_and(|why| why.starts_with(field)), "{field}: {read:?}");
        }
    }

    #[test]
    fn a_later_version_of_the_schema_is_learnt_by_its_id() {
        let mut later: serde_json::Value = serde_json::from_str(KIOSK_STATUS_AVSC).unwrap();
        let site = serde_json::json!({"name": "site", "type": ["null", "string"], "default": null});
        later["fields"].as_array_mut().unwrap().push(site);
        let mut reader = StatusReader::new().unwrap();
        let value = [&[0, 0, 0, 0, 9][..], &bytes("k", "18.71", 3, 1), &[2, 2, b'x']].concat();
        assert!(matches!(reader.read(&value), Err(ReadError::Unlearned(9))));
        reader.learn(9, Some(&later.to_string()));
        assert_eq!(reader.read(&value).unwrap().highest_sequence, 3);
        reader.learn(9, Some(ACTIVATION_EVENT_AVSC));
        assert!(matches!(reader.read(&value), Err(ReadError::UnknownSchema(_))));
    }

    #[test]
    fn an_encoder_of_another_topic_writes_nothing() {
        let status = KioskStatus::decode(&bytes("k", "18.71", 3, 1)).unwrap();
        assert!(Encoder::status(None).kiosk_status(&status).is_ok());
        assert!(Encoder::events(None).kiosk_status(&status).is_err());
        assert!(Encoder::reference(Some(1)).kiosk_status(&status).is_err());
    }
}
