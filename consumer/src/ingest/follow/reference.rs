//! The reference topic: its figures, followed by every node and read by who recomputes.
//!
//! It keeps nothing: which figures apply is for [`crate::domain::reference`] to say.

use std::time::Duration;

use laju_kafka::connection::Connection;
use laju_kafka::learning::{LearningReader, NotKnown};
use laju_kafka::read::TailRecord;
use laju_schemas::ReferenceFigure;
use laju_schemas::topic::REFERENCE;

use super::{follow, when_known};
use crate::domain::day::{Day, LAST_RECORD_MS};
use crate::domain::reference::{RecordedFigure, ReferenceBook};
use crate::ingest::error::WorkerError;
use crate::ingest::stop::Stop;
use crate::ingest::troubles::Troubles;

/// A record that is no reference figure. It counts for nothing but its place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Its offset.
    pub offset: i64,
    /// What is wrong with it.
    pub reason: String,
}

/// Adds a record of the reference topic to the book; answers what is wrong with it if it is no figure.
///
/// # Errors
/// If it is not known yet which schema the record has. The book is as it was, so the same record
/// may be given again.
pub fn add(
    reader: &mut LearningReader<ReferenceFigure>,
    record: &TailRecord<'_>,
    book: &mut ReferenceBook,
) -> Result<Option<Unreadable>, NotKnown> {
    add_value(reader, (record.offset(), record.timestamp_ms()), record.value(), book)
}

fn add_value(
    reader: &mut LearningReader<ReferenceFigure>,
    (offset, timestamp_ms): (i64, i64),
    value: Option<&[u8]>,
    book: &mut ReferenceBook,
) -> Result<Option<Unreadable>, NotKnown> {
    let recorded = Day::recorded(timestamp_ms.min(LAST_RECORD_MS));
    let reason = match reader.read(value.unwrap_or_default())? {
        Ok(figure) => {
            book.add(RecordedFigure { offset, recorded, figure });
            return Ok(None);
        }
        Err(reason) => reason,
    };
    book.skip(offset, recorded);
    Ok(Some(Unreadable { offset, reason: reason.to_string() }))
}

/// Follows the reference topic; `publish` is given the figures from the moment on when the end
/// seen at the start has been reached. A registry's word that it has no schema of a record is
/// believed after `patience`.
///
/// # Errors
/// If the topic cannot be read.
pub fn follow_reference(
    connection: &Connection,
    patience: Duration,
    troubles: &Troubles,
    stop: &Stop,
    publish: impl FnMut(&ReferenceBook),
) -> Result<(), WorkerError> {
    let topic = connection.topic(&REFERENCE);
    let mut reader = LearningReader::new(connection.registry_client()?, patience)?;
    let mut book = ReferenceBook::default();
    let each = |book: &mut ReferenceBook, record: &TailRecord<'_>| {
        let added = when_known(
            (&topic, record),
            troubles,
            stop,
            || add(&mut reader, record, book),
            |error| tracing::warn!(%error, topic, "waiting for the schema registry"),
        );
        if let Some(Some(Unreadable { offset, reason })) = added {
            tracing::warn!(
                topic,
                offset,
                reason,
                "a record that is no reference figure is passed over"
            );
        }
    };
    follow(connection, &topic, troubles, stop, &mut book, each, publish)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_figure_is_told_and_keeps_its_place_and_day() {
        let mut reader = LearningReader::new(None, Duration::ZERO).unwrap();
        let mut book = ReferenceBook::default();
        let values = [None, Some(&b"junk"[..]), Some(&[0, 0, 0, 0, 7, 1][..])];
        for (offset, value) in (0..).zip(values) {
            let unreadable =
                add_value(&mut reader, (offset, i64::MAX), value, &mut book).unwrap().unwrap();
            assert_eq!(unreadable.offset, offset);
            assert!(!unreadable.reason.is_empty());
            assert_eq!(book.next_offset(), offset + 1);
        }
        // Without a registry a value that names one is nobody's.
        let reason = add_value(&mut reader, (3, 0), values[2], &mut book).unwrap().unwrap().reason;
        assert!(reason.contains("id 7"), "{reason}");
    }
}
