//! Random numbers that are the same on every machine and in every version of this program, and
//! regions drawn by population.

use std::ops::Range;

use laju_schemas::{RegionCode, RegionTable, SubjectId};
use rand::rngs::Xoshiro256PlusPlus;
use rand::{Rng, SeedableRng};

/// A stream of random numbers. Everything is derived from 64-bit words by arithmetic of its own,
/// because distributions of a library may change from one version to the next.
pub(super) struct Random(Xoshiro256PlusPlus);

impl Random {
    pub(super) fn new(seed: u64) -> Self {
        Self(Xoshiro256PlusPlus::seed_from_u64(seed))
    }

    pub(super) fn word(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// From 0 up to, not including, 1.
    pub(super) fn unit(&mut self) -> f64 {
        (self.word() >> 11) as f64 / (1_u64 << 53) as f64
    }

    pub(super) fn chance(&mut self, share: f64) -> bool {
        self.unit() < share
    }

    /// From 0 up to, not including, `bound`, which is not 0.
    pub(super) fn below(&mut self, bound: u64) -> u64 {
        ((u128::from(self.word()) * u128::from(bound)) >> 64) as u64
    }

    pub(super) fn index(&mut self, length: usize) -> usize {
        self.below(length as u64) as usize
    }

    pub(super) fn pick<T: Copy>(&mut self, items: &[T]) -> T {
        items[self.index(items.len())]
    }

    pub(super) fn bytes(&mut self) -> [u8; 10] {
        let mut bytes = [0; 10];
        bytes[..8].copy_from_slice(&self.word().to_le_bytes());
        bytes[8..].copy_from_slice(&self.word().to_le_bytes()[..2]);
        bytes
    }

    pub(super) fn shuffle<T>(&mut self, items: &mut [T]) {
        for last in (1..items.len()).rev() {
            items.swap(last, self.index(last + 1));
        }
    }
}

/// Mixes a word so that neighbours have nothing in common (splitmix64's finaliser, a bijection).
const fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}

/// The pseudonym of the citizen with this number; another one for each number.
pub(super) fn subject(seed: u64, number: u64) -> SubjectId {
    let high = mix(mix(seed) ^ number);
    let low = mix(high ^ seed);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&high.to_be_bytes());
    bytes[8..].copy_from_slice(&low.to_be_bytes());
    SubjectId(bytes)
}

/// Every regency and city, drawn by population.
pub(super) struct Regions {
    codes: Vec<RegionCode>,
    /// The sum of the populations up to and including each.
    sums: Vec<u64>,
}

impl Regions {
    pub(super) fn new() -> Self {
        let mut sums = Vec::new();
        let mut codes = Vec::new();
        let mut sum = 0;
        for (_, region) in RegionTable::get().regencies() {
            sum += u64::from(region.population);
            sums.push(sum);
            codes.push(region.code);
        }
        Self { codes, sums }
    }

    fn draw_among(&self, range: Range<usize>, random: &mut Random) -> RegionCode {
        let before = range.start.checked_sub(1).map_or(0, |index| self.sums[index]);
        let within = self.sums[range.end - 1] - before;
        let target = before + random.below(within.max(1));
        let index = range.start + self.sums[range.clone()].partition_point(|sum| *sum <= target);
        self.codes[index.min(range.end - 1)]
    }

    /// Any regency or city.
    pub(super) fn draw(&self, random: &mut Random) -> RegionCode {
        self.draw_among(0..self.codes.len(), random)
    }

    /// One of the same province; it may be the same one.
    pub(super) fn draw_near(&self, region: RegionCode, random: &mut Random) -> RegionCode {
        let province = region.province();
        let start = self.codes.partition_point(|code| code.province() < province);
        let end = self.codes.partition_point(|code| code.province() <= province);
        self.draw_among(start..end, random)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{HashMap, HashSet};

    use super::*;

    #[test]
    fn citizens_are_distinct_and_depend_on_the_seed() {
        let all: HashSet<_> = (0..10_000).map(|number| subject(1, number)).collect();
        assert_eq!(all.len(), 10_000);
        assert!(!all.contains(&subject(2, 0)));
    }

    #[test]
    fn regions_are_drawn_by_population() {
        let regions = Regions::new();
        let mut random = Random::new(1);
        let mut drawn = HashMap::new();
        for _ in 0..100_000 {
            *drawn.entry(regions.draw(&mut random)).or_insert(0_u32) += 1;
        }
        let table = RegionTable::get();
        let all: u64 = table.regencies().map(|(_, region)| u64::from(region.population)).sum();
        for code in ["32.01", "18.71", "31.74"] {
            let region = table.at(table.regency(code).unwrap());
            let expected = 1e5 * f64::from(region.population) / all as f64;
            let found = f64::from(drawn[&region.code]);
            assert!((found - expected).abs() < 5.0 * expected.sqrt(), "{code}: {found} {expected}");
        }
        let near = "18.71".parse().unwrap();
        for _ in 0..100 {
            assert_eq!(regions.draw_near(near, &mut random).province(), near.province());
        }
    }

    #[test]
    fn numbers_stay_below_their_bound() {
        let mut random = Random::new(7);
        assert!((0..1000).all(|_| random.below(3) < 3 && random.unit() < 1.0));
    }

    /// Golden: a seed means the same stream in every version of this program.
    #[test]
    fn a_seed_means_the_same_for_ever() {
        let mut random = Random::new(1);
        assert_eq!(random.word(), 0xcfc5_d07f_6f03_c29b);
        assert_eq!(subject(1, 0).to_string(), "5e41ab08-7439-611e-6c57-95e14b3b7e33");
    }
}
