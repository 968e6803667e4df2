//! Puts what could not be counted onto the quarantine topic: original bytes, key and headers, and
//! beside them why and from where. Twice where a holder of the lease was followed by another one in
//! between: with the same origin, of which readers take one.

use std::time::Duration;

use laju_kafka::connection::Connection;
use laju_kafka::publish::{
    Delivery, DeliveryError, LazyPublisher, PublishError, PublishSettings, Publisher, Record,
};
use laju_schemas::quarantine::{
    HEADER_DETAIL, HEADER_FOLD_VERSION, HEADER_OFFSET, HEADER_PARTITION, HEADER_PREFIX,
    HEADER_REASON, HEADER_TIMESTAMP, HEADER_TOPIC, HEADER_TRUNCATED,
};
use laju_schemas::topic::QUARANTINE;

use super::originals::Original;

/// What is left for headers and the batch's own bytes of the largest message.
const RESERVE: usize = 256 << 10;
/// The original's own headers are kept up to this size together.
const MAX_HEADERS: usize = 64 << 10;

/// The quarantine topic's producer.
pub(in crate::ingest) struct QuarantineWriter {
    publisher: LazyPublisher,
    topic: String,
    origin: String,
    fold_version: String,
}

impl QuarantineWriter {
    /// For records of the events topic `origin`.
    pub(in crate::ingest) fn new(
        connection: &Connection,
        origin: &str,
        fold_version: &str,
    ) -> Self {
        // Quarantined bytes are not of our schema: no registry is asked.
        let plain = Connection { registry: None, ..connection.clone() };
        let settings = PublishSettings {
            delivery_timeout: Duration::from_secs(10),
            max_message_bytes: QUARANTINE.max_message_bytes,
            ..PublishSettings::default()
        };
        Self {
            publisher: LazyPublisher::new(plain, settings),
            topic: connection.topic(&QUARANTINE),
            origin: origin.to_owned(),
            fold_version: fold_version.to_owned(),
        }
    }

    /// The topic's full name.
    pub(in crate::ingest) fn topic(&self) -> &str {
        &self.topic
    }

    /// Publishes records of a partition and waits for what becomes of each. Gives the offsets of those
    /// that are confirmed, and why others are not, if so.
    pub(in crate::ingest) fn publish(
        &self,
        partition: u32,
        records: &[Original],
    ) -> (Vec<i64>, Result<(), String>) {
        let publisher = match self.publisher.get() {
            Ok(publisher) => publisher,
            Err(error) => return (Vec::new(), Err(error.to_string())),
        };
        let done = self.attempt(&publisher, partition, records);
        if done.1.is_err() {
            // One that failed may never deliver again.
            self.publisher.discard(&publisher);
        }
        done
    }

    fn attempt(
        &self,
        publisher: &Publisher,
        partition: u32,
        records: &[Original],
    ) -> (Vec<i64>, Result<(), String>) {
        let mut sent = Vec::with_capacity(records.len());
        let mut failed = Ok(());
        for record in records {
            match self.send(publisher, partition, record) {
                Ok(delivery) => sent.push((record.row.offset, delivery)),
                Err(error) => {
                    failed = Err(error.to_string());
                    break;
                }
            }
        }
        // Of all of them, as they go to several partitions: what is there is not sent again.
        let mut confirmed = Vec::with_capacity(sent.len());
        for (offset, delivery) in sent {
            match delivery.wait() {
                Ok(_) => confirmed.push(offset),
                Err(error) if failed.is_ok() => {
                    let reason = match error {
                        DeliveryError::NotAllowed(_)
                        | DeliveryError::NoTopic(_)
                        | DeliveryError::TooLarge(_) => None,
                        _ => publisher.last_broker_error(),
                    };
                    failed = Err(reason.unwrap_or_else(|| error.to_string()));
                }
                Err(_) => {}
            }
        }
        (confirmed, failed)
    }

    fn send(
        &self,
        publisher: &Publisher,
        partition: u32,
        record: &Original,
    ) -> Result<Delivery, PublishError> {
        let row = &record.row;
        let (partition, offset) = (partition.to_string(), row.offset.to_string());
        let timestamp = row.timestamp.to_string();
        let mut headers: Vec<(&str, &[u8])> = vec![
            (HEADER_REASON, row.key.reason.as_str().as_bytes()),
            (HEADER_DETAIL, row.detail.as_bytes()),
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
        let mut is_cut = record.is_gone;
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
        publisher.publish_record(&record)
    }
}
