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
