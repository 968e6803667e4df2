//! The scenario's randomness: one seeded generator, drawn from by whole numbers only.
//!
//! The generator is rand's `Xoshiro256PlusPlus`, one of its *named, portable* generators: unlike
//! `StdRng` and `SmallRng` its algorithm is part of its name and will not change. rand's
//! distributions may change their values between versions, so the few that are needed are made
//! here from `next_u64`, without floating point.

use laju_schemas::{EventId, SubjectId};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng as _, SeedableRng as _};

/// Seeded randomness.
#[derive(Clone, Debug)]
pub(super) struct Dice(Xoshiro256PlusPlus);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    /// A number from 0 to `bound − 1`; 0 for a bound of 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.0.next_u64()) * u128::from(bound)) >> 64) as u64
    }

    /// A number from `low` to `high`, both included.
    pub(super) fn between(&mut self, low: i64, high: i64) -> i64 {
        low + self.below(high.abs_diff(low) + 1) as i64
    }

    /// True `per_mille` times in a thousand.
    pub(super) fn chance(&mut self, per_mille: u64) -> bool {
        self.below(1000) < per_mille
    }

    /// One of the items, each as likely.
    ///
    /// # Panics
    /// If there is none.
    pub(super) fn pick<'a, T>(&mut self, items: &'a [T]) -> &'a T {
        &items[self.below(items.len() as u64) as usize]
    }

    /// One of the items, each as likely as its weight says.
    pub(super) fn weighted<T: Copy>(&mut self, items: &[(T, u64)]) -> T {
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
    pub(super) fn take<T>(&mut self, items: &mut Vec<T>) -> Option<T> {
        if items.is_empty() {
            return None;
        }
        let index = self.below(items.len() as u64) as usize;
        Some(items.swap_remove(index))
    }

    /// The pseudonym of a made-up citizen.
    pub(super) fn subject(&mut self) -> SubjectId {
        let mut bytes = [0; 16];
        self.0.fill_bytes(&mut bytes);
        SubjectId(bytes)
    }

    /// A time-ordered UUID (version 7) of an instant, as the kiosk agent makes them.
    pub(super) fn event_id(&mut self, at_ms: i64) -> EventId {
        let mut random = [0; 10];
        self.0.fill_bytes(&mut random);
        let millis = u64::try_from(at_ms).unwrap_or(0);
        EventId(uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid().into_bytes())
    }
}
