//! The consumer's context: on assignment the client begins where the store has got to, and not
//! where the group's offsets say.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use laju_producer::connection::BrokerEvents;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

use super::progress::{Progress, now_ms};
use super::stop::Stop;
use super::worker::WorkerError;
use crate::projection::partition::{Position, RecordMark};

/// Where each partition stands in the store. Written by the committer, read on assignment.
#[derive(Clone, Default)]
pub struct Committed(Arc<Mutex<HashMap<u32, Position>>>);

impl Committed {
    fn lock(&self) -> MutexGuard<'_, HashMap<u32, Position>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Notes where a partition stands.
    pub fn set(&self, partition: u32, position: Position) {
        self.lock().insert(partition, position);
    }

    /// Where a partition stands.
    #[must_use]
    pub fn get(&self, partition: u32) -> Position {
        self.lock().get(&partition).copied().unwrap_or_default()
    }

    /// Where every partition stands that has been folded at all.
    #[must_use]
    pub fn all(&self) -> Vec<(u32, Position)> {
        self.lock().iter().map(|(partition, position)| (*partition, *position)).collect()
    }
}

/// The consumer's context.
pub struct IngestContext {
    events: BrokerEvents,
    topic: String,
    committed: Committed,
    progress: Arc<Progress>,
    /// Records that have to come first on partitions just assigned: the last ones folded.
    expected: Mutex<HashMap<u32, RecordMark>>,
    /// How many those are.
    expecting: AtomicUsize,
    /// Partitions just assigned, whose ends have not been asked for yet.
    assigned: Mutex<Vec<u32>>,
    has_assigned: AtomicBool,
    stop: Stop,
}

impl IngestContext {
    /// For the events topic of this full name.
    #[must_use]
    pub fn new(topic: &str, committed: Committed, progress: Arc<Progress>, stop: Stop) -> Self {
        Self {
            events: BrokerEvents::default(),
            topic: topic.to_owned(),
            committed,
            progress,
            expected: Mutex::default(),
            expecting: AtomicUsize::new(0),
            assigned: Mutex::default(),
            has_assigned: AtomicBool::new(false),
            stop,
        }
    }

    /// How far the worker is.
    #[must_use]
    pub fn progress(&self) -> &Progress {
        &self.progress
    }

    /// Whether any were assigned since they were last taken: asked for each record.
    #[must_use]
    #[inline]
    pub fn has_assigned(&self) -> bool {
        self.has_assigned.load(Ordering::Acquire)
    }

    /// Partitions assigned since this was last asked.
    #[must_use]
    pub fn take_assigned(&self) -> Vec<u32> {
        self.has_assigned.store(false, Ordering::Release);
        std::mem::take(&mut *self.assigned.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Where an assignment of this partition begins.
    #[must_use]
    pub fn begins_at(&self, partition: u32) -> i64 {
        let position = self.committed.get(partition);
        // The last record folded is read again: it has to be the same.
        position.last.map_or(position.next_offset, |last| last.offset)
    }

    /// Whether any partition's first record is still to be checked: asked for each record, where
    /// the lock would cost as much as decoding.
    #[must_use]
    #[inline]
    pub fn expects(&self) -> bool {
        self.expecting.load(Ordering::Acquire) > 0
    }

    /// The record that has to come first on a partition, if one still has to.
    #[must_use]
    pub fn expected(&self, partition: u32) -> Option<RecordMark> {
        self.lock_expected().get(&partition).copied()
    }

    /// Takes the record that has to come first on a partition, if one still has to.
    #[must_use]
    pub fn take_expected(&self, partition: u32) -> Option<RecordMark> {
        self.change_expected(|expected| expected.remove(&partition))
    }

    fn lock_expected(&self) -> MutexGuard<'_, HashMap<u32, RecordMark>> {
        self.expected.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn change_expected<T>(&self, change: impl FnOnce(&mut HashMap<u32, RecordMark>) -> T) -> T {
        let mut expected = self.lock_expected();
        let changed = change(&mut expected);
        self.expecting.store(expected.len(), Ordering::Release);
        changed
    }

    /// The first offset that a partition is to have still: that of the last record folded, which
    /// is read again.
    #[must_use]
    pub fn wanted(&self, partition: u32) -> i64 {
        let position = self.committed.get(partition);
        position.last.map_or(position.next_offset, |last| last.offset)
    }

    /// What the client last said of the brokers.
    #[must_use]
    pub fn events(&self) -> &BrokerEvents {
        &self.events
    }

    fn assign(&self, partitions: &TopicPartitionList) -> TopicPartitionList {
        let mut from = TopicPartitionList::new();
        for element in partitions.elements() {
            let partition = element.partition() as u32;
            let position = self.committed.get(partition);
            let offset = self.begins_at(partition);
            if let Some(last) = position.last {
                self.change_expected(|expected| expected.insert(partition, last));
            }
            let Some(progress) = self.progress.partitions.get(partition as usize) else {
                let partitions = self.progress.partitions.len() as u32;
                let (topic, now) = (self.topic.clone(), partition + 1);
                self.stop.fail(WorkerError::MorePartitions { topic, partitions, now });
                continue;
            };
            progress.assigned();
            // Whatever it had: if it still has it, that will show.
            self.progress.troubles.forget(&self.topic, partition);
            self.assigned.lock().unwrap_or_else(PoisonError::into_inner).push(partition);
            self.has_assigned.store(true, Ordering::Release);
            tracing::info!(partition, offset, "partition assigned");
            // An offset below i64::MAX is always taken.
            let _ = from.add_partition_offset(
                element.topic(),
                element.partition(),
                Offset::Offset(offset),
            );
        }
        from
    }

    fn revoke(&self, partitions: &TopicPartitionList) {
        for element in partitions.elements() {
            let partition = element.partition() as u32;
            self.change_expected(|expected| expected.remove(&partition));
            if let Some(progress) = self.progress.partitions.get(partition as usize) {
                progress.revoked();
            }
            tracing::info!(partition, "partition given up");
        }
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
        let is_up =
            |broker: &rdkafka::statistics::Broker| broker.nodeid >= 0 && broker.state == "UP";
        if statistics.brokers.values().any(is_up) {
            self.progress.heard();
        }
        let Some(topic) = statistics.topics.get(&self.topic) else { return };
        for (number, partition) in &topic.partitions {
            let progress =
                usize::try_from(*number).ok().and_then(|n| self.progress.partitions.get(n));
            if let Some(progress) = progress {
                progress.saw_end(partition.hi_offset.max(partition.ls_offset));
                if let Some(begin) = progress.saw_begin(partition.lo_offset, now_ms()) {
                    tracing::warn!(
                        topic = self.topic,
                        partition = number,
                        offset = begin,
                        "the log's beginning is being deleted: the first offset still there is \
                         this one. The store has what was before, but cannot be made anew from \
                         this log any more: set retention.ms and retention.bytes to -1 (see \
                         `laju topics check`)"
                    );
                }
                progress.saw_stable_end(partition.ls_offset);
            }
        }
    }
}

impl ConsumerContext for IngestContext {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        error: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        let result = match error {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                consumer.incremental_assign(&self.assign(partitions))
            }
            _ => {
                self.revoke(partitions);
                consumer.incremental_unassign(partitions)
            }
        };
        if let Err(error) = result {
            tracing::error!(%error, "the client refuses an assignment");
        }
    }
}
