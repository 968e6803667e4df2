//! Verdicts as the fold follows them: that no registry has the schema of a record, written down on
//! the decisions topic before anyone acts on it. Every judge of the log reads them first, so that the
//! same log gives the same ledger whatever a registry answers today.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use laju_kafka::connection::ask::ASK_PATIENCE;
use laju_kafka::connection::{Connection, ConnectionError, Operation};
use laju_kafka::read::headers::RecordHeaders;
use laju_kafka::read::{READ_TIMEOUT, Tail, TopicReadError};
use laju_kafka::registry::Lacking;
use laju_kafka::topic_id::topic_id;
use laju_schemas::decision::{Decision, DecisionReader};
use laju_schemas::known::SchemaError;
use laju_schemas::quarantine::Origin;
use laju_schemas::topic::{DECISIONS, EVENTS};
use laju_schemas::{LogCopy, QuarantineDecision};
use thiserror::Error;

use crate::domain::admission::{Beside, Refusal, is_framed_by_fingerprint, refused_unread};
use crate::domain::decisions::DecisionBook;
use crate::projection::partition_view::PartitionView;

/// How long the cluster may take to answer.
const TIMEOUT: Duration = Duration::from_secs(15);
/// How long no broker may know the topic before it is taken for one that is not there.
const UNSEEN: Duration = Duration::from_secs(2);
/// How long until they are asked again.
const RETRY_INTERVAL: Duration = Duration::from_millis(250);

/// What was decided, as a worker knows it: filled by who follows the decisions topic, read by who
/// folds and by who answers.
#[derive(Clone, Debug, Default)]
pub struct Decided {
    /// The decisions.
    pub book: Arc<ArcSwap<DecisionBook>>,
    is_read: Arc<AtomicBool>,
}

impl Decided {
    /// That others see in `book` what was decided.
    #[must_use]
    pub fn into(book: Arc<ArcSwap<DecisionBook>>) -> Self {
        Self { book, is_read: Arc::default() }
    }

    /// Whether the topic has been read to the end seen at the start: nothing is folded before.
    #[must_use]
    pub fn is_read(&self) -> bool {
        self.is_read.load(Ordering::Acquire)
    }

    pub(super) fn set(&self, book: DecisionBook) {
        self.book.store(Arc::new(book));
        self.is_read.store(true, Ordering::Release);
    }
}

/// The verdicts by which a pipeline judges: those that it knew of last. What is new it takes
/// over between two records, so that of each verdict it is known which records were judged without
/// it.
pub(super) struct Followed {
    decided: Decided,
    /// What is judged by.
    pub(super) book: Arc<DecisionBook>,
}

impl Followed {
    pub(super) fn new(decided: Decided) -> Self {
        let book = decided.book.load_full();
        Self { decided, book }
    }

    /// Whether it is known what was decided up to the start.
    pub(super) fn is_read(&self) -> bool {
        self.decided.is_read()
    }

    /// Takes over what was decided meanwhile; gives the verdicts that were not known before, if
    /// anything is new.
    pub(super) fn refresh(&mut self) -> Option<Vec<Arc<QuarantineDecision>>> {
        let now = self.decided.book.load();
        if Arc::ptr_eq(&now, &self.book) {
            return None;
        }
        let before = std::mem::replace(&mut self.book, Arc::clone(&now));
        // Mostly it is the same one with more in it.
        let known = before.verdicts().len();
        let is_longer = self.book.verdicts().get(..known).is_some_and(|same| {
            same.last().map(|last| last.origin()) == before.verdicts().last().map(|l| l.origin())
        });
        let from = if is_longer { known } else { 0 };
        let new = self.book.verdicts()[from..].iter();
        Some(new.filter(|verdict| before.verdict(verdict.origin()).is_none()).cloned().collect())
    }

    /// The verdicts about records that a partition's store has counted all the same, as it was
    /// folded without them.
    pub(super) fn not_followed_by(&self, view: &PartitionView) -> Vec<Arc<QuarantineDecision>> {
        let is_not_followed = |verdict: &&Arc<QuarantineDecision>| {
            let origin = verdict.origin();
            origin.partition == view.partition
                && origin.offset < view.next_offset
                && view.quarantine.key_at(origin.offset).is_none()
        };
        self.book.verdicts().iter().filter(is_not_followed).cloned().collect()
    }
}

