//! The figures topic: its records as they come, and new ones into it, each confirmed.
//!
//! It keeps nothing: which record stands is for [`crate::domain::figures`] to say.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use laju_kafka::connection::Connection;
use laju_kafka::learning::{LearningReader, NotKnown};
use laju_kafka::publish::{DeliveryError, PublishError, PublishSettings, Publisher};
use laju_kafka::read::TailRecord;
use laju_schemas::QuotedFigure;
use laju_schemas::topic::FIGURES;
use thiserror::Error;

use super::error::WorkerError;
use super::follow::{follow, when_known};
use super::stop::Stop;
use super::troubles::Troubles;
use crate::domain::figures::FigureRecord;

/// How long a figure may take to be confirmed: short, because somebody waits for the answer.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(6);
/// How long a topic that cannot be read is left alone.
const RETRY_INTERVAL: Duration = Duration::from_secs(2);

/// A record of the figures topic as it was read, or with what is wrong with it.
///
/// # Errors
/// If it is not known yet which schema the record has. It may be given again.
pub fn read(
    reader: &mut LearningReader<QuotedFigure>,
    record: &TailRecord<'_>,
) -> Result<FigureRecord, NotKnown> {
    let figure = reader.read(record.value().unwrap_or_default())?;
    Ok(FigureRecord {
        offset: record.offset(),
        key: record.key().map(<[u8]>::to_vec),
        figure: figure.map_err(|error| error.to_string()),
    })
}

/// What there is to tell of the figures topic.
#[derive(Debug)]
pub enum Told {
    /// Its next record.
    Record(Box<FigureRecord>),
    /// All that was there at the start has been told.
    CaughtUp,
    /// It cannot be read, and is tried again: why, in words.
    Trouble(String),
}

/// Follows the figures topic until asked to stop. While it cannot be read it is tried again, from
/// its first record. A registry's word that it has no such schema is believed after `patience`.
pub fn follow_figures(
    connection: &Connection,
    patience: Duration,
    troubles: &Troubles,
    stop: &Stop,
    mut tell: impl FnMut(Told),
) {
    let mut last_trouble = String::new();
    while !stop.is_stopped() {
        let Err(error) = follow_once(connection, patience, troubles, stop, &mut tell) else {
            return;
        };
        let trouble = error.to_string();
        if trouble != last_trouble {
            // A cluster whose topics were made before there were figures has this for ever.
            tracing::warn!(error = trouble, "no figures can be quoted; trying again");
            last_trouble.clone_from(&trouble);
        }
        tell(Told::Trouble(trouble));
        stop.wait(RETRY_INTERVAL);
    }
}

fn follow_once(
    connection: &Connection,
    patience: Duration,
    troubles: &Troubles,
    stop: &Stop,
    tell: &mut impl FnMut(Told),
) -> Result<(), WorkerError> {
    let mut reader = LearningReader::new(connection.registry_client()?, patience)?;
    let topic = connection.topic(&FIGURES);
    let tell = std::cell::RefCell::new(tell);
    let each = |(): &mut (), record: &TailRecord<'_>| {
        let read = when_known(
            (&topic, record),
            troubles,
            stop,
            || read(&mut reader, record),
            |error| tracing::warn!(%error, "figures: waiting for the schema registry"),
        );
        if let Some(record) = read {
            tell.borrow_mut()(Told::Record(Box::new(record)));
        }
    };
    let caught_up = |(): &()| tell.borrow_mut()(Told::CaughtUp);
    follow(connection, &topic, troubles, stop, &mut (), each, caught_up)
}

/// Why a figure is not known to be in its topic.
#[derive(Debug, Error)]
pub enum NotConfirmed {
    /// Nothing was sent.
    #[error(transparent)]
    NotSent(#[from] PublishError),
    /// It was sent, and may have arrived all the same.
    #[error(transparent)]
    NotDelivered(#[from] DeliveryError),
}

/// Puts figures into their topic. Made when the first one comes.
pub struct FigurePublisher {
    connection: Connection,
    publisher: Mutex<Option<Arc<Publisher>>>,
}

impl FigurePublisher {
    /// For the topic of this connection. Nothing is opened yet.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        Self { connection, publisher: Mutex::default() }
    }

    /// Publishes a figure and waits until every in-sync replica has it; answers its offset, if the
    /// broker tells it. Blocks for seconds if it must.
    ///
    /// # Errors
    /// If it is not confirmed. The same figure may be published again.
    pub fn publish(&self, figure: &QuotedFigure) -> Result<Option<i64>, NotConfirmed> {
        let publisher = self.publisher()?;
        let confirmed = confirmed(&publisher, figure);
        if confirmed.is_err() && publisher.fatal_error().is_some() {
            self.discard(&publisher);
        }
        confirmed
    }

    /// Forgets a publisher that failed for good: only a new one can go on. One that came in its
    /// place meanwhile stays.
    fn discard(&self, failed: &Arc<Publisher>) {
        let mut kept = self.lock();
        if kept.as_ref().is_some_and(|kept| Arc::ptr_eq(kept, failed)) {
            *kept = None;
        }
    }

    fn publisher(&self) -> Result<Arc<Publisher>, PublishError> {
        let mut kept = self.lock();
        if let Some(publisher) = &*kept {
            return Ok(Arc::clone(publisher));
        }
        let settings = PublishSettings {
            delivery_timeout: DELIVERY_TIMEOUT,
            linger: Duration::ZERO,
            max_message_bytes: FIGURES.max_message_bytes,
            ..PublishSettings::default()
        };
        let publisher = Arc::new(Publisher::new(&self.connection, &settings)?);
        *kept = Some(Arc::clone(&publisher));
        Ok(publisher)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Option<Arc<Publisher>>> {
        self.publisher.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Publishes a figure and waits for its offset, if the broker tells it.
fn confirmed(publisher: &Publisher, figure: &QuotedFigure) -> Result<Option<i64>, NotConfirmed> {
    let receipt = publisher.publish_figure(figure)?.wait()?;
    Ok(receipt.offset.and_then(|offset| i64::try_from(offset).ok()))
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use rdkafka::mocking::MockCluster;
    use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

    use super::*;

    const GOLDEN: &str = include_str!("../../../schemas/golden/v1/quoted_figure.jsonl");

    #[test]
    fn a_publisher_that_failed_for_good_is_replaced_although_nothing_could_be_sent_by_it() {
        let line: serde_json::Value = serde_json::from_str(GOLDEN.lines().next().unwrap()).unwrap();
        let figure: QuotedFigure = serde_json::from_value(line["value"].clone()).unwrap();
        let cluster = MockCluster::new(1).unwrap();
        // Who may not have a producer's id cannot go on as this producer.
        let refused = RDKafkaRespErr::RD_KAFKA_RESP_ERR_CLUSTER_AUTHORIZATION_FAILED;
        cluster.request_errors(RDKafkaApiKey::InitProducerId, &[refused]);
        let figures = FigurePublisher::new(Connection::to(cluster.bootstrap_servers()));
        let failed = figures.publisher().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while failed.fatal_error().is_none() {
            assert!(Instant::now() < deadline, "the producer fails for good");
            std::thread::sleep(Duration::from_millis(10));
        }
        let error = figures.publish(&figure).unwrap_err();
        assert!(matches!(error, NotConfirmed::NotSent(_)), "{error}");
        let next = figures.publisher().unwrap();
        assert!(!Arc::ptr_eq(&failed, &next), "a new one goes on");
        // Somebody else who waited on the failed one is late: the new one stays.
        figures.discard(&failed);
        assert!(Arc::ptr_eq(&next, &figures.publisher().unwrap()));
    }
}
