//! What a text that people write must be before it is published: every topic keeps it for ever, and
//! it is shown on screens, on terminals and in files.
//!
//! These are rules for who writes. Readers take what older programs wrote, and leave out of it
//! what may be a NIK ([`crate::nik::masked`]) and what would steer a terminal ([`steers`]).

use thiserror::Error;

use crate::nik::{holds_nik, masked};

/// Why a text is not published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum TextError {
    /// Nothing, or too much.
    #[error("must have 1 to {most} characters, but has {has}")]
    Length {
        /// The longest, in characters.
        most: usize,
        /// How many it has.
        has: usize,
    },
    /// White space alone.
    #[error("must not be blank")]
    Blank,
    /// A control character, or one that turns the direction of writing.
    #[error(
        "must not contain control characters, nor characters that turn the direction of writing"
    )]
    Control,
    /// Digits that may be a citizen's number.
    #[error("holds digits like a NIK's: a citizen's number must not leave the kiosk")]
    Nik,
}

/// Whether a text may be of several lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lines {
    /// Of one.
    One,
    /// Of several, each ended by a line feed.
    Several,
}

/// Checks a text that is to be published: 1 to `most` characters, not blank, nothing that steers a
/// terminal, and nothing that may be a NIK.
///
/// # Errors
/// The first of these rules that it breaks.
pub fn check(text: &str, most: usize, lines: Lines) -> Result<(), TextError> {
    let has = text.chars().count();
    if has == 0 || has > most {
        return Err(TextError::Length { most, has });
    }
    if text.trim().is_empty() {
        return Err(TextError::Blank);
    }
    if text.chars().any(|c| steers(c) && !(c == '\n' && lines == Lines::Several)) {
        return Err(TextError::Control);
    }
    if holds_nik(text) { Err(TextError::Nik) } else { Ok(()) }
}

/// Whether a character would steer a terminal, or turn around or break up what is shown behind it:
/// control characters, those of bidirectional text, and Unicode's separators of lines.
#[must_use]
pub const fn steers(c: char) -> bool {
    matches!(
        c,
        '\0'..='\u{1f}'
            | '\u{7f}'..='\u{9f}'
            | '\u{61c}'
            | '\u{200e}' | '\u{200f}'
            | '\u{2028}'..='\u{202e}'
            | '\u{2066}'..='\u{2069}'
    )
}

/// A text from outside, with U+FFFD in place of every character that would steer a terminal, line
/// feeds among them.
#[must_use]
pub fn harmless(text: &str) -> String {
    text.chars().map(|c| if steers(c) { '\u{fffd}' } else { c }).collect()
}

/// A text from outside, harmless, and without what may be a NIK.
#[must_use]
pub fn shown(text: &str) -> String {
    harmless(&masked(text))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_published_text_has_a_length_and_steers_nothing() {
        let one = |text: &str| check(text, 10, Lines::One);
        assert_eq!((one("a b é 学"), one(&"é".repeat(10))), (Ok(()), Ok(())));
        assert_eq!(one(""), Err(TextError::Length { most: 10, has: 0 }));
        assert_eq!(one(&"a".repeat(11)), Err(TextError::Length { most: 10, has: 11 }));
        assert_eq!(one(" \u{a0}"), Err(TextError::Blank));
        for wrong in ["a\u{1b}[2J", "a\nb", "\u{202e}a", "a\u{9b}b", "a\u{2028}b", "a\u{200f}"] {
            assert_eq!(one(wrong), Err(TextError::Control), "{wrong:?}");
        }
        assert_eq!(check("a\nb", 10, Lines::Several), Ok(()));
        assert_eq!(check("a\r\nb", 10, Lines::Several), Err(TextError::Control));
    }

    #[test]
    fn what_is_shown_steers_no_terminal_and_has_no_nik() {
        assert_eq!(harmless("K\u{1b}[2J\nx"), "K\u{fffd}[2J\u{fffd}x");
        assert_eq!(harmless("a\u{202e}b\u{2066}c\u{9b}d"), "a\u{fffd}b\u{fffd}c\u{fffd}d");
        assert_eq!(shown("\u{1b}[m 1871010101900001"), "\u{fffd}[m (16 digits)");
    }

    #[test]
    fn every_control_character_steers() {
        for c in '\0'..='\u{ffff}' {
            assert!(steers(c) || !c.is_control(), "{c:?}");
        }
    }

    #[test]
    fn no_text_with_a_nik_is_published() {
        for wrong in
            ["lihat 1871010101900001", "1871-0101.0190 0001", "１８７１０１０１０１９００００１"]
        {
            assert_eq!(check(wrong, 100, Lines::One), Err(TextError::Nik));
        }
    }
}
