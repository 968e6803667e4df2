//! Leases: for each partition one node at most puts what could not be counted into quarantine, and
//! decides what a registry does not have. Figures wait for none of it.
//!
//! The lease is a partition's place in a consumer group whose members fetch nothing. The group's
//! committed offset says up to where refused records are in quarantine: the next holder of it goes on
//! from there. A holder that was taken for dead may still publish for a moment: then a copy stands
//! twice, with the same origin, and readers take one.

use std::collections::BTreeSet;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use laju_kafka::connection::{BrokerEvents, Connection};
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _, ConsumerContext};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};

/// Not known; or nothing.
const NONE: i64 = -1;

/// The group of the nodes that fold by the same rules.
#[must_use]
pub(super) fn group(connection: &Connection, fold_version: &str) -> String {
    format!("{}laju-{fold_version}", connection.topic_prefix)
}

/// Which leases this node holds, and how far it has got with each.
#[derive(Clone, Debug)]
pub(super) struct Leases(Arc<[Lease]>);

#[derive(Debug)]
struct Lease {
    is_held: AtomicBool,
    /// Refused records before this offset are in quarantine, as this node's group was asked and by
    /// what was done since.
    done: AtomicI64,
    /// The highest offset that the group may have been told.
    told: AtomicI64,
    /// From where on records have to be looked at again.
    reopened: AtomicI64,
    /// Whether the partition is about to be folded again: what the store has of it and what readers see
    /// do not go together.
    is_refolding: AtomicBool,
    /// Whether the partition's rows begin again.
    is_refolded: AtomicBool,
    /// Offsets of records about which there are verdicts: a row of such a one may come late.
    wanted: Mutex<BTreeSet<i64>>,
}

impl Leases {
    /// Of a topic with so many partitions.
    pub(super) fn new(partitions: u32) -> Self {
        let lease = |_| Lease {
            is_held: AtomicBool::new(false),
            done: AtomicI64::new(NONE),
            told: AtomicI64::new(NONE),
            reopened: AtomicI64::new(i64::MAX),
            is_refolding: AtomicBool::new(false),
            is_refolded: AtomicBool::new(false),
            wanted: Mutex::default(),
        };
        Self((0..partitions).map(lease).collect())
    }

    fn of(&self, partition: u32) -> Option<&Lease> {
        self.0.get(partition as usize)
    }

    /// Whether a partition's lease is held.
    pub(super) fn holds(&self, partition: u32) -> bool {
        self.of(partition).is_some_and(|lease| lease.is_held.load(Ordering::Acquire))
    }

    /// The partitions whose leases are held.
    pub(super) fn held(&self) -> Vec<u32> {
        (0..self.0.len() as u32).filter(|partition| self.holds(*partition)).collect()
    }

    /// Whether it is for this node to decide about the record at an offset: it holds the lease, and
    /// the next holder looks at the record again, should this node die before the record is in
    /// quarantine. If only that is not so yet, it will be soon.
    pub(super) fn may_decide(&self, partition: u32, offset: i64) -> bool {
        let Some(lease) = self.of(partition) else { return false };
        if !self.holds(partition) || lease.done.load(Ordering::Acquire) == NONE {
            return false;
        }
        let may = lease.told.load(Ordering::Acquire) <= offset;
        if !may {
            lease.reopened.fetch_min(offset, Ordering::AcqRel);
        }
        may
    }

    /// There is a verdict about the record at an offset. A later holder knows by the
    /// verdicts there are then.
    pub(super) fn want(&self, partition: u32, offset: i64) {
        if let Some(lease) = self.of(partition).filter(|_| self.holds(partition)) {
            lease.wanted.lock().unwrap_or_else(PoisonError::into_inner).insert(offset);
        }
    }

