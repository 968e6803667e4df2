//! A pipeline: one thread that takes the records of its partitions from Kafka, checks that the log is
//! still the one that the store was made of, judges each record, and folds them in blocks. Beside
//! those of other pipelines, its partitions are committed by the committing thread.

mod client_context;
mod errors;
mod late_verdicts;
mod learning;
mod positions;
mod setup;
mod unknown_schemas;
mod waiting;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use arc_swap::ArcSwap;
use laju_kafka::read::{Entry, Record, RecordQueue};
use laju_schemas::QuarantineDecision;
use laju_schemas::known::EventReader;
use laju_schemas::quarantine::Origin;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Timestamp;

use super::batch::{Batch, End};
use super::error::WorkerError;
use super::judging::ReceivedRecord;
use super::lease::Leases;
use super::log_watch::LogWatch;
use super::stop::Stop;
use super::verdicts::Followed;
use super::wake::Wake;
use crate::projection::partition::RecordMark;
use crate::projection::shard::Shard;
use crate::projection::snapshot::Snapshot;

pub(super) use setup::PipelineSetup;

use client_context::IngestContext;
use errors::Follows;
use learning::Learning;
use positions::ReadPositions;
use waiting::Waiting;

/// Records folded at a time while they keep coming: so few that they are still in the processor's
/// cache when they are folded.
const BATCH_RECORDS: usize = 512;
/// Uncommitted records that are enough for a commit, once there are no more to fold. While records
/// keep coming it is half of the room for them: larger commits cost less, and readers of a node that is
/// behind gain nothing by small ones.
const COMMIT_SOON: u64 = 1_000;
/// How often records that wait are looked at: up to a thousand of each partition.
const SERVE_EVERY: Duration = Duration::from_millis(5);
/// How long a call of librdkafka may keep us from looking at whether to stop.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);
/// How long the client is listened to at a time before anything was read.
const FIRST_LOOK: Duration = Duration::from_millis(1);
/// How long a partition's end is asked for.
const ASK_WAIT: Duration = Duration::from_secs(2);

/// A pipeline's state.
pub(super) struct Pipeline {
    /// The consumer.
    consumer: Arc<BaseConsumer<IngestContext>>,
    /// The events topic's full name.
    topic: String,
    /// Its number of partitions, of this pipeline and others.
    partitions: u32,
    /// The partitions of this pipeline.
    shard: Arc<Shard>,
    /// How many records of them may be uncommitted.
    room: u64,
    /// Wakes the committing thread.
    wake: Wake,
    /// Whether records are folded of which it was not told.
    is_untold: bool,
    /// Whether it was said that the topic has CreateTime.
    warned: Arc<AtomicBool>,
    /// Knows the schemas.
    reader: EventReader,
    /// Asks the registry for schema ids, if there is one.
    learning: Option<Learning>,
    /// Of which partitions it is for this node to decide.
    leases: Leases,
    /// Records whose schemas are asked for.
    waiting: Waiting,
    /// What was decided: the verdicts among it say what has to be refused.
    decided: Followed,
    /// Verdicts about records that were judged without them.
    late: Vec<Arc<QuarantineDecision>>,
    /// By partition: the record that has to come first, the last one folded, until it has.
    expected: BTreeMap<u32, RecordMark>,
    /// What is stored: a verdict that came while nobody was here to follow it shows there.
    snapshot: Arc<ArcSwap<Snapshot>>,
    /// When the records that wait were last looked at.
    served: Instant,
    /// Says whether the log is still the one that the store was made of.
    watch: Arc<LogWatch>,
    /// Where it stands, and which partitions stand still.
    positions: ReadPositions,
    /// Whether to stop.
    stop: Stop,
}

impl Pipeline {
    /// Polls until asked to stop, or until something is wrong that time does not mend.
    pub(super) fn run(mut self) {
        if let Err(error) = self.poll() {
            self.stop.fail(error);
        }
    }

    fn poll(&mut self) -> Result<(), WorkerError> {
        let consumer = Arc::clone(&self.consumer);
        let mut batch = Batch::default();
        // What is folded follows the verdicts there are. Meanwhile the client says what brokers refuse.
        while !self.decided.is_read() && !self.stop.is_stopped() {
            if let Some(Err(error)) = consumer.poll(POLL_TIMEOUT / 10) {
                self.on_error(error)?;
            }
        }
        let _ = self.decided.refresh();
        for (_, view) in self.snapshot.load_full().partitions.range(self.shard.partitions()) {
            // What came while this node was away.
            self.late.extend(self.decided.not_followed_by(view));
        }
        let _ = self.fold_again(&mut batch);
        for partition in self.shard.partitions() {
            tracing::info!(partition, offset = self.positions.next(partition), "reading begins");
        }
        let partitions = self.shard.partitions();
        let mut queue =
            RecordQueue::new(Arc::clone(&consumer), &self.topic, partitions, BATCH_RECORDS);
        consumer.assign(&self.positions.assignment())?;
        self.ask_ends(self.shard.partitions());
        while !self.stop.is_stopped() {
            // What is there already is taken without asking the clock how long to wait for it.
            let mut taken = queue.take();
            let idle = taken.is_empty();
            if idle {
                drop(taken);
                self.fold(&mut batch, false);
                let patience = if self.waiting.is_empty() { POLL_TIMEOUT } else { SERVE_EVERY };
                taken = queue.wait(patience);
            }
            // What the client says of its brokers it has said before what came since. Before anything
            // was read it is looked behind its statistics, which end a look that takes no time.
            let mut follows = Follows::Next;
            let look = if self.positions.has_read() { Duration::ZERO } else { FIRST_LOOK };
            while let Some(heard) = consumer.poll(look) {
                match heard {
                    Ok(message) => self.on_record(&Record::from(&message), &mut batch)?,
                    Err(error) => {
                        // What is wrong may take seconds to find out.
                        self.fold(&mut batch, false);
                        follows = follows.max(self.on_error(error)?);
                    }
                }
            }
            for entry in taken.iter() {
                if follows == Follows::Again {
                    // What was taken behind the error is not what follows, or comes once more.
                    break;
                }
                match entry {
                    Entry::Record(record) => self.on_record(&record, &mut batch)?,
                    Entry::End(partition, offset) => self.on_end(partition, offset, &mut batch)?,
                    Entry::Error(code) => {
                        self.fold(&mut batch, false);
                        follows = self.on_error(KafkaError::MessageConsumption(code))?;
                    }
                }
            }
            drop(taken);
            if self.look_around(idle, &mut batch)? || follows == Follows::Again {
                queue.lead_here();
            }
            if batch.len() >= BATCH_RECORDS {
                self.fold(&mut batch, true);
            }
        }
        self.fold(&mut batch, false);
        Ok(())
    }

