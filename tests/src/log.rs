//! A log as the broker would hand it over: plain records, without a broker. It knows nothing of
//! what the records mean.

use std::fmt;

use laju_schemas::known::EventReader;

/// One record of `ikd.events.v1`.
#[derive(Clone, PartialEq, Eq)]
pub struct LogRecord {
    /// Its partition.
    pub partition: u32,
    /// Its offset: rising within the partition, with gaps as transactions leave them.
    pub offset: i64,
    /// The record's own timestamp, milliseconds since 1970; -1 where the broker has none.
    pub timestamp_ms: i64,
    /// The message key.
    pub key: Option<Vec<u8>>,
    /// The value; none for a tombstone.
    pub value: Option<Vec<u8>>,
}

/// Shows the event instead of its bytes, so that a failing case can be read.
impl fmt::Debug for LogRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{} at {}: ", self.partition, self.offset, self.timestamp_ms)?;
        match &self.key {
            None => write!(f, "no key, ")?,
            Some(key) => write!(f, "key {}, ", hex(key))?,
        }
        let Some(value) = &self.value else { return write!(f, "no value") };
        let mut reader = EventReader::new(&[]).map_err(|_| fmt::Error)?;
        match reader.read(value) {
            Ok(event) => write!(f, "{event:?}"),
            Err(error) => write!(f, "{} bytes: {error}", value.len()),
        }
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
