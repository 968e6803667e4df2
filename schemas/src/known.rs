//! The schemas that a reader knows, and which of them a value was written with.

use std::collections::{BTreeSet, HashMap};
use std::marker::PhantomData;
use std::sync::LazyLock;

use apache_avro::Schema;
use apache_avro::rabin::Rabin;
use thiserror::Error;

use crate::cursor::DecodeError;
use crate::datum::{Datum, whole};
use crate::explain::{Explanation, explain};
use crate::framing::{Framing, never_given};
use crate::raw::RawEvent;
use crate::resolve::Resolver;

pub use crate::resolve::SchemaError;

/// The events topic's schema, as integrators use it.
pub const ACTIVATION_EVENT_AVSC: &str = include_str!("../avsc/activation_event.avsc");
/// Golden events of it, a JSON object a line, for tests of whoever writes or reads events: every kind of
/// fact and every symbol, as a value and as bytes.
pub const ACTIVATION_EVENT_GOLDEN: &str = include_str!("../golden/v1/activation_event.jsonl");
/// The reference topic's schema.
pub const REFERENCE_FIGURE_AVSC: &str = include_str!("../avsc/reference_figure.avsc");
/// The figures topic's schema.
pub const QUOTED_FIGURE_AVSC: &str = include_str!("../avsc/quoted_figure.avsc");
/// The kiosk status topic's schema.
pub const KIOSK_STATUS_AVSC: &str = include_str!("../avsc/kiosk_status.avsc");
/// The decisions topic's schema.
pub const QUARANTINE_DECISION_AVSC: &str = include_str!("../avsc/quarantine_decision.avsc");
/// The schema of the record by which a log says that it is a copy.
pub const LOG_COPY_AVSC: &str = include_str!("../avsc/log_copy.avsc");

/// A schema of this program: parsed, with its fingerprint.
pub struct OwnSchema {
    /// The schema.
    pub schema: Schema,
    /// Its CRC-64-AVRO fingerprint, as the specification, Java and fastavro compute it.
    pub fingerprint: u64,
    /// The schemas that values were written with before, oldest first: without a registry a value
    /// names its own by its fingerprint alone.
    pub former: &'static [&'static str],
}

impl OwnSchema {
    fn parse(avsc: &str, former: &'static [&'static str]) -> Self {
        let schema =
            Schema::parse_str(avsc).expect("the schema is part of the program, read by its tests");
        let fingerprint =
            fingerprint(avsc).expect("the schema is part of the program, read by its tests");
        Self { schema, fingerprint, former }
    }
}

/// The events topic's schema.
pub static ACTIVATION_EVENT: LazyLock<OwnSchema> =
    LazyLock::new(|| OwnSchema::parse(ACTIVATION_EVENT_AVSC, &[]));
/// The reference topic's schema.
pub static REFERENCE_FIGURE: LazyLock<OwnSchema> =
    LazyLock::new(|| OwnSchema::parse(REFERENCE_FIGURE_AVSC, &[]));
/// The figures topic's schema.
pub static QUOTED_FIGURE: LazyLock<OwnSchema> =
    LazyLock::new(|| OwnSchema::parse(QUOTED_FIGURE_AVSC, &[]));
/// The kiosk status topic's schema.
pub static KIOSK_STATUS: LazyLock<OwnSchema> = LazyLock::new(|| {
    OwnSchema::parse(KIOSK_STATUS_AVSC, &[include_str!("../golden/v1/kiosk_status.avsc")])
});
/// The decisions topic's schema.
pub static QUARANTINE_DECISION: LazyLock<OwnSchema> = LazyLock::new(|| {
    OwnSchema::parse(
        QUARANTINE_DECISION_AVSC,
        &[include_str!("../golden/v1/quarantine_decision.avsc")],
    )
});
/// The schema of the record by which a log says that it is a copy.
pub static LOG_COPY: LazyLock<OwnSchema> = LazyLock::new(|| OwnSchema::parse(LOG_COPY_AVSC, &[]));

/// The 64-bit Rabin fingerprint of a schema's parsing canonical form.
///
/// The canonical form has no logical types. apache-avro 0.22 leaves `{"type":"long"}` of them
/// where the specification, Java and fastavro have `"long"` (Apache's package for Python has the
/// same fault), so they are taken out before it sees the schema.
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

