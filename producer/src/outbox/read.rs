//! Reading the outbox, beside the writer: what the last durable transaction left.

use std::ops::Bound;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::PoisonError;

use laju_schemas::{EventId, Sequence};
use redb::{ReadTransaction, ReadableDatabase};

use super::format::{
    ACKNOWLEDGED, AcknowledgedRow, EVENTS, Entry, KEYS, SET_ASIDE, SetAsideRow, UNSENT, UnsentRow,
};
use super::writer::{Job, Shared};
use super::{
    Accepted, Dated, IdempotencyKey, Known, Obstacle, Outbox, OutboxError, Refusal, SetAside,
    State, Unsent,
};

impl Outbox {
    /// Unsent events, those set aside not among them, with a sequence number above `after`: in
    /// order, at most `limit`. It reads the disk: not for async threads.
    ///
    /// # Errors
    /// If a row is damaged, or the outbox is closed or cannot be read.
    pub fn unsent_after(&self, after: u32, limit: usize) -> Result<Vec<Unsent>, OutboxError> {
        self.read(|shared, transaction| {
            let failed = |error| OutboxError::database(&shared.directory, error);
            let table = transaction
                .open_table(UNSENT)
                .map_err(|error| OutboxError::database(&shared.directory, error))?;
            let range = (Bound::Excluded(after), Bound::Unbounded);
            let rows = table.range::<u32>(range).map_err(failed)?.take(limit);
            rows.map(|row| {
                let (sequence, row) = row.map_err(failed)?;
                let sequence = sequence.value();
                let UnsentRow { entry, value } = UnsentRow::from_bytes(sequence, row.value())
                    .ok_or_else(|| damaged(shared, sequence))?;
                let Entry { event_id, subject, occurred_at, .. } = entry;
                Ok(Unsent { sequence, event_id, subject, occurred_at, value })
            })
            .collect()
        })
    }

    /// Events that were set aside, in order of their sequence numbers, at most `limit`. It reads
    /// the disk: not for async threads.
    ///
    /// # Errors
    /// As for [`Outbox::unsent_after`].
    pub fn set_aside(&self, limit: usize) -> Result<Vec<SetAside>, OutboxError> {
        self.read(|shared, transaction| {
            let failed = |error| OutboxError::database(&shared.directory, error);
            let table = transaction
                .open_table(SET_ASIDE)
                .map_err(|error| OutboxError::database(&shared.directory, error))?;
            let rows = table.range::<u32>(..).map_err(failed)?.take(limit);
            rows.map(|row| {
                let (sequence, row) = row.map_err(failed)?;
                let sequence = sequence.value();
                let row = SetAsideRow::from_bytes(sequence, row.value())
                    .ok_or_else(|| damaged(shared, sequence))?;
                Ok(SetAside {
                    sequence,
                    event_id: row.entry.event_id,
                    occurred_at: row.entry.occurred_at,
                    obstacle: row.obstacle,
                    detail: row.detail,
                    at: row.at,
                })
            })
            .collect()
        })
    }

