//! The citizens: who they are, where they live, and those that have been seen, so that later facts
//! are about them.

use std::ops::Range;

use laju_schemas::{EventId, RegionCode, RegionTable, SubjectId};

use crate::random::Random;

/// How many are remembered: enough for variety, and little memory however long the stream.
const REMEMBERED: usize = 1 << 17;

#[derive(Clone, Copy)]
pub(crate) struct Citizen {
    pub(crate) subject: SubjectId,
    pub(crate) home: RegionCode,
    pub(crate) kiosk: usize,
    /// An event about them that may still be retracted.
    pub(crate) last: Option<EventId>,
}

pub(crate) struct Citizens {
    seed: u64,
    limit: u64,
    created: u64,
    remembered: Vec<Citizen>,
}

impl Citizens {
    pub(crate) fn new(seed: u64, limit: u64) -> Self {
        Self { seed, limit, created: 0, remembered: Vec::new() }
    }

    /// Whether there are more to come.
    pub(crate) fn has_new(&self) -> bool {
        self.created < self.limit
    }

    /// Somebody not seen before; answers where they are remembered.
    pub(crate) fn create(&mut self, home: RegionCode, kiosk: usize, random: &mut Random) -> usize {
        let subject = subject(self.seed, self.created);
        self.created += 1;
        let citizen = Citizen { subject, home, kiosk, last: None };
        if self.remembered.len() < REMEMBERED {
            self.remembered.push(citizen);
            return self.remembered.len() - 1;
        }
        let place = random.index(REMEMBERED);
        self.remembered[place] = citizen;
        place
    }

    /// Somebody seen before, if anybody was.
    pub(crate) fn seen(&self, random: &mut Random) -> Option<usize> {
        (!self.remembered.is_empty()).then(|| random.index(self.remembered.len()))
    }

    pub(crate) fn at(&mut self, place: usize) -> &mut Citizen {
        &mut self.remembered[place]
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
pub(crate) fn subject(seed: u64, number: u64) -> SubjectId {
    let high = mix(mix(seed) ^ number);
    let low = mix(high ^ seed);
    SubjectId((u128::from(high) << 64 | u128::from(low)).to_be_bytes())
}

/// Every regency and city, drawn by population.
pub(crate) struct Regions {
    codes: Vec<RegionCode>,
    /// The sum of the populations up to and including each.
    sums: Vec<u64>,
}

impl Regions {
    pub(crate) fn new() -> Self {
        let mut sum = 0;
        let regencies = RegionTable::get().regencies().map(|(_, region)| {
            sum += u64::from(region.population);
            (region.code, sum)
        });
        let (codes, sums) = regencies.unzip();
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
    pub(crate) fn draw(&self, random: &mut Random) -> RegionCode {
        self.draw_among(0..self.codes.len(), random)
    }

    /// One of the same province; it may be the same one.
    pub(crate) fn draw_near(&self, region: RegionCode, random: &mut Random) -> RegionCode {
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
        // Golden: the same in every version of this program.
        assert_eq!(subject(1, 0).to_string(), "5e41ab08-7439-611e-6c57-95e14b3b7e33");
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
}