impl ReadError {
    fn unknown_fingerprint(print: u64) -> Self {
        Self::UnknownSchema(format!("nobody here knows a schema with fingerprint {print:016x}"))
    }
}

/// Whether every value written with the schema `theirs` can be read as one of `ours`, both the
/// text of an `.avsc`. It is what a reader asks of a schema before it knows it.
///
/// # Errors
/// Names the place where they part, or the text that is not a schema.
pub fn compatible(ours: &str, theirs: &str) -> Result<(), SchemaError> {
    let ours = Schema::parse_str(ours).map_err(|e| SchemaError::Parse(e.to_string()))?;
    Resolver::new(&ours, theirs).map(drop)
}

#[derive(Clone, Copy)]
enum Choice {
    Own,
    Other(usize),
}

/// What a registry has under an id.
enum Learnt {
    Schema(Choice),
    /// A text that does not serve, and why.
    Unfit(Box<str>),
    Nothing,
}

/// How many ids are remembered before those without a schema are forgotten.
const MAX_LEARNT: usize = 4_096;

/// The schemas that a topic's values may have been written with: this program's own and its former
/// ones, those given to it, and what it has learnt of a registry's ids.
pub struct SchemaBook {
    own: &'static OwnSchema,
    others: Vec<Resolver>,
    /// Where each schema stands in `others`, however it became known.
    places: HashMap<u64, usize>,
    /// The fingerprints that values may name.
    fingerprints: BTreeSet<u64>,
    by_id: HashMap<u32, Learnt>,
}

impl SchemaBook {
    /// A book with this program's schemas and those given, each the text of an `.avsc`.
    ///
    /// # Errors
    /// If one of them is not a schema, or cannot be read as ours.
    pub fn new(own: &'static OwnSchema, others: &[String]) -> Result<Self, SchemaError> {
        let mut book = Self {
            own,
            others: Vec::new(),
            places: HashMap::new(),
            fingerprints: BTreeSet::from([own.fingerprint]),
            by_id: HashMap::new(),
        };
        for avsc in own.former.iter().copied().chain(others.iter().map(String::as_str)) {
            let (fingerprint, _) = book.add(avsc)?;
            book.fingerprints.insert(fingerprint);
        }
        Ok(book)
    }

    /// Takes a schema, once however often it is given.
    fn add(&mut self, avsc: &str) -> Result<(u64, Choice), SchemaError> {
        // Asked first, as the fingerprint leaves out the logical types: microseconds where we
        // have milliseconds would pass for our own schema.
        let resolver = Resolver::new(&self.own.schema, avsc)?;
        let fingerprint = fingerprint(avsc)?;
        if fingerprint == self.own.fingerprint {
            return Ok((fingerprint, Choice::Own));
        }
        let place = *self.places.entry(fingerprint).or_insert(self.others.len());
        if place == self.others.len() {
            self.others.push(resolver);
        }
        Ok((fingerprint, Choice::Other(place)))
    }

    /// The fingerprints of all schemas known other than by a registry, in order.
    #[must_use]
    pub fn fingerprints(&self) -> Vec<u64> {
        self.fingerprints.iter().copied().collect()
    }

    /// Notes what the registry has under an id: the text of a schema, or nothing.
    ///
    /// A schema learnt this way is known under its id alone: which fingerprints are known must
    /// not depend on what else was on the topic.
    pub fn learn(&mut self, id: u32, avsc: Option<&str>) {
        let learnt = match avsc.map(|avsc| self.add(avsc)) {
            Some(Ok((_, choice))) => Learnt::Schema(choice),
            Some(Err(why)) => Learnt::Unfit(why.to_string().into()),
            None => Learnt::Nothing,
        };
        if self.by_id.len() >= MAX_LEARNT {
            // Ids that nobody has can be made up without end: they are asked for again.
            self.by_id.retain(|_, learnt| matches!(learnt, Learnt::Schema(_)));
        }
        self.by_id.insert(id, learnt);
    }

    /// Whether a schema was learnt under an id, if only one that does not serve.
    #[must_use]
    pub fn has_learnt(&self, id: u32) -> bool {
        matches!(self.by_id.get(&id), Some(Learnt::Schema(_) | Learnt::Unfit(_)))
    }

