//! Publishing records at the offsets that they had in another topic: for who restores one.
//!
//! An offset is the broker's to give, one after the other, so a partition that is empty gives the
//! same ones to the same records in the same order. Where the original has none (marks of
//! transactions, what was aborted, what compaction has left), a transaction takes its place: `n`
//! offsets are `n - 1` records that are aborted, which readers of what is committed do not see, and
//! the mark of that. A single one is the mark of a transaction in which the record before it stands.
//! Each confirmation is compared with the offset that was to come of it, and has to bear the record's
//! own time.

mod error;
mod native;
mod places;

use std::cell::{Cell, OnceCell};
use std::ffi::CString;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::producer::{Producer as _, ThreadedProducer};

use super::record::{QUEUE_WAIT, flush};
use super::{PublishError, PublishSettings};
use crate::connection::ask::{ASK_PATIENCE, patiently};
use crate::connection::{Connection, ConnectionError};

use places::{Fault, Places};

pub use error::ExactError;

/// How long a step of a transaction may take: a broker's restart is over by then.
const STEP: Duration = Duration::from_secs(60);
/// One turn of waiting for confirmations.
const FLUSH_TIMEOUT: Duration = Duration::from_millis(100);
/// How long a mark is waited for before it is looked for again.
const MARK_PAUSE: Duration = Duration::from_millis(1);
/// Clients that take turns with transactions: the brokers end one of a client a little after they
/// confirm its end, and its next one waits for that.
const TRANSACTIONAL: usize = 3;
/// The most records that one transaction takes a place with: the brokers give it a minute.
const MOST_FILLERS: i64 = 250_000;
/// The largest record that is handed to librdkafka; what the topic takes is the broker's word.
const MAX_RECORD_BYTES: u32 = 64 << 20;
/// The key of a record that only takes a place and has neither value nor headers: a compacted topic
/// wants one.
pub const FILLER: &[u8] = b"laju-filler";

/// A header: its name, which may be any bytes, and its value.
pub type KeptHeader<'a> = (&'a [u8], Option<&'a [u8]>);

/// A record with the place that it has to have.
#[derive(Clone, Copy, Debug)]
pub struct ExactRecord<'a> {
    pub partition: u32,
    pub offset: i64,
    /// Milliseconds since 1970; without, the producer's clock is asked.
    pub timestamp: Option<i64>,
    pub key: Option<&'a [u8]>,
    pub value: Option<&'a [u8]>,
    /// The headers, in order.
    pub headers: &'a [KeptHeader<'a>],
}

type Client = ThreadedProducer<Places>;

/// Puts records of one topic where they have to stand. Dropping it gives up what is not confirmed:
/// [`ExactPublisher::settle`] first.
pub struct ExactPublisher {
    connection: Connection,
    topic: String,
    name: CString,
    places: Places,
    plain: Client,
    transactional: OnceCell<[Client; TRANSACTIONAL]>,
    /// How many transactions there were.
    begun: Cell<usize>,
}

impl ExactPublisher {
    /// A publisher to a topic, by its full name.
    ///
    /// # Errors
    /// If the connection's options are wrong.
    pub fn open(connection: &Connection, topic: &str) -> Result<Self, ExactError> {
        let places = Places::default();
        let name = CString::new(topic).unwrap_or_default();
        let settings = PublishSettings { gapless: true, ..settings() };
        let mut config = connection.client_config()?;
        settings.apply(&mut config);
        let plain = Client::from_config_and_context(&config, places.clone())
            .map_err(|error| ConnectionError::refused(&error))?;
        let (connection, topic) = (connection.clone(), topic.to_owned());
        let (transactional, begun) = (OnceCell::new(), Cell::new(0));
        Ok(Self { connection, topic, name, places, plain, transactional, begun })
    }

    /// Aborts what a publisher before this one has left open.
    ///
    /// # Errors
    /// If the brokers do not allow transactions.
    pub fn abort_what_is_left(&self) -> Result<(), ExactError> {
        self.clients().map(drop)
    }

