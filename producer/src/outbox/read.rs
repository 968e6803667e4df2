//! Reading the outbox, beside the writer: what the last durable transaction left.

use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::sync::PoisonError;

use laju_schemas::{EventId, Sequence};
use redb::{ReadTransaction, ReadableDatabase, TableDefinition};

use super::format::{ACKNOWLEDGED, EVENTS, KEYS, REJECTED, RejectedRow, Row, UNSENT, UnsentRow};
use super::job::Job;
use super::{
    Accepted, Dated, Entry, IdempotencyKey, Known, Outbox, OutboxError, Refusal, Rejected,
    RejectionReason, Unsent,
};

impl Outbox {
    /// Unsent events with a sequence number above `after`, those rejected not among them: in
    /// order, at most `limit`. It reads the disk: not for async threads.
    ///
    /// # Errors
    /// If a row is damaged, or the outbox is closed or cannot be read.
    pub fn unsent_after(&self, after: u32, limit: usize) -> Result<Vec<Unsent>, OutboxError> {
        self.read(|reading| {
            let rows = reading.rows(UNSENT, after, UnsentRow::from_bytes)?.take(limit);
            rows.map(|row| {
                let (sequence, UnsentRow { entry, value }) = row?;
                Ok(Unsent { sequence, entry, value })
            })
            .collect()
        })
    }

    /// Events that Kafka rejected, in order of their sequence numbers, at most `limit`. It reads
    /// the disk: not for async threads.
    ///
    /// # Errors
    /// As for [`Outbox::unsent_after`].
    pub fn rejected(&self, limit: usize) -> Result<Vec<Rejected>, OutboxError> {
        self.read(|reading| {
            let rows = reading.rows(REJECTED, 0, RejectedRow::from_bytes)?.take(limit);
            rows.map(|row| {
                let (sequence, RejectedRow { entry, rejection, .. }) = row?;
                Ok(Rejected { event_id: entry.event_id, sequence, rejection })
            })
            .collect()
        })
    }

    /// The first event that was rejected for this reason. It reads the disk: not for async
    /// threads.
    ///
    /// # Errors
    /// As for [`Outbox::unsent_after`].
    pub fn first_rejected(&self, reason: RejectionReason) -> Result<Option<EventId>, OutboxError> {
        self.read(|reading| {
            for row in reading.rows(REJECTED, 0, RejectedRow::from_bytes)? {
                let (_, row) = row?;
                if row.rejection.reason == reason {
                    return Ok(Some(row.entry.event_id));
                }
            }
            Ok(None)
        })
    }

    /// What is known of an event: everything accepted, until [`super::OutboxSettings::remember`]
    /// after it was acknowledged. It reads the disk: not for async threads.
    ///
    /// # Errors
    /// As for [`Outbox::unsent_after`].
    pub fn find(&self, event: EventId) -> Result<Option<Known>, OutboxError> {
        self.read(|reading| {
            let Some(sequence) = reading.number(EVENTS, &event.0)? else { return Ok(None) };
            let row = reading
                .row(sequence)?
                .filter(|row| row.entry().event_id == event)
                .ok_or_else(|| reading.damaged(sequence))?;
            Ok(Some(Known { sequence, entry: *row.entry(), outcome: row.outcome() }))
        })
    }

    /// The answer to an event that was accepted before under its idempotency key; none if none
    /// was. It reads the disk: not for async threads.
    ///
    /// # Errors
    /// As for [`Outbox::unsent_after`].
    pub fn accepted_before(
        &self,
        key: &IdempotencyKey,
    ) -> Result<Option<Result<Accepted, Refusal>>, OutboxError> {
        self.read(|reading| {
            let Some(number) = reading.number(KEYS, &key.key)? else { return Ok(None) };
            let row = reading.row(number)?.ok_or_else(|| reading.damaged(number))?;
            let Entry { event_id, key: known, .. } = *row.entry();
            if known.is_none_or(|known| known.content != key.content) {
                return Ok(Some(Err(Refusal::KeyReused { event_id })));
            }
            let sequence =
                Sequence::try_from(i64::from(number)).map_err(|_| reading.damaged(number))?;
            Ok(Some(Ok(Accepted { event_id, sequence, repeated: true })))
        })
    }

    /// Shows the dates of every unsent event, in order. It reads the disk: not for async threads.
    ///
    /// # Errors
    /// As for [`Outbox::unsent_after`].
    pub fn unsent_dates(&self, mut visit: impl FnMut(Dated)) -> Result<(), OutboxError> {
        self.read(|reading| {
            for row in reading.rows(UNSENT, 0, UnsentRow::from_bytes)? {
                let (sequence, row) = row?;
                visit(dated(sequence, &row.entry));
            }
            Ok(())
        })
    }

