//! A worker: opens the store, and runs the pipelines that fold the whole log and the thread that
//! commits what they have folded.
//! The demo, the benchmarks and the tests run the same one.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use laju_kafka::connection::{ClusterInfo, Connection, Operation, Right};
use laju_kafka::read::{READ_TIMEOUT, TopicReadError};
use laju_kafka::topic_id::topic_id;
use laju_schemas::known::EventReader;
use laju_schemas::topic::{DECISIONS, EVENTS, FIGURES, KIOSK_STATUS, QUARANTINE, REFERENCE};

use super::commit::{Committer, Unshown};
use super::error::WorkerError;
use super::follow::decisions::follow_decisions;
use super::lease::Leases;
use super::leaseholder::Leaseholder;
use super::log_watch::LogWatch;
use super::pipeline::PipelineSetup;
use super::progress::Progress;
use super::stop::Stop;
use super::verdicts::Decided;
use super::wake::wake;
use crate::domain::version::fold_version;
use crate::projection::shard::Shards;
use crate::projection::snapshot::Snapshot;
use crate::projection::store::{Log, Opening, Seeding, Store, StoreError, StoreReader};

/// How long the cluster is waited for at the start.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(15);

/// What a worker needs to know.
#[derive(Clone, Debug)]
pub struct WorkerConfig {
    /// How to reach Kafka.
    pub connection: Connection,
    /// The store's directory.
    pub store: PathBuf,
    /// Whether to rebuild the store from Kafka.
    pub rebuild: bool,
    /// Texts of further versions of the events topic's schema.
    pub schemas: Vec<String>,
    /// How long a registry's word that it has no such schema is not believed.
    pub registry_patience: Duration,
    /// How many threads fold, each a part of the partitions.
    pub pipelines: NonZeroUsize,
}

/// As many as there are processors: the client's own threads and the committing one have little to do
/// beside them, and all sleep where nothing comes.
#[must_use]
pub fn default_pipelines() -> NonZeroUsize {
    std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN)
}

/// How long a registry's word that it has no such schema is not believed, unless somebody says
/// otherwise.
pub const REGISTRY_PATIENCE: Duration = Duration::from_secs(300);

/// A worker that has opened its store, and is about to load it.
pub struct Opened {
    config: WorkerConfig,
    cluster: ClusterInfo,
    store: Opening,
    log: Log,
    watch: LogWatch,
}

/// A worker at work.
pub struct Running {
    /// What readers see.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// How far it is.
    pub progress: Arc<Progress>,
    /// What is folded: citizens' facts are read there.
    pub shards: Shards,
    /// Stops it.
    pub stop: Stop,
    threads: Vec<JoinHandle<()>>,
}

/// Connects, checks the topics and opens the store. Nothing else has been started when this
/// fails.
///
/// # Errors
/// If anything is not as it has to be.
pub fn open(
    config: WorkerConfig,
    new_node_id: impl FnOnce() -> String,
) -> Result<Opened, WorkerError> {
    open_or_seed(config, false, new_node_id)
}

