//! How far the worker is, for readiness, metrics and people: plain numbers that anyone may read
//! at any time.

use std::sync::atomic::{AtomicBool, AtomicI64, AtomicU64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use super::troubles::Troubles;
use laju_kafka::trouble::{Trouble, TroubleKind};

/// What is not known.
const UNKNOWN: i64 = -1;

/// One partition's progress.
#[derive(Debug)]
pub struct PartitionProgress {
    caught_up: AtomicBool,
    next_offset: AtomicI64,
    end_offset: AtomicI64,
    stable_end: AtomicI64,
    /// The end when it was asked for at the start.
    first_end: AtomicI64,
    /// When its leader was last heard of, in milliseconds since 1970.
    heard_ms: AtomicI64,
    /// Whom it is read from, when that was last known, and since when it is known without a gap, in
    /// milliseconds since 1970.
    source: AtomicI64,
    source_seen_ms: AtomicI64,
    steady_since_ms: AtomicI64,
    begin_offset: AtomicI64,
    /// When it was last said that the beginning is being deleted, in milliseconds since 1970.
    begin_said_ms: AtomicI64,
}

/// How long nothing may be known of whom a partition is read from: it is looked at once a second.
const LONGEST_GAP_MS: i64 = 2_500;
/// How often it is said that a partition's beginning is being deleted, while it goes on.
const SAY_EVERY_MS: i64 = 60_000;

impl PartitionProgress {
    fn new() -> Self {
        Self {
            caught_up: AtomicBool::new(false),
            next_offset: AtomicI64::new(0),
            end_offset: AtomicI64::new(UNKNOWN),
            stable_end: AtomicI64::new(UNKNOWN),
            first_end: AtomicI64::new(UNKNOWN),
            heard_ms: AtomicI64::new(UNKNOWN),
            source: AtomicI64::new(UNKNOWN),
            source_seen_ms: AtomicI64::new(UNKNOWN),
            steady_since_ms: AtomicI64::new(UNKNOWN),
            begin_offset: AtomicI64::new(UNKNOWN),
            begin_said_ms: AtomicI64::new(i64::MIN),
        }
    }

    /// Whether the partition has been folded to its end once since the start.
    #[must_use]
    pub fn caught_up(&self) -> bool {
        self.caught_up.load(Ordering::Acquire)
    }

    /// The next offset to be folded: all before it are committed. At the end of the partition
    /// it is the end, transaction markers included.
    #[must_use]
    pub fn next_offset(&self) -> i64 {
        self.next_offset.load(Ordering::Acquire)
    }

    /// The partition's end, once known.
    #[must_use]
    pub fn end_offset(&self) -> Option<i64> {
        Some(self.end_offset.load(Ordering::Acquire)).filter(|end| *end >= 0)
    }

    /// The partition's end without what belongs to transactions that are still open, as the client
    /// last saw it.
    #[must_use]
    pub fn stable_end(&self) -> Option<i64> {
        Some(self.stable_end.load(Ordering::Acquire)).filter(|end| *end >= 0)
    }

    /// Events not folded yet, as far as the end is known.
    #[must_use]
    pub fn lag(&self) -> u64 {
        let lag = self.end_offset().unwrap_or(0) - self.next_offset();
        u64::try_from(lag).unwrap_or(0)
    }

    /// When the broker that leads it was last heard of, in milliseconds since 1970: its end is known
    /// as it was then.
    #[must_use]
    pub fn heard_ms(&self) -> Option<i64> {
        Some(self.heard_ms.load(Ordering::Acquire)).filter(|heard| *heard >= 0)
    }

    /// Since when it is read from one broker without a gap, in milliseconds since 1970. A new leader
    /// may not know yet how far the one before it had got.
    #[must_use]
    pub fn steady_since_ms(&self) -> Option<i64> {
        Some(self.steady_since_ms.load(Ordering::Acquire)).filter(|since| *since >= 0)
    }

    /// Takes note of the broker that it is read from at a moment, and of who leads it then; none while
    /// it is read from nobody.
    pub(super) fn reads_from(&self, source: Option<(i32, i32)>, now_ms: i64) {
        let number = |(broker, leader): (i32, i32)| i64::from(broker) << 32 | i64::from(leader);
        let source = source.map_or(UNKNOWN, number);
        let before = self.source.swap(source, Ordering::AcqRel);
        let seen = self.source_seen_ms.swap(now_ms, Ordering::AcqRel);
        if source == UNKNOWN {
            self.steady_since_ms.store(UNKNOWN, Ordering::Release);
        } else if source != before || now_ms - seen > LONGEST_GAP_MS {
            self.steady_since_ms.store(now_ms, Ordering::Release);
        }
    }

    /// The partition's end when it was asked for at the start, once it was.
    #[must_use]
    pub fn first_end(&self) -> Option<i64> {
        Some(self.first_end.load(Ordering::Acquire)).filter(|end| *end >= 0)
    }

    /// The first offset that the partition still has, once known: 0 unless its beginning was
    /// deleted.
    #[must_use]
    pub fn begin_offset(&self) -> Option<i64> {
        Some(self.begin_offset.load(Ordering::Acquire)).filter(|begin| *begin >= 0)
    }

    /// Where the partition begins. Gives that back if it is to be said that its beginning is being
    /// deleted: when it was first seen, and then once a minute while it goes on.
    pub(super) fn saw_begin(&self, begin: i64, now_ms: i64) -> Option<i64> {
        let before = self.begin_offset.fetch_max(begin, Ordering::AcqRel);
        let said = self.begin_said_ms.load(Ordering::Acquire);
        let is_due = now_ms.saturating_sub(said) >= SAY_EVERY_MS;
        let is_said = begin > 0 && begin > before && (before <= 0 || is_due);
        if is_said {
            self.begin_said_ms.store(now_ms, Ordering::Release);
        }
        is_said.then_some(begin)
    }

    pub(super) fn committed(&self, next_offset: i64) {
        self.next_offset.fetch_max(next_offset, Ordering::AcqRel);
        // Under a steady stream the very end may never be met.
        let first_end = self.first_end.load(Ordering::Acquire);
        if first_end >= 0 && next_offset >= first_end {
            self.caught_up.store(true, Ordering::Release);
        }
    }

    /// The partition is folded again from its beginning, and catches up with where it ends now.
    pub(super) fn begins_again(&self) {
        let end = self.end_offset.load(Ordering::Acquire).max(self.next_offset());
        self.first_end.fetch_max(end, Ordering::AcqRel);
        self.caught_up.store(false, Ordering::Release);
        self.next_offset.store(0, Ordering::Release);
    }

    /// The end was reached.
    pub(super) fn reached_end(&self, end: i64) {
        self.next_offset.fetch_max(end, Ordering::AcqRel);
        self.end_offset.fetch_max(end, Ordering::AcqRel);
        self.caught_up.store(true, Ordering::Release);
    }

    /// The end as it was asked for at the start.
    pub(super) fn asked_end(&self, end: i64) {
        self.end_offset.fetch_max(end, Ordering::AcqRel);
        self.first_end.store(end, Ordering::Release);
        self.heard(now_ms());
    }

    pub(super) fn heard(&self, at_ms: i64) {
        self.heard_ms.store(at_ms, Ordering::Release);
    }

    pub(super) fn saw_stable_end(&self, end: i64) {
        self.stable_end.store(end, Ordering::Release);
    }

    pub(super) fn saw_end(&self, end: i64) {
        if end >= 0 {
            self.end_offset.store(end, Ordering::Release);
        }
    }
}

/// A worker's progress.
#[derive(Debug)]
pub struct Progress {
    /// By partition number.
    pub partitions: Vec<PartitionProgress>,
    /// The troubles of the partitions, and of those of the other topics that a node reads and
    /// answers figures with.
    pub troubles: Troubles,
    topic: String,
    loaded: AtomicBool,
    chunks: AtomicU64,
    chunks_loaded: AtomicU64,
    folded: AtomicU64,
}

impl Progress {
    /// Of a worker of a topic (by its full name) with so many partitions.
    #[must_use]
    pub fn new(topic: &str, partitions: u32) -> Self {
        Self {
            partitions: (0..partitions).map(|_| PartitionProgress::new()).collect(),
            troubles: Troubles::default(),
            topic: topic.to_owned(),
            loaded: AtomicBool::new(false),
            chunks: AtomicU64::new(0),
            chunks_loaded: AtomicU64::new(0),
            folded: AtomicU64::new(0),
        }
    }

    /// Whether the store has been loaded.
    #[must_use]
    pub fn loaded(&self) -> bool {
        self.loaded.load(Ordering::Acquire)
    }

    /// How many of the store's chunks have been loaded, and how many there are.
    #[must_use]
    pub fn loading(&self) -> (u64, u64) {
        (self.chunks_loaded.load(Ordering::Relaxed), self.chunks.load(Ordering::Relaxed))
    }

    /// Records folded and committed since the start.
    #[must_use]
    pub fn folded(&self) -> u64 {
        self.folded.load(Ordering::Relaxed)
    }

    /// Whether every partition has been folded to its end once since the start.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.loaded() && self.partitions.iter().all(PartitionProgress::caught_up)
    }

    /// Events not folded yet.
    #[must_use]
    pub fn lag(&self) -> u64 {
        self.partitions.iter().map(PartitionProgress::lag).sum()
    }

    /// A partition of the events topic stands still: see [`Troubles::begin`].
    pub fn begin_trouble(&self, partition: u32, trouble: Trouble) {
        self.troubles.begin(&self.topic, partition, trouble);
    }

    /// Every partition of the events topic stands still where it is folded up to.
    pub(super) fn begin_trouble_everywhere(&self, kind: TroubleKind, reason: &str, cure: &str) {
        for (number, partition) in (0..).zip(&self.partitions) {
            let (reason, cure) = (reason.to_owned(), cure.to_owned());
            let offset = partition.next_offset();
            self.begin_trouble(number, Trouble { kind, offset, reason, cure });
        }
    }

    /// A partition of the events topic no longer has a trouble of this kind, if it had.
    pub fn end_trouble(&self, partition: u32, kind: TroubleKind) {
        self.troubles.end(&self.topic, partition, kind);
    }

    /// The records of a partition before this offset were taken from Kafka.
    #[inline]
    pub(super) fn passed(&self, partition: u32, next_offset: i64) {
        if self.troubles.any() {
            self.troubles.passed(&self.topic, partition, next_offset);
        }
    }

    pub(super) fn set_chunks(&self, chunks: u64) {
        self.chunks.store(chunks, Ordering::Relaxed);
    }

    pub(super) fn chunk_loaded(&self, chunks: u64) {
        self.chunks_loaded.fetch_add(chunks, Ordering::Relaxed);
    }

    pub(super) fn set_loaded(&self) {
        self.loaded.store(true, Ordering::Release);
    }

    pub(super) fn add_folded(&self, records: u64) {
        self.folded.fetch_add(records, Ordering::Relaxed);
    }
}

