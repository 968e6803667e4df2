//! Identities: each parsed once, and from then on known to be well formed.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use thiserror::Error;

use crate::nik::holds_nik;

/// Why a text is not an identity.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum IdError {
    /// Empty, or more than [`KioskId::MAX_BYTES`] bytes.
    #[error("must have 1 to 64 bytes, but has {0}")]
    Length(usize),
    /// A character that no id has.
    #[error("must have letters a to z and A to Z, digits, '.', '_' and '-' only")]
    Alphabet,
    /// Digits that may be a citizen's number.
    #[error("holds digits like a NIK's: a citizen's number must not leave the kiosk")]
    Nik,
    /// Not a UUID.
    #[error("'{0}' is not a UUID")]
    NotAUuid(String),
    /// Below 1 or above 4294967295.
    #[error("must be a whole number from 1 to 4294967295, but is {0}")]
    Sequence(i64),
}

macro_rules! sixteen_bytes {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; 16]);

        crate::datum::newtype!($name);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                uuid::Uuid::from_bytes(self.0).hyphenated().fmt(f)
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, concat!(stringify!($name), "({})"), self)
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                uuid::Uuid::parse_str(text)
                    .map(|id| Self(id.into_bytes()))
                    .map_err(|_| IdError::NotAUuid(text.chars().take(80).collect()))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                if serializer.is_human_readable() {
                    serializer.collect_str(self)
                } else {
                    apache_avro::serde::fixed::serialize(&self.0, serializer)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                if deserializer.is_human_readable() {
                    String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
                } else {
                    apache_avro::serde::fixed::deserialize(deserializer).map(Self)
                }
            }
        }
    };
}

sixteen_bytes! {
    /// An event's id: a UUID; 16 bytes on the wire, hyphenated hex in text and JSON.
    EventId
}
sixteen_bytes! {
    /// A citizen's pseudonym: see [`crate::pseudonym`].
    SubjectId
}
sixteen_bytes! {
    /// The id of one record on `ikd.reference.v1`.
    ReferenceId
}
sixteen_bytes! {
    /// The id of a figure once quoted: see [`FigureId::of`].
    FigureId
}
sixteen_bytes! {
    /// The id of a decision about a quarantined record: a UUID of version 7.
    DecisionId
}
sixteen_bytes! {
    /// The id of the record that says that a log is a copy of another: a UUID of version 7.
    CopyId
}

/// How many digits an id may have before it is looked at whether they may be a NIK: it takes as
/// many, and most ids have fewer.
const FEW_DIGITS: u32 = 13;

fn check_short(text: &str, most: usize) -> Result<(), IdError> {
    if text.is_empty() || text.len() > most {
        return Err(IdError::Length(text.len()));
    }
    // Asked of all bytes at once: this is asked of every event.
    let (plain, digits) = text.bytes().fold((true, 0_u32), |(plain, digits), byte| {
        let is_plain = byte.is_ascii_alphanumeric() | matches!(byte, b'.' | b'_' | b'-');
        let counts = byte.is_ascii_digit() | matches!(byte, b'O' | b'o' | b'I' | b'l');
        (plain & is_plain, digits + u32::from(counts))
    });
    if !plain {
        return Err(IdError::Alphabet);
    }
    if digits > FEW_DIGITS && holds_nik(text) { Err(IdError::Nik) } else { Ok(()) }
}

