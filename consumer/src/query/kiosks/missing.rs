//! What may be missing: sequences that kiosks have used or announced and that have not come in,
//! and events that came in, could not be counted and were not decided about, for every region that
//! they may concern.
//!
//! Received sequences are united over the partitions, since a kiosk's events spread over all of
//! them. The union is kept from one snapshot to the next and only what is new is added; it is a
//! set, so that the same snapshot gives the same answer whatever was seen before.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use laju_schemas::{RegionIndex, RegionTable};
use roaring::{RoaringBitmap, RoaringTreemap};

use crate::domain::decisions::DecisionBook;
use crate::domain::kiosk_habit::{DAYS_LOOKED_AT, usual_gap};
use crate::projection::bitruns::BitRuns;
use crate::projection::partition_view::PartitionView;
use crate::projection::quarantine::QuarantineTally;
use crate::projection::snapshot::{Snapshot, Statuses};
use crate::query::kiosks::decided::Closed;
use crate::query::kiosks::state::{Activity, KioskState};
use crate::query::scope::{concerned, province_of};

/// What is unknown of a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unknown {
    /// Events numbered or announced that have not come in.
    pub events: u64,
    /// Kiosks with such events.
    pub kiosks: u64,
    /// Events that could not be counted, and of which nobody has decided what becomes of them.
    pub quarantined: u64,
}

/// What is missing at one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gaps {
    /// By region; provinces too.
    regions: Vec<Unknown>,
    nation: Unknown,
    /// Every kiosk heard of, in the order of their ids.
    pub kiosks: Vec<KioskState>,
    /// Those of which something is missing, by their place, and the regions that it may concern.
    missing: Vec<(usize, BTreeSet<RegionIndex>)>,
}

impl Gaps {
    /// What is unknown of a region, or of the nation (`None`).
    #[must_use]
    pub fn of(&self, region: Option<RegionIndex>) -> Unknown {
        region.map_or(self.nation, |region| self.regions[usize::from(region.0)])
    }

    /// The kiosks of which something is missing that may concern a region, or the nation (`None`).
    pub fn missing_in(&self, region: Option<RegionIndex>) -> impl Iterator<Item = &KioskState> {
        let concerns = move |concerned: &BTreeSet<RegionIndex>| {
            region.is_none_or(|region| concerned.contains(&region))
        };
        let missing = self.missing.iter().filter(move |(_, concerned)| concerns(concerned));
        missing.map(|(place, _)| &self.kiosks[*place])
    }

    /// What is unknown of every region and of the nation.
    pub fn each(&self) -> impl Iterator<Item = &Unknown> {
        self.regions.iter().chain([&self.nation])
    }
}

/// What is kept from one snapshot to the next.
#[derive(Default)]
pub struct KioskBook {
    numbers: HashMap<Arc<str>, usize>,
    kiosks: Vec<Heard>,
    absorbed: BTreeMap<u32, Absorbed>,
    closed: Closed,
}

struct Heard {
    id: Arc<str>,
    /// Sequences of events that count.
    received: RoaringBitmap,
    /// Sequences of records that do not.
    refused: RoaringBitmap,
    served: RoaringBitmap,
    /// Days of recording on which it was heard of.
    days: RoaringBitmap,
    /// See [`usual_gap`]: of those days.
    usual_gap: Option<u32>,
}

struct Absorbed {
    view: Arc<PartitionView>,
    /// The kiosks of the partition's dictionary: their numbers here.
    kiosks: Vec<usize>,
    quarantined: Vec<u64>,
}

