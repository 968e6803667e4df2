//! What a kiosk must get right before an event is made of it: the same rules as a worker's, so
//! that a mistake is reported to the operator and does not end in quarantine.

use laju_schemas::rules::{MAX_AHEAD_MS, PROGRAMME_BEGAN};
use laju_schemas::{RegionCode, RegionTable, TimestampMs};
use thiserror::Error;

use laju_kafka::problem::Words;

/// Why an event cannot be accepted: the field, and what is wrong with it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum IntakeError {
    /// A code that no regency or city has.
    #[error("{field}: there is no regency or city {code}{}", hint(.code))]
    Region {
        /// The field.
        field: &'static str,
        /// The code given.
        code: RegionCode,
    },
    /// Before the programme.
    #[error("occurred_at: {0} is before the programme began, on 2022-01-01 in Asia/Jakarta")]
    BeforeProgramme(TimestampMs),
    /// Too far ahead.
    #[error("occurred_at: {at} is more than 24 hours ahead of the present, {now}; check the clock")]
    InFuture {
        /// The time given.
        at: TimestampMs,
        /// The present.
        now: TimestampMs,
    },
}

impl IntakeError {
    /// The field that is wrong.
    #[must_use]
    pub const fn field(&self) -> &'static str {
        match self {
            Self::Region { field, .. } => field,
            Self::BeforeProgramme(_) | Self::InFuture { .. } => "occurred_at",
        }
    }

    /// What is wrong with it, in both languages.
    #[must_use]
    pub fn words(&self) -> Words {
        let text = self.to_string();
        let english = text.split_once(": ").map_or(text.as_str(), |(_, detail)| detail);
        let indonesian = match self {
            Self::Region { code, .. } => {
                let hint = near(*code).map(|(name, first, last)| {
                    format!("; di {name} kodenya {first} sampai {last}")
                });
                format!("tidak ada kabupaten atau kota {code}{}", hint.unwrap_or_default())
            }
            Self::BeforeProgramme(at) => {
                format!("{at} sebelum program dimulai, yaitu 2022-01-01 (WIB)")
            }
            Self::InFuture { at, now } => {
                format!("{at} lebih dari 24 jam setelah saat ini, {now}; periksa jam perangkat")
            }
        };
        Words::new(english.to_owned(), indonesian)
    }
}

fn hint(code: &RegionCode) -> String {
    near(*code)
        .map(|(name, first, last)| format!("; those of {name} are {first} to {last}"))
        .unwrap_or_default()
}

/// What may have been meant: the province's name, and its first and last regency.
fn near(code: RegionCode) -> Option<(&'static str, RegionCode, RegionCode)> {
    let table = RegionTable::get();
    let name = table.name_of(code.province()).filter(|_| code != RegionCode::NATION)?;
    let regencies = table.regencies().map(|(_, region)| region.code);
    let mut within = regencies.filter(|regency| regency.is_within(code.province()));
    let first = within.next()?;
    Some((name, first, within.last().unwrap_or(first)))
}

/// A field's code as the regency or city that it must be.
///
/// # Errors
/// If there is none with this code.
pub fn region(field: &'static str, code: RegionCode) -> Result<RegionCode, IntakeError> {
    match RegionTable::get().regency(&code.to_string()) {
        Some(_) => Ok(code),
        None => Err(IntakeError::Region { field, code }),
    }
}

/// Whether an event may have occurred then.
///
/// # Errors
/// If it was before the programme, or is more than 24 hours ahead of `now`.
pub fn occurred_at(at: TimestampMs, now: TimestampMs) -> Result<(), IntakeError> {
    if at < PROGRAMME_BEGAN {
        return Err(IntakeError::BeforeProgramme(at));
    }
    if at.0 > now.0.saturating_add(MAX_AHEAD_MS) {
        return Err(IntakeError::InFuture { at, now });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_regencies_and_cities_that_exist() {
        let check = |code: &str| region("home_region", code.parse().unwrap());
        assert!(check("18.71").is_ok());
        let error = check("18.99").unwrap_err().to_string();
        assert!(error.contains("home_region") && error.contains("Lampung"), "{error}");
        assert!(check("18").is_err() && check("ID").is_err() && check("99.01").is_err());
    }

    #[test]
    fn only_times_of_the_programme_up_to_a_day_ahead() {
        let now = TimestampMs(1_700_000_000_000);
        assert!(occurred_at(PROGRAMME_BEGAN, now).is_ok());
        assert!(occurred_at(TimestampMs(now.0 + MAX_AHEAD_MS), now).is_ok());
        let before = occurred_at(TimestampMs(PROGRAMME_BEGAN.0 - 1), now).unwrap_err();
        assert!(before.to_string().contains("2022-01-01"), "{before}");
        let ahead = occurred_at(TimestampMs(now.0 + MAX_AHEAD_MS + 1), now).unwrap_err();
        assert!(matches!(ahead, IntakeError::InFuture { .. }));
    }
}
