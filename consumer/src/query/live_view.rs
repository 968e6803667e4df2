//! The state that questions are answered from as the worker keeps it up to date: swapped in by the
//! worker, read without a lock that ingest would have to wait for, but for citizens' facts
//! (`projection/shard.rs`).

use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};

use arc_swap::{ArcSwap, ArcSwapOption};
use laju_schemas::TimestampMs;
use laju_schemas::position::{LogDigest, Position};

use super::days::today;
use super::figures::sums::{RegionSums, Sums};
use super::figures::visits::VisitBook;
use super::kiosks::missing::{Gaps, KioskBook};
use super::readiness::{NotReady, NotReadyReason, PartitionReadiness, Readiness, behind, lacks};
use super::view::{ReferenceView, View};
use crate::domain::decisions::DecisionBook;
use crate::projection::shard::Shards;
use crate::projection::snapshot::{Snapshot, Statuses};

/// What a partition's broker had when it was asked is in what it says so much later: readers ask it
/// once in half a second, and it is noted once a second.
const HEARD_MS: i64 = 2_000;
/// Of a partition that is not read to its end, as where one waits for a schema, the end is not known.
const AT_ITS_END_MS: i64 = 3_000;
/// A new leader may not know for a while how far the one before it had got.
const STEADY_MS: i64 = 60_000;

/// The state as the worker keeps it up to date.
pub struct LiveView {
    /// The state of the partitions at their last commit.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// Denominators and targets.
    pub reference: ArcSwap<ReferenceView>,
    /// What kiosks say of themselves.
    pub statuses: ArcSwap<Statuses>,
    /// What was decided about quarantined records.
    pub decisions: Arc<ArcSwap<DecisionBook>>,
    /// Up to where the topic of statuses is in those: never further than they are.
    statuses_next: AtomicI64,
    readiness: ArcSwap<Readiness>,
    shards: ArcSwapOption<Shards>,
    fold_version: Arc<str>,
    /// Readers only: ingest never takes this lock.
    kept: Mutex<Kept>,
    /// The same, of questions about visits only.
    visits: Arc<VisitBook>,
}

/// What gaps were made of.
type GapsOf = (Arc<Snapshot>, Arc<Statuses>, Arc<DecisionBook>);

/// What is kept from one question to the next.
#[derive(Default)]
struct Kept {
    book: KioskBook,
    last: Option<(GapsOf, Arc<Gaps>)>,
    sums: Sums,
    summed: Option<(Arc<Snapshot>, RegionSums)>,
}

impl LiveView {
    /// Nothing yet, under the rules of a fold version.
    #[must_use]
    pub fn new(fold_version: &str) -> Self {
        Self {
            snapshot: Arc::default(),
            reference: ArcSwap::default(),
            statuses: ArcSwap::default(),
            decisions: Arc::default(),
            statuses_next: AtomicI64::new(0),
            readiness: ArcSwap::default(),
            shards: ArcSwapOption::empty(),
            fold_version: fold_version.into(),
            kept: Mutex::default(),
            visits: Arc::default(),
        }
    }

    /// Says where citizens' facts are.
    pub fn set_shards(&self, shards: Shards) {
        self.shards.store(Some(Arc::new(shards)));
    }

    /// Takes over what kiosks say of themselves, up to an offset of their topic.
    pub fn set_statuses(&self, statuses: Arc<Statuses>, next_offset: i64) {
        self.statuses.store(statuses);
        self.statuses_next.store(next_offset, Ordering::Release);
    }

    /// Up to where each topic is in at this moment; none before the cluster is known.
    #[must_use]
    pub fn position(&self) -> Option<Position> {
        let log = self.readiness.load().log?;
        let statuses = self.statuses_next.load(Ordering::Acquire);
        let (snapshot, reference) = (self.snapshot.load(), self.reference.load());
        Some(position(log, &snapshot, &reference, statuses, &self.decisions.load()))
    }

    /// Whether the node is there.
    #[must_use]
    pub fn reaches(&self, wanted: &Position) -> bool {
        let snapshot = self.snapshot.load();
        let is_there = |(partition, offset): (&u32, &i64)| {
            snapshot.partitions.get(partition).is_some_and(|view| view.next_offset >= *offset)
        };
        self.is_of(wanted.log)
            && wanted.events.iter().all(is_there)
            && self.reference.load().next_offset >= wanted.reference
            && self.statuses_next.load(Ordering::Acquire) >= wanted.statuses
            && self.decisions.load().next_offset() >= wanted.decisions
    }

    /// Whether a position is of this node's log.
    #[must_use]
    pub fn is_of(&self, log: LogDigest) -> bool {
        self.readiness.load().log == Some(log)
    }

    /// Whether a position that was asked for at a moment is behind what the log holds: no waiting
    /// leads there. Only what was heard of the log since then says so, and of a leader that was the
    /// same for long: whoever takes this for an answer forgets the position.
    #[must_use]
    pub fn is_beyond_the_end(&self, wanted: &Position, asked_at: TimestampMs) -> bool {
        let readiness = self.readiness.load();
        wanted.events.iter().any(|(partition, offset)| {
            let at = readiness.positions.get(partition);
            at.is_none_or(|at| {
                let is_heard = at.checked_at.0 >= asked_at.0.saturating_add(HEARD_MS);
                let steady = at.steady_since.map(|since| asked_at.0.saturating_sub(since.0));
                let is_known = is_heard && at.lag_ms < AT_ITS_END_MS;
                *offset > at.end_offset && is_known && steady.is_some_and(|ms| ms >= STEADY_MS)
            })
        })
    }

