//! Data of any schema, walked from front to back: to pass over it, or to say what it holds.
//!
//! The data is checked as it is walked, so that a value whose bytes end early is refused wherever they
//! end. It may be hostile: no length it states is allocated, and nested data is followed to
//! [`MAX_DEPTH`] only.

use std::collections::HashMap;

use apache_avro::schema::{InnerDecimalSchema, Name, Schema, UuidSchema};

use crate::cursor::{Cursor, DecodeError};

/// How deep data of a type that contains itself may be nested: a record counts as two, its name and
/// itself.
const MAX_DEPTH: usize = 256;
/// What a type of so many bytes is called in an error.
pub(crate) const FIXED: &str = "fixed bytes";

/// The named types that a schema defines.
pub(crate) struct Types(HashMap<Name, Schema>);

/// A value without parts; a symbol is a text.
pub(crate) enum Leaf<'a> {
    Null,
    Boolean(bool),
    Int(i32),
    Long(i64),
    Bytes(&'a [u8]),
    Fixed(&'a [u8]),
    Text(&'a str),
}

/// A part of a value.
pub(crate) enum Part<'s> {
    Field(&'s str),
    Branch(&'s Schema),
    Item(usize),
}

/// What is told of data as it is walked. `rest` are the bytes from a place on.
pub(crate) trait Visitor {
    /// The next is read here: a leaf, or how a value goes on.
    fn reads(&mut self, _rest: &[u8]) {}
    /// A part begins.
    fn enter(&mut self, _part: Part<'_>, _rest: &[u8]) {}
    /// The part that began last ends.
    fn leave(&mut self) {}
    /// A leaf was read, up to here.
    fn leaf(&mut self, _schema: &Schema, _leaf: Leaf<'_>, _rest: &[u8]) {}
}

/// Nobody is told.
impl Visitor for () {}

impl Types {
    pub(crate) fn of(schema: &Schema) -> Self {
        fn collect(schema: &Schema, names: &mut HashMap<Name, Schema>) {
            if !matches!(schema, Schema::Ref { .. })
                && let Some(name) = schema.name()
            {
                names.insert(name.clone(), schema.clone());
            }
            match schema {
                Schema::Record(record) => {
                    record.fields.iter().for_each(|field| collect(&field.schema, names));
                }
                Schema::Union(union) => union.variants().iter().for_each(|s| collect(s, names)),
                Schema::Array(array) => collect(&array.items, names),
                Schema::Map(map) => collect(&map.types, names),
                _ => {}
            }
        }
        let mut names = HashMap::new();
        collect(schema, &mut names);
        Self(names)
    }

    /// Refuses a schema that names a type which is not defined, or by another name than its own.
    pub(crate) fn check(&self, schema: &Schema) -> Result<(), String> {
        match schema {
            Schema::Ref { name } if !self.0.contains_key(name) => {
                Err(format!("the type {name} is not defined"))
            }
            Schema::Record(record) => record.fields.iter().try_for_each(|f| self.check(&f.schema)),
            Schema::Union(union) => union.variants().iter().try_for_each(|s| self.check(s)),
            Schema::Array(array) => self.check(&array.items),
            Schema::Map(map) => self.check(&map.types),
            _ => Ok(()),
        }
    }

    /// The type behind a reference; any other schema itself.
    pub(crate) fn resolve<'s>(&'s self, schema: &'s Schema) -> &'s Schema {
        match schema {
            Schema::Ref { name } => self.0.get(name).unwrap_or(schema),
            _ => schema,
        }
    }

    /// Moves past a value of a type.
    pub(crate) fn walk(
        &self,
        schema: &Schema,
        at: &mut Cursor<'_>,
        visitor: &mut impl Visitor,
    ) -> Result<(), DecodeError> {
        self.nested(schema, at, visitor, 0)
    }

    fn nested<V: Visitor>(
        &self,
        schema: &Schema,
        at: &mut Cursor<'_>,
        visitor: &mut V,
        depth: usize,
    ) -> Result<(), DecodeError> {
        let schema = self.resolve(schema);
        let depth = depth + if matches!(schema, Schema::Record(_)) { 2 } else { 1 };
        visitor.reads(at.rest());
        if depth > MAX_DEPTH + 1 {
            return Err(DecodeError::Other("data nested too deeply".to_owned()));
        }
        match schema {
            Schema::Record(record) => record.fields.iter().try_for_each(|field| {
                visitor.enter(Part::Field(&field.name), at.rest());
                self.nested(&field.schema, at, visitor, depth)?;
                visitor.leave();
                Ok(())
            }),
            Schema::Union(union) => {
                let branch = union.variants().get(at.index("a union")?);
                let branch = self.resolve(branch.ok_or(DecodeError::Choice("a union"))?);
                visitor.enter(Part::Branch(branch), at.rest());
                self.nested(branch, at, visitor, depth)?;
                visitor.leave();
                Ok(())
            }
            Schema::Array(array) => {
                blocks(at, visitor, |at, visitor| self.nested(&array.items, at, visitor, depth))
            }
            Schema::Map(map) => blocks(at, visitor, |at, visitor| {
                visitor.reads(at.rest());
                let key = at.text("a map's key")?;
                visitor.leaf(&Schema::String, Leaf::Text(key), at.rest());
                self.nested(&map.types, at, visitor, depth)
            }),
            _ => {
                let leaf = leaf(schema, at)?;
                visitor.leaf(schema, leaf, at.rest());
                Ok(())
            }
        }
    }
}

/// Moves past the blocks of an array or a map.
fn blocks<'a, V: Visitor>(
    at: &mut Cursor<'a>,
    visitor: &mut V,
    mut item: impl FnMut(&mut Cursor<'a>, &mut V) -> Result<(), DecodeError>,
) -> Result<(), DecodeError> {
    let mut number = 0;
    loop {
        visitor.reads(at.rest());
        let count = at.long("a count")?;
        if count == 0 {
            return Ok(());
        }
        let mut block = None;
        if count < 0 {
            // The block's size in bytes, which its items have to fill.
            let size = usize::try_from(at.long("a block")?);
            let size = size.map_err(|_| DecodeError::Length("a block"))?;
            block = Some(Cursor::new(at.take(size, "a block")?));
        }
        let items = block.as_mut().unwrap_or(&mut *at);
        for _ in 0..count.unsigned_abs() {
            let before = items.rest().len();
            visitor.enter(Part::Item(number), items.rest());
            item(items, visitor)?;
            visitor.leave();
            number += 1;
            // Items without bytes all are: their number, which costs nothing to state, is not counted.
            if items.rest().len() == before {
                break;
            }
        }
        if let Some(block) = block.filter(|block| !block.rest().is_empty()) {
            visitor.reads(block.rest());
            return Err(DecodeError::Length("a block"));
        }
    }
}

/// Reads a value without parts.
fn leaf<'l, 'a: 'l>(schema: &'l Schema, at: &mut Cursor<'a>) -> Result<Leaf<'l>, DecodeError> {
    use Schema as S;
    Ok(match schema {
        S::Null => Leaf::Null,
        S::Boolean => Leaf::Boolean(at.boolean("a boolean")?),
        S::Int | S::Date | S::TimeMillis => Leaf::Int(at.int("a number")?),
        S::Long
        | S::TimeMicros
        | S::TimestampMillis
        | S::TimestampMicros
        | S::TimestampNanos
        | S::LocalTimestampMillis
        | S::LocalTimestampMicros
        | S::LocalTimestampNanos => Leaf::Long(at.long("a number")?),
        S::Float => Leaf::Fixed(at.take(4, FIXED)?),
        S::Double => Leaf::Fixed(at.take(8, FIXED)?),
        S::Bytes | S::BigDecimal | S::Uuid(UuidSchema::Bytes) => Leaf::Bytes(at.bytes("bytes")?),
        S::String | S::Uuid(UuidSchema::String) => Leaf::Text(at.text("a text")?),
        S::Fixed(fixed) | S::Uuid(UuidSchema::Fixed(fixed)) | S::Duration(fixed) => {
            Leaf::Fixed(at.take(fixed.size, FIXED)?)
        }
        S::Decimal(decimal) => match &decimal.inner {
            InnerDecimalSchema::Bytes => Leaf::Bytes(at.bytes("bytes")?),
            InnerDecimalSchema::Fixed(fixed) => Leaf::Fixed(at.take(fixed.size, FIXED)?),
        },
        S::Enum(symbols) => {
            let symbol = symbols.symbols.get(at.index("a symbol")?);
            Leaf::Text(symbol.ok_or(DecodeError::Choice("a symbol"))?)
        }
        S::Record(_) | S::Union(_) | S::Array(_) | S::Map(_) | S::Ref { .. } => {
            return Err(DecodeError::Other("a type that is not defined".to_owned()));
        }
    })
}
