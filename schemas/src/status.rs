//! What a kiosk says of itself, so that missing events are noticed.

use std::sync::LazyLock;

use serde::{Deserialize, Serialize};

use crate::cursor::{Cursor, DecodeError};
use crate::datum::{fault, record};
use crate::id::KioskId;
use crate::known::{KIOSK_STATUS, OwnSchema, TopicValue, ValueReader};
use crate::pseudonym::KeyId;
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

record!(KioskStatus {
    kiosk_id,
    service_region,
    highest_sequence: sequence,
    unsent,
    oldest_unsent,
    clock_offset_ms,
    agent_version,
    sent_at,
    retired,
    key_id,
});

/// The schema has a long where other numbers of this size are ints.
fn sequence(at: &mut Cursor<'_>, field: &'static str) -> Result<u32, DecodeError> {
    let number = at.long(field)?;
    u32::try_from(number)
        .map_err(|_| fault(field, &format!("{number} is not from 0 to 4294967295")))
}

impl TopicValue for KioskStatus {
    const OWN: &'static LazyLock<OwnSchema> = &KIOSK_STATUS;
}

/// Reads the values of the kiosk status topic, in either framing.
pub type StatusReader = ValueReader<KioskStatus>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::codec::Encoder;
    use crate::cursor::{put_bytes, put_long};
    use crate::datum::whole;
    use crate::known::{ACTIVATION_EVENT_AVSC, KIOSK_STATUS_AVSC, ReadError};

    /// A status's bytes with these two numbers.
    fn bytes(kiosk_id: &str, region: &str, highest: i64, unsent: i64) -> Vec<u8> {
        let mut out = Vec::new();
        for text in [kiosk_id, region] {
            put_bytes(&mut out, text.as_bytes());
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
            whole::<KioskStatus>(&bytes(id, region, highest, unsent)).map_err(|e| e.to_string())
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
        let odd_key = whole::<KioskStatus>(&odd_key).map_err(|e| e.to_string());
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
        let status = whole::<KioskStatus>(&bytes("k", "18.71", 3, 1)).unwrap();
        assert!(Encoder::status(None).value(&status).is_ok());
        assert!(Encoder::events(None).value(&status).is_err());
        assert!(Encoder::reference(Some(1)).value(&status).is_err());
    }
}
