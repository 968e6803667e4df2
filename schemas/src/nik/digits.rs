//! The digits of a text, in whatever script, and which of them belong together.

use std::ops::Range;

/// The zeros of every script: the nine characters behind each are its other digits (general
/// category Nd of Unicode 17).
const ZEROS: &[u32] = &[
    0x0030, 0x0660, 0x06f0, 0x07c0, 0x0966, 0x09e6, 0x0a66, 0x0ae6, 0x0b66, 0x0be6, 0x0c66, 0x0ce6,
    0x0d66, 0x0de6, 0x0e50, 0x0ed0, 0x0f20, 0x1040, 0x1090, 0x17e0, 0x1810, 0x1946, 0x19d0, 0x1a80,
    0x1a90, 0x1b50, 0x1bb0, 0x1c40, 0x1c50, 0xa620, 0xa8d0, 0xa900, 0xa9d0, 0xa9f0, 0xaa50, 0xabf0,
    0xff10, 0x104a0, 0x10d30, 0x10d40, 0x11066, 0x110f0, 0x11136, 0x111d0, 0x112f0, 0x11450,
    0x114d0, 0x11650, 0x116c0, 0x116d0, 0x116da, 0x11730, 0x118e0, 0x11950, 0x11bf0, 0x11c50,
    0x11d50, 0x11da0, 0x11de0, 0x11f50, 0x16a60, 0x16ac0, 0x16b50, 0x16d70, 0x1ccf0, 0x1d7ce,
    0x1d7d8, 0x1d7e2, 0x1d7ec, 0x1d7f6, 0x1e140, 0x1e2f0, 0x1e4f0, 0x1e5f1, 0x1e950, 0x1fbf0,
];

/// Other characters that show a digit: the first, its value, and how many follow it in order.
const OTHERS: &[(u32, u8, u8)] = &[
    // Raised.
    (0xb2, 2, 2),
    (0xb9, 1, 1),
    (0x2070, 0, 1),
    (0x2074, 4, 6),
    // Lowered.
    (0x2080, 0, 10),
    // In circles, in brackets, with a full stop.
    (0x2460, 1, 9),
    (0x2474, 1, 9),
    (0x2488, 1, 9),
    (0x24ea, 0, 1),
    (0x24f5, 1, 9),
    (0x24ff, 0, 1),
    (0x2776, 1, 9),
    (0x2780, 1, 9),
    (0x278a, 1, 9),
    // With a full stop or a comma.
    (0x1f100, 0, 1),
    (0x1f101, 0, 10),
];

/// How many letters may stand between two digits that belong together.
const MOST_LETTERS: u32 = 1;
/// From how many hexadecimal digits on, with how many letters, they are a digest or a key.
const DIGEST: (usize, usize) = (32, 4);

/// A digit in a text.
#[derive(Clone, Copy, Debug)]
pub(super) struct Digit {
    /// Its first byte.
    pub(super) at: usize,
    /// The byte behind it.
    pub(super) end: usize,
    /// 0 to 9.
    pub(super) value: u8,
    /// How many characters stand between it and the one before it.
    pub(super) gap: u32,
    /// Whether it is a digit, and no letter that looks like one.
    pub(super) real: bool,
}

/// The value of a character that shows a digit.
pub(super) fn value(c: char) -> Option<u8> {
    if c.is_ascii() {
        return c.to_digit(10).and_then(|value| u8::try_from(value).ok());
    }
    let code = u32::from(c);
    let after = ZEROS.partition_point(|zero| *zero <= code);
    if let Some(zero) = after.checked_sub(1).map(|index| ZEROS[index])
        && code - zero < 10
    {
        return u8::try_from(code - zero).ok();
    }
    OTHERS.iter().find_map(|(first, value, many)| {
        let behind = code.checked_sub(*first).and_then(|behind| u8::try_from(behind).ok())?;
        (behind < *many).then(|| value + behind)
    })
}

/// Whether it is a letter that looks like a digit.
pub(super) fn is_alike(byte: u8) -> bool {
    matches!(byte, b'O' | b'o' | b'I' | b'l')
}

fn value_alike(c: char) -> Option<u8> {
    match c {
        'O' | 'o' => Some(0),
        'I' | 'l' => Some(1),
        _ => None,
    }
}

