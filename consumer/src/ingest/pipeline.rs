//! A pipeline: one thread that takes the records of its partitions from Kafka, checks that the log is
//! still the one that the store was made of, judges each record, and folds them in blocks. Beside
//! those of other pipelines, its partitions are committed by the committing thread.

mod schemas;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use laju_kafka::connection::ask::is_there;
use laju_kafka::read::fetch_error;
use laju_schemas::QuarantineDecision;
use laju_schemas::known::EventReader;
use laju_schemas::quarantine::Origin;
use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _, Timestamp};

use super::batch::{Batch, End};
use super::context::IngestContext;
use super::error::WorkerError;
use super::lease::Leases;
use super::standing::Standing;
use super::stop::Stop;
use super::verdicts::Followed;
use super::waiting::Waiting;
use super::wake::Wake;
use super::watch::LogWatch;
use crate::projection::partition::RecordMark;
use crate::projection::shard::Shard;
use crate::projection::snapshot::Snapshot;

use schemas::Seen;
pub use schemas::{Learning, SharedLookups};

/// Records folded at a time while they keep coming: so few that they are still in the processor's
/// cache when they are folded.
const BATCH_RECORDS: usize = 512;
/// Uncommitted records that are enough for a commit, once there are no more to fold. While records
/// keep coming it is half of the room for them: larger commits cost less, and readers of a node that is
/// behind gain nothing by small ones.
const COMMIT_SOON: u64 = 1_000;
/// While records keep coming, the clock is looked at once in so many of them.
const CLOCK_STRIDE: usize = 64;
/// How often records that wait are looked at: up to a thousand of each partition.
const SERVE_EVERY: Duration = Duration::from_millis(5);
/// How long a call of librdkafka may keep us from looking at whether to stop.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);
/// How long a partition's end is asked for.
const ASK_WAIT: Duration = Duration::from_secs(2);
/// How often a partition that seems too short is asked again before it is taken for another log.
const LEADER_TRIES: usize = 3;
/// How long a partition that seems too short is left alone.
const LEADER_WAIT: Duration = Duration::from_secs(1);

/// A pipeline's state.
pub struct Pipeline {
    /// The consumer.
    pub consumer: Arc<BaseConsumer<IngestContext>>,
    /// The events topic's full name.
    pub topic: String,
    /// Its number of partitions, of this pipeline and others.
    pub partitions: u32,
    /// The partitions of this pipeline.
    pub shard: Arc<Shard>,
    /// How many records of them may be uncommitted.
    pub room: u64,
    /// Wakes the committing thread.
    pub wake: Wake,
    /// Whether records are folded of which it was not told.
    pub is_untold: bool,
    /// Whether it was said that the topic has CreateTime.
    pub warned: Arc<AtomicBool>,
    /// Knows the schemas.
    pub reader: EventReader,
    /// Asks the registry for schema ids, if there is one.
    pub learning: Option<Learning>,
    /// Of which partitions it is for this node to decide.
    pub(super) leases: Leases,
    /// Records whose schemas are asked for.
    pub(super) waiting: Waiting,
    /// What was decided: the verdicts among it say what has to be refused.
    pub(super) decided: Followed,
    /// Verdicts about records that were judged without them.
    pub(super) late: Vec<Arc<QuarantineDecision>>,
    /// By partition: the record that has to come first, the last one folded, until it has.
    pub expected: BTreeMap<u32, RecordMark>,
    /// What is stored: a verdict that came while nobody was here to follow it shows there.
    pub snapshot: Arc<ArcSwap<Snapshot>>,
    /// When the records that wait were last looked at.
    pub served: Instant,
    /// Says whether the log is still the one that the store was made of.
    pub watch: Arc<LogWatch>,
    /// Where it stands, and which partitions stand still.
    pub standing: Standing,
    /// Whether to stop.
    pub stop: Stop,
}

impl Pipeline {
    /// Polls until asked to stop, or until something is wrong that time does not mend.
    pub fn run(mut self) {
        if let Err(error) = self.poll() {
            self.stop.fail(error);
        }
    }