    /// The first event that was set aside for this obstacle. It reads the disk: not for async
    /// threads.
    ///
    /// # Errors
    /// As for [`Outbox::unsent_after`].
    pub fn first_set_aside(&self, obstacle: Obstacle) -> Result<Option<EventId>, OutboxError> {
        self.read(|shared, transaction| {
            let failed = |error| OutboxError::database(&shared.directory, error);
            let table = transaction
                .open_table(SET_ASIDE)
                .map_err(|error| OutboxError::database(&shared.directory, error))?;
            for row in table.range::<u32>(..).map_err(failed)? {
                let (sequence, row) = row.map_err(failed)?;
                let row = SetAsideRow::from_bytes(sequence.value(), row.value())
                    .ok_or_else(|| damaged(shared, sequence.value()))?;
                if row.obstacle == obstacle {
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
        self.read(|shared, transaction| {
            let number = || -> Result<_, redb::Error> {
                let events = transaction.open_table(EVENTS)?;
                Ok(events.get(&event.0)?.map(|number| number.value()))
            };
            let failed = |error: redb::Error| OutboxError::database(&shared.directory, error);
            let Some(sequence) = number().map_err(failed)? else { return Ok(None) };
            let (entry, state) = find_row(transaction, sequence)
                .map_err(|error| failed(*error))?
                .filter(|(entry, _)| entry.event_id == event)
                .ok_or_else(|| damaged(shared, sequence))?;
            Ok(Some(Known {
                sequence,
                subject: entry.subject,
                home_region: entry.home_region,
                service_region: entry.service_region,
                occurred_at: entry.occurred_at,
                accepted_at: entry.accepted_at,
                state,
            }))
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
        self.read(|shared, transaction| {
            let number = || -> Result<_, redb::Error> {
                let keys = transaction.open_table(KEYS)?;
                Ok(keys.get(&key.key)?.map(|number| number.value()))
            };
            let failed = |error: redb::Error| OutboxError::database(&shared.directory, error);
            let Some(number) = number().map_err(failed)? else { return Ok(None) };
            let (entry, _) = find_row(transaction, number)
                .map_err(|error| failed(*error))?
                .ok_or_else(|| damaged(shared, number))?;
            let event_id = entry.event_id;
            if entry.key.is_none_or(|known| known.content != key.content) {
                return Ok(Some(Err(Refusal::KeyReused { event_id })));
            }
            let sequence =
                Sequence::try_from(i64::from(number)).map_err(|_| damaged(shared, number))?;
            Ok(Some(Ok(Accepted { event_id, sequence, repeated: true })))
        })
    }

    /// Shows the dates of every unsent event, in order. It reads the disk: not for async threads.
    ///
    /// # Errors
    /// As for [`Outbox::unsent_after`].
    pub fn unsent_dates(&self, mut visit: impl FnMut(Dated)) -> Result<(), OutboxError> {
        self.read(|shared, transaction| {
            let failed = |error| OutboxError::database(&shared.directory, error);
            let table = transaction
                .open_table(UNSENT)
                .map_err(|error| OutboxError::database(&shared.directory, error))?;
            for row in table.range::<u32>(..).map_err(failed)? {
                let (sequence, row) = row.map_err(failed)?;
                let sequence = sequence.value();
                let row = UnsentRow::from_bytes(sequence, row.value())
                    .ok_or_else(|| damaged(shared, sequence))?;
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
        const LOOKED_AT: u32 = 10_000;
        self.read(|shared, transaction| {
            let mut found = Vec::new();
            for sequence in first..=last.min(first.saturating_add(LOOKED_AT)) {
                if found.len() >= limit {
                    break;
                }
                let row = find_row(transaction, sequence)
                    .map_err(|error| OutboxError::database(&shared.directory, *error))?;
                let date = row.map(|(entry, _)| dated(sequence, &entry));
                found.extend(date.filter(&wanted));
            }
            Ok(found)
        })
    }

    fn read<T>(
        &self,
        reading: impl FnOnce(&Shared, &ReadTransaction) -> Result<T, OutboxError>,
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
            reading(shared, &transaction)
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

fn dated(sequence: u32, entry: &Entry) -> Dated {
    let Entry { event_id, occurred_at, accepted_at, .. } = *entry;
    Dated { sequence, event_id, occurred_at, accepted_at }
}

fn damaged(shared: &Shared, sequence: u32) -> OutboxError {
    OutboxError::damaged(&shared.directory, format!("the row of event {sequence} cannot be read"))
}

/// The row of a number, in whichever table it is; `None` if there is none that can be read.
fn find_row(
    transaction: &ReadTransaction,
    sequence: u32,
) -> Result<Option<(Entry, State)>, Box<redb::Error>> {
    let find = || -> Result<_, redb::Error> {
        if let Some(row) = transaction.open_table(UNSENT)?.get(sequence)? {
            let row = UnsentRow::from_bytes(sequence, row.value());
            return Ok(row.map(|row| (row.entry, State::Unsent)));
        }
        if let Some(row) = transaction.open_table(SET_ASIDE)?.get(sequence)? {
            let row = SetAsideRow::from_bytes(sequence, row.value());
            return Ok(row.map(|row| {
                let SetAsideRow { entry, obstacle, detail, at, .. } = row;
                (entry, State::SetAside { obstacle, detail, at })
            }));
        }
        if let Some(row) = transaction.open_table(ACKNOWLEDGED)?.get(sequence)? {
            let row = AcknowledgedRow::from_bytes(sequence, row.value());
            return Ok(row.map(|row| (row.entry, State::Acknowledged(row.receipt))));
        }
        Ok(None)
    };
    find().map_err(Box::new)
}
