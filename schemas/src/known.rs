//! The schemas that a reader knows, and which of them a value was written with.

use std::collections::HashMap;
use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use apache_avro::types::Value;
use thiserror::Error;

use crate::framing::Framing;
use crate::raw::{DecodeError, RawEvent};
use crate::resolve::Resolver;

/// The events topic's schema, as integrators use it.
pub const ACTIVATION_EVENT_AVSC: &str = include_str!("../avsc/activation_event.avsc");
/// The reference topic's schema.
pub const REFERENCE_FIGURE_AVSC: &str = include_str!("../avsc/reference_figure.avsc");
/// The kiosk status topic's schema.
pub const KIOSK_STATUS_AVSC: &str = include_str!("../avsc/kiosk_status.avsc");

/// The most memory that apache-avro may take for one length it reads: a hostile length must not
/// make a worker ask for half a gigabyte.
const MAX_ALLOCATION: usize = 8 << 20;

/// A schema of this program: parsed, with its fingerprint.
pub struct OwnSchema {
    /// The schema.
    pub schema: Schema,
    /// Its CRC-64-AVRO fingerprint, as the specification, Java and Python compute it.
    pub fingerprint: u64,
}

impl OwnSchema {
    fn parse(avsc: &str) -> Self {
        apache_avro::util::max_allocation_bytes(MAX_ALLOCATION);
        let schema =
            Schema::parse_str(avsc).expect("the schema is part of the program, read by its tests");
        let fingerprint =
            fingerprint(avsc).expect("the schema is part of the program, read by its tests");
        Self { schema, fingerprint }
    }
}

/// The events topic's schema.
pub static ACTIVATION_EVENT: LazyLock<OwnSchema> =
    LazyLock::new(|| OwnSchema::parse(ACTIVATION_EVENT_AVSC));
/// The reference topic's schema.
pub static REFERENCE_FIGURE: LazyLock<OwnSchema> =
    LazyLock::new(|| OwnSchema::parse(REFERENCE_FIGURE_AVSC));
/// The kiosk status topic's schema.
pub static KIOSK_STATUS: LazyLock<OwnSchema> =
    LazyLock::new(|| OwnSchema::parse(KIOSK_STATUS_AVSC));

/// A text that cannot serve as a schema of the events topic.
#[derive(Debug, Error)]
pub enum SchemaError {
    /// Not an Avro schema.
    #[error("not an Avro schema: {0}")]
    Parse(String),
    /// A schema that cannot be read as this program's.
    #[error("cannot be read as the schema this program knows: {0}")]
    Incompatible(String),
}

/// The 64-bit Rabin fingerprint of a schema's parsing canonical form.
///
/// The canonical form has no logical types. apache-avro 0.22 leaves `{"type":"long"}` of them
/// where the specification has `"long"`, so they are taken out before it sees the schema.
///
/// # Errors
/// If the text is not an Avro schema.
pub fn fingerprint(avsc: &str) -> Result<u64, SchemaError> {
    let parse = |e: &dyn std::fmt::Display| SchemaError::Parse(e.to_string());
    let mut json: serde_json::Value = serde_json::from_str(avsc).map_err(|e| parse(&e))?;
    strip_logical_types(&mut json);
    let schema = Schema::parse(&json).map_err(|e| parse(&e))?;
    let bytes = schema.fingerprint::<Rabin>().bytes;
    let bytes = bytes.try_into().map_err(|_| parse(&"a fingerprint of another length"))?;
    Ok(u64::from_le_bytes(bytes))
}

fn strip_logical_types(json: &mut serde_json::Value) {
    match json {
        serde_json::Value::Object(map) => {
            if map.remove("logicalType").is_some() {
                map.remove("precision");
                map.remove("scale");
            }
            map.values_mut().for_each(strip_logical_types);
        }
        serde_json::Value::Array(items) => items.iter_mut().for_each(strip_logical_types),
        _ => {}
    }
}

/// Why a value could not be read.
#[derive(Debug, Error)]
pub enum ReadError {
    /// The value names a registry id that this reader was not told about: ask the registry, then
    /// call [`SchemaBook::learn`].
    #[error("schema id {0} is not known yet")]
    Unlearned(u32),
    /// The value has no framing, or one of a schema that nobody here knows.
    #[error("{0}")]
    UnknownSchema(String),
    /// The bytes are not an event of their schema.
    #[error(transparent)]
    Decode(#[from] DecodeError),
}

#[derive(Clone, Copy)]
enum Choice {
    Own,
    Other(usize),
}

/// The schemas that a topic's values may have been written with: this program's own, those given
/// to it, and what it has learnt of a registry's ids.
pub struct SchemaBook {
    own: &'static OwnSchema,
    others: Vec<Resolver>,
    by_fingerprint: HashMap<u64, usize>,
    by_id: HashMap<u32, Result<Choice, String>>,
}

impl SchemaBook {
    /// A book with this program's schema and those given, each the text of an `.avsc`.
    ///
    /// # Errors
    /// If one of them is not a schema, or cannot be read as ours.
    pub fn new(own: &'static OwnSchema, others: &[String]) -> Result<Self, SchemaError> {
        let mut book =
            Self { own, others: Vec::new(), by_fingerprint: HashMap::new(), by_id: HashMap::new() };
        for avsc in others {
            book.add(avsc)?;
        }
        Ok(book)
    }