    fn poll(&mut self) -> Result<(), WorkerError> {
        let consumer = Arc::clone(&self.consumer);
        let mut batch = Batch::default();
        // What is folded follows the verdicts there are.
        while !self.decided.is_read() && !self.stop.is_stopped() {
            std::thread::sleep(POLL_TIMEOUT / 10);
        }
        let _ = self.decided.refresh();
        for (_, view) in self.snapshot.load_full().partitions.range(self.shard.partitions()) {
            // What came while this node was away.
            self.late.extend(self.decided.not_followed_by(view));
        }
        let _ = self.fold_again(&mut batch);
        for partition in self.shard.partitions() {
            tracing::info!(partition, offset = self.standing.next(partition), "reading begins");
        }
        consumer.assign(&self.standing.assignment())?;
        self.ask_ends(self.shard.partitions());
        while !self.stop.is_stopped() {
            // What is there already is taken without asking the clock how long to wait for it.
            let ready = consumer.poll(Duration::ZERO);
            let idle = ready.is_none();
            let next = ready.or_else(|| {
                self.fold(&mut batch, false);
                consumer.poll(if self.waiting.is_empty() { POLL_TIMEOUT } else { SERVE_EVERY })
            });
            match next {
                Some(Ok(message)) => {
                    let timestamp = message.timestamp();
                    if matches!(timestamp, Timestamp::CreateTime(_))
                        && !self.warned.load(Ordering::Relaxed)
                        && !self.is_copied(&message)
                        && !self.warned.swap(true, Ordering::Relaxed)
                    {
                        tracing::warn!(
                            topic = self.topic,
                            "the topic has CreateTime: when something was recorded is a kiosk's \
                             word here; set message.timestamp.type=LogAppendTime"
                        );
                    }
                    self.take(&message, timestamp.to_millis().unwrap_or(-1), &mut batch)?;
                }
                Some(Err(KafkaError::PartitionEOF(partition))) => {
                    let partition = partition as u32;
                    if self.standing.stands_still(partition) {
                        // What came before this end was dropped: it is none of what was taken.
                    } else if self.expected(partition).is_some() {
                        self.fold(&mut batch, false);
                        self.wait_for_the_last_one(partition)?;
                    } else if let Some(offset) = self.position(partition) {
                        self.standing.passed(partition, offset);
                        let end = End { partition, offset };
                        match self.waiting.line(partition) {
                            // Not all that was read of it is judged yet.
                            Some(line) => line.end = Some(end),
                            None => {
                                consumer.context().progress().passed(partition, offset);
                                batch.end(end);
                            }
                        }
                    }
                }
                Some(Err(error)) => {
                    // What is wrong may take seconds to find out.
                    self.fold(&mut batch, false);
                    self.judge_error(error)?;
                }
                None => {}
            }
            let look = idle || batch.len().is_multiple_of(CLOCK_STRIDE);
            if look {
                self.follow_verdicts(&mut batch);
                if self.served.elapsed() >= SERVE_EVERY {
                    self.serve_waiting(&mut batch);
                    self.served = Instant::now();
                }
                if self.standing.look(&consumer, consumer.context().progress())? {
                    let unasked = std::mem::take(&mut self.standing.unasked);
                    self.fold(&mut batch, !idle);
                    self.ask_ends(unasked);
                }
            }
            if batch.len() >= BATCH_RECORDS {
                self.fold(&mut batch, true);
            }
        }
        self.fold(&mut batch, false);
        Ok(())
    }

    /// Folds a batch and leaves it empty; tells the committing thread of it, while records keep coming
    /// (`is_busy`) only once there are many. Waits for it where it does not keep up.
    fn fold(&mut self, batch: &mut Batch, is_busy: bool) {
        let mut uncommitted = 0;
        if !batch.is_empty() {
            let first = self.shard.partitions().start;
            uncommitted = self.shard.fold(|states| batch.apply(first, states));
            self.is_untold = true;
            self.end_troubles();
        }
        let enough = if is_busy { self.room / 2 } else { COMMIT_SOON };
        if uncommitted >= enough {
            self.wake.enough();
            self.is_untold = false;
        } else if !is_busy && std::mem::take(&mut self.is_untold) {
            self.wake.some();
        }
        while uncommitted >= self.room && !self.stop.is_stopped() {
            if self.shard.wait_for_room(self.room, POLL_TIMEOUT) {
                break;
            }
        }
    }

