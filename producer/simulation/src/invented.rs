//! NIKs for citizens who do not exist: for simulations that go through a real agent, which takes
//! nothing else. Well formed, and nobody's but by chance; never for events that count.

use laju_schemas::{RegionTable, SubjectId};
use zeroize::Zeroizing;

/// The NIK of a simulated citizen, always the same: a regency's code, a district, a date of birth
/// (40 added to a woman's day) and a serial number, all drawn from the pseudonym's bytes.
#[must_use]
pub fn nik(subject: SubjectId) -> Zeroizing<String> {
    let mut number = u128::from_le_bytes(subject.0);
    let mut draw = |below: u128| {
        let drawn = number % below;
        number /= below;
        drawn
    };
    let table = RegionTable::get();
    let regencies = table.regencies().count() as u128;
    let regency = table.regencies().nth(draw(regencies) as usize);
    let regency = regency.map(|(_, region)| region.code.to_string().replace('.', ""));
    let woman = draw(2) * 40;
    Zeroizing::new(format!(
        "{}{:02}{:02}{:02}{:02}{:04}",
        regency.unwrap_or_default(),
        draw(20) + 1,
        draw(28) + 1 + woman,
        draw(12) + 1,
        (50 + draw(59)) % 100,
        draw(9_999) + 1,
    ))
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;
    use crate::citizen::subject;

    #[test]
    fn everybody_has_a_well_formed_nik_of_their_own() {
        let niks: HashSet<String> = (0..5_000)
            .map(|citizen| {
                let subject = subject(1, citizen);
                let nik = nik(subject);
                assert!(laju_schemas::nik::parse(&nik).is_ok(), "{}", *nik);
                assert_eq!(nik, self::nik(subject));
                nik.to_string()
            })
            .collect();
        assert_eq!(niks.len(), 5_000);
    }
}
