//! What one run of the ledger has of visits: runs never change, so that each is gone through once.

use std::ops::Range;
use std::sync::Arc;

use laju_schemas::RegionIndex;
use laju_schemas::event::Channel;

use crate::domain::account::Account;
use crate::domain::cell::{Cell, Detail, OutreachRef};
use crate::domain::day::Day;
use crate::domain::dictionary::Names;
use crate::query::scan::groups;
use crate::query::scope::Scope;

/// A visit of an office: 24 bytes.
#[derive(Clone, Copy)]
pub(super) struct Entry {
    pub(super) id: OutreachRef,
    pub(super) office: RegionIndex,
    /// First and last day on which it has something by the office's clock; the first is after the
    /// last if it has nothing there.
    pub(super) first: Day,
    pub(super) last: Day,
    /// First and last day on which that was recorded.
    pub(super) known_from: Day,
    pub(super) known_until: Day,
    /// Activations and deferrals of the last day together: some, unless what was posted is taken
    /// back here.
    pub(super) on_last: i32,
    /// Where its cells begin in [`RunVisits::cells`].
    start: u32,
}

/// The visits of one run: beside 24 bytes for each 4 for each cell that names one, and 8 for each
/// day of each office's own counter.
pub(super) struct RunVisits {
    pub(super) run: Arc<[Cell]>,
    /// In the order of ids and offices.
    pub(super) entries: Box<[Entry]>,
    /// Places in the run of the cells that name a visit, visit by visit.
    cells: Box<[u32]>,
    /// Activations at offices' own counters, in the order of offices and days.
    counters: Box<[(Counter, i32)]>,
}

/// An office's own counter on a day.
pub(super) type Counter = (RegionIndex, Day);

/// Whether cells of an account name a visit.
const fn names_visits(account: Account) -> bool {
    matches!(
        account,
        Account::VisitActivations
            | Account::VisitDeferrals
            | Account::Activations
            | Account::Deferrals
    )
}

impl Entry {
    pub(super) const fn key(&self) -> (OutreachRef, RegionIndex) {
        (self.id, self.office)
    }

    fn new((id, office): (OutreachRef, RegionIndex), start: u32) -> Self {
        let (first, last) = (Day(u16::MAX), Day(0));
        Self { id, office, first, last, known_from: first, known_until: last, on_last: 0, start }
    }

    fn add(&mut self, cell: &Cell) {
        let (day, recorded) = (cell.key.day(), cell.key.recorded());
        // The day before has no say in it any more.
        if self.first > self.last || day > self.last {
            self.on_last = 0;
        }
        if self.first > self.last || day >= self.last {
            self.last = day;
            self.on_last += cell.amount;
        }
        self.first = self.first.min(day);
        self.known_from = self.known_from.min(recorded);
        self.known_until = self.known_until.max(recorded);
    }
}

impl RunVisits {
    pub(super) fn of(run: &Arc<[Cell]>, names: &Names) -> Self {
        let mut places: Vec<u64> = Vec::new();
        let mut counters: hashbrown::HashMap<Counter, i32> = hashbrown::HashMap::new();
        let everywhere = Scope::nation();
        for group in groups(run, &everywhere).filter(|group| names_visits(group.account)) {
            for (place, cell) in (group.first..).zip(group.cells) {
                let outreach = match cell.key.detail() {
                    Detail::Activation { service, channel, outreach, .. } => {
                        if channel == Channel::Office {
                            *counters.entry((service, cell.key.day())).or_default() += cell.amount;
                        }
                        outreach
                    }
                    Detail::Deferral { outreach, .. } => outreach,
                    Detail::Visit { visit, .. } => names.visit(visit).1,
                    _ => 0,
                };
                if outreach > 0 {
                    places.push(u64::from(outreach) << 32 | place as u64);
                }
            }
        }
        places.sort_unstable();
        let (mut entries, mut cells) = (Vec::new(), Vec::with_capacity(places.len()));
        for of_id in places.chunk_by(|a, b| a >> 32 == b >> 32) {
            let (id, begin) = ((of_id[0] >> 32) as OutreachRef, cells.len());
            cells.extend(of_id.iter().map(|place| *place as u32));
            // Hardly ever more than one.
            cells[begin..].sort_by_key(|place| office(&run[*place as usize]));
            let mut entry: Option<Entry> = None;
            for (at, place) in cells.iter().enumerate().skip(begin) {
                let cell = &run[*place as usize];
                let office = office(cell);
                if entry.is_none_or(|entry| entry.office != office) {
                    entries.extend(entry.replace(Entry::new((id, office), at as u32)));
                }
                if let (Detail::Visit { .. }, Some(entry)) = (cell.key.detail(), &mut entry) {
                    entry.add(cell);
                }
            }
            entries.extend(entry);
        }
        let mut counters: Vec<(Counter, i32)> = counters.into_iter().collect();
        counters.sort_unstable_by_key(|(counter, _)| *counter);
        Self {
            run: Arc::clone(run),
            entries: entries.into(),
            cells: cells.into(),
            counters: counters.into(),
        }
    }

    /// The cells that name a visit: what its office did by hour and kiosk, and whom of which home it
    /// served or could not.
    pub(super) fn cells_of(&self, key: (OutreachRef, RegionIndex)) -> impl Iterator<Item = &Cell> {
        let at = self.entries.binary_search_by_key(&key, Entry::key);
        let range = at.map_or(0..0, |at| self.range(at));
        self.cells[range].iter().map(|place| &self.run[*place as usize])
    }

    /// The offices that have used an id.
    pub(super) fn offices(&self, id: OutreachRef) -> impl Iterator<Item = RegionIndex> {
        let from = self.entries.partition_point(|entry| entry.id < id);
        self.entries[from..].iter().take_while(move |entry| entry.id == id).map(|e| e.office)
    }

    fn range(&self, at: usize) -> Range<usize> {
        let end = self.entries.get(at + 1).map_or(self.cells.len(), |next| next.start as usize);
        self.entries[at].start as usize..end
    }

    /// An office's own counter from one day to another, in the order of the days.
    pub(super) fn counter(&self, from: Counter, to: Counter) -> &[(Counter, i32)] {
        let at = |counter: Counter| self.counters.partition_point(|(key, _)| *key < counter);
        let end = self.counters.partition_point(|(key, _)| *key <= to);
        &self.counters[at(from).min(end)..end]
    }
}

/// The office of a cell that names a visit.
fn office(cell: &Cell) -> RegionIndex {
    match cell.key.detail() {
        Detail::Activation { service, .. } | Detail::Deferral { service, .. } => service,
        _ => cell.key.region(),
    }
}
