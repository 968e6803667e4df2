//! What readers see: the state of every partition at its last commit. Made by the committer,
//! swapped in whole, never changed: a question works on one snapshot and meets no
//! lock, but where it reads citizens' facts (`shard.rs`).

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;

use laju_schemas::quarantine::Reason;
use laju_schemas::{EventId, KioskStatus, RegionIndex, TimestampMs};

use super::bitruns::BitRuns;
use super::blocks::Blocks;
use super::recent::{Recent, RecentFact, RecentRefusal};
use super::runs::Runs;
use crate::domain::day::Day;
use crate::domain::dictionary::Names;
pub use crate::domain::fold::{KioskActivity, Tallies};

/// What kiosks say of themselves: the latest status of each, by its id.
pub type Statuses = HashMap<String, RecordedStatus>;

/// A kiosk's word about itself, and when it came.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordedStatus {
    /// The word.
    pub status: KioskStatus,
    /// The record's timestamp: a kiosk's own clock can be wrong.
    pub recorded_at: TimestampMs,
    /// The highest sequence that it has ever announced, in what was read of the topic.
    pub highest: u32,
    /// When it last announced a lower one than before.
    pub fall: Option<Fall>,
}

/// A kiosk that announced a lower sequence than before: its outbox was set back, or another device
/// has its id.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Fall {
    /// The highest sequence announced before.
    pub from: u32,
    /// The one announced then.
    pub to: u32,
    /// When the record with that was recorded.
    pub recorded_at: TimestampMs,
}

impl RecordedStatus {
    /// A kiosk's first word.
    #[must_use]
    pub fn new(status: KioskStatus, recorded_at: TimestampMs) -> Self {
        Self { highest: status.highest_sequence, status, recorded_at, fall: None }
    }

    /// A kiosk's next word after this one.
    #[must_use]
    pub fn next(&self, status: KioskStatus, recorded_at: TimestampMs) -> Self {
        let to = status.highest_sequence;
        // What it says again is no further fall.
        let falls = to < self.status.highest_sequence;
        let fall = Fall { from: self.highest, to, recorded_at };
        Self {
            highest: self.highest.max(to),
            status,
            recorded_at,
            fall: if falls { Some(fall) } else { self.fall },
        }
    }
}

/// The state of all partitions that this node holds.
#[derive(Clone, Default)]
pub struct Snapshot {
    /// By partition number.
    pub partitions: BTreeMap<u32, Arc<PartitionView>>,
}

/// The state of one partition after a commit.
#[derive(Clone)]
pub struct PartitionView {
    /// The partition's number.
    pub partition: u32,
    /// The offset of the next record to be folded: everything before it is in these figures.
    pub next_offset: i64,
    /// The timestamp of the latest record folded, as it counts (never going back).
    pub recorded_until: Option<TimestampMs>,
    /// The offset of the first record with that timestamp.
    pub recorded_by: Option<i64>,
    /// The ledger.
    pub ledger: Runs,
    /// The texts behind the numbers in the ledger and the sets.
    pub names: Arc<Names>,
    /// Sequences of each kiosk's events that count.
    pub received: BitRuns,
    /// Sequences of each kiosk's records that could not be counted, where they decode.
    pub refused: BitRuns,
    /// Home regions (their index) of the people that each kiosk has served.
    pub served: BitRuns,
    /// Days of recording on which each kiosk was heard of.
    pub days: BitRuns,
    /// By kiosk number.
    pub kiosks: Blocks<KioskActivity>,
    /// Counts of events.
    pub tallies: Tallies,
    /// What could not be counted.
    pub quarantine: Arc<QuarantineTally>,
    /// The events of the last days that count, each content once.
    pub recent: Recent<RecentFact>,
    /// The events of the last days that could not be counted.
    pub recent_refused: Recent<RecentRefusal>,
    /// How many subjects there are.
    pub subjects: u64,
}

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