    fn add(&mut self, avsc: &str) -> Result<Choice, SchemaError> {
        let fingerprint = fingerprint(avsc)?;
        if fingerprint == self.own.fingerprint {
            return Ok(Choice::Own);
        }
        if let Some(&index) = self.by_fingerprint.get(&fingerprint) {
            return Ok(Choice::Other(index));
        }
        self.others.push(Resolver::new(&self.own.schema, avsc)?);
        let index = self.others.len() - 1;
        self.by_fingerprint.insert(fingerprint, index);
        Ok(Choice::Other(index))
    }

    /// The fingerprints of all schemas known other than by a registry, in order.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<u64> {
        let mut all: Vec<_> =
            self.by_fingerprint.keys().copied().chain([self.own.fingerprint]).collect();
        all.sort_unstable();
        all
    }

    /// Notes what the registry has under an id: the text of a schema, or nothing.
    ///
    /// A schema learnt this way is known under its id alone: which fingerprints are known must
    /// not depend on what else was on the topic.
    pub fn learn(&mut self, id: u32, avsc: Option<&str>) {
        let choice = match avsc.map(|avsc| self.resolver_for(avsc)) {
            Some(Ok(choice)) => Ok(choice),
            Some(Err(error)) => Err(format!("the schema with id {id}: {error}")),
            None => Err(format!("no registry has a schema with id {id}")),
        };
        self.by_id.insert(id, choice);
    }

    fn resolver_for(&mut self, avsc: &str) -> Result<Choice, SchemaError> {
        let fingerprint = fingerprint(avsc)?;
        if fingerprint == self.own.fingerprint {
            return Ok(Choice::Own);
        }
        self.others.push(Resolver::new(&self.own.schema, avsc)?);
        Ok(Choice::Other(self.others.len() - 1))
    }

    /// The Avro bytes of a value, and the resolver of its schema if that is not our own.
    #[inline]
    fn open<'a>(&self, value: &'a [u8]) -> Result<(Option<&Resolver>, &'a [u8]), ReadError> {
        if value.is_empty() {
            return Err(DecodeError::Empty.into());
        }
        let Some((framing, payload)) = Framing::split(value) else {
            let start = hex::encode(&value[..value.len().min(10)]);
            return Err(ReadError::UnknownSchema(format!("no known framing begins with {start}")));
        };
        let choice = match framing {
            Framing::SingleObject(fingerprint) if fingerprint == self.own.fingerprint => {
                Choice::Own
            }
            Framing::SingleObject(fingerprint) => match self.by_fingerprint.get(&fingerprint) {
                Some(&index) => Choice::Other(index),
                None => {
                    return Err(ReadError::UnknownSchema(format!(
                        "nobody here knows a schema with fingerprint {fingerprint:016x}"
                    )));
                }
            },
            Framing::Confluent(id) => match self.by_id.get(&id) {
                Some(Ok(choice)) => *choice,
                Some(Err(why)) => return Err(ReadError::UnknownSchema(why.clone())),
                None => return Err(ReadError::Unlearned(id)),
            },
        };
        match choice {
            Choice::Own => Ok((None, payload)),
            Choice::Other(index) => Ok((Some(&self.others[index]), payload)),
        }
    }
}

/// Reads the values of the events topic, whichever known schema and framing they have.
///
/// Values of this program's own schema are read in place. Those of another one are decoded with
/// that schema, matched to ours by name, and put into this reader's buffer.
pub struct EventReader {
    /// The schemas it knows.
    pub book: SchemaBook,
    buffer: Vec<u8>,
}

impl EventReader {
    /// A reader that knows this program's schema and those given, each the text of an `.avsc`.
    ///
    /// # Errors
    /// If one of them is not a schema, or cannot be read as ours.
    pub fn new(others: &[String]) -> Result<Self, SchemaError> {
        Ok(Self { book: SchemaBook::new(&ACTIVATION_EVENT, others)?, buffer: Vec::new() })
    }

    /// Reads a value. The event borrows from the value or from this reader.
    ///
    /// # Errors
    /// If the schema is not known, or the bytes are not an event of it.
    #[inline]
    pub fn read<'a>(&'a mut self, value: &'a [u8]) -> Result<RawEvent<'a>, ReadError> {
        let (resolver, mut payload) = self.book.open(value)?;
        if let Some(resolver) = resolver {
            self.buffer.clear();
            resolver.translate(payload, &mut self.buffer)?;
            payload = &self.buffer;
        }
        Ok(RawEvent::decode(payload)?)
    }
}

/// Reads the values of a topic with few records, through apache-avro's `Value`.
pub(crate) struct ValueReader {
    book: SchemaBook,
    own: Resolver,
}

impl ValueReader {
    pub(crate) fn new(own: &'static OwnSchema, avsc: &str) -> Result<Self, SchemaError> {
        Ok(Self { book: SchemaBook::new(own, &[])?, own: Resolver::new(&own.schema, avsc)? })
    }

    pub(crate) fn learn(&mut self, id: u32, avsc: Option<&str>) {
        self.book.learn(id, avsc);
    }

    /// The fields of a record, in the order of our schema.
    pub(crate) fn read(&self, value: &[u8]) -> Result<Vec<Value>, ReadError> {
        let (resolver, payload) = self.book.open(value)?;
        match resolver.unwrap_or(&self.own).resolve(payload)? {
            Value::Record(fields) => Ok(fields.into_iter().map(|(_, value)| value).collect()),
            _ => Err(DecodeError::Other("not a record".to_owned()).into()),
        }
    }
}
