//! From a NIK to a pseudonym: the first 16 bytes of HMAC-SHA-256 over the NIK's 16 ASCII digits
//! under the programme's key.
//!
//! Key and NIK exist only in a kiosk agent's memory: neither can be printed, and both are wiped
//! when dropped. The key is for the programme's life: under another one everyone is somebody
//! else, and every citizen would count twice.

use std::fmt;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::id::SubjectId;

/// A text that is not a NIK. It never contains the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a NIK has 16 digits")]
pub struct NikError;

/// A text that is not the programme's key. It never contains the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("the key must be 64 hexadecimal digits (32 bytes); surrounding white space is ignored")]
pub struct KeyError;

/// A citizen's number, 16 digits. Wiped when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct Nik([u8; 16]);

impl Nik {
    /// Reads a NIK: exactly 16 ASCII digits.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn parse(text: &str) -> Result<Self, NikError> {
        let digits: [u8; 16] = text.as_bytes().try_into().map_err(|_| NikError)?;
        if digits.iter().all(u8::is_ascii_digit) { Ok(Self(digits)) } else { Err(NikError) }
    }
}

impl fmt::Debug for Nik {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Nik(…)")
    }
}

/// The programme's key. Wiped when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ProgrammeKey([u8; 32]);

impl ProgrammeKey {
    /// Reads a key: 64 hexadecimal digits, surrounding white space ignored.
    ///
    /// # Errors
    /// If it is anything else.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut key = [0; 32];
        hex::decode_to_slice(text.trim(), &mut key).map_err(|_| KeyError)?;
        Ok(Self(key))
    }

    /// The pseudonym of a citizen under this key.
    #[must_use]
    pub fn pseudonym(&self, nik: &Nik) -> SubjectId {
        SubjectId(self.sixteen_bytes(&[&nik.0]))
    }

    /// What stands for a text where the text itself must not be kept, because nobody knows what
    /// a client has put into it: the first 16 bytes of HMAC-SHA-256 over the purpose, a zero byte
    /// and the text. Of another purpose the same text has another digest, and none is a
    /// pseudonym.
    #[must_use]
    pub fn digest(&self, purpose: &str, text: &[u8]) -> [u8; 16] {
        self.sixteen_bytes(&[purpose.as_bytes(), &[0], text])
    }

    fn sixteen_bytes(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut mac =
            Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes a key of any length");
        parts.iter().for_each(|part| mac.update(part));
        let digest = mac.finalize().into_bytes();
        let mut bytes = [0; 16];
        bytes.copy_from_slice(&digest[..16]);
        bytes
    }
}

impl fmt::Debug for ProgrammeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProgrammeKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Golden: `printf 1871010101900001 | openssl dgst -sha256 -mac HMAC -macopt hexkey:0001…1f`.
    #[test]
    fn golden_pseudonym() {
        let key: String = (0..32).map(|b| format!("{b:02x}")).collect();
        let key = ProgrammeKey::parse(&format!("  {key}\n")).unwrap();
        let subject = key.pseudonym(&Nik::parse("1871010101900001").unwrap());
        assert_eq!(hex::encode(subject.0), "2f528ebff2bc040f12215c537c223bf4");
    }

    #[test]
    fn a_digest_is_of_its_purpose_and_text_and_never_a_pseudonym() {
        let key = ProgrammeKey::parse(&"0f".repeat(32)).unwrap();
        let digest = key.digest("key", b"1871010101900001");
        assert_eq!(digest, key.digest("key", b"1871010101900001"));
        assert_ne!(digest, key.digest("content", b"1871010101900001"));
        assert_ne!(digest, key.digest("key", b"1871010101900002"));
        assert_ne!(digest, key.digest("ke", b"y\x001871010101900001"));
        assert_ne!(digest, key.pseudonym(&Nik::parse("1871010101900001").unwrap()).0);
    }

    #[test]
    fn neither_key_nor_nik_can_be_printed_or_mistaken() {
        assert_eq!(format!("{:?}", Nik::parse("1871010101900001").unwrap()), "Nik(…)");
        assert!(!NikError.to_string().contains("187101"));
        for wrong in ["", "187101010190000", "18710101019000012", "187101010190000x", "१२३४५६"]
        {
            assert!(Nik::parse(wrong).is_err());
        }
        for wrong in ["", "00", &"g".repeat(64), &"0".repeat(66)] {
            assert!(ProgrammeKey::parse(wrong).is_err());
        }
    }
}
