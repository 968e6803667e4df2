//! Regions: codes, levels, zones, and the table of all that exist.
//!
//! Source of codes and names: Kepmendagri 300.2.2-2138/2025 (see `schemas/data/SOURCES.md`).

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};
use thiserror::Error;

/// A text that is not shaped like a region code.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error(
    "'{0}' is not a region code: a regency or city is written like 18.71, a province like 18, the nation ID{hint}",
    hint = hint(.0)
)]
pub struct RegionCodeError(String);

/// What a spreadsheet may have done to a code: as a number `11.10` is `11.1`, and where decimals
/// have a comma `11,1`. It is asked for and never taken, for it may as well be a slip.
fn hint(text: &str) -> String {
    let dotted = text.replace(',', ".");
    let exists =
        |code: &str| RegionCode::parse(code).is_some_and(|code| RegionTable::get().has(code));
    match *dotted.as_bytes() {
        [a, b, b'.', c] if [a, b, c].iter().all(u8::is_ascii_digit) => {
            let whole = format!("{dotted}0");
            if exists(&whole) {
                return format!("; did a spreadsheet drop a zero: {whole}? Codes are text");
            }
        }
        _ if dotted != text && exists(&dotted) => {
            return format!("; did a spreadsheet write {dotted} with a comma? Codes are text");
        }
        _ => {}
    }
    String::new()
}

/// A Kemendagri code: `18.71` (regency or city), `18` (province) or `ID` (the nation). Its shape
/// is right; whether it exists is for [`RegionTable`] to say. Always text outside the program.
/// Never one that a region had before (see [`crate::former`]): that is read as today's.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionCode(u16);

crate::datum::text!(RegionCode);

impl RegionCode {
    /// The nation.
    pub const NATION: Self = Self(0);

    /// Reads a code from text; a former code as its successor's.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        Self::number_of(text).map(successor).map(Self)
    }

    /// The number of a code in text, which may be a former one.
    fn number_of(text: &str) -> Option<u16> {
        let digit = |b: u8| b.is_ascii_digit().then(|| u16::from(b - b'0'));
        match *text.as_bytes() {
            [b'I', b'D'] => Some(Self::NATION.0),
            [a, b] => {
                let province = digit(a)? * 10 + digit(b)?;
                (province > 0).then_some(province * 100)
            }
            [a, b, b'.', c, d] => {
                let province = digit(a)? * 10 + digit(b)?;
                let regency = digit(c)? * 10 + digit(d)?;
                (province > 0 && regency > 0).then_some(province * 100 + regency)
            }
            _ => None,
        }
    }

    /// What the code stands for, by its shape.
    #[must_use]
    pub const fn level(self) -> RegionLevel {
        match (self.0, self.0 % 100) {
            (0, _) => RegionLevel::Nation,
            (_, 0) => RegionLevel::Province,
            _ => RegionLevel::Regency,
        }
    }

    /// The province that a regency or city lies in; a province itself; the nation for the nation.
    #[must_use]
    pub const fn province(self) -> Self {
        Self(self.0 - self.0 % 100)
    }

    /// Whether this region is `other` or lies within it.
    #[must_use]
    pub fn is_within(self, other: Self) -> bool {
        match other.level() {
            RegionLevel::Nation => true,
            RegionLevel::Province => self.province() == other,
            RegionLevel::Regency => self == other,
        }
    }

    /// The code as one number, unique and in the order of the codes.
    #[must_use]
    pub const fn to_number(self) -> u16 {
        self.0
    }

    /// The code of such a number; of a former code's its successor.
    #[must_use]
    pub fn from_number(number: u16) -> Option<Self> {
        let is_number = number == 0 || (100..10_000).contains(&number);
        is_number.then(|| Self(successor(number)))
    }

    /// Every code that a region had before, in their order, as it was written, and the region's now.
    pub(crate) fn former() -> impl Iterator<Item = (String, Self)> {
        SUCCESSORS.iter().map(|(former, now)| (Self(*former).to_string(), Self(*now)))
    }
}

/// The numbers of former codes and of their successors'.
static SUCCESSORS: LazyLock<BTreeMap<u16, u16>> = LazyLock::new(|| {
    read_successors().expect("the former codes are part of the program and read by its tests")
});

fn read_successors() -> Option<BTreeMap<u16, u16>> {
    let mut rows = csv::Reader::from_reader(FORMER_CSV.as_bytes());
    let number = |row: &csv::StringRecord, place| RegionCode::number_of(row.get(place)?);
    rows.records()
        .map(|row| row.ok().and_then(|row| Some((number(&row, 0)?, number(&row, 2)?))))
        .collect()
}

/// The number of today's code for a number that may be a former code's. It is asked for every code
/// that is read, so that all but two provinces' are left at once.
#[inline]
fn successor(number: u16) -> u16 {
    let may_be_former = matches!(number / 100, 91 | 92);
    may_be_former.then(|| SUCCESSORS.get(&number).copied()).flatten().unwrap_or(number)
}

