//! The subjects of a partition and their facts, in memory.
//!
//! Most subjects have one fact: those stand in blocks of 48-byte rows, found through a table of
//! row numbers. A subject with more facts has a list of its own.

use std::hash::BuildHasher as _;

use hashbrown::HashTable;
use laju_schemas::SubjectId;

use super::fact::CompactFact;

#[derive(Clone, Copy)]
struct Row {
    subject: SubjectId,
    fact: CompactFact,
}

struct Many {
    subject: SubjectId,
    facts: Vec<CompactFact>,
}

/// Rows in a block; blocks are never moved, so that growing copies nothing.
const BLOCK: usize = 1 << 14;
/// Set in a slot that points to a list.
const MANY: u32 = 1 << 31;

/// The subjects of a partition.
#[derive(Default)]
pub struct Subjects {
    slots: HashTable<u32>,
    blocks: Vec<Vec<Row>>,
    free: Vec<u32>,
    many: Vec<Many>,
    hasher: foldhash::fast::RandomState,
}

/// Where a new fact of a subject belongs.
pub enum Known<'a> {
    /// The subject was not there.
    New,
    /// The subject had other facts.
    Facts {
        /// Those that were there.
        before: &'a [CompactFact],
        /// Those and the new one.
        all: &'a [CompactFact],
    },
    /// This very fact is there: nothing was added.
    Repeat,
}

impl Subjects {
    /// How many subjects there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// Makes room for so many subjects.
    pub fn reserve(&mut self, subjects: usize) {
        let Self { slots, blocks, many, hasher, .. } = self;
        slots.reserve(subjects, |&slot| hasher.hash_one(subject_of(blocks, many, slot).0));
    }

    /// Looks a subject up and does nothing with it. Done for some subjects in a row, their memory
    /// is waited for together, and is near when [`Subjects::insert`] needs it.
    #[inline]
    pub fn touch(&self, subject: SubjectId) {
        let Self { slots, blocks, many, hasher, .. } = self;
        let hash = hasher.hash_one(subject.0);
        let slot = slots.find(hash, |&slot| subject_of(blocks, many, slot) == subject);
        std::hint::black_box(slot.is_some());
    }

    /// The facts of a subject, in the order they came; none of one that is not there.
    #[must_use]
    pub fn facts(&self, subject: SubjectId) -> Vec<CompactFact> {
        let Self { slots, blocks, many, hasher, .. } = self;
        let hash = hasher.hash_one(subject.0);
        match slots.find(hash, |&slot| subject_of(blocks, many, slot) == subject) {
            None => Vec::new(),
            Some(&slot) if slot & MANY == 0 => {
                let (block, row) = place(slot);
                vec![blocks[block][row].fact]
            }
            Some(&slot) => many[(slot & !MANY) as usize].facts.clone(),
        }
    }

    /// Adds a fact unless it is there already.
    #[inline]
    pub fn insert(&mut self, subject: SubjectId, fact: CompactFact) -> Known<'_> {
        let Self { slots, blocks, free, many, hasher } = self;
        let hash = hasher.hash_one(subject.0);
        let slot = slots.find_mut(hash, |&slot| subject_of(blocks, many, slot) == subject);
        let Some(slot) = slot else {
            let number = match free.pop() {
                Some(number) => {
                    let (block, row) = place(number);
                    blocks[block][row] = Row { subject, fact };
                    number
                }
                None => {
                    if blocks.last().is_none_or(|block| block.len() == BLOCK) {
                        blocks.push(Vec::with_capacity(BLOCK));
                    }
                    let last = blocks.len() - 1;
                    blocks[last].push(Row { subject, fact });
                    (last * BLOCK + blocks[last].len() - 1) as u32
                }
            };
            slots.insert_unique(hash, number, |&slot| {
                hasher.hash_one(subject_of(blocks, many, slot).0)
            });
            return Known::New;
        };
        if *slot & MANY == 0 {
            let (block, row) = place(*slot);
            let first = blocks[block][row].fact;
            if first == fact {
                return Known::Repeat;
            }
            free.push(*slot);
            *slot = many.len() as u32 | MANY;
            many.push(Many { subject, facts: vec![first, fact] });
        } else {
            let facts = &mut many[(*slot & !MANY) as usize].facts;
            if facts.contains(&fact) {
                return Known::Repeat;
            }
            facts.push(fact);
        }
        let facts = &many[(*slot & !MANY) as usize].facts;
        Known::Facts { before: &facts[..facts.len() - 1], all: facts }
    }

    /// Bytes of memory that the subjects take.
    #[must_use]
    pub fn memory(&self) -> usize {
        let lists: usize =
            self.many.iter().map(|m| m.facts.capacity() * size_of::<CompactFact>()).sum();
        self.slots.allocation_size()
            + self.blocks.len() * BLOCK * size_of::<Row>()
            + self.free.capacity() * 4
            + self.many.capacity() * size_of::<Many>()
            + lists
    }
}

fn place(number: u32) -> (usize, usize) {
    (number as usize / BLOCK, number as usize % BLOCK)
}

#[inline]
fn subject_of(blocks: &[Vec<Row>], many: &[Many], slot: u32) -> SubjectId {
    if slot & MANY == 0 {
        let (block, row) = place(slot);
        blocks[block][row].subject
    } else {
        many[(slot & !MANY) as usize].subject
    }
}

#[cfg(test)]
mod tests {
    use laju_schemas::{EventId, Fact, RegionIndex};

    use super::*;
    use crate::domain::day::PROGRAMME_START_MS;

    fn fact(n: u32) -> CompactFact {
        CompactFact::new(
            EventId([0; 16]),
            PROGRAMME_START_MS,
            RegionIndex(1),
            &Fact::CardRecorded { first_time_holder: true },
            0,
            n,
        )
    }

    fn subject(n: u32) -> SubjectId {
        let mut bytes = [0; 16];
        bytes[..4].copy_from_slice(&n.to_le_bytes());
        SubjectId(bytes)
    }

    #[test]
    fn facts_come_back_in_the_order_they_came() {
        let mut subjects = Subjects::default();
        for round in 0..4 {
            for n in 0..40_000 {
                if n % (round + 1) > 0 {
                    continue;
                }
                match subjects.insert(subject(n), fact(round)) {
                    Known::New => assert_eq!(round, 0),
                    Known::Facts { before, all } => {
                        assert_eq!((before[0], all.len()), (fact(0), before.len() + 1));
                        assert!(before.iter().is_sorted_by_key(|f| f.sequence));
                        assert!(before.iter().all(|f| f.sequence < round));
                    }
                    Known::Repeat => unreachable!(),
                }
                assert!(matches!(subjects.insert(subject(n), fact(round)), Known::Repeat));
            }
        }
        assert_eq!(subjects.len(), 40_000);
    }

    #[test]
    fn a_subject_with_one_fact_takes_less_than_60_bytes() {
        let mut subjects = Subjects::default();
        // Just below the point at which the table grows: the usual case lies between this and
        // half of it.
        for n in 0..800_000 {
            subjects.insert(subject(n), fact(0));
        }
        let each = subjects.memory() as f64 / subjects.len() as f64;
        assert!(each < 60.0, "{each}");
    }
}
