//! What a node tells Prometheus of: the recorder, and the gauges that follow its state.

use std::collections::{BTreeMap, HashSet};
use std::sync::{Arc, OnceLock};
use std::time::{Duration, Instant};

use laju_schemas::TimestampMs;
use laju_schemas::quarantine::Reason;
use metrics_exporter_prometheus::{BuildError, Matcher, PrometheusBuilder, PrometheusHandle};

use crate::domain::fold::Tallies;
use crate::ingest::progress::{Progress, now_ms};
use crate::projection::snapshot::Snapshot;
use crate::query::live_view::LiveView;
use crate::query::recorded_ahead::{RecordedAhead, recorded_ahead};

/// The recorder of metrics is one for the process, whoever comes first.
pub(super) fn handle() -> Result<PrometheusHandle, BuildError> {
    static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let buckets = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];
    let times = ["laju_commit_seconds", "laju_confirm_seconds"].map(str::to_owned);
    let builder = times
        .into_iter()
        .map(Matcher::Full)
        .try_fold(PrometheusBuilder::new(), |builder, name| {
            builder.set_buckets_for_metric(name, &buckets)
        })?;
    let handle = builder.install_recorder()?;
    describe();
    Ok(HANDLE.get_or_init(|| handle).clone())
}

fn describe() {
    use metrics::{describe_counter as counter, describe_gauge as gauge, describe_histogram};
    counter!("laju_records_folded_total", "Records folded and committed since the start.");
    counter!("laju_quarantined_total", "Records quarantined since the start, by reason.");
    counter!("laju_http_refused_total", "Requests refused before they were looked at, by status.");
    gauge!("laju_lag_events", "Events of a partition that are not folded yet.");
    gauge!(
        "laju_lag_seconds",
        "For how long the first record of a partition that is not folded has been there, or its \
         broker has said nothing."
    );
    gauge!(
        "laju_log_begin_offset",
        "First offset that a partition of the log still has; above 0 its beginning was deleted."
    );
    gauge!(
        "laju_recorded_ahead_seconds",
        "How far ahead of this node's clock a partition's time of recording is, if more than a day."
    );
    gauge!("laju_fold_rate", "Records folded a second, over the last second.");
    gauge!("laju_events", "Events in the store, by what became of them.");
    gauge!("laju_quarantined_events", "Records in the store's quarantine tally, by reason.");
    gauge!(
        "laju_quarantined_open_events",
        "Quarantined records that are neither discarded nor released and counted again."
    );
    gauge!("laju_leases", "Partitions whose refused records this node is to put into quarantine.");
    gauge!("laju_subjects", "Subjects in the store.");
    gauge!("laju_stream_readers", "Readers that follow the live stream.");
    gauge!("laju_ready", "1 if figures are answered and are those of now.");
    gauge!(
        "laju_partition_trouble",
        "1 while a partition stands still for a reason that time alone does not mend, by its kind."
    );
    gauge!(
        "laju_kiosk_conflicts",
        "Events that bear a sequence which another event of the same kiosk bears."
    );
    gauge!(
        "laju_kiosks_with_another_key",
        "Kiosks that make their pseudonyms with another key than most."
    );
    describe_histogram!("laju_commit_seconds", "Time of a commit to the store.");
    describe_histogram!(
        "laju_confirm_seconds",
        "Time in which the brokers say that the log is the same, before a commit."
    );
    describe_histogram!("laju_commit_records", "Records in a commit.");
}

/// Gauges that are set once a second.
pub(super) struct Gauges {
    at: Instant,
    folded: u64,
    /// The records stamped far in the future that were warned of.
    ahead: HashSet<(u32, Option<i64>)>,
    /// The kiosks that were warned of.
    conflicting: HashSet<Arc<str>>,
}

impl Default for Gauges {
    fn default() -> Self {
        Self { at: Instant::now(), folded: 0, ahead: HashSet::new(), conflicting: HashSet::new() }
    }
}

