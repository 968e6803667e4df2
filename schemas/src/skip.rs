//! Passing over data of another schema: fields that a later version added, of whatever type.
//!
//! The data is checked as it is passed over, so that a value whose bytes end early is refused
//! wherever they end. It may be hostile: no length it states is allocated, and nested data is
//! followed to [`MAX_DEPTH`] only.

use std::collections::HashMap;

use apache_avro::schema::{InnerDecimalSchema, Name, Schema, UuidSchema};

use crate::cursor::Cursor;
use crate::cursor::DecodeError;
use crate::resolve::{names_of, resolved};

/// How deep data of a type that contains itself may be nested.
const MAX_DEPTH: usize = 256;

/// What bytes to pass over for a type.
#[derive(Clone)]
pub(crate) enum Skip {
    Nothing,
    Boolean,
    Int,
    Long,
    Bytes,
    Text,
    Fixed(usize),
    /// With so many symbols.
    Enum(usize),
    Union(Vec<Skip>),
    Record(Vec<Skip>),
    Array(Box<Skip>),
    Map(Box<Skip>),
    /// A named record: its place in [`Types`], so that it may contain itself.
    Named(usize),
}

/// The named records of a schema.
pub(crate) struct Types(Vec<Skip>);

impl Types {
    /// Moves past a value of a type.
    pub(crate) fn skip(&self, skip: &Skip, at: &mut Cursor<'_>) -> Result<(), DecodeError> {
        self.nested(skip, at, 0)
    }

    fn nested(&self, skip: &Skip, at: &mut Cursor<'_>, depth: usize) -> Result<(), DecodeError> {
        if depth > MAX_DEPTH {
            return Err(DecodeError::Other("data nested too deeply".to_owned()));
        }
        let depth = depth + 1;
        match skip {
            Skip::Nothing => Ok(()),
            Skip::Boolean => at.boolean("a boolean").map(drop),
            Skip::Int => at.int("a number").map(drop),
            Skip::Long => at.long("a number").map(drop),
            Skip::Bytes => at.bytes("bytes").map(drop),
            Skip::Text => at.text("a text").map(drop),
            Skip::Fixed(size) => at.take(*size, "fixed bytes").map(drop),
            Skip::Enum(symbols) => {
                let known = at.index("a symbol")? < *symbols;
                if known { Ok(()) } else { Err(DecodeError::Choice("a symbol")) }
            }
            Skip::Union(branches) => {
                let branch = branches.get(at.index("a union")?);
                self.nested(branch.ok_or(DecodeError::Choice("a union"))?, at, depth)
            }
            Skip::Record(fields) => {
                fields.iter().try_for_each(|field| self.nested(field, at, depth))
            }
            Skip::Array(items) => blocks(at, |at| self.nested(items, at, depth)),
            Skip::Map(values) => blocks(at, |at| {
                at.text("a map's key")?;
                self.nested(values, at, depth)
            }),
            Skip::Named(place) => self.nested(&self.0[*place], at, depth),
        }
    }
}

/// Moves past the blocks of an array or a map.
fn blocks<'a>(
    at: &mut Cursor<'a>,
    mut item: impl FnMut(&mut Cursor<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    loop {
        let count = at.long("a count")?;
        if count == 0 {
            return Ok(());
        }
        if count < 0 {
            // The block's size in bytes, which its items have to fill.
            let size = usize::try_from(at.long("a block")?);
            let mut block =
                Cursor::new(at.take(size.map_err(|_| DecodeError::Length("a block"))?, "a block")?);
            items(&mut block, count.unsigned_abs(), &mut item)?;
            if !block.rest().is_empty() {
                return Err(DecodeError::Length("a block"));
            }
        } else {
            items(at, count.unsigned_abs(), &mut item)?;
        }
    }
}

fn items<'a>(
    at: &mut Cursor<'a>,
    count: u64,
    item: &mut impl FnMut(&mut Cursor<'a>) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    for _ in 0..count {
        let before = at.rest().len();
        item(at)?;
        // Items without bytes all are: their number, which costs nothing to state, is not counted.
        if at.rest().len() == before {
            break;
        }
    }
    Ok(())
}

/// Works out what to pass over for the types of a schema.
pub(crate) struct Skipper<'s> {
    names: HashMap<&'s Name, &'s Schema>,
    places: HashMap<&'s Name, usize>,
    types: Vec<Option<Skip>>,
}

impl<'s> Skipper<'s> {
    pub(crate) fn new(schema: &'s Schema) -> Self {
        Self { names: names_of(schema), places: HashMap::new(), types: Vec::new() }
    }

    /// The type behind a reference; any other schema itself.
    pub(crate) fn resolve(&self, schema: &'s Schema) -> &'s Schema {
        resolved(&self.names, schema)
    }

    /// What to pass over for a type; refused if it names one that is not defined.
    pub(crate) fn skip(&mut self, schema: &'s Schema) -> Result<Skip, String> {
        use Schema as S;
        Ok(match self.resolve(schema) {
            S::Null => Skip::Nothing,
            S::Boolean => Skip::Boolean,
            S::Int | S::Date | S::TimeMillis => Skip::Int,
            S::Long
            | S::TimeMicros
            | S::TimestampMillis
            | S::TimestampMicros
            | S::TimestampNanos
            | S::LocalTimestampMillis
            | S::LocalTimestampMicros
            | S::LocalTimestampNanos => Skip::Long,
            S::Float => Skip::Fixed(4),
            S::Double => Skip::Fixed(8),
            S::Bytes | S::BigDecimal | S::Uuid(UuidSchema::Bytes) => Skip::Bytes,
            S::String | S::Uuid(UuidSchema::String) => Skip::Text,
            S::Fixed(fixed) | S::Uuid(UuidSchema::Fixed(fixed)) | S::Duration(fixed) => {
                Skip::Fixed(fixed.size)
            }
            S::Decimal(decimal) => match &decimal.inner {
                InnerDecimalSchema::Bytes => Skip::Bytes,
                InnerDecimalSchema::Fixed(fixed) => Skip::Fixed(fixed.size),
            },
            S::Enum(symbols) => Skip::Enum(symbols.symbols.len()),
            S::Array(array) => Skip::Array(Box::new(self.skip(&array.items)?)),
            S::Map(map) => Skip::Map(Box::new(self.skip(&map.types)?)),
            S::Union(union) => {
                let branches = union.variants().iter().map(|branch| self.skip(branch));
                Skip::Union(branches.collect::<Result<_, _>>()?)
            }
            S::Record(record) => {
                if let Some(&place) = self.places.get(&record.name) {
                    return Ok(Skip::Named(place));
                }
                let place = self.types.len();
                self.places.insert(&record.name, place);
                self.types.push(None);
                let fields = record.fields.iter().map(|field| self.skip(&field.schema));
                self.types[place] = Some(Skip::Record(fields.collect::<Result<_, _>>()?));
                Skip::Named(place)
            }
            S::Ref { name } => return Err(format!("the type {name} is not defined")),
        })
    }

    pub(crate) fn finish(self) -> Result<Types, String> {
        let types: Option<_> = self.types.into_iter().collect();
        types.map(Types).ok_or_else(|| "a record is not complete".to_owned())
    }
}
