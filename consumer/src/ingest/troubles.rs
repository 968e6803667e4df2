//! The troubles that partitions have now, of all topics that a node reads: said in the log and in
//! a metric when they begin and end, and shown to clients that ask whether the node is ready.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use laju_kafka::trouble::{Trouble, TroubleKind, TroubledPartition};

/// Where a trouble is: a partition has at most one of each kind.
type Place = (Arc<str>, u32, TroubleKind);

/// The troubles of the topics that a node reads. Clones share them.
#[derive(Clone, Debug, Default)]
pub struct Troubles(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    now: Mutex<BTreeMap<Place, Arc<TroubledPartition>>>,
    /// How many there are: asked for each record, where a lock would cost as much as decoding.
    count: AtomicUsize,
}

impl Troubles {
    /// Whether there are any.
    #[must_use]
    #[inline]
    pub fn any(&self) -> bool {
        self.0.count.load(Ordering::Acquire) > 0
    }

    /// A partition has a trouble. It is said once: the same one may be begun again and again, and
    /// one at another offset or for another reason takes the place of an earlier one of its kind.
    pub fn begin(&self, topic: &str, partition: u32, trouble: Trouble) {
        let mut now = self.lock();
        let place = (Arc::from(topic), partition, trouble.kind);
        if now.get(&place).is_some_and(|known| known.trouble == trouble) {
            return;
        }
        let Trouble { kind, offset, reason, cure } = &trouble;
        tracing::error!(
            topic,
            partition,
            offset,
            kind = kind.as_str(),
            reason,
            cure,
            "a partition stands still"
        );
        gauge(topic, partition, *kind, 1.0);
        let troubled = TroubledPartition { topic: Arc::clone(&place.0), partition, trouble };
        now.insert(place, Arc::new(troubled));
        self.0.count.store(now.len(), Ordering::Release);
    }

    /// A partition no longer has a trouble of this kind, if it had.
    pub fn end(&self, topic: &str, partition: u32, kind: TroubleKind) {
        self.end_where(|troubled| {
            (&*troubled.topic, troubled.partition, troubled.trouble.kind)
                == (topic, partition, kind)
        });
    }

    /// A partition's records before `next_offset` have been had: what stood in the way before it is
    /// over, of whatever kind that is of records.
    pub fn passed(&self, topic: &str, partition: u32, next_offset: i64) {
        self.end_where(|troubled| {
            &*troubled.topic == topic
                && troubled.partition == partition
                && troubled.trouble.kind.is_of_records()
                && troubled.trouble.offset < next_offset
        });
    }

    /// Nobody here reads the partition any more, so that its troubles are none of ours.
    pub fn forget(&self, topic: &str, partition: u32) {
        self.end_where(|troubled| &*troubled.topic == topic && troubled.partition == partition);
    }

    /// Those of a partition.
    #[must_use]
    pub fn of(&self, topic: &str, partition: u32) -> Vec<Arc<TroubledPartition>> {
        let mut all = self.all();
        all.retain(|troubled| &*troubled.topic == topic && troubled.partition == partition);
        all
    }

    /// All of them, by topic and partition.
    #[must_use]
    pub fn all(&self) -> Vec<Arc<TroubledPartition>> {
        if self.any() { self.lock().values().cloned().collect() } else { Vec::new() }
    }

    fn end_where(&self, is_over: impl Fn(&TroubledPartition) -> bool) {
        if !self.any() {
            return;
        }
        let mut now = self.lock();
        now.retain(|_, troubled| {
            if !is_over(troubled) {
                return true;
            }
            let TroubledPartition { topic, partition, trouble } = &**troubled;
            tracing::info!(
                topic = &**topic,
                partition,
                offset = trouble.offset,
                kind = trouble.kind.as_str(),
                "a partition's trouble is over"
            );
            gauge(topic, *partition, trouble.kind, 0.0);
            false
        });
        self.0.count.store(now.len(), Ordering::Release);
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<Place, Arc<TroubledPartition>>> {
        // Every change of the map is one call: it is whole after each.
        self.0.now.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn gauge(topic: &str, partition: u32, kind: TroubleKind, value: f64) {
    metrics::gauge!(
        "laju_partition_trouble",
        "topic" => topic.to_owned(),
        "partition" => partition.to_string(),
        "kind" => kind.as_str()
    )
    .set(value);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn trouble(kind: TroubleKind, offset: i64) -> Trouble {
        Trouble { kind, offset, reason: "torn".to_owned(), cure: "mend it".to_owned() }
    }

    #[test]
    fn a_trouble_lasts_until_its_offset_is_passed_or_its_kind_is_over() {
        let troubles = Troubles::default();
        assert!(!troubles.any() && troubles.all().is_empty());
        troubles.begin("t", 0, trouble(TroubleKind::Codec, 5));
        troubles.begin("t", 0, trouble(TroubleKind::Codec, 5));
        troubles.begin("t", 0, trouble(TroubleKind::SchemaNotFound, 7));
        troubles.begin("t", 1, trouble(TroubleKind::Codec, 5));
        troubles.begin("u", 0, trouble(TroubleKind::Codec, 5));
        assert_eq!(troubles.all().len(), 4);
        // What comes before it does not mend it.
        troubles.passed("t", 0, 5);
        assert_eq!(troubles.all().len(), 4);
        troubles.passed("t", 0, 6);
        assert_eq!(troubles.all().len(), 3);
        troubles.end("t", 0, TroubleKind::Codec);
        assert_eq!(troubles.all().len(), 3, "it has none of that kind any more");
        troubles.end("t", 0, TroubleKind::SchemaNotFound);
        troubles.forget("u", 0);
        let left = troubles.all();
        assert_eq!(left.len(), 1);
        assert_eq!(
            left[0].to_string(),
            "partition 1 of t cannot be read on from offset 5: torn; mend it"
        );
        troubles.forget("t", 1);
        assert!(!troubles.any());
        // What is no record's is not over because records come.
        troubles.begin("t", 0, trouble(TroubleKind::NotConfirmed, 5));
        troubles.passed("t", 0, 9);
        assert!(troubles.any());
        troubles.forget("t", 0);
        assert!(!troubles.any());
    }

    #[test]
    fn a_trouble_at_another_offset_takes_the_place_of_the_one_before() {
        let troubles = Troubles::default();
        troubles.begin("t", 0, trouble(TroubleKind::Codec, 5));
        troubles.begin("t", 0, trouble(TroubleKind::Codec, 9));
        assert_eq!(troubles.all().iter().map(|t| t.trouble.offset).collect::<Vec<_>>(), [9]);
    }
}
