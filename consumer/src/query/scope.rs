//! Which regions a question is about, as places in the region table.

use std::ops::Range;

use laju_schemas::{RegionCode, RegionIndex, RegionLevel, RegionTable};

use super::QueryError;
use super::answer::RegionName;
use crate::projection::quarantine::QuarantineKey;

/// Which regencies a region consists of, as a range of the region table.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Scope(pub(super) Range<u16>);

impl Scope {
    /// The regencies of a region.
    ///
    /// # Errors
    /// If there is no such region.
    pub fn of(code: RegionCode) -> Result<Self, QueryError> {
        if code == RegionCode::NATION {
            return Ok(Self::nation());
        }
        let table = RegionTable::get();
        let first = table.index_of(code).ok_or(QueryError::UnknownRegion(code))?.0;
        let rest = &table.all()[usize::from(first)..];
        // The table is in the order of the codes: a province stands right before its regencies.
        let within = rest.iter().take_while(|region| region.code.is_within(code)).count();
        Ok(Self(first..first + within as u16))
    }

    /// All regencies.
    #[must_use]
    pub fn nation() -> Self {
        Self(0..RegionTable::get().len() as u16)
    }

    /// The regencies of a region, of which regions of a level are asked for.
    ///
    /// # Errors
    /// If there is no such region, or it cannot have regions of that level.
    pub fn with_level(within: RegionCode, level: RegionLevel) -> Result<Self, QueryError> {
        let scope = Self::of(within)?;
        if level < within.level() {
            Err(QueryError::LevelAbove { level, within })
        } else {
            Ok(scope)
        }
    }

    /// The regions of the scope, a province among its regencies.
    #[must_use]
    pub fn indices(&self) -> Range<u16> {
        self.0.clone()
    }

    /// Those of its regions that are of a level, in the order of their codes.
    pub fn codes(&self, level: RegionLevel) -> impl Iterator<Item = RegionCode> {
        let codes = self.indices().map(|index| RegionTable::get().at(RegionIndex(index)).code);
        codes.filter(move |code| code.level() == level)
    }
}

/// A region's place among its level in answers: the code's province in the region table.
#[must_use]
pub fn province_of(region: RegionIndex) -> Option<RegionIndex> {
    let table = RegionTable::get();
    let code = table.at(region).code;
    if code.level() == RegionLevel::Regency { table.index_of(code.province()) } else { None }
}

/// The regions that a quarantined event may concern, each once: those that it names, and their
/// provinces.
pub(crate) fn concerned(key: &QuarantineKey) -> Vec<RegionIndex> {
    let named = [key.home, key.service].into_iter().flatten();
    let mut concerned: Vec<_> =
        named.flat_map(|region| [Some(region), province_of(region)]).flatten().collect();
    concerned.sort_unstable();
    concerned.dedup();
    concerned
}

/// A region with its name.
///
/// # Errors
/// If there is no such region.
pub fn region_name(code: RegionCode) -> Result<RegionName, QueryError> {
    let name = RegionTable::get().name_of(code).ok_or(QueryError::UnknownRegion(code))?;
    Ok(RegionName { code, name: name.to_owned(), level: code.level() })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_scope_holds_a_regions_regencies() {
        let table = RegionTable::get();
        let codes = |code: &str| {
            let scope = Scope::of(code.parse().unwrap()).unwrap();
            scope.indices().map(|i| table.at(RegionIndex(i)).code).collect::<Vec<_>>()
        };
        assert_eq!(codes("18.71").len(), 1);
        let lampung = codes("18");
        assert!(lampung.iter().all(|code| code.to_string().starts_with("18")));
        assert_eq!(
            lampung.len(),
            1 + table.regencies().filter(|(_, r)| r.code.to_string().starts_with("18.")).count()
        );
        assert_eq!(codes("ID").len(), 552);
        assert_eq!(Scope::of("18.99".parse().unwrap()).ok(), None);
        assert_eq!(
            province_of(table.regency("18.71").unwrap()),
            table.index_of("18".parse().unwrap())
        );
    }
}
