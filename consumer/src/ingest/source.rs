//! The polling thread: takes records from Kafka, checks that the log is still the one that the
//! store was made of, judges each record, and hands them on in batches.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, SendTimeoutError, Sender};
use laju_producer::registry::Registry;
use laju_schemas::known::EventReader;
use rdkafka::Offset;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _, Timestamp};

use super::batch::{Batch, End, RefusedRecord};
use super::context::IngestContext;
use super::headers;
use super::stop::Stop;
use super::worker::WorkerError;
use crate::domain::admission::{Verdict, clamp_timestamp, judge};
use crate::projection::partition::{Claims, RecordMark};

/// Records in a batch.
const BATCH_RECORDS: usize = 4_096;
/// Bytes of records that cannot be counted in a batch.
const BATCH_BYTES: usize = 8 << 20;
/// How long a batch that is not full waits for more.
const BATCH_WAIT: Duration = Duration::from_millis(5);
/// While records keep coming, the clock is looked at once in so many of them.
const CLOCK_STRIDE: usize = 64;
/// How long a call of librdkafka may keep us from looking at whether to stop.
const SLICE: Duration = Duration::from_millis(100);
/// How long a partition's end is asked for.
const ASK_WAIT: Duration = Duration::from_secs(2);
/// How often a partition that seems too short is asked again before it is taken for another log.
const LEADER_TRIES: usize = 3;
/// How long a registry that does not answer is left alone.
const REGISTRY_WAIT: Duration = Duration::from_secs(1);

/// The polling thread's state.
pub struct Source {
    /// The consumer, subscribed.
    pub consumer: Arc<BaseConsumer<IngestContext>>,
    /// The events topic's full name.
    pub topic: String,
    /// Its number of partitions.
    pub partitions: u32,
    /// Knows the schemas.
    pub reader: EventReader,
    /// Asked for schema ids, if there is one.
    pub registry: Option<Registry>,
    /// Where batches go.
    pub batches: Sender<Batch>,
    /// Batches that have been folded, empty again.
    pub spare: Receiver<Batch>,
    /// Whether to stop.
    pub stop: Stop,
}

impl Source {
    /// Polls until asked to stop, or until something is wrong that time does not mend.
    pub fn run(mut self) {
        if let Err(error) = self.poll() {
            self.stop.fail(error);
        }
    }

