//! The kiosk status topic: what each kiosk last said of itself.

use std::collections::BTreeMap;
use std::time::Duration;

use laju_kafka::connection::Connection;
use laju_kafka::connection::ask::ASK_PATIENCE;
use laju_kafka::read::{READ_TIMEOUT, Tail, TailRecord, TopicReadError};
use laju_kafka::registry::Registry;
use laju_schemas::TimestampMs;
use laju_schemas::known::ReadError;
use laju_schemas::pseudonym::KeyId;
use laju_schemas::status::StatusReader;
use laju_schemas::topic::KIOSK_STATUS;

use super::follow;
use crate::ingest::error::WorkerError;
use crate::ingest::stop::Stop;
use crate::ingest::troubles::Troubles;
use crate::projection::kiosk_keys::{usual_key, with_another_key};
use crate::projection::snapshot::{RecordedStatus, Statuses};

/// How long a registry that did not answer is left alone.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);

/// Follows the kiosk status topic; with the statuses goes the offset behind the last record
/// that they are made of (of several partitions, which it should not have, the sum).
///
/// # Errors
/// If the topic cannot be read.
pub fn follow_statuses(
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
    let topic = connection.topic(&KIOSK_STATUS);
    let mut tail = Tail::open(connection, &topic, ASK_PATIENCE)?;
    let registry = connection.registry_client()?;
    let mut reader = StatusReader::new()?;
    let mut statuses = Statuses::new();
    tail.read_to_end(READ_TIMEOUT, |record| {
        take_status(&record, &mut reader, registry.as_ref(), stop, &mut statuses);
        Ok::<_, TopicReadError>(())
    })?;
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
