//! A partition put together from its chunks: its facts are folded again, in the order in which they were
//! folded first.

use std::sync::Arc;

use laju_schemas::{RegionIndex, RegionTable, SubjectId, TimestampMs};

use crate::domain::cell::{Cell, add_up};
use crate::domain::day::Day;
use crate::domain::dictionary::{Names, member};
use crate::domain::fact::CompactFact;
use crate::domain::fold::{Arrival, KioskActivity, PartitionFold, Tallies};
use crate::projection::chunks;
use crate::projection::fact_chunk;
use crate::projection::format::{Kind, PositionRow};
use crate::projection::node_ledger::Numbers;
use crate::projection::partition::{MOST_EXPECTED, PartitionState};
use crate::projection::partition_ledger::PartitionLedger;
use crate::projection::partition_view::PartitionView;
use crate::projection::quarantine::QuarantineTally;
use crate::projection::recent::{
    Block, REMEMBERED_FACTS, REMEMBERED_REFUSED, Recent, RecentFact, RecentRefusal,
    remembered_since,
};
use crate::projection::runs::Runs;

/// Postings that are added up at a time.
const POSTED_AT_ONCE: usize = 1 << 18;
/// Subjects that are looked up before their facts are folded: their memory is waited for together.
const ANNOUNCED: usize = 16;
/// No more facts are in a chunk: of what a row says only this much is believed.
const MOST_IN_A_CHUNK: u64 = 256;

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
    /// The facts of a chunk.
    facts: Vec<(SubjectId, CompactFact)>,
    cells: Vec<Cell>,
    ledger: Runs,
    /// By what numbers postings are added up; none for the partition's own.
    numbers: Option<Numbers>,
    received: Vec<u64>,
    refused: Vec<u64>,
    served: Vec<u64>,
    /// By kiosk: the home region last put into `served`.
    homes: Vec<Option<RegionIndex>>,
    days: Vec<u64>,
    quarantine: QuarantineTally,
    recent: Vec<Block<RecentFact>>,
    recent_refused: Recent<RecentRefusal>,
}

impl Loading {
    /// A partition that has got as far as its row says, which posts to this ledger.
    pub(super) fn new(row: &PositionRow, ledger: Runs) -> Self {
        let until = row.position.recorded_until.map(Day::recorded).unwrap_or_default();
        let facts = row.chains[Kind::Facts as usize].count.saturating_mul(MOST_IN_A_CHUNK);
        let mut fold = PartitionFold::default();
        fold.subjects.reserve(row.subjects.min(facts).min(MOST_EXPECTED) as usize);
        Self {
            remembered_since: remembered_since(until),
            fold,
            facts: Vec::new(),
            cells: Vec::new(),
            ledger,
            numbers: None,
            received: Vec::new(),
            refused: Vec::new(),
            served: Vec::new(),
            homes: Vec::new(),
            days: Vec::new(),
            quarantine: QuarantineTally::default(),
            recent: Vec::new(),
            recent_refused: Recent::default(),
        }
    }

    /// The texts: all of them, once the dictionary's chunks are read.
    pub(super) fn names(&self) -> &Names {
        self.fold.dictionary.names()
    }

    /// Adds postings up by other numbers than the partition's own.
    pub(super) fn number(&mut self, numbers: Numbers) {
        self.numbers = Some(numbers);
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
                let mut facts = std::mem::take(&mut self.facts);
                let arrival = fact_chunk::read(payload, &mut facts)?;
                self.fold(&facts, arrival)?;
                self.facts = facts;
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

    /// Folds facts that came in together.
    fn fold(&mut self, facts: &[(SubjectId, CompactFact)], arrival: Arrival) -> Option<()> {
        let names = Arc::clone(self.fold.dictionary.names());
        let (contexts, regions) = (names.context_count(), RegionTable::get().len());
        self.homes.resize(names.kiosk_count(), None);
        let mut entries = Vec::new();
        for facts in facts.chunks(ANNOUNCED) {
            facts.iter().for_each(|(subject, _)| self.fold.subjects.touch(*subject));
            for (subject, fact) in facts {
                let home = fact.home();
                if fact.context as usize >= contexts || usize::from(home.0) >= regions {
                    return None;
                }
                let context = *names.context(fact.context);
                let kiosk = context.kiosk;
                self.received.push(member(kiosk, fact.sequence));
                if self.homes[kiosk as usize].replace(home) != Some(home) {
                    self.served.push(member(kiosk, home.0.into()));
                }
                let cells = &mut self.cells;
                if !self.fold.add(*subject, *fact, context, arrival, cells, &mut entries) {
                    return None;
                }
                if let Some(block) = self.remembered(arrival.day) {
                    block.push(fact.event_id, RecentFact::of(*subject, fact));
                }
            }
        }
        // The dictionary has all that the fold ever needed, and its numbers are known elsewhere.
        if !entries.is_empty() {
            return None;
        }
        if self.cells.len() >= POSTED_AT_ONCE {
            self.post();
        }
        Some(())
    }

    fn post(&mut self) {
        if let Some(numbers) = &self.numbers {
            self.cells.iter_mut().for_each(|cell| *cell = numbers.renumbered(*cell));
        }
        add_up(&mut self.cells);
        self.ledger.push(std::mem::take(&mut self.cells));
    }

    /// The partition's state, what readers see, and the ledger that it was posted to; `None` if its facts
    /// are not those that its row counts.
    pub(super) fn finish(
        mut self,
        partition: u32,
        row: &PositionRow,
    ) -> Option<(PartitionState, PartitionView, Runs)> {
        self.post();
        let Self { mut fold, recent, mut recent_refused, .. } = self;
        let counted = |tallies: &Tallies| (tallies.standing, tallies.retracted);
        let tallies = row.tallies();
        if counted(&fold.tallies) != counted(&tallies) || fold.subjects.len() as u64 != row.subjects
        {
            return None;
        }
        fold.tallies = tallies;
        let mut view = PartitionView::empty(partition);
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
        Some((PartitionState::restored(partition, fold, row.position), view, self.ledger))
    }
}
