//! Finds numbers in bytes, however a program may have written them.

use std::collections::HashMap;

/// How long the beginning is by which a trace is looked up.
const HEAD: usize = 6;

/// What numbers would look like.
pub(crate) struct Traces {
    all: Vec<Trace>,
    by_head: HashMap<[u8; HEAD], Vec<usize>>,
}

struct Trace {
    number: String,
    form: &'static str,
    bytes: Vec<u8>,
}

impl Traces {
    /// Of numbers in decimal digits, each 16 of them.
    pub(crate) fn of<'a>(numbers: impl IntoIterator<Item = &'a str>) -> Self {
        let mut all = Vec::new();
        for number in numbers {
            for (form, bytes) in forms(number) {
                all.push(Trace { number: number.to_owned(), form, bytes });
            }
        }
        let mut by_head: HashMap<_, Vec<usize>> = HashMap::new();
        for (place, trace) in all.iter().enumerate() {
            let head = trace.bytes.first_chunk().expect("no form is shorter");
            by_head.entry(*head).or_default().push(place);
        }
        Self { all, by_head }
    }

    /// Every number found, and in which form.
    pub(crate) fn find(&self, bytes: &[u8]) -> Vec<(&str, &'static str)> {
        let mut found = Vec::new();
        for (at, window) in bytes.windows(HEAD).enumerate() {
            let Ok(head) = <[u8; HEAD]>::try_from(window) else { continue };
            for place in self.by_head.get(&head).into_iter().flatten() {
                let trace = &self.all[*place];
                if bytes[at..].starts_with(&trace.bytes) {
                    found.push((trace.number.as_str(), trace.form));
                }
            }
        }
        found
    }
}

fn forms(digits: &str) -> Vec<(&'static str, Vec<u8>)> {
    let number: u64 = digits.parse().expect("digits");
    let hex = |bytes: &[u8]| bytes.iter().map(|b| format!("{b:02x}")).collect::<String>();
    let ascii = digits.as_bytes();
    let utf16: Vec<u16> = digits.encode_utf16().collect();
    // The upper bytes of a number of 16 digits are zero, and need not be written.
    let big: Vec<u8> = number.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
    let little: Vec<u8> = big.iter().rev().copied().collect();
    let packed: Vec<u8> =
        ascii.chunks(2).map(|pair| ((pair[0] - b'0') << 4) | (pair[1] - b'0')).collect();
    let grouped: Vec<String> =
        ascii.chunks(4).map(|four| String::from_utf8_lossy(four).into_owned()).collect();
    let mut forms = vec![
        ("text", ascii.to_vec()),
        ("UTF-16, little endian", utf16.iter().flat_map(|unit| unit.to_le_bytes()).collect()),
        ("UTF-16, big endian", utf16.iter().flat_map(|unit| unit.to_be_bytes()).collect()),
        ("a number, big endian", big),
        ("a number, little endian", little),
        ("a number, in Avro", varint(number << 1)),
        ("a number, as a varint", varint(number)),
        ("a number, in hexadecimal", format!("{number:x}").into_bytes()),
        ("a number, in upper-case hexadecimal", format!("{number:X}").into_bytes()),
        ("packed decimal", packed),
        ("text in hexadecimal", hex(ascii).into_bytes()),
        ("text in groups", grouped.join(" ").into_bytes()),
        ("text in groups", grouped.join("-").into_bytes()),
        ("text in groups", grouped.join(".").into_bytes()),
        ("text backwards", ascii.iter().rev().copied().collect()),
        ("a list of digits", ascii.iter().map(|digit| digit - b'0').collect()),
        ("a list of bytes", format!("{ascii:?}").trim_matches(['[', ']']).as_bytes().to_vec()),
    ];
    forms.extend((0..3).map(|shift| ("base64", base64_core(ascii, shift))));
    forms
}

fn varint(mut number: u64) -> Vec<u8> {
    let mut bytes = Vec::new();
    while number >= 0x80 {
        bytes.push(number as u8 | 0x80);
        number >>= 7;
    }
    bytes.push(number as u8);
    bytes
}

/// What is the same in the base64 of every text that has these bytes at a place that leaves this
/// rest when divided by three.
fn base64_core(bytes: &[u8], shift: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let bits: Vec<u8> = std::iter::repeat_n(0, shift)
        .chain(bytes.iter().copied())
        .flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1))
        .collect();
    let symbols = bits.chunks_exact(6).map(|six| six.iter().fold(0, |sum, bit| sum << 1 | bit));
    // The first symbols are of what stands before.
    let foreign = (shift * 8).div_ceil(6);
    symbols.skip(foreign).map(|symbol| ALPHABET[usize::from(symbol)]).collect()
}

#[test]
fn a_number_is_found_in_whatever_form_it_was_written() {
    let [nik, other] = ["1871010101900001", "3175017112850003"];
    let traces = Traces::of([nik, other]);
    let number: u64 = nik.parse().unwrap();
    let planted: [&[u8]; 14] = [
        b"x1871010101900001",
        b"1\x008\x007\x001\x000\x001\x000\x001\x000\x001\x009\x000\x000\x000\x000\x001\x00",
        &number.to_le_bytes(),
        &number.to_be_bytes(),
        &[0x18, 0x71, 0x01, 0x01, 0x01, 0x90, 0x00, 0x01],
        b"31383731303130313031393030303031",
        b"0x6A5AC7C7EB2E1",
        b"6a5ac7c7eb2e1",
        b"MTg3MTAxMDEwMTkwMDAwMQ==",
        b"bmlrOjE4NzEwMTAxMDE5MDAwMDE=",
        b"ICAxODcxMDEwMTAxOTAwMDAx",
        b"1871 0101 0190 0001",
        b"[49, 56, 55, 49, 48, 49, 48, 49, 48, 49, 57, 48, 48, 48, 48, 49]",
        b"1000091010101781",
    ];
    for bytes in planted {
        let text = bytes.escape_ascii().to_string();
        let bytes = [&[7; 9][..], bytes, &[7; 9]].concat();
        let found = traces.find(&bytes);
        assert!(found.iter().any(|(number, _)| *number == nik), "{text}");
        assert!(found.iter().all(|(number, _)| *number == nik), "{text}: {found:?}");
    }
    assert!(traces.find(b"1871010101900002 and 317501711285000").is_empty());
}
