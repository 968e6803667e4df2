//! A small log folded for real, whose facts can be read: for tests of what needs
//! both the snapshot and the fold.

use laju_schemas::event::{Channel, RetractionReason};
use laju_schemas::quarantine::Reason;
use laju_schemas::{EventId, Fact, RegionCode, SubjectId, TimestampMs};

use super::fixtures::{caught_up, region};
use crate::domain::admission::{Admitted, Refusal};
use crate::projection::partition::{PartitionState, RecordMark, UnverifiedFields};
use crate::projection::partition_ledger::{PartitionLedger, PartitionLedgers};
use crate::projection::shard::Shards;
use crate::query::live_view::LiveView;

pub(crate) const ACTIVATED: Fact<RegionCode> =
    Fact::Activated { channel: Channel::Office, venue: None, first_time_holder: false };

pub(crate) const fn id(number: u8) -> EventId {
    EventId([number; 16])
}

pub(crate) fn retracted(number: u8) -> Fact<RegionCode> {
    Fact::Retracted { event_id: id(number), reason: RetractionReason::WrongPerson }
}

/// A log in the making: each record is folded and committed at once.
pub(crate) struct FoldedLog {
    states: Vec<PartitionState>,
    ledgers: PartitionLedgers,
    /// When records are recorded from now on.
    pub(crate) recorded: TimestampMs,
}

fn ms(text: &str) -> i64 {
    text.parse::<TimestampMs>().unwrap().0
}

impl FoldedLog {
    pub(crate) fn new(partitions: u32, recorded: &str) -> Self {
        let ledgers = (0..partitions).map(|n| (n, PartitionLedger::empty(n)));
        Self {
            states: (0..partitions).map(PartitionState::new).collect(),
            ledgers: PartitionLedgers(ledgers.collect()),
            recorded: TimestampMs(ms(recorded)),
        }
    }

    fn mark(&self, partition: u32) -> RecordMark {
        let offset = self.states[partition as usize].position().next_offset;
        RecordMark { offset, timestamp: self.recorded.0, digest: 0 }
    }

    fn commit(&mut self, partition: u32) {
        let commit = self.states[partition as usize].take_commit().unwrap();
        self.ledgers.add(commit);
    }

    /// An event of a citizen that counts.
    pub(crate) fn event(
        &mut self,
        citizen: (u32, u8),
        event: (u8, &str, u32),
        at: (&str, &str),
        fact: Fact<RegionCode>,
    ) {
        self.uncommitted_event(citizen, event, at, fact);
        self.commit(citizen.0);
    }

    /// The same, of a commit that is not written yet.
    pub(crate) fn uncommitted_event(
        &mut self,
        (partition, citizen): (u32, u8),
        (number, kiosk, sequence): (u8, &str, u32),
        (occurred, home): (&str, &str),
        fact: Fact<RegionCode>,
    ) {
        let event = Admitted {
            event_id: id(number),
            subject: SubjectId([citizen; 16]),
            kiosk,
            sequence,
            occurred_at: ms(occurred),
            home: region(home),
            service: region(home),
            outreach: None,
            fact,
            is_released: false,
        };
        let mark = self.mark(partition);
        self.states[partition as usize].counted(mark, &event);
    }

    /// An event that cannot be counted.
    pub(crate) fn refuse(&mut self, partition: u32, number: u8, kiosk: &str, sequence: i64) {
        let claims = UnverifiedFields {
            event_id: id(number),
            kiosk_id: kiosk.to_owned(),
            sequence,
            home_region: "18.71".to_owned(),
            service_region: "18.71".to_owned(),
        };
        let refusal = Refusal::new(Reason::InFuture, "occurred_at: made by hand");
        let mark = self.mark(partition);
        self.states[partition as usize].refused(mark, &refusal, Some(&claims));
        self.commit(partition);
    }

    /// A node that has folded all of it, and whose facts can be read.
    pub(crate) fn live(self, now: TimestampMs) -> LiveView {
        let Self { states, ledgers, .. } = self;
        let live = caught_up(ledgers.snapshot(), now);
        live.set_shards(Shards::divide(states, 2));
        live
    }
}
