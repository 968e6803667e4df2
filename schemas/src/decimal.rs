//! Avro's decimals: two's complement numbers, big endian, of any length.

/// A number as the fewest bytes, as Java and Python write it.
pub(crate) fn decimal_bytes(number: i64) -> Vec<u8> {
    let wide = number.to_be_bytes();
    let fill = if number < 0 { 0xff } else { 0 };
    let spare =
        wide.windows(2).take_while(|pair| pair[0] == fill && (pair[1] ^ fill) & 0x80 == 0).count();
    wide[spare..].to_vec()
}

/// The number of such bytes; `None` if there are none, or it is too large.
pub(crate) fn decimal_of(bytes: &[u8]) -> Option<i64> {
    let fill = if bytes.first()? & 0x80 == 0 { 0 } else { 0xff };
    let (surplus, number) = bytes.split_at(bytes.len().saturating_sub(8));
    if surplus.iter().any(|byte| *byte != fill) {
        return None;
    }
    let mut wide = [fill; 8];
    wide[8 - number.len()..].copy_from_slice(number);
    let number = i64::from_be_bytes(wide);
    // Of more than eight bytes the sign stands in those before them.
    ((number < 0) == (fill == 0xff)).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_from_the_fewest_bytes() {
        for (number, length) in
            [(0, 1), (127, 1), (128, 2), (-128, 1), (-129, 2), (250_000, 3), (i64::MIN, 8)]
        {
            let bytes = decimal_bytes(number);
            assert_eq!((bytes.len(), decimal_of(&bytes)), (length, Some(number)));
        }
        assert_eq!(decimal_of(&[0, 0x80, 0, 0, 0, 0, 0, 0, 0]), None, "2^63");
        assert_eq!(decimal_of(&[]), None);
    }
}
