//! What stands before the Avro bytes of a value and names their schema.
//!
//! Confluent framing: byte 0 and the registry's schema id (4 bytes, big endian); used when a
//! registry is configured. Avro single-object encoding: `C3 01` and the schema's 64-bit Rabin
//! fingerprint (8 bytes, little endian); used without one. A reader takes both.

/// How a value is framed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Framing {
    /// Single-object encoding, with the schema's fingerprint.
    SingleObject(u64),
    /// Confluent framing, with the registry's schema id.
    Confluent(u32),
}

impl Framing {
    /// Splits a value into its framing and the Avro bytes behind it; `None` if it has neither
    /// of the two framings.
    #[must_use]
    #[inline]
    pub fn split(value: &[u8]) -> Option<(Self, &[u8])> {
        match value {
            [0xC3, 0x01, rest @ ..] => {
                let (fingerprint, payload) = rest.split_first_chunk::<8>()?;
                Some((Self::SingleObject(u64::from_le_bytes(*fingerprint)), payload))
            }
            [0x00, rest @ ..] => {
                let (id, payload) = rest.split_first_chunk::<4>()?;
                Some((Self::Confluent(u32::from_be_bytes(*id)), payload))
            }
            _ => None,
        }
    }

    /// Appends the header to `out`.
    pub fn write(self, out: &mut Vec<u8>) {
        match self {
            Self::SingleObject(fingerprint) => {
                out.extend_from_slice(&[0xC3, 0x01]);
                out.extend_from_slice(&fingerprint.to_le_bytes());
            }
            Self::Confluent(id) => {
                out.push(0);
                out.extend_from_slice(&id.to_be_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_split_again() {
        for framing in
            [Framing::Confluent(0), Framing::Confluent(u32::MAX), Framing::SingleObject(1)]
        {
            for payload in [&b""[..], b"\x00", b"\xC3\x01payload"] {
                let mut value = Vec::new();
                framing.write(&mut value);
                value.extend_from_slice(payload);
                assert_eq!(Framing::split(&value), Some((framing, payload)));
            }
        }
    }

    #[test]
    fn the_order_of_the_bytes_is_that_of_each_framing() {
        let mut value = Vec::new();
        Framing::Confluent(7).write(&mut value);
        assert_eq!(value, [0, 0, 0, 0, 7]);
        value.clear();
        Framing::SingleObject(0x0102_0304_0506_0708).write(&mut value);
        assert_eq!(value, [0xC3, 0x01, 8, 7, 6, 5, 4, 3, 2, 1]);
    }

    #[test]
    fn input_shorter_than_its_header_has_no_framing() {
        let single_object = [0xC3, 0x01, 1, 2, 3, 4, 5, 6, 7, 8];
        for length in 0..single_object.len() {
            assert_eq!(Framing::split(&single_object[..length]), None, "{length}");
        }
        let confluent = [0, 0, 0, 0, 7];
        for length in 0..confluent.len() {
            assert_eq!(Framing::split(&confluent[..length]), None, "{length}");
        }
        assert_eq!(Framing::split(b"{}, at some length"), None);
        assert_eq!(Framing::split(&[0xC3, 0x02, 1, 2, 3, 4, 5, 6, 7, 8]), None);
    }
}
