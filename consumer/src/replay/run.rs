//! The loop: records in, rows or copies out, and now and then a note of how far it is.

use std::io::{self, Write};
use std::ops::ControlFlow;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use laju_kafka::copy::TopicCopy;
use laju_kafka::read::{MAX_POLL_RECORDS, Polled, RangeReader, Record};
use laju_schemas::quarantine::Origin;
use laju_schemas::{RawEvent, TimestampMs};
use rdkafka::message::{BorrowedMessage, Message as _};

use super::checkpoint::{Checkpoint, Counts};
use super::decode::Decoder;
use super::error::ReplayError;
use super::file::PartFile;
use super::filter::Filter;
use super::rows::{Place, RowWriter, Undecodable};

/// How long a call of the reader may keep us from looking at `stop`.
const POLL_TIMEOUT: Duration = Duration::from_millis(100);
/// How long what was gathered may wait while more keeps coming.
const FLUSH_EVERY: Duration = Duration::from_millis(200);
/// How often a checkpoint is written, whichever comes first.
const CHECKPOINT_EVERY: Duration = Duration::from_secs(1);
const CHECKPOINT_RECORDS: u64 = 100_000;

/// Where rows or records go.
pub enum Sink<'a> {
    /// Rows, into a file or the standard output.
    Rows {
        /// What writes them.
        rows: RowWriter<Box<dyn Write + 'a>>,
        /// What it is called in errors.
        name: PathBuf,
        /// The file, if it is one.
        file: Option<PartFile>,
    },
    /// Records, into another topic.
    Topic(TopicCopy),
}

impl Sink<'_> {
    fn event(
        &mut self,
        place: Place,
        event: &RawEvent<'_>,
        record: &BorrowedMessage<'_>,
        stop: &AtomicBool,
    ) -> Result<(), ReplayError> {
        match self {
            Self::Rows { rows, name, .. } => {
                rows.event(place, event).map_err(|error| unwritten(name, error))
            }
            Self::Topic(copy) => Ok(copy.copy(record, stop)?),
        }
    }

    /// Hands on what was gathered.
    fn flush(&mut self) -> Result<(), ReplayError> {
        match self {
            Self::Rows { rows, name, .. } => rows.flush().map_err(|error| unwritten(name, error)),
            Self::Topic(copy) => Ok(copy.check()?),
        }
    }

    /// Makes sure that all that was written stays; tells how many bytes of a file that is,
    /// and a digest of how they end.
    fn make_safe(&mut self, stop: &AtomicBool) -> Result<Option<(u64, String)>, ReplayError> {
        self.flush()?;
        match self {
            Self::Rows { name, file: Some(file), .. } => {
                file.sync().map(Some).map_err(|error| unwritten(name, error))
            }
            Self::Rows { .. } => Ok(None),
            Self::Topic(copy) => copy.confirm(stop).map(|()| None).map_err(Into::into),
        }
    }
}

fn unwritten(name: &std::path::Path, source: io::Error) -> ReplayError {
    match source.kind() {
        io::ErrorKind::BrokenPipe => ReplayError::ReaderGone,
        _ => ReplayError::Output { path: name.to_owned(), source },
    }
}

/// Is called with records that cannot be read.
pub type OnUndecodable<'a> = Box<dyn FnMut(Place, &Undecodable) + 'a>;

/// A replay under way.
pub struct Replay<'a> {
    pub decoder: Decoder,
    pub filter: Filter,
    /// How many rows or records at most.
    pub limit: Option<u64>,
    /// Whether rows leave out what cannot be read.
    pub skip_undecodable: bool,
    pub sink: Sink<'a>,
    /// Where to note how far it is, if at all.
    pub checkpoint: Option<(PathBuf, Checkpoint)>,
    /// What was done, also before a checkpoint.
    pub counts: Counts,
    pub stop: &'a AtomicBool,
    /// Is called with each record that cannot be read.
    pub on_undecodable: OnUndecodable<'a>,
}

