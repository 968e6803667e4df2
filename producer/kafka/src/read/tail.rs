//! Reads the whole of a topic, from its first record, and may then go on following it: the
//! reference figures, the kiosks' statuses, whatever every node reads for itself.
//!
//! It joins no group and commits nothing. It does not know what the records say.

use std::ops::ControlFlow;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rdkafka::message::{BorrowedMessage, Message as _};

use super::error::{READ_AGAIN, START_AGAIN, TopicReadError};
use super::fetch_error;
use super::headers::{self, Headers};
use super::reader::RangeReader;
use crate::connection::Connection;
use crate::trouble::TroubledPartition;

/// How long a call of librdkafka may keep us from looking at `stop`.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);

/// A record of the topic. It lives until the callback returns.
#[derive(Clone, Copy, Debug)]
pub struct TailRecord<'a>(&'a BorrowedMessage<'a>);

impl<'a> TailRecord<'a> {
    /// Its partition.
    #[must_use]
    pub fn partition(&self) -> i32 {
        self.0.partition()
    }

    /// Its offset.
    #[must_use]
    pub fn offset(&self) -> i64 {
        self.0.offset()
    }

    /// Its timestamp in milliseconds since 1970; 0 if it has none.
    #[must_use]
    pub fn timestamp_ms(&self) -> i64 {
        self.0.timestamp().to_millis().unwrap_or(0)
    }

    /// Its key, if it has one.
    #[must_use]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.0.key()
    }

    /// Its value; `None` for a tombstone.
    #[must_use]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.0.payload()
    }

    /// Its headers, in order.
    #[must_use]
    pub fn headers(&self) -> Headers {
        headers::owned(self.0)
    }
}

/// What a tail has to tell.
#[derive(Clone, Copy, Debug)]
pub enum Tailed<'a> {
    /// The next record of its partition.
    Record(TailRecord<'a>),
    /// All that was there when the tail was opened has been handed over. Told once.
    CaughtUp,
}

/// A topic being read from its beginning, by one thread.
pub struct Tail {
    reader: RangeReader,
    /// Where each partition ended when the tail was opened.
    ends: Vec<i64>,
    /// Whether any record came.
    has_records: bool,
    told: bool,
}

impl Tail {
    /// Opens a topic (by its full name) at the first record of every partition, and notes where each
    /// ends now.
    ///
    /// # Errors
    /// If there is no such topic, or no answer within `timeout`: the brokers are asked again
    /// meanwhile.
    pub fn open(
        connection: &Connection,
        topic: &str,
        timeout: Duration,
    ) -> Result<Self, TopicReadError> {
        let opened = RangeReader::open_whole(connection, topic, timeout);
        let (reader, ends) = opened.map_err(|error| match error {
            TopicReadError::NoAnswer { reason, .. } => {
                TopicReadError::NoAnswer { what: format!("how far {topic} goes"), reason }
            }
            error => error,
        })?;
        Ok(Self { reader, ends, has_records: false, told: false })
    }

    /// The topic's full name.
    #[must_use]
    pub fn topic(&self) -> &str {
        self.reader.topic()
    }

    /// Of every partition the offset after the last record handed over, or after the marks of
    /// transactions behind it (before the first one, that of the partition's first record).
    pub fn next_offsets(&self) -> impl Iterator<Item = i64> {
        self.at().map(|(next, ..)| next)
    }

    /// Of every partition where it ended when the tail was opened.
    pub fn end_offsets(&self) -> impl Iterator<Item = i64> {
        self.ends.iter().copied()
    }

    /// Whether all that was there when the tail was opened has been handed over.
    #[must_use]
    pub fn has_caught_up(&self) -> bool {
        self.at().all(|(next, end, is_ended)| is_ended || next >= end)
    }

    /// Where each partition stands, where it ended when the tail was opened, and whether its end was
    /// reported since.
    fn at(&self) -> impl Iterator<Item = (i64, i64, bool)> {
        self.ends.iter().enumerate().map(|(partition, end)| {
            let (next, is_ended) = self.reader.stands_at(partition);
            (next, *end, is_ended)
        })
    }