    /// How far this node is.
    #[must_use]
    pub fn readiness(&self) -> Arc<Readiness> {
        self.readiness.load_full()
    }

    /// Changes how far this node is. `change` may be called more than once, each time on the
    /// latest state, if another thread changes it at the same time.
    pub fn update_readiness(&self, mut change: impl FnMut(&mut Readiness)) {
        self.readiness.rcu(|before| {
            let mut after = Readiness::clone(before);
            change(&mut after);
            after
        });
    }

    /// What stands in the way of answering figures: nothing, if the node is ready.
    #[must_use]
    pub fn lacks(&self) -> Vec<NotReadyReason> {
        lacks(&self.readiness.load(), &self.snapshot.load())
    }

    /// What keeps this node from being ready: what it lacks, and being too far behind. It answers
    /// figures all the same then, with their age: it may be the only node there is.
    #[must_use]
    pub fn unready(&self) -> Vec<NotReadyReason> {
        let readiness = self.readiness.load();
        let mut lacks = lacks(&readiness, &self.snapshot.load());
        lacks.extend(behind(&readiness));
        lacks
    }

    /// The rules by which events are counted.
    #[must_use]
    pub fn fold_version(&self) -> &str {
        &self.fold_version
    }

    /// One moment's state, if there is enough of it to answer figures.
    ///
    /// # Errors
    /// Says what is not there yet.
    pub fn view(&self, now: TimestampMs) -> Result<View, NotReady> {
        let readiness = self.readiness.load_full();
        let mut kept = self.kept();
        let statuses_next = self.statuses_next.load(Ordering::Acquire);
        let of = (self.snapshot.load_full(), self.statuses.load_full(), self.decisions.load_full());
        let (snapshot, statuses, decisions) = of.clone();
        let lacks = lacks(&readiness, &snapshot);
        let Some(cluster_id) = readiness.cluster_id.clone().filter(|_| lacks.is_empty()) else {
            return Err(NotReady(lacks));
        };
        let reference = self.reference.load_full();
        let log = readiness.log.unwrap_or_default();
        let position = position(log, &snapshot, &reference, statuses_next, &decisions);
        let gaps = kept.gaps(of);
        let sums = kept.sums(&snapshot);
        self.visits.release(&snapshot);
        Ok(View {
            cluster_id,
            fold_version: Arc::clone(&self.fold_version),
            snapshot,
            reference,
            statuses,
            decisions,
            position,
            gaps,
            sums,
            visits: Arc::clone(&self.visits),
            shards: self.shards.load().as_deref().cloned(),
            now,
            today: today(now),
        })
    }

    /// How old the data of an answer is, in whole seconds: the age of the partition that is
    /// furthest behind. Of one that was at its end when last looked at, the time since that
    /// look; of one that was not, the time since its latest record in the answer was recorded.
    #[must_use]
    pub fn age_seconds(&self, view: &View, now: TimestampMs) -> u64 {
        // Before the snapshot: of what was looked at then it has everything.
        let readiness = self.readiness.load();
        let latest = self.snapshot.load();
        let ages = view.snapshot.partitions.values().map(|part| {
            let position = readiness.positions.get(&part.partition);
            // Behind the last record there may be nothing but the marks of a transaction.
            let is_latest =
                latest.partitions.get(&part.partition).is_some_and(|now| Arc::ptr_eq(now, part));
            let ends = |p: &&PartitionReadiness| {
                part.next_offset >= p.end_offset
                    || part.recorded_until.is_none()
                    || is_latest && p.next_offset >= p.end_offset
            };
            let at_its_end = position.filter(ends).map(|p| p.checked_at);
            let since = at_its_end.or(part.recorded_until).unwrap_or(now);
            u64::try_from(now.0.saturating_sub(since.0)).unwrap_or(0) / 1_000
        });
        ages.max().unwrap_or(0)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(|poisoned| {
            // A question failed half-way through: what it left is rebuilt.
            self.kept.clear_poison();
            let mut kept = poisoned.into_inner();
            *kept = Kept::default();
            kept
        })
    }
}

impl Kept {
    fn sums(&mut self, snapshot: &Arc<Snapshot>) -> RegionSums {
        if let Some((of_snapshot, sums)) = &self.summed
            && Arc::ptr_eq(of_snapshot, snapshot)
        {
            return sums.clone();
        }
        let sums = self.sums.of(snapshot);
        self.summed = Some((Arc::clone(snapshot), sums.clone()));
        sums
    }

    fn gaps(&mut self, of: GapsOf) -> Arc<Gaps> {
        if let Some((made_of, gaps)) = &self.last
            && Arc::ptr_eq(&made_of.0, &of.0)
            && Arc::ptr_eq(&made_of.1, &of.1)
            && Arc::ptr_eq(&made_of.2, &of.2)
        {
            return Arc::clone(gaps);
        }
        let gaps = Arc::new(self.book.gaps(&of.0, &of.1, &of.2));
        self.last = Some((of, Arc::clone(&gaps)));
        gaps
    }
}

fn position(
    log: LogDigest,
    snapshot: &Snapshot,
    reference: &ReferenceView,
    statuses: i64,
    decisions: &DecisionBook,
) -> Position {
    let events = snapshot.partitions.iter().map(|(number, view)| (*number, view.next_offset));
    Position {
        log,
        events: events.collect(),
        reference: reference.next_offset,
        statuses,
        decisions: decisions.next_offset(),
        figures: 0,
    }
}
