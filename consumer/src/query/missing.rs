//! What may be missing: sequences that kiosks have used or announced and that have not come in,
//! and events that came in and could not be counted, for every region that they may concern.
//!
//! Received sequences are united over the partitions, since a kiosk's events spread over all of
//! them. The union is kept from one snapshot to the next and only what is new is added; it is a
//! set, so that the same snapshot gives the same answer whatever was seen before.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;

use laju_schemas::{KioskStatus, RegionIndex, RegionTable, TimestampMs};
use roaring::{RoaringBitmap, RoaringTreemap};

use super::scan::province_of;
use super::view::Statuses;
use crate::projection::bitruns::BitRuns;
use crate::projection::snapshot::{PartitionView, QuarantineTally, Snapshot};

/// How many of a kiosk's gaps are shown.
const GAPS: usize = 10;

/// What is unknown of a region.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Unknown {
    /// Events numbered or announced that have not come in.
    pub events: u64,
    /// Kiosks with such events.
    pub kiosks: u64,
    /// Events that could not be counted.
    pub quarantined: u64,
}

/// What has come in of a kiosk, and what has not.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KioskState {
    /// Its id.
    pub id: Arc<str>,
    /// Its own region: as its latest status says, else as its latest event does.
    pub service: Option<RegionIndex>,
    /// Events received, repeats included.
    pub received: u64,
    /// Distinct sequences received.
    pub sequences: u64,
    /// The highest sequence received or announced.
    pub highest: u32,
    /// Sequences up to the highest that have not come in; 0 of a retired kiosk.
    pub missing: u64,
    /// The first gaps, each from its first to its last sequence.
    pub gaps: Vec<(u32, u32)>,
    /// The record timestamp of its latest event.
    pub last_heard: Option<TimestampMs>,
}

/// What is missing at one snapshot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Gaps {
    /// By region; provinces too.
    regions: Vec<Unknown>,
    nation: Unknown,
    /// Every kiosk heard of, in the order of their ids.
    pub kiosks: Vec<KioskState>,
}

impl Gaps {
    /// What is unknown of a region, or of the nation (`None`).
    #[must_use]
    pub fn of(&self, region: Option<RegionIndex>) -> Unknown {
        region.map_or(self.nation, |region| self.regions[usize::from(region.0)])
    }
}

/// What is kept from one snapshot to the next.
#[derive(Default)]
pub struct KioskBook {
    numbers: HashMap<Arc<str>, usize>,
    kiosks: Vec<Heard>,
    absorbed: BTreeMap<u32, Absorbed>,
}

struct Heard {
    id: Arc<str>,
    received: RoaringBitmap,
    served: RoaringBitmap,
}

struct Absorbed {
    view: Arc<PartitionView>,
    /// The kiosks of the partition's dictionary: their numbers here.
    kiosks: Vec<usize>,
    quarantined: Vec<u64>,
}

