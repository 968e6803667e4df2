//! Which visits there are and which are the latest, from what is kept of each run of the ledger: a
//! question looks at the cells of the visits that it shows, and of those few others of which the
//! runs' first and last days leave in doubt whether they count.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, TryLockError};

use laju_schemas::RegionIndex;

use super::ids::Ids;
use super::run::{Counter, Entry, RunVisits};
use crate::domain::account::Account;
use crate::domain::cell::{Cell, Detail, OutreachRef};
use crate::domain::day::Day;
use crate::domain::dictionary::Names;
use crate::projection::snapshot::Snapshot;
use crate::query::page::First;
use crate::query::scan::Window;
use crate::query::scope::Scope;

/// A visit of an office.
pub(super) type Key = (OutreachRef, RegionIndex);

/// What is kept of visits from one question to the next.
#[derive(Default)]
pub struct VisitBook(Mutex<Kept>);

#[derive(Default)]
struct Kept {
    names: Arc<Names>,
    ids: Ids,
    /// By the address of the run, which nothing else has as long as it is kept.
    runs: HashMap<usize, Arc<RunVisits>>,
}

/// The visits of one snapshot.
pub(in crate::query) struct VisitsAt {
    names: Arc<Names>,
    runs: Vec<Arc<RunVisits>>,
}

/// Which days count: of happening, the end excluded, and of recording.
#[derive(Clone)]
pub(super) struct Span {
    pub(super) days: Range<u32>,
    pub(super) known: Window,
}

/// How much of what a run has of a visit counts.
enum Counts {
    Nothing,
    All,
    /// Perhaps something, of no later day than this.
    Until(Day),
}

/// What is known of a visit without a look at its cells.
enum Known {
    /// Nothing of it counts.
    Nothing,
    /// The last day of which something counts.
    Last(Day),
    /// Its cells tell.
    InDoubt,
}

impl Span {
    pub(super) fn counts(&self, cell: &Cell) -> bool {
        self.days.contains(&cell.key.day().0.into()) && self.known.knows(cell.key.recorded())
    }

    fn of(&self, entry: &Entry) -> Counts {
        let is_in = |day: Day| self.days.contains(&day.0.into());
        let (first, last) = (u32::from(entry.first.0), u32::from(entry.last.0));
        let is_without = first > last || last < self.days.start || first >= self.days.end;
        if is_without || !self.known.knows(entry.known_from) {
            Counts::Nothing
        } else if is_in(entry.first) && is_in(entry.last) && self.known.knows(entry.known_until) {
            Counts::All
        } else {
            // Not before the first of them, so that it is a day.
            Counts::Until(Day(last.min(self.days.end - 1) as u16))
        }
    }

    /// What the runs' entries of one visit say.
    fn known(&self, entries: &[Entry]) -> Known {
        let (mut last, mut on_last, mut until) = (None, 0, None);
        for entry in entries {
            match self.of(entry) {
                Counts::Nothing => {}
                Counts::All => {
                    if Some(entry.last) > last {
                        (last, on_last) = (Some(entry.last), 0);
                    }
                    if Some(entry.last) == last {
                        on_last += i64::from(entry.on_last);
                    }
                }
                Counts::Until(day) => until = until.max(Some(day)),
            }
        }
        match (last, until) {
            (None, None) => Known::Nothing,
            (Some(day), until) if on_last != 0 && until < Some(day) => Known::Last(day),
            _ => Known::InDoubt,
        }
    }
}

impl VisitBook {
    /// The visits of a snapshot. Only questions about visits wait for each other here, and only while
    /// what is new since the last one is gone through.
    pub(in crate::query) fn at(&self, snapshot: &Snapshot) -> VisitsAt {
        let mut kept = self.kept();
        kept.advance(snapshot);
        let names = Arc::clone(&kept.names);
        VisitsAt { names, runs: kept.runs.values().map(Arc::clone).collect() }
    }

    /// The number of a visit's id in a snapshot's names.
    pub(super) fn find(&self, id: &str, snapshot: &Snapshot) -> Option<OutreachRef> {
        let mut kept = self.kept();
        kept.advance(snapshot);
        let Kept { names, ids, .. } = &mut *kept;
        ids.find(id, names)
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(|poisoned| {
            // A question failed half-way through: what it left is rebuilt.
            self.0.clear_poison();
            let mut kept = poisoned.into_inner();
            *kept = Kept::default();
            kept
        })
    }

    /// Lets go of runs that a snapshot does not have any more, unless a question is at them.
    pub(crate) fn release(&self, snapshot: &Snapshot) {
        match self.0.try_lock() {
            Ok(mut kept) => kept.keep_only(snapshot),
            Err(TryLockError::WouldBlock | TryLockError::Poisoned(_)) => {}
        }
    }
}

fn address(run: &Arc<[Cell]>) -> usize {
    Arc::as_ptr(run).cast::<Cell>() as usize
}

impl Kept {
    fn keep_only(&mut self, snapshot: &Snapshot) {
        if self.runs.is_empty() {
            return;
        }
        let there: BTreeSet<usize> = snapshot.ledger.as_slices().iter().map(address).collect();
        self.runs.retain(|address, _| there.contains(address));
    }