    /// The Avro bytes of a value in this program's own schema: a part of the value, or put into
    /// `buffer` if it was written with another one.
    #[inline]
    pub(crate) fn payload<'a>(
        &self,
        value: &'a [u8],
        buffer: &'a mut Vec<u8>,
    ) -> Result<&'a [u8], ReadError> {
        if value.is_empty() {
            return Err(DecodeError::Empty.into());
        }
        let Some((framing, payload)) = Framing::split(value) else {
            return Err(ReadError::UnknownSchema(no_framing(value)));
        };
        match self.choose(framing)? {
            Choice::Own => Ok(payload),
            Choice::Other(place) => {
                buffer.clear();
                self.others[place].translate(payload, buffer)?;
                Ok(buffer)
            }
        }
    }

    /// What a value says, field by field, by the schema that it names, and where it stops making
    /// sense.
    #[must_use]
    pub fn explain(&self, value: &[u8]) -> Explanation {
        if value.is_empty() {
            return Explanation::nothing("framing", DecodeError::Empty.to_string());
        }
        let Some((framing, payload)) = Framing::split(value) else {
            return Explanation::nothing("framing", no_framing(value));
        };
        let schema = match self.choose(framing) {
            Ok(Choice::Own) => &self.own.schema,
            Ok(Choice::Other(place)) => &self.others[place].schema,
            Err(error) => return Explanation::nothing("schema", error.to_string()),
        };
        explain(schema, value.len() - payload.len(), value)
    }

    #[inline]
    fn choose(&self, framing: Framing) -> Result<Choice, ReadError> {
        match framing {
            Framing::SingleObject(print) if print == self.own.fingerprint => Ok(Choice::Own),
            Framing::SingleObject(print) => match self.places.get(&print) {
                Some(&place) if self.fingerprints.contains(&print) => Ok(Choice::Other(place)),
                _ => Err(ReadError::unknown_fingerprint(print)),
            },
            Framing::Confluent(id) => match self.by_id.get(&id) {
                Some(Learnt::Schema(choice)) => Ok(*choice),
                Some(Learnt::Unfit(why)) => {
                    Err(ReadError::UnknownSchema(format!("the schema with id {id}: {why}")))
                }
                Some(Learnt::Nothing) => {
                    Err(ReadError::UnknownSchema(format!("no registry has a schema with id {id}")))
                }
                None => Err(match never_given(id) {
                    Some(why) => ReadError::UnknownSchema(why),
                    None => ReadError::Unlearned(id),
                }),
            },
        }
    }
}

/// What is wrong with a value of no known framing.
fn no_framing(value: &[u8]) -> String {
    let start = hex::encode(&value[..value.len().min(2)]);
    format!("no known framing begins with {start}")
}

/// What the values of one of the topics beside the events are.
pub trait TopicValue: Datum {
    /// The schema that this program writes them with.
    const OWN: &'static LazyLock<OwnSchema>;

    /// Whether its fields go together.
    ///
    /// # Errors
    /// Says why not.
    fn fits(&self) -> Result<(), DecodeError> {
        Ok(())
    }
}

/// Reads the values of such a topic, in either framing.
pub struct ValueReader<T> {
    book: SchemaBook,
    value: PhantomData<fn() -> T>,
}

impl<T: TopicValue> ValueReader<T> {
    /// A reader that knows this program's schema and those of earlier versions.
    ///
    /// # Errors
    /// Never with the schemas that are part of the program.
    pub fn new() -> Result<Self, SchemaError> {
        Ok(Self { book: SchemaBook::new(T::OWN, &[])?, value: PhantomData })
    }

    /// Notes what the registry has under an id: the text of a schema, or nothing.
    pub fn learn(&mut self, id: u32, avsc: Option<&str>) {
        self.book.learn(id, avsc);
    }

    /// Reads a value.
    ///
    /// # Errors
    /// If its schema is not known, or it is none of the topic's.
    pub fn read(&self, value: &[u8]) -> Result<T, ReadError> {
        let mut buffer = Vec::new();
        let value: T = whole(self.book.payload(value, &mut buffer)?)?;
        value.fits()?;
        Ok(value)
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
    /// A reader that knows this program's schemas and those given, each the text of an `.avsc`.
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
        let Self { book, buffer } = self;
        Ok(RawEvent::decode(book.payload(value, buffer)?)?)
    }
}
