//! The thread that is in the group of the leases, and does what a lease is for: it puts what could
//! not be counted into quarantine. What that is stands in the store once it is committed, and the
//! bytes stand in the log: so nothing is kept for it in memory, however long it takes.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use laju_producer::connection::{Connection, ConnectionError, Operation, Resource, Right};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, CommitMode, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::lease::{self, LeaseContext, Leases};
use super::originals;
use super::quarantine::Quarantine;
use super::quarantined::origins_in_quarantine;
use super::stop::Stop;
use super::worker::WorkerError;
use crate::projection::snapshot::Snapshot;
use crate::projection::store::{Log, RefusedRows};

/// How often the group is listened to.
const TICK: Duration = Duration::from_millis(50);
/// How often the group is told how far quarantine is.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// How long a question to the group may take.
const ASK_WAIT: Duration = Duration::from_secs(5);
/// How long one partition may take before the others and the group are looked at.
const TURN: Duration = Duration::from_secs(5);
/// How long quarantine is left alone after something failed.
const RETRY: Duration = Duration::from_secs(1);
/// How often it is said that quarantine cannot be written.
const SAY_EVERY: Duration = Duration::from_secs(60);
/// How many rows are looked at in one go.
const ROWS: usize = 1_000;

/// The holder of leases.
pub(super) struct Leaseholder {
    connection: Connection,
    log: Log,
    consumer: BaseConsumer<LeaseContext>,
    leases: Leases,
    group: String,
    rows: RefusedRows,
    quarantine: Quarantine,
    snapshot: Arc<ArcSwap<Snapshot>>,
    /// Something was committed that could not be counted; ends with the committer.
    news: Receiver<()>,
    stop: Stop,
    shelves: BTreeMap<u32, Shelf>,
    /// The partition to begin with.
    first: u32,
    told: Instant,
    /// Until when quarantine is left alone, because something failed.
    rests: Option<Instant>,
    said: Option<Instant>,
}

/// How far one partition's rows have been gone through.
#[derive(Default)]
struct Shelf {
    /// The first chunk of rows that is not done with.
    chunk: u64,
    /// Offsets that are in quarantine although the group does not say so.
    known: HashSet<i64>,
}

impl Leaseholder {
    /// Of a log and a node's store of it.
    ///
    /// # Errors
    /// If the connection's options are wrong.
    pub(super) fn new(
        connection: &Connection,
        log: &Log,
        leases: Leases,
        rows: RefusedRows,
        snapshot: Arc<ArcSwap<Snapshot>>,
        news: Receiver<()>,
        stop: Stop,
    ) -> Result<Self, ConnectionError> {
        let mut config = connection.client_config()?;
        let group = lease::group(connection, &log.fold_version);
        if config.get("session.timeout.ms").is_none() {
            // A holder that dies is followed within this time: nobody waits for it but quarantine.
            config.set("session.timeout.ms", "10000").set("heartbeat.interval.ms", "2000");
        }
        config
            .set("group.id", &group)
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false");
        let context = LeaseContext::new(&log.topic, leases.clone());
        let consumer = BaseConsumer::from_config_and_context(&config, context)
            .map_err(|error| ConnectionError::refused(&error))?;
        Ok(Self {
            quarantine: Quarantine::new(connection, &log.topic, &log.fold_version),
            connection: connection.clone(),
            log: log.clone(),
            consumer,
            leases,
            group,
            rows,
            snapshot,
            news,
            stop,
            shelves: BTreeMap::new(),
            first: 0,
            told: Instant::now(),
            rests: None,
            said: None,
        })
    }

    /// Holds leases until the committer has ended, and puts its last records into quarantine.
    pub(super) fn run(mut self) {
        if let Err(error) = self.consumer.subscribe(&[&self.log.topic]) {
            return self.stop.fail(error.into());
        }
        loop {
            let is_over = self.news.recv_timeout(TICK) == Err(RecvTimeoutError::Disconnected);
            while let Some(polled) = self.consumer.poll(Duration::ZERO) {
                let polled = polled.map(drop);
                if let Err(error) = polled
                    && let Err(error) = self.judge(error)
                {
                    return self.stop.fail(error);
                }
            }
            let held = self.leases.held();
            if is_over {
                // What can be had at once; the rest is for whoever follows. Closing tells the group
                // how far this one has got, and leaves it.
                let _ = held.iter().try_for_each(|&partition| self.serve(partition));
                return;
            }
            if self.rests.is_none_or(|until| Instant::now() >= until) {
                self.rests = None;
                if let Err(why) = self.find_out(&held).and_then(|()| self.serve_all(held.clone())) {
                    self.rest(&why);
                }
            }
            if self.told.elapsed() >= TELL_EVERY {
                self.told = Instant::now();
                if let Err(error) = lease::tell(&self.consumer, &held, CommitMode::Async) {
                    tracing::debug!(%error, "the group is told later how far quarantine is");
                }
            }
        }
    }