    /// Sends a record, waiting while too many are under way.
    ///
    /// # Errors
    /// If librdkafka does not take it, one before it went wrong, or `stop` is set while it waits.
    #[inline]
    pub fn append(&self, record: &ExactRecord<'_>, stop: &AtomicBool) -> Result<(), ExactError> {
        self.check()?;
        self.send(&self.plain, record, stop)
    }

    /// Waits until everything that was sent stands where it has to.
    ///
    /// # Errors
    /// If something does not, or `stop` is set meanwhile.
    pub fn settle(&self, stop: &AtomicBool) -> Result<(), ExactError> {
        self.settle_of(&self.plain, stop)
    }

    /// Puts a record with the mark of a transaction behind it: two offsets.
    ///
    /// # Errors
    /// If they are not taken.
    pub fn append_marked(
        &self,
        record: &ExactRecord<'_>,
        stop: &AtomicBool,
    ) -> Result<(), ExactError> {
        self.settle(stop)?;
        let client = self.begin()?;
        self.send(client, record, stop)?;
        self.settle_of(client, stop)?;
        client.commit_transaction(STEP).map_err(|error| self.no("is not committed", &error))?;
        self.wait_for_end(record.partition, record.offset + 2, stop)
    }

    /// Takes the offsets from `from` up to before `to`, two at least, with nothing that anybody sees.
    ///
    /// # Errors
    /// If they are not taken.
    pub fn fill(
        &self,
        partition: u32,
        (mut from, to): (i64, i64),
        timestamp: Option<i64>,
        stop: &AtomicBool,
    ) -> Result<(), ExactError> {
        self.settle(stop)?;
        while from < to {
            let mut end = to.min(from + MOST_FILLERS);
            if to - end == 1 {
                // A single one cannot be taken.
                end -= 1;
            }
            let client = self.begin()?;
            for offset in from..end - 1 {
                self.send(client, &filler(partition, offset, timestamp), stop)?;
            }
            self.settle_of(client, stop)?;
            client.abort_transaction(STEP).map_err(|error| self.no("is not aborted", &error))?;
            self.wait_for_end(partition, end, stop)?;
            from = end;
        }
        Ok(())
    }

    /// Takes the offsets from `from` up to before `to` with records that are to be deleted.
    ///
    /// # Errors
    /// If they are not taken.
    pub fn pad(
        &self,
        partition: u32,
        (from, to): (i64, i64),
        timestamp: Option<i64>,
        stop: &AtomicBool,
    ) -> Result<(), ExactError> {
        for offset in from..to {
            self.append(&filler(partition, offset, timestamp), stop)?;
        }
        self.settle(stop)
    }

    /// The first offset of a partition, and the one behind the last that is committed.
    ///
    /// # Errors
    /// If the brokers do not say so.
    pub fn watermarks(&self, partition: u32) -> Result<(i64, i64), ExactError> {
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        let marks = patiently(ASK_PATIENCE, |timeout| {
            self.plain.client().fetch_watermarks(&self.topic, number, timeout)
        });
        marks.map_err(|error| ExactError::NoEnd {
            topic: self.topic.clone(),
            partition,
            reason: self.places.inner.events().last_error().unwrap_or_else(|| error.to_string()),
        })
    }

    /// A transaction's mark is written by another broker than the one that confirms its end, a
    /// moment later: what comes next must not stand before it.
    fn wait_for_end(
        &self,
        partition: u32,
        wanted: i64,
        stop: &AtomicBool,
    ) -> Result<(), ExactError> {
        let deadline = Instant::now() + STEP;
        loop {
            let (_, end) = self.watermarks(partition)?;
            if end == wanted {
                return Ok(());
            }
            if end > wanted || Instant::now() >= deadline {
                let (topic, found) = (self.topic.clone(), end);
                return Err(ExactError::Elsewhere { topic, partition, wanted, found });
            }
            if stop.load(Ordering::Acquire) {
                return Err(ExactError::Stopped);
            }
            std::thread::sleep(MARK_PAUSE);
        }
    }