macro_rules! short_text {
    ($(#[$meta:meta])* $name:ident) => {
        $(#[$meta])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
        #[serde(transparent)]
        pub struct $name(Box<str>);

        crate::datum::text!($name);

        impl $name {
            /// The longest that is accepted, in bytes.
            pub const MAX_BYTES: usize = 64;

            /// Whether the text has the right shape: 1 to 64 ASCII letters, digits, `.`, `_` and
            /// `-`, and nothing that may be a NIK ([`crate::nik`]).
            ///
            /// # Errors
            /// Says which of it is wrong.
            pub fn check(text: &str) -> Result<(), IdError> {
                check_short(text, Self::MAX_BYTES)
            }

            /// The text itself.
            #[must_use]
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl FromStr for $name {
            type Err = IdError;

            fn from_str(text: &str) -> Result<Self, IdError> {
                Self::check(text).map(|()| Self(text.into()))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.pad(&self.0)
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                String::deserialize(deserializer)?.parse().map_err(de::Error::custom)
            }
        }
    };
}

short_text! {
    /// A kiosk: the device that emits events, 1 to 64 ASCII letters, digits, `.`, `_` and `-`.
    KioskId
}
short_text! {
    /// One outreach visit: a place, a day, the kiosks that took part; shaped like a kiosk's id.
    OutreachId
}

/// A kiosk's own count of its events: 1, 2, 3, … up to 2³²−1.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sequence(NonZeroU32);

impl Sequence {
    /// The number itself.
    #[must_use]
    pub const fn get(self) -> u32 {
        self.0.get()
    }
}

impl TryFrom<i64> for Sequence {
    type Error = IdError;

    fn try_from(number: i64) -> Result<Self, IdError> {
        u32::try_from(number)
            .ok()
            .and_then(NonZeroU32::new)
            .map(Self)
            .ok_or(IdError::Sequence(number))
    }
}

impl FromStr for Sequence {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number: i64 = text.parse().map_err(|_| format!("'{text}' is not a whole number"))?;
        Self::try_from(number).map_err(|e| e.to_string())
    }
}

impl fmt::Display for Sequence {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Serialize for Sequence {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_i64(i64::from(self.get()))
    }
}

impl<'de> Deserialize<'de> for Sequence {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        i64::deserialize(deserializer)?.try_into().map_err(de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_1_to_64_letters_digits_dots_underscores_and_hyphens() {
        for right in ["a", "kiosk-1", &"k".repeat(64), "A_b.c-9", "18.71-2026-05-03-0001", "-"] {
            let id: KioskId = right.parse().unwrap();
            assert_eq!((id.as_str(), id.to_string().as_str()), (right, right));
            let json = serde_json::to_string(&id).unwrap();
            assert_eq!(serde_json::from_str::<KioskId>(&json).unwrap(), id);
        }
        assert_eq!("".parse::<KioskId>(), Err(IdError::Length(0)));
        assert_eq!("k".repeat(65).parse::<KioskId>(), Err(IdError::Length(65)));
        for wrong in
            ["\n", "a\0b", "a\x7f", "é", "学校", "kiosk 1", "a/b", "a:b", "a\u{200b}b", "１"]
        {
            assert_eq!(wrong.parse::<KioskId>(), Err(IdError::Alphabet), "{wrong:?}");
            assert!(serde_json::from_value::<OutreachId>(wrong.into()).is_err());
        }
        for wrong in
            ["1871010101900001", "1871010x101900001", "sd-1871.0101.0190.0001", "18710101019000"]
        {
            assert_eq!(wrong.parse::<OutreachId>(), Err(IdError::Nik), "{wrong:?}");
            assert_eq!(wrong.parse::<KioskId>(), Err(IdError::Nik), "{wrong:?}");
        }
    }

    #[test]
    fn a_sequence_is_from_1_to_4294967295() {
        for right in [1, 2, 4_294_967_295_i64] {
            let sequence = Sequence::try_from(right).unwrap();
            assert_eq!(i64::from(sequence.get()), right);
            assert_eq!(sequence.to_string().parse(), Ok(sequence));
            assert_eq!(serde_json::to_string(&sequence).unwrap(), right.to_string());
        }
        for wrong in [0, -1, 4_294_967_296, i64::MAX, i64::MIN] {
            assert_eq!(Sequence::try_from(wrong), Err(IdError::Sequence(wrong)));
            assert!(wrong.to_string().parse::<Sequence>().is_err());
            assert!(serde_json::from_str::<Sequence>(&wrong.to_string()).is_err());
        }
        assert!("1.5".parse::<Sequence>().is_err());
    }

    #[test]
    fn sixteen_bytes_are_text_as_a_uuid() {
        let text = "018d4a6e-5c00-7000-8000-000000000001";
        let id: EventId = text.parse().unwrap();
        assert_eq!(id.to_string(), text);
        assert_eq!(serde_json::to_string(&id).unwrap(), format!("\"{text}\""));
        assert_eq!("018d4a6e".parse::<EventId>(), Err(IdError::NotAUuid("018d4a6e".to_owned())));
    }
}