/// The clock: milliseconds since 1970. For progress and metrics; no figure depends on it.
#[must_use]
pub fn now_ms() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn that_a_beginning_is_being_deleted_is_said_at_first_and_then_once_a_minute() {
        let partition = PartitionProgress::new();
        assert_eq!(partition.saw_begin(-1001, 0), None);
        assert_eq!((partition.saw_begin(0, 0), partition.begin_offset()), (None, Some(0)));
        assert_eq!(partition.saw_begin(7, 1_000), Some(7));
        assert_eq!(partition.saw_begin(7, 90_000), None, "nothing more was deleted");
        assert_eq!(partition.saw_begin(9, 2_000), None);
        assert_eq!(partition.saw_begin(12, 61_000), Some(12));
        assert_eq!(partition.begin_offset(), Some(12));
    }

    #[test]
    fn a_partition_is_steady_while_one_broker_is_heard_without_a_gap() {
        let partition = PartitionProgress::new();
        let after = |broker, now_ms| {
            partition.reads_from(broker, now_ms);
            partition.steady_since_ms()
        };
        assert_eq!(after(None, 0), None);
        assert_eq!(after(Some((1, 1)), 1_000), Some(1_000));
        assert_eq!(after(Some((1, 1)), 2_100), Some(1_000));
        assert_eq!(after(Some((1, 2)), 3_000), Some(3_000), "another leader");
        assert_eq!(after(Some((1, 2)), 4_000), Some(3_000));
        assert_eq!(after(Some((1, 2)), 6_600), Some(6_600), "nobody looked meanwhile");
        assert_eq!(after(None, 7_000), None);
        assert_eq!(after(Some((1, 2)), 8_000), Some(8_000));
    }

    #[test]
    fn a_partition_that_has_caught_up_once_stays_so() {
        let partition = PartitionProgress::new();
        partition.asked_end(10);
        partition.committed(5);
        // The end moves on while the partition catches up: the first one is what counts.
        partition.saw_end(30);
        partition.committed(9);
        assert!(!partition.caught_up());
        partition.committed(10);
        assert!(partition.caught_up());
        partition.saw_end(90);
        partition.committed(11);
        assert!(partition.caught_up() && partition.lag() == 79);
    }
}
