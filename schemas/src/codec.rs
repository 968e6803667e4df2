//! Values to framed bytes: events through apache-avro's schema-aware serde path, those of other topics
//! as `datum` writes them.

use std::borrow::Cow;
use std::sync::OnceLock;

use apache_avro::writer::datum::GenericDatumWriter;
use thiserror::Error;

use crate::event::ActivationEvent;
use crate::framing::Framing;
use crate::known::{
    ACTIVATION_EVENT, KIOSK_STATUS, LOG_COPY, OwnSchema, QUARANTINE_DECISION, QUOTED_FIGURE,
    REFERENCE_FIGURE, ReadError, SchemaBook, TopicValue,
};
use crate::raw::RawEvent;

/// A value that an encoder cannot write: a fault of this program, never of the value.
#[derive(Debug, Error)]
#[error("the value does not fit its schema: {0}")]
pub struct EncodeError(String);

/// Writes values of one topic, each with the same framing. Build one and keep it.
pub struct Encoder {
    own: &'static OwnSchema,
    writer: GenericDatumWriter<'static>,
    framing: Framing,
    /// Reads what was stored.
    book: OnceLock<SchemaBook>,
}

impl Encoder {
    fn new(own: &'static OwnSchema, schema_id: Option<u32>) -> Self {
        let framing = match schema_id {
            Some(id) => Framing::Confluent(id),
            None => Framing::SingleObject(own.fingerprint),
        };
        let writer = GenericDatumWriter::builder(&own.schema)
            .build()
            .expect("the schema is part of the program, read by its tests");
        Self { own, writer, framing, book: OnceLock::new() }
    }

    /// For the events topic: Confluent framing with the registry's schema id, or single-object
    /// encoding without one.
    #[must_use]
    pub fn events(schema_id: Option<u32>) -> Self {
        Self::new(&ACTIVATION_EVENT, schema_id)
    }

    /// The same for the reference topic.
    #[must_use]
    pub fn reference(schema_id: Option<u32>) -> Self {
        Self::new(&REFERENCE_FIGURE, schema_id)
    }

    /// The same for the kiosk status topic.
    #[must_use]
    pub fn status(schema_id: Option<u32>) -> Self {
        Self::new(&KIOSK_STATUS, schema_id)
    }

    /// The same for the figures topic.
    #[must_use]
    pub fn figures(schema_id: Option<u32>) -> Self {
        Self::new(&QUOTED_FIGURE, schema_id)
    }

    /// The same for the decisions topic.
    #[must_use]
    pub fn decisions(schema_id: Option<u32>) -> Self {
        Self::new(&QUARANTINE_DECISION, schema_id)
    }

    /// For the record by which a log says that it is a copy: always in single-object encoding.
    #[must_use]
    pub fn copies() -> Self {
        Self::new(&LOG_COPY, None)
    }

    /// Appends an event, framed, to `out`.
    ///
    /// # Errors
    /// If the encoder is not one for events; `out` is then as it was.
    pub fn event(&self, event: &ActivationEvent, out: &mut Vec<u8>) -> Result<(), EncodeError> {
        let before = out.len();
        self.framing.write(out);
        self.writer.write_ser(out, event).map(drop).map_err(|e| {
            out.truncate(before);
            EncodeError(e.to_string())
        })
    }

    /// An event's stored value, framed as this encoder frames. The Avro bytes stay as they are, but for
    /// those that an earlier version of the program has stored, with a former schema.
    ///
    /// # Errors
    /// If it was written with neither this program's schema nor a former one, or is not what may be
    /// published today.
    pub fn stored_event<'a>(&self, value: &'a [u8]) -> Result<Cow<'a, [u8]>, ReadError> {
        let book = self.book.get_or_init(|| {
            SchemaBook::new(self.own, &[])
                .expect("the former schemas are part of the program, read by its tests")
        });
        let mut translated = Vec::new();
        let payload = book.payload(value, &mut translated)?;
        RawEvent::decode(payload)?.check()?;
        if Framing::split(value).is_some_and(|(framing, _)| framing == self.framing) {
            return Ok(Cow::Borrowed(value));
        }
        let mut out = Vec::with_capacity(value.len());
        self.framing.write(&mut out);
        out.extend_from_slice(payload);
        Ok(Cow::Owned(out))
    }

    /// The bytes of a value of another topic, framed.
    ///
    /// # Errors
    /// If the encoder is not one for such values.
    pub fn value<T: TopicValue>(&self, value: &T) -> Result<Vec<u8>, EncodeError> {
        if !std::ptr::eq(self.own, &**T::OWN) {
            return Err(EncodeError("it is of another topic".to_owned()));
        }
        let mut out = Vec::with_capacity(128);
        self.framing.write(&mut out);
        value.write(&mut out);
        Ok(out)
    }
}

#[cfg(test)]
mod tests {
    use crate::event::{DeferralReason, Fact};
    use crate::{EventId, SubjectId, TimestampMs};

    use super::*;

    #[test]
    fn a_stored_event_is_framed_again_without_a_change_of_its_avro_bytes() {
        let event = ActivationEvent {
            event_id: EventId([1; 16]),
            kiosk_id: "kbl-01".parse().unwrap(),
            sequence: 7.try_into().unwrap(),
            occurred_at: TimestampMs(1_770_000_000_000),
            subject: SubjectId([2; 16]),
            home_region: "18.71".parse().unwrap(),
            service_region: "18.71".parse().unwrap(),
            outreach_id: None,
            fact: Fact::Deferred { reason: DeferralReason::NoSmartphone },
        };
        let (stored, registered) = (Encoder::events(None), Encoder::events(Some(5)));
        let (mut value, mut expected) = (Vec::new(), Vec::new());
        stored.event(&event, &mut value).unwrap();
        registered.event(&event, &mut expected).unwrap();
        assert!(matches!(stored.stored_event(&value), Ok(Cow::Borrowed(same)) if same == value));
        assert_eq!(registered.stored_event(&value).unwrap(), expected);
        // Cut, and with an id that an earlier version still took.
        assert!(registered.stored_event(&value[..value.len() - 1]).is_err());
        let place = value.windows(6).position(|bytes| bytes == b"kbl-01").unwrap();
        let before = [&value[..place], b"kbl 01", &value[place + 6..]].concat();
        let error = registered.stored_event(&before).unwrap_err().to_string();
        assert!(error.contains("kiosk_id"), "{error}");
        value[2] ^= 1;
        let error = stored.stored_event(&value).unwrap_err().to_string();
        assert!(error.contains("nobody here knows a schema with fingerprint"), "{error}");
    }
}
