//! The subjects of a partition and their facts, in memory.
//!
//! Most subjects have one fact: those stand in blocks of 48-byte rows, found through a table of
//! row numbers. What else is known of a subject stands in blocks as well, each fact with the place of
//! the one before it: a list of its own for every such subject would take twice as much.

use std::hash::BuildHasher as _;

use hashbrown::HashTable;
use laju_schemas::SubjectId;

use super::fact::CompactFact;

/// A subject and the first fact of it.
#[derive(Clone, Copy)]
struct Row {
    subject: SubjectId,
    fact: CompactFact,
}

/// A further fact of a subject.
#[derive(Clone, Copy)]
struct Further {
    fact: CompactFact,
    /// The place of the one before it; none of the first of them, which follows the row's.
    before: Option<Place>,
}

/// A subject with several facts.
#[derive(Clone, Copy)]
struct Many {
    row: Place,
    /// The latest fact.
    last: Place,
}

/// A place in blocks: one more than its number, so that a place that may be none takes no more room.
type Place = std::num::NonZeroU32;

/// Values in blocks that are never moved, so that growing copies nothing.
struct Blocks<T>(Vec<Vec<T>>);

impl<T> Default for Blocks<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

/// Values in a block.
const BLOCK: usize = 1 << 14;

impl<T> Blocks<T> {
    #[inline]
    fn push(&mut self, value: T) -> Place {
        if self.0.last().is_none_or(|block| block.len() == BLOCK) {
            self.0.push(Vec::with_capacity(BLOCK));
        }
        let last = self.0.len() - 1;
        self.0[last].push(value);
        Place::MIN.saturating_add((last * BLOCK + self.0[last].len() - 1) as u32)
    }

    #[inline]
    fn at(&self, place: Place) -> &T {
        let number = place.get() as usize - 1;
        &self.0[number / BLOCK][number % BLOCK]
    }

    fn memory(&self) -> usize {
        self.0.len() * BLOCK * size_of::<T>()
    }
}

/// Set in a slot that names a subject with several facts by its number among those; else it is the
/// place of its row.
const MANY: u32 = 1 << 31;

/// The subjects of a partition.
#[derive(Default)]
pub struct Subjects {
    slots: HashTable<u32>,
    rows: Blocks<Row>,
    further: Blocks<Further>,
    many: Vec<Many>,
    hasher: foldhash::fast::RandomState,
    /// The facts of the subject that was looked at last, if it has several.
    facts: Vec<CompactFact>,
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
        let Self { slots, rows, many, hasher, .. } = self;
        slots.reserve(subjects, |&slot| hasher.hash_one(row_of(rows, many, slot).subject.0));
    }

    /// Looks a subject up and does nothing with it. Done for some subjects in a row, their memory
    /// is waited for together, and is near when [`Subjects::insert`] needs it.
    #[inline]
    pub fn touch(&self, subject: SubjectId) {
        std::hint::black_box(self.find(subject).is_some());
    }

    #[inline]
    fn find(&self, subject: SubjectId) -> Option<u32> {
        let Self { slots, rows, many, hasher, .. } = self;
        let is_it = |&slot: &u32| row_of(rows, many, slot).subject == subject;
        slots.find(hasher.hash_one(subject.0), is_it).copied()
    }

    /// The facts of a subject, in the order they came; none of one that is not there.
    #[must_use]
    pub fn facts(&self, subject: SubjectId) -> Vec<CompactFact> {
        let mut facts = Vec::new();
        if let Some(slot) = self.find(subject) {
            collect(&self.rows, &self.further, &self.many, slot, &mut facts);
        }
        facts
    }

    /// Adds a fact unless it is there already.
    #[inline]
    pub fn insert(&mut self, subject: SubjectId, fact: CompactFact) -> Known<'_> {
        let Self { slots, rows, further, many, hasher, facts } = self;
        let hash = hasher.hash_one(subject.0);
        let slot = slots.find_mut(hash, |&slot| row_of(rows, many, slot).subject == subject);
        let Some(slot) = slot else {
            let place = rows.push(Row { subject, fact });
            slots.insert_unique(hash, place.get(), |&slot| {
                hasher.hash_one(row_of(rows, many, slot).subject.0)
            });
            return Known::New;
        };
        facts.clear();
        collect(rows, further, many, *slot, facts);
        if facts.contains(&fact) {
            return Known::Repeat;
        }
        facts.push(fact);
        match *slot & MANY == 0 {
            true => {
                let last = further.push(Further { fact, before: None });
                let row = place_of(*slot);
                *slot = many.len() as u32 | MANY;
                many.push(Many { row, last });
            }
            false => {
                let last = &mut many[(*slot & !MANY) as usize].last;
                *last = further.push(Further { fact, before: Some(*last) });
            }
        }
        Known::Facts { before: &facts[..facts.len() - 1], all: facts }
    }

    /// Bytes of memory that the subjects take.
    #[must_use]
    pub fn memory(&self) -> usize {
        self.slots.allocation_size()
            + self.rows.memory()
            + self.further.memory()
            + self.many.capacity() * size_of::<Many>()
    }
}

/// The place that a slot names which names one.
#[inline]
fn place_of(slot: u32) -> Place {
    // No slot is 0, which is no place.
    Place::new(slot).unwrap_or(Place::MIN)
}

#[inline]
fn row_of<'a>(rows: &'a Blocks<Row>, many: &[Many], slot: u32) -> &'a Row {
    rows.at(match slot & MANY == 0 {
        true => place_of(slot),
        false => many[(slot & !MANY) as usize].row,
    })
}

/// Adds the facts of a subject, in the order they came.
#[inline]
fn collect(
    rows: &Blocks<Row>,
    further: &Blocks<Further>,
    many: &[Many],
    slot: u32,
    facts: &mut Vec<CompactFact>,
) {
    facts.push(row_of(rows, many, slot).fact);
    if slot & MANY == 0 {
        return;
    }
    let from = facts.len();
    let mut place = Some(many[(slot & !MANY) as usize].last);
    while let Some(at) = place {
        let Further { fact, before } = *further.at(at);
        facts.push(fact);
        place = before;
    }
    facts[from..].reverse();
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
    fn a_further_fact_takes_less_than_52_bytes() {
        let mut subjects = Subjects::default();
        for round in 0..3 {
            let before = subjects.memory();
            for n in 0..400_000 {
                subjects.insert(subject(n), fact(round));
            }
            let each = (subjects.memory() - before) as f64 / 400_000.0;
            assert!(round == 0 || each < 52.0, "{each}");
        }
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
