//! Sets of `(kiosk, number)` in memory: compressed bitmaps in runs, never changed once made; the
//! same scheme as [`super::runs`].

use std::sync::Arc;

use roaring::{RoaringBitmap, RoaringTreemap};

use crate::domain::dictionary::KioskRef;

/// A member of such a set.
pub use crate::domain::dictionary::member;

/// A set of numbers for each kiosk of a partition, as runs, the largest first.
#[derive(Clone, Default)]
pub struct BitRuns(Vec<Arc<RoaringTreemap>>);

impl BitRuns {
    /// Adds members (see [`member`]) in any order, doubles allowed.
    pub fn push(&mut self, mut members: Vec<u64>) {
        if members.is_empty() {
            return;
        }
        members.sort_unstable();
        members.dedup();
        // One kiosk's numbers at once: put in one by one, each would look for its kiosk again.
        let of_kiosk = |members: &[u64]| {
            let numbers = RoaringBitmap::from_sorted_iter(members.iter().map(|m| *m as u32))
                .unwrap_or_else(|_| unreachable!("sorted just before"));
            ((members[0] >> 32) as KioskRef, numbers)
        };
        let kiosks = members.chunk_by(|a, b| a >> 32 == b >> 32);
        let mut set = RoaringTreemap::from_bitmaps(kiosks.map(of_kiosk));
        while let Some(last) = self.0.last().filter(|last| last.len() <= 2 * set.len()) {
            set |= &**last;
            self.0.pop();
        }
        self.0.push(Arc::new(set));
    }

    /// The runs themselves: one that was there before is the same one, so that a reader who keeps
    /// a union of its own has to add only those that are new.
    #[must_use]
    pub fn as_runs(&self) -> &[Arc<RoaringTreemap>] {
        &self.0
    }

    /// The numbers of every kiosk that has some, a kiosk possibly more than once.
    pub fn all(&self) -> impl Iterator<Item = (KioskRef, &RoaringBitmap)> {
        self.0.iter().flat_map(|set| set.bitmaps())
    }

    /// The numbers of one kiosk.
    #[must_use]
    pub fn of(&self, kiosk: KioskRef) -> RoaringBitmap {
        let mut numbers = RoaringBitmap::new();
        for (_, part) in self.all().filter(|(of, _)| *of == kiosk) {
            numbers |= part;
        }
        numbers
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn runs_unite() {
        let mut runs = BitRuns::default();
        for n in 0..200 {
            runs.push(vec![member(n % 3, n), member(n % 3, n / 2)]);
        }
        assert!(runs.0.len() < 10);
        let expected: RoaringBitmap =
            (0..200).filter(|n| n % 3 == 1).flat_map(|n| [n, n / 2]).collect();
        assert_eq!(runs.of(1), expected);
        assert!(runs.of(9).is_empty());
    }
}
