//! Denominators and targets, dated and with their source.

use std::fmt;
use std::str::FromStr;
use std::sync::LazyLock;

use jiff::civil::Date;
use serde::{Deserialize, Serialize};
use thiserror::Error;

use crate::cursor::{Cursor, DecodeError, put_bytes};
use crate::datum::{Datum, fault, record};
use crate::decimal::{decimal_bytes, decimal_of};
use crate::id::ReferenceId;
use crate::known::{OwnSchema, REFERENCE_FIGURE, TopicValue, ValueReader};
use crate::nik::masked;
use crate::region::RegionCode;
use crate::symbols::symbols;
use crate::text::{self, Lines, TextError};

symbols! {
    /// What a reference figure is.
    ReferenceKind {
        /// A number of people that shares are taken of.
        Denominator = "denominator",
        /// A number of people, or a share of a basis, to be reached.
        Target = "target",
        Unknown = "unknown",
    }
}

symbols! {
    /// What a denominator counts, or what a target's percentage is of.
    Basis {
        /// People obliged to hold an identity card.
        WajibKtp = "wajib_ktp",
        /// People whose biometrics are recorded for the electronic card.
        RecordedKtp = "recorded_ktp",
        /// A target that is a number of people itself.
        Absolute = "absolute",
        Unknown = "unknown",
    }
}

/// A percentage with at most four decimal places, as `ikd.reference.v1` carries it: 0 to 99999.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Percent(u32);

/// A text that is not a percentage.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("'{0}' is not a percentage: a number from 0 to 99999 with at most four decimal places")]
pub struct PercentError(String);

impl Percent {
    const SCALE: usize = 4;

    /// 100 % in ten-thousandths of a percent.
    pub const WHOLE: u32 = 1_000_000;

    /// Ten-thousandths of a percent: 25 % is 250000.
    #[must_use]
    pub const fn ten_thousandths(self) -> u32 {
        self.0
    }

    /// From ten-thousandths of a percent, if in range.
    #[must_use]
    pub fn from_ten_thousandths(number: i64) -> Option<Self> {
        u32::try_from(number).ok().filter(|n| *n <= 999_990_000).map(Self)
    }
}

impl FromStr for Percent {
    type Err = PercentError;

    fn from_str(text: &str) -> Result<Self, PercentError> {
        let error = || PercentError(text.chars().take(30).collect());
        let (whole, places) = text.split_once('.').unwrap_or((text, ""));
        let digits = |t: &str| t.bytes().all(|b| b.is_ascii_digit());
        if whole.is_empty() || whole.len() > 5 || places.len() > Self::SCALE {
            return Err(error());
        }
        if !digits(whole) || !digits(places) || (text.contains('.') && places.is_empty()) {
            return Err(error());
        }
        let padded = format!("{whole}{places:0<4}");
        padded.parse().ok().and_then(Self::from_ten_thousandths).ok_or_else(error)
    }
}

impl fmt::Display for Percent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (whole, places) = (self.0 / 10_000, self.0 % 10_000);
        if places == 0 {
            return f.pad(&whole.to_string());
        }
        f.pad(format!("{whole}.{places:04}").trim_end_matches('0'))
    }
}

crate::serde_as_text!(Percent);

/// The longest text of a figure, in characters.
const MAX_TEXT: usize = 500;

/// A dated denominator or target of a region, with its source. A later record with the same
/// region, kind, basis and `valid_from` replaces the earlier; with neither value nor percent it
/// withdraws it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReferenceFigure {
    /// This record's own id.
    pub reference_id: ReferenceId,
    /// A regency, city, province, or the nation.
    pub region: RegionCode,
    /// Denominator or target.
    pub kind: ReferenceKind,
    /// What is counted, or what the percentage is of.
    pub basis: Basis,
    /// People: a denominator, or an absolute target.
    pub value: Option<u64>,
    /// A target that is a share of a basis.
    pub percent: Option<Percent>,
    /// The first day on which it applies.
    pub valid_from: Date,
    /// The last day on which it applies; `None` while no end is set.
    pub valid_to: Option<Date>,
    /// Where it comes from, as it should be quoted.
    pub source: String,
    /// Who entered it.
    pub issued_by: String,
}

