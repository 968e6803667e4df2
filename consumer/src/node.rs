//! A node: a worker, the topics that every node reads, and the HTTP interface, run together. The
//! command `laju worker` and the demo run the same one.

use std::collections::{BTreeMap, HashSet};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use laju_kafka::connection::Connection;
use laju_schemas::TimestampMs;
use laju_schemas::position::LogDigest;
use laju_schemas::quarantine::Reason;
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};
use thiserror::Error;

use crate::api::access::Access;
use crate::api::quoted::{NotConfirmed, QuotedFigures};
use crate::api::store::StorePlace;
use crate::api::stream::StreamSettings;
use crate::api::{ApiState, Clock, server};
use crate::ingest::error::WorkerError;
use crate::ingest::figure_publisher::FigurePublisher;
use crate::ingest::follow::figures::{Told, follow_figures};
use crate::ingest::follow::reference::follow_reference;
use crate::ingest::follow::statuses::follow_statuses;
use crate::ingest::lag::Lag;
use crate::ingest::progress::{PartitionProgress, Progress, now_ms};
use crate::ingest::stop::Stop;
use crate::ingest::troubles::Troubles;
use crate::ingest::verdicts::Decided;
use crate::ingest::worker::{self, Opened, Running, WorkerConfig};
use crate::projection::snapshot::Snapshot;
use crate::query::ahead::{RecordedAhead, recorded_ahead};
use crate::query::quoted::FigureStore;
use crate::query::view::{LiveView, PartitionReadiness, Readiness, ReferenceView};
use crate::seed::{self, SeedError, SeedFrom, SeedProgress};

/// How often readiness and gauges follow what the worker has done.
const OBSERVE_EVERY: Duration = Duration::from_millis(25);
/// How long reading a topic that every node reads may be interrupted before it is tried again.
const RETRY_TAIL: Duration = Duration::from_secs(2);
/// What a node does before anything else.
const LOADING: &str = "loading the store";
/// How far behind a node may be and be ready, unless somebody says otherwise.
pub const MAX_LAG: Duration = Duration::from_secs(30);

