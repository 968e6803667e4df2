//! Reads the records of a topic between offsets, of every partition asked for, by one thread: for
//! those who read the log again, up to where it was when somebody looked, and for those who follow a
//! topic.
//!
//! It joins no group and commits nothing. A position is not a count: transactions leave marks, and
//! what was aborted, between the records. It does not know what the records say.

mod errors;

use std::collections::BTreeMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::config::ClientConfig;
use rdkafka::consumer::Consumer as _;
use rdkafka::consumer::base_consumer::PartitionQueue;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};

use super::client::{Client, client, goes_to, last_word, partitions, reading, watermarks};
use super::error::TopicReadError;
use super::lookout::Lookout;
use super::range::{Order, Range};
use crate::connection::ask::ASK_PATIENCE;
use crate::connection::{BrokerEvents, Connection};

/// How long nothing may come although there is more, before reading gives up: a broker's restart
/// is over by then.
pub const READ_TIMEOUT: Duration = Duration::from_secs(60);
/// How long records are waited for before it is looked at whether to stop.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);
/// How long a question to the brokers may take.
const TIMEOUT: Duration = Duration::from_secs(15);
/// Records handed over by one call at most, so that the caller can look at other things.
pub const MAX_POLL_RECORDS: usize = 1_024;

/// What a call of [`RangeReader::poll`] has done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Polled {
    /// So many records were handed over.
    Records(usize),
    /// Nothing was there within the time given.
    Idle,
    /// Every range has been read.
    Done,
}

/// How many records of a partition may wait for their turn, where one is read after the other.
const WAITING_RECORDS: &str = "20000";
/// And how much of it, in KiB.
const WAITING_KIB: &str = "8192";

/// A partition on the way through its range.
#[derive(Clone, Copy)]
struct Part {
    /// The offset behind the last record handed over; once done, the range's end.
    next: i64,
    to: i64,
    done: bool,
    /// Where its end was last reported, if it was: in a range with an end it is asked again there once.
    ended_at: Option<i64>,
}

impl Part {
    const fn of(range: Range) -> Self {
        let Range { from: next, to } = range;
        Self { next, to, done: range.is_empty(), ended_at: None }
    }
}

/// Ranges of a topic's partitions being read, by one thread.
pub struct RangeReader {
    client: Arc<Client>,
    lookout: Lookout,
    /// How a client that reads is configured: for finding out which partition an error is of.
    config: ClientConfig,
    /// Where partitions are read one by one: what each has brought, by their numbers.
    queues: Vec<Option<PartitionQueue<BrokerEvents>>>,
    /// The first partition that is not done.
    current: usize,
    topic: String,
    /// By the partitions' numbers; none for those not asked for.
    parts: Vec<Option<Part>>,
    /// How many are not done.
    open: usize,
    order: Order,
    patience: Duration,
    /// How long was waited for what did not come; nobody waits while nobody polls.
    waited: Duration,
    /// What librdkafka last said is wrong, since something came.
    complaint: Option<RDKafkaErrorCode>,
}

impl RangeReader {
    /// Opens a topic (by its full name) at the beginning of every range.
    ///
    /// # Errors
    /// If the topic does not have what is asked for, or cannot be read. Empty ranges are not
    /// looked at.
    pub fn open(
        connection: &Connection,
        topic: &str,
        ranges: &BTreeMap<u32, Range>,
        order: Order,
    ) -> Result<Self, TopicReadError> {
        let mut reader = Self::new(connection, topic, order, ASK_PATIENCE)?;
        let partitions = reader.parts.len() as u32;
        for (&partition, &range) in ranges {
            let topic = topic.to_owned();
            let Some(part) = reader.parts.get_mut(partition as usize) else {
                return Err(TopicReadError::NoPartition { topic, partition, partitions });
            };
            *part = Some(Part::of(range));
            if range.is_empty() {
                continue;
            }
            let (low, end) = watermarks(&reader.client, &topic, partition, ASK_PATIENCE)?;
            let Range { from, to: wanted } = range;
            if from < low {
                return Err(TopicReadError::Cut { topic, partition, low, from });
            }
            let wanted = if wanted == Range::ENDLESS { from } else { wanted };
            if end < wanted {
                return Err(TopicReadError::Short { topic, partition, end, wanted });
            }
            reader.open += 1;
        }
        reader.assign()?;
        Ok(reader)
    }

    /// Opens a topic (by its full name) at the first record of every partition, and gives where each
    /// ends now. The brokers are asked for so long at most.
    pub(super) fn open_whole(
        connection: &Connection,
        topic: &str,
        patience: Duration,
    ) -> Result<(Self, Vec<i64>), TopicReadError> {
        let mut reader = Self::new(connection, topic, Order::Together, patience)?;
        let mut ends = Vec::with_capacity(reader.parts.len());
        for (partition, part) in (0..).zip(&mut reader.parts) {
            // Before the assignment: what is fetched afterwards goes at least as far.
            let (from, end) = watermarks(&reader.client, topic, partition, patience)?;
            *part = Some(Part::of(Range { from, to: Range::ENDLESS }));
            reader.open += 1;
            ends.push(end);
        }
        // Wherever they begin by then.
        reader.assign_from(|_| Offset::Beginning)?;
        Ok((reader, ends))
    }