    fn poll(&mut self) -> Result<(), WorkerError> {
        let consumer = Arc::clone(&self.consumer);
        let mut batch = Batch::default();
        let mut since = Instant::now();
        let mut warned = false;
        while !self.stop.is_stopped() {
            // What is there already is taken without asking the clock how long to wait for it.
            let ready = consumer.poll(Duration::ZERO);
            let idle = ready.is_none();
            let next = ready.or_else(|| {
                let wait = if batch.is_empty() {
                    SLICE
                } else {
                    BATCH_WAIT.saturating_sub(since.elapsed())
                };
                consumer.poll(wait)
            });
            match next {
                Some(Ok(message)) => {
                    if batch.is_empty() {
                        since = Instant::now();
                    }
                    let timestamp = message.timestamp();
                    if !warned && matches!(timestamp, Timestamp::CreateTime(_)) {
                        warned = true;
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
                    if consumer.context().expected(partition).is_some() {
                        self.wait_for_the_last_one(partition)?;
                    } else if let Some(offset) = self.position(partition) {
                        let epoch =
                            consumer.context().progress().partitions[partition as usize].epoch();
                        batch.end(End { partition, offset, epoch });
                    }
                }
                Some(Err(error)) => self.judge_error(error)?,
                None => {}
            }
            self.ask_ends();
            let look = idle || batch.len().is_multiple_of(CLOCK_STRIDE);
            if batch.len() >= BATCH_RECORDS
                || batch.bytes() >= BATCH_BYTES
                || (look && !batch.is_empty() && since.elapsed() >= BATCH_WAIT)
            {
                self.hand_over(&mut batch);
            }
        }
        Ok(())
    }

    /// Hands a batch on and leaves an empty one. Waits for room, looking at whether to stop
    /// meanwhile.
    fn hand_over(&self, batch: &mut Batch) {
        let empty = self.spare.try_recv().unwrap_or_default();
        let mut batch = std::mem::replace(batch, empty);
        while !self.stop.is_stopped() {
            match self.batches.send_timeout(batch, SLICE) {
                Ok(()) | Err(SendTimeoutError::Disconnected(_)) => return,
                Err(SendTimeoutError::Timeout(back)) => batch = back,
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
        if self.is_the_last_one_again(partition, mark)? {
            return Ok(());
        }
        let timestamp = clamp_timestamp(mark.timestamp);
        loop {
            let (key, value) = (message.key(), message.payload());
            match judge(&mut self.reader, key, value, partition, self.partitions, timestamp) {
                Verdict::Counted(mut event) => {
                    event.is_released = headers::is_released(message);
                    batch.counted(partition, mark, &event);
                    return Ok(());
                }
                Verdict::Refused(refusal, raw) => {
                    batch.refused(RefusedRecord {
                        partition,
                        mark,
                        key: key.map(<[u8]>::to_vec),
                        value: value.map(<[u8]>::to_vec),
                        headers: headers::owned(message),
                        refusal,
                        claims: raw.as_ref().map(Claims::from),
                    });
                    return Ok(());
                }
                Verdict::NeedsSchema(id) => {
                    if self.registry.is_some() {
                        // What is in the batch must not wait for a registry's outage.
                        self.hand_over(batch);
                    }
                    self.learn(id);
                    if self.stop.is_stopped() {
                        return Ok(());
                    }
                }
            }
        }
    }

    /// Whether a record is the last one folded, which an assignment begins with.
    #[inline]
    fn is_the_last_one_again(&self, partition: u32, mark: RecordMark) -> Result<bool, WorkerError> {
        let context = self.consumer.context();
        if !context.expects() {
            return Ok(false);
        }
        let Some(expected) = context.take_expected(partition) else { return Ok(false) };
        if expected == mark {
            return Ok(true);
        }
        let what = if expected.offset == mark.offset {
            format!("the record at offset {} is another one", mark.offset)
        } else {
            format!("the record at offset {} is gone", expected.offset)
        };
        Err(WorkerError::AnotherLog { topic: self.topic.clone(), partition, what })
    }

    /// Asks the registry for a schema until it answers: only its own word that it has none makes
    /// the schema unknown. Nothing is polled meanwhile; the group bears it for an hour.
    fn learn(&mut self, id: u32) {
        let Some(registry) = &self.registry else { return self.reader.book.learn(id, None) };
        while !self.stop.is_stopped() {
            match registry.schema(id) {
                Ok(avsc) => return self.reader.book.learn(id, avsc.as_deref()),
                Err(error) => {
                    tracing::warn!(
                        %error,
                        id,
                        "waiting for the schema registry: partitions stand still until it answers"
                    );
                    let until = Instant::now() + REGISTRY_WAIT;
                    while Instant::now() < until && !self.stop.is_stopped() {
                        std::thread::sleep(SLICE);
                    }
                }
            }
        }
    }

    /// Asks where partitions just assigned end: once folded up to there they have caught up, even
    /// if new records never stop coming. One that cannot be told now tells its end when reached.
    fn ask_ends(&self) {
        let context = self.consumer.context();
        if !context.has_assigned() {
            return;
        }
        for partition in context.take_assigned() {
            let marks = self.consumer.fetch_watermarks(&self.topic, partition as i32, ASK_WAIT);
            if let (Ok((_, end)), Some(progress)) =
                (marks, context.progress().partitions.get(partition as usize))
            {
                progress.asked_end(end);
            }
        }
    }

    /// The end was reported before the last record folded came again. A leader just elected may
    /// not know the whole log yet: it is asked again for a while.
    fn wait_for_the_last_one(&self, partition: u32) -> Result<(), WorkerError> {
        for _ in 0..LEADER_TRIES {
            let Some(another) = self.too_short() else { return Ok(()) };
            tracing::warn!(partition, "the partition seems to end before what was folded of it");
            std::thread::sleep(REGISTRY_WAIT);
            if self.stop.is_stopped() {
                return Ok(());
            }
            if self.consumer.context().expected(partition).is_none() {
                return Ok(());
            }
            drop(another);
        }
        self.too_short().map_or(Ok(()), Err)
    }

    /// A partition that ends before the last record folded is not the one that was folded, whereas
    /// one that begins behind it has lost its beginning.
    fn too_short(&self) -> Option<WorkerError> {
        let context = self.consumer.context();
        (0..self.partitions).find_map(|partition| {
            let offset = context.expected(partition)?.offset;
            let marks = self.consumer.fetch_watermarks(&self.topic, partition as i32, SLICE * 50);
            let (_, end) = marks.ok()?;
            (end <= offset).then(|| WorkerError::AnotherLog {
                topic: self.topic.clone(),
                partition,
                what: format!("it ends before offset {offset}"),
            })
        })
    }

    /// Whether an error is one that time mends: librdkafka goes on trying by itself.
    fn judge_error(&self, error: KafkaError) -> Result<(), WorkerError> {
        use RDKafkaErrorCode as Code;
        let topic = self.topic.clone();
        match error {
            KafkaError::MessageConsumption(code) => match code {
                Code::AutoOffsetReset | Code::OffsetOutOfRange => match self.too_short() {
                    Some(another) => Err(another),
                    None => Err(WorkerError::LogCut { topic, reason: code.to_string() }),
                },
                Code::UnknownTopic | Code::UnknownTopicOrPartition => {
                    Err(WorkerError::MissingTopic(topic))
                }
                Code::TopicAuthorizationFailed => Err(WorkerError::Forbidden(format!(
                    "read the topic {topic}: give them the right to read and describe it"
                ))),
                Code::GroupAuthorizationFailed => Err(WorkerError::Forbidden(
                    "join the worker's group: give them the right to read groups that begin \
                     with laju-"
                        .to_owned(),
                )),
                Code::FencedInstanceId => Err(WorkerError::Fenced),
                _ => {
                    tracing::debug!(%code, "reading goes on after an error");
                    Ok(())
                }
            },
            KafkaError::MessageConsumptionFatal(code) => {
                match self.consumer.client().fatal_error() {
                    Some((Code::FencedInstanceId, _)) => Err(WorkerError::Fenced),
                    Some((code, reason)) => Err(WorkerError::Client(format!("{code}: {reason}"))),
                    None => Err(WorkerError::Client(code.to_string())),
                }
            }
            error => Err(error.into()),
        }
    }
}