impl KioskBook {
    /// What is missing at a snapshot.
    pub fn gaps(&mut self, snapshot: &Snapshot, statuses: &Statuses) -> Gaps {
        self.absorb(snapshot);
        let mut states: Vec<(KioskState, Option<&RoaringBitmap>)> =
            self.heard(statuses).chain(self.only_announced(statuses)).collect();
        states.sort_unstable_by(|(a, _), (b, _)| a.id.cmp(&b.id));

        let mut gaps = Gaps {
            regions: vec![Unknown::default(); RegionTable::get().len()],
            nation: Unknown::default(),
            kiosks: Vec::with_capacity(states.len()),
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
            // A partition was given away or loaded anew: what was united cannot be taken apart.
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
        for run in new_runs(&view.received, old.map(|old| &old.received)) {
            for (kiosk, numbers) in run.bitmaps() {
                self.kiosks[kiosks[kiosk as usize]].received |= numbers;
            }
        }
        for run in new_runs(&view.served, old.map(|old| &old.served)) {
            for (kiosk, regions) in run.bitmaps() {
                self.kiosks[kiosks[kiosk as usize]].served |= regions;
            }
        }
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
        let (received, served) = Default::default();
        self.kiosks.push(Heard { id: Arc::clone(&id), received, served });
        self.numbers.insert(id, self.kiosks.len() - 1);
        self.kiosks.len() - 1
    }

    /// The kiosks of which events have come in, and the regions whose people they served.
    fn heard<'a>(
        &'a self,
        statuses: &'a Statuses,
    ) -> impl Iterator<Item = (KioskState, Option<&'a RoaringBitmap>)> + 'a {
        let mut activity = vec![(0, 0, None); self.kiosks.len()];
        for part in self.absorbed.values() {
            for (kiosk, seen) in part.kiosks.iter().zip(part.view.kiosks.iter()) {
                let (received, last_heard, service) = &mut activity[*kiosk];
                *received += seen.received;
                if seen.service.is_some() && (service.is_none() || seen.last_heard > *last_heard) {
                    *service = seen.service;
                }
                *last_heard = seen.last_heard.max(*last_heard);
            }
        }
        self.kiosks.iter().zip(activity).map(move |(heard, (received, last_heard, service))| {
            let status = statuses.get(&*heard.id);
            let state = KioskState {
                id: Arc::clone(&heard.id),
                service,
                received,
                last_heard: (last_heard > 0).then_some(TimestampMs(last_heard)),
                sequences: heard.received.len(),
                highest: 0,
                missing: 0,
                gaps: Vec::new(),
            };
            (state.with_status(status, &heard.received), Some(&heard.served))
        })
    }

    /// The kiosks that have announced themselves, and of which no event has come in.
    fn only_announced<'a>(
        &'a self,
        statuses: &'a Statuses,
    ) -> impl Iterator<Item = (KioskState, Option<&'a RoaringBitmap>)> + 'a {
        statuses.iter().filter(|(id, _)| !self.numbers.contains_key(id.as_str())).map(
            |(id, status)| {
                let state = KioskState {
                    id: id.as_str().into(),
                    service: None,
                    received: 0,
                    sequences: 0,
                    highest: 0,
                    missing: 0,
                    gaps: Vec::new(),
                    last_heard: None,
                };
                (state.with_status(Some(status), &RoaringBitmap::new()), None)
            },
        )
    }
}

impl KioskState {
    fn with_status(mut self, status: Option<&KioskStatus>, received: &RoaringBitmap) -> Self {
        if let Some(status) = status {
            let region = RegionTable::get().index_of(status.service_region);
            self.service = region.or(self.service);
        }
        let announced = status.map_or(0, |status| status.highest_sequence);
        self.highest = received.max().unwrap_or(0).max(announced);
        if self.highest > 0 && !status.is_some_and(|status| status.retired) {
            self.missing = u64::from(self.highest) - received.range_cardinality(1..=self.highest);
        }
        if self.missing > 0 {
            self.gaps = first_gaps(received, self.highest);
        }
        self
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
        let named = [key.home, key.service].into_iter().flatten();
        let mut concerned: Vec<_> =
            named.flat_map(|region| [Some(region), province_of(region)]).flatten().collect();
        concerned.sort_unstable();
        concerned.dedup();
        for region in concerned {
            counts[usize::from(region.0)] += count;
        }
        counts[regions] += count;
    }
    counts
}

fn first_gaps(received: &RoaringBitmap, highest: u32) -> Vec<(u32, u32)> {
    let mut gaps = Vec::new();
    let mut next = 1;
    let mut ranges = received.iter();
    while let Some(range) = ranges.next_range() {
        if gaps.len() == GAPS {
            return gaps;
        }
        if *range.start() > next {
            gaps.push((next, range.start() - 1));
        }
        match range.end().checked_add(1) {
            Some(after) => next = after.max(1),
            None => return gaps,
        }
    }
    if next <= highest && gaps.len() < GAPS {
        gaps.push((next, highest));
    }
    gaps
}
