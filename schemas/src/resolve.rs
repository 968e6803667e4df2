//! Events written with another version of the schema, read as ours.
//!
//! apache-avro resolves a union by taking the first branch whose fields fit, so that a `Deferred`
//! is read as a `Deactivated`. Here a value is decoded with its writer's schema alone; branches,
//! fields and symbols are then matched to ours by name, a symbol that we do not have becomes
//! `unknown`, a field that the writer does not have gets our default.

use apache_avro::reader::datum::GenericDatumReader;
use apache_avro::schema::{RecordField, RecordSchema, Schema};
use apache_avro::types::Value;
use apache_avro::writer::datum::GenericDatumWriter;

use crate::known::SchemaError;
use crate::raw::DecodeError;

/// A schema that values were written with, known to be readable as one of ours.
pub(crate) struct Resolver {
    reader: GenericDatumReader<'static>,
    writer: GenericDatumWriter<'static>,
    theirs: &'static Schema,
    their_names: Named<'static>,
    ours: &'static Schema,
    our_names: Named<'static>,
}

impl Resolver {
    /// Takes the text of an `.avsc`, if its values can be read as ours.
    pub(crate) fn new(ours: &'static Schema, avsc: &str) -> Result<Self, SchemaError> {
        let parse = |e: apache_avro::Error| SchemaError::Parse(e.to_string());
        let schema = Schema::parse_str(avsc).map_err(parse)?;
        compatible(ours, &schema, &Named::of(ours), &Named::of(&schema), root(ours))
            .map_err(SchemaError::Incompatible)?;
        // Kept for the life of the process, as the reader borrows it: there are as many as there
        // are versions of the contract.
        let theirs: &'static Schema = Box::leak(Box::new(schema));
        Ok(Self {
            reader: GenericDatumReader::builder(theirs).build().map_err(parse)?,
            writer: GenericDatumWriter::builder(ours).build().map_err(parse)?,
            theirs,
            their_names: Named::of(theirs),
            ours,
            our_names: Named::of(ours),
        })
    }

    /// The value in the shape of our schema.
    pub(crate) fn resolve(&self, payload: &[u8]) -> Result<Value, DecodeError> {
        let mut rest = payload;
        let value =
            self.reader.read_value(&mut rest).map_err(|e| DecodeError::Other(e.to_string()))?;
        if !rest.is_empty() {
            return Err(DecodeError::Rest(rest.len()));
        }
        self.read(self.ours, self.theirs, value).map_err(DecodeError::Other)
    }

    /// Appends to `out` the same value in our schema's bytes.
    pub(crate) fn translate(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let value = self.resolve(payload)?;
        self.writer.write_value(out, value).map_err(|e| DecodeError::Other(e.to_string()))?;
        Ok(())
    }

    fn read(&self, ours: &Schema, theirs: &Schema, value: Value) -> Result<Value, String> {
        let (theirs, value) = match (self.their_names.resolve(theirs), value) {
            (Schema::Union(theirs), Value::Union(place, value)) => {
                let branch = theirs.variants().get(place as usize).ok_or("no such branch")?;
                (self.their_names.resolve(branch), *value)
            }
            other => other,
        };
        match (self.our_names.resolve(ours), theirs, value) {
            (Schema::Record(ours), Schema::Record(theirs), Value::Record(fields)) => {
                self.record(ours, theirs, fields)
            }
            (Schema::Union(ours), theirs, value) => {
                let place = union_branch(ours.variants(), theirs, &self.our_names)
                    .ok_or("a branch that this version does not have")?;
                let value = self.read(&ours.variants()[place], theirs, value)?;
                Ok(Value::Union(place as u32, Box::new(value)))
            }
            (Schema::Enum(ours), _, Value::Enum(_, symbol)) => {
                let place = |symbol: &str| ours.symbols.iter().position(|s| s == symbol);
                let symbol = if place(&symbol).is_some() { symbol.as_str() } else { "unknown" };
                let place = place(symbol).ok_or("an enumeration without a default")?;
                Ok(Value::Enum(place as u32, symbol.to_owned()))
            }
            (Schema::Long, _, Value::Int(number)) => Ok(Value::Long(number.into())),
            (Schema::TimestampMillis, _, Value::Long(number)) => Ok(Value::TimestampMillis(number)),
            (_, _, value) => Ok(value),
        }
    }

    fn record(
        &self,
        ours: &RecordSchema,
        theirs: &RecordSchema,
        mut values: Vec<(String, Value)>,
    ) -> Result<Value, String> {
        let fields = ours.fields.iter().map(|field| {
            let value = match theirs.fields.iter().position(|f| f.name == field.name) {
                Some(place) => {
                    let (_, value) = values.get_mut(place).ok_or("a field is missing")?;
                    let value = std::mem::replace(value, Value::Null);
                    self.read(&field.schema, &theirs.fields[place].schema, value)?
                }
                None => default_of(field)?,
            };
            Ok((field.name.clone(), value))
        });
        Ok(Value::Record(fields.collect::<Result<_, String>>()?))
    }
}

