//! From a NIK to a pseudonym: the first 16 bytes of HMAC-SHA-256 over the NIK's 16 ASCII digits
//! under the programme's key.
//!
//! Key and NIK exist only in a kiosk agent's memory: neither can be printed, and both are wiped
//! when dropped. The key is for the programme's life: under another one everyone is somebody
//! else, and every citizen would count twice.

use std::fmt;
use std::str::FromStr;

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use thiserror::Error;
use zeroize::{Zeroize, ZeroizeOnDrop};

use crate::id::SubjectId;
use crate::nik::Nik;

/// A text that is not the programme's key. It never contains the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum KeyError {
    /// Not 32 bytes.
    #[error("the key must be 64 hexadecimal digits (32 bytes); surrounding white space is ignored")]
    NoKey,
    /// Nobody drew it by lot: zeros, an example, a pattern.
    #[error(
        "this is no secret key but a pattern that anybody would try first: make one with \
         `openssl rand -hex 32`, once for the whole programme"
    )]
    Guessable,
}

/// A text that is not a key's id.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[error("a key's id has 16 hexadecimal digits")]
pub struct KeyIdError;

/// Which key it is, without telling anything of it: the first 8 bytes of HMAC-SHA-256 over
/// `laju key id v1` and a zero byte under the key; 16 hexadecimal digits as text. No pseudonym and no
/// other digest is made of that text.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct KeyId([u8; 8]);

crate::datum::text!(KeyId);
crate::serde_as_text!(KeyId);

impl fmt::Display for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
    }
}

impl fmt::Debug for KeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "KeyId({self})")
    }
}

impl FromStr for KeyId {
    type Err = KeyIdError;

    fn from_str(text: &str) -> Result<Self, KeyIdError> {
        let mut bytes = [0; 8];
        hex::decode_to_slice(text, &mut bytes).map_err(|_| KeyIdError)?;
        Ok(Self(bytes))
    }
}

/// The programme's key. Wiped when dropped, never printed.
#[derive(Clone, Zeroize, ZeroizeOnDrop)]
pub struct ProgrammeKey([u8; 32]);

impl ProgrammeKey {
    /// Reads a key: 64 hexadecimal digits, surrounding white space ignored.
    ///
    /// # Errors
    /// If it is anything else, or a pattern that nobody drew by lot.
    pub fn parse(text: &str) -> Result<Self, KeyError> {
        let mut key = Self([0; 32]);
        hex::decode_to_slice(text.trim(), &mut key.0).map_err(|_| KeyError::NoKey)?;
        if is_guessable(&key.0) { Err(KeyError::Guessable) } else { Ok(key) }
    }

    /// Which key it is.
    #[must_use]
    pub fn id(&self) -> KeyId {
        let digest = self.digest("laju key id v1", b"");
        let mut id = [0; 8];
        id.copy_from_slice(&digest[..8]);
        KeyId(id)
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

/// Whether bytes are such as people make up and chance does not: few different ones (of 32 drawn
/// by lot 30 differ, and fewer than 16 never happens), halves that are the same, hexadecimal of
/// text, or steps of one size. Of a weak key whose digest looks random nothing can be told.
fn is_guessable(key: &[u8; 32]) -> bool {
    let mut sorted = *key;
    sorted.sort_unstable();
    let different = 1 + sorted.windows(2).filter(|pair| pair[0] != pair[1]).count();
    sorted.zeroize();
    let step = |pair: &[u8]| pair[1].wrapping_sub(pair[0]);
    different < 16
        || key[..16] == key[16..]
        || key.iter().all(|byte| byte.is_ascii_graphic() || *byte == b' ')
        || key.windows(2).all(|pair| step(pair) == step(key))
}

impl fmt::Debug for ProgrammeKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ProgrammeKey(…)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::nik::NikError;

    const KEY: &str = "6f1d09c7a25be843f09a7731d54ce682be1370fa4598d21ec36b0d84e7295fa1";

    /// Golden: `printf 1871010101900001 | openssl dgst -sha256 -mac HMAC -macopt hexkey:…` with
    /// the bytes 0 to 31, and with `KEY`; of its id `printf 'laju key id v1\0'`.
    #[test]
    fn golden_pseudonym_and_key_id() {
        let nik = Nik::parse("1871010101900001").unwrap();
        let counted = ProgrammeKey(std::array::from_fn(|place| place as u8));
        assert_eq!(hex::encode(counted.pseudonym(&nik).0), "2f528ebff2bc040f12215c537c223bf4");
        let key = ProgrammeKey::parse(&format!("  {KEY}\n")).unwrap();
        assert_eq!(hex::encode(key.pseudonym(&nik).0), "4759249d8750218054ea4a3f82aeda52");
        assert_eq!(key.id().to_string(), "07c598c15884ead6");
        assert_eq!("07c598c15884ead6".parse(), Ok(key.id()));
        assert!("07c598c15884ead600".parse::<KeyId>().is_err() && "".parse::<KeyId>().is_err());
        assert_ne!(key.id(), counted.id());
        assert!(!KEY.contains(&key.id().to_string()));
    }

    #[test]
    fn a_key_that_nobody_drew_by_lot_is_refused() {
        let counted: String = (0..32).map(|byte| format!("{byte:02x}")).collect();
        let downwards: String = (0..32).rev().map(|byte| format!("{byte:02x}")).collect();
        let text: String = b"the key of the civil registry 24".map(|b| format!("{b:02x}")).concat();
        for wrong in [
            &"0".repeat(64),
            &"f".repeat(64),
            &"0f".repeat(32),
            &"deadbeef".repeat(8),
            &"0123456789abcdef".repeat(4),
            &"00112233445566778899aabbccddeeff".repeat(2),
            &KEY[..32].repeat(2),
            &counted,
            &downwards,
            &text,
        ] {
            let refused = ProgrammeKey::parse(wrong).map(drop);
            assert_eq!(refused, Err(KeyError::Guessable), "{wrong}");
        }
        assert!(!KeyError::Guessable.to_string().contains("0f0f"));
    }

    #[test]
    fn a_digest_is_of_its_purpose_and_text_and_never_a_pseudonym() {
        let key = ProgrammeKey::parse(KEY).unwrap();
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
            assert_eq!(ProgrammeKey::parse(wrong).map(drop), Err(KeyError::NoKey));
        }
    }
}