    /// Ends the troubles with records that are folded by now.
    fn end_troubles(&self) {
        let progress = self.consumer.context().progress();
        if progress.troubles.any() {
            for (partition, position) in self.shard.partitions().zip(self.shard.positions()) {
                progress.passed(partition, position.next_offset);
            }
        }
    }

    fn position(&self, partition: u32) -> Option<i64> {
        let positions = self.consumer.position().ok()?;
        let element = positions.find_partition(&self.topic, partition as i32)?;
        match element.offset() {
            Offset::Offset(offset) => Some(offset),
            // Nothing was read yet: the position is where the assignment began.
            _ => Some(0),
        }
    }

    #[inline]
    fn take(
        &mut self,
        message: &BorrowedMessage<'_>,
        timestamp: i64,
        batch: &mut Batch,
    ) -> Result<(), WorkerError> {
        let partition = message.partition() as u32;
        let mark = RecordMark {
            offset: message.offset(),
            timestamp,
            digest: RecordMark::digest(message.key(), message.payload()),
        };
        if self.standing.stands_still(partition) {
            return Ok(());
        }
        if self.is_the_last_one_again(partition, mark)? {
            return Ok(());
        }
        self.standing.passed(partition, mark.offset + 1);
        if self.waits(partition) || self.awaits_verdict(partition, mark.offset) {
            self.hold(message, mark);
            return Ok(());
        }
        let (seen, decided) = (Seen::of(message, mark), &*self.decided.book);
        while let Some(id) = seen.judge_into(&mut self.reader, self.partitions, decided, batch) {
            if self.learning.is_some() {
                self.hold(message, mark);
                break;
            }
            // Without a registry an id is nobody's, whatever the world says.
            self.reader.book.learn(id, None);
        }
        Ok(())
    }

    /// Whether a record was copied from another log: its time is the one that the original had, of
    /// whichever kind, and is a producer's in a copy.
    #[cold]
    fn is_copied(&self, message: &BorrowedMessage<'_>) -> bool {
        let (partition, offset) = (message.partition() as u32, message.offset());
        self.decided.book.is_copied(Origin { partition, offset })
    }

    /// The last record folded of a partition, which has to come first, until it has.
    #[inline]
    fn expected(&self, partition: u32) -> Option<RecordMark> {
        self.expected.get(&partition).copied()
    }

    /// Whether a record is the last one folded, which reading begins with.
    #[inline]
    fn is_the_last_one_again(
        &mut self,
        partition: u32,
        mark: RecordMark,
    ) -> Result<bool, WorkerError> {
        let Some(expected) = self.expected(partition) else { return Ok(false) };
        if expected == mark {
            self.expected.remove(&partition);
            return Ok(true);
        }
        // Where the topic's id is another, that says more.
        self.watch.look()?;
        let what = if expected.offset == mark.offset {
            format!("the record at offset {} is another one", mark.offset)
        } else {
            format!("the record at offset {} is gone", expected.offset)
        };
        Err(WorkerError::AnotherLog { topic: self.topic.clone(), partition, what })
    }

    /// Asks where partitions end: once folded up to there they have caught up, even if new records
    /// never stop coming. Those that cannot be told now are asked again a little later, and tell
    /// their end when reached.
    fn ask_ends(&mut self, partitions: impl IntoIterator<Item = u32>) {
        let mut is_answered = true;
        for partition in partitions {
            let end = is_answered
                .then(|| self.consumer.fetch_watermarks(&self.topic, partition as i32, ASK_WAIT));
            match end {
                Some(Ok((_, end))) => {
                    self.consumer.context().progress().partitions[partition as usize]
                        .asked_end(end);
                }
                _ => {
                    is_answered = false;
                    self.standing.unasked.insert(partition);
                }
            }
        }
    }

