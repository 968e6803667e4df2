//! One ledger for all partitions of a node. A partition's ledger is hardly denser than its events,
//! and all partitions together are several times denser: they serve the same visits on the same days.
//!
//! A partition numbers its texts by itself, because its fold knows no other. Here those numbers become the
//! node's. Which text has which depends on how the partitions' commits follow each other, so no answer
//! may depend on it, only on the texts.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::runs::Runs;
use crate::domain::cell::{Cell, OutreachRef, VisitRef, add_up};
use crate::domain::dictionary::{Dictionary, KioskRef, Names};

/// The node's ledger as its one writer has it.
#[derive(Default)]
pub struct NodeLedger {
    dictionary: Dictionary,
    numbers: BTreeMap<u32, Numbers>,
    cells: Vec<Cell>,
    ledger: Runs,
}

/// What the numbers of a partition are in the node's dictionary.
#[derive(Clone)]
pub struct Numbers {
    kiosks: Vec<KioskRef>,
    /// 0 is no visit, there as here.
    outreach: Vec<OutreachRef>,
    visits: Vec<VisitRef>,
}

impl Default for Numbers {
    fn default() -> Self {
        Self { kiosks: Vec::new(), outreach: vec![0], visits: Vec::new() }
    }
}

impl Numbers {
    /// A cell of the partition by the node's numbers.
    #[must_use]
    #[inline]
    pub fn renumbered(&self, cell: Cell) -> Cell {
        let key = cell.key.renumbered(&self.outreach, &self.visits);
        Cell { key, amount: cell.amount }
    }

    /// Takes in what a partition's dictionary has got since the last time.
    fn extend(&mut self, names: &Names, dictionary: &mut Dictionary) {
        let added = &mut Vec::new();
        // The partition's fold goes on adding meanwhile. A visit names a kiosk and a visited place that
        // were there before it, so that it is counted before they are.
        let visits = names.visit_count();
        let (outreach, kiosks) = (names.outreach_count(), names.kiosk_count());
        for kiosk in self.kiosks.len()..kiosks {
            self.kiosks.push(dictionary.kiosk(names.kiosk(kiosk as KioskRef), added));
        }
        for outreach in self.outreach.len()..=outreach {
            let id = names.outreach(outreach as OutreachRef);
            self.outreach.push(dictionary.outreach(id, added));
        }
        for visit in self.visits.len()..visits {
            let (kiosk, outreach) = names.visit(visit as VisitRef);
            let kiosk = self.kiosks[kiosk as usize];
            let outreach = self.outreach[outreach as usize];
            self.visits.push(dictionary.visit(kiosk, outreach, added));
        }
    }
}

impl NodeLedger {
    /// All cells, by the node's numbers.
    #[must_use]
    pub fn ledger(&self) -> &Runs {
        &self.ledger
    }

    /// The texts behind the node's numbers.
    #[must_use]
    pub fn names(&self) -> &Arc<Names> {
        self.dictionary.names()
    }

    /// Notes cells of a partition, whose numbers are of these names, for [`NodeLedger::post`].
    pub fn note(&mut self, partition: u32, names: &Names, cells: impl IntoIterator<Item = Cell>) {
        let numbers = self.numbers.entry(partition).or_default();
        numbers.extend(names, &mut self.dictionary);
        self.cells.extend(cells.into_iter().map(|cell| numbers.renumbered(cell)));
    }

    /// What the numbers of a partition are here, whose texts are these names.
    pub fn numbers_of(&mut self, partition: u32, names: &Names) -> &Numbers {
        let numbers = self.numbers.entry(partition).or_default();
        numbers.extend(names, &mut self.dictionary);
        numbers
    }

    /// Adds a ledger that has the node's numbers.
    pub fn unite(&mut self, ledger: Runs) {
        if self.ledger.is_empty() {
            self.ledger = ledger;
        } else {
            ledger.as_slices().iter().for_each(|run| self.ledger.push(run.to_vec()));
        }
    }

    /// Notes that all that a partition has posted is taken back: these cells, by these names. What is
    /// noted of it after that is of another fold, which numbers its texts from the beginning.
    pub fn take_back(
        &mut self,
        partition: u32,
        names: &Names,
        cells: impl IntoIterator<Item = Cell>,
    ) {
        let reversed = |cell: Cell| Cell { amount: -cell.amount, ..cell };
        self.note(partition, names, cells.into_iter().map(reversed));
        self.numbers.remove(&partition);
    }

    /// Adds up what was noted, and posts it.
    pub fn post(&mut self) {
        add_up(&mut self.cells);
        let room = self.cells.len();
        self.ledger.push(std::mem::replace(&mut self.cells, Vec::with_capacity(room)));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicBool, Ordering};

    use super::*;

    #[test]
    fn a_dictionary_that_grows_meanwhile_is_taken_in_whole() {
        let mut partition = Dictionary::default();
        let names = Arc::clone(partition.names());
        let is_done = AtomicBool::new(false);
        let mut numbers = Numbers::default();
        let mut node = Dictionary::default();
        std::thread::scope(|scope| {
            scope.spawn(|| {
                for number in 0..50_000 {
                    let added = &mut Vec::new();
                    let kiosk = partition.kiosk(&format!("K{number}"), added);
                    let outreach = partition.outreach(Some(&format!("V{number}")), added);
                    partition.visit(kiosk, outreach, added);
                }
                is_done.store(true, Ordering::Release);
            });
            while !is_done.load(Ordering::Acquire) {
                numbers.extend(&names, &mut node);
            }
        });
        numbers.extend(&names, &mut node);
        assert_eq!((numbers.kiosks.len(), numbers.visits.len()), (50_000, 50_000));
        for (visit, of_node) in numbers.visits.iter().enumerate() {
            let (kiosk, outreach) = names.visit(visit as VisitRef);
            let (node_kiosk, node_outreach) = node.names().visit(*of_node);
            assert_eq!(node.names().kiosk(node_kiosk), names.kiosk(kiosk));
            assert_eq!(node.names().outreach(node_outreach), names.outreach(outreach));
        }
    }
}