    /// Puts the records of all of these partitions into quarantine that are not there yet. Where that
    /// fails, it begins with the next one the next time: one that cannot be read keeps no other back.
    fn serve_all(&mut self, mut held: Vec<u32>) -> Result<(), String> {
        let first = held.partition_point(|partition| *partition < self.first);
        held.rotate_left(first);
        held.into_iter().try_for_each(|partition| {
            self.first = partition + 1;
            self.serve(partition)
        })
    }

    /// Puts a partition's records into quarantine that are not there yet.
    fn serve(&mut self, partition: u32) -> Result<(), String> {
        let Some(mut done) = self.leases.done(partition) else { return Ok(()) };
        let shelf = self.shelves.entry(partition).or_default();
        if self.leases.take_refolded(partition) {
            shelf.chunk = 0;
        }
        if let Some(reopened) = self.leases.take_reopened(partition).filter(|from| *from < done) {
            (shelf.chunk, done) = (0, reopened);
            self.leases.set_done(partition, done);
            lease::tell(&self.consumer, &[partition], CommitMode::Sync)
                .map_err(|error| error.to_string())?;
        }
        let begun = Instant::now();
        loop {
            // Before the rows: what is committed meanwhile is looked at the next time.
            let snapshot = self.snapshot.load();
            let Some(view) = snapshot.partitions.get(&partition) else { return Ok(()) };
            let next = view.next_offset;
            let found = self.rows.after(partition, shelf.chunk, done, ROWS);
            let mut found = found.map_err(|error| error.to_string())?;
            found.rows.retain(|row| !shelf.known.contains(&row.offset));
            if found.rows.is_empty() {
                let is_all = found.next_chunk == shelf.chunk;
                shelf.chunk = found.next_chunk;
                if !is_all {
                    continue;
                }
                self.leases.set_done(partition, done.max(next));
                return Ok(());
            }
            let originals =
                originals::read(&self.connection, &self.log.topic, partition, &found.rows)
                    .map_err(|error| error.to_string())?;
            let (confirmed, outcome) = self.quarantine.publish(partition, &originals);
            if let Some(last) = originals[..confirmed].last() {
                done = last.row.offset + 1;
                self.leases.set_done(partition, done);
            }
            if confirmed == found.rows.len() {
                shelf.chunk = found.next_chunk;
            }
            outcome.map_err(|why| format!("{}: {why}", self.quarantine.topic()))?;
            if begun.elapsed() >= TURN {
                return Ok(());
            }
        }
    }

    /// Asks the group up to where refused records are in quarantine, of those of these partitions of
    /// which it is not known. Where the group does not know (there never was a holder, or none for so
    /// long that the brokers forgot), what is there is looked up.
    fn find_out(&mut self, held: &[u32]) -> Result<(), String> {
        let unknown: Vec<u32> =
            held.iter().copied().filter(|held| self.leases.done(*held).is_none()).collect();
        if unknown.is_empty() {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        for partition in &unknown {
            list.add_partition(&self.log.topic, *partition as i32);
        }
        let committed = self.consumer.committed_offsets(list, ASK_WAIT);
        let committed = committed.map_err(|error| error.to_string())?;
        let committed = |partition: u32| {
            let element = committed.find_partition(&self.log.topic, partition as i32)?;
            match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            }
        };
        let mut known: BTreeMap<u32, HashSet<i64>> = BTreeMap::new();
        if unknown.iter().any(|partition| committed(*partition).is_none()) {
            let (partitions, fold_version) = (self.log.partitions, &self.log.fold_version);
            origins_in_quarantine(&self.connection, partitions, fold_version, |origin| {
                if committed(origin.partition).is_none() {
                    known.entry(origin.partition).or_default().insert(origin.offset);
                }
            })
            .map_err(|error| error.to_string())?;
        }
        for partition in unknown {
            let known = known.remove(&partition).unwrap_or_default();
            self.shelves.insert(partition, Shelf { chunk: 0, known });
            let done = committed(partition).unwrap_or(0);
            self.leases.set_told(partition, done);
            self.leases.set_done(partition, done);
        }
        Ok(())
    }

    /// Leaves everything alone for a moment, and says why now and then.
    fn rest(&mut self, why: &str) {
        let now = Instant::now();
        self.rests = Some(now + RETRY);
        if self.said.is_none_or(|said| now >= said + SAY_EVERY) {
            self.said = Some(now);
            tracing::error!(
                why,
                "what could not be counted is not in quarantine yet: it is tried again. The figures \
                 are right; see `laju topics check` and this user's right to write there"
            );
        }
    }

    /// Whether an error is one that time mends.
    fn judge(&self, error: KafkaError) -> Result<(), WorkerError> {
        if lease::is_forbidden(&error) {
            let resource = Resource::Group(self.group.clone());
            let lacks = self.connection.lacks(vec![Right { operation: Operation::Read, resource }]);
            return Err(ConnectionError::from(lacks).into());
        }
        if let KafkaError::MessageConsumptionFatal(code) = error {
            return Err(WorkerError::Client(code.to_string()));
        }
        tracing::debug!(%error, "the leases wait for the group");
        Ok(())
    }
}
