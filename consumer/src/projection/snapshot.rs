//! What readers see: the state of every partition at its last commit. Made by the committer,
//! swapped in whole, never changed: a question works on one snapshot and meets no
//! lock, but where it reads citizens' facts (`shard.rs`).

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use laju_schemas::{KioskStatus, TimestampMs};

use super::node_ledger::NodeLedger;
use super::partition_view::PartitionView;
use super::runs::Runs;
use crate::domain::dictionary::Names;

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
    /// The ledger of all of them.
    pub ledger: Runs,
    /// The texts behind the numbers in the ledger: what number a text has is of no meaning.
    pub names: Arc<Names>,
}

impl Snapshot {
    /// Partitions, and the ledger of all of them.
    #[must_use]
    pub fn of(partitions: BTreeMap<u32, Arc<PartitionView>>, ledger: &NodeLedger) -> Self {
        Self { partitions, ledger: ledger.ledger().clone(), names: Arc::clone(ledger.names()) }
    }
}