    /// Takes over verdicts that came meanwhile. What was judged without one is folded again.
    fn follow_verdicts(&mut self, batch: &mut Batch) {
        if let Some(new) = self.decided.refresh() {
            if let Some(learning) = &mut self.learning {
                learning.sent.retain(|origin, _| self.decided.book.verdict(*origin).is_none());
            }
            let new = new.into_iter();
            let new = new.filter(|verdict| self.is_mine(verdict.origin_partition));
            let new: Vec<_> = new.collect();
            for origin in new.iter().map(|verdict| verdict.origin()) {
                self.leases.want(origin.partition, origin.offset);
            }
            let late = new.into_iter().filter(|verdict| self.has_judged(verdict.origin()));
            let late: Vec<_> = late.collect();
            self.late.extend(late);
        }
        if !self.late.is_empty() {
            self.fold(batch, false);
            let again = self.fold_again(batch);
            let consumer = Arc::clone(&self.consumer);
            self.standing.restart(&consumer, &again);
        }
    }

    /// Folds those partitions again of which records were judged without verdicts: another node's
    /// registry did not have what this one's had, and the log says what counts. Gives those partitions,
    /// which stand at their beginnings now.
    fn fold_again(&mut self, batch: &mut Batch) -> Vec<u32> {
        let consumer = Arc::clone(&self.consumer);
        let mut again = Vec::new();
        let mut late: BTreeMap<u32, Vec<_>> = BTreeMap::new();
        for verdict in std::mem::take(&mut self.late) {
            late.entry(verdict.origin_partition).or_default().push(verdict);
        }
        for (partition, verdicts) in late {
            let Some(first) = verdicts.iter().min_by_key(|verdict| verdict.origin_offset) else {
                continue;
            };
            let marks = consumer.fetch_watermarks(&self.topic, partition as i32, ASK_WAIT);
            let Ok((begin, _)) = marks else {
                // Asked again at the next look.
                self.late.extend(verdicts);
                continue;
            };
            tracing::warn!(
                origin = %first.origin(),
                decided_by = first.decided_by,
                reason = first.reason,
                "a verdict refuses a record that this node has counted: the partition is folded \
                 again. Do all nodes have the same --registry?"
            );
            if begin > 0 {
                tracing::error!(
                    partition,
                    begin,
                    "the partition's beginning was deleted: it cannot be folded again, and the \
                     ledger of whoever folds the whole log differs from this one"
                );
                continue;
            }
            if self.waiting.0.remove(&partition).is_some() {
                self.end_trouble(partition);
            }
            self.expected.remove(&partition);
            self.leases.refolding(partition);
            batch.again(partition);
            self.standing.again(partition);
            again.push(partition);
        }
        again
    }

    /// Whether a partition is one of this pipeline.
    fn is_mine(&self, partition: u32) -> bool {
        self.shard.partitions().contains(&partition)
    }

    /// Whether the record at an origin was judged already.
    fn has_judged(&self, Origin { partition, offset }: Origin) -> bool {
        let progress = self.consumer.context().progress();
        let Some(at) = progress.partitions.get(partition as usize) else { return false };
        let line = self.waiting.0.get(&partition);
        let first_held = line.and_then(|line| line.held.front()).map(|held| held.mark.offset);
        let judged = first_held.unwrap_or_else(|| self.standing.next(partition));
        offset < judged.max(at.next_offset())
    }

    /// The end was reported before the last record folded came again. A leader just elected may
    /// not know the whole log yet: it is asked again for a while.
    fn wait_for_the_last_one(&self, partition: u32) -> Result<(), WorkerError> {
        for _ in 0..LEADER_TRIES {
            let Some(another) = self.too_short() else { return Ok(()) };
            tracing::warn!(partition, "the partition seems to end before what was folded of it");
            std::thread::sleep(LEADER_WAIT);
            if self.stop.is_stopped() {
                return Ok(());
            }
            drop(another);
        }
        self.too_short().map_or(Ok(()), Err)
    }

