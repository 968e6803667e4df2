//! Avro's binary encoding, read from front to back out of borrowed bytes.
//!
//! It knows numbers, lengths, texts and choices, and no schema. Whatever the bytes say, it
//! allocates nothing and reads no further than they go.

use thiserror::Error;

/// Why bytes are not what they should be.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum DecodeError {
    /// The value has no bytes at all.
    #[error("the value is empty")]
    Empty,
    /// The bytes end inside a field.
    #[error("{0}: the bytes end in the middle of it")]
    Truncated(&'static str),
    /// A number of more than ten bytes, or one beyond its type.
    #[error("{0}: not a number that Avro can have written")]
    Number(&'static str),
    /// A length that is negative or more than the bytes that are left.
    #[error("{0}: its length cannot be")]
    Length(&'static str),
    /// Text that is not UTF-8.
    #[error("{0}: not UTF-8")]
    Utf8(&'static str),
    /// A union branch, enum symbol or boolean that the schema does not have.
    #[error("{0}: no such branch, symbol or boolean")]
    Choice(&'static str),
    /// Bytes behind the event.
    #[error("{0} bytes are left behind the event")]
    Rest(usize),
    /// What is wrong with a value written with another schema, or with what a value holds.
    #[error("{0}")]
    Other(String),
}

/// What is not read yet.
pub struct Cursor<'a>(&'a [u8]);

impl<'a> Cursor<'a> {
    #[inline]
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The bytes that are not read yet.
    #[inline]
    pub(crate) fn rest(&self) -> &'a [u8] {
        self.0
    }

    /// That every byte was read.
    #[inline]
    pub(crate) fn end(&self) -> Result<(), DecodeError> {
        if self.0.is_empty() { Ok(()) } else { Err(DecodeError::Rest(self.0.len())) }
    }

    #[inline]
    pub(crate) fn long(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        // Most numbers are lengths, branches and symbols, of one byte.
        if let [byte @ 0..0x80, rest @ ..] = self.0 {
            self.0 = rest;
            let number = i64::from(*byte);
            return Ok(number >> 1 ^ -(number & 1));
        }
        self.long_of_many(field)
    }

    fn long_of_many(&mut self, field: &'static str) -> Result<i64, DecodeError> {
        let mut number = 0_u64;
        let mut shift = 0;
        for (place, &byte) in self.0.iter().enumerate().take(10) {
            number |= u64::from(byte & 0x7f).wrapping_shl(shift);
            if byte < 0x80 {
                self.0 = &self.0[place + 1..];
                return Ok((number >> 1) as i64 ^ -((number & 1) as i64));
            }
            shift += 7;
        }
        if self.0.len() < 10 {
            Err(DecodeError::Truncated(field))
        } else {
            Err(DecodeError::Number(field))
        }
    }

    pub(crate) fn int(&mut self, field: &'static str) -> Result<i32, DecodeError> {
        i32::try_from(self.long(field)?).map_err(|_| DecodeError::Number(field))
    }

    #[inline]
    pub(crate) fn index(&mut self, field: &'static str) -> Result<usize, DecodeError> {
        usize::try_from(self.long(field)?).map_err(|_| DecodeError::Choice(field))
    }

    #[inline]
    pub(crate) fn fixed<const N: usize>(
        &mut self,
        field: &'static str,
    ) -> Result<[u8; N], DecodeError> {
        let (bytes, rest) = self.0.split_first_chunk().ok_or(DecodeError::Truncated(field))?;
        self.0 = rest;
        Ok(*bytes)
    }

    #[inline]
    pub(crate) fn take(
        &mut self,
        length: usize,
        field: &'static str,
    ) -> Result<&'a [u8], DecodeError> {
        let (bytes, rest) = self.0.split_at_checked(length).ok_or(DecodeError::Length(field))?;
        self.0 = rest;
        Ok(bytes)
    }

    #[inline]
    pub(crate) fn bytes(&mut self, field: &'static str) -> Result<&'a [u8], DecodeError> {
        let length = usize::try_from(self.long(field)?).map_err(|_| DecodeError::Length(field))?;
        self.take(length, field)
    }

    #[inline]
    pub(crate) fn text(&mut self, field: &'static str) -> Result<&'a str, DecodeError> {
        std::str::from_utf8(self.bytes(field)?).map_err(|_| DecodeError::Utf8(field))
    }

    #[inline]
    pub(crate) fn boolean(&mut self, field: &'static str) -> Result<bool, DecodeError> {
        match self.fixed::<1>(field)? {
            [0] => Ok(false),
            [1] => Ok(true),
            _ => Err(DecodeError::Choice(field)),
        }
    }

    #[inline]
    pub(crate) fn nullable<T>(
        &mut self,
        field: &'static str,
        read: impl FnOnce(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Option<T>, DecodeError> {
        match self.index(field)? {
            0 => Ok(None),
            1 => read(self).map(Some),
            _ => Err(DecodeError::Choice(field)),
        }
    }

    /// The items of an array, each of which has at least a byte.
    pub(crate) fn array<T>(
        &mut self,
        field: &'static str,
        mut item: impl FnMut(&mut Self) -> Result<T, DecodeError>,
    ) -> Result<Vec<T>, DecodeError> {
        let mut items = Vec::new();
        loop {
            let count = self.long(field)?;
            if count == 0 {
                return Ok(items);
            }
            if count < 0 {
                // The block's size in bytes follows, for those who pass it over.
                self.long(field)?;
            }
            for _ in 0..count.unsigned_abs() {
                items.push(item(self)?);
            }
        }
    }
}

/// Appends a number, as Avro writes an int, a long, a length, a branch or a symbol.
pub(crate) fn put_long(out: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    while rest > 0x7f {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Appends bytes or a text, with their length.
pub(crate) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}