/// The digits of a text that belong together; `alike` is whether letters may stand for digits.
pub(super) fn stretches(text: &str, alike: bool) -> Vec<Vec<Digit>> {
    let most_letters = if alike { 0 } else { MOST_LETTERS };
    let (mut found, mut stretch) = (Vec::new(), Vec::<Digit>::new());
    let (mut gap, mut letters, mut skip_to) = (0, 0, 0);
    for (at, c) in text.char_indices() {
        if at < skip_to {
            continue;
        }
        if let Some(name) = name_at(text, at) {
            skip_to = name.end;
            letters = most_letters + 1;
            continue;
        }
        let real = value(c);
        if let Some(value) = real.or_else(|| if alike { value_alike(c) } else { None }) {
            if letters > most_letters && !stretch.is_empty() {
                found.push(std::mem::take(&mut stretch));
            }
            let end = at + c.len_utf8();
            stretch.push(Digit { at, end, value, gap, real: real.is_some() });
            (gap, letters) = (0, 0);
        } else {
            gap += 1;
            letters += u32::from(c.is_alphabetic());
        }
    }
    if !stretch.is_empty() {
        found.push(stretch);
    }
    found
}

/// What begins here and is a day, a UUID or a digest: no part of a number.
fn name_at(text: &str, at: usize) -> Option<Range<usize>> {
    let bytes = text.as_bytes();
    let first = bytes[at];
    if !first.is_ascii_alphanumeric() {
        return None;
    }
    let before = at.checked_sub(1).map(|before| bytes[before]);
    if !before.is_some_and(|byte| byte.is_ascii_digit())
        && let Some(length) = day(&bytes[at..])
    {
        return Some(at..at + length);
    }
    if before.is_some_and(|byte| byte.is_ascii_alphanumeric()) {
        return None;
    }
    uuid(&bytes[at..]).or_else(|| digest(&bytes[at..])).map(|length| at..at + length)
}

fn ends(bytes: &[u8], length: usize, inside: impl Fn(&u8) -> bool) -> Option<usize> {
    (!bytes.get(length).is_some_and(inside)).then_some(length)
}

/// The length of a day from 2020 to 2049 at the beginning.
fn day(bytes: &[u8]) -> Option<usize> {
    let [b'2', b'0', b'2'..=b'4', b'0'..=b'9', rest @ ..] = bytes else { return None };
    let separator = rest.first().filter(|byte| matches!(byte, b'-' | b'.' | b'/' | b'_'));
    let (month, day, length) = match (separator, rest) {
        (Some(one), [_, m1, m2, two, d1, d2, ..]) if one == two => ([*m1, *m2], [*d1, *d2], 10),
        (None, [m1, m2, d1, d2, ..]) => ([*m1, *m2], [*d1, *d2], 8),
        _ => return None,
    };
    let number = |text: &[u8]| std::str::from_utf8(text).ok()?.parse::<u8>().ok();
    let fits = (1..=12).contains(&number(&month)?) && (1..=31).contains(&number(&day)?);
    fits.then(|| ends(bytes, length, u8::is_ascii_digit)).flatten()
}

/// The length of a UUID of a version and variant of RFC 9562 at the beginning.
fn uuid(bytes: &[u8]) -> Option<usize> {
    let text = bytes.get(..36)?;
    let shaped = text.iter().enumerate().all(|(index, byte)| match index {
        8 | 13 | 18 | 23 => *byte == b'-',
        14 => matches!(byte, b'1'..=b'8'),
        19 => matches!(byte, b'8' | b'9' | b'a' | b'b' | b'A' | b'B'),
        _ => byte.is_ascii_hexdigit(),
    });
    shaped.then(|| ends(bytes, 36, u8::is_ascii_alphanumeric)).flatten()
}

/// The length of a digest in hexadecimal digits at the beginning.
fn digest(bytes: &[u8]) -> Option<usize> {
    let length = bytes.iter().take_while(|byte| byte.is_ascii_hexdigit()).count();
    let letters = bytes[..length].iter().filter(|byte| byte.is_ascii_alphabetic()).count();
    let long = length >= DIGEST.0 && letters >= DIGEST.1;
    long.then(|| ends(bytes, length, u8::is_ascii_alphanumeric)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_decimal_digit_of_every_script_has_its_value() {
        assert!(ZEROS.is_sorted());
        for (text, expected) in [
            ("0189", "0189"),
            ("０１８９", "0189"),
            ("٠١٨٩", "0189"),
            ("०१८९", "0189"),
            ("꧐꧑꧘꧙", "0189"),
            ("𝟎𝟏𝟖𝟗𝟢𝟿", "018909"),
            ("⁰¹²³⁴⁹₀₉", "01234909"),
            ("①⑨⓪🄀🄁", "19000"),
        ] {
            let read: String =
                text.chars().filter_map(value).map(|value| char::from(b'0' + value)).collect();
            assert_eq!(read, expected, "{text}");
        }
        assert!(text_without_digits().chars().all(|c| value(c).is_none()));
        // No number that the standard library knows as decimal is left out: those of category Nd
        // are numeric, no letters, and stand ten in a row.
        for zero in ZEROS {
            for code in *zero..zero + 10 {
                assert!(char::from_u32(code).and_then(value).is_some());
            }
        }
    }

    fn text_without_digits() -> &'static str {
        "abcxyzÄ№½Ⅷ一\u{200b}\u{202e} .-_/"
    }
}
