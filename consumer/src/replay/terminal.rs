//! Rows on a terminal: programs' formats keep what kiosks sent, and a terminal must not obey it.

use std::io::{self, Write};

use crate::query::table::steers;

/// Hands text on to a terminal, with U+FFFD in place of every character but the line's end that
/// would steer it.
pub struct Tamed<W: Write> {
    out: W,
    /// The beginning of a character whose end is still to come.
    rest: Vec<u8>,
    text: String,
}

impl<W: Write> Tamed<W> {
    /// For this terminal.
    pub const fn new(out: W) -> Self {
        Self { out, rest: Vec::new(), text: String::new() }
    }
}

impl<W: Write> Write for Tamed<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.rest.extend_from_slice(bytes);
        self.text.clear();
        let mut kept = 0;
        for chunk in self.rest.utf8_chunks() {
            let tame = |c: char| if c != '\n' && steers(c) { '\u{fffd}' } else { c };
            self.text.extend(chunk.valid().chars().map(tame));
            kept += chunk.valid().len();
            let invalid = chunk.invalid();
            // At the end it may be the beginning of a character.
            let is_cut = kept + invalid.len() == self.rest.len()
                && std::str::from_utf8(invalid).is_err_and(|error| error.error_len().is_none());
            if !invalid.is_empty() && !is_cut {
                self.text.push('\u{fffd}');
                kept += invalid.len();
            }
        }
        self.rest.drain(..kept);
        self.out.write_all(self.text.as_bytes())?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_steers_the_terminal_wherever_the_text_is_cut() {
        let text = "a\u{1b}[2J\tb\r\n\u{7f}\u{9b}31mé\u{202e}z\u{2069}\u{1f600}\n";
        let expected =
            "a\u{fffd}[2J\u{fffd}b\u{fffd}\n\u{fffd}\u{fffd}31mé\u{fffd}z\u{fffd}\u{1f600}\n";
        for size in 1..=text.len() {
            let mut tamed = Tamed::new(Vec::new());
            for part in text.as_bytes().chunks(size) {
                tamed.write_all(part).unwrap();
            }
            assert_eq!(String::from_utf8(tamed.out).unwrap(), expected, "{size}");
        }
        let mut tamed = Tamed::new(Vec::new());
        tamed.write_all(b"a\xffb").unwrap();
        assert_eq!(tamed.out, "a\u{fffd}b".as_bytes());
    }
}
