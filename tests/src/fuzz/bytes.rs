//! Damage to bytes: what a torn write, a bad link, another program or an ill will would make.

use rand::seq::IndexedRandom as _;
use rand::{Rng as _, RngExt as _};

use super::Random;

/// The most bytes that an input grows to.
const MOST: usize = 4_096;

/// Numbers at which something changes: signs, lengths, sizes of integers and of days.
const EDGES: [i64; 20] = [
    0,
    1,
    2,
    7,
    63,
    64,
    127,
    128,
    255,
    8_191,
    8_192,
    65_536,
    i32::MAX as i64,
    i32::MAX as i64 + 1,
    u32::MAX as i64,
    u32::MAX as i64 + 1,
    1_640_970_000_000,
    253_402_207_200_000,
    i64::MAX - 1,
    i64::MAX,
];

/// Texts at which something changes: characters of several bytes, signs that look like none.
const TEXTS: [&str; 8] = ["", "18.71", "é", "字", "😀", "\u{202e}", "\0", "a\u{300}"];

/// Damages bytes once or a few times; `others` are whole inputs of the same kind.
pub fn damage(bytes: &mut Vec<u8>, others: &[Vec<u8>], random: &mut Random) {
    for _ in 0..=random.next_u64().trailing_ones().min(6) {
        damage_once(bytes, others, random);
    }
    bytes.truncate(MOST);
}

fn damage_once(bytes: &mut Vec<u8>, others: &[Vec<u8>], random: &mut Random) {
    let place = random.random_range(0..=bytes.len());
    // Mostly a few bytes, at times all that are left.
    let left = bytes.len() - place;
    let few = if random.random_ratio(1, 8) { left } else { left.min(8) };
    let end = place + random.random_range(0..=few);
    match random.random_range(0..12) {
        0 if place < bytes.len() => bytes[place] ^= 1 << random.random_range(0..8),
        1 if place < bytes.len() => bytes[place] = random.random(),
        2 => drop(bytes.drain(place..end)),
        3 => bytes.truncate(place),
        4 => {
            let again = bytes[place..end].to_vec();
            bytes.splice(end..end, again);
        }
        5 => {
            bytes.splice(place..end, some_bytes(16, random));
        }
        6 => bytes.extend(some_bytes(16, random)),
        7 => {
            let text = TEXTS.choose(random).copied().unwrap_or_default();
            bytes.splice(place..end, text.bytes());
        }
        // The head of one and the tail of another, at the same place or at any.
        8 => {
            let other = others.choose(random).map(Vec::as_slice).unwrap_or_default();
            let from = if random.random() { place } else { random.random_range(0..=other.len()) };
            bytes.truncate(place);
            bytes.extend_from_slice(other.get(from..).unwrap_or_default());
        }
        // A number in the place of one: a length, a branch, a symbol.
        _ => {
            let end = (place + 1).min(bytes.len());
            bytes.splice(place..end, number(random));
        }
    }
}

/// Any bytes, up to so many.
#[must_use]
pub fn some_bytes(most: usize, random: &mut Random) -> Vec<u8> {
    let mut bytes = vec![0; random.random_range(0..=most)];
    random.fill_bytes(&mut bytes);
    bytes
}

/// A number as Avro writes it, at times in more bytes than it needs or than it may have.
#[must_use]
pub fn number(random: &mut Random) -> Vec<u8> {
    let number = match random.random_range(0..4) {
        0 => EDGES.choose(random).copied().unwrap_or_default(),
        1 => -EDGES.choose(random).copied().unwrap_or_default(),
        2 => random.random::<i64>() >> random.random_range(0..64),
        _ => random.random_range(-2..32),
    };
    let mut rest = (number << 1 ^ number >> 63) as u64;
    let mut bytes = Vec::new();
    while rest > 0x7f {
        bytes.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    bytes.push(rest as u8);
    if random.random_ratio(1, 8)
        && let Some(last) = bytes.last_mut()
    {
        *last |= 0x80;
        bytes.extend(vec![0x80; random.random_range(0..11)]);
        bytes.push(0);
    }
    bytes
}
