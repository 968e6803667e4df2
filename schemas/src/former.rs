//! Codes that regions had before: the 26 of Papua's regencies and cities that came to new
//! provinces in 2022. Each has one successor, and is read as that wherever a code is read, so that
//! no [`RegionCode`] is a former one.
//!
//! Source: see `schemas/data/SOURCES.md`.

use std::fmt;
use std::sync::LazyLock;

use crate::region::{RegionCode, RegionTable};

/// A code that a region had before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FormerCode {
    /// The code as it was written, e.g. `91.01`.
    pub code: &'static str,
    /// The region's code now.
    pub now: RegionCode,
    number: u16,
}

const FORMER_CSV: &str = include_str!("../data/former-papua-codes.csv");

static FORMER: LazyLock<Vec<FormerCode>> = LazyLock::new(|| {
    read(FORMER_CSV).expect("the former codes are part of the program and read by its tests")
});

fn read(csv: &'static str) -> Option<Vec<FormerCode>> {
    // No field of the file is quoted, so that its texts can be borrowed.
    let mut former = Vec::new();
    for row in csv.lines().skip(1) {
        let mut fields = row.split(',');
        let (code, _name, now) = (fields.next()?, fields.next()?, fields.next()?);
        let number = RegionCode::number_of(code)?;
        let now = RegionCode::from_number_as_it_is(RegionCode::number_of(now)?);
        former.push(FormerCode { code, now, number });
    }
    former.sort_by_key(|former| former.number);
    Some(former)
}

impl FormerCode {
    /// Every former code, in the order of the codes.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &FORMER
    }

    /// What a text says, if it is a former code.
    #[must_use]
    pub fn find(text: &str) -> Option<&'static Self> {
        Self::of_number(RegionCode::number_of(text)?)
    }

    /// The former code of a region, if it had another.
    #[must_use]
    pub fn of_region(code: RegionCode) -> Option<&'static Self> {
        FORMER.iter().find(|former| former.now == code)
    }

    /// The number of today's code for a number that may be a former code's. It is asked for every
    /// code that is read, so that all but two provinces' are left at once.
    #[inline]
    pub(crate) fn current(number: u16) -> u16 {
        if matches!(number / 100, 91 | 92) {
            Self::of_number(number).map_or(number, |former| former.now.to_number())
        } else {
            number
        }
    }

    fn of_number(number: u16) -> Option<&'static Self> {
        let place = FORMER.binary_search_by_key(&number, |former| former.number).ok()?;
        FORMER.get(place)
    }
}

impl FormerCode {
    /// The same in Indonesian.
    #[must_use]
    pub fn in_indonesian(&self) -> String {
        let name = RegionTable::get().name_of(self.now).unwrap_or_default();
        format!("{} adalah kode {name} sampai 2022; sekarang kodenya {}", self.code, self.now)
    }
}

impl fmt::Display for FormerCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = RegionTable::get().name_of(self.now).unwrap_or_default();
        write!(f, "{} is the code that {name} had until 2022; it is {} now", self.code, self.now)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_of_the_26_former_codes_is_read_as_its_one_successor() {
        assert_eq!(FormerCode::all().len(), 26);
        let mut successors = std::collections::BTreeSet::new();
        for former in FormerCode::all() {
            let table = RegionTable::get();
            let region = table.at(table.index_of(former.now).unwrap());
            assert_eq!(RegionCode::parse(former.code), Some(former.now));
            assert_eq!(RegionCode::from_number(former.number), Some(former.now));
            assert_eq!(table.at(table.regency(former.code).unwrap()).code, former.now);
            let json = format!("\"{}\"", former.code);
            assert_eq!(serde_json::from_str::<RegionCode>(&json).unwrap(), former.now);
            assert_eq!(FormerCode::find(former.code), Some(former));
            assert_eq!(FormerCode::of_region(former.now), Some(former));
            // It is nobody else's, and the successor is no former code itself.
            assert!(table.all().iter().all(|region| region.code.to_string() != former.code));
            assert!(FormerCode::find(&former.now.to_string()).is_none());
            assert!(successors.insert(former.now), "{former} and another");
            assert!(former.to_string().contains(&region.name), "{former}");
        }
        for text in ["91.03", "18.71", "91", "91.1", "ID", ""] {
            assert!(FormerCode::find(text).is_none(), "{text}");
        }
    }

    #[test]
    fn the_names_of_2019_are_those_of_the_successors() {
        let plain = |name: &str| {
            let name = name.to_uppercase().replace("KABUPATEN", "KAB").replace('.', "");
            name.split_whitespace().collect::<Vec<_>>().join(" ")
        };
        for row in FORMER_CSV.lines().skip(1) {
            let fields: Vec<_> = row.split(',').collect();
            let name = RegionTable::get().name_of(RegionCode::parse(fields[2]).unwrap()).unwrap();
            assert_eq!(plain(fields[1]), plain(name), "{row}");
        }
    }
}
