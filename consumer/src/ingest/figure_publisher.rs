//! New figures into the figures topic, each confirmed.

use std::time::Duration;

use laju_kafka::connection::Connection;
use laju_kafka::publish::{DeliveryError, LazyPublisher, PublishError, PublishSettings};
use laju_schemas::QuotedFigure;
use laju_schemas::topic::FIGURES;
use thiserror::Error;

/// How long a figure may take to be confirmed: short, because somebody waits for the answer.
const DELIVERY_TIMEOUT: Duration = Duration::from_secs(6);

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

/// Puts figures into their topic.
pub struct FigurePublisher(LazyPublisher);

impl FigurePublisher {
    /// For the topic of this connection. Nothing is opened yet.
    #[must_use]
    pub fn new(connection: Connection) -> Self {
        let settings = PublishSettings {
            delivery_timeout: DELIVERY_TIMEOUT,
            linger: Duration::ZERO,
            max_message_bytes: FIGURES.max_message_bytes,
            ..PublishSettings::default()
        };
        Self(LazyPublisher::new(connection, settings))
    }

    /// Publishes a figure and waits until every in-sync replica has it; answers its offset, if the
    /// broker tells it. Blocks for seconds if it must.
    ///
    /// # Errors
    /// If it is not confirmed. The same figure may be published again.
    pub fn publish(&self, figure: &QuotedFigure) -> Result<Option<i64>, NotConfirmed> {
        let publisher = self.0.get()?;
        let confirmed = publisher
            .publish_figure(figure)
            .map_err(NotConfirmed::from)
            .and_then(|delivery| Ok(delivery.wait()?));
        if confirmed.is_err() {
            self.0.discard_if_fatal(&publisher);
        }
        Ok(confirmed?.offset.and_then(|offset| i64::try_from(offset).ok()))
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
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
        let failed = figures.0.get().unwrap();
        let deadline = Instant::now() + Duration::from_secs(30);
        while failed.fatal_error().is_none() {
            assert!(Instant::now() < deadline, "the producer fails for good");
            std::thread::sleep(Duration::from_millis(10));
        }
        let error = figures.publish(&figure).unwrap_err();
        assert!(matches!(error, NotConfirmed::NotSent(_)), "{error}");
        let next = figures.0.get().unwrap();
        assert!(!Arc::ptr_eq(&failed, &next), "a new one goes on");
        // Somebody else who waited on the failed one is late: the new one stays.
        figures.0.discard_if_fatal(&failed);
        assert!(Arc::ptr_eq(&next, &figures.0.get().unwrap()));
    }
}
