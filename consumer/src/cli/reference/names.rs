//! Names of regions as people write them, checked against the region table: in any case and spacing,
//! with `Kab.` for Kabupaten, but a Kota and a Kabupaten of the same name stay two regions.

use laju_schemas::{Region, RegionCode, RegionLevel, RegionTable};

/// Whether a name is one of a regency, a city or a province, where it says so.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Kabupaten,
    Kota,
    Province,
}

/// A name taken apart: what kind of region it says, and the rest as words in capitals.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Name {
    kind: Option<Kind>,
    words: Vec<String>,
}

impl Name {
    fn read(text: &str) -> Self {
        let mut words = words(text);
        let kind = match words.first().map(String::as_str) {
            Some("KABUPATEN" | "KAB") => Some(Kind::Kabupaten),
            Some("KOTA" | "KOTAMADYA" | "KODYA") => Some(Kind::Kota),
            Some("PROVINSI" | "PROPINSI" | "PROV") => Some(Kind::Province),
            _ => None,
        };
        words.drain(..usize::from(kind.is_some()));
        if matches!(words.first().map(String::as_str), Some("ADMINISTRASI" | "ADM")) {
            words.remove(0);
        }
        for word in &mut words {
            if word == "KEP" {
                "KEPULAUAN".clone_into(word);
            }
        }
        words.retain(|word| word != "DAN");
        // Jakarta's and Yogyakarta's provinces are written in several ways.
        let titles = ["DAERAH", "KHUSUS", "IBUKOTA", "ISTIMEWA", "DKI", "DI", "DK"];
        let rest = words.iter().skip_while(|word| titles.contains(&word.as_str()));
        let rest: Vec<_> = rest.cloned().collect();
        if !rest.is_empty() {
            words = rest;
        }
        Self { kind, words }
    }

    fn of(region: &Region) -> Self {
        let mut name = Self::read(&region.name);
        if region.code.level() == RegionLevel::Province {
            name.kind = Some(Kind::Province);
        }
        name
    }

    /// Whether both may be the same region's: the words without regard to spacing, and the kind
    /// where both say one.
    fn fits(&self, other: &Self) -> bool {
        self.words.concat() == other.words.concat()
            && self.kind.zip(other.kind).is_none_or(|(own, other)| own == other)
    }
}

/// The words of a text in capitals, without punctuation.
fn words(text: &str) -> Vec<String> {
    let parts = text.split(|c: char| !c.is_alphanumeric()).filter(|part| !part.is_empty());
    parts.map(str::to_uppercase).collect()
}

/// The regions of a level that a name may be.
fn regions_named<'a>(
    name: &'a Name,
    level: RegionLevel,
) -> impl Iterator<Item = &'static Region> + 'a {
    let all = RegionTable::get().all().iter();
    all.filter(move |region| region.code.level() == level && Name::of(region).fits(name))
}

fn list(regions: &[&Region]) -> String {
    let named = regions.iter().map(|region| format!("{} ({})", region.name, region.code));
    named.collect::<Vec<_>>().join(" and ")
}

/// Holds a name against the region of the code beside it.
pub(super) fn check(text: &str, code: RegionCode) -> Result<(), String> {
    let table = RegionTable::get();
    let own_name = table.name_of(code).unwrap_or_default();
    let name = Name::read(text);
    if code == RegionCode::NATION {
        let is_nation = ["INDONESIA", "NASIONAL"].contains(&name.words.concat().as_str());
        return if is_nation { Ok(()) } else { Err(format!("'{text}' is not {own_name} (ID)")) };
    }
    let named: Vec<_> = regions_named(&name, code.level()).collect();
    let is_own = named.iter().any(|region| region.code == code);
    match (is_own, &named[..]) {
        (true, [_]) => Ok(()),
        (true, several) => {
            Err(format!("'{text}' may be {}: write Kabupaten or Kota before it", list(several)))
        }
        (false, []) => Err(format!(
            "'{text}' is not the name of {code}, which is {own_name}, nor of another region: \
             write it so, or leave it out if it is the same"
        )),
        (false, others) => Err(format!(
            "'{text}' is {}, but {code} is {own_name}: is it a code of the statistics office \
             (BPS)? Those look like the ministry's and are other regions'",
            list(others)
        )),
    }
}