/// Why a node cannot start, or had to stop.
#[derive(Debug, Error)]
pub enum NodeError {
    /// The worker.
    #[error(transparent)]
    Worker(#[from] WorkerError),
    /// The store cannot be taken from another node.
    #[error(transparent)]
    Seed(#[from] SeedError),
    /// The address cannot be listened on.
    #[error(
        "cannot listen on {address}: {source}; is another worker running, or the address not this machine's?"
    )]
    Listen {
        /// The address.
        address: SocketAddr,
        /// What the system says.
        source: std::io::Error,
    },
    /// The runtime or a thread cannot be started.
    #[error("cannot start: {0}")]
    Start(#[from] std::io::Error),
    /// Metrics cannot be collected.
    #[error("metrics: {0}")]
    Metrics(String),
}

/// Where a node answers, how many it takes, and when it is to be left alone.
#[derive(Clone, Copy, Debug)]
pub struct Listen {
    /// The address.
    pub address: SocketAddr,
    /// Readers of the live stream at the same time.
    pub stream_readers: usize,
    /// How far behind it may be and still say that it is ready.
    pub max_lag: Duration,
}

impl From<SocketAddr> for Listen {
    fn from(address: SocketAddr) -> Self {
        Self { address, stream_readers: StreamSettings::READERS, max_lag: MAX_LAG }
    }
}

/// A node at work.
pub struct Node {
    /// Where it answers.
    pub address: SocketAddr,
    /// What it answers from.
    pub live: Arc<LiveView>,
    /// How far its worker is.
    pub progress: Arc<Progress>,
    /// Stops it.
    pub stop: Stop,
    running: Running,
    helpers: Vec<JoinHandle<()>>,
    runtime: tokio::runtime::Runtime,
    server: tokio::task::JoinHandle<()>,
}

/// The clock of the machine.
#[must_use]
pub fn system_clock() -> Clock {
    Arc::new(|| TimestampMs(now_ms()))
}

/// Starts a node: opens the store, listens, loads the store, begins to read. It returns when the
/// store is loaded; `/readyz` tells when figures are answered.
///
/// # Errors
/// If anything is not as it has to be; nothing listens before the configuration, Kafka, the
/// topics and the store have been found in order.
pub fn start(
    config: WorkerConfig,
    listen: impl Into<Listen>,
    access: Access,
    clock: Clock,
    stop: Stop,
    watch: impl FnOnce(&Arc<Progress>),
) -> Result<Node, NodeError> {
    start_from(config, None, listen, access, clock, stop, |progress, _| watch(progress))
}

/// The same; where there is no store yet it is taken from another node, if one is named.
///
/// # Errors
/// As [`start`]; and if the store cannot be taken, for which others are answered meanwhile that the
/// node is not ready.
pub fn start_from(
    config: WorkerConfig,
    seed: Option<SeedFrom>,
    listen: impl Into<Listen>,
    access: Access,
    clock: Clock,
    stop: Stop,
    watch: impl FnOnce(&Arc<Progress>, &Arc<SeedProgress>),
) -> Result<Node, NodeError> {
    let Listen { address: listen, stream_readers, max_lag } = listen.into();
    let (connection, patience) = (config.connection.clone(), config.registry_patience);
    let opened = worker::open_or_seed(config, seed.is_some(), new_node_id)?;
    if seed.is_some() && !opened.is_unfinished() {
        tracing::info!("the store is there already: nothing is taken from another node");
    }
    let listener = TcpListener::bind(listen)
        .and_then(|listener| listener.set_nonblocking(true).map(|()| listener))
        .map_err(|source| NodeError::Listen { address: listen, source })?;
    let address = listener.local_addr()?;
    tracing::info!(%address, "listening");

    let live = Arc::new(LiveView::new(&opened.log().fold_version));
    announce(&live, &opened);
    live.update_readiness(|readiness| readiness.max_lag = Some(max_lag));
    let metrics = metrics_handle()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .thread_name("laju-http")
        .enable_all()
        .build()?;
    let render = metrics.clone();
    let stream = StreamSettings { readers: stream_readers, ..StreamSettings::default() };
    let figure_store = Arc::new(FigureStore::default());
    let store = StorePlace::default();
    let state = ApiState::new(Arc::clone(&live), clock, Arc::new(move || render.render()))
        .with_stream(stream)
        .with_store(Arc::clone(&store))
        .with_access(access)
        .with_figures(quoted_figures(&connection, &figure_store));
    let listener = {
        let _guard = runtime.enter();
        tokio::net::TcpListener::from_std(listener)?
    };
    let until = stop.clone();
    let server = runtime.spawn(async move {
        let stop = until.clone();
        if let Err(error) = server::run(listener, state, async move { until.stopped().await }).await
        {
            stop.fail(WorkerError::Thread(format!("the HTTP interface failed: {error}")));
        }
    });

    let (progress, seeding) = (opened.progress(), Arc::new(SeedProgress::default()));
    watch(&progress, &seeding);
    let decided = Decided::into(Arc::clone(&live.decisions));
    let published = Arc::clone(&live.snapshot);
    let run = || -> Result<_, NodeError> {
        let opened = filled(opened, seed.as_ref(), &seeding, &live, &stop)?;
        let reader = opened.store_reader();
        let running =
            opened.run(Arc::clone(&progress), published, decided.clone(), stop.clone())?;
        Ok((running, reader))
    };
    let (running, reader) = match run() {
        Ok(running) => running,
        Err(error) => {
            stop.stop();
            runtime.shutdown_timeout(Duration::from_secs(5));
            return Err(error);
        }
    };
    // A node that begins with this store asks for it once it has been found in order.
    reader.into_iter().for_each(|reader| drop(store.set(reader)));
    live.set_shards(running.shards.clone());
    let (topics, beside) = ((&connection, patience), Troubles::default());
    let mut helpers = helpers(topics, &live, (&progress, decided), &beside, &stop, metrics)?;
    helpers.push(follow_quoted(topics, figure_store, beside, &stop)?);
    Ok(Node { address, live, progress, stop, running, helpers, runtime, server })
}

impl Node {
    /// Waits until the node has stopped; says why, if it was not asked to.
    ///
    /// # Errors
    /// What made it stop.
    pub fn join(self) -> Result<(), NodeError> {
        let Self { running, helpers, runtime, server, .. } = self;
        let result = running.join();
        for helper in helpers {
            // A helper that panicked has said so on stderr; the worker's own end matters here.
            let _ = helper.join();
        }
        let _ = runtime.block_on(server);
        runtime.shutdown_timeout(Duration::from_secs(5));
        Ok(result?)
    }
}

/// A worker whose store is there, taken from another node where it was not.
fn filled(
    opened: Opened,
    seed: Option<&SeedFrom>,
    progress: &SeedProgress,
    live: &LiveView,
    stop: &Stop,
) -> Result<Opened, NodeError> {
    let Some(seed) = seed.filter(|_| opened.is_unfinished()) else { return Ok(opened) };
    let phase = |phase: &str| {
        live.update_readiness(|readiness| phase.clone_into(&mut readiness.phase));
    };
    phase(&format!("taking the store from {}", seed.url));
    let opened = opened.fill(|seeding| seed::take(seeding, seed, progress, stop.flag()))?;
    phase(LOADING);
    Ok(opened)
}

/// A node's name: made once and kept in its store.
fn new_node_id() -> String {
    format!("laju-{}", uuid::Uuid::new_v4())
}

/// What the HTTP interface quotes figures with.
fn quoted_figures(connection: &Connection, figure_store: &Arc<FigureStore>) -> QuotedFigures {
    let publisher = FigurePublisher::new(connection.clone());
    let publish = move |figure: &laju_schemas::QuotedFigure| {
        publisher.publish(figure).map_err(|error| NotConfirmed(error.to_string()))
    };
    QuotedFigures { figure_store: Arc::clone(figure_store), publish: Arc::new(publish) }
}

/// Follows the figures topic. Other figures are answered without it.
fn follow_quoted(
    (connection, patience): (&Connection, Duration),
    figure_store: Arc<FigureStore>,
    troubles: Troubles,
    stop: &Stop,
) -> Result<JoinHandle<()>, NodeError> {
    let (its, until) = (connection.clone(), stop.clone());
    let thread = std::thread::Builder::new().name("laju-figures".to_owned());
    Ok(thread.spawn(move || {
        follow_figures(&its, patience, &troubles, &until, |told| match told {
            Told::Record(record) => {
                if let Some(damage) = figure_store.put(*record) {
                    tracing::error!(
                        offset = damage.offset,
                        figure = damage.figure_id.map(|id| id.to_string()),
                        reason = damage.why,
                        "a record of the figures topic is not what was quoted: it is never shown"
                    );
                }
            }
            Told::CaughtUp => figure_store.set_read(),
            Told::Trouble(trouble) => figure_store.set_trouble(trouble),
        });
    })?)
}

fn announce(live: &LiveView, opened: &Opened) {
    let cluster: Arc<str> = opened.cluster().cluster_id.as_str().into();
    let topic: Arc<str> = opened.log().topic.as_str().into();
    let log = LogDigest::of(&cluster, &topic);
    let topic_id: Option<Arc<str>> = opened.log().topic_id.as_deref().map(Arc::from);
    let partitions = opened.log().partitions;
    live.update_readiness(|readiness| {
        readiness.phase = LOADING.to_owned();
        readiness.log = Some(log);
        readiness.cluster_id = Some(Arc::clone(&cluster));
        readiness.topic = Some(Arc::clone(&topic));
        readiness.topic_id.clone_from(&topic_id);
        readiness.partitions = Some(partitions);
    });
}

/// The recorder of metrics is one for the process, whoever comes first.
fn metrics_handle() -> Result<PrometheusHandle, NodeError> {
    static HANDLE: std::sync::OnceLock<PrometheusHandle> = std::sync::OnceLock::new();
    if let Some(handle) = HANDLE.get() {
        return Ok(handle.clone());
    }
    let buckets = [0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1.0, 3.0, 10.0];
    let handle = PrometheusBuilder::new()
        .set_buckets_for_metric(Matcher::Full("laju_commit_seconds".to_owned()), &buckets)
        .and_then(|builder| {
            let name = Matcher::Full("laju_confirm_seconds".to_owned());
            builder.set_buckets_for_metric(name, &buckets)
        })
        .map_err(|error| NodeError::Metrics(error.to_string()))?
        .install_recorder()
        .map_err(|error| NodeError::Metrics(error.to_string()))?;
    describe_metrics();
    Ok(HANDLE.get_or_init(|| handle).clone())
}

fn describe_metrics() {
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
        "Quarantined records that are neither discarded nor released and counted anew."
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

fn helpers(
    (connection, patience): (&Connection, Duration),
    live: &Arc<LiveView>,
    (progress, decided): (&Arc<Progress>, Decided),
    beside: &Troubles,
    stop: &Stop,
    metrics: PrometheusHandle,
) -> Result<Vec<JoinHandle<()>>, NodeError> {
    let spawn = |name: &str, run: Box<dyn FnOnce() + Send>| {
        std::thread::Builder::new().name(name.to_owned()).spawn(run)
    };
    let reference_read = Arc::new(AtomicBool::new(false));
    let status_read = Arc::new(AtomicBool::new(false));
    let troubles = &progress.troubles;
    let mut threads = Vec::new();

    let (its, to, until) = (connection.clone(), Arc::clone(live), stop.clone());
    let read = Arc::clone(&reference_read);
    let troubled = troubles.clone();
    threads.push(spawn(
        "laju-reference",
        Box::new(move || {
            again(&until, "reference", || {
                follow_reference(&its, patience, &troubled, &until, |book| {
                    let view =
                        ReferenceView { book: book.clone(), next_offset: book.next_offset() };
                    to.reference.store(Arc::new(view));
                    read.store(true, Ordering::Release);
                })
            });
        }),
    )?);
    let (its, to, until) = (connection.clone(), Arc::clone(live), stop.clone());
    let read = Arc::clone(&status_read);
    let troubled = troubles.clone();
    threads.push(spawn(
        "laju-status",
        Box::new(move || {
            again(&until, "kiosk status", || {
                follow_statuses(&its, &troubled, &until, |statuses, next_offset| {
                    to.set_statuses(Arc::new(statuses.clone()), next_offset);
                    read.store(true, Ordering::Release);
                })
            });
        }),
    )?);
    let (to, until, progress) = (Arc::clone(live), stop.clone(), Arc::clone(progress));
    let beside = beside.clone();
    threads.push(spawn(
        "laju-observe",
        Box::new(move || {
            let mut gauges = Gauges::default();
            let mut conflicts = Conflicts::default();
            let mut lags = Lags::default();
            while !until.is_stopped() {
                let positions = lags.positions(&progress);
                let [reference, status] =
                    [&reference_read, &status_read].map(|read| read.load(Ordering::Acquire));
                let read = [reference, status, decided.is_read()];
                to.update_readiness(|readiness| {
                    observe(readiness, &progress, read);
                    readiness.positions.clone_from(&positions);
                    readiness.troubles = progress.troubles.all();
                    readiness.troubles_beside = beside.all();
                });
                if gauges.update(&to, &progress, &metrics) {
                    conflicts.look(&to);
                }
                std::thread::sleep(OBSERVE_EVERY);
            }
        }),
    )?);
    Ok(threads)
}

/// Tries again what failed, until asked to stop.
fn again(stop: &Stop, what: &str, mut run: impl FnMut() -> Result<(), WorkerError>) {
    while !stop.is_stopped() {
        if let Err(error) = run() {
            tracing::warn!(%error, "reading the {what} topic failed; trying again");
            let until = std::time::Instant::now() + RETRY_TAIL;
            while !stop.is_stopped() && std::time::Instant::now() < until {
                std::thread::sleep(Duration::from_millis(100));
            }
        }
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

/// Notes how far the worker is, and which of the topics that every node reads have been read:
/// reference, statuses, decisions.
fn observe(readiness: &mut Readiness, progress: &Progress, read: [bool; 3]) {
    let [reference, status, decisions] = read;
    readiness.reference_read = reference;
    readiness.status_read = status;
    readiness.decisions_read = decisions;
    let complete = progress.is_complete() && read.iter().all(|read| *read);
    let phase = match () {
        () if !progress.loaded() => LOADING,
        () if complete => "live",
        () => "catching up",
    };
    if readiness.phase != phase {
        phase.clone_into(&mut readiness.phase);
    }
}

/// Kiosks whose ids are in use twice, and what is undecided in quarantine, looked for once a second
/// while figures are answered.
#[derive(Default)]
struct Conflicts {
    /// The kiosks that were warned of.
    warned: HashSet<Arc<str>>,
}

impl Conflicts {
    fn look(&mut self, live: &LiveView) {
        let Ok(view) = live.view(TimestampMs(now_ms())) else { return };
        let mut events = 0;
        for kiosk in view.gaps.kiosks.iter().filter(|kiosk| kiosk.conflicts > 0) {
            events += kiosk.conflicts;
            if self.warned.insert(Arc::clone(&kiosk.id)) {
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
}

/// Gauges that are set once a second.
struct Gauges {
    at: std::time::Instant,
    folded: u64,
    /// The records stamped far in the future that were warned of.
    ahead: HashSet<(u32, Option<i64>)>,
}

impl Default for Gauges {
    fn default() -> Self {
        Self { at: std::time::Instant::now(), folded: 0, ahead: HashSet::new() }
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

    /// Sets them, unless that was less than a second ago; says whether it did.
    fn update(&mut self, live: &LiveView, progress: &Progress, handle: &PrometheusHandle) -> bool {
        let elapsed = self.at.elapsed();
        if elapsed < Duration::from_secs(1) {
            return false;
        }
        let folded = progress.folded();
        let rate = (folded - self.folded) as f64 / elapsed.as_secs_f64();
        (self.at, self.folded) = (std::time::Instant::now(), folded);
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
        let mut tallies = crate::domain::fold::Tallies::default();
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
        true
    }
}
