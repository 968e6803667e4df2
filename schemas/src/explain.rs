//! What the bytes of a value say, field by field, and where they stop making sense: for people who
//! look at a value that could not be read. Slow, and never used to decide anything.
//!
//! It goes by the schema that the value was written with. The bytes may be hostile: nothing that
//! they state is allocated, and nested data is followed to a fixed depth.

use std::collections::HashMap;
use std::ops::Range;

use apache_avro::schema::{InnerDecimalSchema, Name, Schema, UuidSchema};
use jiff::civil::Date;

use crate::cursor::Cursor;
use crate::cursor::DecodeError;
use crate::decimal::decimal_of;
use crate::resolve::{names_of, resolved};
use crate::time::{TimestampMs, date_from_days};

/// How deep data of a type that contains itself is followed.
const MAX_DEPTH: usize = 64;
/// How many fields are reported.
const MAX_FIELDS: usize = 1_000;
/// How many bytes of a field without a better form are shown.
const MAX_SHOWN: usize = 64;

/// A field, as far as it could be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ExplainedField {
    /// Its place in the schema: `fact.Activated.channel`.
    pub path: String,
    /// Its bytes within the value.
    pub bytes: Range<usize>,
    /// What it holds, as text; a text itself as it is.
    pub value: String,
}

/// Where the bytes stop making sense.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The field; `framing` or `schema` before the first, nothing behind the last.
    pub path: String,
    /// The first byte of that field, within the value.
    pub byte: usize,
    /// What is wrong.
    pub why: String,
}

/// A value, explained.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Explanation {
    /// How many bytes stand before the first field.
    pub header_bytes: usize,
    /// What could be read, in the order of the bytes.
    pub fields: Vec<ExplainedField>,
    /// Why no more could be; nothing of a whole value.
    pub fault: Option<Fault>,
}

impl Explanation {
    /// A value of which nothing could be read.
    pub(crate) fn nothing(path: &str, why: String) -> Self {
        let fault = Fault { path: path.to_owned(), byte: 0, why };
        Self { fault: Some(fault), ..Self::default() }
    }

    /// A field that was read, by its place in the schema.
    #[must_use]
    pub fn field(&self, path: &str) -> Option<&str> {
        let field = self.fields.iter().find(|field| field.path == path)?;
        Some(&field.value)
    }
}

/// Explains the bytes behind a header of so many bytes, by the schema that they were written with.
pub(crate) fn explain(schema: &Schema, header_bytes: usize, value: &[u8]) -> Explanation {
    let mut walk = Walk {
        names: names_of(schema),
        length: value.len(),
        found: Explanation { header_bytes, ..Explanation::default() },
    };
    let mut at = Cursor::new(&value[header_bytes..]);
    if walk.value(schema, &mut at, "", 0).is_ok()
        && let Err(error) = at.end()
    {
        walk.fault("", walk.place(&at), &error);
    }
    walk.found
}

/// That a fault was found and noted.
struct Stopped;

struct Walk<'s> {
    names: HashMap<&'s Name, &'s Schema>,
    length: usize,
    found: Explanation,
}

impl<'s> Walk<'s> {
    fn place(&self, at: &Cursor<'_>) -> usize {
        self.length - at.rest().len()
    }

    fn fault(&mut self, path: &str, byte: usize, error: &DecodeError) -> Stopped {
        let why = match error {
            DecodeError::Empty => "the value is empty".to_owned(),
            DecodeError::Truncated(_) => "the bytes end in the middle of it".to_owned(),
            DecodeError::Number(_) => "not a number that Avro can have written".to_owned(),
            DecodeError::Length(_) => "its length cannot be".to_owned(),
            DecodeError::Utf8(_) => "not UTF-8".to_owned(),
            DecodeError::Choice(_) => "no such branch, symbol or boolean".to_owned(),
            DecodeError::Rest(_) | DecodeError::Other(_) => error.to_string(),
        };
        let path = path.to_owned();
        self.found.fault.get_or_insert(Fault { path, byte, why });
        Stopped
    }

    /// Reads one field and notes it.
    fn leaf<'a>(
        &mut self,
        at: &mut Cursor<'a>,
        path: &str,
        read: impl FnOnce(&mut Cursor<'a>) -> Result<String, DecodeError>,
    ) -> Result<(), Stopped> {
        let from = self.place(at);
        let value = read(at).map_err(|error| self.fault(path, from, &error))?;
        if self.found.fields.len() < MAX_FIELDS {
            let bytes = from..self.place(at);
            self.found.fields.push(ExplainedField { path: path.to_owned(), bytes, value });
        }
        Ok(())
    }