impl fmt::Display for RegionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.level() {
            RegionLevel::Nation => f.pad("ID"),
            RegionLevel::Province => f.pad(&format!("{:02}", self.0 / 100)),
            RegionLevel::Regency => f.pad(&format!("{:02}.{:02}", self.0 / 100, self.0 % 100)),
        }
    }
}

impl fmt::Debug for RegionCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "RegionCode({self})")
    }
}

impl FromStr for RegionCode {
    type Err = RegionCodeError;

    fn from_str(text: &str) -> Result<Self, RegionCodeError> {
        Self::parse(text).ok_or_else(|| RegionCodeError(text.chars().take(20).collect()))
    }
}

impl Serialize for RegionCode {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut text = [0; 5];
        let digits = |n: u16| [b'0' + (n / 10) as u8, b'0' + (n % 10) as u8];
        let text = match self.level() {
            RegionLevel::Nation => "ID",
            level => {
                text[..2].copy_from_slice(&digits(self.0 / 100));
                text[2] = b'.';
                text[3..].copy_from_slice(&digits(self.0 % 100));
                let end = if level == RegionLevel::Province { 2 } else { 5 };
                std::str::from_utf8(&text[..end]).expect("digits and a dot are UTF-8")
            }
        };
        serializer.serialize_str(text)
    }
}

impl<'de> Deserialize<'de> for RegionCode {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
    }
}

/// What a region is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema))]
#[serde(rename_all = "snake_case")]
pub enum RegionLevel {
    /// The whole of Indonesia.
    Nation,
    /// A province.
    Province,
    /// A regency (kabupaten) or city (kota).
    Regency,
}

impl fmt::Display for RegionLevel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Nation => "nation",
            Self::Province => "province",
            Self::Regency => "regency",
        })
    }
}

/// Indonesia's three zones. None of them has moved since 1988, so that local days can be told
/// without a table of changes; a test holds them against the tz database.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Zone {
    /// Western Indonesia, Asia/Jakarta, UTC+7.
    Wib,
    /// Central Indonesia, Asia/Makassar, UTC+8.
    Wita,
    /// Eastern Indonesia, Asia/Jayapura, UTC+9.
    Wit,
}

impl Zone {
    /// Hours ahead of UTC.
    #[must_use]
    pub const fn hours(self) -> i64 {
        match self {
            Self::Wib => 7,
            Self::Wita => 8,
            Self::Wit => 9,
        }
    }

    /// The zone's name in the tz database.
    #[must_use]
    pub const fn iana(self) -> &'static str {
        match self {
            Self::Wib => "Asia/Jakarta",
            Self::Wita => "Asia/Makassar",
            Self::Wit => "Asia/Jayapura",
        }
    }

    fn from_iana(name: &str) -> Option<Self> {
        [Self::Wib, Self::Wita, Self::Wit].into_iter().find(|zone| zone.iana() == name)
    }
}

/// A known region's place in the table: below [`RegionTable::len`], which is below 1024.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RegionIndex(pub u16);

/// A region that exists.
#[derive(Clone, Debug)]
pub struct Region {
    /// Its code.
    pub code: RegionCode,
    /// Its name, e.g. `Kota Bandar Lampung`.
    pub name: String,
    /// The zone of its province.
    pub zone: Zone,
    /// Its seat of government: degrees north.
    pub latitude: f64,
    /// Its seat of government: degrees east.
    pub longitude: f64,
    /// Residents at the end of 2024; a weight for simulations, never a denominator.
    pub population: u32,
}

/// Every region that exists: 38 provinces, 514 regencies and cities, in the order of the codes.
pub struct RegionTable {
    regions: Vec<Region>,
    by_number: Vec<u16>,
    digest: u64,
}

const ABSENT: u16 = u16::MAX;
const REGIONS_CSV: &str = include_str!("../data/regions.csv");
const FORMER_CSV: &str = include_str!("../data/former-papua-codes.csv");
const POPULATION_CSV: &str = include_str!("../data/population.csv");

static TABLE: LazyLock<RegionTable> = LazyLock::new(|| {
    RegionTable::read(REGIONS_CSV, POPULATION_CSV)
        .expect("the region table is part of the program and read by its tests")
});

