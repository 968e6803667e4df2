//! Puts what could not be counted onto the quarantine topic: original bytes, key and headers, and
//! beside them why and from where. Confirmed before the commit, so that nothing is passed over
//! that is not there; after a crash in between a copy may stand there twice (same origin).

use std::time::Duration;

use laju_producer::connection::Connection;
use laju_producer::publish::{PublishError, PublishSettings, Publisher, Record};
use laju_schemas::quarantine::{
    HEADER_DETAIL, HEADER_FOLD_VERSION, HEADER_OFFSET, HEADER_PARTITION, HEADER_REASON,
    HEADER_TIMESTAMP, HEADER_TOPIC, HEADER_TRUNCATED,
};
use laju_schemas::topic::QUARANTINE;

use super::batch::RefusedRecord;
use super::stop::Stop;

/// What is left for headers and the batch's own bytes of the largest message.
const RESERVE: usize = 256 << 10;
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
    pub fn publish(&self, records: &[RefusedRecord]) -> bool {
        let mut left: Vec<&RefusedRecord> = records.iter().collect();
        while !left.is_empty() {
            let sent: Vec<_> = left.iter().map(|record| self.send(record)).collect();
            let mut failure = None;
            let failed = left.into_iter().zip(sent).filter_map(|(record, delivery)| {
                let result = delivery
                    .map_err(|e| e.to_string())
                    .and_then(|delivery| delivery.wait().map_err(|e| e.to_string()));
                match result {
                    Ok(_) => None,
                    Err(error) => {
                        failure = Some(error);
                        Some(record)
                    }
                }
            });
            left = failed.collect();
            if let Some(failure) = failure {
                tracing::warn!(
                    topic = self.topic,
                    records = left.len(),
                    failure,
                    "quarantine is not confirmed: nothing is committed until it is"
                );
                if self.stop.is_stopped() {
                    return false;
                }
            }
        }
        true
    }

    fn send(
        &self,
        record: &RefusedRecord,
    ) -> Result<laju_producer::publish::Delivery, PublishError> {
        let mark = record.mark;
        let (partition, offset) = (record.partition.to_string(), mark.offset.to_string());
        let timestamp = mark.timestamp.to_string();
        let detail = &record.refusal.detail;
        let detail = &detail[..detail.floor_char_boundary(1_000)];
        let mut headers: Vec<(&str, &[u8])> = vec![
            (HEADER_REASON, record.refusal.reason.as_str().as_bytes()),
            (HEADER_DETAIL, detail.as_bytes()),
            (HEADER_TOPIC, self.origin.as_bytes()),
            (HEADER_PARTITION, partition.as_bytes()),
            (HEADER_OFFSET, offset.as_bytes()),
            (HEADER_TIMESTAMP, timestamp.as_bytes()),
            (HEADER_FOLD_VERSION, self.fold_version.as_bytes()),
        ];
        let mut room = MAX_HEADERS;
        let own = record
            .headers
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_deref().unwrap_or_default()));
        for (name, value) in own {
            let Some(left) = room.checked_sub(name.len() + value.len() + 16) else { break };
            room = left;
            headers.push((name, value));
        }
        // A key and a value together too large for this topic are cut, the key first: the whole
        // of it is at its origin.
        let limit = QUARANTINE.max_message_bytes as usize - RESERVE;
        let key = record.key.as_deref().map(|key| &key[..key.len().min(limit / 2)]);
        let limit = limit - key.map_or(0, <[u8]>::len);
        let value = record.value.as_deref().map(|value| &value[..value.len().min(limit)]);
        if key.map(<[u8]>::len) != record.key.as_ref().map(Vec::len)
            || value.map(<[u8]>::len) != record.value.as_ref().map(Vec::len)
        {
            headers.push((HEADER_TRUNCATED, b"true"));
        }
        let record =
            Record { topic: &self.topic, key, value, headers: &headers, ..Record::default() };
        self.publisher.publish_record(&record)
    }
}
