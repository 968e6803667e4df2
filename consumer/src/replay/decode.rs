//! From values to events by the contract, in both framings. A registry that does not answer is
//! waited for: only its own word that it has no such schema makes a value unreadable.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use laju_producer::registry::Registry;
use laju_schemas::RawEvent;
use laju_schemas::known::{EventReader, ReadError};
use laju_schemas::quarantine::Reason;

use super::ReplayError;

/// How long a registry that does not answer is left alone.
const RETRY: Duration = Duration::from_secs(1);
/// How long until it is looked again at whether to stop.
const SLICE: Duration = Duration::from_millis(50);

/// Why a value is not an event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Undecodable {
    /// In the contract's words: `undecodable` or `unknown_schema`.
    pub reason: Reason,
    /// The field, and what is wrong with it.
    pub detail: String,
}

/// Reads values.
pub struct Decoder {
    reader: EventReader,
    registry: Option<Registry>,
}

impl Decoder {
    /// A decoder that knows the reader's schemas and asks the registry at this address for others.
    #[must_use]
    pub fn new(reader: EventReader, registry: Option<&str>) -> Self {
        Self { reader, registry: registry.map(Registry::new) }
    }

    /// Reads a value and hands over what came out. Waits for the registry as long as it takes.
    ///
    /// # Errors
    /// Those of `each`; or [`ReplayError::Interrupted`] if `stop` is set while the registry is
    /// waited for.
    #[inline]
    pub fn read<T>(
        &mut self,
        value: Option<&[u8]>,
        stop: &AtomicBool,
        each: impl FnOnce(Result<RawEvent<'_>, Undecodable>) -> Result<T, ReplayError>,
    ) -> Result<T, ReplayError> {
        let value = value.unwrap_or_default();
        let unknown = |reason, detail: String| Err(Undecodable { reason, detail });
        loop {
            let id = match self.reader.read(value) {
                Ok(event) => return each(Ok(event)),
                Err(ReadError::Unlearned(id)) => id,
                Err(ReadError::UnknownSchema(why)) => {
                    return each(unknown(Reason::UnknownSchema, why));
                }
                Err(ReadError::Decode(error)) => {
                    return each(unknown(Reason::Undecodable, error.to_string()));
                }
            };
            self.learn(id, stop)?;
        }
    }

    fn learn(&mut self, id: u32, stop: &AtomicBool) -> Result<(), ReplayError> {
        let Some(registry) = &self.registry else {
            self.reader.book.learn(id, None);
            return Ok(());
        };
        loop {
            match registry.schema(id) {
                Ok(avsc) => {
                    self.reader.book.learn(id, avsc.as_deref());
                    return Ok(());
                }
                Err(error) => {
                    tracing::warn!(%error, id, "waiting for the schema registry");
                }
            }
            let until = Instant::now() + RETRY;
            while Instant::now() < until {
                if stop.load(Ordering::Acquire) {
                    return Err(ReplayError::Interrupted);
                }
                std::thread::sleep(SLICE);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use laju_schemas::framing::Framing;

    use super::*;

    fn reason(value: Option<&[u8]>, registry: Option<&str>) -> Result<Reason, ReplayError> {
        let mut decoder = Decoder::new(EventReader::new(&[]).unwrap(), registry);
        let stop = AtomicBool::new(true);
        decoder.read(value, &stop, |event| Ok(event.unwrap_err().reason))
    }

    #[test]
    fn what_cannot_be_read_is_told_in_the_contracts_words() {
        assert_eq!(reason(None, None).unwrap(), Reason::Undecodable);
        assert_eq!(reason(Some(b"{}"), None).unwrap(), Reason::UnknownSchema);
        let mut value = Vec::new();
        Framing::Confluent(7).write(&mut value);
        assert_eq!(reason(Some(&value), None).unwrap(), Reason::UnknownSchema);
        // A registry that does not answer makes nothing unreadable.
        let nobody = Some("http://127.0.0.1:1");
        assert!(matches!(reason(Some(&value), nobody), Err(ReplayError::Interrupted)));
    }
}