impl Replay<'_> {
    /// Reads everything that is to be read; `tell` is called after each turn.
    ///
    /// Whatever ends it, what was read before is safe and noted, if there is a checkpoint; unless
    /// it could not be written.
    pub fn run(
        &mut self,
        reader: &mut RangeReader,
        tell: &mut dyn FnMut(&Counts, &RangeReader),
    ) -> Result<(), ReplayError> {
        let ended = self.read(reader, tell);
        tell(&self.counts, reader);
        match &ended {
            Ok(()) => self.note(reader, true)?,
            Err(ReplayError::Interrupted | ReplayError::Range(_)) => {
                match self.note(reader, false) {
                    Err(ReplayError::Interrupted) => tracing::warn!(
                        "not all that was copied is confirmed: what came after the last note may \
                         be there or not"
                    ),
                    noted => noted?,
                }
            }
            Err(_) => {}
        }
        ended
    }

    fn read(
        &mut self,
        reader: &mut RangeReader,
        tell: &mut dyn FnMut(&Counts, &RangeReader),
    ) -> Result<(), ReplayError> {
        let (mut noted, mut read_then) = (Instant::now(), self.counts.read);
        let mut flushed = Instant::now();
        while !self.is_enough() {
            if self.stop.load(Ordering::Acquire) {
                return Err(ReplayError::Interrupted);
            }
            // Others keep coming for ever, perhaps: who reads along waits for what is gathered.
            let mut take = |record: &BorrowedMessage<'_>| {
                // What was not handed over counts as nothing: it is read again.
                let before = self.counts;
                self.take(record).inspect_err(|_| self.counts = before)
            };
            let is_caught_up = match reader.poll(POLL_TIMEOUT, &mut take)? {
                Polled::Done => break,
                Polled::Idle => true,
                Polled::Records(count) => count < MAX_POLL_RECORDS,
            };
            let is_copy = matches!(self.sink, Sink::Topic(_));
            if is_caught_up || is_copy || flushed.elapsed() >= FLUSH_EVERY {
                self.sink.flush()?;
                flushed = Instant::now();
            }
            tell(&self.counts, reader);
            if self.checkpoint.is_some()
                && self.counts.read > read_then
                && (noted.elapsed() >= CHECKPOINT_EVERY
                    || self.counts.read - read_then >= CHECKPOINT_RECORDS)
            {
                self.note(reader, false)?;
                (noted, read_then) = (Instant::now(), self.counts.read);
            }
        }
        Ok(())
    }

    fn is_enough(&self) -> bool {
        self.limit.is_some_and(|limit| self.counts.written >= limit)
    }

    #[inline]
    fn take(&mut self, record: &BorrowedMessage<'_>) -> Result<ControlFlow<()>, ReplayError> {
        let place = Place {
            partition: record.partition() as u32,
            offset: record.offset(),
            timestamp: record.timestamp().to_millis().map(TimestampMs),
        };
        let Self { decoder, filter, sink, counts, skip_undecodable, on_undecodable, .. } = self;
        let origin = Origin { partition: record.partition() as u32, offset: record.offset() };
        match sink {
            // A copy is a copy: nobody looks into it.
            Sink::Topic(copy) if filter.is_empty() => {
                copy.copy(record, self.stop)?;
                counts.read += 1;
                counts.matched += 1;
                counts.written += 1;
            }
            _ => decoder.read(
                (origin, record.payload()),
                &Record::from(record),
                self.stop,
                |event| {
                    counts.read += 1;
                    match event {
                        Ok(event) if filter.matches(&event) => {
                            counts.matched += 1;
                            sink.event(place, &event, record, self.stop)?;
                            counts.written += 1;
                        }
                        Ok(_) => {}
                        Err(fault) => {
                            counts.undecodable += 1;
                            on_undecodable(place, &fault);
                            if let Sink::Rows { rows, name, .. } = sink
                                && !*skip_undecodable
                            {
                                let written = rows.undecodable(place, &fault);
                                written.map_err(|error| unwritten(name, error))?;
                                counts.written += 1;
                            }
                        }
                    }
                    Ok(())
                },
            )?,
        }
        let is_enough = self.is_enough();
        Ok(if is_enough { ControlFlow::Break(()) } else { ControlFlow::Continue(()) })
    }

    /// Makes what was written safe, and notes how far that is.
    fn note(&mut self, reader: &RangeReader, complete: bool) -> Result<(), ReplayError> {
        let kept = self.sink.make_safe(self.stop)?;
        if let Some((path, checkpoint)) = &mut self.checkpoint {
            checkpoint.next_offsets = reader.next_offsets();
            checkpoint.counts = self.counts;
            (checkpoint.bytes, checkpoint.tail) = kept.unzip();
            if let Sink::Topic(copy) = &self.sink {
                // Where it is not told, what was told before still holds.
                checkpoint.target_ends = copy.ends().ok().or(checkpoint.target_ends.take());
            }
            checkpoint.complete = complete;
            checkpoint.save(path)?;
        }
        Ok(())
    }
}
