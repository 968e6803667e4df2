//! Follows the topics that every node reads for itself: reference figures and kiosks' statuses.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use laju_kafka::connection::Connection;
use laju_kafka::connection::ask::ASK_PATIENCE;
use laju_kafka::learning::{LearningReader, NotKnown, WAITING_FOR};
use laju_kafka::read::{READ_TIMEOUT, Tail, TailRecord, Tailed, TopicReadError};
use laju_kafka::registry::Registry;
use laju_schemas::TimestampMs;
use laju_schemas::known::ReadError;
use laju_schemas::pseudonym::KeyId;
use laju_schemas::status::StatusReader;
use laju_schemas::topic::{KIOSK_STATUS, REFERENCE};

use super::error::WorkerError;
use super::reference::{self, Unreadable};
use super::stop::Stop;
use super::troubles::Troubles;
use crate::domain::reference::ReferenceBook;
use crate::projection::kiosk_keys::{usual_key, with_another_key};
use crate::projection::snapshot::{RecordedStatus, Statuses};

const OPEN_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a topic that could not be opened, or a registry that did not answer, is left alone.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
/// How long nothing may come before it is looked at whether to stop.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);
/// How long what has changed waits for more that comes at once.
const PUBLISH_WAIT: Duration = Duration::from_millis(5);
/// How long it waits at most, while more is coming all the time.
const PUBLISH_EVERY: Duration = Duration::from_millis(250);

