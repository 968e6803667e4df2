//! What the bytes of a value say, field by field, and where they stop making sense: for people who
//! look at a value that could not be read. Slow, and never used to decide anything.
//!
//! It goes by the schema that the value was written with.

use std::ops::Range;

use apache_avro::Schema;
use jiff::civil::Date;

use crate::cursor::{Cursor, DecodeError};
use crate::decimal::decimal_of;
use crate::time::{TimestampMs, date_from_days};
use crate::walk::{FIXED, Leaf, Part, Types, Visitor};

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
    let mut notes = Notes {
        start: value.as_ptr().addr(),
        found: Explanation { header_bytes, ..Explanation::default() },
        path: String::new(),
        from: header_bytes,
        parts: Vec::new(),
    };
    let mut at = Cursor::new(&value[header_bytes..]);
    let read = Types::of(schema).walk(schema, &mut at, &mut notes).and_then(|()| {
        notes.reads(at.rest());
        at.end()
    });
    if let Err(error) = read {
        let error = match error {
            DecodeError::Length(FIXED) => DecodeError::Truncated(FIXED).to_string(),
            error => error.to_string(),
        };
        // What the field is called is its path.
        let why = error.split_once(": ").map_or(&*error, |(_, why)| why).to_owned();
        notes.found.fault = Some(Fault { path: notes.path, byte: notes.from, why });
    }
    notes.found
}

/// What was found so far.
struct Notes {
    /// The address of the value's first byte.
    start: usize,
    found: Explanation,
    /// The path of what is read, and its first byte.
    path: String,
    from: usize,
    /// Of each part that has begun: the length of the path before it, and of a branch its number's
    /// first byte and how many fields there were before it.
    parts: Vec<(usize, Option<(usize, usize)>)>,
}

impl Notes {
    fn place(&self, rest: &[u8]) -> usize {
        rest.as_ptr().addr() - self.start
    }

    fn note(&mut self, bytes: Range<usize>, value: String) {
        if self.found.fields.len() < MAX_FIELDS {
            self.found.fields.push(ExplainedField { path: self.path.clone(), bytes, value });
        }
    }

    fn name(&mut self, name: &str) {
        if !self.path.is_empty() {
            self.path.push('.');
        }
        self.path.push_str(name);
    }
}

impl Visitor for Notes {
    fn reads(&mut self, rest: &[u8]) {
        self.from = self.place(rest);
    }

    fn enter(&mut self, part: Part<'_>, rest: &[u8]) {
        let is_branch = matches!(part, Part::Branch(_));
        let branch = is_branch.then_some((self.from, self.found.fields.len()));
        self.parts.push((self.path.len(), branch));
        match part {
            Part::Field(name) => self.name(name),
            Part::Item(number) => self.path.push_str(&format!("[{number}]")),
            Part::Branch(Schema::Record(record)) => {
                self.name(record.name.name());
                if record.fields.is_empty() {
                    let here = self.place(rest);
                    self.note(here..here, String::new());
                }
            }
            Part::Branch(_) => {}
        }
    }

    fn leave(&mut self) {
        let Some((path, branch)) = self.parts.pop() else { return };
        self.path.truncate(path);
        // The branch's number is a byte of a field without parts.
        if let Some((from, before)) = branch
            && let [field] = &mut self.found.fields[before..]
        {
            field.bytes.start = from;
        }
    }

    fn leaf(&mut self, schema: &Schema, leaf: Leaf<'_>, rest: &[u8]) {
        self.note(self.from..self.place(rest), text_of(schema, leaf));
    }
}

fn text_of(schema: &Schema, leaf: Leaf<'_>) -> String {
    match (leaf, schema) {
        (Leaf::Null, _) => "null".to_owned(),
        (Leaf::Boolean(value), _) => value.to_string(),
        (Leaf::Int(days), Schema::Date) => {
            date_from_days(days).as_ref().map_or_else(|| format!("day {days}"), Date::to_string)
        }
        (Leaf::Int(number), _) => number.to_string(),
        (Leaf::Long(instant), Schema::TimestampMillis) => TimestampMs(instant).to_string(),
        (Leaf::Long(number), _) => number.to_string(),
        (Leaf::Text(text), _) => text.to_owned(),
        (Leaf::Fixed(&[a, b, c, d]), Schema::Float) => f32::from_le_bytes([a, b, c, d]).to_string(),
        (Leaf::Fixed(bytes), Schema::Double) => match bytes.first_chunk() {
            Some(bytes) => f64::from_le_bytes(*bytes).to_string(),
            None => shown(bytes),
        },
        (Leaf::Bytes(bytes), Schema::Decimal(decimal)) => match decimal_of(bytes) {
            Some(number) => format!("{number}e-{}", decimal.scale),
            None => shown(bytes),
        },
        (Leaf::Bytes(bytes) | Leaf::Fixed(bytes), _) => shown(bytes),
    }
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
    use crate::known::{ACTIVATION_EVENT_AVSC, ACTIVATION_EVENT_GOLDEN, EventReader};
    use crate::raw::RawEvent;

    fn golden() -> Vec<Vec<u8>> {
        let value = |line| {
            let line: serde_json::Value = serde_json::from_str(line).unwrap();
            hex::decode(line["single_object"].as_str().unwrap()).unwrap()
        };
        ACTIVATION_EVENT_GOLDEN.lines().map(value).collect()
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