    /// The records about which there are verdicts and that were not seen in quarantine yet.
    pub(super) fn wanted(&self, partition: u32) -> BTreeSet<i64> {
        let Some(lease) = self.of(partition) else { return BTreeSet::new() };
        lease.wanted.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// These need no more looking for.
    pub(super) fn seen(&self, partition: u32, offsets: impl IntoIterator<Item = i64>) {
        let Some(lease) = self.of(partition) else { return };
        let mut wanted = lease.wanted.lock().unwrap_or_else(PoisonError::into_inner);
        for offset in offsets {
            if wanted.is_empty() {
                return;
            }
            wanted.remove(&offset);
        }
    }

    /// The partition is about to be folded again from its beginning.
    pub(super) fn refolding(&self, partition: u32) {
        if let Some(lease) = self.of(partition) {
            lease.is_refolding.store(true, Ordering::Release);
        }
    }

    /// Whether it is: nothing is concluded from what readers see of the partition.
    pub(super) fn is_refolding(&self, partition: u32) -> bool {
        self.of(partition).is_some_and(|lease| lease.is_refolding.load(Ordering::Acquire))
    }

    /// Whether the partition's rows are others than those looked at, or will be.
    pub(super) fn is_changing(&self, partition: u32) -> bool {
        let is_refolded = |lease: &Lease| lease.is_refolded.load(Ordering::Acquire);
        self.is_refolding(partition) || self.of(partition).is_some_and(is_refolded)
    }

    /// The store and readers have the partition as it is folded again.
    pub(super) fn refolded(&self, partition: u32) {
        if let Some(lease) = self.of(partition) {
            lease.is_refolded.store(true, Ordering::Release);
            lease.is_refolding.store(false, Ordering::Release);
        }
    }

    /// Whether the partition was folded again since this was last asked.
    pub(super) fn take_refolded(&self, partition: u32) -> bool {
        self.of(partition).is_some_and(|lease| lease.is_refolded.swap(false, Ordering::AcqRel))
    }

    /// From where on records of a partition have to be looked at again, if any.
    pub(super) fn take_reopened(&self, partition: u32) -> Option<i64> {
        let reopened = self.of(partition)?.reopened.swap(i64::MAX, Ordering::AcqRel);
        Some(reopened).filter(|offset| *offset < i64::MAX)
    }

    /// Up to where a partition's refused records are in quarantine; none while that is not known.
    pub(super) fn done(&self, partition: u32) -> Option<i64> {
        Some(self.of(partition)?.done.load(Ordering::Acquire)).filter(|done| *done != NONE)
    }

    /// A partition's refused records before an offset are in quarantine.
    pub(super) fn set_done(&self, partition: u32, offset: i64) {
        if let Some(lease) = self.of(partition) {
            lease.done.store(offset, Ordering::Release);
        }
    }

    /// The group says this of a partition; none if it says nothing.
    pub(super) fn set_told(&self, partition: u32, offset: Option<i64>) {
        if let Some(lease) = self.of(partition) {
            lease.told.store(offset.unwrap_or(NONE), Ordering::Release);
        }
    }

    /// Whether the group may have been told more of a partition than is so.
    pub(super) fn is_told_too_much(&self, partition: u32) -> bool {
        let told = self.of(partition).map_or(NONE, |lease| lease.told.load(Ordering::Acquire));
        self.done(partition).is_some_and(|done| told > done)
    }

    /// What the group has to be told of these partitions.
    fn news(&self, partitions: &[u32]) -> Vec<(u32, i64)> {
        let news = |partition: &u32| {
            let done = self.done(*partition)?;
            (self.of(*partition)?.told.load(Ordering::Acquire) < done).then_some((*partition, done))
        };
        partitions.iter().filter_map(news).collect()
    }

    fn set_held(&self, partitions: &[u32], is_held: bool) {
        for lease in partitions.iter().filter_map(|partition| self.of(*partition)) {
            // What was known of it may be another's doing by now.
            lease.done.store(NONE, Ordering::Release);
            lease.wanted.lock().unwrap_or_else(PoisonError::into_inner).clear();
            lease.is_held.store(is_held, Ordering::Release);
        }
        metrics::gauge!("laju_leases").set(self.held().len() as f64);
    }
}

/// Tells the group up to where refused records of partitions are in quarantine, where it is further
/// than it was told. It is not waited for: what is not told is put there twice, should somebody follow.
pub(super) fn tell(
    consumer: &BaseConsumer<LeaseContext>,
    partitions: &[u32],
) -> Result<(), KafkaError> {
    let LeaseContext { topic, leases, .. } = consumer.context().as_ref();
    let news = leases.news(partitions);
    if news.is_empty() {
        return Ok(());
    }
    let mut list = TopicPartitionList::new();
    for (partition, done) in news {
        list.add_partition_offset(topic, partition as i32, Offset::Offset(done))?;
        leases.set_told(partition, Some(done));
    }
    consumer.commit(&list, CommitMode::Async)
}

/// Tells the group that less of a partition is in quarantine than it was told, and waits until it
/// knows: the next holder looks at those records again.
pub(super) fn take_back(
    consumer: &BaseConsumer<LeaseContext>,
    partition: u32,
) -> Result<(), KafkaError> {
    let LeaseContext { topic, leases, .. } = consumer.context().as_ref();
    let Some(done) = leases.done(partition) else { return Ok(()) };
    let mut list = TopicPartitionList::new();
    list.add_partition_offset(topic, partition as i32, Offset::Offset(done))?;
    consumer.commit(&list, CommitMode::Sync)?;
    leases.set_told(partition, Some(done));
    Ok(())
}

/// The context of the group's member.
pub(super) struct LeaseContext {
    events: BrokerEvents,
    topic: String,
    leases: Leases,
}

impl LeaseContext {
    /// For the leases of the events topic of this full name.
    pub(super) fn new(topic: &str, leases: Leases) -> Self {
        Self { events: BrokerEvents::default(), topic: topic.to_owned(), leases }
    }
}

impl ClientContext for LeaseContext {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.events.log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.events.error(error, reason);
    }
}

