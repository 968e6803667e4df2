//! Whether there is enough of the state to answer at all.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use laju_kafka::trouble::{TroubleKind, TroubledPartition};
use laju_schemas::TimestampMs;
use laju_schemas::position::LogDigest;
use thiserror::Error;

use crate::projection::snapshot::Snapshot;

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

/// The partition that is too far behind, if one is.
pub(super) fn behind(readiness: &Readiness) -> Option<NotReadyReason> {
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

/// What stands in the way of answering figures.
pub(super) fn lacks(readiness: &Readiness, snapshot: &Snapshot) -> Vec<NotReadyReason> {
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
