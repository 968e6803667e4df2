//! What was recorded lately, to be found by its event id: of each event a short hash and a little
//! beside it, in the order of the log. A look-up goes through all hashes, some milliseconds for
//! ten million; what has the hash is then looked at properly.
//!
//! As [`super::runs`]: blocks are never changed once made, blocks of similar size are merged, a
//! clone shares them. A block is of one day of recording, so that what is remembered depends on
//! the log alone and not on how it was cut into commits.

use std::sync::Arc;

use laju_schemas::quarantine::Reason;
use laju_schemas::{EventId, SubjectId};
use xxhash_rust::xxh3::xxh3_64;

use crate::domain::day::Day;
use crate::domain::dictionary::ContextRef;
use crate::domain::fact::CompactFact;
use crate::projection::quarantine::QuarantinedRecord;

/// How many days are remembered behind that of the latest record of a partition.
pub const REMEMBERED_DAYS: u16 = 30;

/// Of how many facts of a partition the event ids are remembered at most: the latest. That is 28
/// bytes each; a nation's month on twelve partitions is less than half of it. A log that was
/// copied from elsewhere may have years recorded on one day.
pub const REMEMBERED_FACTS: usize = 2_000_000;

/// Blocks of more events than this are not merged any more: merging copies.
const LARGEST_MERGED: usize = 1 << 18;

/// Of how many refused records of a partition the event ids are remembered at most: the latest.
pub const REMEMBERED_REFUSED: usize = 100_000;

/// The first day that is remembered when the latest record was recorded on this one.
#[must_use]
pub fn remembered_since(latest: Day) -> Day {
    Day(latest.0.saturating_sub(REMEMBERED_DAYS))
}

/// What is remembered of a new fact.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentFact {
    /// The citizen.
    pub subject: SubjectId,
    /// The kiosk's own number of the event.
    pub sequence: u32,
    /// Kiosk and the rest of the circumstances, in the partition's dictionary.
    pub context: ContextRef,
}

impl RecentFact {
    /// Of a subject's fact.
    #[must_use]
    pub fn of(subject: SubjectId, fact: &CompactFact) -> Self {
        Self { subject, sequence: fact.sequence, context: fact.context }
    }
}

/// What is remembered of a record that could not be counted, where it decodes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecentRefusal {
    /// The event's id.
    pub event_id: EventId,
    /// The record's offset.
    pub offset: i64,
    /// Its own timestamp, in milliseconds since 1970.
    pub timestamp: i64,
    /// Why it could not be counted.
    pub reason: Reason,
}

impl RecentRefusal {
    /// Of a record that says that it is this event.
    #[must_use]
    pub fn of(event_id: EventId, record: &QuarantinedRecord) -> Self {
        let QuarantinedRecord { offset, timestamp, key, .. } = record;
        Self { event_id, offset: *offset, timestamp: *timestamp, reason: key.reason }
    }
}

/// What was recorded on one day, or a part of it.
#[derive(Clone, Debug)]
pub struct Block<T> {
    day: Day,
    hashes: Vec<u32>,
    rows: Vec<T>,
}

impl<T> Block<T> {
    /// Nothing yet, of a day, with room for so many events.
    #[must_use]
    pub fn new(day: Day, events: usize) -> Self {
        Self { day, hashes: Vec::with_capacity(events), rows: Vec::with_capacity(events) }
    }

    /// The day of recording.
    #[must_use]
    pub fn day(&self) -> Day {
        self.day
    }

    /// How many events there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.rows.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.rows.is_empty()
    }

    /// Whether an event of that day belongs into a new block.
    #[must_use]
    pub fn is_over(&self, day: Day) -> bool {
        self.day != day || self.rows.len() >= LARGEST_MERGED
    }

    /// Adds an event.
    pub fn push(&mut self, event_id: EventId, row: T) {
        self.hashes.push(hash(event_id));
        self.rows.push(row);
    }
}