    /// What is looked at now and then: verdicts, records that wait, partitions that stand still. Says
    /// whether the last, which may be read again since.
    fn look_around(&mut self, idle: bool, batch: &mut Batch) -> Result<bool, WorkerError> {
        self.follow_verdicts(batch)?;
        if self.served.elapsed() >= SERVE_EVERY {
            self.serve_waiting(batch);
            self.served = Instant::now();
        }
        let looked = self.positions.look(&self.consumer, self.consumer.context().progress())?;
        if looked {
            let unasked = std::mem::take(&mut self.positions.unasked);
            self.fold(batch, !idle);
            self.ask_ends(unasked);
        }
        Ok(looked)
    }

    /// The end of a partition was reached, behind all records and marks of transactions.
    fn on_end(
        &mut self,
        partition: u32,
        offset: i64,
        batch: &mut Batch,
    ) -> Result<(), WorkerError> {
        if self.positions.stands_still(partition) {
            // What came before this end was dropped: it is none of what was taken.
            return Ok(());
        }
        if self.expected(partition).is_some() {
            self.fold(batch, false);
            return self.wait_for_the_last_one(partition);
        }
        self.positions.passed(partition, offset);
        let end = End { partition, offset };
        match self.waiting.line(partition) {
            // Not all that was read of it is judged yet.
            Some(line) => line.end = Some(end),
            None => {
                self.consumer.context().progress().passed(partition, offset);
                batch.end(end);
            }
        }
        Ok(())
    }

    /// A record came.
    #[inline]
    fn on_record(&mut self, record: &Record<'_>, batch: &mut Batch) -> Result<(), WorkerError> {
        if !self.warned.load(Ordering::Relaxed)
            && matches!(record.timestamp(), Timestamp::CreateTime(_))
            && !self.is_copied(record)
            && !self.warned.swap(true, Ordering::Relaxed)
        {
            tracing::warn!(
                topic = self.topic,
                "the topic has CreateTime: when something was recorded is a kiosk's word here; set \
                 message.timestamp.type=LogAppendTime"
            );
        }
        self.take(record, batch)
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
        // A client that waits for its brokers for a moment has not come to the end of the log.
        let is_busy_enough = is_busy || !self.consumer.context().progress().is_complete();
        let enough = if is_busy_enough { self.room / 2 } else { COMMIT_SOON };
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

    #[inline]
    fn take(&mut self, record: &Record<'_>, batch: &mut Batch) -> Result<(), WorkerError> {
        let received = ReceivedRecord::of(record);
        let (Origin { partition, .. }, mark) = (received.origin, received.mark);
        if self.positions.stands_still(partition) {
            return Ok(());
        }
        if self.is_the_last_one_again(partition, mark)? {
            return Ok(());
        }
        self.positions.passed(partition, mark.offset + 1);
        if self.waits(partition) || self.awaits_verdict(partition, mark.offset) {
            self.hold(record, mark);
            return Ok(());
        }
        let (reader, book) = (&mut self.reader, &*self.decided.book);
        while let Some(id) = received.judge_into(reader, self.partitions, book, batch) {
            if self.learning.is_some() {
                self.hold(record, mark);
                break;
            }
            // Without a registry an id is nobody's, whatever the world says.
            reader.book.learn(id, None);
        }
        Ok(())
    }

    /// Whether a record was copied from another log: its time is the one that the original had, of
    /// whichever kind, and is a producer's in a copy.
    #[cold]
    fn is_copied(&self, record: &Record<'_>) -> bool {
        let (partition, offset) = (record.partition(), record.offset());
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
                    let records = u64::try_from(end - self.positions.next(partition)).unwrap_or(0);
                    self.shard.fold(|states| {
                        let place = partition - self.shard.partitions().start;
                        states[place as usize].expect(records);
                    });
                    self.consumer.context().progress().partitions[partition as usize]
                        .asked_end(end);
                }
                _ => {
                    is_answered = false;
                    self.positions.unasked.insert(partition);
                }
            }
        }
    }
}
