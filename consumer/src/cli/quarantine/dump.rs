//! Bytes for people: in rows of sixteen, with the byte marked at which something is wrong.

use std::fmt::Write as _;

use super::decoded::nik_runs;

/// Bytes in a row.
const ROW: usize = 16;
/// Rows shown before and behind the place that matters.
const AROUND: usize = 6;

/// Rows of a value, in hexadecimal digits and as text: all of a short one, else those around a
/// place. The byte at the place stands in brackets; digits that may be a NIK are not shown.
pub(super) fn dump(value: &[u8], place: Option<usize>) -> String {
    let rows = value.len().div_ceil(ROW);
    let middle = place.unwrap_or(0) / ROW;
    let whole = rows <= 2 * AROUND + 1;
    let first = if whole { 0 } else { middle.saturating_sub(AROUND).min(rows) };
    let last = if whole { rows } else { (middle + AROUND + 1).min(rows) };
    let hidden = nik_runs(value);
    let is_hidden = |at: usize| hidden.iter().any(|run| run.contains(&at));
    let mut text = String::new();
    if first > 0 {
        let _ = writeln!(text, "  … {} bytes before", first * ROW);
    }
    for row in first..last {
        let from = row * ROW;
        let _ = write!(text, "  {from:06x} ");
        for at in from..from + ROW {
            let (open, close) = match place {
                Some(place) if place == at => ("[", "]"),
                Some(place) if place + 1 == at => ("", " "),
                _ => (" ", " "),
            };
            let open = if at == from && open.is_empty() { " " } else { open };
            let close = if close == "]" { "]" } else { "" };
            match value.get(at) {
                Some(_) if is_hidden(at) => drop(write!(text, "{open}**{close}")),
                Some(byte) => drop(write!(text, "{open}{byte:02x}{close}")),
                None if place == Some(at) => drop(write!(text, "[--]")),
                None => drop(write!(text, "{open}  ")),
            }
        }
        text.push_str("  ");
        for (at, byte) in value.iter().enumerate().skip(from).take(ROW) {
            let plain = (b' '..=b'~').contains(byte) && !is_hidden(at);
            text.push(if plain { char::from(*byte) } else { '.' });
        }
        text.push('\n');
    }
    if place == Some(value.len()) && value.len().is_multiple_of(ROW) {
        let _ = writeln!(text, "  {:06x} [--]", value.len());
    }
    if last < rows {
        let _ = writeln!(text, "  … {} bytes more", value.len() - last * ROW);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_byte_at_fault_is_marked_and_a_nik_is_not_shown() {
        let value = [&[0xc3, 0x01, 0x0a][..], b"kiosk", b"1871012345678901", &[0xff]].concat();
        let shown = dump(&value, Some(2));
        insta::assert_snapshot!(shown, @r"
          000000  c3 01[0a]6b 69 6f 73 6b ** ** ** ** ** ** ** **  ...kiosk........
          000010  ** ** ** ** ** ** ** ** ff                       .........
        ");
        insta::assert_snapshot!(dump(&value[..16], Some(16)), @r"
          000000  c3 01 0a 6b 69 6f 73 6b 31 38 37 31 30 31 32 33  ...kiosk18710123
          000010 [--]
        ");
        assert_eq!(dump(b"", None), "");
    }

    #[test]
    fn of_a_long_value_the_rows_around_the_fault_are_shown() {
        let shown = dump(&vec![7; 10_000], Some(5_000));
        let lines: Vec<_> = shown.lines().collect();
        assert_eq!(lines.len(), 2 * AROUND + 3);
        assert!(lines[0].contains("4896 bytes before"), "{shown}");
        assert!(lines[AROUND + 1].contains("[07]"), "{shown}");
        assert!(lines[2 * AROUND + 2].contains("4896 bytes more"), "{shown}");
    }
}
