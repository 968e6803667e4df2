//! Text from outside: files that people save with whatever they have, and bodies of requests.
//!
//! Everything is UTF-8. A byte order mark before it, as Windows' editors write it, is passed over;
//! UTF-16, with its mark or without, is named as that, and so is the first byte that is not UTF-8.

use std::io::{Error, ErrorKind, Result as IoResult};
use std::path::Path;

use thiserror::Error;

use crate::problem::Words;

/// UTF-8's byte order mark.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// Why bytes are not the text they should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TextError {
    #[error(
        "it is UTF-16, which Windows calls Unicode: save it as UTF-8 (in PowerShell 5: \
         `-Encoding utf8`)"
    )]
    Utf16,
    #[error("its byte {0} is not UTF-8: save it as UTF-8, not as ANSI or Windows-1252")]
    NotUtf8(usize),
}

impl TextError {
    /// Why, in both languages.
    #[must_use]
    pub fn words(&self) -> Words {
        let indonesian = match self {
            Self::Utf16 => {
                "isinya UTF-16, yang disebut Unicode oleh Windows: simpan sebagai UTF-8".to_owned()
            }
            Self::NotUtf8(byte) => format!(
                "bita ke-{byte} bukan UTF-8: simpan sebagai UTF-8, bukan ANSI atau Windows-1252"
            ),
        };
        Words::new(self.to_string(), indonesian)
    }
}

/// What stands behind a byte order mark, if there is one; UTF-16 is recognised. The rest may be no
/// UTF-8 all the same: this is for what is read piece by piece, and looks at the beginning alone.
///
/// # Errors
/// [`TextError::Utf16`].
pub fn begin(bytes: &[u8]) -> Result<&[u8], TextError> {
    match *bytes {
        [0xFF, 0xFE, ..] | [0xFE, 0xFF, ..] => Err(TextError::Utf16),
        // No text has a NUL in it, and one of digits and brackets has one in every second byte.
        [0, other, ..] if other != 0 => Err(TextError::Utf16),
        [one, 0] | [one, 0, _, 0, ..] if one != 0 => Err(TextError::Utf16),
        _ => Ok(bytes.strip_prefix(MARK).unwrap_or(bytes)),
    }
}

/// The text that bytes are, without a byte order mark.
///
/// # Errors
/// If it is UTF-16, or which byte is not UTF-8, counted from 1.
pub fn decode(bytes: &[u8]) -> Result<&str, TextError> {
    let text = begin(bytes)?;
    let before = bytes.len() - text.len();
    std::str::from_utf8(text).map_err(|error| TextError::NotUtf8(before + error.valid_up_to() + 1))
}

/// Reads a text file, as [`std::fs::read_to_string`] does, without a byte order mark.
///
/// # Errors
/// If it cannot be read, or of kind [`ErrorKind::InvalidData`] with a [`TextError`] in it.
pub fn read(path: &Path) -> IoResult<String> {
    let bytes = std::fs::read(path)?;
    decode(&bytes).map(str::to_owned).map_err(invalid)
}

/// The error as a file's.
pub(crate) fn invalid(error: TextError) -> Error {
    Error::new(ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utf16(text: &str, bytes: fn(u16) -> [u8; 2]) -> Vec<u8> {
        text.encode_utf16().flat_map(bytes).collect()
    }

    #[test]
    fn a_byte_order_mark_is_passed_over_and_no_other_one() {
        assert_eq!(decode(b"\xEF\xBB\xBFabc"), Ok("abc"));
        assert_eq!(decode(b"abc"), Ok("abc"));
        assert_eq!(decode(b"\xEF\xBB\xBF"), Ok(""));
        assert_eq!(decode(b""), Ok(""));
        assert_eq!(decode("a\u{feff}b".as_bytes()), Ok("a\u{feff}b"));
    }

    #[test]
    fn utf_16_is_named_with_and_without_its_mark() {
        for text in ["{\"nik\"", "0f", "a", "\u{feff}0f0f", "\u{feff}"] {
            for order in [u16::to_le_bytes, u16::to_be_bytes] {
                assert_eq!(decode(&utf16(text, order)), Err(TextError::Utf16), "{text:?}");
            }
        }
        assert!(TextError::Utf16.to_string().contains("save it as UTF-8"));
    }

    #[test]
    fn the_first_byte_that_is_not_utf_8_is_named() {
        assert_eq!(decode(b"caf\xE9"), Err(TextError::NotUtf8(4)));
        assert_eq!(decode(b"\xEF\xBB\xBFcaf\xE9"), Err(TextError::NotUtf8(7)));
    }

    #[test]
    fn a_file_is_read_without_its_mark_or_said_to_be_something_else() {
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), b"\xEF\xBB\xBFa = 1\n").unwrap();
        assert_eq!(read(file.path()).unwrap(), "a = 1\n");
        std::fs::write(file.path(), utf16("a = 1\n", u16::to_le_bytes)).unwrap();
        let error = read(file.path()).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidData);
        assert!(error.to_string().contains("UTF-16"), "{error}");
    }
}
