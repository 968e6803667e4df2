//! Records of `ikd.reference.v1` to figures, asking the registry for schemas it does not know.
//!
//! It keeps nothing: which figures apply is for [`crate::domain::reference`] to say.

use laju_producer::registry::{Registry, RegistryError};
use laju_schemas::known::{ReadError, SchemaError};
use laju_schemas::reference::ReferenceReader;

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
pub struct ReferenceFeed {
    reader: ReferenceReader,
    registry: Option<Registry>,
}

impl ReferenceFeed {
    /// A feed that asks the registry at this address, if there is one, for schemas it does not
    /// know.
    ///
    /// # Errors
    /// Never with the schema that is part of the program.
    pub fn new(registry: Option<&str>) -> Result<Self, SchemaError> {
        Ok(Self { reader: ReferenceReader::new()?, registry: registry.map(Registry::new) })
    }

    /// Adds a record to the book; answers what is wrong with it if it is no figure.
    ///
    /// # Errors
    /// If the registry gives no answer: an outage. The book is as it was, so the same record may
    /// be given again.
    pub fn add(
        &mut self,
        record: &TailRecord<'_>,
        book: &mut ReferenceBook,
    ) -> Result<Option<Unreadable>, RegistryError> {
        let (offset, timestamp_ms) = (record.offset(), record.timestamp_ms());
        self.add_value(offset, timestamp_ms, record.value(), book)
    }

    fn add_value(
        &mut self,
        offset: i64,
        timestamp_ms: i64,
        value: Option<&[u8]>,
        book: &mut ReferenceBook,
    ) -> Result<Option<Unreadable>, RegistryError> {
        let recorded = Day::recorded(timestamp_ms.min(LAST_RECORD_MS));
        let reason = match self.read(value.unwrap_or_default())? {
            Ok(figure) => {
                book.add(RecordedFigure { offset, recorded, figure });
                return Ok(None);
            }
            Err(reason) => reason,
        };
        book.skip(offset, recorded);
        Ok(Some(Unreadable { offset, reason: reason.to_string() }))
    }

    fn read(
        &mut self,
        value: &[u8],
    ) -> Result<Result<laju_schemas::ReferenceFigure, ReadError>, RegistryError> {
        let first = self.reader.read(value);
        let Err(ReadError::Unlearned(id)) = first else { return Ok(first) };
        let avsc = match &self.registry {
            Some(registry) => registry.schema(id)?,
            None => None,
        };
        self.reader.learn(id, avsc.as_deref());
        Ok(self.reader.read(value))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_figure_is_told_and_keeps_its_place_and_day() {
        let mut feed = ReferenceFeed::new(None).unwrap();
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