/// The same; with `seed`, where there is no store yet, none is made: [`Opened::fill`] takes it from
/// elsewhere.
///
/// # Errors
/// If anything is not as it has to be.
pub fn open_or_seed(
    config: WorkerConfig,
    seed: bool,
    new_node_id: impl FnOnce() -> String,
) -> Result<Opened, WorkerError> {
    let reader = EventReader::new(&config.schemas)?;
    let connection = &config.connection;
    let cluster = connection.check(CONNECT_TIMEOUT)?;
    let fold_version = fold_version(&reader.book.fingerprints(), connection.registry.is_some());
    let mut rights = Vec::new();
    for topic in [EVENTS, REFERENCE, KIOSK_STATUS, FIGURES, DECISIONS] {
        rights.push(Right::on_topic(Operation::Read, connection.topic(&topic)));
    }
    for operation in [Operation::Read, Operation::Write] {
        rights.push(Right::on_topic(operation, connection.topic(&QUARANTINE)));
    }
    if connection.registry.is_some() {
        // Where a registry lacks a schema, that is written down.
        rights.push(Right::on_topic(Operation::Write, connection.topic(&DECISIONS)));
    }
    connection.require(&rights, CONNECT_TIMEOUT)?;
    for topic in [EVENTS, REFERENCE, KIOSK_STATUS, QUARANTINE] {
        let name = connection.topic(&topic);
        if cluster.partitions(&name).is_none() {
            return Err(TopicReadError::Missing(name).into());
        }
    }
    let reference = connection.topic(&REFERENCE);
    if let Some(partitions) = cluster.partitions(&reference).filter(|partitions| *partitions > 1) {
        return Err(WorkerError::SeveralPartitions { topic: reference, partitions });
    }
    let topic = connection.topic(&EVENTS);
    let log = Log {
        cluster_id: cluster.cluster_id.clone(),
        topic_id: topic_id(connection, &topic, READ_TIMEOUT)?,
        partitions: cluster.partitions(&topic).unwrap_or_default(),
        fold_version,
        topic,
    };
    let watch = LogWatch::open(connection, log.clone())?;
    if config.rebuild || !(seed || Store::is_there(&config.store)) {
        // Before anything is deleted: from a log without its beginning there is no rebuilding.
        watch.require_whole(READ_TIMEOUT)?;
    }
    tracing::info!(path = %config.store.display(), "opening the store");
    let store = if seed {
        Store::open_or_seed(&config.store, &log, new_node_id)?
    } else {
        let store = Store::open(&config.store, &log, config.rebuild, new_node_id)?;
        Opening::There(Box::new(store))
    };
    Ok(Opened { config, cluster, store, log, watch })
}

impl Opened {
    /// The log that the store belongs to.
    #[must_use]
    pub fn log(&self) -> &Log {
        &self.log
    }

    /// The cluster.
    #[must_use]
    pub fn cluster(&self) -> &ClusterInfo {
        &self.cluster
    }

    /// Whether there is no store yet, and it is to be taken from elsewhere.
    #[must_use]
    pub fn is_unfinished(&self) -> bool {
        matches!(self.store, Opening::Unfinished(_))
    }

    /// Takes the store from elsewhere, if it is not there yet.
    ///
    /// # Errors
    /// If it cannot be had.
    pub fn fill<E>(self, take: impl FnOnce(Seeding) -> Result<Store, E>) -> Result<Self, E> {
        let store = match self.store {
            Opening::There(store) => store,
            Opening::Unfinished(seeding) => Box::new(take(*seeding)?),
        };
        Ok(Self { store: Opening::There(store), ..self })
    }

    /// A handle to read the store by while it is written, if it is there.
    #[must_use]
    pub fn store_reader(&self) -> Option<StoreReader> {
        match &self.store {
            Opening::There(store) => Some(store.reader()),
            Opening::Unfinished(_) => None,
        }
    }

    /// Progress of this worker, for [`Opened::run`].
    #[must_use]
    pub fn progress(&self) -> Arc<Progress> {
        Arc::new(Progress::new(&self.log.topic, self.log.partitions))
    }

