//! Random numbers that are the same on every machine and in every version of this program.

use laju_schemas::{EventId, SubjectId, TimestampMs};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng as _, SeedableRng as _};

/// A stream of random numbers. The generator is one of rand's named, portable ones: unlike
/// `StdRng` its algorithm will not change. Everything is derived from its 64-bit words by
/// arithmetic of its own, because rand's distributions may change from one version to the next.
#[derive(Clone, Debug)]
pub struct Random(Xoshiro256PlusPlus);

impl Random {
    #[must_use]
    pub fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    fn word(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// The first of the bytes of two words.
    fn bytes<const N: usize>(&mut self) -> [u8; N] {
        let words = [self.word().to_le_bytes(), self.word().to_le_bytes()];
        std::array::from_fn(|place| words.as_flattened()[place])
    }

    /// From 0 up to, not including, 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// True in this share of all cases, from 0 to 1.
    pub fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// From 0 up to, not including, `bound`; 0 for a bound of 0.
    pub fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.word()) * u128::from(bound)) >> 64) as u64
    }

    /// From `low` to `high`, both included.
    pub fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below(high.abs_diff(low) + 1) as i64
    }

    pub fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    /// One of the items, each as likely.
    ///
    /// # Panics
    /// If there is none.
    pub fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.index(items.len())]
    }

    /// One of the items, each as likely as its weight says.
    ///
    /// # Panics
    /// If there is none.
    pub fn weighted<T: Copy>(&mut self, items: &[(T, u64)]) -> T {
        let mut left = self.below(items.iter().map(|(_, weight)| weight).sum());
        for (item, weight) in items {
            match left.checked_sub(*weight) {
                Some(rest) => left = rest,
                None => return *item,
            }
        }
        items[items.len() - 1].0
    }

    /// Takes out one of the items, each as likely.
    pub fn take<T>(&mut self, items: &mut Vec<T>) -> Option<T> {
        if items.is_empty() {
            return None;
        }
        let place = self.index(items.len());
        Some(items.swap_remove(place))
    }

    pub(crate) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }

    /// The pseudonym of a made-up citizen.
    pub fn subject(&mut self) -> SubjectId {
        SubjectId(self.bytes())
    }

    /// A time-ordered UUID (version 7) of an instant, as the agent makes them.
    pub fn event_id(&mut self, at: TimestampMs) -> EventId {
        let millis = u64::try_from(at.0).unwrap_or(0);
        let uuid = uuid::Builder::from_unix_timestamp_millis(millis, &self.bytes());
        EventId(uuid.into_uuid().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_stay_below_their_bound() {
        let mut random = Random::new(7);
        assert!((0..1000).all(|_| random.below(3) < 3 && random.unit() < 1.0));
    }

    /// Golden: a seed means the same stream in every version of this program.
    #[test]
    fn a_seed_means_the_same_for_ever() {
        assert_eq!(Random::new(1).word(), 0xcfc5_d07f_6f03_c29b);
    }
}