impl RegionTable {
    /// The table that is part of the program.
    #[must_use]
    pub fn get() -> &'static Self {
        &TABLE
    }

    fn read(regions_csv: &str, population_csv: &str) -> Option<Self> {
        let mut population = std::collections::HashMap::new();
        for row in csv::Reader::from_reader(population_csv.as_bytes()).records() {
            let row = row.ok()?;
            population.insert(row.get(0)?.to_owned(), row.get(2)?.parse().ok()?);
        }
        let mut regions = Vec::new();
        for row in csv::Reader::from_reader(regions_csv.as_bytes()).records() {
            let row = row.ok()?;
            regions.push(Region {
                code: RegionCode::parse(row.get(0)?)?,
                name: row.get(1)?.to_owned(),
                zone: Zone::from_iana(row.get(5)?)?,
                latitude: row.get(6)?.parse().ok()?,
                longitude: row.get(7)?.parse().ok()?,
                population: *population.get(row.get(0)?)?,
            });
        }
        regions.sort_by_key(|region| region.code);
        let mut by_number = vec![ABSENT; 10_000];
        for (index, region) in regions.iter().enumerate() {
            by_number[usize::from(region.code.to_number())] = u16::try_from(index).ok()?;
        }
        let now = regions.iter().map(|r| format!("{} {}\n", r.code, r.zone.hours()));
        let former = RegionCode::former().map(|(code, now)| format!("{code} is {now}\n"));
        let codes: String = now.chain(former).collect();
        let digest = Sha256::digest(codes.as_bytes());
        let digest = u64::from_be_bytes(*digest.first_chunk()?);
        Some(Self { regions, by_number, digest })
    }

    /// How many there are.
    #[must_use]
    #[allow(clippy::len_without_is_empty, reason = "it never is")]
    pub fn len(&self) -> usize {
        self.regions.len()
    }

    /// Every region, in the order of the codes: the place in this slice is the [`RegionIndex`].
    #[must_use]
    pub fn all(&self) -> &[Region] {
        &self.regions
    }

    /// The region of a code, if it exists. The nation is not in the table.
    #[must_use]
    pub fn index_of(&self, code: RegionCode) -> Option<RegionIndex> {
        let index = self.by_number[usize::from(code.to_number())];
        (index != ABSENT).then_some(RegionIndex(index))
    }

    /// Whether a code's region exists; the nation does.
    #[must_use]
    pub fn has(&self, code: RegionCode) -> bool {
        code == RegionCode::NATION || self.index_of(code).is_some()
    }

    /// The regency or city of a code in text, if it exists.
    #[must_use]
    pub fn regency(&self, text: &str) -> Option<RegionIndex> {
        let code = RegionCode::parse(text)?;
        if code.level() == RegionLevel::Regency { self.index_of(code) } else { None }
    }

    /// The region at an index of this table.
    ///
    /// # Panics
    /// If the index is not of this table.
    #[must_use]
    pub fn at(&self, index: RegionIndex) -> &Region {
        &self.regions[usize::from(index.0)]
    }

    /// The name of a code, if it exists; `Indonesia` for the nation.
    #[must_use]
    pub fn name_of(&self, code: RegionCode) -> Option<&str> {
        if code == RegionCode::NATION {
            return Some("Indonesia");
        }
        self.index_of(code).map(|index| self.at(index).name.as_str())
    }

    /// Every regency and city with its index.
    pub fn regencies(&self) -> impl Iterator<Item = (RegionIndex, &Region)> {
        self.regions
            .iter()
            .enumerate()
            .filter(|(_, region)| region.code.level() == RegionLevel::Regency)
            .map(|(index, region)| (RegionIndex(index as u16), region))
    }

    /// A digest of every code, zone and former code: two tables with the same one give the same
    /// days, count the same regions' events together and refuse the same regions.
    #[must_use]
    pub const fn digest(&self) -> u64 {
        self.digest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_table_holds_every_region() {
        let table = RegionTable::get();
        assert_eq!(table.len(), 552);
        assert_eq!(table.regencies().count(), 514);
        let lampung = table.at(table.regency("18.71").unwrap());
        assert_eq!(lampung.name, "Kota Bandar Lampung");
        assert_eq!(table.name_of(RegionCode::NATION), Some("Indonesia"));
        assert!(table.regency("18").is_none() && table.regency("18.99").is_none());
    }

    #[test]
    fn codes_are_text_and_keep_their_zeros() {
        for text in ["11.10", "18", "ID", "96.71"] {
            let code: RegionCode = text.parse().unwrap();
            assert_eq!(code.to_string(), text);
            assert_eq!(serde_json::to_string(&code).unwrap(), format!("\"{text}\""));
        }
        for text in ["11.1", "1871", "", "18.711", "18,71", "id", "00", "00.01", "18.00", "१८.७१"]
        {
            assert!(RegionCode::parse(text).is_none(), "{text}");
        }
    }

    #[test]
    fn a_code_that_a_spreadsheet_took_for_a_number_is_asked_for_and_never_guessed() {
        let why = |text: &str| text.parse::<RegionCode>().unwrap_err().to_string();
        assert!(why("11.1").contains("did a spreadsheet drop a zero: 11.10?"), "{}", why("11.1"));
        assert!(why("11,1").contains("drop a zero: 11.10?"), "{}", why("11,1"));
        assert!(why("18,71").contains("write 18.71 with a comma"), "{}", why("18,71"));
        // 18.90 does not exist.
        for text in ["18.9", "1871", "11.1a", "11.", "x"] {
            assert!(!why(text).contains("spreadsheet"), "{}", why(text));
        }
    }

    #[test]
    fn zones_are_those_of_the_tz_database_since_the_programme_began() {
        let began = jiff::Timestamp::from_second(1_640_970_000).unwrap();
        for zone in [Zone::Wib, Zone::Wita, Zone::Wit] {
            let tz = jiff::tz::TimeZone::get(zone.iana()).unwrap();
            assert_eq!(i64::from(tz.to_offset(began).seconds()), zone.hours() * 3600);
            assert!(tz.following(began).next().is_none(), "{zone:?} changes");
        }
    }
}
