//! The regions that a reader has chosen.

use std::sync::Arc;

use laju_schemas::{RegionCode, RegionIndex, RegionLevel, RegionTable};
use xxhash_rust::xxh3::xxh3_64;

use crate::query::QueryError;
use crate::query::scope::{Scope, region_name};

/// A region's place in a revision: the nation first, then those of the region table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place(u16);

impl Place {
    pub(super) fn at(self) -> usize {
        usize::from(self.0)
    }

    pub(super) fn of(code: RegionCode) -> Option<Self> {
        if code == RegionCode::NATION {
            return Some(Self(0));
        }
        RegionTable::get().index_of(code).map(|index| Self(index.0 + 1))
    }

    pub(super) fn code(self) -> RegionCode {
        match self.0.checked_sub(1) {
            None => RegionCode::NATION,
            Some(index) => RegionTable::get().at(RegionIndex(index)).code,
        }
    }

    /// All there are.
    pub(super) fn all() -> impl Iterator<Item = Self> {
        (0..=RegionTable::get().len() as u16).map(Self)
    }
}

/// The regions that a reader has chosen: the nation first, then in the order of the codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Selection {
    places: Arc<[Place]>,
    digest: u32,
}

impl Selection {
    /// The nation, every province, and every regency and city.
    #[must_use]
    pub fn all() -> Self {
        Self::new(Place::all().collect())
    }

    /// These regions, each once.
    ///
    /// # Errors
    /// If one does not exist.
    pub fn of(codes: &[RegionCode]) -> Result<Self, QueryError> {
        let place = |code: &RegionCode| Place::of(*code).ok_or(QueryError::UnknownRegion(*code));
        Ok(Self::new(codes.iter().map(place).collect::<Result<_, _>>()?))
    }

    /// The regions of a level within a region; of every level, if none is given, that region
    /// itself included.
    ///
    /// # Errors
    /// If there is no such region, or it cannot have regions of that level.
    pub fn within(within: RegionCode, level: Option<RegionLevel>) -> Result<Self, QueryError> {
        region_name(within)?;
        if let Some(level) = level.filter(|level| *level < within.level()) {
            return Err(QueryError::LevelAbove { level, within });
        }
        let scope = Scope::of(within)?;
        let below = scope.indices().map(|index| Place(index + 1));
        let nation = (within == RegionCode::NATION).then_some(Place(0));
        let places = nation.into_iter().chain(below);
        let wanted = |place: &Place| level.is_none_or(|level| place.code().level() == level);
        Ok(Self::new(places.filter(wanted).collect()))
    }

    fn new(mut places: Vec<Place>) -> Self {
        places.sort_unstable();
        places.dedup();
        let bytes: Vec<u8> = places.iter().flat_map(|place| place.0.to_be_bytes()).collect();
        Self { places: places.into(), digest: xxh3_64(&bytes) as u32 }
    }

    /// How many they are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.places.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.places.is_empty()
    }

    /// The same of the same regions, and hardly ever of others.
    #[must_use]
    pub fn digest(&self) -> u32 {
        self.digest
    }

    pub(super) fn places(&self) -> &[Place] {
        &self.places
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> RegionCode {
        text.parse().unwrap()
    }

    #[test]
    fn a_selection_has_each_region_once_and_the_nation_first() {
        let chosen = Selection::of(&[code("19"), code("ID"), code("18.71"), code("19")]).unwrap();
        let codes: Vec<_> = chosen.places().iter().map(|place| place.code().to_string()).collect();
        assert_eq!(codes, ["ID", "18.71", "19"]);
        let same = Selection::of(&[code("18.71"), code("19"), code("ID")]).unwrap();
        assert_eq!(chosen, same);
        assert_ne!(chosen.digest(), Selection::all().digest());
        assert!(Selection::of(&[code("18.99")]).is_err());
        assert_eq!(Selection::all().len(), 553);
    }

    #[test]
    fn a_selection_within_a_region_is_of_a_level_or_of_all() {
        let count = |within: &str, level: Option<RegionLevel>| {
            Selection::within(code(within), level).map(|selection| selection.len())
        };
        assert_eq!(count("ID", None), Ok(553));
        assert_eq!(count("ID", Some(RegionLevel::Province)), Ok(38));
        assert_eq!(count("ID", Some(RegionLevel::Regency)), Ok(514));
        assert_eq!((count("18", None), count("18", Some(RegionLevel::Regency))), (Ok(16), Ok(15)));
        assert_eq!(count("18.71", None), Ok(1));
        assert!(count("18.71", Some(RegionLevel::Province)).is_err());
        assert!(count("99", None).is_err());
    }
}