/// What to look at twice: that a text which says where a figure comes from names another regency
/// or city than that of the code, and not the code's own.
pub(super) fn doubt(source: &str, code: RegionCode) -> Option<String> {
    if code.level() != RegionLevel::Regency {
        return None;
    }
    let table = RegionTable::get();
    let own = table.at(table.index_of(code)?);
    let said = Name::read(source).words;
    let holds = |region: &Region| {
        let name = Name::of(region).words;
        said.windows(name.len()).any(|part| part == name)
    };
    if holds(own) {
        return None;
    }
    // The longest name: who writes Bandar Lampung does not mean Lampung.
    let length = |region: &Region| Name::of(region).words.len();
    let mut others: Vec<_> =
        table.regencies().map(|(_, region)| region).filter(|region| holds(region)).collect();
    let longest = others.iter().map(|region| length(region)).max()?;
    // Nor does who writes the province's own name mean the city that it is named after.
    let province = table.index_of(code.province()).map(|at| table.at(at));
    if province.is_some_and(|province| holds(province) && longest <= length(province)) {
        return None;
    }
    others.retain(|region| length(region) == longest);
    let (code, own) = (own.code, &own.name);
    Some(format!("its source names {}, but {code} is {own}", list(&others)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn code(text: &str) -> RegionCode {
        text.parse().unwrap()
    }

    #[test]
    fn names_are_known_in_any_case_spacing_and_punctuation() {
        for (text, of) in [
            ("Kota Medan", "12.71"),
            ("MEDAN", "12.71"),
            ("kota medan", "12.71"),
            ("KAB. ACEH SINGKIL", "11.10"),
            ("Kab.Aceh  Singkil", "11.10"),
            ("ACEH SINGKIL", "11.10"),
            ("KAB. FAKFAK", "92.03"),
            ("KOTA ADM. JAKARTA SELATAN", "31.74"),
            ("Jakarta Selatan", "31.74"),
            ("KAB. ADM. KEP. SERIBU", "31.01"),
            ("KAB. SERANG", "36.04"),
            ("Kota Serang", "36.73"),
            ("Kota Pangkalpinang", "19.71"),
            ("LAMPUNG", "18"),
            ("Provinsi DKI Jakarta", "31"),
            ("Indonesia", "ID"),
        ] {
            assert_eq!(check(text, code(of)), Ok(()), "{text}");
        }
    }

    #[test]
    fn every_region_has_its_own_name_and_no_others() {
        for region in RegionTable::get().all() {
            assert_eq!(check(&region.name, region.code), Ok(()));
            let named = regions_named(&Name::of(region), region.code.level()).count();
            assert_eq!(named, 1, "{}", region.name);
        }
    }

    #[test]
    fn another_regions_name_is_refused_with_its_code() {
        let why = check("MEDAN", code("12.75")).unwrap_err();
        assert!(why.contains("Kota Medan (12.71)") && why.contains("Kota Binjai"), "{why}");
        assert!(why.contains("BPS"), "{why}");
        let why = check("Kota Serang", code("36.04")).unwrap_err();
        assert!(why.contains("Kota Serang (36.73)"), "{why}");
        let why = check("SERANG", code("36.04")).unwrap_err();
        assert!(why.contains("36.73") && why.contains("Kabupaten or Kota"), "{why}");
        let why = check("Atlantis", code("36.04")).unwrap_err();
        assert!(why.contains("Kabupaten Serang"), "{why}");
        assert!(check("Lampung", code("ID")).is_err());
    }

    #[test]
    fn a_source_that_names_another_region_is_doubted_and_no_other() {
        let doubted = doubt("BPS, MEDAN", code("12.75")).unwrap();
        assert!(doubted.contains("Kota Medan (12.71)"), "{doubted}");
        let doubted = doubt("BPS, BANDAR LAMPUNG", code("18.74"));
        assert!(doubted.is_none(), "there is no region 18.74");
        assert!(doubt("BPS, JAKARTA SELATAN", code("31.71")).is_some());
        for (source, of) in [
            ("real file, KAB. ACEH SINGKIL", "11.10"),
            ("Disdukcapil Kota Bandar Lampung, letter 4", "18.71"),
            ("Dinas Provinsi Lampung for all regencies", "18.71"),
            ("Disdukcapil Provinsi Bengkulu", "17.01"),
            ("DKB semester II 2024", "18.71"),
            ("BPS, MEDAN", "12"),
            ("BPS, MEDAN", "ID"),
        ] {
            assert_eq!(doubt(source, code(of)), None, "{source}");
        }
    }
}
