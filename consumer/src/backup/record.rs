//! A record of a topic as it is kept: Avro's binary encoding, by hand, because there are millions of
//! them and each is only passed on. `record.avsc` is its schema; what it says, nobody here knows.

use laju_kafka::publish::exact::KeptHeader;
use laju_kafka::read::headers;
use rdkafka::Timestamp;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::message::{BorrowedMessage, Message as _};

/// The schema, as every file of a backup has it in its head.
pub(super) const SCHEMA: &str = include_str!("record.avsc");

/// A record as it was kept, borrowed from the block that it stands in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kept<'a> {
    /// Where it stood.
    pub(super) offset: i64,
    /// Milliseconds since 1970; none where the broker gave none.
    pub(super) timestamp: Option<i64>,
    /// Whether that was the broker's word.
    pub(super) by_broker: bool,
    pub(super) key: Option<&'a [u8]>,
    pub(super) value: Option<&'a [u8]>,
    headers: &'a [u8],
}

impl<'a> Kept<'a> {
    /// Its headers, in order. Most records have none, for which nothing is allocated.
    #[inline]
    pub(super) fn headers(&self) -> Vec<KeptHeader<'a>> {
        let mut headers = Vec::new();
        let mut at = Bytes(self.headers);
        while let Some(count) = at.long().filter(|count| *count > 0) {
            for _ in 0..count {
                // They were looked at when the record was taken.
                let (Some(name), Some(value)) = (at.bytes(), at.nullable()) else { return headers };
                headers.push((name, value));
            }
        }
        headers
    }

    /// As [`put`] writes it.
    pub(super) fn encoded(&self) -> Vec<u8> {
        let mut out = Vec::new();
        put_long(&mut out, self.offset);
        put_timestamp(&mut out, self.timestamp, self.by_broker);
        put_nullable(&mut out, self.key);
        put_nullable(&mut out, self.value);
        out.extend_from_slice(self.headers);
        out
    }
}

/// Appends a record, and gives its offset.
///
/// # Errors
/// What librdkafka says of headers that cannot be read.
#[inline]
pub(super) fn put(
    out: &mut Vec<u8>,
    record: &BorrowedMessage<'_>,
) -> Result<i64, RDKafkaErrorCode> {
    let offset = record.offset();
    put_long(out, offset);
    let (timestamp, by_broker) = match record.timestamp() {
        Timestamp::NotAvailable => (None, false),
        Timestamp::CreateTime(at) => (Some(at), false),
        Timestamp::LogAppendTime(at) => (Some(at), true),
    };
    put_timestamp(out, timestamp, by_broker);
    put_nullable(out, record.key());
    put_nullable(out, record.payload());
    headers::each_raw(record, |name, value| {
        // A block of the array for each: how many there are is known at the end.
        put_long(out, 1);
        put_bytes(out, name);
        put_nullable(out, value);
    })?;
    out.push(0);
    Ok(offset)
}

/// Whether two records, as [`put`] writes them, are the same at the same place: of their times it does
/// not matter whose word they were, nor what became of one that there was none of.
pub(super) fn is_same(mut kept: &[u8], mut found: &[u8]) -> bool {
    let (Some(kept), Some(found)) = (take(&mut kept), take(&mut found)) else { return false };
    let is_in_time =
        kept.timestamp.is_none() || kept.timestamp.map(|at| at.max(1)) == found.timestamp;
    is_in_time
        && Kept { timestamp: None, by_broker: false, ..kept }
            == Kept { timestamp: None, by_broker: false, ..found }
}

/// Takes the record that stands first in `bytes`, and leaves what comes behind it; none if they do
/// not begin with one.
#[inline]
pub(super) fn take<'a>(bytes: &mut &'a [u8]) -> Option<Kept<'a>> {
    let mut at = Bytes(bytes);
    let offset = at.long()?;
    let timestamp = match at.byte()? {
        0 => None,
        2 => Some(at.long()?),
        _ => return None,
    };
    let by_broker = match at.byte()? {
        0 => false,
        2 => true,
        _ => return None,
    };
    let (key, value) = (at.nullable()?, at.nullable()?);
    let before = at.0;
    loop {
        match at.long()? {
            0 => break,
            count if count > 0 => {
                for _ in 0..count {
                    at.bytes()?;
                    at.nullable()?;
                }
            }
            _ => return None,
        }
    }
    let headers = &before[..before.len() - at.0.len()];
    *bytes = at.0;
    Some(Kept { offset, timestamp, by_broker, key, value, headers })
}