    fn new(
        connection: &Connection,
        topic: &str,
        order: Order,
        patience: Duration,
    ) -> Result<Self, TopicReadError> {
        let config = reading(connection)?;
        let mut own = config.clone();
        if order == Order::OneByOne {
            let limits = [
                ("queued.min.messages", WAITING_RECORDS),
                ("queued.max.messages.kbytes", WAITING_KIB),
            ];
            for (key, value) in limits {
                if connection.kafka_properties.iter().all(|property| property.key() != key) {
                    own.set(key, value);
                }
            }
        }
        let client = Arc::new(client(own, topic)?);
        let partitions = partitions(&client, topic, patience)?;
        Ok(Self {
            // Before the first record: whatever is read is of this one, or the next look says so.
            lookout: Lookout::new(&client, topic, partitions),
            client,
            config,
            queues: Vec::new(),
            current: 0,
            topic: topic.to_owned(),
            parts: vec![None; partitions as usize],
            open: 0,
            order,
            patience: READ_TIMEOUT,
            waited: Duration::ZERO,
            complaint: None,
        })
    }

    /// Gives up after another time without news than [`READ_TIMEOUT`], beginning again.
    #[must_use]
    pub fn with_patience(mut self, patience: Duration) -> Self {
        self.patience = patience;
        self.news();
        self
    }