/// A partition's recent events, the oldest first.
#[derive(Clone)]
pub struct Recent<T> {
    blocks: Vec<Arc<Block<T>>>,
    /// How many events at the beginning of the first block are forgotten.
    forgotten: usize,
}

impl<T> Default for Recent<T> {
    fn default() -> Self {
        Self { blocks: Vec::new(), forgotten: 0 }
    }
}

impl<T: Copy> Recent<T> {
    /// Of blocks made elsewhere, in the order of their days.
    #[must_use]
    pub fn of(mut blocks: Vec<Block<T>>) -> Self {
        for block in &mut blocks {
            block.hashes.shrink_to_fit();
            block.rows.shrink_to_fit();
        }
        Self { blocks: blocks.into_iter().map(Arc::new).collect(), forgotten: 0 }
    }

    /// Adds what was recorded on a day, which is not before those that are there.
    pub fn push(&mut self, mut block: Block<T>) {
        if block.rows.is_empty() {
            return;
        }
        let parts = self
            .blocks
            .iter()
            .rev()
            .scan(block.rows.len(), |size, before| {
                let merges = before.day == block.day && before.rows.len() <= 2 * *size;
                *size += before.rows.len();
                (merges && *size <= LARGEST_MERGED).then_some(())
            })
            .count();
        if parts > 0 {
            let kept = self.blocks.len() - parts;
            let mut skipped = if kept == 0 { std::mem::take(&mut self.forgotten) } else { 0 };
            let parts = self.blocks.split_off(kept);
            let rows = parts.iter().map(|part| part.rows.len()).sum::<usize>() + block.rows.len();
            let mut merged = Block::new(block.day, rows);
            for part in &parts {
                merged.hashes.extend_from_slice(&part.hashes[skipped..]);
                merged.rows.extend_from_slice(&part.rows[skipped..]);
                skipped = 0;
            }
            merged.hashes.append(&mut block.hashes);
            merged.rows.append(&mut block.rows);
            block = merged;
        }
        self.blocks.push(Arc::new(block));
    }

    /// Forgets what was recorded before a day.
    pub fn forget_before(&mut self, day: Day) {
        let old = self.blocks.partition_point(|block| block.day < day);
        self.forget_blocks(old);
    }

    /// Forgets all but the latest `most` events.
    pub fn forget_beyond(&mut self, most: usize) {
        let mut excess = self.len().saturating_sub(most) + self.forgotten;
        let old = self.blocks.iter().take_while(|block| {
            let is_old = block.rows.len() <= excess;
            excess -= if is_old { block.rows.len() } else { 0 };
            is_old
        });
        let old = old.count();
        self.forget_blocks(old);
        self.forgotten = excess;
    }

    fn forget_blocks(&mut self, first: usize) {
        if first > 0 {
            self.blocks.drain(..first);
            self.forgotten = 0;
        }
    }

    /// How many events are remembered.
    #[must_use]
    pub fn len(&self) -> usize {
        self.blocks.iter().map(|block| block.rows.len()).sum::<usize>() - self.forgotten
    }

    /// Whether none is.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What may be an event: everything with its hash, and the day on which it was recorded, in
    /// the order of the log.
    pub fn find(&self, event_id: EventId) -> impl Iterator<Item = (Day, &T)> {
        let wanted = hash(event_id);
        self.parts().flat_map(move |(day, hashes, rows)| {
            let rows = hashes.iter().zip(rows);
            rows.filter(move |(hash, _)| **hash == wanted).map(move |(_, row)| (day, row))
        })
    }

    /// The day of the first event that is remembered.
    #[must_use]
    pub fn first_day(&self) -> Option<Day> {
        self.blocks.first().map(|block| block.day)
    }

    /// Everything, in the order of the log.
    pub fn all(&self) -> impl Iterator<Item = &T> {
        self.parts().flat_map(|(_, _, rows)| rows)
    }

    /// Everything with the day on which it was recorded, in the order of the log.
    pub fn by_day(&self) -> impl Iterator<Item = (Day, &T)> {
        self.parts().flat_map(|(day, _, rows)| rows.iter().map(move |row| (day, row)))
    }