/// Why the verdicts cannot be read.
#[derive(Debug, Error)]
pub enum VerdictsError {
    /// Kafka cannot be reached.
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    /// The decisions topic cannot be read.
    #[error(transparent)]
    Read(#[from] TopicReadError),
    /// Never with the schemas that are part of the program.
    #[error(transparent)]
    Schema(#[from] SchemaError),
}

/// The verdicts that there are now about records of the events topic, up to the end of the decisions
/// topic. None where there is no such topic; nor without a registry, where ids are nobody's, whatever
/// any registry says. People's decisions are left out: no fold follows them, and reading them may need
/// a registry.
///
/// # Errors
/// If the topic cannot be read to its end, or the user may not read it.
pub fn verdicts_now(connection: &Connection) -> Result<DecisionBook, VerdictsError> {
    let verdicts = verdicts_of_any_topic(connection)?;
    if verdicts.is_empty() {
        return Ok(DecisionBook::default());
    }
    let copies = copies_of_any_topic(connection)?;
    let id = topic_id(connection, &connection.topic(&EVENTS), ASK_PATIENCE)?;
    let mut book = DecisionBook::of_topic(id.as_deref());
    for (offset, verdict) in verdicts {
        book.add(offset, verdict);
    }
    for (offset, copy) in copies {
        book.add_copy(offset, copy);
    }
    Ok(book)
}

/// A book that has nothing but what the events topic is a copy of. It asks no registry.
///
/// # Errors
/// As [`verdicts_now`].
pub fn copies_now(connection: &Connection) -> Result<DecisionBook, VerdictsError> {
    let id = topic_id(connection, &connection.topic(&EVENTS), ASK_PATIENCE)?;
    let mut book = DecisionBook::of_topic(id.as_deref());
    for (offset, copy) in copies_of_any_topic(connection)? {
        book.add_copy(offset, copy);
    }
    Ok(book)
}

/// What logs of the events topic's name say of being copies, with the offsets.
fn copies_of_any_topic(connection: &Connection) -> Result<Vec<(i64, LogCopy)>, VerdictsError> {
    let mut copies = Vec::new();
    each_decision(connection, |offset, value| {
        copies.extend(LogCopy::read(value).and_then(Result::ok).map(|copy| (offset, copy)));
    })?;
    Ok(copies)
}

/// All verdicts with their offsets, whichever topic of the events topic's name they were about.
///
/// # Errors
/// As [`verdicts_now`].
pub fn verdicts_of_any_topic(
    connection: &Connection,
) -> Result<Vec<(i64, QuarantineDecision)>, VerdictsError> {
    let mut verdicts = Vec::new();
    if connection.registry.is_none() {
        return Ok(verdicts);
    }
    let reader = DecisionReader::new()?;
    each_decision(connection, |offset, value| {
        let decision = reader.read(value).ok();
        let verdict = decision.filter(|decision| decision.decision == Decision::UnknownSchema);
        verdicts.extend(verdict.map(|verdict| (offset, verdict)));
    })?;
    Ok(verdicts)
}

/// Hands over the records of the decisions topic up to its end, each with its offset; nothing where
/// there is no such topic.
fn each_decision(
    connection: &Connection,
    mut each: impl FnMut(i64, &[u8]),
) -> Result<(), VerdictsError> {
    // Who may not see it would take it for one that is not there.
    connection.require_on(&[(Operation::Read, &DECISIONS)], TIMEOUT)?;
    let topic = connection.topic(&DECISIONS);
    if !is_there(connection, &topic)? {
        return Ok(());
    }
    let mut tail = Tail::open(connection, &topic, TIMEOUT)?;
    tail.read_to_end(READ_TIMEOUT, |record| {
        each(record.offset(), record.value().unwrap_or_default());
        Ok(())
    })
}

/// Whether the brokers know the topic: one that has just come back may not yet.
fn is_there(connection: &Connection, topic: &str) -> Result<bool, ConnectionError> {
    let deadline = Instant::now() + UNSEEN;
    loop {
        if connection.check(TIMEOUT)?.partitions(topic).is_some() {
            return Ok(true);
        }
        if Instant::now() >= deadline {
            return Ok(false);
        }
        std::thread::sleep(RETRY_INTERVAL);
    }
}

/// Why a record is refused whatever its schema, if it is: see [`refused_unread`].
#[must_use]
#[inline]
pub fn refused(
    book: &DecisionBook,
    origin: Origin,
    value: Option<&[u8]>,
    headers: &impl RecordHeaders,
) -> Option<Refusal> {
    if is_framed_by_fingerprint(value) {
        return None;
    }
    let verdict = book.verdict(origin).map(|verdict| &**verdict);
    refused_unread(value, &Beside { header: headers.schema_header(), verdict })
}

/// What is said of a record whose schema the registry does not have while there is no verdict about
/// it: nothing follows for the record, so nothing can be said of the log behind it.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "the registry has {lacking}, which the record {origin} bears, and no verdict about it is written down: a worker with this --registry asks again for a while (--registry-patience) and writes one; try again then"
)]
pub struct Undecided {
    /// The record.
    pub origin: Origin,
    /// What the registry has not.
    pub lacking: Lacking,
}
