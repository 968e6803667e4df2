//! Whether the rows of an outbox add up to what it says of them.

use redb::{ReadTransaction, ReadableTable, ReadableTableMetadata};

use super::Entry;
use super::format::{ACKNOWLEDGED, EVENTS, FORGET, KEYS, REJECTED, State, UNSENT, UnsentRow};

/// How many rows there are, and between which numbers.
pub(super) struct Sums {
    unsent: u64,
    rejected: u64,
    acknowledged: u64,
    events: u64,
    keys: u64,
    forget: u64,
    lowest: u32,
    highest: u32,
}

impl Sums {
    pub(super) fn read(transaction: &ReadTransaction) -> Result<Self, Box<redb::Error>> {
        let read = || -> Result<Self, redb::Error> {
            let unsent = transaction.open_table(UNSENT)?;
            let rejected = transaction.open_table(REJECTED)?;
            let acknowledged = transaction.open_table(ACKNOWLEDGED)?;
            let (mut lowest, mut highest) = (u32::MAX, 0);
            for table in [&unsent, &rejected, &acknowledged] {
                if let (Some((first, _)), Some((last, _))) = (table.first()?, table.last()?) {
                    lowest = lowest.min(first.value());
                    highest = highest.max(last.value());
                }
            }
            Ok(Self {
                unsent: unsent.len()?,
                rejected: rejected.len()?,
                acknowledged: acknowledged.len()?,
                events: transaction.open_table(EVENTS)?.len()?,
                keys: transaction.open_table(KEYS)?.len()?,
                forget: transaction.open_table(FORGET)?.len()?,
                lowest,
                highest,
            })
        };
        read().map_err(Box::new)
    }

    /// Every number given belongs to an event that is unsent, rejected or acknowledged; every
    /// event that is not forgotten can be found.
    pub(super) fn check(&self, state: &State) -> Result<(), String> {
        let rows = self.unsent + self.rejected + self.acknowledged;
        let pairs = [
            (
                "numbers given",
                self.unsent + self.rejected + state.acknowledged + state.passed_over,
                state.highest_sequence.into(),
            ),
            ("unsent events", self.unsent, state.unsent),
            ("events set aside", self.rejected, state.rejected),
            ("events remembered", self.acknowledged + state.forgotten, state.acknowledged),
            ("events to forget", self.forget, self.acknowledged),
            ("event ids", self.events, rows),
            ("idempotency keys", self.keys, state.keys),
        ];
        for (what, found, expected) in pairs {
            if found != expected {
                return Err(format!("{what}: {found} are there, {expected} should be"));
            }
        }
        if rows > 0 && (self.lowest == 0 || self.highest > state.highest_sequence) {
            return Err(format!(
                "it has events numbered {} to {}, but gave the numbers 1 to {} only",
                self.lowest, self.highest, state.highest_sequence
            ));
        }
        Ok(())
    }
}

/// The first unsent event; `Some(None)` if its row is damaged.
pub(super) fn oldest_unsent(
    transaction: &ReadTransaction,
) -> Result<Option<Option<Entry>>, Box<redb::Error>> {
    let read = || -> Result<_, redb::Error> {
        let unsent = transaction.open_table(UNSENT)?;
        Ok(unsent.first()?.map(|(sequence, row)| {
            UnsentRow::from_bytes(sequence.value(), row.value()).map(|row| row.entry)
        }))
    };
    read().map_err(Box::new)
}
