//! The state that questions are answered from: swapped in by the worker, read without a lock that
//! ingest would have to wait for, but for citizens' facts (`projection/shard.rs`); and whether there is enough of it to answer at all.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption};
use jiff::civil::Date;
use laju_kafka::trouble::{TroubleKind, TroubledPartition};
use laju_schemas::TimestampMs;
use laju_schemas::position::{LogDigest, Position};
use thiserror::Error;

use super::days::{Horizon, today};
use crate::domain::day::Day;
use crate::domain::decisions::DecisionBook;
use crate::domain::reference::ReferenceBook;
use crate::projection::shard::Shards;
use crate::projection::snapshot::{Snapshot, Statuses};
use crate::query::answer::{Evidence, PartitionEvidence};
use crate::query::figures::sums::{RegionSums, Sums};
use crate::query::kiosks::missing::{Gaps, KioskBook};

/// The reference figures read so far.
#[derive(Clone, Debug, Default)]
pub struct ReferenceView {
    /// The figures.
    pub book: ReferenceBook,
    /// The next offset of the reference topic to be read.
    pub next_offset: i64,
}

/// How far a partition is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct PartitionReadiness {
    /// The offset after the last record in the snapshot.
    pub next_offset: i64,
    /// The partition's end when it was last looked at.
    pub end_offset: i64,
    /// Its end when it was looked at for the first time since the start.
    pub first_end: i64,
    /// Whether that first end has been reached. Stays true.
    pub caught_up: bool,
    /// When it was last looked at, by the program's clock.
    pub checked_at: TimestampMs,
    /// For how long the first record behind `next_offset` has been there, as far as this node knows,
    /// or for how long it has known nothing of the partition: in milliseconds.
    pub lag_ms: i64,
    /// Since when it is read from one broker without a gap; none while it is not.
    pub steady_since: Option<TimestampMs>,
}

/// How far a node is on its way to answering.
#[derive(Clone, Debug, Default)]
pub struct Readiness {
    /// What it is doing, in words for people: `loading the store`, `catching up`, `live`.
    pub phase: String,
    /// The cluster, once it is connected.
    pub cluster_id: Option<Arc<str>>,
    /// The events topic's full name, once it is connected.
    pub topic: Option<Arc<str>>,
    /// That topic's own id, once it is connected; none if its brokers have none.
    pub topic_id: Option<Arc<str>>,
    /// How many partitions the events topic has, once that is known.
    pub partitions: Option<u32>,
    /// How far each partition is, once the store is loaded.
    pub positions: BTreeMap<u32, PartitionReadiness>,
    /// Which log it is, once it is connected.
    pub log: Option<LogDigest>,
    /// How far behind the node may be and still be sent questions; without it, as far as it likes.
    pub max_lag: Option<Duration>,
    /// Whether the reference topic was read to the end seen at start.
    pub reference_read: bool,
    /// Whether the kiosk status topic was read to the end seen at start.
    pub status_read: bool,
    /// Whether the topic of decisions about quarantined records was read to the end seen at start,
    /// or is not there.
    pub decisions_read: bool,
    /// Partitions that stand still, of the topics that figures are made of.
    pub troubles: Vec<Arc<TroubledPartition>>,
    /// Partitions that stand still, of topics that figures are answered without.
    pub troubles_beside: Vec<Arc<TroubledPartition>>,
}

/// What a partition's broker had when it was asked is in what it says so much later: readers ask it
/// once in half a second, and it is noted once a second.
const HEARD_MS: i64 = 2_000;
/// Of a partition that is not read to its end, as where one waits for a schema, the end is not known.
const AT_ITS_END_MS: i64 = 3_000;
/// A new leader may not know for a while how far the one before it had got.
const STEADY_MS: i64 = 60_000;

/// Something without which no figure is answered, or which keeps others from being sent here.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum NotReadyReason {
    /// No word from the brokers yet.
    #[error("this node has not reached Kafka yet")]
    Cluster,
    /// The store is still being loaded.
    #[error("the store is being loaded: {loaded} of {total} partitions of the events topic")]
    Partitions {
        /// How many are loaded.
        loaded: usize,
        /// How many there are.
        total: u32,
    },
    /// The end seen at start is not reached.
    #[error("{partitions} partitions are still catching up, {events} events to go")]
    CatchingUp {
        /// How many are behind.
        partitions: usize,
        /// By how many events.
        events: u64,
    },
    /// It answers, but from what was a while ago: another node may know better.
    #[error(
        "partition {partition} is {seconds} s behind its end, more than --max-lag allows ({max_seconds} s)"
    )]
    Behind {
        /// The partition that is furthest behind.
        partition: u32,
        /// By how much.
        seconds: u64,
        /// By how much it may be.
        max_seconds: u64,
    },
    /// Denominators and targets are not all there.
    #[error("the reference topic has not been read to the end seen at start")]
    Reference,
    /// Announced sequences are not all there.
    #[error("the kiosk status topic has not been read to the end seen at start")]
    Status,
    /// It is not known which quarantined records were released or discarded.
    #[error("the quarantine decisions have not been read to the end seen at start")]
    Decisions,
    /// A partition stands still, and time alone does not mend it.
    #[error("{0}")]
    Trouble(Arc<TroubledPartition>),
}

/// Why no figure can be answered now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NotReady(pub Vec<NotReadyReason>);

impl std::fmt::Display for NotReady {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let lacks: Vec<_> = self.0.iter().map(ToString::to_string).collect();
        f.write_str(&lacks.join("; "))
    }
}

impl std::error::Error for NotReady {}