    fn value(
        &mut self,
        schema: &'s Schema,
        at: &mut Cursor<'_>,
        path: &str,
        depth: usize,
    ) -> Result<(), Stopped> {
        use Schema as S;
        if depth > MAX_DEPTH {
            let error = DecodeError::Other("data nested too deeply".to_owned());
            return Err(self.fault(path, self.place(at), &error));
        }
        let depth = depth + 1;
        match resolved(&self.names, schema) {
            S::Record(record) => record.fields.iter().try_for_each(|field| {
                self.value(&field.schema, at, &joined(path, &field.name), depth)
            }),
            S::Union(union) => {
                let from = self.place(at);
                let index = at.index("").map_err(|error| self.fault(path, from, &error))?;
                let Some(branch) = union.variants().get(index) else {
                    return Err(self.fault(path, from, &DecodeError::Choice("")));
                };
                let before = self.found.fields.len();
                match resolved(&self.names, branch) {
                    S::Null => self.leaf(at, path, |_| Ok("null".to_owned())),
                    branch @ S::Record(record) => {
                        let path = joined(path, record.name.name());
                        if record.fields.is_empty() {
                            return self.leaf(at, &path, |_| Ok(String::new()));
                        }
                        self.value(branch, at, &path, depth)
                    }
                    branch => self.value(branch, at, path, depth),
                }?;
                // The branch's number is a byte of a field without parts.
                if let [field] = &mut self.found.fields[before..] {
                    field.bytes.start = from;
                }
                Ok(())
            }
            S::Array(array) => {
                self.blocks(at, path, |walk, at, path| walk.value(&array.items, at, path, depth))
            }
            S::Map(map) => self.blocks(at, path, |walk, at, path| {
                walk.leaf(at, path, |at| at.text("").map(str::to_owned))?;
                walk.value(&map.types, at, path, depth)
            }),
            leaf => self.leaf(at, path, |at| text_of(leaf, at)),
        }
    }

    /// The items of an array or a map.
    fn blocks<'a>(
        &mut self,
        at: &mut Cursor<'a>,
        path: &str,
        mut item: impl FnMut(&mut Self, &mut Cursor<'a>, &str) -> Result<(), Stopped>,
    ) -> Result<(), Stopped> {
        let mut number = 0;
        loop {
            let from = self.place(at);
            let count = at.long("").map_err(|error| self.fault(path, from, &error))?;
            if count == 0 {
                return Ok(());
            }
            if count < 0 {
                // The block's size in bytes, for those who pass it over.
                at.long("").map_err(|error| self.fault(path, from, &error))?;
            }
            for _ in 0..count.unsigned_abs() {
                let before = at.rest().len();
                item(self, at, &format!("{path}[{number}]"))?;
                number += 1;
                // Items without bytes all are: their number costs nothing to state.
                if at.rest().len() == before {
                    break;
                }
            }
        }
    }
}

fn joined(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") }
}

/// What a field without parts holds.
fn text_of(schema: &Schema, at: &mut Cursor<'_>) -> Result<String, DecodeError> {
    use Schema as S;
    Ok(match schema {
        S::Null => "null".to_owned(),
        S::Boolean => at.boolean("")?.to_string(),
        S::Int | S::TimeMillis => at.int("")?.to_string(),
        S::Date => {
            let days = at.int("")?;
            date_from_days(days).as_ref().map_or_else(|| format!("day {days}"), Date::to_string)
        }
        S::TimestampMillis => TimestampMs(at.long("")?).to_string(),
        S::Long
        | S::TimeMicros
        | S::TimestampMicros
        | S::TimestampNanos
        | S::LocalTimestampMillis
        | S::LocalTimestampMicros
        | S::LocalTimestampNanos => at.long("")?.to_string(),
        S::Float => f32::from_le_bytes(at.fixed("")?).to_string(),
        S::Double => f64::from_le_bytes(at.fixed("")?).to_string(),
        S::String | S::Uuid(UuidSchema::String) => at.text("")?.to_owned(),
        S::Bytes | S::BigDecimal | S::Uuid(UuidSchema::Bytes) => shown(at.bytes("")?),
        S::Fixed(fixed) | S::Uuid(UuidSchema::Fixed(fixed)) | S::Duration(fixed) => {
            shown(at.take(fixed.size, "").map_err(|_| DecodeError::Truncated(""))?)
        }
        S::Decimal(decimal) => match &decimal.inner {
            InnerDecimalSchema::Fixed(fixed) => {
                shown(at.take(fixed.size, "").map_err(|_| DecodeError::Truncated(""))?)
            }
            InnerDecimalSchema::Bytes => {
                let bytes = at.bytes("")?;
                match decimal_of(bytes) {
                    Some(number) => format!("{number}e-{}", decimal.scale),
                    None => shown(bytes),
                }
            }
        },
        S::Enum(symbols) => {
            let symbol = symbols.symbols.get(at.index("")?);
            symbol.cloned().ok_or(DecodeError::Choice(""))?
        }
        S::Record(_) | S::Union(_) | S::Array(_) | S::Map(_) | S::Ref { .. } => {
            return Err(DecodeError::Other("a type that is not defined".to_owned()));
        }
    })
}

