//! The polling thread: takes records from Kafka, checks that the log is still the one that the
//! store was made of, judges each record, and hands them on in batches.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crossbeam_channel::{Receiver, SendTimeoutError, Sender};
use laju_producer::registry::Registry;
use laju_schemas::known::EventReader;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _, Timestamp};
use rdkafka::{Offset, TopicPartitionList};

use super::batch::{Batch, RefusedRecord};
use super::context::IngestContext;
use super::headers;
use super::stop::Stop;
use super::worker::WorkerError;
use crate::domain::admission::{Verdict, clamp_timestamp, judge};
use crate::projection::partition::{Claims, RecordMark};

/// Records in a batch.
const BATCH_RECORDS: usize = 4_096;
/// How long a batch that is not full waits for more.
const BATCH_WAIT: Duration = Duration::from_millis(5);
/// While records keep coming, the clock is looked at once in so many of them.
const CLOCK_STRIDE: usize = 64;
/// How long a call of librdkafka may keep us from looking at whether to stop.
const SLICE: Duration = Duration::from_millis(100);
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
                    if let Some(expected) = consumer.context().expected(partition) {
                        return Err(WorkerError::AnotherLog {
                            topic: self.topic.clone(),
                            partition,
                            what: format!("it ends before offset {}", expected.offset),
                        });
                    }
                    if let Some(end) = self.position(partition) {
                        batch.end(partition, end);
                    }
                }
                Some(Err(error)) => self.judge_error(error)?,
                None => {}
            }
            let look = idle || batch.len().is_multiple_of(CLOCK_STRIDE);
            if batch.len() >= BATCH_RECORDS
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
                Verdict::Counted(event) => {
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
                    // What is in the batch must not wait for a registry's outage.
                    self.hand_over(batch);
                    self.learn(id)?;
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
    /// the schema unknown. Partitions are paused meanwhile, and the group is kept alive.
    fn learn(&mut self, id: u32) -> Result<(), WorkerError> {
        let Some(registry) = &self.registry else {
            self.reader.book.learn(id, None);
            return Ok(());
        };
        let mut paused: Option<TopicPartitionList> = None;
        let avsc = loop {
            match registry.schema(id) {
                Ok(avsc) => break avsc,
                Err(error) => {
                    tracing::warn!(
                        %error,
                        id,
                        "waiting for the schema registry: partitions stand still until it answers"
                    );
                    if paused.is_none() {
                        let assignment = self.consumer.assignment()?;
                        self.consumer.pause(&assignment)?;
                        paused = Some(assignment);
                    }
                    let until = Instant::now() + REGISTRY_WAIT;
                    while Instant::now() < until && !self.stop.is_stopped() {
                        // Serves the group; a record that still comes will come again.
                        if let Some(Ok(message)) = self.consumer.poll(SLICE) {
                            let (partition, offset) = (message.partition(), message.offset());
                            self.consumer.seek(
                                &self.topic,
                                partition,
                                Offset::Offset(offset),
                                SLICE * 50,
                            )?;
                        }
                    }
                    if self.stop.is_stopped() {
                        return Ok(());
                    }
                }
            }
        };
        if let Some(paused) = paused {
            self.consumer.resume(&paused)?;
        }
        self.reader.book.learn(id, avsc.as_deref());
        Ok(())
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
            error => Err(error.into()),
        }
    }
}