/// One moment's state: what one question is answered from.
#[derive(Clone)]
pub struct View {
    /// The cluster that the figures come from.
    pub cluster_id: Arc<str>,
    /// The rules by which events were counted.
    pub fold_version: Arc<str>,
    /// The ledger and all that goes with it.
    pub snapshot: Arc<Snapshot>,
    /// Denominators and targets.
    pub reference: Arc<ReferenceView>,
    /// What kiosks say of themselves.
    pub statuses: Arc<Statuses>,
    /// What was decided about quarantined records.
    pub decisions: Arc<DecisionBook>,
    /// Up to where each topic is in it.
    pub position: Position,
    /// What is missing.
    pub gaps: Arc<Gaps>,
    /// Every region's sums of all postings.
    pub sums: RegionSums,
    /// Where citizens' facts are, once there is a worker.
    pub shards: Option<Shards>,
    /// The moment of the answer.
    pub now: TimestampMs,
    /// Today, in the programme's zone.
    pub today: Date,
}

impl View {
    /// A state that no worker keeps up to date, as of a day: nothing is known of kiosks' own words
    /// or of decisions, and nobody has subjects' facts.
    #[must_use]
    pub fn alone(
        cluster_id: &str,
        fold_version: &str,
        snapshot: Snapshot,
        reference: ReferenceView,
        today: Date,
    ) -> Self {
        let snapshot = Arc::new(snapshot);
        let (statuses, decisions) = (Statuses::new(), DecisionBook::default());
        Self {
            cluster_id: cluster_id.into(),
            fold_version: fold_version.into(),
            reference: Arc::new(reference),
            gaps: Arc::new(KioskBook::default().gaps(&snapshot, &statuses, &decisions)),
            sums: RegionSums::of(&snapshot),
            statuses: Arc::new(statuses),
            decisions: Arc::new(decisions),
            position: Position::default(),
            snapshot,
            shards: None,
            now: TimestampMs(0),
            today,
        }
    }

    /// Up to where this state goes beyond today.
    #[must_use]
    pub fn horizon(&self) -> Horizon {
        let recorded = self.snapshot.partitions.values().filter_map(|view| view.recorded_until);
        let recorded = recorded.map(|until| Day::recorded(until.0));
        let known = recorded.chain([self.reference.book.recorded()]).max().map(Day::date);
        let today = self.today;
        let known = known.map_or(today, |day| day.max(today));
        let ahead = self.sums.latest().is_some_and(|day| day.date() > today);
        Horizon { today, known, ahead }
    }

    /// What answers from this state rest on.
    #[must_use]
    pub fn evidence(&self) -> Evidence {
        let partitions = self.snapshot.partitions.values().map(|view| PartitionEvidence {
            partition: view.partition,
            next_offset: view.next_offset,
            recorded_until: view.recorded_until,
        });
        Evidence {
            cluster_id: self.cluster_id.to_string(),
            partitions: partitions.collect(),
            reference_next_offset: self.reference.next_offset,
            fold_version: self.fold_version.to_string(),
        }
    }
}

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

fn behind(readiness: &Readiness) -> Option<NotReadyReason> {
    let max_lag = readiness.max_lag?;
    let (partition, position) = readiness.positions.iter().max_by_key(|(_, at)| at.lag_ms)?;
    let lag = Duration::from_millis(u64::try_from(position.lag_ms).unwrap_or(0));
    (position.caught_up && lag > max_lag).then_some(NotReadyReason::Behind {
        partition: *partition,
        seconds: lag.as_secs(),
        max_seconds: max_lag.as_secs(),
    })
}

/// What is committed stands while brokers do not say that the log is still the same, and while an event's
/// schema is waited for. All nodes wait for both at once: whenever a broker dies, and whenever anybody
/// writes an id that the registry does not have. How long it lasts is the lag's to say, which the other
/// topics have none of.
fn keeps_from_answering(troubled: &TroubledPartition, events: Option<&str>) -> bool {
    match troubled.trouble.kind {
        TroubleKind::NotConfirmed => false,
        TroubleKind::SchemaNotFound | TroubleKind::RegistryUnreachable => {
            events != Some(&*troubled.topic)
        }
        _ => true,
    }
}

fn lacks(readiness: &Readiness, snapshot: &Snapshot) -> Vec<NotReadyReason> {
    let mut lacks = Vec::new();
    match readiness.partitions.filter(|_| readiness.cluster_id.is_some()) {
        None => lacks.push(NotReadyReason::Cluster),
        Some(total) => {
            let is_there = |partition: &u32| {
                readiness.positions.contains_key(partition)
                    && snapshot.partitions.contains_key(partition)
            };
            let loaded = (0..total).filter(is_there).count();
            if loaded < total as usize {
                lacks.push(NotReadyReason::Partitions { loaded, total });
            }
        }
    }
    let behind = readiness.positions.values().filter(|position| !position.caught_up);
    let (mut partitions, mut events) = (0, 0);
    for position in behind {
        partitions += 1;
        events += u64::try_from(position.first_end - position.next_offset).unwrap_or(0);
    }
    if partitions > 0 {
        lacks.push(NotReadyReason::CatchingUp { partitions, events });
    }
    if !readiness.reference_read {
        lacks.push(NotReadyReason::Reference);
    }
    if !readiness.status_read {
        lacks.push(NotReadyReason::Status);
    }
    if !readiness.decisions_read {
        lacks.push(NotReadyReason::Decisions);
    }
    let events = readiness.topic.as_deref();
    let troubles = readiness.troubles.iter().filter(|of| keeps_from_answering(of, events));
    lacks.extend(troubles.cloned().map(NotReadyReason::Trouble));
    lacks
}
