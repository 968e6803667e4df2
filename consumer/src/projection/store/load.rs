//! A partition put together from its chunks.

use std::sync::Arc;

use laju_schemas::{RegionTable, TimestampMs};

use super::StoredPartition;
use crate::domain::account::{Cell, sort_and_add};
use crate::domain::dictionary::member;
use crate::domain::fold::{KioskActivity, PartitionFold};
use crate::projection::format::{self, Kind, PositionRow};
use crate::projection::partition::PartitionState;
use crate::projection::snapshot::{PartitionView, QuarantineTally};

/// A partition being put together from its chunks.
#[derive(Default)]
pub(super) struct Loading {
    fold: PartitionFold,
    cells: Vec<Cell>,
    received: Vec<u64>,
    refused: Vec<u64>,
    served: Vec<u64>,
    days: Vec<u64>,
    quarantine: QuarantineTally,
}

impl Loading {
    pub(super) fn chunk(&mut self, kind: Kind, payload: &[u8]) -> Option<()> {
        match kind {
            Kind::Dictionary => format::read_entries(payload, &mut self.fold.dictionary),
            Kind::Facts => {
                let names = Arc::clone(self.fold.dictionary.names());
                let regions = RegionTable::get().len();
                for (subject, fact) in format::read_facts(payload)? {
                    let known = (fact.context as usize) < names.context_count()
                        && usize::from(fact.home().0) < regions;
                    if !known {
                        return None;
                    }
                    let kiosk = names.context(fact.context).kiosk;
                    self.received.push(member(kiosk, fact.sequence));
                    self.served.push(member(kiosk, fact.home().0.into()));
                    self.fold.subjects.insert(subject, fact);
                }
                Some(())
            }
            Kind::Kiosks => {
                let count = self.fold.dictionary.names().kiosk_count();
                self.fold.kiosks.resize(count, KioskActivity::default());
                for (kiosk, day, activity) in format::read_kiosks(payload)? {
                    *self.fold.kiosks.get_mut(kiosk as usize)? = activity;
                    self.days.push(member(kiosk, day.0.into()));
                }
                Some(())
            }
            Kind::Ledger => format::read_cells(payload, &mut self.cells),
            Kind::Quarantine => {
                for record in format::read_quarantined(payload)? {
                    if let Some((kiosk, sequence)) = &record.origin {
                        let kiosk = self.fold.dictionary.kiosk(kiosk, &mut Vec::new());
                        self.refused.push(member(kiosk, *sequence));
                    }
                    self.quarantine.add(record);
                }
                Some(())
            }
        }
    }

    pub(super) fn finish(self, partition: u32, row: &PositionRow) -> StoredPartition {
        let Self { mut fold, cells, received, refused, served, days, quarantine } = self;
        fold.tallies = row.tallies();
        let mut view = PartitionView::empty(partition);
        view.next_offset = row.position.next_offset;
        view.recorded_until = row.position.recorded_until.map(TimestampMs);
        view.names = Arc::clone(fold.dictionary.names());
        view.tallies = fold.tallies;
        view.subjects = fold.subjects.len() as u64;
        view.ledger.push(sort_and_add(cells));
        view.received.push(received);
        view.refused.push(refused);
        view.served.push(served);
        view.days.push(days);
        view.kiosks = Arc::new(fold.kiosks.clone());
        view.quarantine = Arc::new(quarantine);
        let state = PartitionState::restored(partition, fold, row.position);
        StoredPartition { state, view }
    }
}
