//! What readers see: the state of every partition at its last commit. Made by the committer,
//! swapped in whole, never changed: a question works on one snapshot and meets no lock.

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
    /// The service region it names, likewise.
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
    /// The kiosk and the sequence, where it decodes and they are well formed.
    pub origin: Option<(String, u32)>,
}

/// The quarantined records of a partition: all counted, the latest in full.
#[derive(Clone, Debug, Default)]
pub struct QuarantineTally {
    /// How many of each.
    pub counts: BTreeMap<QuarantineKey, u64>,
    /// The latest ones, oldest first: at most [`QuarantineTally::LATEST`].
    pub latest: VecDeque<QuarantinedRecord>,
}

impl QuarantineTally {
    /// How many are kept in full for a partition.
    pub const LATEST: usize = 200;

    /// Counts a record.
    pub fn add(&mut self, record: QuarantinedRecord) {
        *self.counts.entry(record.key).or_default() += 1;
        if self.latest.len() == Self::LATEST {
            self.latest.pop_front();
        }
        self.latest.push_back(record);
    }
}