    /// The dates of events that are still remembered, of these numbers, in order, as far as they
    /// are wanted; at most `limit`, of 10,000 numbers at most. It reads the disk: not for async
    /// threads.
    ///
    /// # Errors
    /// As for [`Outbox::unsent_after`].
    pub fn dates(
        &self,
        first: u32,
        last: u32,
        limit: usize,
        wanted: impl Fn(&Dated) -> bool,
    ) -> Result<Vec<Dated>, OutboxError> {
        const MAX_NUMBERS: u32 = 10_000;
        self.read(|reading| {
            let mut found = Vec::new();
            for sequence in first..=last.min(first.saturating_add(MAX_NUMBERS)) {
                if found.len() >= limit {
                    break;
                }
                let date = reading.row(sequence)?.map(|row| dated(sequence, row.entry()));
                found.extend(date.filter(&wanted));
            }
            Ok(found)
        })
    }

    fn read<T>(
        &self,
        reading: impl FnOnce(Reading<'_>) -> Result<T, OutboxError>,
    ) -> Result<T, OutboxError> {
        let shared = &*self.handle.shared;
        shared.check()?;
        let place = shared.database.read().unwrap_or_else(PoisonError::into_inner);
        let Some(database) = place.as_ref() else {
            drop(place);
            shared.check()?;
            self.send(Job::Reopen)?;
            return Err(OutboxError::DiskFull { path: shared.directory.clone() });
        };
        // redb 4 panics on some damage instead of returning an error.
        let read = catch_unwind(AssertUnwindSafe(|| {
            let transaction = database
                .begin_read()
                .map_err(|error| OutboxError::database(&shared.directory, error))?;
            reading(Reading { path: &shared.directory, transaction: &transaction })
        }));
        let read = read.unwrap_or_else(|_| {
            Err(OutboxError::damaged(&shared.directory, "its database cannot be read"))
        });
        drop(place);
        if matches!(read, Err(OutboxError::Reopened { .. })) {
            self.send(Job::Reopen)?;
        }
        read
    }
}

/// One look at the tables.
struct Reading<'a> {
    path: &'a Path,
    transaction: &'a ReadTransaction,
}

impl Reading<'_> {
    fn failed(&self, error: impl Into<redb::Error>) -> OutboxError {
        OutboxError::database(self.path, error)
    }

    fn damaged(&self, sequence: u32) -> OutboxError {
        OutboxError::damaged_row(self.path, sequence)
    }

    /// The rows of a table above a number, in order.
    fn rows<R>(
        &self,
        table: TableDefinition<u32, &'static [u8]>,
        after: u32,
        read: fn(u32, &[u8]) -> Option<R>,
    ) -> Result<impl Iterator<Item = Result<(u32, R), OutboxError>>, OutboxError> {
        let table = self.transaction.open_table(table).map_err(|error| self.failed(error))?;
        let range = (Bound::Excluded(after), Bound::Unbounded);
        let rows = table.range::<u32>(range).map_err(|error| self.failed(error))?;
        Ok(rows.map(move |row| {
            let (sequence, row) = row.map_err(|error| self.failed(error))?;
            let sequence = sequence.value();
            let row = read(sequence, row.value()).ok_or_else(|| self.damaged(sequence))?;
            Ok((sequence, row))
        }))
    }

    /// The number that an index has under a key.
    fn number(
        &self,
        index: TableDefinition<&'static [u8; 16], u32>,
        key: &[u8; 16],
    ) -> Result<Option<u32>, OutboxError> {
        let index = self.transaction.open_table(index).map_err(|error| self.failed(error))?;
        let found = index.get(key).map_err(|error| self.failed(error))?;
        Ok(found.map(|number| number.value()))
    }

    /// The row of a number, in whichever table it is; `None` if there is none that can be read.
    fn row(&self, number: u32) -> Result<Option<Row>, OutboxError> {
        let open = |table| self.transaction.open_table(table).map_err(|error| self.failed(error));
        let (unsent, rejected, acknowledged) =
            (open(UNSENT)?, open(REJECTED)?, open(ACKNOWLEDGED)?);
        Row::find(number, [&unsent, &rejected, &acknowledged]).map_err(|error| self.failed(error))
    }
}

fn dated(sequence: u32, entry: &Entry) -> Dated {
    let Entry { event_id, occurred_at, accepted_at, .. } = *entry;
    Dated { sequence, event_id, occurred_at, accepted_at }
}
