//! The decisions topic: what it holds, followed by every node and read by who decides.
//!
//! It keeps nothing: which decision stands is for [`crate::domain::decisions`] to say.

use std::time::{Duration, Instant};

use laju_kafka::connection::Connection;
use laju_kafka::registry::Registry;
use laju_schemas::framing::Framing;
use laju_schemas::known::SchemaError;
use laju_schemas::topic::DECISIONS;
use laju_schemas::{LogCopy, QuarantineDecision};

use super::follow::follow;
use super::patient::{NotKnown, PatientReader, note_wait};
use super::stop::Stop;
use super::tail::TailRecord;
use super::troubles::Troubles;
use super::worker::WorkerError;
use crate::domain::decisions::DecisionBook;

/// How long the cluster may take to say whether there is such a topic.
const CHECK_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a topic that cannot be read is left alone.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);
/// How long a registry that does not answer is left alone.
const REGISTRY_WAIT: Duration = Duration::from_secs(1);
/// How long a wait may keep us from looking at whether to stop.
const STOP_CHECK_INTERVAL: Duration = Duration::from_millis(100);

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

/// Reads the records of the decisions topic.
pub struct DecisionFeed(PatientReader<QuarantineDecision>);

impl DecisionFeed {
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

    /// Adds a record to a book; tells of one that is no decision.
    ///
    /// # Errors
    /// If it is not known yet which schema the record has. It may be given again.
    pub fn add(
        &mut self,
        record: &TailRecord<'_>,
        book: &mut DecisionBook,
    ) -> Result<Option<NoDecision>, NotKnown> {
        self.add_value(record.offset(), record.value(), book)
    }

    fn add_value(
        &mut self,
        offset: i64,
        value: Option<&[u8]>,
        book: &mut DecisionBook,
    ) -> Result<Option<NoDecision>, NotKnown> {
        let said = LogCopy::read(value.unwrap_or_default());
        if let Some(Ok(copy)) = said {
            book.add_copy(offset, copy);
            return Ok(None);
        }
        let read = match said {
            Some(Err(error)) => Err(error.into()),
            _ => self.0.read(value.unwrap_or_default())?,
        };
        Ok(match read {
            Ok(decision) => {
                book.add(offset, decision);
                None
            }
            Err(error) => {
                book.pass(offset);
                let is_junk = Framing::split(value.unwrap_or_default()).is_none();
                Some(NoDecision { offset, why: error.to_string(), is_junk })
            }
        })
    }
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
        wait(stop, RETRY_INTERVAL);
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
    let mut feed = DecisionFeed::new(connection.registry_client()?, patience)?;
    let topic = connection.topic(&DECISIONS);
    let each = |book: &mut DecisionBook, record: &TailRecord<'_>| {
        while !stop.is_stopped() {
            let added = feed.add(record, book);
            note_wait(troubles, &topic, record, added.as_ref().err());
            match added {
                Ok(None) => return,
                Ok(Some(NoDecision { offset, why, .. })) => {
                    tracing::warn!(offset, why, "a record that is no decision is passed over");
                    return;
                }
                Err(error) => {
                    tracing::warn!(%error, "decisions: waiting for the schema registry");
                    wait(stop, REGISTRY_WAIT);
                }
            }
        }
    };
    follow(connection, &topic, troubles, stop, &mut book, each, publish)
}

fn wait(stop: &Stop, time: Duration) {
    let until = Instant::now() + time;
    while !stop.is_stopped() && Instant::now() < until {
        std::thread::sleep(STOP_CHECK_INTERVAL);
    }
}

#[cfg(test)]
mod tests {
    use laju_schemas::codec::Encoder;
    use laju_schemas::decision::Decision;

    use super::*;
    use crate::domain::decisions::tests::decided;

    #[test]
    fn what_is_no_decision_is_told_and_passed_over() {
        let mut feed = DecisionFeed::new(None, Duration::ZERO).unwrap();
        let mut book = DecisionBook::default();
        let discarded = decided((0, 4), Decision::Discarded, None);
        let value = Encoder::decisions(None).value(&discarded).unwrap();
        let values = [None, Some(&b"junk"[..]), Some(&[0, 0, 0, 0, 7, 1][..]), Some(&value)];
        let told: Vec<_> = (0..)
            .zip(values)
            .filter_map(|(offset, value)| feed.add_value(offset, value, &mut book).unwrap())
            .collect();
        let of = told.iter().map(|no| (no.offset, no.is_junk));
        assert_eq!(of.collect::<Vec<_>>(), [(0, true), (1, true), (2, false)]);
        assert!(told.iter().all(|no| !no.why.is_empty()), "{told:?}");
        assert_eq!(book.next_offset(), 4);
        assert_eq!(**book.get(discarded.origin()).unwrap(), discarded);
    }
}
