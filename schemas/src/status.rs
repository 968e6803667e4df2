//! What a kiosk says of itself, so that missing events are noticed.

use apache_avro::types::Value;
use serde::{Deserialize, Serialize};

use crate::id::KioskId;
use crate::known::{KIOSK_STATUS, KIOSK_STATUS_AVSC, ReadError, SchemaError, ValueReader};
use crate::raw::DecodeError;
use crate::reference::read;
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
        ];
        Value::Record(fields.map(|(name, value)| (name.to_owned(), value)).into())
    }

    fn from_avro(fields: Vec<Value>) -> Option<Self> {
        let [kiosk, region, highest, unsent, oldest, offset, version, sent, retired]: [Value; 9] =
            fields.try_into().ok()?;
        let optional_long = |value| match read::nullable(value)? {
            Some(value) => Some(Some(read::long(value)?)),
            None => Some(None),
        };
        Some(Self {
            kiosk_id: read::text(kiosk)?.parse().ok()?,
            service_region: RegionCode::parse(&read::text(region)?)?,
            highest_sequence: u32::try_from(read::long(highest)?).ok()?,
            unsent: u64::try_from(read::long(unsent)?).ok()?,
            oldest_unsent: optional_long(oldest)?.map(TimestampMs),
            clock_offset_ms: optional_long(offset)?,
            agent_version: read::text(version)?,
            sent_at: TimestampMs(read::long(sent)?),
            retired: read::boolean(retired)?,
        })
    }
}

/// Reads the values of the kiosk status topic, in either framing.
pub struct StatusReader(ValueReader);

impl StatusReader {
    /// A reader that knows this program's schema.
    ///
    /// # Errors
    /// Never with the schema that is part of the program.
    pub fn new() -> Result<Self, SchemaError> {
        ValueReader::new(&KIOSK_STATUS, KIOSK_STATUS_AVSC).map(Self)
    }

    /// Notes what the registry has under an id: the text of a schema, or nothing.
    pub fn learn(&mut self, id: u32, avsc: Option<&str>) {
        self.0.learn(id, avsc);
    }

    /// Reads a value.
    ///
    /// # Errors
    /// If its schema is not known, or it is not a kiosk's status.
    pub fn read(&self, value: &[u8]) -> Result<KioskStatus, ReadError> {
        let fields = self.0.read(value)?;
        KioskStatus::from_avro(fields).ok_or_else(|| {
            DecodeError::Other("a field of the status holds what it cannot".to_owned()).into()
        })
    }
}
