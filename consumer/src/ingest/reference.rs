//! Records of `ikd.reference.v1` to figures, asking the registry for schemas it does not know.
//!
//! It keeps nothing: which figures apply is for [`crate::domain::reference`] to say.

use std::time::Duration;

use laju_kafka::registry::Registry;
use laju_schemas::ReferenceFigure;
use laju_schemas::known::SchemaError;

use super::patient::{NotKnown, PatientReader};
use super::tail::TailRecord;
use crate::domain::day::{Day, LAST_RECORD_MS};
use crate::domain::reference::{RecordedFigure, ReferenceBook};

/// A record that is no reference figure. It counts for nothing but its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its offset.
    pub offset: i64,
    /// What is wrong with it.
    pub reason: String,
}

/// Reads the records of the reference topic.
pub struct ReferenceFeed(PatientReader<ReferenceFigure>);

impl ReferenceFeed {
    /// A feed that asks the registry, if there is one, for schemas it does not
    /// know, and believes that it has none after so long.
    ///
    /// # Errors
    /// Never with the schema that is part of the program.
    pub fn new(registry: Option<Registry>, patience: Duration) -> Result<Self, SchemaError> {
        PatientReader::new(registry, patience).map(Self)
    }

    /// A feed for a command that reads the topic once: it asks the registry for a schema for some
    /// seconds, and then gives an error, as nothing is to be left out in silence.
    ///
    /// # Errors
    /// As [`Self::new`].
    pub fn once(registry: Option<Registry>) -> Result<Self, SchemaError> {
        PatientReader::once(registry).map(Self)
    }

    /// Adds a record to the book; answers what is wrong with it if it is no figure.
    ///
    /// # Errors
    /// If it is not known yet which schema the record has. The book is as it was, so the same record
    /// may be given again.
    pub fn add(
        &mut self,
        record: &TailRecord<'_>,
        book: &mut ReferenceBook,
    ) -> Result<Option<Unreadable>, NotKnown> {
        let (offset, timestamp_ms) = (record.offset(), record.timestamp_ms());
        self.add_value(offset, timestamp_ms, record.value(), book)
    }

    fn add_value(
        &mut self,
        offset: i64,
        timestamp_ms: i64,
        value: Option<&[u8]>,
        book: &mut ReferenceBook,
    ) -> Result<Option<Unreadable>, NotKnown> {
        let recorded = Day::recorded(timestamp_ms.min(LAST_RECORD_MS));
        let reason = match self.0.read(value.unwrap_or_default())? {
            Ok(figure) => {
                book.add(RecordedFigure { offset, recorded, figure });
                return Ok(None);
            }
            Err(reason) => reason,
        };
        book.skip(offset, recorded);
        Ok(Some(Unreadable { offset, reason: reason.to_string() }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_figure_is_told_and_keeps_its_place_and_day() {
        let mut feed = ReferenceFeed::new(None, Duration::ZERO).unwrap();
        let mut book = ReferenceBook::default();
        let values = [None, Some(&b"junk"[..]), Some(&[0, 0, 0, 0, 7, 1][..])];
        for (offset, value) in (0..).zip(values) {
            let unreadable = feed.add_value(offset, i64::MAX, value, &mut book).unwrap().unwrap();
            assert_eq!(unreadable.offset, offset);
            assert!(!unreadable.reason.is_empty());
            assert_eq!(book.next_offset(), offset + 1);
        }
        // Without a registry a value that names one is nobody's.
        let reason = feed.add_value(3, 0, values[2], &mut book).unwrap().unwrap().reason;
        assert!(reason.contains("id 7"), "{reason}");
    }
}
