//! The thread that is in the group of the leases, and does what a lease is for: it puts what could
//! not be counted into quarantine. What that is stands in the store once it is committed, and the
//! bytes stand in the log: so nothing is kept for it in memory, however long it takes.

mod serve;

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use crossbeam_channel::{Receiver, RecvTimeoutError};
use laju_kafka::connection::{Connection, ConnectionError, Operation, Resource, Right};
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::{Offset, TopicPartitionList};

use super::error::WorkerError;
use super::lease::{self, LeaseContext, Leases};
use super::quarantine::{QuarantineWriter, origins_in_quarantine};
use super::stop::Stop;
use super::verdicts::Decided;
use crate::projection::format::Chain;
use crate::projection::snapshot::Snapshot;
use crate::projection::store::{Log, StoreReader};

/// How often the group is listened to.
const GROUP_POLL_INTERVAL: Duration = Duration::from_millis(50);
/// How often the offsets up to which quarantine is complete are committed.
const TELL_EVERY: Duration = Duration::from_secs(2);
/// How long a question to the group may take.
const ASK_WAIT: Duration = Duration::from_secs(5);
/// How long one partition may take before the others and the group are looked at; and all of them
/// at the end.
const SERVE_TIMEOUT: Duration = Duration::from_secs(5);
/// How long quarantine is left alone after something failed.
const RETRY_INTERVAL: Duration = Duration::from_secs(1);
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
    store: StoreReader,
    quarantine: QuarantineWriter,
    snapshot: Arc<ArcSwap<Snapshot>>,
    /// What was decided: a verdict may refuse what is behind the group's offset.
    decided: Decided,
    /// Something was committed that could not be counted; ends with the committer.
    news: Receiver<()>,
    stop: Stop,
    cursors: BTreeMap<u32, RowCursor>,
    /// The partition to begin with.
    first: u32,
    told: Instant,
    /// Until when quarantine is left alone, because something failed.
    rests: Option<Instant>,
    said: Option<Instant>,
}

/// Why not everything is in quarantine that should be.
enum Failure {
    /// It will not be, as long as nobody changes something.
    Lasting(WorkerError),
    /// It is tried again.
    Passing(String),
}

/// How far one partition's rows have been gone through.
#[derive(Default)]
struct RowCursor {
    /// The first chunk of rows that is not done with.
    chunk: u64,
    /// Offsets that are in quarantine although the group does not say so.
    known: HashSet<i64>,
    /// The rows and the number of verdicts with which was looked for late ones and none was found.
    looked: Option<(Chain, usize)>,
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
        store: StoreReader,
        (snapshot, decided): (Arc<ArcSwap<Snapshot>>, Decided),
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
            // Reading what is in quarantine may take minutes in which nobody listens to the group.
            .set("max.poll.interval.ms", "1800000")
            .set("partition.assignment.strategy", "cooperative-sticky")
            .set("enable.auto.commit", "false")
            .set("enable.auto.offset.store", "false");
        let context = LeaseContext::new(&log.topic, leases.clone());
        let consumer = BaseConsumer::from_config_and_context(&config, context)
            .map_err(|error| ConnectionError::refused(&error))?;
        Ok(Self {
            quarantine: QuarantineWriter::new(connection, &log.topic, &log.fold_version),
            connection: connection.clone(),
            log: log.clone(),
            consumer,
            leases,
            group,
            store,
            snapshot,
            decided,
            news,
            stop,
            cursors: BTreeMap::new(),
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
            let news = self.news.recv_timeout(GROUP_POLL_INTERVAL);
            let is_over = news == Err(RecvTimeoutError::Disconnected);
            if let Err(error) = self.listen() {
                return self.stop.fail(error);
            }
            let held = self.leases.held();
            if is_over {
                // What can be had at once; the rest is for the next holder. Closing tells the group
                // how far this one has got, and leaves it.
                let until = Instant::now() + SERVE_TIMEOUT;
                let mut in_time = held.into_iter().take_while(|_| Instant::now() < until);
                let _ = in_time.try_for_each(|partition| self.serve(partition));
                return;
            }
            if self.rests.is_none_or(|until| Instant::now() >= until) {
                self.rests = None;
                let failed = match (self.find_out(&held), self.serve_each(&held)) {
                    // What fails for good is said, whatever else fails beside it.
                    (Err(Failure::Passing(_)), Err(lasting @ Failure::Lasting(_))) => Err(lasting),
                    (found, served) => found.and(served),
                };
                match failed {
                    Ok(()) => {}
                    Err(Failure::Lasting(error)) => return self.stop.fail(error),
                    Err(Failure::Passing(why)) => self.rest(&why),
                }
            }
            self.tell(&held);
        }
    }

