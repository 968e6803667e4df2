//! The consumer's context: what the client says of brokers and partitions goes to the progress.

use std::collections::HashMap;
use std::ops::Range;
use std::sync::Arc;

use laju_kafka::connection::BrokerEvents;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::ConsumerContext;
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;

use crate::ingest::progress::{Progress, now_ms};

/// The consumer's context.
pub(super) struct IngestContext {
    events: BrokerEvents,
    topic: String,
    partitions: Range<u32>,
    progress: Arc<Progress>,
}

impl IngestContext {
    /// For a consumer of these partitions of the events topic, by its full name. What the consumers
    /// of one node hear of brokers is logged once.
    #[must_use]
    pub(super) fn new(
        topic: &str,
        partitions: Range<u32>,
        events: &BrokerEvents,
        progress: &Arc<Progress>,
    ) -> Self {
        let (events, progress) = (events.clone(), Arc::clone(progress));
        Self { events, topic: topic.to_owned(), partitions, progress }
    }

    /// How far the worker is.
    #[must_use]
    pub(super) fn progress(&self) -> &Progress {
        &self.progress
    }
}

impl ClientContext for IngestContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.events.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.events.error(error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        // A broker that hangs keeps its connections, and is silent.
        let up = statistics.brokers.values().filter(|b| b.nodeid >= 0 && b.state == "UP");
        let now = now_ms();
        let heard: HashMap<i32, i64> = up.map(|b| (b.nodeid, now - b.rxidle / 1_000)).collect();
        let Some(topic) = statistics.topics.get(&self.topic) else { return };
        for (number, partition) in &topic.partitions {
            // Of partitions that it does not read a client knows nothing new.
            let read = u32::try_from(*number).ok().filter(|n| self.partitions.contains(n));
            if let Some(progress) = read.and_then(|n| self.progress.partitions.get(n as usize)) {
                progress.saw_end(partition.hi_offset.max(partition.ls_offset));
                // Whom its records are fetched from: a follower, where racks are configured.
                let broker = Some(partition.broker).filter(|id| *id >= 0);
                let broker = broker.unwrap_or(partition.leader);
                let heard = heard.get(&broker);
                if let Some(heard) = heard {
                    progress.heard(*heard);
                }
                let is_read = heard.is_some() && partition.fetch_state == "active";
                progress.reads_from(is_read.then_some((broker, partition.leader)), now);
                if let Some(begin) = progress.saw_begin(partition.lo_offset, now) {
                    tracing::warn!(
                        topic = self.topic,
                        partition = number,
                        offset = begin,
                        "the log's beginning is being deleted: the first offset still there is \
                         this one. The store has what was before, but cannot be made again from \
                         this log any more: set retention.ms and retention.bytes to -1 (see \
                         `laju topics check`)"
                    );
                }
                progress.saw_stable_end(partition.ls_offset);
            }
        }
    }
}

impl ConsumerContext for IngestContext {}

#[cfg(test)]
mod tests {
    use rdkafka::statistics::{Broker, Partition, Topic};

    use super::*;

    #[test]
    fn a_client_says_nothing_of_partitions_that_another_one_reads() {
        let progress = Arc::new(Progress::new("events", 2));
        let events = BrokerEvents::default();
        let context = |partitions| IngestContext::new("events", partitions, &events, &progress);
        // What a client says of a partition that it does not read.
        let unread = Partition { ls_offset: -1001, hi_offset: -1001, ..Partition::default() };
        let read = Partition { ls_offset: 7, hi_offset: 7, ..Partition::default() };
        let statistics = |partitions| {
            let topic = Topic { partitions: HashMap::from(partitions), ..Topic::default() };
            let topics = HashMap::from([("events".to_owned(), topic)]);
            Statistics { topics, ..Statistics::default() }
        };
        context(0..1).stats(statistics([(0, read.clone()), (1, unread.clone())]));
        context(1..2).stats(statistics([(0, unread), (1, read)]));
        let ends = progress.partitions.iter().map(|at| (at.end_offset(), at.stable_end()));
        assert_eq!(ends.collect::<Vec<_>>(), [(Some(7), Some(7)); 2]);
    }

    #[test]
    fn a_partition_is_read_from_a_broker_that_is_up_and_asked_for_it() {
        let progress = Arc::new(Progress::new("events", 1));
        let context = IngestContext::new("events", 0..1, &BrokerEvents::default(), &progress);
        let is_steady = |state: &str, fetch_state: &str| {
            let broker = Broker { nodeid: 1, state: state.to_owned(), ..Broker::default() };
            let fetch_state = fetch_state.to_owned();
            let partition = Partition { broker: 1, fetch_state, ..Partition::default() };
            let partitions = HashMap::from([(0, partition)]);
            let topic = Topic { partitions, ..Topic::default() };
            context.stats(Statistics {
                brokers: HashMap::from([("b1".to_owned(), broker)]),
                topics: HashMap::from([("events".to_owned(), topic)]),
                ..Statistics::default()
            });
            progress.partitions[0].steady_since_ms().is_some()
        };
        assert!(is_steady("UP", "active"));
        assert!(!is_steady("UP", "validate-epoch-wait"), "its new leader has said nothing yet");
        assert!(is_steady("UP", "active"));
        assert!(!is_steady("DOWN", "active"));
    }
}