/// Sixteen bytes as a UUID, others in hexadecimal digits.
fn shown(bytes: &[u8]) -> String {
    if let Ok(id) = <[u8; 16]>::try_from(bytes) {
        return uuid::Uuid::from_bytes(id).hyphenated().to_string();
    }
    let more = if bytes.len() > MAX_SHOWN { "…" } else { "" };
    format!("{}{more}", hex::encode(&bytes[..bytes.len().min(MAX_SHOWN)]))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::known::{ACTIVATION_EVENT_AVSC, EventReader};
    use crate::raw::RawEvent;

    const GOLDEN: &str = include_str!("../golden/v1/activation_event.jsonl");

    fn golden() -> Vec<Vec<u8>> {
        let value = |line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            hex::decode(line["single_object"].as_str().unwrap()).unwrap()
        };
        GOLDEN.lines().map(value).collect()
    }

    /// It finds fault with what the decoder refuses, in the field that the decoder names, and with
    /// nothing else.
    fn assert_agrees(reader: &EventReader, value: &[u8]) {
        let explained = reader.book.explain(value);
        match (RawEvent::decode(&value[10..]), &explained.fault) {
            (Ok(_), None) => {}
            (Err(DecodeError::Rest(_)), Some(fault)) => assert_eq!(fault.path, ""),
            (Err(error), Some(fault)) => {
                let first = fault.path.split('.').next().unwrap();
                let error = error.to_string();
                assert!(
                    error.starts_with(first) && error.ends_with(&fault.why),
                    "{error} {fault:?}"
                );
                assert!((10..=value.len()).contains(&fault.byte));
            }
            (decoded, fault) => panic!("{decoded:?}, but {fault:?}"),
        }
        // What was read lies in a row, up to the fault.
        let mut next = 10;
        for field in &explained.fields {
            assert!(field.bytes.start >= next && field.bytes.end >= field.bytes.start);
            next = field.bytes.end;
        }
        assert!(explained.fault.is_none_or(|fault| fault.byte >= next));
    }

    #[test]
    fn faults_are_found_where_the_decoder_finds_them() {
        let reader = EventReader::new(&[]).unwrap();
        for value in golden() {
            assert_agrees(&reader, &value);
            for length in 10..value.len() {
                assert_agrees(&reader, &value[..length]);
            }
            assert_agrees(&reader, &[&value[..], b"rest"].concat());
            let mut bytes = value.clone();
            for place in 10..value.len() {
                for byte in [0x00, 0x01, 0x02, 0x10, 0x7f, 0x80, 0xff] {
                    bytes[place] = byte;
                    assert_agrees(&reader, &bytes);
                }
                bytes[place] = value[place];
            }
        }
    }

    #[test]
    fn each_field_is_told_with_its_place_and_its_bytes() {
        let reader = EventReader::new(&[]).unwrap();
        let value = golden().remove(0);
        let RawEvent { kiosk_id, home_region, .. } = RawEvent::decode(&value[10..]).unwrap();
        let whole = reader.book.explain(&value);
        assert_eq!((whole.header_bytes, &whole.fault), (10, &None));
        assert_eq!(whole.field("kiosk_id"), Some(kiosk_id));
        assert_eq!(whole.field("home_region"), Some(home_region));
        assert_eq!(whole.fields[0].bytes, 10..26);
        assert!(whole.fields.iter().any(|field| field.path.starts_with("fact.")));
        let cut = reader.book.explain(&value[..30]);
        let fault = cut.fault.unwrap();
        assert_eq!((fault.path.as_str(), fault.byte), ("kiosk_id", 26));
        assert_eq!(cut.fields.len(), 1);
    }

    #[test]
    fn what_has_no_schema_is_told_as_such() {
        let reader = EventReader::new(&[]).unwrap();
        let fault = |value: &[u8]| reader.book.explain(value).fault.unwrap();
        assert_eq!(fault(b"").path, "framing");
        assert_eq!(fault(b"{}").path, "framing");
        assert_eq!(fault(&[0, 0, 0, 0, 9, 1]).path, "schema");
        assert!(fault(&[0xc3, 1, 1, 2, 3, 4, 5, 6, 7, 8]).why.contains("0807060504030201"));
    }

    #[test]
    fn a_value_of_another_schema_is_told_by_that_schema() {
        let mut later: serde_json::Value = serde_json::from_str(ACTIVATION_EVENT_AVSC).unwrap();
        let tags = serde_json::json!({
            "name": "tags", "default": [], "type": {"type": "array", "items": "string"}
        });
        later["fields"].as_array_mut().unwrap().insert(0, tags);
        let mut reader = EventReader::new(&[]).unwrap();
        reader.book.learn(9, Some(&later.to_string()));
        let golden = golden().remove(0);
        let value = [&[0, 0, 0, 0, 9, 4, 2, b'a', 2, b'b', 0], &golden[10..]].concat();
        let whole = reader.book.explain(&value);
        assert_eq!((whole.fault, whole.header_bytes), (None, 5));
        assert_eq!(whole.fields[0].path, "tags[0]");
        assert_eq!(whole.fields[1].value, "b");
        let cut = reader.book.explain(&value[..8]).fault.unwrap();
        assert_eq!((cut.path.as_str(), cut.byte), ("tags[1]", 8));
        // Hostile counts cost no time.
        let many = [&[0, 0, 0, 0, 9][..], &[0xfe, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f]].concat();
        assert!(reader.book.explain(&many).fault.is_some());
    }
}