/// A reference figure whose fields do not go together.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum ReferenceError {
    /// A denominator with a percentage, or of the basis `absolute`.
    #[error("a denominator is a number of people of the basis wajib_ktp or recorded_ktp")]
    Denominator,
    /// A target with both a value and a percentage, or with the one that its basis does not take.
    #[error(
        "a target is either a value (basis absolute) or a percentage of wajib_ktp or recorded_ktp"
    )]
    Target,
    /// A kind or a basis that this version does not have.
    #[error("kind must be denominator or target, basis one of wajib_ktp, recorded_ktp, absolute")]
    Unknown,
    /// `valid_to` before `valid_from`.
    #[error("valid_to {1} is before valid_from {0}")]
    Validity(Date, Date),
    /// An empty or an overlong text.
    #[error("{0} must have 1 to 500 characters")]
    Text(&'static str),
    /// A text that is not to be published.
    #[error("{0} {1}")]
    Unfit(&'static str, TextError),
    /// More people than can be.
    #[error("value {0} is above 1000000000")]
    TooMany(u64),
}

impl ReferenceFigure {
    /// Checks that the fields go together.
    ///
    /// # Errors
    /// Names the rule that they break.
    pub fn check(&self) -> Result<(), ReferenceError> {
        let absolute = self.basis == Basis::Absolute;
        match (self.kind, self.basis) {
            (ReferenceKind::Unknown, _) | (_, Basis::Unknown) => {
                return Err(ReferenceError::Unknown);
            }
            (ReferenceKind::Denominator, _) if absolute || self.percent.is_some() => {
                return Err(ReferenceError::Denominator);
            }
            (ReferenceKind::Target, _)
                if (absolute && self.percent.is_some()) || (!absolute && self.value.is_some()) =>
            {
                return Err(ReferenceError::Target);
            }
            _ => {}
        }
        if let Some(valid_to) = self.valid_to.filter(|to| *to < self.valid_from) {
            return Err(ReferenceError::Validity(self.valid_from, valid_to));
        }
        if let Some(value) = self.value.filter(|value| *value > 1_000_000_000) {
            return Err(ReferenceError::TooMany(value));
        }
        for (name, text) in [("source", &self.source), ("issued_by", &self.issued_by)] {
            if text.trim().is_empty() || text.chars().count() > MAX_TEXT {
                return Err(ReferenceError::Text(name));
            }
        }
        Ok(())
    }

    /// Checks that the fields go together, and that the texts may be published: they are quoted
    /// wherever a figure is shown, and stay on the topic for ever.
    ///
    /// # Errors
    /// Names the rule that they break.
    pub fn check_new(&self) -> Result<(), ReferenceError> {
        self.check()?;
        for (name, words) in [("source", &self.source), ("issued_by", &self.issued_by)] {
            text::check(words, MAX_TEXT, Lines::One)
                .map_err(|error| ReferenceError::Unfit(name, error))?;
        }
        Ok(())
    }
}

record!(ReferenceFigure {
    reference_id,
    region,
    kind,
    basis,
    value,
    percent,
    valid_from,
    valid_to,
    source: words,
    issued_by: words,
});

/// What an older program wrote is shown without what may be a NIK.
fn words(at: &mut Cursor<'_>, field: &'static str) -> Result<String, DecodeError> {
    Ok(masked(at.text(field)?).into_owned())
}

impl Datum for Percent {
    fn write(&self, out: &mut Vec<u8>) {
        put_bytes(out, &decimal_bytes(self.ten_thousandths().into()));
    }

    fn read(at: &mut Cursor<'_>, field: &'static str) -> Result<Self, DecodeError> {
        let number = decimal_of(at.bytes(field)?).and_then(Self::from_ten_thousandths);
        number.ok_or_else(|| fault(field, &"not from 0 to 99999"))
    }
}

impl TopicValue for ReferenceFigure {
    const OWN: &'static LazyLock<OwnSchema> = &REFERENCE_FIGURE;

    fn fits(&self) -> Result<(), DecodeError> {
        self.check().map_err(|error| DecodeError::Other(error.to_string()))
    }
}

/// Reads the values of the reference topic, in either framing.
pub type ReferenceReader = ValueReader<ReferenceFigure>;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cursor::put_long;
    use crate::datum::whole;
    use crate::time::days_of_date;

    #[test]
    fn no_nik_and_no_control_character_is_published() {
        let right = figure(ReferenceKind::Denominator, Basis::WajibKtp);
        let right = ReferenceFigure { value: Some(1), ..right };
        assert_eq!(right.check_new(), Ok(()));
        for (wrong, why) in [
            ("letter of 1871010101900001", TextError::Nik),
            ("a\u{1b}[2J", TextError::Control),
            ("a\nb", TextError::Control),
            ("a\u{202e}b", TextError::Control),
        ] {
            let source = ReferenceFigure { source: wrong.to_owned(), ..right.clone() };
            assert_eq!(source.check_new(), Err(ReferenceError::Unfit("source", why)));
            // What an older program published is read, without the NIK.
            assert_eq!(source.check(), Ok(()));
            let value = crate::codec::Encoder::reference(None).value(&source).unwrap();
            let read = ReferenceReader::new().unwrap().read(&value).unwrap();
            assert_eq!(read.source, wrong.replace("1871010101900001", "(16 digits)"));
            let issued_by = ReferenceFigure { issued_by: wrong.to_owned(), ..right.clone() };
            assert_eq!(issued_by.check_new(), Err(ReferenceError::Unfit("issued_by", why)));
        }
    }

    #[test]
    fn a_percentage_is_printed_as_it_was_written_without_idle_zeros() {
        let cases = [
            ("0", "0", 0),
            ("25", "25", 250_000),
            ("025", "25", 250_000),
            ("25.0", "25", 250_000),
            ("3.90", "3.9", 39_000),
            ("3.9025", "3.9025", 39_025),
            ("0.0001", "0.0001", 1),
            ("10.01", "10.01", 100_100),
            ("100", "100", 1_000_000),
            ("99999", "99999", 999_990_000),
        ];
        for (text, printed, number) in cases {
            let percent: Percent = text.parse().unwrap();
            assert_eq!(
                (percent.ten_thousandths(), percent.to_string().as_str()),
                (number, printed)
            );
            assert_eq!(printed.parse::<Percent>().unwrap(), percent);
            let mut bytes = Vec::new();
            percent.write(&mut bytes);
            assert_eq!(whole(&bytes), Ok(percent));
        }
        assert_eq!(format!("{:>7}|", "3.9".parse::<Percent>().unwrap()), "    3.9|");
    }

    #[test]
    fn what_is_not_a_percentage_is_refused() {
        let wrong = [
            "",
            ".",
            "1.",
            ".5",
            "-1",
            "+1",
            "1e2",
            "1,5",
            " 1",
            "1 ",
            "25%",
            "1.00001",
            "100000",
            "99999.0001",
            "1.2.3",
            "٢٥",
            "0x10",
        ];
        for text in wrong {
            assert!(text.parse::<Percent>().is_err(), "{text:?}");
        }
        for number in [-1, 999_990_001, i64::MAX, i64::MIN] {
            assert_eq!(Percent::from_ten_thousandths(number), None);
        }
    }

    #[test]
    fn a_percentage_is_read_from_a_number_of_any_length() {
        let read = |bytes: &[u8]| {
            let mut counted = Vec::new();
            put_bytes(&mut counted, bytes);
            whole(&counted).ok().map(Percent::ten_thousandths)
        };
        assert_eq!(read(&[0x03, 0xd0, 0x90]), Some(250_000));
        assert_eq!(read(&[0; 200]), Some(0));
        assert_eq!(read(&[&[0; 20][..], &[0x03, 0xd0, 0x90]].concat()), Some(250_000));
        // Nothing, -1 in one byte and in many, and what is too large for eight bytes.
        for wrong in [&[][..], &[0xff], &[0xff; 20], &[1, 0, 0, 0, 0, 0, 0, 0, 0], &[0x7f; 4]] {
            assert_eq!(read(wrong), None, "{wrong:?}");
        }
    }

    fn figure(kind: ReferenceKind, basis: Basis) -> ReferenceFigure {
        ReferenceFigure {
            reference_id: ReferenceId([7; 16]),
            region: RegionCode::NATION,
            kind,
            basis,
            value: None,
            percent: None,
            valid_from: jiff::civil::date(2024, 1, 1),
            valid_to: None,
            source: "a source".to_owned(),
            issued_by: "someone".to_owned(),
        }
    }

    #[test]
    fn kind_basis_value_and_percent_go_together() {
        use ReferenceKind::{Denominator, Target};
        let percent = "25".parse().ok();
        let with = |kind, basis, value, percent| {
            ReferenceFigure { value, percent, ..figure(kind, basis) }.check()
        };
        for basis in [Basis::WajibKtp, Basis::RecordedKtp] {
            assert_eq!(with(Denominator, basis, Some(1), None), Ok(()));
            assert_eq!(with(Denominator, basis, None, None), Ok(()), "a withdrawal");
            assert_eq!(with(Target, basis, None, percent), Ok(()));
            assert_eq!(with(Target, basis, None, None), Ok(()), "a withdrawal");
            let denominator = Err(ReferenceError::Denominator);
            assert_eq!(with(Denominator, basis, None, percent), denominator);
            assert_eq!(with(Denominator, basis, Some(1), percent), denominator);
            assert_eq!(with(Target, basis, Some(1), None), Err(ReferenceError::Target));
            assert_eq!(with(Target, basis, Some(1), percent), Err(ReferenceError::Target));
        }
        let denominator = Err(ReferenceError::Denominator);
        assert_eq!(with(Denominator, Basis::Absolute, Some(1), None), denominator);
        assert_eq!(with(Target, Basis::Absolute, Some(1), None), Ok(()));
        assert_eq!(with(Target, Basis::Absolute, None, None), Ok(()), "a withdrawal");
        assert_eq!(with(Target, Basis::Absolute, None, percent), Err(ReferenceError::Target));
        for (kind, basis) in
            [(ReferenceKind::Unknown, Basis::WajibKtp), (Denominator, Basis::Unknown)]
        {
            assert_eq!(with(kind, basis, None, None), Err(ReferenceError::Unknown));
        }
    }

    #[test]
    fn days_numbers_and_texts_have_limits() {
        let right = figure(ReferenceKind::Denominator, Basis::WajibKtp);
        let from = right.valid_from;
        let until =
            |valid_to| ReferenceFigure { valid_to: Some(valid_to), ..right.clone() }.check();
        assert_eq!(until(from), Ok(()), "one day");
        let before = from.yesterday().unwrap();
        assert_eq!(until(before), Err(ReferenceError::Validity(from, before)));

        let people = |value| ReferenceFigure { value: Some(value), ..right.clone() }.check();
        assert_eq!(people(1_000_000_000), Ok(()));
        assert_eq!(people(1_000_000_001), Err(ReferenceError::TooMany(1_000_000_001)));
        assert_eq!(people(u64::MAX), Err(ReferenceError::TooMany(u64::MAX)));

        for (text, fits) in [("é".repeat(500), true), ("é".repeat(501), false), (" ".into(), false)]
        {
            let source = ReferenceFigure { source: text.clone(), ..right.clone() }.check();
            assert_eq!(source.is_ok(), fits);
            let issued_by = ReferenceFigure { issued_by: text, ..right.clone() }.check();
            assert_eq!(
                issued_by,
                if fits { Ok(()) } else { Err(ReferenceError::Text("issued_by")) }
            );
        }
    }

    /// jiff's own setter panics on days beyond its calendar; bytes can hold any.
    #[test]
    fn days_beyond_the_calendar_are_refused() {
        let read = |days: i64| {
            let mut bytes = Vec::new();
            put_long(&mut bytes, days);
            whole::<Date>(&bytes)
        };
        assert_eq!(read(0), Ok(jiff::civil::date(1970, 1, 1)));
        assert_eq!(read(-1), Ok(jiff::civil::date(1969, 12, 31)));
        assert_eq!(read(days_of_date(Date::MAX).into()), Ok(Date::MAX));
        assert_eq!(read(days_of_date(Date::MIN).into()), Ok(Date::MIN));
        for wrong in [i32::MAX, i32::MIN, days_of_date(Date::MAX) + 1, days_of_date(Date::MIN) - 1]
        {
            assert!(read(wrong.into()).is_err(), "{wrong}");
        }
        assert!(read(i64::from(i32::MAX) + 1).is_err());
    }
}
