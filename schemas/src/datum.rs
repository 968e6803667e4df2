//! Avro data, written and read by the type of a field: what the records of the topics beside the
//! events are made of. Reading never trusts the bytes: see [`crate::cursor`].

use std::fmt::Display;

use jiff::civil::Date;

use crate::cursor::{Cursor, DecodeError, put_long};
use crate::time::{TimestampMs, date_from_days, days_of_date};

/// A type that has one form in Avro.
pub trait Datum: Sized {
    /// Appends it.
    fn write(&self, out: &mut Vec<u8>);

    /// Reads the field of this name.
    ///
    /// # Errors
    /// Names the field if it is not there or holds what it cannot.
    fn read(at: &mut Cursor<'_>, field: &'static str) -> Result<Self, DecodeError>;
}

/// A value of a topic, which is all of the bytes.
pub(crate) fn whole<T: Datum>(payload: &[u8]) -> Result<T, DecodeError> {
    let mut at = Cursor::new(payload);
    let value = T::read(&mut at, "value")?;
    at.end()?;
    Ok(value)
}

/// A field whose bytes decode, but hold what it cannot.
pub(crate) fn fault(field: &str, why: &dyn Display) -> DecodeError {
    DecodeError::Other(format!("{field}: {why}"))
}

/// A record whose fields have these names, in the schema's order. Behind a colon stands what reads a
/// field that does not take every value of its type.
macro_rules! record {
    ($name:ident { $($fields:tt)+ }) => { record! { $name in "" { $($fields)+ } } };
    ($name:ident in $path:literal { $($field:ident $(: $read:expr)?),+ $(,)? }) => {
        impl $crate::datum::Datum for $name {
            fn write(&self, out: &mut Vec<u8>) {
                $($crate::datum::Datum::write(&self.$field, out);)+
            }

            fn read(
                at: &mut $crate::cursor::Cursor<'_>,
                _field: &'static str,
            ) -> Result<Self, $crate::cursor::DecodeError> {
                Ok(Self { $($field: record!(@read at, concat!($path, stringify!($field)) $(, $read)?),)+ })
            }
        }
    };
    (@read $at:ident, $field:expr) => { $crate::datum::Datum::read($at, $field)? };
    (@read $at:ident, $field:expr, $read:expr) => { $read($at, $field)? };
}

pub(crate) use record;

/// A type that is a text in Avro, as it is elsewhere.
macro_rules! text {
    ($name:ty) => {
        impl $crate::datum::Datum for $name {
            fn write(&self, out: &mut Vec<u8>) {
                $crate::cursor::put_bytes(out, self.to_string().as_bytes());
            }

            fn read(
                at: &mut $crate::cursor::Cursor<'_>,
                field: &'static str,
            ) -> Result<Self, $crate::cursor::DecodeError> {
                at.text(field)?.parse().map_err(|why| $crate::datum::fault(field, &why))
            }
        }
    };
}

pub(crate) use text;

/// A type that is in Avro what is in it.
macro_rules! newtype {
    ($name:ty) => {
        impl $crate::datum::Datum for $name {
            fn write(&self, out: &mut Vec<u8>) {
                $crate::datum::Datum::write(&self.0, out);
            }

            fn read(
                at: &mut $crate::cursor::Cursor<'_>,
                field: &'static str,
            ) -> Result<Self, $crate::cursor::DecodeError> {
                $crate::datum::Datum::read(at, field).map(Self)
            }
        }
    };
}

pub(crate) use newtype;

text!(String);

impl Datum for bool {
    fn write(&self, out: &mut Vec<u8>) {
        out.push(u8::from(*self));
    }

    fn read(at: &mut Cursor<'_>, field: &'static str) -> Result<Self, DecodeError> {
        at.boolean(field)
    }
}

impl Datum for i64 {
    fn write(&self, out: &mut Vec<u8>) {
        put_long(out, *self);
    }

    fn read(at: &mut Cursor<'_>, field: &'static str) -> Result<Self, DecodeError> {
        at.long(field)
    }
}

/// An int that is not negative.
impl Datum for u32 {
    fn write(&self, out: &mut Vec<u8>) {
        put_long(out, (*self).into());
    }

    fn read(at: &mut Cursor<'_>, field: &'static str) -> Result<Self, DecodeError> {
        not_negative(at.int(field)?.into(), field)
    }
}

/// A long that is not negative.
impl Datum for u64 {
    fn write(&self, out: &mut Vec<u8>) {
        put_long(out, i64::try_from(*self).unwrap_or(i64::MAX));
    }

    fn read(at: &mut Cursor<'_>, field: &'static str) -> Result<Self, DecodeError> {
        not_negative(at.long(field)?, field)
    }
}

fn not_negative<T: TryFrom<i64>>(number: i64, field: &str) -> Result<T, DecodeError> {
    T::try_from(number).map_err(|_| fault(field, &format!("{number} is below 0")))
}

/// An offset, which is not negative.
pub(crate) fn offset(at: &mut Cursor<'_>, field: &'static str) -> Result<i64, DecodeError> {
    let number: u64 = Datum::read(at, field)?;
    Ok(number.cast_signed())
}

newtype!(TimestampMs);

impl Datum for Date {
    fn write(&self, out: &mut Vec<u8>) {
        put_long(out, days_of_date(*self).into());
    }

    fn read(at: &mut Cursor<'_>, field: &'static str) -> Result<Self, DecodeError> {
        let days = at.int(field)?;
        date_from_days(days)
            .ok_or_else(|| fault(field, &format!("{days} days from 1970 is no date")))
    }
}

impl<const N: usize> Datum for [u8; N] {
    fn write(&self, out: &mut Vec<u8>) {
        out.extend_from_slice(self);
    }

    fn read(at: &mut Cursor<'_>, field: &'static str) -> Result<Self, DecodeError> {
        at.fixed(field)
    }
}

/// A union of null and the type.
impl<T: Datum> Datum for Option<T> {
    fn write(&self, out: &mut Vec<u8>) {
        put_long(out, self.is_some().into());
        if let Some(value) = self {
            value.write(out);
        }
    }

    fn read(at: &mut Cursor<'_>, field: &'static str) -> Result<Self, DecodeError> {
        at.nullable(field, |at| T::read(at, field))
    }
}

impl<T: Datum> Datum for Vec<T> {
    fn write(&self, out: &mut Vec<u8>) {
        if !self.is_empty() {
            put_long(out, self.len() as i64);
            self.iter().for_each(|item| item.write(out));
        }
        put_long(out, 0);
    }

    fn read(at: &mut Cursor<'_>, field: &'static str) -> Result<Self, DecodeError> {
        at.array(field, |at| T::read(at, field))
    }
}
