//! Codes that regions had before: the 26 of Papua's regencies and cities that came to new
//! provinces in 2022. Each has one successor, and is read as that wherever a code is read, so that
//! no [`RegionCode`] is a former one.
//!
//! Source: see `schemas/data/SOURCES.md`.

use std::fmt;
use std::sync::LazyLock;

use crate::region::{RegionCode, RegionTable};

/// A code that a region had before.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FormerCode {
    /// The code as it was written, e.g. `91.01`.
    pub code: String,
    /// The region's code now.
    pub now: RegionCode,
}

static FORMER: LazyLock<Vec<FormerCode>> =
    LazyLock::new(|| RegionCode::former().map(|(code, now)| FormerCode { code, now }).collect());

impl FormerCode {
    /// Every former code, in the order of the codes.
    #[must_use]
    pub fn all() -> &'static [Self] {
        &FORMER
    }

    /// What a text says, if it is a former code.
    #[must_use]
    pub fn find(text: &str) -> Option<&'static Self> {
        FORMER.iter().find(|former| former.code == text)
    }

    /// The former code of a region, if it had another.
    #[must_use]
    pub fn of_region(code: RegionCode) -> Option<&'static Self> {
        FORMER.iter().find(|former| former.now == code)
    }

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
            assert_eq!(RegionCode::parse(&former.code), Some(former.now));
            let number = former.code.replace('.', "").parse().unwrap();
            assert_eq!(RegionCode::from_number(number), Some(former.now));
            assert_eq!(table.at(table.regency(&former.code).unwrap()).code, former.now);
            let json = format!("\"{}\"", former.code);
            assert_eq!(serde_json::from_str::<RegionCode>(&json).unwrap(), former.now);
            assert_eq!(FormerCode::find(&former.code), Some(former));
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
        for row in include_str!("../data/former-papua-codes.csv").lines().skip(1) {
            let fields: Vec<_> = row.split(',').collect();
            let name = RegionTable::get().name_of(RegionCode::parse(fields[2]).unwrap()).unwrap();
            assert_eq!(plain(fields[1]), plain(name), "{row}");
        }
    }
}
