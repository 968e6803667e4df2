//! From records to events by the contract, in both framings. A registry that does not answer is
//! waited for: only a verdict, or its own word that it has no such schema, given for some seconds,
//! makes a value unreadable.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use laju_kafka::learning::SchemaFinder;
use laju_kafka::read::headers::RecordHeaders;
use laju_kafka::registry::Registry;
use laju_schemas::RawEvent;
use laju_schemas::known::{EventReader, ReadError};
use laju_schemas::quarantine::{Origin, Reason};

use super::error::ReplayError;
use super::rows::Undecodable;
use crate::domain::decisions::DecisionBook;
use crate::ingest::verdicts;

/// How long a registry that does not answer is left alone.
const REGISTRY_RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long a registry's word that it has no such schema is not believed: rows go out, and no
/// ledger is made of them.
const REGISTRY_PATIENCE: Duration = Duration::from_secs(10);
/// How long until it is looked again at whether to stop.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(50);

pub struct Decoder {
    reader: EventReader,
    registry: SchemaFinder,
    verdicts: DecisionBook,
}

impl Decoder {
    /// A decoder that knows the reader's schemas, asks the registry for others, and
    /// follows these verdicts.
    pub fn new(reader: EventReader, registry: Option<Registry>, verdicts: DecisionBook) -> Self {
        let registry = SchemaFinder::new(registry, REGISTRY_PATIENCE);
        Self { reader, registry, verdicts }
    }

    /// Reads a record's value and hands over what came out. Waits for the registry as long as it takes.
    ///
    /// # Errors
    /// Those of `each`; or [`ReplayError::Interrupted`] if `stop` is set while the registry is
    /// waited for.
    #[inline]
    pub fn read<T>(
        &mut self,
        (origin, value): (Origin, Option<&[u8]>),
        headers: &impl RecordHeaders,
        stop: &AtomicBool,
        each: impl FnOnce(Result<RawEvent<'_>, Undecodable>) -> Result<T, ReplayError>,
    ) -> Result<T, ReplayError> {
        let unknown = |reason, detail: String| Err(Undecodable { reason, detail });
        if let Some(refusal) = verdicts::refused(&self.verdicts, origin, value, headers) {
            return each(unknown(refusal.reason, refusal.detail));
        }
        let value = value.unwrap_or_default();
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
            if !self.learn(id, stop)? {
                return each(unknown(Reason::UnknownSchema, self.registry.unknown(id).to_string()));
            }
        }
    }

    /// Has the reader know a schema; false if nobody has it, which holds for one record alone.
    fn learn(&mut self, id: u32, stop: &AtomicBool) -> Result<bool, ReplayError> {
        loop {
            match self.registry.schema(id) {
                Ok(avsc) => {
                    if let Some(avsc) = &avsc {
                        self.reader.book.learn(id, Some(avsc));
                    }
                    return Ok(avsc.is_some());
                }
                Err(error) => {
                    tracing::warn!(%error, id, "waiting for the schema registry");
                }
            }
            let until = Instant::now() + REGISTRY_RETRY_INTERVAL;
            while Instant::now() < until {
                if stop.load(Ordering::Acquire) {
                    return Err(ReplayError::Interrupted);
                }
                std::thread::sleep(STOP_CHECK_INTERVAL);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use laju_kafka::registry::RegistryAccess;
    use laju_schemas::framing::{Framing, SchemaHeader};

    use super::*;

    struct NoHeaders;

    impl RecordHeaders for NoHeaders {
        fn is_released(&self) -> bool {
            false
        }

        fn schema_header(&self) -> Option<SchemaHeader> {
            None
        }
    }

    fn reason(value: Option<&[u8]>, registry: Option<Registry>) -> Result<Reason, ReplayError> {
        let verdicts = DecisionBook::default();
        let mut decoder = Decoder::new(EventReader::new(&[]).unwrap(), registry, verdicts);
        let stop = AtomicBool::new(true);
        let record = (Origin { partition: 0, offset: 0 }, value);
        decoder.read(record, &NoHeaders, &stop, |event| Ok(event.unwrap_err().reason))
    }

    #[test]
    fn what_cannot_be_read_is_told_in_the_contracts_words() {
        assert_eq!(reason(None, None).unwrap(), Reason::Undecodable);
        assert_eq!(reason(Some(b"{}"), None).unwrap(), Reason::UnknownSchema);
        let mut value = Vec::new();
        Framing::Confluent(7).write(&mut value);
        assert_eq!(reason(Some(&value), None).unwrap(), Reason::UnknownSchema);
        // A registry that does not answer makes nothing unreadable.
        let nobody = Registry::new("http://127.0.0.1:1", RegistryAccess::default());
        assert!(matches!(reason(Some(&value), Some(nobody)), Err(ReplayError::Interrupted)));
    }
}
