//! A node: a worker, the topics that every node reads, and the HTTP interface, run together. The
//! command `laju worker` and the demo run the same one.

mod metrics;
mod readiness;
mod topics;

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use laju_kafka::connection::Connection;
use laju_schemas::TimestampMs;
use laju_schemas::position::LogDigest;
use thiserror::Error;

use crate::api::access::Access;
use crate::api::stream::StreamSettings;
use crate::api::{ApiState, Clock, NotConfirmed, QuotedFigures, StorePlace, server};
use crate::ingest::error::WorkerError;
use crate::ingest::figure_publisher::FigurePublisher;
use crate::ingest::progress::{Progress, now_ms};
use crate::ingest::stop::Stop;
use crate::ingest::troubles::Troubles;
use crate::ingest::verdicts::Decided;
use crate::ingest::worker::{self, Opened, Running, WorkerConfig};
use crate::query::live_view::LiveView;
use crate::query::quoted::FigureStore;
use crate::seed::{self, SeedError, SeedFrom, SeedProgress};
use readiness::{LOADING, observe};
use topics::Topics;

/// How far behind a node may be and be ready, unless somebody says otherwise.
pub const MAX_LAG: Duration = Duration::from_secs(30);

/// Why a node cannot start, or had to stop.
#[derive(Debug, Error)]
pub enum NodeError {
    #[error(transparent)]
    Worker(#[from] WorkerError),
    #[error(transparent)]
    Seed(#[from] SeedError),
    #[error(
        "cannot listen on {address}: {source}; is another worker running, or the address not this machine's?"
    )]
    Listen { address: SocketAddr, source: std::io::Error },
    #[error("cannot start: {0}")]
    Start(#[from] std::io::Error),
    #[error("metrics: {0}")]
    Metrics(String),
}

/// Where a node answers, how many it takes, and when it is to be left alone.
#[derive(Clone, Copy, Debug)]
pub struct Listen {
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
    pub address: SocketAddr,
    pub live: Arc<LiveView>,
    pub progress: Arc<Progress>,
    pub stop: Stop,
    running: Running,
    helpers: Vec<JoinHandle<()>>,
    runtime: tokio::runtime::Runtime,
    server: tokio::task::JoinHandle<()>,
}

/// The clock of the machine.
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
    let metrics = metrics::handle().map_err(|error| NodeError::Metrics(error.to_string()))?;
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
    let topics = Topics {
        connection,
        patience,
        live: Arc::clone(&live),
        progress: Arc::clone(&progress),
        stop: stop.clone(),
        reference_read: Arc::default(),
        statuses_read: Arc::default(),
    };
    let beside = Troubles::default();
    let helpers = vec![
        topics.clone().reference()?,
        topics.clone().statuses()?,
        topics.clone().figures(figure_store, beside.clone())?,
        observe(topics, decided, beside, metrics)?,
    ];
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