    /// Each block's day, hashes and rows, without what is forgotten.
    fn parts(&self) -> impl Iterator<Item = (Day, &[u32], &[T])> {
        self.blocks.iter().enumerate().map(|(place, block)| {
            let from = if place == 0 { self.forgotten } else { 0 };
            (block.day, &block.hashes[from..], &block.rows[from..])
        })
    }
}

fn hash(event_id: EventId) -> u32 {
    xxh3_64(&event_id.0) as u32
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(number: u32) -> EventId {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        EventId(bytes)
    }

    fn block(day: u16, numbers: std::ops::Range<u32>) -> Block<u32> {
        let mut block = Block::new(Day(day), 0);
        numbers.for_each(|number| block.push(id(number), number));
        block
    }

    #[test]
    fn every_event_is_found_on_its_day_however_it_was_cut() {
        for size in [1, 7, 400] {
            let mut recent = Recent::default();
            for first in (0..2_000).step_by(400) {
                for part in (first..first + 400).step_by(size as usize) {
                    let end = (part + size).min(first + 400);
                    recent.push(block((first / 400) as u16, part..end));
                }
            }
            assert!(recent.blocks.len() <= 5 * 10, "{} blocks of {size}", recent.blocks.len());
            assert!(recent.all().copied().eq(0..2_000));
            for number in [0, 399, 400, 1_999] {
                let found: Vec<_> = recent.find(id(number)).collect();
                assert_eq!(found, [(Day((number / 400) as u16), &number)]);
            }
            assert_eq!(recent.find(id(2_000)).count(), 0);
        }
    }

    #[test]
    fn large_blocks_are_not_copied_again() {
        let mut recent = Recent::default();
        let size = LARGEST_MERGED as u32 / 4;
        (0..9).for_each(|part| recent.push(block(1, part * size..(part + 1) * size)));
        assert!(recent.blocks.iter().all(|block| block.len() <= LARGEST_MERGED));
        assert!(recent.blocks.len() < 9 && recent.all().copied().eq(0..9 * size));
        assert!(!block(1, 0..1).is_over(Day(1)) && block(1, 0..1).is_over(Day(2)));
        assert!(block(1, 0..LARGEST_MERGED as u32).is_over(Day(1)));
    }

    #[test]
    fn what_is_old_or_too_much_is_forgotten() {
        let mut recent = Recent::default();
        (0..10).for_each(|day| {
            recent.push(block(day, u32::from(day) * 100..u32::from(day + 1) * 100))
        });
        let mut bounded = recent.clone();
        recent.forget_before(Day(4));
        assert_eq!((recent.len(), recent.find(id(399)).count()), (600, 0));
        assert_eq!(recent.find(id(400)).count(), 1);
        bounded.forget_beyond(250);
        assert_eq!((bounded.len(), bounded.all().next()), (250, Some(&750)));
        assert_eq!((bounded.find(id(749)).count(), bounded.find(id(750)).count()), (0, 1));
        bounded.forget_before(Day(8));
        assert_eq!((bounded.len(), bounded.by_day().next()), (200, Some((Day(8), &800))));
        assert_eq!(remembered_since(Day(40)), Day(10));
        assert_eq!(remembered_since(Day(4)), Day(0));
    }

    #[test]
    fn what_is_too_much_does_not_depend_on_how_it_was_cut() {
        for size in [1, 7, 90, 1_000] {
            let mut recent = Recent::default();
            for from in (0..1_000).step_by(size) {
                recent.push(block(3, from..(from + size as u32).min(1_000)));
                recent.forget_beyond(123);
            }
            assert!(recent.all().copied().eq(877..1_000), "cut into {size}");
            assert_eq!(recent.len(), 123);
            let held: usize = recent.blocks.iter().map(|block| block.rows.len()).sum();
            assert!(held <= 2 * 123 + size, "{held} are held of {size}");
            recent.forget_beyond(0);
            assert!(recent.is_empty() && recent.blocks.is_empty());
        }
    }
}