/// Our default for a field that the writer's schema does not have.
fn default_of(field: &RecordField) -> Result<Value, String> {
    match (&field.default, &field.schema) {
        (Some(serde_json::Value::Null), Schema::Union(_)) => {
            Ok(Value::Union(0, Box::new(Value::Null)))
        }
        (Some(serde_json::Value::Bool(value)), Schema::Boolean) => Ok(Value::Boolean(*value)),
        _ => Err(format!("{} is missing", field.name)),
    }
}

fn root(schema: &Schema) -> &str {
    name_of(schema).unwrap_or("value")
}

/// The named types that a schema defines, by their names without namespace.
struct Named<'s>(Vec<(&'s str, &'s Schema)>);

impl<'s> Named<'s> {
    fn of(schema: &'s Schema) -> Self {
        let mut named = Self(Vec::new());
        named.collect(schema);
        named
    }

    fn collect(&mut self, schema: &'s Schema) {
        match schema {
            Schema::Record(record) => {
                self.0.push((record.name.name(), schema));
                record.fields.iter().for_each(|field| self.collect(&field.schema));
            }
            Schema::Union(union) => union.variants().iter().for_each(|s| self.collect(s)),
            Schema::Array(array) => self.collect(&array.items),
            Schema::Map(map) => self.collect(&map.types),
            _ => {
                if let Some(name) = name_of(schema) {
                    self.0.push((name, schema));
                }
            }
        }
    }

    /// The type behind a reference; any other schema itself.
    fn resolve(&self, schema: &'s Schema) -> &'s Schema {
        match schema {
            Schema::Ref { name } => self
                .0
                .iter()
                .find(|(known, _)| *known == name.name())
                .map_or(schema, |(_, found)| found),
            _ => schema,
        }
    }
}

fn name_of(schema: &Schema) -> Option<&str> {
    schema.name().map(|name| name.name())
}

/// Whether every value of `theirs` can be read as one of `ours`; if not, where and why.
fn compatible<'s>(
    ours: &'s Schema,
    theirs: &'s Schema,
    our_names: &Named<'s>,
    their_names: &Named<'s>,
    at: &str,
) -> Result<(), String> {
    use Schema as S;
    match (our_names.resolve(ours), their_names.resolve(theirs)) {
        (S::Record(ours), S::Record(theirs)) => {
            if ours.name.name() != theirs.name.name() {
                return Err(format!(
                    "{at} is a {}, not a {}",
                    theirs.name.name(),
                    ours.name.name()
                ));
            }
            for field in &ours.fields {
                let at = format!("{at}.{}", field.name);
                match theirs.fields.iter().find(|f| f.name == field.name) {
                    Some(f) => compatible(&field.schema, &f.schema, our_names, their_names, &at)?,
                    None => {
                        default_of(field).map_err(|_| format!("{at} is missing"))?;
                    }
                }
            }
            Ok(())
        }
        (S::Union(ours), S::Union(theirs)) => theirs.variants().iter().try_for_each(|branch| {
            let branch = their_names.resolve(branch);
            match union_branch(ours.variants(), branch, our_names) {
                Some(place) => {
                    compatible(&ours.variants()[place], branch, our_names, their_names, at)
                }
                None => Err(format!(
                    "{at} can be a {}, which this version does not have",
                    name_of(branch).unwrap_or("type")
                )),
            }
        }),
        // A union of ours takes a field that cannot be null in theirs.
        (S::Union(ours), theirs) => match union_branch(ours.variants(), theirs, our_names) {
            Some(place) => compatible(&ours.variants()[place], theirs, our_names, their_names, at),
            None => Err(format!("{at} has another type")),
        },
        (S::Enum(ours), S::Enum(theirs)) if ours.name.name() == theirs.name.name() => Ok(()),
        (S::Fixed(ours), S::Fixed(theirs)) if ours.size == theirs.size => Ok(()),
        (S::Long, S::Int | S::Long)
        | (S::TimestampMillis, S::TimestampMillis | S::Long)
        | (S::Date, S::Date)
        | (S::Decimal(_), S::Decimal(_))
        | (S::String, S::String)
        | (S::Boolean, S::Boolean)
        | (S::Null, S::Null) => Ok(()),
        _ => Err(format!("{at} has another type")),
    }
}

fn union_branch(ours: &[Schema], theirs: &Schema, our_names: &Named<'_>) -> Option<usize> {
    ours.iter().position(|branch| {
        let branch = our_names.resolve(branch);
        match (name_of(branch), name_of(theirs)) {
            (Some(ours), Some(theirs)) => ours == theirs,
            (None, None) => std::mem::discriminant(branch) == std::mem::discriminant(theirs),
            _ => false,
        }
    })
}
