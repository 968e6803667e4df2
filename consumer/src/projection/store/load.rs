//! A partition put together from its chunks.

use std::sync::Arc;

use laju_schemas::{RegionTable, TimestampMs};

use crate::domain::cell::{Cell, sort_and_add};
use crate::domain::day::Day;
use crate::domain::dictionary::member;
use crate::domain::fold::{KioskActivity, PartitionFold};
use crate::projection::chunks;
use crate::projection::format::{Kind, PositionRow};
use crate::projection::partition::PartitionState;
use crate::projection::partition_ledger::PartitionLedger;
use crate::projection::quarantine::QuarantineTally;
use crate::projection::recent::{
    Block, REMEMBERED_FACTS, REMEMBERED_REFUSED, Recent, RecentFact, RecentRefusal,
    remembered_since,
};

/// A partition as it was stored: the fold's state and what readers see.
pub struct StoredPartition {
    /// The fold's state and the position.
    pub state: PartitionState,
    /// What readers see, and the partition's own ledger.
    pub ledger: PartitionLedger,
}

/// A partition being put together from its chunks.
pub(super) struct Loading {
    /// The first day of recording of which events are remembered.
    remembered_since: Day,
    fold: PartitionFold,
    cells: Vec<Cell>,
    received: Vec<u64>,
    refused: Vec<u64>,
    served: Vec<u64>,
    days: Vec<u64>,
    quarantine: QuarantineTally,
    recent: Vec<Block<RecentFact>>,
    recent_refused: Recent<RecentRefusal>,
}

impl Loading {
    /// A partition that has got as far as its row says.
    pub(super) fn new(row: &PositionRow) -> Self {
        let until = row.position.recorded_until.map(Day::recorded).unwrap_or_default();
        Self {
            remembered_since: remembered_since(until),
            fold: PartitionFold::default(),
            cells: Vec::new(),
            received: Vec::new(),
            refused: Vec::new(),
            served: Vec::new(),
            days: Vec::new(),
            quarantine: QuarantineTally::default(),
            recent: Vec::new(),
            recent_refused: Recent::default(),
        }
    }

    /// Where the events of a day go that are remembered.
    fn remembered(&mut self, day: Day) -> Option<&mut Block<RecentFact>> {
        if day < self.remembered_since {
            return None;
        }
        if self.recent.last().is_none_or(|block| block.is_over(day)) {
            self.recent.push(Block::new(day, 0));
            let mut rest: usize = self.recent.iter().map(Block::len).sum();
            let too_old = self.recent.iter().take_while(|block| {
                rest -= block.len();
                rest >= REMEMBERED_FACTS
            });
            let too_old = too_old.count();
            self.recent.drain(..too_old);
        }
        self.recent.last_mut()
    }

    pub(super) fn chunk(&mut self, kind: Kind, payload: &[u8]) -> Option<()> {
        match kind {
            Kind::Dictionary => chunks::read_entries(payload, &mut self.fold.dictionary),
            Kind::Facts => {
                let names = Arc::clone(self.fold.dictionary.names());
                let regions = RegionTable::get().len();
                let (day, facts) = chunks::read_facts(payload)?;
                for (subject, fact) in facts {
                    let known = (fact.context as usize) < names.context_count()
                        && usize::from(fact.home().0) < regions;
                    if !known {
                        return None;
                    }
                    let kiosk = names.context(fact.context).kiosk;
                    self.received.push(member(kiosk, fact.sequence));
                    self.served.push(member(kiosk, fact.home().0.into()));
                    self.fold.subjects.insert(subject, fact);
                    if let Some(block) = self.remembered(day) {
                        block.push(fact.event_id, RecentFact::of(subject, &fact));
                    }
                }
                Some(())
            }
            Kind::Kiosks => {
                let count = self.fold.dictionary.names().kiosk_count();
                self.fold.kiosks.resize(count, KioskActivity::default());
                for (kiosk, day, activity) in chunks::read_kiosks(payload)? {
                    *self.fold.kiosks.get_mut(kiosk as usize)? = activity;
                    self.days.extend(day.map(|day| member(kiosk, day.0.into())));
                }
                Some(())
            }
            Kind::Ledger => chunks::read_cells(payload, &mut self.cells),
            Kind::Quarantine => {
                for record in chunks::read_quarantined(payload)? {
                    if let Some((kiosk, sequence)) = &record.origin {
                        let kiosk = self.fold.dictionary.kiosk(kiosk, &mut Vec::new());
                        self.refused.push(member(kiosk, *sequence));
                    }
                    if let Some(event_id) = record.event_id {
                        let mut block = Block::new(record.key.recorded, 1);
                        block.push(event_id, RecentRefusal::of(event_id, &record));
                        self.recent_refused.push(block);
                        self.recent_refused.forget_beyond(REMEMBERED_REFUSED);
                    }
                    self.quarantine.add(record);
                }
                Some(())
            }
        }
    }

    pub(super) fn finish(self, partition: u32, row: &PositionRow) -> StoredPartition {
        let Self { mut fold, recent, mut recent_refused, .. } = self;
        fold.tallies = row.tallies();
        let mut ledger = PartitionLedger::empty(partition);
        let view = &mut ledger.view;
        view.next_offset = row.position.next_offset;
        view.recorded_until = row.position.recorded_until.map(TimestampMs);
        view.recorded_by = row.position.recorded_by;
        view.names = Arc::clone(fold.dictionary.names());
        view.tallies = fold.tallies;
        view.subjects = fold.subjects.len() as u64;
        view.received.push(self.received);
        view.refused.push(self.refused);
        view.served.push(self.served);
        view.days.push(self.days);
        view.kiosks = fold.kiosks.iter().copied().collect();
        view.quarantine = Arc::new(self.quarantine);
        view.recent = Recent::of(recent);
        view.recent.forget_beyond(REMEMBERED_FACTS);
        recent_refused.forget_before(self.remembered_since);
        view.recent_refused = recent_refused;
        ledger.ledger.push(sort_and_add(self.cells));
        let state = PartitionState::restored(partition, fold, row.position);
        StoredPartition { state, ledger }
    }
}
