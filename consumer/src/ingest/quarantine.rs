//! Puts what could not be counted onto the quarantine topic: original bytes, key and headers, and
//! beside them why and from where. Confirmed before the commit, so that nothing is passed over
//! that is not there; after a crash in between a copy may stand there twice (same origin).

use std::time::{Duration, Instant};

use laju_producer::connection::Connection;
use laju_producer::publish::{
    Delivery, DeliveryError, PublishError, PublishSettings, Publisher, Record,
};
use laju_schemas::quarantine::{
    HEADER_DETAIL, HEADER_FOLD_VERSION, HEADER_OFFSET, HEADER_PARTITION, HEADER_PREFIX,
    HEADER_REASON, HEADER_TIMESTAMP, HEADER_TOPIC, HEADER_TRUNCATED,
};
use laju_schemas::topic::QUARANTINE;

use super::batch::RefusedRecord;
use super::stop::Stop;
use super::worker::WorkerError;

/// What is left for headers and the batch's own bytes of the largest message.
const RESERVE: usize = 256 << 10;
/// Records sent before it is looked at whether to stop.
const SLICE: usize = 1_000;
/// How long a topic that confirmed nothing is left alone.
const RETRY: Duration = Duration::from_secs(1);
/// The original's own headers are kept up to this size together.
const MAX_HEADERS: usize = 64 << 10;

/// The quarantine topic's producer.
pub struct Quarantine {
    publisher: Publisher,
    topic: String,
    origin: String,
    fold_version: String,
    stop: Stop,
}

impl Quarantine {
    /// For records of the events topic `origin`.
    ///
    /// # Errors
    /// If the connection's options are wrong.
    pub fn new(
        connection: &Connection,
        origin: &str,
        fold_version: &str,
        stop: Stop,
    ) -> Result<Self, PublishError> {
        let settings = PublishSettings {
            delivery_timeout: Duration::from_secs(10),
            max_message_bytes: QUARANTINE.max_message_bytes,
            ..PublishSettings::default()
        };
        // Quarantined bytes are not of our schema: no registry is asked.
        let connection = Connection { registry: None, ..connection.clone() };
        Ok(Self {
            publisher: Publisher::new(&connection, &settings)?,
            topic: connection.topic(&QUARANTINE),
            origin: origin.to_owned(),
            fold_version: fold_version.to_owned(),
            stop,
        })
    }

    /// Publishes records and waits until each is confirmed, for as long as it takes; gives up
    /// only when asked to stop, and then says false.
    ///
    /// # Errors
    /// If the topic will not take them however long it is tried: rights or limits are missing.
    pub fn publish(&self, records: &[RefusedRecord]) -> Result<bool, WorkerError> {
        for slice in records.chunks(SLICE) {
            let mut left: Vec<&RefusedRecord> = slice.iter().collect();
            loop {
                let before = left.len();
                left = self.attempt(left)?;
                if left.is_empty() {
                    break;
                }
                tracing::warn!(
                    topic = self.topic,
                    records = left.len(),
                    reason = self.publisher.last_broker_error(),
                    "quarantine is not confirmed: nothing is committed until it is"
                );
                let until = Instant::now() + RETRY;
                while left.len() == before && !self.stop.is_stopped() && Instant::now() < until {
                    std::thread::sleep(Duration::from_millis(50));
                }
                if self.stop.is_stopped() {
                    return Ok(false);
                }
            }
        }
        Ok(true)
    }

    /// Publishes records once; gives those back that were not confirmed.
    fn attempt<'r>(
        &self,
        records: Vec<&'r RefusedRecord>,
    ) -> Result<Vec<&'r RefusedRecord>, WorkerError> {
        let for_good = |why: String| WorkerError::Quarantine { topic: self.topic.clone(), why };
        let mut sent = Vec::with_capacity(records.len());
        for record in records {
            match self.send(record) {
                Ok(delivery) => sent.push((record, delivery)),
                Err(error) => return Err(for_good(error.to_string())),
            }
        }
        let mut left = Vec::new();
        for (record, delivery) in sent {
            match delivery.wait() {
                Ok(_) => {}
                Err(
                    error @ (DeliveryError::NotAllowed(_)
                    | DeliveryError::NoTopic(_)
                    | DeliveryError::TooLarge(_)),
                ) => return Err(for_good(error.to_string())),
                Err(_) => left.push(record),
            }
        }
        Ok(left)
    }

    fn send(&self, record: &RefusedRecord) -> Result<Delivery, PublishError> {
        let mark = record.mark;
        let (partition, offset) = (record.partition.to_string(), mark.offset.to_string());
        let timestamp = mark.timestamp.to_string();
        let detail = &record.refusal.detail;
        let mut headers: Vec<(&str, &[u8])> = vec![
            (HEADER_REASON, record.refusal.reason.as_str().as_bytes()),
            (HEADER_DETAIL, detail.as_bytes()),
            (HEADER_TOPIC, self.origin.as_bytes()),
            (HEADER_PARTITION, partition.as_bytes()),
            (HEADER_OFFSET, offset.as_bytes()),
            (HEADER_TIMESTAMP, timestamp.as_bytes()),
            (HEADER_FOLD_VERSION, self.fold_version.as_bytes()),
        ];
        // Its own headers must not pass for ours.
        let own: Vec<_> = record
            .headers
            .iter()
            .map(|(name, value)| {
                let is_ours = name.starts_with(HEADER_PREFIX);
                let name = if is_ours { format!("original-{name}") } else { name.clone() };
                (name, value.as_deref().unwrap_or_default())
            })
            .collect();
        let mut room = MAX_HEADERS;
        let mut is_cut = false;
        for (name, value) in &own {
            match room.checked_sub(name.len() + value.len() + 16) {
                Some(left) => {
                    room = left;
                    headers.push((name, value));
                }
                None => is_cut = true,
            }
        }
        // A key and a value together too large for this topic are cut, the key first: the whole
        // of it is at its origin.
        let limit = QUARANTINE.max_message_bytes as usize - RESERVE;
        let key = record.key.as_deref().map(|key| &key[..key.len().min(limit / 2)]);
        let limit = limit - key.map_or(0, <[u8]>::len);
        let value = record.value.as_deref().map(|value| &value[..value.len().min(limit)]);
        if is_cut
            || key.map(<[u8]>::len) != record.key.as_ref().map(Vec::len)
            || value.map(<[u8]>::len) != record.value.as_ref().map(Vec::len)
        {
            headers.push((HEADER_TRUNCATED, b"true"));
        }
        let record =
            Record { topic: &self.topic, key, value, headers: &headers, ..Record::default() };
        self.publisher.publish_record(&record)
    }
}