impl KioskBook {
    /// What is missing at a snapshot, with what kiosks have said and what was decided by then.
    pub fn gaps(
        &mut self,
        snapshot: &Snapshot,
        statuses: &Statuses,
        decisions: &DecisionBook,
    ) -> Gaps {
        self.absorb(snapshot);
        self.closed.absorb(snapshot, decisions);
        let mut states: Vec<(KioskState, Option<&RoaringBitmap>)> =
            self.heard(statuses).chain(self.only_announced(statuses)).collect();
        states.sort_unstable_by(|(a, _), (b, _)| a.id.cmp(&b.id));

        let mut gaps = Gaps {
            regions: vec![Unknown::default(); RegionTable::get().len()],
            nation: Unknown::default(),
            kiosks: Vec::with_capacity(states.len()),
            missing: Vec::new(),
        };
        for (state, served) in states {
            if state.missing > 0 {
                gaps.add_kiosk(&state, served);
            }
            gaps.kiosks.push(state);
        }
        for part in self.absorbed.values() {
            let (nation, regions) = part.quarantined.split_last().unwrap_or((&0, &[]));
            gaps.nation.quarantined += nation;
            for (unknown, count) in gaps.regions.iter_mut().zip(regions) {
                unknown.quarantined += count;
            }
        }
        gaps.nation.quarantined = gaps.nation.quarantined.saturating_sub(self.closed.all());
        for (unknown, closed) in gaps.regions.iter_mut().zip(self.closed.regions()) {
            unknown.quarantined = unknown.quarantined.saturating_sub(*closed);
        }
        gaps
    }

    /// Adds what is new since the snapshot before.
    fn absorb(&mut self, snapshot: &Snapshot) {
        let follows = |(partition, old): (&u32, &Absorbed)| {
            let new = snapshot.partitions.get(partition);
            new.is_some_and(|new| {
                new.next_offset >= old.view.next_offset && Arc::ptr_eq(&new.names, &old.view.names)
            })
        };
        if !self.absorbed.iter().all(follows) {
            // A partition was given away or loaded again: what was united cannot be taken apart.
            *self = Self::default();
        }
        let mut before = std::mem::take(&mut self.absorbed);
        for (number, view) in &snapshot.partitions {
            let part = match before.remove(number) {
                Some(old) if Arc::ptr_eq(&old.view, view) => old,
                old => self.absorb_partition(view, old),
            };
            self.absorbed.insert(*number, part);
        }
    }

    fn absorb_partition(&mut self, view: &Arc<PartitionView>, old: Option<Absorbed>) -> Absorbed {
        let (old, mut kiosks, quarantined) = match old {
            Some(old) => (Some(old.view), old.kiosks, Some(old.quarantined)),
            None => (None, Vec::new(), None),
        };
        let old = old.as_deref();
        // Those behind were heard of after this commit: they belong to the next one.
        for kiosk in kiosks.len()..view.kiosks.len() {
            kiosks.push(self.number_of(view.names.kiosk(kiosk as u32)));
        }
        let mut each = |of: fn(&PartitionView) -> &BitRuns, add: fn(&mut Heard, &RoaringBitmap)| {
            for run in new_runs(of(view), old.map(of)) {
                for (kiosk, numbers) in run.bitmaps() {
                    add(&mut self.kiosks[kiosks[kiosk as usize]], numbers);
                }
            }
        };
        each(|view| &view.received, |kiosk, sequences| kiosk.received |= sequences);
        each(|view| &view.refused, |kiosk, sequences| kiosk.refused |= sequences);
        each(|view| &view.served, |kiosk, regions| kiosk.served |= regions);
        each(|view| &view.days, Heard::add_days);
        let quarantined = quarantined
            .filter(|_| old.is_some_and(|old| Arc::ptr_eq(&old.quarantine, &view.quarantine)))
            .unwrap_or_else(|| quarantined_by_region(&view.quarantine));
        Absorbed { view: Arc::clone(view), kiosks, quarantined }
    }

    fn number_of(&mut self, id: &str) -> usize {
        if let Some(&number) = self.numbers.get(id) {
            return number;
        }
        let id: Arc<str> = id.into();
        let (received, refused, served, days) = Default::default();
        let usual_gap = None;
        let id_here = Arc::clone(&id);
        self.kiosks.push(Heard { id: id_here, received, refused, served, days, usual_gap });
        self.numbers.insert(id, self.kiosks.len() - 1);
        self.kiosks.len() - 1
    }

