//! The decisions topic: what it holds, followed by every node and read by who decides.
//!
//! It keeps nothing: which decision stands is for [`crate::domain::decisions`] to say.

use std::time::Duration;

use laju_kafka::connection::Connection;
use laju_kafka::learning::{LearningReader, NotKnown};
use laju_kafka::read::TailRecord;
use laju_schemas::framing::Framing;
use laju_schemas::topic::DECISIONS;
use laju_schemas::{LogCopy, QuarantineDecision};

use super::{follow, when_known};
use crate::domain::decisions::DecisionBook;
use crate::ingest::error::WorkerError;
use crate::ingest::stop::Stop;
use crate::ingest::troubles::Troubles;

/// How long the cluster may take to say whether there is such a topic.
const CHECK_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a topic that cannot be read is left alone.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// A record that is no decision, or none that can be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NoDecision {
    /// Its offset.
    pub offset: i64,
    /// What is wrong with it.
    pub why: String,
    /// Whether it does not even look like a decision: nothing of ours stands before its bytes.
    pub is_junk: bool,
}

/// Adds a record of the decisions topic to a book; tells of one that is no decision.
///
/// # Errors
/// If it is not known yet which schema the record has. It may be given again.
pub fn add(
    reader: &mut LearningReader<QuarantineDecision>,
    record: &TailRecord<'_>,
    book: &mut DecisionBook,
) -> Result<Option<NoDecision>, NotKnown> {
    add_value(reader, record.offset(), record.value().unwrap_or_default(), book)
}

fn add_value(
    reader: &mut LearningReader<QuarantineDecision>,
    offset: i64,
    value: &[u8],
    book: &mut DecisionBook,
) -> Result<Option<NoDecision>, NotKnown> {
    let read = match LogCopy::read(value) {
        Some(Ok(copy)) => {
            book.add_copy(offset, copy);
            return Ok(None);
        }
        Some(Err(error)) => Err(error.into()),
        None => reader.read(value)?,
    };
    Ok(match read {
        Ok(decision) => {
            book.add(offset, decision);
            None
        }
        Err(error) => {
            book.pass(offset);
            let is_junk = Framing::split(value).is_none();
            Some(NoDecision { offset, why: error.to_string(), is_junk })
        }
    })
}

/// Follows the decisions topic until asked to stop; `publish` is given what was decided from the
/// moment on when the end seen at the start has been reached.
///
/// Without the topic (on a cluster whose topics were made before there were decisions) nothing is
/// decided: that is published and warned of once, unless something was read of it before, and the
/// topic is looked for again. `topic_id` is the events topic's own id. While it
/// cannot be read otherwise, it is tried again from its first record. A registry's word that it has
/// no such schema is believed after `patience`.
pub fn follow_decisions(
    (connection, topic_id): (&Connection, Option<&str>),
    patience: Duration,
    troubles: &Troubles,
    stop: &Stop,
    mut publish: impl FnMut(&DecisionBook),
) {
    let mut last_trouble = String::new();
    let (mut is_read, mut is_without, mut looks) = (false, false, 0);
    // Where a fold follows verdicts, a broker that has just come back and does not know the topic yet
    // must not let it begin.
    let looks_enough = if connection.registry.is_some() { 2 } else { 1 };
    while !stop.is_stopped() {
        let trouble = match usable(connection) {
            Ok(None) => {
                (is_without, looks) = (false, 0);
                let mut publish = |book: &DecisionBook| {
                    is_read = true;
                    publish(book);
                };
                let book = DecisionBook::of_topic(topic_id);
                match follow_once(connection, patience, troubles, stop, book, &mut publish) {
                    Ok(()) => return,
                    Err(error) => error.to_string(),
                }
            }
            Ok(Some(why)) => {
                looks += 1;
                if !is_without && !is_read && looks >= looks_enough {
                    is_without = true;
                    publish(&DecisionBook::default());
                }
                match is_read {
                    // What was decided before stands.
                    true => format!("{why}: what is decided from now on is not known here"),
                    false => format!("{why}: quarantined records count as undecided"),
                }
            }
            Err(error) => error.to_string(),
        };
        if trouble != last_trouble {
            tracing::warn!(reason = trouble, "decisions about quarantined records cannot be read");
            last_trouble = trouble;
        }
        stop.wait(RETRY_INTERVAL);
    }
}

/// Why the topic is none that decisions can be read from; nothing if it is one.
fn usable(connection: &Connection) -> Result<Option<String>, WorkerError> {
    let topic = connection.topic(&DECISIONS);
    Ok(match connection.check(CHECK_TIMEOUT)?.partitions(&topic) {
        Some(1) => None,
        Some(count) => Some(format!(
            "{topic} has {count} partitions and has to have one, as the first decision stands"
        )),
        None => Some(format!(
            "there is no topic {topic} that this user may see (`laju topics create` makes it)"
        )),
    })
}

fn follow_once(
    connection: &Connection,
    patience: Duration,
    troubles: &Troubles,
    stop: &Stop,
    mut book: DecisionBook,
    publish: &mut impl FnMut(&DecisionBook),
) -> Result<(), WorkerError> {
    let mut reader = LearningReader::new(connection.registry_client()?, patience)?;
    let topic = connection.topic(&DECISIONS);
    let each = |book: &mut DecisionBook, record: &TailRecord<'_>| {
        let added = when_known(
            (&topic, record),
            troubles,
            stop,
            || add(&mut reader, record, book),
            |error| tracing::warn!(%error, "decisions: waiting for the schema registry"),
        );
        if let Some(Some(NoDecision { offset, why, .. })) = added {
            tracing::warn!(offset, why, "a record that is no decision is passed over");
        }
    };
    follow(connection, &topic, troubles, stop, &mut book, each, publish)
}

#[cfg(test)]
mod tests {
    use laju_schemas::codec::Encoder;
    use laju_schemas::decision::Decision;

    use super::*;
    use crate::domain::decisions::tests::decided;

    #[test]
    fn what_is_no_decision_is_told_and_passed_over() {
        let mut reader = LearningReader::new(None, Duration::ZERO).unwrap();
        let mut book = DecisionBook::default();
        let discarded = decided((0, 4), Decision::Discarded, None);
        let value = Encoder::decisions(None).value(&discarded).unwrap();
        let values = [&b""[..], &b"junk"[..], &[0, 0, 0, 0, 7, 1][..], &value];
        let told: Vec<_> = (0..)
            .zip(values)
            .filter_map(|(offset, value)| add_value(&mut reader, offset, value, &mut book).unwrap())
            .collect();
        let of = told.iter().map(|no| (no.offset, no.is_junk));
        assert_eq!(of.collect::<Vec<_>>(), [(0, true), (1, true), (2, false)]);
        assert!(told.iter().all(|no| !no.why.is_empty()), "{told:?}");
        assert_eq!(book.next_offset(), 4);
        assert_eq!(**book.get(discarded.origin()).unwrap(), discarded);
    }
}
