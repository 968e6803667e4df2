//! Plays the scenario's calendar: publishes each day's records with that day's timestamps, lets
//! the node fold them, and makes sure that nothing was dropped on the way.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{Duration, Instant};

use jiff::civil::Date;
use laju_kafka::connection::ConnectionError;
use laju_kafka::embedded::EmbeddedBroker;
use laju_kafka::publish::{BulkPublisher, PublishError, PublishSettings, Record};
use laju_schemas::codec::{EncodeError, Encoder};
use laju_schemas::topic::{EVENTS, KIOSK_STATUS, REFERENCE};
use laju_schemas::{KioskStatus, TimestampMs};
use rdkafka::error::KafkaError;
use thiserror::Error;

use super::check::CheckError;
use super::scenario::{DemoDay, PARTITIONS, Scenario};
use crate::api::Clock;
use crate::api::access::Access;
use crate::ingest::progress::Progress;
use crate::ingest::stop::Stop;
use crate::ingest::worker::WorkerConfig;
use crate::node::{self, Node, NodeError};

/// How long anything in the demo may take that depends on the broker or the worker.
const SETTLE_TIMEOUT: Duration = Duration::from_secs(120);

/// Why the demo cannot go on.
#[derive(Debug, Error)]
pub enum DemoError {
    #[error("the embedded broker: {0}")]
    Broker(#[from] KafkaError),
    #[error(transparent)]
    Node(#[from] NodeError),
    #[error(transparent)]
    Connection(#[from] ConnectionError),
    #[error(transparent)]
    Publish(#[from] PublishError),
    #[error(transparent)]
    Encode(#[from] EncodeError),
    #[error(transparent)]
    Check(#[from] CheckError),
    #[error("no directory for the store can be made: {0}")]
    Directory(#[from] std::io::Error),
    #[error("{0} records were not confirmed by the embedded broker")]
    Unconfirmed(u64),
    /// Records that the broker dropped, or that were not folded in time.
    #[error("{0}")]
    Lost(String),
    #[error("stopped before the calendar was played to its end")]
    Stopped,
}

/// A demo at work: broker, node and publisher.
pub struct Demo {
    pub node: Node,
    /// What is played.
    pub scenario: Scenario,
    encoder: Encoder,
    publisher: BulkPublisher,
    topic: String,
    published: u64,
    calendar: Arc<AtomicI64>,
    broker: EmbeddedBroker,
    _store: tempfile::TempDir,
}

impl Demo {
    /// Starts the broker and a node on it, with a throw-away store: the log dies with the broker.
    ///
    /// # Errors
    /// If one of them cannot start.
    pub fn start(
        scenario: Scenario,
        listen: std::net::SocketAddr,
        stop: Stop,
    ) -> Result<Self, DemoError> {
        let broker = EmbeddedBroker::start(PARTITIONS)?;
        let store = tempfile::Builder::new().prefix("laju-demo-").tempdir()?;
        let connection = broker.connection();
        let calendar = Arc::new(AtomicI64::new(crate::domain::day::PROGRAMME_START_MS));
        let today = Arc::clone(&calendar);
        let clock: Clock = Arc::new(move || TimestampMs(today.load(Ordering::Relaxed)));
        let config = WorkerConfig {
            connection: connection.clone(),
            store: store.path().to_owned(),
            rebuild: false,
            schemas: Vec::new(),
            registry_patience: crate::ingest::worker::REGISTRY_PATIENCE,
            pipelines: crate::ingest::worker::default_pipelines(),
        };
        let node =
            node::start(config, listen, Access::default(), clock, stop, |_: &Arc<Progress>| {})?;
        let settings =
            PublishSettings { linger: Duration::from_millis(5), ..PublishSettings::bulk() };
        let publisher = BulkPublisher::new(&connection, &settings)?;
        let demo = Self {
            node,
            scenario,
            encoder: Encoder::events(None),
            publisher,
            topic: connection.topic(&EVENTS),
            published: 0,
            calendar,
            broker,
            _store: store,
        };
        demo.publish_figures()?;
        Ok(demo)
    }

    /// Publishes denominators and targets.
    fn publish_figures(&self) -> Result<(), DemoError> {
        let connection = self.broker.connection();
        let encoder = Encoder::reference(None);
        let topic = connection.topic(&REFERENCE);
        for (timestamp, figure) in self.scenario.reference() {
            let value = encoder.value(&figure)?;
            let key = figure.region.to_string();
            self.publish(&topic, key.as_bytes(), &value, TimestampMs(timestamp), None)?;
            // In order: a later figure replaces an earlier one.
            self.flush()?;
        }
        Ok(())
    }

    /// Publishes one day and waits until the broker has confirmed it.
    ///
    /// # Errors
    /// If it does not.
    pub fn play(&mut self, day: &DemoDay) -> Result<(), DemoError> {
        for record in &day.records {
            let mut value = Vec::with_capacity(128);
            record.encode(&self.encoder, &mut value)?;
            let (key, at) = (record.key().0, record.recorded_at);
            self.publish(&self.topic, &key, &value, at, record.misplaced(PARTITIONS))?;
        }
        self.published += day.records.len() as u64;
        if let Some(last) = day.records.last() {
            self.calendar.fetch_max(last.recorded_at.0, Ordering::Relaxed);
        }
        // Days must not mix on their way: what was known on a day is part of what is shown.
        self.flush()
    }

    fn publish(
        &self,
        topic: &str,
        key: &[u8],
        value: &[u8],
        at: TimestampMs,
        partition: Option<u32>,
    ) -> Result<(), PublishError> {
        self.publisher.publish(&Record {
            topic,
            key: Some(key),
            value: Some(value),
            partition,
            timestamp: Some(at),
            headers: &[],
        })
    }

    fn flush(&self) -> Result<(), DemoError> {
        let left = self.publisher.flush(SETTLE_TIMEOUT) as u64 + self.publisher.counts().failed;
        if left > 0 { Err(DemoError::Unconfirmed(left)) } else { Ok(()) }
    }

    /// Publishes what kiosks say of themselves, each with the timestamp of the calendar: by it
    /// the node tells which kiosk has been silent for too long.
    ///
    /// # Errors
    /// If it is not confirmed.
    pub fn publish_statuses(&self, statuses: &[KioskStatus]) -> Result<(), DemoError> {
        let encoder = Encoder::status(None);
        let topic = self.broker.connection().topic(&KIOSK_STATUS);
        for status in statuses {
            let key = status.kiosk_id.as_str().as_bytes();
            self.publish(&topic, key, &encoder.value(status)?, status.sent_at, None)?;
        }
        self.flush()
    }

    /// Waits until everything published is folded and answered, and checks against the broker
    /// that nothing was dropped.
    ///
    /// # Errors
    /// If something was, or it takes too long.
    pub fn settle(&self) -> Result<(), DemoError> {
        let deadline = Instant::now() + SETTLE_TIMEOUT;
        let statuses = self.scenario.statuses().len();
        let live = &self.node.live;
        loop {
            let folded: i64 = self.node.progress.partitions.iter().map(|p| p.next_offset()).sum();
            let all = folded >= 0 && folded as u64 >= self.published;
            if all && live.lacks().is_empty() && live.statuses.load().len() >= statuses {
                break;
            }
            if self.node.stop.is_stopped() {
                return Err(DemoError::Stopped);
            }
            if Instant::now() > deadline {
                return Err(DemoError::Lost(format!(
                    "{folded} of {} records were folded in {} s",
                    self.published,
                    SETTLE_TIMEOUT.as_secs()
                )));
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        let mut held = 0;
        for partition in 0..PARTITIONS {
            let (low, high) = self.broker.watermarks(&self.topic, partition)?;
            if low > 0 {
                return Err(DemoError::Lost(format!(
                    "the embedded broker dropped {low} records of partition {partition}"
                )));
            }
            held += high as u64;
        }
        if held != self.published {
            return Err(DemoError::Lost(format!(
                "{} records were published, but the broker holds {held}",
                self.published
            )));
        }
        Ok(())
    }

    #[must_use]
    pub fn published(&self) -> u64 {
        self.published
    }

    /// The day of the calendar, as the node has it.
    #[must_use]
    pub fn today(&self) -> Date {
        crate::domain::day::Day::recorded(self.calendar.load(Ordering::Relaxed)).date()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::demo::scenario::SEED;

    #[test]
    fn kiosks_speak_by_the_calendar_so_that_their_silence_is_seen() {
        let listen = std::net::SocketAddr::from(([127, 0, 0, 1], 0));
        let demo = Demo::start(Scenario::new(SEED), listen, Stop::default()).unwrap();
        let statuses = demo.scenario.statuses();
        demo.publish_statuses(&statuses).unwrap();
        demo.settle().unwrap();
        let heard = demo.node.live.statuses.load_full();
        assert_eq!(heard.len(), statuses.len());
        for recorded in heard.values() {
            assert_eq!(recorded.recorded_at, recorded.status.sent_at);
        }
        demo.node.stop.stop();
        demo.node.join().unwrap();
    }
}