    /// The kiosks of which events have come in, and the regions whose people they served.
    fn heard<'a>(
        &'a self,
        statuses: &'a Statuses,
    ) -> impl Iterator<Item = (KioskState, Option<&'a RoaringBitmap>)> + 'a {
        let mut activity = vec![Activity::default(); self.kiosks.len()];
        for part in self.absorbed.values() {
            for (kiosk, seen) in part.kiosks.iter().zip(part.view.kiosks.iter()) {
                let sum = &mut activity[*kiosk];
                sum.received += seen.received;
                sum.facts += seen.facts;
                let is_later = sum.service.is_none() || seen.last_heard > sum.last_heard;
                if seen.service.is_some() && is_later {
                    sum.service = seen.service;
                }
                sum.last_heard = seen.last_heard.max(sum.last_heard);
            }
        }
        self.kiosks.iter().zip(activity).map(move |(heard, activity)| {
            let Heard { id, received, refused, served, days, usual_gap } = heard;
            let habit = (days.len(), *usual_gap);
            let status = statuses.get(&**id);
            let state = KioskState::new(id, activity, (received, refused), habit, status);
            (state, Some(served))
        })
    }

    /// The kiosks that have announced themselves, and of which no event has come in.
    fn only_announced<'a>(
        &'a self,
        statuses: &'a Statuses,
    ) -> impl Iterator<Item = (KioskState, Option<&'a RoaringBitmap>)> + 'a {
        let none = RoaringBitmap::new();
        let unheard = statuses.iter().filter(|(id, _)| !self.numbers.contains_key(id.as_str()));
        unheard.map(move |(id, status)| {
            let (id, activity) = (id.as_str().into(), Activity::default());
            let state = KioskState::new(&id, activity, (&none, &none), (0, None), Some(status));
            (state, None)
        })
    }
}

impl Heard {
    fn add_days(&mut self, days: &RoaringBitmap) {
        let before = self.days.len();
        self.days |= days;
        if self.days.len() > before {
            let latest = self.days.iter().rev().take(DAYS_LOOKED_AT);
            let mut latest: Vec<u32> = latest.collect();
            latest.reverse();
            self.usual_gap = usual_gap(&latest);
        }
    }
}

impl Gaps {
    /// Counts a kiosk's missing events once for every region that they may concern.
    fn add_kiosk(&mut self, kiosk: &KioskState, served: Option<&RoaringBitmap>) {
        let mut concerned: BTreeSet<RegionIndex> = kiosk.service.into_iter().collect();
        concerned.extend(served.into_iter().flatten().map(|region| RegionIndex(region as u16)));
        let provinces: Vec<_> = concerned.iter().filter_map(|r| province_of(*r)).collect();
        concerned.extend(provinces);
        let regions = concerned.iter().map(|region| usize::from(region.0));
        for index in regions {
            let unknown = &mut self.regions[index];
            unknown.events += kiosk.missing;
            unknown.kiosks += 1;
        }
        self.nation.events += kiosk.missing;
        self.nation.kiosks += 1;
        self.missing.push((self.kiosks.len(), concerned));
    }
}

/// The runs that were not there before.
fn new_runs<'a>(
    new: &'a BitRuns,
    old: Option<&'a BitRuns>,
) -> impl Iterator<Item = &'a RoaringTreemap> {
    let old = old.map_or(&[][..], BitRuns::as_runs);
    let is_new = |run: &&Arc<RoaringTreemap>| !old.iter().any(|seen| Arc::ptr_eq(seen, run));
    new.as_runs().iter().filter(is_new).map(|run| &**run)
}

/// Quarantined events by region (a province once for an event that names two of its regencies),
/// and all of them at the end.
fn quarantined_by_region(tally: &QuarantineTally) -> Vec<u64> {
    let regions = RegionTable::get().len();
    let mut counts = vec![0; regions + 1];
    for (key, count) in &tally.counts {
        for region in concerned(key) {
            counts[usize::from(region.0)] += count;
        }
        counts[regions] += count;
    }
    counts
}