    fn advance(&mut self, snapshot: &Snapshot) {
        if !Arc::ptr_eq(&self.names, &snapshot.names) {
            // The ledger was made again: its numbers mean something else.
            *self = Self { names: Arc::clone(&snapshot.names), ..Self::default() };
        }
        self.keep_only(snapshot);
        for run in snapshot.ledger.as_slices() {
            let of_it = || Arc::new(RunVisits::of(run, &self.names));
            self.runs.entry(address(run)).or_insert_with(of_it);
        }
    }
}

impl VisitsAt {
    pub(super) fn names(&self) -> &Names {
        &self.names
    }

    pub(super) fn text(&self, id: OutreachRef) -> &str {
        self.names.outreach(id).unwrap_or_default()
    }

    /// Each visit of a scope's offices that has something in a span, with its last day. The run that
    /// has most of them is not copied.
    pub(super) fn each_within(&self, scope: &Scope, span: &Span, mut each: impl FnMut((Key, Day))) {
        let offices = scope.indices();
        let asked_for = |entry: &&Entry| {
            offices.contains(&entry.office.0) && !matches!(span.of(entry), Counts::Nothing)
        };
        let Some(largest) = self.runs.iter().max_by_key(|run| run.entries.len()) else { return };
        let others = self.runs.iter().filter(|run| !Arc::ptr_eq(run, largest));
        let others = others.flat_map(|run| run.entries.iter().filter(asked_for));
        let mut others: Vec<Entry> = others.copied().collect();
        // Each run's are in order: this merges them.
        others.sort_by_key(Entry::key);
        let mut others = others.chunk_by(|a, b| a.key() == b.key()).peekable();
        let mut tell = |of_one: &[Entry]| {
            let key = of_one[0].key();
            let last = match span.known(of_one) {
                Known::Nothing => None,
                Known::Last(day) => Some(day),
                Known::InDoubt => self.last_day(key, span),
            };
            if let Some(last) = last {
                each((key, last));
            }
        };
        let mut both = Vec::new();
        for entry in largest.entries.iter().filter(asked_for) {
            while let Some(before) = others.next_if(|of_one| of_one[0].key() < entry.key()) {
                tell(before);
            }
            match others.next_if(|of_one| of_one[0].key() == entry.key()) {
                None => tell(&[*entry]),
                Some(more) => {
                    both.clear();
                    both.push(*entry);
                    both.extend_from_slice(more);
                    tell(&both);
                }
            }
        }
        others.for_each(tell);
    }

    /// The visits of an id that have something in a span.
    pub(super) fn of_id(&self, id: OutreachRef, span: &Span) -> Vec<Key> {
        let offices: BTreeSet<_> = self.runs.iter().flat_map(|run| run.offices(id)).collect();
        let keys = offices.into_iter().map(|office| (id, office));
        keys.filter(|key| self.last_day(*key, span).is_some()).collect()
    }

    /// The first visits of a scope's offices on a page, the latest first, then by id and office; only
    /// those behind a place. With how many there are on all pages, and whether there are more.
    pub(super) fn page(
        &self,
        (scope, span): (&Scope, &Span),
        after: Option<(Day, &str, RegionIndex)>,
        limit: usize,
    ) -> (Vec<(Key, Day)>, u64, bool) {
        let order = |(a_key, a): &(Key, Day), (b, b_id, b_office): (Day, &str, RegionIndex)| {
            b.cmp(a).then_with(|| (self.text(a_key.0), a_key.1).cmp(&(b_id, b_office)))
        };
        let mut page = First::new(limit, |a: &(Key, Day), b: &(Key, Day)| {
            order(a, (b.1, self.text(b.0.0), b.0.1))
        });
        let mut total = 0;
        self.each_within(scope, span, |visit| {
            total += 1;
            if after.is_none_or(|after| order(&visit, after).is_gt()) {
                page.add(visit);
            }
        });
        let (visits, has_more) = page.finish();
        (visits, total, has_more)
    }

    /// The cells of a visit.
    pub(super) fn cells_of(&self, key: Key) -> impl Iterator<Item = &Cell> {
        self.runs.iter().flat_map(move |run| run.cells_of(key))
    }

    /// The last day of a span of which something is left of a visit.
    fn last_day(&self, key: Key, span: &Span) -> Option<Day> {
        let mut slots: HashMap<(Day, Account, Detail), i64> = HashMap::new();
        for cell in self.cells_of(key).filter(|cell| span.counts(cell)) {
            if let detail @ Detail::Visit { .. } = cell.key.detail() {
                let slot = (cell.key.day(), cell.key.account(), detail);
                *slots.entry(slot).or_default() += i64::from(cell.amount);
            }
        }
        let left = slots.into_iter().filter(|(_, amount)| *amount != 0);
        left.map(|((day, ..), _)| day).max()
    }

    /// Adds up offices' own counters, of the days asked for.
    pub(super) fn add_counters(&self, counters: &mut BTreeMap<Counter, i64>) {
        let days: Vec<Counter> = counters.keys().copied().collect();
        for of_office in days.chunk_by(|a, b| a.0 == b.0) {
            let (Some(from), Some(to)) = (of_office.first(), of_office.last()) else { continue };
            for run in &self.runs {
                for (counter, amount) in run.counter(*from, *to) {
                    if let Some(sum) = counters.get_mut(counter) {
                        *sum += i64::from(*amount);
                    }
                }
            }
        }
    }
}
