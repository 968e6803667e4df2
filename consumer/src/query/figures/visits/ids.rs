//! Which number an id of a visit has: the ledger's names give only the other direction.

use std::hash::BuildHasher as _;

use hashbrown::HashTable;

use crate::domain::cell::OutreachRef;
use crate::domain::dictionary::Names;

/// The numbers of the first so many ids of a dictionary: five to nine bytes each.
#[derive(Default)]
pub(super) struct Ids {
    numbers: HashTable<OutreachRef>,
    known: usize,
}

fn hash(text: &str) -> u64 {
    foldhash::fast::FixedState::with_seed(0x1a_71).hash_one(text)
}

impl Ids {
    /// The number of an id in a dictionary that is always the same, and grows.
    pub(super) fn find(&mut self, text: &str, names: &Names) -> Option<OutreachRef> {
        let text_of = |number: &OutreachRef| names.outreach(*number).unwrap_or_default();
        for number in self.known as OutreachRef + 1..=names.outreach_count() as OutreachRef {
            let key = hash(text_of(&number));
            self.numbers.insert_unique(key, number, |number| hash(text_of(number)));
            self.known += 1;
        }
        self.numbers.find(hash(text), |number| text_of(number) == text).copied()
    }
}
