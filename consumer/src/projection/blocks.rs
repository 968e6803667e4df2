//! A growing list of which every commit changes a few places: kept in blocks that clones share, so
//! that a commit copies the blocks it changes and not the whole list.

use std::sync::Arc;

/// Values in a block.
const BLOCK: usize = 128;

/// Values by their number.
#[derive(Clone, Debug)]
pub struct Blocks<T> {
    blocks: Vec<Arc<[T; BLOCK]>>,
    len: usize,
}

impl<T> Default for Blocks<T> {
    fn default() -> Self {
        Self { blocks: Vec::new(), len: 0 }
    }
}

impl<T: Copy + Default> Blocks<T> {
    /// Sets a value; those before it that were never set are the default.
    pub fn set(&mut self, number: usize, value: T) {
        while self.blocks.len() <= number / BLOCK {
            self.blocks.push(Arc::new([T::default(); BLOCK]));
        }
        Arc::make_mut(&mut self.blocks[number / BLOCK])[number % BLOCK] = value;
        self.len = self.len.max(number + 1);
    }

    /// Adds a value behind the others.
    pub fn push(&mut self, value: T) {
        self.set(self.len, value);
    }

    /// A value by its number.
    #[must_use]
    pub fn get(&self, number: usize) -> Option<&T> {
        let block = self.blocks.get(number / BLOCK).filter(|_| number < self.len)?;
        Some(&block[number % BLOCK])
    }

    /// How many values there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// The values, by their numbers from 0.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.blocks.iter().flat_map(|block| block.iter()).take(self.len)
    }
}

impl<T: Copy + Default> FromIterator<T> for Blocks<T> {
    fn from_iter<I: IntoIterator<Item = T>>(values: I) -> Self {
        let mut blocks = Self::default();
        values.into_iter().enumerate().for_each(|(number, value)| blocks.set(number, value));
        blocks
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_clone_stays_as_it_was_and_shares_what_was_not_changed() {
        let mut blocks: Blocks<u32> = (0..1_000).collect();
        let before = blocks.clone();
        blocks.set(500, 7);
        blocks.set(1_300, 9);
        assert!(before.iter().copied().eq(0..1_000) && before.len() == 1_000);
        let values: Vec<u32> = blocks.iter().copied().collect();
        assert_eq!((values.len(), values[500], values[999], values[1_000]), (1_301, 7, 999, 0));
        assert_eq!(values[1_300], 9);
        let shared = blocks.blocks.iter().zip(&before.blocks);
        let copied = shared.filter(|(now, then)| !Arc::ptr_eq(now, then)).count();
        assert_eq!(copied, 1, "only the block that was changed");
        assert!(Blocks::<u32>::default().is_empty());
        blocks.push(10);
        assert_eq!(
            [1_300, 1_301, 1_302].map(|at| blocks.get(at).copied()),
            [Some(9), Some(10), None]
        );
    }
}