impl ConsumerContext for LeaseContext {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        code: RDKafkaRespErr,
        list: &mut TopicPartitionList,
    ) {
        let partitions: Vec<u32> =
            list.elements().iter().map(|element| element.partition() as u32).collect();
        let result = if code == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS {
            // Nothing is ever read: a member has to be assigned what it holds.
            let assigned = list
                .set_all_offsets(Offset::End)
                .and_then(|()| consumer.incremental_assign(list))
                .and_then(|()| consumer.pause(list));
            self.leases.set_held(&partitions, true);
            tracing::debug!(?partitions, "leases gained");
            assigned
        } else {
            let is_lost = consumer.assignment_lost();
            // It goes before whatever leaves the group, on the same connection.
            if !is_lost && let Err(error) = tell(consumer, &partitions) {
                tracing::debug!(%error, "the group was not told how far quarantine is");
            }
            self.leases.set_held(&partitions, false);
            tracing::debug!(?partitions, is_lost, "leases given up");
            consumer.incremental_unassign(list)
        };
        if let Err(error) = result {
            tracing::error!(%error, "the leases do not follow the group");
        }
    }
}

/// Whether an error says that this user may not be in the group.
pub(super) fn is_forbidden(error: &KafkaError) -> bool {
    let code = match error {
        KafkaError::MessageConsumption(code)
        | KafkaError::MessageConsumptionFatal(code)
        | KafkaError::ConsumerCommit(code)
        | KafkaError::OffsetFetch(code) => code,
        _ => return false,
    };
    *code == RDKafkaErrorCode::GroupAuthorizationFailed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_holder_decides_and_only_what_its_follower_would_look_at() {
        let leases = Leases::new(2);
        assert!(!leases.may_decide(0, 10), "it is not held");
        leases.set_held(&[0], true);
        assert!(!leases.may_decide(0, 10), "it is not known how far quarantine is");
        assert_eq!((leases.held(), leases.take_reopened(0)), (vec![0], None));
        leases.set_told(0, None);
        leases.set_done(0, 0);
        assert!(leases.may_decide(0, 10), "whoever follows looks at everything");
        assert_eq!(leases.news(&[0, 1]), [(0, 0)]);
        leases.set_told(0, Some(11));
        leases.set_done(0, 11);
        assert!(!leases.may_decide(0, 10), "whoever follows would begin behind it");
        assert_eq!((leases.take_reopened(0), leases.take_reopened(0)), (Some(10), None));
        leases.set_done(0, 10);
        assert!(leases.is_told_too_much(0) && leases.news(&[0, 1]).is_empty());
        assert!(!leases.may_decide(0, 10), "the group does not know yet");
        leases.set_told(0, Some(10));
        assert!(leases.may_decide(0, 10) && !leases.is_told_too_much(0));
        leases.set_done(0, 12);
        assert_eq!(leases.news(&[0, 1]), [(0, 12)]);
        // What a verdict is about is looked for until it was seen.
        for offset in [7, 9] {
            leases.want(0, offset);
            leases.want(1, offset);
        }
        leases.seen(0, [3, 7]);
        assert!(leases.wanted(0).into_iter().eq([9]) && leases.wanted(1).is_empty());
        leases.set_held(&[0], false);
        assert!(!leases.may_decide(0, 10) && leases.held().is_empty());
        assert!(leases.wanted(0).is_empty(), "whoever follows finds out for itself");
        assert!(!leases.may_decide(2, 0), "there is no such partition");
    }
}