    /// Loads the store and starts the threads. What readers see goes to
    /// `published`; what was decided about quarantined records, which the fold follows, to
    /// `decided`.
    ///
    /// # Errors
    /// If the store does not add up, or the client cannot be made.
    pub fn run(
        self,
        progress: Arc<Progress>,
        published: Arc<ArcSwap<Snapshot>>,
        decided: Decided,
        stop: Stop,
    ) -> Result<Running, WorkerError> {
        let Self { config, store, log, watch, .. } = self;
        let Opening::There(mut store) = store else {
            return Err(StoreError::Unfinished(config.store).into());
        };
        let watch = Arc::new(watch);
        progress.set_chunks(store.chunks());
        let begun = Instant::now();
        let (stored, ledger) = store.load_node(&|chunks| progress.chunk_loaded(chunks))?;
        tracing::info!(
            subjects = stored.iter().map(|(_, view)| view.subjects).sum::<u64>(),
            seconds = begun.elapsed().as_secs_f64(),
            "the store is loaded"
        );
        let mut partitions = BTreeMap::new();
        let mut states = Vec::with_capacity(stored.len());
        for (state, view) in stored {
            let (number, position) = (state.partition(), state.position());
            progress.partitions[number as usize].committed(position.next_offset);
            partitions.insert(number, Arc::new(view));
            states.push(state);
        }
        let shards = Shards::divide(states, config.pipelines.get());
        published.store(Arc::new(Snapshot::of(partitions, &ledger)));
        let snapshot = published;
        progress.set_loaded();

        let leases = Leases::new(log.partitions);
        let (refused, news) = crossbeam_channel::bounded(1);
        let leaseholder = Leaseholder::new(
            &config.connection,
            &log,
            leases.clone(),
            store.reader(),
            (Arc::clone(&snapshot), decided.clone()),
            news,
            stop.clone(),
        )?;

        let (wake, woken) = wake();
        let setup = PipelineSetup {
            connection: &config.connection,
            schemas: &config.schemas,
            registry_patience: config.registry_patience,
            log: &log,
            node: &store.identity().node_id,
            progress: &progress,
            snapshot: &snapshot,
            decided: &decided,
            leases: &leases,
            watch: &watch,
            wake,
            stop: &stop,
        };
        let pipelines = setup.pipelines(&shards)?;
        let committer = Committer {
            store: *store,
            shards: shards.clone(),
            ledger,
            woken,
            leases,
            refused,
            watch: Arc::clone(&watch),
            snapshot: Arc::clone(&snapshot),
            progress: Arc::clone(&progress),
            stop: stop.clone(),
            unshown: Unshown::default(),
        };
        let watch_stop = stop.clone();
        let watched = Arc::clone(&progress);
        let (followed, follow_stop) = (Arc::clone(&progress), stop.clone());
        let follow = move || {
            follow_decisions(
                (&config.connection, log.topic_id.as_deref()),
                config.registry_patience,
                &followed.troubles,
                &follow_stop,
                |book| decided.set(book.clone()),
            );
        };
        let mut threads = vec![
            spawn("laju-commit", &stop, move || committer.run())?,
            spawn("laju-leases", &stop, move || leaseholder.run())?,
            spawn("laju-log", &stop, move || watch.run(&watched, &watch_stop))?,
            spawn("laju-decisions", &stop, follow)?,
        ];
        for (number, pipeline) in pipelines.into_iter().enumerate() {
            threads.push(spawn(&format!("laju-fold-{number}"), &stop, move || pipeline.run())?);
        }
        Ok(Running { snapshot, progress, shards, stop, threads })
    }
}

impl Running {
    /// Waits until the worker has stopped, and says why if it was not asked to. The last commit
    /// has been written then.
    ///
    /// # Errors
    /// What made it stop.
    pub fn join(self) -> Result<(), WorkerError> {
        for thread in self.threads {
            if thread.join().is_err() {
                self.stop.fail(WorkerError::Thread("a thread of the worker panicked".to_owned()));
            }
        }
        self.stop.take_failure().map_or(Ok(()), Err)
    }
}

/// Starts a thread whose panic stops the worker.
fn spawn(
    name: &str,
    stop: &Stop,
    run: impl FnOnce() + Send + 'static,
) -> Result<JoinHandle<()>, WorkerError> {
    let stop = stop.clone();
    let thread_name = name.to_owned();
    std::thread::Builder::new()
        .name(name.to_owned())
        .spawn(move || {
            if std::panic::catch_unwind(std::panic::AssertUnwindSafe(run)).is_err() {
                stop.fail(WorkerError::Thread(format!("the thread {thread_name} panicked")));
            }
        })
        .map_err(|error| WorkerError::Thread(format!("no thread can be started: {error}")))
}

#[cfg(test)]
mod tests;