    /// Begins a transaction.
    fn begin(&self) -> Result<&Client, ExactError> {
        let clients = self.clients()?;
        let turn = self.begun.get();
        self.begun.set(turn.wrapping_add(1));
        let client = &clients[turn % TRANSACTIONAL];
        client.begin_transaction().map_err(|error| self.no("does not begin", &error))?;
        Ok(client)
    }

    fn clients(&self) -> Result<&[Client; TRANSACTIONAL], ExactError> {
        if let Some(clients) = self.transactional.get() {
            return Ok(clients);
        }
        let clients = [self.client(0)?, self.client(1)?, self.client(2)?];
        Ok(self.transactional.get_or_init(|| clients))
    }

    fn client(&self, number: usize) -> Result<Client, ExactError> {
        let mut config = self.connection.client_config()?;
        PublishSettings { delivery_timeout: STEP, linger: Duration::ZERO, ..settings() }
            .apply(&mut config);
        config
            .set("transactional.id", format!("{}.{number}", self.transactional_id()))
            .set("transaction.timeout.ms", STEP.as_millis().to_string());
        let client = Client::from_config_and_context(&config, self.places.clone())
            .map_err(|error| ConnectionError::refused(&error))?;
        client.init_transactions(STEP).map_err(|error| self.no("is not allowed", &error))?;
        Ok(client)
    }

    /// What the ids of its transactions begin with: the installation's prefix, as all names.
    fn transactional_id(&self) -> String {
        let prefix = &self.connection.topic_prefix;
        let topic = self.topic.strip_prefix(prefix.as_str()).unwrap_or(&self.topic);
        format!("{prefix}laju-restore.{topic}")
    }

    fn no(&self, what: &'static str, error: &KafkaError) -> ExactError {
        ExactError::Transaction {
            topic: self.topic.clone(),
            what,
            reason: error.to_string(),
            id: self.transactional_id(),
        }
    }

    fn check(&self) -> Result<(), ExactError> {
        let topic = || self.topic.clone();
        match self.places.fault() {
            None => Ok(()),
            Some(Fault::Delivery(why)) => Err(ExactError::Delivery { topic: topic(), why }),
            Some(Fault::Elsewhere { partition, wanted, found }) => {
                Err(ExactError::Elsewhere { topic: topic(), partition, wanted, found })
            }
            Some(Fault::Restamped { partition, offset }) => {
                Err(ExactError::Restamped { topic: topic(), partition, offset })
            }
        }
    }

    fn settle_of(&self, client: &Client, stop: &AtomicBool) -> Result<(), ExactError> {
        while flush(client, FLUSH_TIMEOUT) > 0 {
            self.check()?;
            if stop.load(Ordering::Acquire) {
                return Err(ExactError::Stopped);
            }
        }
        self.check()
    }

    /// Hands a record to librdkafka, which copies it, waiting while its queue is full.
    fn send(
        &self,
        client: &Client,
        record: &ExactRecord<'_>,
        stop: &AtomicBool,
    ) -> Result<(), ExactError> {
        loop {
            match native::hand_over(client.client().native_ptr(), &self.name, record) {
                Ok(()) => return Ok(()),
                Err(RDKafkaErrorCode::QueueFull) if stop.load(Ordering::Acquire) => {
                    return Err(ExactError::Stopped);
                }
                Err(RDKafkaErrorCode::QueueFull) => {
                    self.places.inner.wait_for_room(QUEUE_WAIT);
                    self.check()?;
                }
                Err(code) => {
                    let (partition, offset) = (record.partition, record.offset);
                    return Err(ExactError::Publish(PublishError::Queue {
                        what: format!("the record of offset {offset} of partition {partition}"),
                        topic: self.topic.clone(),
                        source: Box::new(KafkaError::MessageProduction(code)),
                    }));
                }
            }
        }
    }
}

fn settings() -> PublishSettings {
    PublishSettings { max_message_bytes: MAX_RECORD_BYTES, ..PublishSettings::bulk() }
}

/// A record that only takes a place.
const fn filler(partition: u32, offset: i64, timestamp: Option<i64>) -> ExactRecord<'static> {
    let (key, value) = (Some(FILLER), None);
    ExactRecord { partition, offset, timestamp, key, value, headers: &[] }
}
