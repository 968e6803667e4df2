//! Has readiness and gauges follow what the worker has done.

use std::collections::BTreeMap;
use std::io;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use laju_schemas::TimestampMs;
use metrics_exporter_prometheus::PrometheusHandle;

use super::metrics::Gauges;
use super::topics::{Topics, spawn};
use crate::ingest::lag::Lag;
use crate::ingest::progress::{PartitionProgress, Progress, now_ms};
use crate::ingest::troubles::Troubles;
use crate::ingest::verdicts::Decided;
use crate::query::readiness::{PartitionReadiness, Readiness};

/// How often readiness and gauges follow what the worker has done.
const OBSERVE_EVERY: Duration = Duration::from_millis(25);
/// What a node does before anything else.
pub(super) const LOADING: &str = "loading the store";

/// Observes a node until it stops. Figures are answered without the topics beside.
pub(super) fn observe(
    topics: Topics,
    decided: Decided,
    beside: Troubles,
    metrics: PrometheusHandle,
) -> io::Result<JoinHandle<()>> {
    spawn("laju-observe", move || {
        let mut gauges = Gauges::default();
        let mut lags = Lags::default();
        let (live, progress) = (&topics.live, &topics.progress);
        while !topics.stop.is_stopped() {
            let positions = lags.positions(progress);
            live.update_readiness(|readiness| {
                note(readiness, &topics, &decided);
                readiness.positions.clone_from(&positions);
                readiness.troubles = progress.troubles.all();
                readiness.troubles_beside = beside.all();
            });
            gauges.update(live, progress, &metrics);
            std::thread::sleep(OBSERVE_EVERY);
        }
    })
}

/// Notes which of the topics that every node reads have been read, and how far the worker is.
fn note(readiness: &mut Readiness, topics: &Topics, decided: &Decided) {
    readiness.reference_read = topics.reference_read.load(Ordering::Acquire);
    readiness.status_read = topics.statuses_read.load(Ordering::Acquire);
    readiness.decisions_read = decided.is_read();
    let are_read = readiness.reference_read && readiness.status_read && readiness.decisions_read;
    let phase = match () {
        () if !topics.progress.loaded() => LOADING,
        () if are_read && topics.progress.is_complete() => "live",
        () => "catching up",
    };
    if readiness.phase != phase {
        phase.clone_into(&mut readiness.phase);
    }
}

/// How far every partition is, and for how long it has been behind.
#[derive(Default)]
struct Lags(Vec<Lag>);

impl Lags {
    /// Empty until the store is loaded.
    fn positions(&mut self, progress: &Progress) -> BTreeMap<u32, PartitionReadiness> {
        if !progress.loaded() {
            return BTreeMap::new();
        }
        self.0.resize_with(progress.partitions.len(), Lag::default);
        let now = now_ms();
        let of = |(partition, lag): (&PartitionProgress, &mut Lag)| {
            let next_offset = partition.next_offset();
            let end_offset = partition.end_offset().unwrap_or(next_offset).max(next_offset);
            let heard = partition.heard_ms();
            // Behind a transaction that is open nothing can be read, by nobody.
            let readable = partition.stable_end().map_or(end_offset, |end| end.min(end_offset));
            let lag_ms = lag.look(now, next_offset, readable, heard);
            PartitionReadiness {
                next_offset,
                end_offset,
                first_end: partition.first_end().unwrap_or(end_offset),
                caught_up: partition.caught_up(),
                checked_at: TimestampMs(heard.unwrap_or(now - lag_ms)),
                lag_ms,
                steady_since: partition.steady_since_ms().map(TimestampMs),
            }
        };
        (0..).zip(progress.partitions.iter().zip(&mut self.0).map(of)).collect()
    }
}