    /// A partition that ends before the last record folded is not the one that was folded, whereas
    /// one that begins behind it has lost its beginning.
    fn too_short(&self) -> Option<WorkerError> {
        self.shard.partitions().find_map(|partition| {
            let offset = self.expected(partition)?.offset;
            let marks =
                self.consumer.fetch_watermarks(&self.topic, partition as i32, POLL_TIMEOUT * 50);
            let (_, end) = marks.ok()?;
            (end <= offset).then(|| WorkerError::AnotherLog {
                topic: self.topic.clone(),
                partition,
                what: format!("it ends before offset {offset}"),
            })
        })
    }

    /// A partition that begins behind what is to be read next has lost its beginning.
    fn cut(&self) -> Option<WorkerError> {
        self.shard.partitions().find_map(|partition| {
            let wanted = self.standing.next(partition);
            let marks =
                self.consumer.fetch_watermarks(&self.topic, partition as i32, POLL_TIMEOUT * 50);
            let (low, _) = marks.ok()?;
            let topic = self.topic.clone();
            (low > wanted).then_some(WorkerError::LogCut { topic, partition, low, wanted })
        })
    }

    /// Whether all that comes next is there, although the client says that it is not: see
    /// [`Standing::is_there`].
    fn is_there_after_all(&mut self) -> bool {
        let consumer = Arc::clone(&self.consumer);
        self.standing.is_there(&consumer)
    }

    /// Whether an error is one that time mends: librdkafka goes on trying by itself.
    fn judge_error(&mut self, error: KafkaError) -> Result<(), WorkerError> {
        use RDKafkaErrorCode as Code;
        let topic = self.topic.clone();
        match error {
            KafkaError::MessageConsumption(code) => match code {
                Code::AutoOffsetReset | Code::OffsetOutOfRange => {
                    self.watch.look()?;
                    if self.is_there_after_all() {
                        return Ok(());
                    }
                    Err(self.too_short().or_else(|| self.cut()).unwrap_or_else(|| {
                        WorkerError::LogGone { topic, reason: code.to_string() }
                    }))
                }
                Code::UnknownTopic | Code::UnknownTopicOrPartition => {
                    self.watch.look()?;
                    match is_there(&self.consumer, &topic) {
                        true => Ok(()),
                        false => Err(WorkerError::MissingTopic(topic)),
                    }
                }
                Code::TopicAuthorizationFailed if !self.standing.has_read() => {
                    Err(WorkerError::Forbidden(format!(
                        "read the topic {topic}: give them the right to read and describe it"
                    )))
                }
                code if !self.standing.has_read() && refusal(code).is_some() => {
                    Err(WorkerError::Refused(refusal(code).unwrap_or_default()))
                }
                code if fetch_error::is_of_records(code) => {
                    let consumer = Arc::clone(&self.consumer);
                    let progress = consumer.context().progress();
                    Ok(self.standing.examine(code, &consumer, progress)?)
                }
                _ => {
                    tracing::debug!(%code, "reading goes on after an error");
                    Ok(())
                }
            },
            KafkaError::MessageConsumptionFatal(code) => {
                match self.consumer.client().fatal_error() {
                    Some((code, reason)) => Err(WorkerError::Client(format!("{code}: {reason}"))),
                    None => Err(WorkerError::Client(code.to_string())),
                }
            }
            error => Err(error.into()),
        }
    }
}

/// What brokers say that they will say again however often they are asked, with the option to change.
const fn refusal(code: RDKafkaErrorCode) -> Option<&'static str> {
    use RDKafkaErrorCode as Code;
    Some(match code {
        Code::UnsupportedVersion | Code::UnsupportedFeature => {
            "they do not speak a version of the protocol that it needs: this program is tried on \
             Apache Kafka 4.3; if they are older, look at --kafka-property \
             broker.version.fallback and api.version.request"
        }
        Code::ClusterAuthorizationFailed => {
            "this user may not use the cluster: give them the rights in consumer/docs/rights.md"
        }
        _ => return None,
    })
}