fn put_timestamp(out: &mut Vec<u8>, timestamp: Option<i64>, by_broker: bool) {
    match timestamp {
        None => out.push(0),
        Some(at) => {
            out.push(2);
            put_long(out, at);
        }
    }
    out.push(if by_broker { 2 } else { 0 });
}

/// Appends a number, as Avro writes one.
pub(super) fn put_long(out: &mut Vec<u8>, number: i64) {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    while rest > 0x7f {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
}

/// Appends bytes with their length.
pub(super) fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    put_long(out, bytes.len() as i64);
    out.extend_from_slice(bytes);
}

fn put_nullable(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        None => out.push(0),
        Some(bytes) => {
            out.push(2);
            put_bytes(out, bytes);
        }
    }
}

/// Avro's binary encoding, from front to back.
struct Bytes<'a>(&'a [u8]);

impl<'a> Bytes<'a> {
    fn byte(&mut self) -> Option<u8> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(*first)
    }

    fn long(&mut self) -> Option<i64> {
        let (mut number, mut shift) = (0_u64, 0);
        loop {
            let byte = self.byte()?;
            number |= u64::from(byte & 0x7f) << shift;
            if byte < 0x80 {
                return Some((number >> 1) as i64 ^ -((number & 1) as i64));
            }
            shift += 7;
            if shift > 63 {
                return None;
            }
        }
    }

    fn bytes(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.long()?).ok()?;
        let (bytes, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(bytes)
    }

    fn nullable(&mut self) -> Option<Option<&'a [u8]>> {
        match self.byte()? {
            0 => Some(None),
            2 => self.bytes().map(Some),
            _ => None,
        }
    }
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;

    /// A record as [`put`] writes one.
    pub(in crate::backup) fn encoded(offset: i64, value: Option<&[u8]>) -> Vec<u8> {
        let mut out = Vec::new();
        put_long(&mut out, offset);
        out.push(2);
        put_long(&mut out, 1_700_000_000_000 + offset);
        out.push(2);
        put_nullable(&mut out, None);
        put_nullable(&mut out, value);
        for (name, value) in [(&b"a"[..], Some(&b"b"[..])), (b"\xff", None)] {
            put_long(&mut out, 1);
            put_bytes(&mut out, name);
            put_nullable(&mut out, value);
        }
        out.push(0);
        out
    }

    #[test]
    fn a_record_is_taken_as_it_was_put_and_nothing_of_it_can_be_missing() {
        let both = [encoded(7, Some(b"value")), encoded(9, None)].concat();
        let mut at = &both[..];
        let first = take(&mut at).unwrap();
        assert_eq!((first.offset, first.timestamp), (7, Some(1_700_000_000_007)));
        assert_eq!((first.by_broker, first.key, first.value), (true, None, Some(&b"value"[..])));
        assert_eq!(first.encoded(), encoded(7, Some(b"value")));
        assert_eq!(first.headers(), [(&b"a"[..], Some(&b"b"[..])), (b"\xff", None)]);
        let second = take(&mut at).unwrap();
        assert_eq!((second.offset, second.value), (9, None));
        assert!(at.is_empty());
        let one = encoded(7, Some(b"value"));
        for length in 0..one.len() {
            assert_eq!(take(&mut &one[..length]), None, "{length}");
        }
    }

    #[test]
    fn avro_itself_reads_what_is_put() {
        let schema = apache_avro::Schema::parse_str(SCHEMA).unwrap();
        let bytes = encoded(-3, Some(b"value"));
        let reader = apache_avro::reader::datum::GenericDatumReader::builder(&schema).build();
        let read = reader.unwrap().read_value(&mut &bytes[..]).unwrap();
        let apache_avro::types::Value::Record(fields) = read else { panic!("{read:?}") };
        assert_eq!(fields[0].1, apache_avro::types::Value::Long(-3));
        let apache_avro::types::Value::Array(headers) = &fields[5].1 else { panic!() };
        assert_eq!(headers.len(), 2);
    }
}
