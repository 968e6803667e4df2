//! Every region's sums at a snapshot, from those of the snapshot before: runs of the ledger never
//! change, so that each is gone through once however often it is asked for.

use std::collections::HashMap;
use std::sync::Arc;

use laju_schemas::{RegionCode, RegionTable};

use crate::domain::account::Cell;
use crate::projection::snapshot::Snapshot;
use crate::query::progress::{Totals, is_counted};
use crate::query::scan::{Scope, groups};

/// The sums of the runs of the latest snapshot.
#[derive(Default)]
pub(super) struct Sums {
    /// By the address of the run, which nothing else has as long as it is kept.
    runs: HashMap<usize, Kept>,
}

struct Kept {
    run: Arc<[Cell]>,
    regions: Vec<(u16, Totals)>,
}

impl Sums {
    /// Every regency's sums, by its place in the region table.
    pub(super) fn of(&mut self, snapshot: &Snapshot) -> Vec<Totals> {
        let mut before = std::mem::take(&mut self.runs);
        let mut totals = vec![Totals::default(); RegionTable::get().len()];
        for run in snapshot.partitions.values().flat_map(|view| view.ledger.as_slices()) {
            let address = Arc::as_ptr(run).cast::<Cell>() as usize;
            let kept = before.remove(&address).filter(|kept| Arc::ptr_eq(&kept.run, run));
            let kept = kept.unwrap_or_else(|| Kept::of(run));
            for (region, sum) in &kept.regions {
                totals[usize::from(*region)].add(sum);
            }
            self.runs.insert(address, kept);
        }
        totals
    }
}

impl Kept {
    fn of(run: &Arc<[Cell]>) -> Self {
        let mut regions: Vec<(u16, Totals)> = Vec::new();
        let everywhere = Scope::of(RegionCode::NATION);
        let groups = everywhere.iter().flat_map(|scope| groups(run, scope));
        for group in groups.filter(|group| is_counted(group.account)) {
            if regions.last().is_none_or(|(region, _)| *region != group.region.0) {
                regions.push((group.region.0, Totals::default()));
            }
            let Some((_, sums)) = regions.last_mut() else { continue };
            group.cells.iter().for_each(|cell| sums.post(group.account, cell));
        }
        Self { run: Arc::clone(run), regions }
    }
}