    /// Hears what the group has to say.
    fn listen(&self) -> Result<(), WorkerError> {
        while let Some(polled) = self.consumer.poll(Duration::ZERO) {
            let polled = polled.map(drop);
            polled.or_else(|error| self.on_error(error))?;
        }
        Ok(())
    }

    /// Tells the group now and then how far quarantine is.
    fn tell(&mut self, held: &[u32]) {
        if self.told.elapsed() >= TELL_EVERY {
            self.told = Instant::now();
            if let Err(error) = lease::tell(&self.consumer, held) {
                tracing::debug!(%error, "the offsets of quarantine are committed later");
            }
        }
    }

    /// Puts the records of each of these partitions into quarantine that are not there yet. Where that
    /// fails, it begins with the next one the next time: one that cannot be read keeps no other back.
    fn serve_each(&mut self, held: &[u32]) -> Result<(), Failure> {
        let first = held.partition_point(|partition| *partition < self.first);
        let (before, after) = held.split_at(first);
        for &partition in after.iter().chain(before) {
            // What can still be had is had once the last records are committed.
            if self.stop.is_stopped() {
                break;
            }
            self.first = partition + 1;
            // It may have gone to another node while the one before took its time.
            self.listen().map_err(Failure::Lasting)?;
            self.tell(held);
            if self.leases.holds(partition) {
                self.serve(partition).map_err(Failure::Passing)?;
            }
        }
        Ok(())
    }

    /// Asks the group up to where refused records are in quarantine, of those of these partitions of
    /// which it is not known. Where the group does not know (there never was a holder, or none for so
    /// long that the brokers forgot), what is there is looked up.
    fn find_out(&mut self, held: &[u32]) -> Result<(), Failure> {
        let unknown: Vec<u32> =
            held.iter().copied().filter(|held| self.leases.done(*held).is_none()).collect();
        if unknown.is_empty() || !self.decided.is_read() {
            return Ok(());
        }
        let mut list = TopicPartitionList::new();
        for partition in &unknown {
            list.add_partition(&self.log.topic, *partition as i32);
        }
        let committed = self.consumer.committed_offsets(list, ASK_WAIT);
        let committed = committed.map_err(|error| Failure::Passing(error.to_string()))?;
        let committed = |partition: u32| {
            let element = committed.find_partition(&self.log.topic, partition as i32)?;
            match element.offset() {
                Offset::Offset(offset) => Some(offset),
                _ => None,
            }
        };
        // What is behind the group's offset and a verdict is about may have come late.
        let book = self.decided.book.load();
        let verdicts = book.verdicts().iter().map(|verdict| verdict.origin());
        let mut late: BTreeMap<u32, BTreeSet<i64>> = BTreeMap::new();
        for origin in verdicts.filter(|origin| unknown.contains(&origin.partition)) {
            if committed(origin.partition).is_some_and(|committed| origin.offset < committed) {
                late.entry(origin.partition).or_default().insert(origin.offset);
            }
        }
        let mut known: BTreeMap<u32, HashSet<i64>> = BTreeMap::new();
        if !late.is_empty() || unknown.iter().any(|partition| committed(*partition).is_none()) {
            let Log { partitions, fold_version, .. } = &self.log;
            let rules = (*partitions, fold_version.as_str());
            let read = origins_in_quarantine(&self.connection, rules, self.stop.flag(), |origin| {
                if committed(origin.partition).is_none() {
                    known.entry(origin.partition).or_default().insert(origin.offset);
                } else if let Some(late) = late.get_mut(&origin.partition) {
                    late.remove(&origin.offset);
                }
            });
            read.map_err(|error| Failure::Passing(error.to_string()))?;
            // It ends with what it has read by then, and that is not all.
            if self.stop.is_stopped() {
                return Ok(());
            }
        }
        for partition in unknown {
            let known = known.remove(&partition).unwrap_or_default();
            self.cursors.insert(partition, RowCursor { known, ..RowCursor::default() });
            for offset in late.remove(&partition).unwrap_or_default() {
                self.leases.want(partition, offset);
            }
            self.leases.set_told(partition, committed(partition));
            self.leases.set_done(partition, committed(partition).unwrap_or(0));
        }
        Ok(())
    }

    /// Leaves everything alone for a moment, and says why now and then.
    fn rest(&mut self, why: &str) {
        let now = Instant::now();
        self.rests = Some(now + RETRY_INTERVAL);
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
    fn on_error(&self, error: KafkaError) -> Result<(), WorkerError> {
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