/// Follows a topic until asked to stop: gives each record to `each`, and calls `publish` once the
/// end seen at the start has been reached and then after news, but not for every record of many.
/// Brokers that are away are waited for; a partition that stands still is among the `troubles`.
pub(super) fn follow<S>(
    connection: &Connection,
    topic: &str,
    troubles: &Troubles,
    stop: &Stop,
    state: &mut S,
    mut each: impl FnMut(&mut S, &TailRecord<'_>),
    mut publish: impl FnMut(&S),
) -> Result<(), WorkerError> {
    let failed = |error: TopicReadError| {
        if let TopicReadError::Trouble(troubled) = &error {
            troubles.begin(topic, troubled.partition, troubled.trouble.clone());
        }
        WorkerError::Tail(error.to_string())
    };
    let mut tail = Tail::open(connection, topic, OPEN_TIMEOUT).map_err(failed)?;
    let partitions = tail.next_offsets().count() as u32;
    let (mut caught_up, mut changed) = (false, false);
    let mut published = Instant::now();
    while !stop.is_stopped() {
        let wait = if changed { PUBLISH_WAIT } else { POLL_TIMEOUT };
        let news = tail.poll(wait, |tailed| match tailed {
            Tailed::Record(record) => {
                let next_offset = record.offset() + 1;
                troubles.passed(topic, record.partition() as u32, next_offset);
                each(state, &record);
                changed = true;
            }
            Tailed::CaughtUp => {
                (0..partitions).for_each(|partition| troubles.forget(topic, partition));
                caught_up = true;
                changed = true;
            }
        });
        let news = news.map_err(failed)?;
        if caught_up && changed && (!news || published.elapsed() >= PUBLISH_EVERY) {
            publish(state);
            changed = false;
            published = Instant::now();
        }
    }
    Ok(())
}

/// What `attempt` makes of a record of a topic, as soon as it is known which schema the record has;
/// none if asked to stop before. Why it waits is among the `troubles`, and told to `say` each time.
pub(super) fn when_known<T>(
    (topic, record): (&str, &TailRecord<'_>),
    troubles: &Troubles,
    stop: &Stop,
    mut attempt: impl FnMut() -> Result<T, NotKnown>,
    say: impl Fn(&NotKnown),
) -> Option<T> {
    let partition = record.partition() as u32;
    while !stop.is_stopped() {
        match attempt() {
            Ok(known) => {
                if troubles.any() {
                    WAITING_FOR.into_iter().for_each(|kind| troubles.end(topic, partition, kind));
                }
                return Some(known);
            }
            Err(error) => {
                troubles.begin(topic, partition, error.trouble(record.offset()));
                say(&error);
                stop.wait(RETRY_INTERVAL);
            }
        }
    }
    None
}

/// Follows the reference topic; `publish` is given the figures from the moment on when the end
/// seen at the start has been reached. A registry's word that it has no schema of a record is
/// believed after `patience`.
///
/// # Errors
/// If the topic cannot be read.
pub fn reference(
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
            || reference::add(&mut reader, record, book),
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

/// Follows the kiosk status topic too; with the statuses goes the offset behind the last record
/// that they are made of (of several partitions, which it should not have, the sum).
///
/// # Errors
/// If the topic cannot be read.
pub fn statuses(
    connection: &Connection,
    troubles: &Troubles,
    stop: &Stop,
    mut publish: impl FnMut(&Statuses, i64),
) -> Result<(), WorkerError> {
    let topic = connection.topic(&KIOSK_STATUS);
    let registry = connection.registry_client()?;
    let mut reader = StatusReader::new()?;
    type State = (Statuses, BTreeMap<i32, i64>);
    let each = |(statuses, next): &mut State, record: &TailRecord<'_>| {
        take_status(record, &mut reader, registry.as_ref(), stop, statuses);
        next.insert(record.partition(), record.offset() + 1);
    };
    let mut named = BTreeMap::new();
    let publish = move |(statuses, next): &State| {
        name_other_keys(statuses, &mut named);
        publish(statuses, next.values().sum());
    };
    follow(connection, &topic, troubles, stop, &mut Default::default(), each, publish)
}

/// Names kiosks that make their pseudonyms with another key than the others, each once.
fn name_other_keys(statuses: &Statuses, named: &mut BTreeMap<String, KeyId>) {
    let others = with_another_key(statuses);
    metrics::gauge!("laju_kiosks_with_another_key").set(others.len() as f64);
    for (kiosk, key) in &others {
        if named.get(*kiosk) != Some(key) {
            tracing::warn!(
                kiosk,
                %key,
                usual = usual_key(statuses).map(|key| key.to_string()),
                "a kiosk makes its pseudonyms with another key than the others: everybody it \
                 serves is somebody else, and counted again; give it the programme's key"
            );
        }
    }
    *named = others.into_iter().map(|(kiosk, key)| (kiosk.to_owned(), key)).collect();
}

/// What kiosks say of themselves now, and up to which offset of the topic that was read. The topic
/// keeps only the latest word of each kiosk: nobody can ask for an earlier state again.
///
/// # Errors
/// If the topic cannot be read, or asked to stop meanwhile.
pub fn statuses_now(connection: &Connection, stop: &Stop) -> Result<(Statuses, i64), WorkerError> {
    let failed = |error: TopicReadError| WorkerError::Tail(error.to_string());
    let topic = connection.topic(&KIOSK_STATUS);
    let mut tail = Tail::open(connection, &topic, ASK_PATIENCE).map_err(failed)?;
    let registry = connection.registry_client()?;
    let mut reader = StatusReader::new()?;
    let mut statuses = Statuses::new();
    tail.read_to_end(READ_TIMEOUT, |record| {
        take_status(&record, &mut reader, registry.as_ref(), stop, &mut statuses);
        Ok(())
    })
    .map_err(failed)?;
    let next = tail.end_offsets().max().unwrap_or(0);
    Ok((statuses, next))
}

fn take_status(
    record: &TailRecord<'_>,
    reader: &mut StatusReader,
    registry: Option<&Registry>,
    stop: &Stop,
    statuses: &mut Statuses,
) {
    let Some(value) = record.value() else {
        if let Some(kiosk) = record.key().and_then(|key| std::str::from_utf8(key).ok()) {
            statuses.remove(kiosk);
        }
        return;
    };
    while !stop.is_stopped() {
        match reader.read(value) {
            Ok(status) => {
                let kiosk = status.kiosk_id.to_string();
                let recorded_at = TimestampMs(record.timestamp_ms());
                let word = match statuses.get(&kiosk) {
                    Some(before) => before.next(status, recorded_at),
                    None => RecordedStatus::new(status, recorded_at),
                };
                if let Some(fall) = word.fall.filter(|fall| fall.recorded_at == recorded_at) {
                    tracing::warn!(
                        kiosk,
                        from = fall.from,
                        to = fall.to,
                        offset = record.offset(),
                        "a kiosk announces a lower sequence than before: its outbox was set back, \
                         or another device has its id"
                    );
                }
                statuses.insert(kiosk, word);
                return;
            }
            Err(ReadError::Unlearned(id)) => match registry.map(|r| r.schema(id)).transpose() {
                // Its word that it has none holds for this record alone: some registries say so for
                // seconds after a schema was registered, and the kiosk's next status comes soon.
                Ok(Some(None)) => {
                    tracing::warn!(
                        offset = record.offset(),
                        id,
                        "a kiosk's status is passed over: the registry has no schema with its id"
                    );
                    return;
                }
                Ok(avsc) => reader.learn(id, avsc.flatten().as_deref()),
                Err(error) => {
                    tracing::warn!(%error, "waiting for the schema registry");
                    stop.wait(RETRY_INTERVAL);
                }
            },
            Err(error) => {
                tracing::warn!(
                    offset = record.offset(),
                    %error,
                    "a record that is no kiosk's status is passed over"
                );
                return;
            }
        }
    }
}