impl Gauges {
    /// Says of each partition, once, that a record of it was stamped far in the future.
    fn tell_ahead(&mut self, snapshot: &Snapshot, now: TimestampMs) {
        let ahead = recorded_ahead(snapshot, now);
        for partition in snapshot.partitions.keys() {
            let by = ahead.iter().find(|ahead| ahead.partition == *partition);
            let seconds = by.map_or(0, |ahead| ahead.recorded_until.0 - now.0) as f64 / 1_000.0;
            metrics::gauge!("laju_recorded_ahead_seconds", "partition" => partition.to_string())
                .set(seconds);
        }
        for RecordedAhead { partition, offset, recorded_until } in ahead {
            if self.ahead.insert((partition, offset)) {
                tracing::warn!(
                    partition,
                    offset,
                    timestamp = %recorded_until,
                    "a record is stamped far in the future: what comes after it in its partition \
                     counts as recorded no earlier, so that known_at of today leaves it out. Set \
                     the clock of the broker right (or of the kiosk, where the topic has \
                     CreateTime); what is recorded stays"
                );
            }
        }
    }

    /// Kiosks whose ids are in use twice, and what is undecided in quarantine, while figures are answered.
    fn tell_conflicts(&mut self, live: &LiveView) {
        let Ok(view) = live.view(TimestampMs(now_ms())) else { return };
        let mut events = 0;
        for kiosk in view.gaps.kiosks.iter().filter(|kiosk| kiosk.conflicts > 0) {
            events += kiosk.conflicts;
            if self.conflicting.insert(Arc::clone(&kiosk.id)) {
                tracing::warn!(
                    kiosk = &*kiosk.id,
                    events = kiosk.conflicts,
                    "events of this kiosk bear sequences that other events of it bear: two devices \
                     have its id? All are counted; /v1/kiosks/{{id}} names the sequences"
                );
            }
        }
        metrics::gauge!("laju_kiosk_conflicts").set(events as f64);
        metrics::gauge!("laju_quarantined_open_events").set(view.gaps.of(None).quarantined as f64);
    }

    /// Sets them, unless that was less than a second ago.
    pub(super) fn update(
        &mut self,
        live: &LiveView,
        progress: &Progress,
        handle: &PrometheusHandle,
    ) {
        let elapsed = self.at.elapsed();
        if elapsed < Duration::from_secs(1) {
            return;
        }
        let folded = progress.folded();
        let rate = (folded - self.folded) as f64 / elapsed.as_secs_f64();
        (self.at, self.folded) = (Instant::now(), folded);
        metrics::gauge!("laju_fold_rate").set(rate);
        let now = now_ms();
        let positions = &live.readiness().positions;
        for (number, partition) in progress.partitions.iter().enumerate() {
            let label = number.to_string();
            metrics::gauge!("laju_log_begin_offset", "partition" => label.clone())
                .set(partition.begin_offset().unwrap_or(0) as f64);
            metrics::gauge!("laju_lag_events", "partition" => label.clone())
                .set(partition.lag() as f64);
            let lag = positions.get(&(number as u32)).map_or(0, |position| position.lag_ms);
            metrics::gauge!("laju_lag_seconds", "partition" => label).set(lag as f64 / 1_000.0);
        }
        let snapshot = live.snapshot.load();
        self.tell_ahead(&snapshot, TimestampMs(now));
        let mut tallies = Tallies::default();
        let mut subjects = 0;
        let mut quarantined: BTreeMap<Reason, u64> = BTreeMap::new();
        for view in snapshot.partitions.values() {
            tallies.add(&view.tallies);
            subjects += view.subjects;
            for (key, count) in &view.quarantine.counts {
                *quarantined.entry(key.reason).or_default() += count;
            }
        }
        for (reason, count) in quarantined {
            metrics::gauge!("laju_quarantined_events", "reason" => reason.as_str())
                .set(count as f64);
        }
        let events = [
            ("received", tallies.received),
            ("standing", tallies.standing),
            ("repeat", tallies.repeats()),
            ("retracted", tallies.retracted),
            ("late", tallies.late),
            ("quarantined", tallies.quarantined),
        ];
        for (fate, count) in events {
            metrics::gauge!("laju_events", "fate" => fate).set(count as f64);
        }
        metrics::gauge!("laju_subjects").set(subjects as f64);
        metrics::gauge!("laju_ready").set(f64::from(u8::from(live.unready().is_empty())));
        handle.run_upkeep();
        self.tell_conflicts(live);
    }
}
