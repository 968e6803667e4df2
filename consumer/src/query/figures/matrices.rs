//! How many people flowed between each two regions, from one pass over the ledger: who is served by
//! a region's offices stands in others' accounts.

use laju_schemas::{RegionIndex, RegionTable};

use crate::domain::account::Account;
use crate::domain::cell::Detail;
use crate::query::days::Days;
use crate::query::scope::Scope;
use crate::query::view::View;

/// Counts by two regions, each with a place of its own: looking one up is a multiplication, and all
/// of them together take less than three megabytes for as long as the question lasts.
pub(super) struct Matrix {
    counts: Vec<i64>,
    regions: usize,
}

/// Flows with one end in a scope, by both ends.
pub(super) struct Matrices {
    /// Activations by home and service region.
    pub(super) services: Matrix,
    /// Moves by old and new home.
    pub(super) moves: Matrix,
}

impl Matrix {
    fn new() -> Self {
        let regions = RegionTable::get().len();
        Self { counts: vec![0; regions * regions], regions }
    }

    #[inline]
    fn add(&mut self, (a, b): (RegionIndex, RegionIndex), amount: i32) {
        self.counts[usize::from(a.0) * self.regions + usize::from(b.0)] += i64::from(amount);
    }

    /// Those that are not nothing, in the order of both regions.
    pub(super) fn rows(&self) -> impl Iterator<Item = ((RegionIndex, RegionIndex), i64)> {
        let some = self.counts.iter().enumerate().filter(|(_, count)| **count != 0);
        some.map(|(place, count)| {
            let (a, b) = (place / self.regions, place % self.regions);
            ((RegionIndex(a as u16), RegionIndex(b as u16)), *count)
        })
    }
}

impl Matrices {
    pub(super) fn of(view: &View, scope: &Scope, days: &Days) -> Self {
        let (mut services, mut moves) = (Matrix::new(), Matrix::new());
        let (inside, window) = (scope.indices(), days.window());
        let everywhere = Scope::nation();
        for group in view.sums.groups(&everywhere) {
            // A move's two postings say the same: the one of the new home is enough.
            if !matches!(group.account, Account::Activations | Account::MovesIn) {
                continue;
            }
            let at_home = inside.contains(&group.region.0);
            for cell in window.cells(group.cells) {
                let (matrix, key, other) = match cell.key.detail() {
                    Detail::Activation { service, .. } => {
                        (&mut services, (group.region, service), service)
                    }
                    Detail::Move(from) => (&mut moves, (from, group.region), from),
                    _ => continue,
                };
                if at_home || inside.contains(&other.0) {
                    matrix.add(key, cell.amount);
                }
            }
        }
        Self { services, moves }
    }
}
