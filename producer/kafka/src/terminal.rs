//! What both programs print of texts from outside: kiosks, people and topics sent them, and a
//! terminal must not obey them. What may be a NIK is no more shown than sent.
//!
//! Tables and messages pass [`harmless`] or [`shown`] piece by piece; a whole output passes
//! [`Tamed`], and whatever a program writes to a terminal does.

use std::borrow::Cow;
use std::io::{self, IsTerminal as _, Write};

use laju_schemas::nik::masked;
use laju_schemas::text::steers;
pub use laju_schemas::text::{harmless, shown};

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

/// Standard output: tamed on a terminal, and as it is for programs.
#[must_use]
pub fn stdout() -> Box<dyn Write> {
    let out = io::stdout().lock();
    if out.is_terminal() { Box::new(Tamed::new(out)) } else { Box::new(out) }
}

/// Lines of a log: what is said in one line stays in one, and steers no terminal. `colour` is
/// whether the log's own escape sequences are in it; those of others tracing has taken out.
#[derive(Clone, Copy, Debug)]
pub struct LogLines<W> {
    out: W,
    colour: bool,
    masks: bool,
}

impl<W: Write> LogLines<W> {
    /// Lines for people, without what may be a NIK.
    pub const fn of_text(out: W, colour: bool) -> Self {
        Self { out, colour, masks: true }
    }

    /// Lines of JSON, whose numbers stay as they are.
    pub const fn of_json(out: W) -> Self {
        Self { out, colour: false, masks: false }
    }
}

impl<W: Write> Write for LogLines<W> {
    /// Takes whole lines, as tracing hands them over.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let text = String::from_utf8_lossy(bytes);
        let (line, end) = match text.strip_suffix('\n') {
            Some(line) => (line, "\n"),
            None => (&*text, ""),
        };
        let kept = |c: char| !steers(c) || (self.colour && c == '\u{1b}');
        let mut line: String = line.chars().map(|c| if kept(c) { c } else { '\u{fffd}' }).collect();
        if self.masks
            && let Cow::Owned(masked) = masked(&line)
        {
            line = masked;
        }
        line.push_str(end);
        self.out.write_all(line.as_bytes())?;
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
    fn a_log_line_stays_one_and_steers_nothing() {
        let line = |colour, text: &str| {
            let mut out = Vec::new();
            LogLines::of_text(&mut out, colour).write_all(text.as_bytes()).unwrap();
            String::from_utf8(out).unwrap()
        };
        let forged = "INFO a\nERROR b\u{9b}m \u{202e}1871010101900001\n";
        let expected = "INFO a\u{fffd}ERROR b\u{fffd}m \u{fffd}(16 digits)\n";
        assert_eq!(line(false, forged), expected);
        assert_eq!(line(true, "\u{1b}[2mx\u{1b}[0m\n"), "\u{1b}[2mx\u{1b}[0m\n");
        assert_eq!(line(false, "\u{1b}[2mx"), "\u{fffd}[2mx");
        let usual = "2026-11-28T19:18:00.123456Z  INFO laju: partition=3 offset=1720000000000\n";
        assert_eq!(line(false, usual), usual);
        let mut out = Vec::new();
        LogLines::of_json(&mut out).write_all(b"{\"offset\":1871010101900001}\n").unwrap();
        assert_eq!(out, b"{\"offset\":1871010101900001}\n");
    }

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
