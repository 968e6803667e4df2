//! What could not be counted of a partition: all of it counted, the latest records in full.

use std::cmp::Ordering;
use std::collections::{BTreeMap, VecDeque};

use laju_schemas::quarantine::Reason;
use laju_schemas::{EventId, RegionIndex};

use super::blocks::Blocks;
use crate::domain::day::Day;

/// What a quarantined record says of where it would have counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct QuarantineKey {
    /// Why it could not be counted.
    pub reason: Reason,
    /// The day it was recorded.
    pub recorded: Day,
    /// The home region it names, if it decodes and the region is known.
    pub home: Option<RegionIndex>,
    /// The service region it names, under the same conditions.
    pub service: Option<RegionIndex>,
}

/// One quarantined record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QuarantinedRecord {
    /// Its offset in the events topic's partition.
    pub offset: i64,
    /// Its own timestamp, in milliseconds since 1970.
    pub timestamp: i64,
    /// Where it would have counted, and why it could not.
    pub key: QuarantineKey,
    /// What exactly was wrong.
    pub detail: String,
    /// The event's id, where it decodes.
    pub event_id: Option<EventId>,
    /// The kiosk (digits that may be a NIK left out) and the sequence, where it decodes and they
    /// are well formed.
    pub origin: Option<(String, u32)>,
}

/// The quarantined records of a partition: all counted, the latest in full.
#[derive(Clone, Debug, Default)]
pub struct QuarantineTally {
    /// How many of each.
    pub counts: BTreeMap<QuarantineKey, u64>,
    /// The latest ones, oldest first: at most [`QuarantineTally::LATEST`].
    pub latest: VecDeque<QuarantinedRecord>,
    /// Where each of them stands, in the order of their offsets.
    places: Blocks<Place>,
    /// What the places name, by number.
    keys: Vec<QuarantineKey>,
    numbers: BTreeMap<QuarantineKey, u32>,
}

/// Where a quarantined record stands in its partition, and the number of its key.
#[derive(Clone, Copy, Debug, Default)]
struct Place {
    offset: i64,
    key: u32,
}

impl QuarantineTally {
    /// How many are kept in full for a partition.
    pub const LATEST: usize = 200;

    /// Counts a record.
    pub fn add(&mut self, record: QuarantinedRecord) {
        *self.counts.entry(record.key).or_default() += 1;
        let number = *self.numbers.entry(record.key).or_insert_with(|| {
            self.keys.push(record.key);
            self.keys.len() as u32 - 1
        });
        self.places.push(Place { offset: record.offset, key: number });
        if self.latest.len() == Self::LATEST {
            self.latest.pop_front();
        }
        self.latest.push_back(record);
    }

    /// Where the record at an offset would have counted; `None` if none was quarantined there.
    #[must_use]
    pub fn key_at(&self, offset: i64) -> Option<QuarantineKey> {
        let (mut low, mut high) = (0, self.places.len());
        while low < high {
            let middle = low.midpoint(high);
            let place = self.places.get(middle)?;
            match place.offset.cmp(&offset) {
                Ordering::Less => low = middle + 1,
                Ordering::Greater => high = middle,
                Ordering::Equal => return self.keys.get(place.key as usize).copied(),
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn where_a_quarantined_record_would_have_counted_is_found_by_its_offset() {
        let key = |reason, day| QuarantineKey {
            reason,
            recorded: Day(day),
            home: Some(RegionIndex(day)),
            service: None,
        };
        let mut tally = QuarantineTally::default();
        let reasons = [Reason::WrongKey, Reason::InFuture, Reason::Undecodable];
        let records: Vec<_> = (0..1_000_i64)
            .map(|number| (number * 3 + 5, key(reasons[number as usize % 3], (number % 7) as u16)))
            .collect();
        for (offset, key) in &records {
            let (timestamp, detail) = (0, String::new());
            let (offset, key) = (*offset, *key);
            let (event_id, origin) = (None, None);
            tally.add(QuarantinedRecord { offset, timestamp, key, detail, event_id, origin });
        }
        for (offset, key) in records {
            assert_eq!(tally.key_at(offset), Some(key));
            assert_eq!((tally.key_at(offset - 1), tally.key_at(offset + 1)), (None, None));
        }
        assert_eq!((tally.key_at(0), tally.key_at(i64::MAX)), (None, None));
        assert_eq!(tally.counts.values().sum::<u64>(), 1_000);
        assert_eq!(tally.latest.len(), QuarantineTally::LATEST);
    }
}