    /// Hands over one piece of news, waiting for it no longer than `wait`; false if there was none.
    ///
    /// # Errors
    /// Those that time does not mend. While brokers are away there is just no news.
    pub fn poll(
        &mut self,
        wait: Duration,
        each: impl FnOnce(Tailed<'_>),
    ) -> Result<bool, TopicReadError> {
        if !self.told && self.has_caught_up() {
            self.told = true;
            each(Tailed::CaughtUp);
            return Ok(true);
        }
        let mut each = Some(each);
        let polled = self.reader.poll(wait, |message| {
            if let Some(each) = each.take() {
                each(Tailed::Record(TailRecord(message)));
            }
            Ok::<_, TopicReadError>(ControlFlow::Break(()))
        });
        polled.map_err(|error| self.said(error))?;
        let is_record = each.is_none();
        self.has_records |= is_record;
        Ok(is_record)
    }

    /// An error with what there is to do about it for who reads the whole topic.
    fn said(&self, error: TopicReadError) -> TopicReadError {
        match error {
            TopicReadError::Gone { topic, reason, .. } => {
                TopicReadError::Gone { topic, reason, cure: START_AGAIN }
            }
            TopicReadError::Changed { topic, change, .. } => {
                TopicReadError::Changed { topic, change, cure: READ_AGAIN }
            }
            // Whoever has read it was allowed to.
            TopicReadError::Forbidden(topic)
                if self.has_records || self.at().any(|(.., is_ended)| is_ended) =>
            {
                let trouble = fetch_error::unauthorized(self.next_offsets().next().unwrap_or(0));
                let topic = topic.into();
                TopicReadError::Trouble(Box::new(TroubledPartition {
                    topic,
                    partition: 0,
                    trouble,
                }))
            }
            error => error,
        }
    }

    /// Hands over everything that was there when the tail was opened, then returns.
    ///
    /// # Errors
    /// Those of `each`; if nothing comes for `patience` although there is more, or reading fails for
    /// good.
    pub fn read_to_end<E: From<TopicReadError>>(
        &mut self,
        patience: Duration,
        mut each: impl FnMut(TailRecord<'_>) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut last = Instant::now();
        while !self.has_caught_up() {
            let mut taken = Ok(());
            let news = self.poll(POLL_TIMEOUT, |tailed| {
                if let Tailed::Record(record) = tailed {
                    taken = each(record);
                }
            })?;
            taken?;
            if news {
                last = Instant::now();
            } else if last.elapsed() >= patience && !self.has_caught_up() {
                return Err(self.unfinished(patience).into());
            }
        }
        Ok(())
    }

    /// Hands over everything there is and everything that comes, until `stop` is set or the
    /// callback breaks off; then returns within a fraction of a second.
    ///
    /// # Errors
    /// If reading fails for good. Brokers that are away are waited for.
    pub fn follow(
        &mut self,
        stop: &AtomicBool,
        mut each: impl FnMut(Tailed<'_>) -> ControlFlow<()>,
    ) -> Result<(), TopicReadError> {
        while !stop.load(Ordering::Relaxed) {
            let mut flow = ControlFlow::Continue(());
            self.poll(POLL_TIMEOUT, |tailed| flow = each(tailed))?;
            if flow.is_break() {
                break;
            }
        }
        Ok(())
    }

    fn unfinished(&self, patience: Duration) -> TopicReadError {
        let is_late =
            |(_, (next, end, is_ended)): &(u32, (i64, i64, bool))| !is_ended && next < end;
        let late = (0..).zip(self.at()).find(is_late);
        let (partition, (next, end, _)) = late.unwrap_or_default();
        TopicReadError::Unfinished {
            topic: self.topic().to_owned(),
            seconds: patience.as_secs(),
            partition,
            next,
            end,
            reason: self.reader.last_word(),
        }
    }
}

#[cfg(test)]
mod tests;