    /// Hands over what is there, waiting for the first record no longer than `wait`, until `each`
    /// breaks off. A record that `each` gives an error for does not count as handed over.
    ///
    /// # Errors
    /// Those of `each`; if reading fails for good, or nothing came for a while although a range
    /// with an end goes on. Brokers that are away are waited for meanwhile.
    pub fn poll<E: From<TopicReadError>>(
        &mut self,
        wait: Duration,
        mut each: impl FnMut(&BorrowedMessage<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<Polled, E> {
        self.check_topic()?;
        let begun = Instant::now();
        let (deadline, open) = (begun + wait, self.open);
        let mut records = 0;
        while self.open > 0 && records < MAX_POLL_RECORDS {
            let wait = match records {
                0 => deadline.saturating_duration_since(Instant::now()),
                _ => Duration::ZERO,
            };
            // What other partitions bring waits in queues of their own, within bounds.
            let polled = match self.queues.get(self.current) {
                Some(Some(queue)) => queue.poll(wait),
                _ => self.client.poll(wait),
            };
            match polled {
                None => break,
                Some(Ok(message)) => {
                    let (number, offset) = (message.partition() as usize, message.offset());
                    let Some(Some(part)) = self.parts.get_mut(number) else { continue };
                    // What was under way when a partition was done with may still come.
                    if part.done {
                        continue;
                    }
                    if offset >= part.to {
                        drop(message);
                        self.done(number)?;
                        continue;
                    }
                    let flow = each(&message)?;
                    drop(message);
                    records += 1;
                    part.next = offset + 1;
                    if part.next >= part.to {
                        self.done(number)?;
                    }
                    if flow.is_break() {
                        break;
                    }
                }
                Some(Err(KafkaError::PartitionEOF(number))) => {
                    self.ended(usize::try_from(number).unwrap_or(usize::MAX))?;
                    break;
                }
                Some(Err(error)) => {
                    self.on_error(error)?;
                    break;
                }
            }
        }
        if records > 0 {
            self.news();
            return Ok(Polled::Records(records));
        }
        if self.open == 0 {
            return Ok(Polled::Done);
        }
        self.check_errors()?;
        if self.open < open {
            self.news();
        } else {
            self.waited += begun.elapsed();
        }
        self.check_patience()?;
        Ok(Polled::Idle)
    }

    /// Hands over everything there is in the ranges, unless `each` breaks off; false if `stop` is set
    /// before.
    ///
    /// # Errors
    /// As [`Self::poll`].
    pub fn read_all<E: From<TopicReadError>>(
        &mut self,
        stop: &AtomicBool,
        mut each: impl FnMut(&BorrowedMessage<'_>) -> Result<ControlFlow<()>, E>,
    ) -> Result<bool, E> {
        loop {
            let mut is_enough = false;
            let polled = self.poll(POLL_TIMEOUT, |message| {
                each(message).inspect(|flow| is_enough = flow.is_break())
            })?;
            if is_enough || polled == Polled::Done {
                return Ok(true);
            }
            if stop.load(Ordering::Acquire) {
                return Ok(false);
            }
        }
    }

    /// Reads no more of a partition, wherever it stands.
    ///
    /// # Errors
    /// If librdkafka refuses, which it has no reason to.
    pub fn leave(&mut self, partition: u32) -> Result<(), TopicReadError> {
        let Some(Some(part)) = self.parts.get_mut(partition as usize) else { return Ok(()) };
        part.to = part.to.min(part.next);
        self.done(partition as usize)
    }

    /// Where each partition stands: everything before has been handed over. For one whose range
    /// has been read it is the range's end.
    #[must_use]
    pub fn next_offsets(&self) -> BTreeMap<u32, i64> {
        self.each_part().map(|(partition, part)| (partition, part.next)).collect()
    }

    /// Where a partition stands, and whether its end was ever reported.
    pub(super) fn stands_at(&self, partition: usize) -> (i64, bool) {
        let part = self.parts.get(partition).and_then(Option::as_ref);
        part.map_or((0, false), |part| (part.next, part.ended_at.is_some()))
    }

    /// What the client last said of the brokers.
    pub(super) fn last_word(&self) -> String {
        last_word(&self.client)
    }

    /// The topic's full name.
    #[must_use]
    pub fn topic(&self) -> &str {
        &self.topic
    }

    fn each_part(&self) -> impl Iterator<Item = (u32, &Part)> {
        (0..).zip(&self.parts).filter_map(|(partition, part)| Some((partition, part.as_ref()?)))
    }

    /// Has the client fetch what is to be read, from where we stand.
    fn assign(&mut self) -> Result<(), TopicReadError> {
        self.assign_from(|part| Offset::Offset(part.next))
    }

    fn assign_from(&mut self, from: impl Fn(&Part) -> Offset) -> Result<(), TopicReadError> {
        let mut assignment = TopicPartitionList::new();
        for (partition, part) in self.each_part().filter(|(_, part)| !part.done) {
            assignment
                .add_partition_offset(&self.topic, partition as i32, from(part))
                .map_err(|error| self.kafka(error))?;
        }
        self.client.assign(&assignment).map_err(|error| self.kafka(error))?;
        if self.order == Order::OneByOne {
            self.queues = (0..)
                .zip(&self.parts)
                .map(|(partition, part)| {
                    part.filter(|part| !part.done)?;
                    self.client.split_partition_queue(&self.topic, partition)
                })
                .collect();
            // What came before the queues were apart is dropped by this, and fetched again.
            self.client.pause(&assignment).map_err(|error| self.kafka(error))?;
            self.client.resume(&assignment).map_err(|error| self.kafka(error))?;
        }
        self.move_on();
        Ok(())
    }

    /// Something came: patience begins again.
    fn news(&mut self) {
        (self.waited, self.complaint) = (Duration::ZERO, None);
    }

    /// Turns to the first partition that is not done.
    fn move_on(&mut self) {
        let is_open = |part: &Option<Part>| part.is_some_and(|part| !part.done);
        self.current = self.parts.iter().position(is_open).unwrap_or(self.parts.len());
    }

    /// Notes that a partition has been read, once.
    fn done(&mut self, number: usize) -> Result<(), TopicReadError> {
        let Some(Some(part)) = self.parts.get_mut(number) else { return Ok(()) };
        if part.done {
            return Ok(());
        }
        (part.done, part.next) = (true, part.to);
        self.open -= 1;
        self.move_on();
        // What is behind the range is not wanted.
        let mut paused = TopicPartitionList::new();
        paused.add_partition(&self.topic, number as i32);
        self.client.pause(&paused).map_err(|error| self.kafka(error))
    }

    /// The end of a partition was reported. If it is that of the range, there is nothing left of
    /// it but marks of transactions. A leader just elected may not know the whole log yet: then it
    /// is asked again.
    fn ended(&mut self, number: usize) -> Result<(), TopicReadError> {
        let Some(Some(part)) = self.parts.get(number).copied() else { return Ok(()) };
        if part.done {
            return Ok(());
        }
        let at = self.position(number).unwrap_or(part.next).max(part.next);
        // Marks count as passed: a reader that goes on from here need not read them again, and a client
        // told to seek does not know where it stands until something comes.
        if let Some(Some(part)) = self.parts.get_mut(number) {
            part.next = at.min(part.to);
        }
        if at >= part.to {
            return self.done(number);
        }
        if part.to == Range::ENDLESS {
            if let Some(Some(part)) = self.parts.get_mut(number) {
                part.ended_at = Some(at);
            }
            return Ok(());
        }
        let is_whole = goes_to(&self.client, &self.topic, number, part.to);
        if is_whole && part.ended_at == Some(at) {
            // Said twice from here, by a leader that knows the whole: what was here is gone, as
            // compaction leaves it.
            return self.done(number);
        }
        if let Some(Some(part)) = self.parts.get_mut(number) {
            part.ended_at = is_whole.then_some(at);
        }
        self.client
            .seek(&self.topic, number as i32, Offset::Offset(at), TIMEOUT)
            .map_err(|error| self.kafka(error))
    }

    /// Where the client stands in a partition, behind marks of transactions as well; `None` if it
    /// has read nothing of it.
    fn position(&self, number: usize) -> Option<i64> {
        let positions = self.client.position().ok()?;
        match positions.find_partition(&self.topic, number as i32)?.offset() {
            Offset::Offset(offset) => Some(offset),
            _ => None,
        }
    }

    fn kafka(&self, source: KafkaError) -> TopicReadError {
        TopicReadError::Kafka { topic: self.topic.clone(), source }
    }
}

#[cfg(test)]
mod tests;
