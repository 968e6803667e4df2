//! The pipelines of a worker: how each is made, and what they share.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use laju_kafka::connection::{BrokerEvents, Connection, ConnectionError};
use laju_kafka::read::{FETCHED_KIB, reading, reading_ahead};
use laju_schemas::known::EventReader;
use rdkafka::ClientConfig;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::BaseConsumer;

use super::Pipeline;
use super::client_context::IngestContext;
use super::learning::{Learning, SharedLookups};
use super::positions::ReadPositions;
use super::waiting::Waiting;
use crate::ingest::error::WorkerError;
use crate::ingest::lease::Leases;
use crate::ingest::log_watch::LogWatch;
use crate::ingest::progress::Progress;
use crate::ingest::stop::Stop;
use crate::ingest::verdicts::{Decided, Followed};
use crate::ingest::wake::Wake;
use crate::projection::partition::Position;
use crate::projection::shard::{Shard, Shards};
use crate::projection::snapshot::Snapshot;
use crate::projection::store::Log;

/// Records of all pipelines that are folded before a commit of them has to be waited for.
const COMMIT_RECORDS: u64 = 200_000;
/// What each of them may have of those, however many they are.
const LEAST_ROOM: u64 = 5_000;
/// What each of them may keep of the log that is not judged yet, in KiB, however many share it.
const LEAST_KIB: usize = 2_048;
/// The client wants a group's name although it is in none: it is given its partitions.
const GROUP: &str = "laju-worker";

/// What a worker gives its pipelines.
pub(in crate::ingest) struct PipelineSetup<'a> {
    pub(in crate::ingest) connection: &'a Connection,
    /// Texts of further versions of the events topic's schema.
    pub(in crate::ingest) schemas: &'a [String],
    /// How long a registry's word that it has no such schema is not believed.
    pub(in crate::ingest) registry_patience: Duration,
    pub(in crate::ingest) log: &'a Log,
    /// This node's id.
    pub(in crate::ingest) node: &'a str,
    pub(in crate::ingest) progress: &'a Arc<Progress>,
    pub(in crate::ingest) snapshot: &'a Arc<ArcSwap<Snapshot>>,
    pub(in crate::ingest) decided: &'a Decided,
    pub(in crate::ingest) leases: &'a Leases,
    pub(in crate::ingest) watch: &'a Arc<LogWatch>,
    pub(in crate::ingest) wake: Wake,
    pub(in crate::ingest) stop: &'a Stop,
}

/// What they share among themselves.
struct Shared {
    lookups: SharedLookups,
    warned: Arc<AtomicBool>,
    events: BrokerEvents,
    /// How many they are.
    count: usize,
}

impl PipelineSetup<'_> {
    /// A pipeline for each shard.
    pub(in crate::ingest) fn pipelines(
        self,
        shards: &Shards,
    ) -> Result<Vec<Pipeline>, WorkerError> {
        let shared = Shared {
            lookups: SharedLookups::new(self.registry_patience),
            warned: Arc::default(),
            events: BrokerEvents::default(),
            count: shards.count(),
        };
        shards.iter().map(|shard| self.pipeline(shard, &shared)).collect()
    }

    fn pipeline(&self, shard: &Arc<Shard>, shared: &Shared) -> Result<Pipeline, WorkerError> {
        let client = client_config(self.connection, shared.count)?;
        let context =
            IngestContext::new(&self.log.topic, shard.partitions(), &shared.events, self.progress);
        let consumer = BaseConsumer::from_config_and_context(&client, context)
            .map_err(|error| ConnectionError::refused(&error))?;
        let registry = self.connection.registry_client()?;
        let learning = registry.map(|registry| {
            let (lookups, topic_id) = (shared.lookups.clone(), self.log.topic_id.clone());
            Learning::start(self.connection, registry, lookups, self.node, topic_id)
        });
        let positions = shard.positions();
        // The last record folded is read again: it has to be the same.
        let from =
            |position: &Position| position.last.map_or(position.next_offset, |last| last.offset);
        let reading_from = ReadPositions::new(
            &self.log.topic,
            shard.partitions().start,
            positions.iter().map(from),
            reading(self.connection)?,
        );
        let last = shard.partitions().zip(&positions);
        Ok(Pipeline {
            consumer: Arc::new(consumer),
            topic: self.log.topic.clone(),
            partitions: self.log.partitions,
            shard: Arc::clone(shard),
            room: (COMMIT_RECORDS / shared.count as u64).max(LEAST_ROOM),
            wake: self.wake.clone(),
            is_untold: false,
            warned: Arc::clone(&shared.warned),
            reader: EventReader::new(self.schemas)?,
            learning: learning.transpose()?,
            leases: self.leases.clone(),
            waiting: Waiting::default(),
            decided: Followed::new(self.decided.clone()),
            late: Vec::new(),
            expected: last.filter_map(|(number, p)| Some((number, p.last?))).collect(),
            snapshot: Arc::clone(self.snapshot),
            served: Instant::now(),
            watch: Arc::clone(self.watch),
            positions: reading_from,
            stop: self.stop.clone(),
        })
    }
}

/// How a pipeline reads, of so many.
fn client_config(connection: &Connection, of: usize) -> Result<ClientConfig, ConnectionError> {
    let mut config = reading_ahead(connection, (FETCHED_KIB / of).max(LEAST_KIB))?;
    // By these it is known when a broker was heard of.
    config.set("statistics.interval.ms", "1000").set("group.id", GROUP);
    Ok(config)
}
