//! Putting records into quarantine: those that were refused since, in their order, and those that a
//! verdict refuses although quarantine was further already.

use std::collections::HashSet;
use std::time::Instant;

use super::{Leaseholder, ROWS, RowCursor, SERVE_TIMEOUT, lease};
use crate::ingest::quarantine::originals;
use crate::projection::format::Kind;
use crate::projection::quarantine::QuarantinedRecord;

/// What became of rows that were to be published.
struct Tried {
    /// The offsets of those that are in quarantine now.
    confirmed: HashSet<i64>,
    /// Those before this offset were tried.
    end: i64,
    /// Why others are not there.
    outcome: Result<(), String>,
}

impl Leaseholder {
    /// Puts a partition's records into quarantine that are not there yet. One that is not taken keeps
    /// none behind it back, but only the offset before it is committed.
    pub(super) fn serve(&mut self, partition: u32) -> Result<(), String> {
        let Some(mut done) = self.leases.done(partition) else { return Ok(()) };
        if let Some(reopened) = self.leases.take_reopened(partition).filter(|from| *from < done) {
            self.cursor(partition).chunk = 0;
            done = reopened;
            self.leases.set_done(partition, done);
        }
        if self.leases.is_told_too_much(partition) {
            let told = lease::take_back(&self.consumer, partition);
            told.map_err(|error| format!("the group does not take an offset back: {error}"))?;
        }
        // Before the rows: what is committed meanwhile is looked at the next time.
        let snapshot = self.snapshot.load_full();
        let Some(view) = snapshot.partitions.get(&partition) else { return Ok(()) };
        if self.leases.is_refolding(partition) {
            return Ok(());
        }
        if self.leases.take_refolded(partition) {
            self.cursor(partition).chunk = 0;
        }
        let begun = Instant::now();
        let (mut chunk, mut from) = (self.cursor(partition).chunk, done);
        let mut failed = None;
        while begun.elapsed() < SERVE_TIMEOUT {
            let found = self.store.refused(partition, chunk, from, ROWS);
            let mut found = found.map_err(|error| error.to_string())?;
            let cursor = self.cursor(partition);
            found.rows.retain(|row| !cursor.known.contains(&row.offset));
            let Some(last) = found.rows.last().map(|row| row.offset) else {
                if found.next_chunk == chunk {
                    return match failed {
                        Some(why) => Err(why),
                        None => self.all_is_there(partition, done.max(view.next_offset)),
                    };
                }
                chunk = found.next_chunk;
                if failed.is_none() {
                    self.cursor(partition).chunk = chunk;
                }
                continue;
            };
            let Tried { confirmed, end, outcome } = self.publish(partition, &found.rows)?;
            if outcome.is_err() && confirmed.is_empty() {
                return outcome;
            }
            if failed.is_none() {
                // Up to the first that is not there. What is there behind it is not sent again.
                let mut tried = found.rows.iter().map(|row| row.offset).take_while(|o| *o < end);
                done = tried.find(|offset| !confirmed.contains(offset)).unwrap_or(end);
                self.leases.set_done(partition, done);
                failed = outcome.err();
            }
            self.cursor(partition).known.extend(confirmed.into_iter().filter(|o| *o >= done));
            from = end;
            if end > last {
                chunk = found.next_chunk;
            }
            if failed.is_none() {
                self.cursor(partition).chunk = chunk;
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Every row before an offset is in quarantine, unless the rows are others by now.
    fn all_is_there(&mut self, partition: u32, next: i64) -> Result<(), String> {
        if self.leases.is_changing(partition) {
            return Ok(());
        }
        self.cursor(partition).known.retain(|offset| *offset >= next);
        self.leases.set_done(partition, next);
        self.serve_late(partition)
    }

    /// Puts those records into quarantine that a verdict refuses although quarantine was further
    /// already: this node had counted them, or who wrote the verdict died. Their rows come once the
    /// partition has been folded again that far; those of verdicts that refuse nothing never do.
    fn serve_late(&mut self, partition: u32) -> Result<(), String> {
        let wanted = self.leases.wanted(partition);
        let Some(&first) = wanted.first() else { return Ok(()) };
        let position = self.store.position(partition).map_err(|error| error.to_string())?;
        let looked = Some((position.chains[Kind::Quarantine as usize], wanted.len()));
        if self.cursor(partition).looked == looked {
            return Ok(());
        }
        let begun = Instant::now();
        let mut chunk = 0;
        loop {
            let found = self.store.refused(partition, chunk, first, ROWS);
            let found = found.map_err(|error| error.to_string())?;
            if found.next_chunk == chunk {
                let left = looked.map(|(chain, _)| (chain, self.leases.wanted(partition).len()));
                self.cursor(partition).looked = left;
                return Ok(());
            }
            chunk = found.next_chunk;
            let mut rows = found.rows;
            rows.retain(|row| wanted.contains(&row.offset));
            while !rows.is_empty() {
                let Tried { end, outcome, .. } = self.publish(partition, &rows)?;
                outcome?;
                rows.retain(|row| row.offset >= end);
                if begun.elapsed() >= SERVE_TIMEOUT {
                    return Ok(());
                }
            }
        }
    }

    /// Publishes some of these rows of a partition, from the first on.
    fn publish(&mut self, partition: u32, rows: &[QuarantinedRecord]) -> Result<Tried, String> {
        let topic = &self.log.topic;
        let originals = originals::read(&self.connection, topic, partition, rows, SERVE_TIMEOUT)
            .map_err(|error| error.to_string())?;
        let end = originals.last().map_or(0, |original| original.row.offset + 1);
        let (confirmed, outcome) = self.quarantine.publish(partition, &originals);
        self.leases.seen(partition, confirmed.iter().copied());
        let outcome = outcome.map_err(|why| format!("{}: {why}", self.quarantine.topic()));
        Ok(Tried { confirmed: confirmed.into_iter().collect(), end, outcome })
    }

    fn cursor(&mut self, partition: u32) -> &mut RowCursor {
        self.cursors.entry(partition).or_default()
    }
}
