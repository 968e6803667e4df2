//! Values written with another version of a schema, put into the bytes of ours.
//!
//! When a schema becomes known, it is matched to ours once, by name: records, fields, branches of
//! unions, symbols. What comes of it is a plan, by which the bytes of each value are then read
//! from front to back. A symbol that we do not have becomes our default, `unknown`; a field that
//! the writer does not have gets our default; a field that we do not have is passed over.
//!
//! apache-avro's own resolution is not used: it takes the first branch of a union whose fields
//! fit, so that a `Deferred` is read as a `Deactivated`; it reads a text, a boolean or a union
//! behind the end of the bytes as null; and it follows nested data of any depth.

use apache_avro::schema::{InnerDecimalSchema, Name, RecordSchema, Schema, UuidSchema};
use serde_json::Value as Json;
use thiserror::Error;

use crate::cursor::{Cursor, DecodeError, put_bytes, put_long};
use crate::walk::Types;

/// A text that cannot serve as a schema of a topic.
#[derive(Debug, Error)]
pub enum SchemaError {
    /// Not an Avro schema.
    #[error("not an Avro schema: {0}")]
    Parse(String),
    /// A schema that cannot be read as this program's.
    #[error("cannot be read as the schema this program knows: {0}")]
    Incompatible(String),
}

/// A schema that values were written with, known to be readable as one of ours.
pub(crate) struct Resolver {
    plan: Plan,
    types: Types,
    /// Theirs.
    pub(crate) schema: Schema,
}

/// How a value of theirs becomes one of ours.
enum Plan {
    /// The same bytes in both.
    Same(Schema),
    /// The place of each of their symbols among ours.
    Enum(Vec<usize>),
    /// The place of each of their branches among ours, and its own plan.
    Union(Vec<(usize, Plan)>),
    /// Theirs is one branch of our union.
    Branch(usize, Box<Plan>),
    /// The plan of each item.
    Array(Box<Plan>),
    Record {
        /// Their fields, in their order.
        steps: Vec<Step>,
        /// For each of our fields, in our order, the default where they do not have it.
        defaults: Vec<Option<Vec<u8>>>,
    },
}

enum Step {
    /// A field that is the one at this place among ours.
    Keep(usize, Plan),
    /// A field that we do not have.
    Drop(Schema),
}

impl Resolver {
    /// Takes the text of an `.avsc`, if its values can be read as ours.
    pub(crate) fn new(ours: &Schema, avsc: &str) -> Result<Self, SchemaError> {
        let theirs = Schema::parse_str(avsc).map_err(|e| SchemaError::Parse(e.to_string()))?;
        let matcher = Matcher { ours: Types::of(ours), theirs: Types::of(&theirs) };
        let root = name_of(ours).unwrap_or("value").to_owned();
        let plan = matcher.plan(ours, &theirs, &root);
        let plan = matcher.theirs.check(&theirs).and(plan).map_err(SchemaError::Incompatible)?;
        Ok(Self { plan, types: matcher.theirs, schema: theirs })
    }

    /// Appends to `out` the same value in our schema's bytes.
    pub(crate) fn translate(&self, payload: &[u8], out: &mut Vec<u8>) -> Result<(), DecodeError> {
        let mut at = Cursor::new(payload);
        self.run(&self.plan, &mut at, out).map_err(|error| {
            let place = payload.len() - at.rest().len();
            DecodeError::Other(format!("{error} (near byte {place}, by its writer's schema)"))
        })?;
        at.end()
    }

    fn run(&self, plan: &Plan, at: &mut Cursor<'_>, out: &mut Vec<u8>) -> Result<(), DecodeError> {
        match plan {
            Plan::Same(schema) => {
                let before = at.rest();
                self.types.walk(schema, at, &mut ())?;
                out.extend_from_slice(&before[..before.len() - at.rest().len()]);
            }
            Plan::Enum(places) => {
                let symbol = at.index("a symbol")?;
                let place = places.get(symbol).ok_or(DecodeError::Choice("a symbol"))?;
                put_long(out, *place as i64);
            }
            Plan::Union(branches) => {
                let branch = at.index("a union")?;
                let (place, plan) = branches.get(branch).ok_or(DecodeError::Choice("a union"))?;
                put_long(out, *place as i64);
                self.run(plan, at, out)?;
            }
            Plan::Branch(place, plan) => {
                put_long(out, *place as i64);
                self.run(plan, at, out)?;
            }
            Plan::Array(items) => loop {
                let count = at.long("a count")?;
                if count < 0 {
                    // The block's size, in bytes of the writer's schema.
                    at.long("a block")?;
                }
                let count = i64::try_from(count.unsigned_abs())
                    .map_err(|_| DecodeError::Length("an array"))?;
                put_long(out, count);
                if count == 0 {
                    break;
                }
                for _ in 0..count {
                    let before = at.rest().len();
                    self.run(items, at, out)?;
                    // A number of items costs nothing to state: each has to have a byte.
                    if at.rest().len() == before {
                        return Err(DecodeError::Length("an array"));
                    }
                }
            },
            Plan::Record { steps, defaults } => {
                let mut kept = Vec::with_capacity(at.rest().len().min(256));
                let mut ranges = vec![0..0; defaults.len()];
                for step in steps {
                    match step {
                        Step::Keep(place, plan) => {
                            let from = kept.len();
                            self.run(plan, at, &mut kept)?;
                            ranges[*place] = from..kept.len();
                        }
                        Step::Drop(schema) => self.types.walk(schema, at, &mut ())?,
                    }
                }
                for (range, default) in ranges.into_iter().zip(defaults) {
                    out.extend_from_slice(default.as_deref().unwrap_or(&kept[range]));
                }
            }
        }
        Ok(())
    }
}

/// Matches a schema of theirs to one of ours.
struct Matcher {
    ours: Types,
    theirs: Types,
}

impl Matcher {
    /// The plan, or where and why there is none.
    fn plan(&self, ours: &Schema, theirs: &Schema, at: &str) -> Result<Plan, String> {
        use Schema as S;
        match (self.ours.resolve(ours), self.theirs.resolve(theirs)) {
            (S::Record(ours), S::Record(theirs)) => self.record(ours, theirs, at),
            (S::Union(ours), S::Union(theirs)) => {
                let branches =
                    theirs.variants().iter().map(|branch| self.branch(ours.variants(), branch, at));
                branches.collect::<Result<_, _>>().map(Plan::Union)
            }
            // A union of ours takes a field that cannot be null in theirs.
            (S::Union(ours), theirs) => {
                let (place, plan) = self.branch(ours.variants(), theirs, at)?;
                Ok(Plan::Branch(place, Box::new(plan)))
            }
            (S::Enum(ours), S::Enum(theirs)) if ours.name.name() == theirs.name.name() => {
                let place = |symbol: &String| ours.symbols.iter().position(|s| s == symbol);
                let default = ours.default.as_ref().and_then(place);
                let places = theirs.symbols.iter().map(|symbol| {
                    place(symbol).or(default).ok_or_else(|| {
                        format!("{at} can be {symbol}, for which this version has no default")
                    })
                });
                places.collect::<Result<_, _>>().map(Plan::Enum)
            }
            (S::Array(ours), S::Array(theirs)) => {
                self.plan(&ours.items, &theirs.items, at).map(|plan| Plan::Array(Box::new(plan)))
            }
            (ours, theirs) if same_bytes(ours, theirs) => Ok(Plan::Same(theirs.clone())),
            (ours, theirs) => {
                Err(format!("{at} has another type: {}, not {}", describe(theirs), describe(ours)))
            }
        }
    }

    fn record(&self, ours: &RecordSchema, theirs: &RecordSchema, at: &str) -> Result<Plan, String> {
        if ours.name.name() != theirs.name.name() {
            return Err(format!("{at} is a {}, not a {}", theirs.name.name(), ours.name.name()));
        }
        let mut steps = Vec::with_capacity(theirs.fields.len());
        for field in &theirs.fields {
            steps.push(match ours.fields.iter().position(|f| f.name == field.name) {
                Some(place) => {
                    let at = format!("{at}.{}", field.name);
                    Step::Keep(place, self.plan(&ours.fields[place].schema, &field.schema, &at)?)
                }
                None => Step::Drop(field.schema.clone()),
            });
        }
        let defaults = ours.fields.iter().map(|field| {
            if theirs.fields.iter().any(|f| f.name == field.name) {
                return Ok(None);
            }
            let missing = || format!("{at}.{} is missing", field.name);
            let default = field.default.as_ref().ok_or_else(missing)?;
            self.default(&field.schema, default).map(Some).ok_or_else(missing)
        });
        Ok(Plan::Record { defaults: defaults.collect::<Result<_, _>>()?, steps })
    }

    /// Which branch of our union takes a type of theirs, and how.
    fn branch(&self, ours: &[Schema], theirs: &Schema, at: &str) -> Result<(usize, Plan), String> {
        let theirs = self.theirs.resolve(theirs);
        let takes = |branch: &Schema| {
            let branch = self.ours.resolve(branch);
            match (name_of(branch), name_of(theirs)) {
                (Some(ours), Some(theirs)) => ours == theirs,
                (None, None) => same_bytes(branch, theirs),
                _ => false,
            }
        };
        let place = ours.iter().position(takes).ok_or_else(|| {
            format!("{at} can be a {}, which this version does not have", describe(theirs))
        })?;
        let at = match name_of(theirs) {
            Some(name) => format!("{at}.{name}"),
            None => at.to_owned(),
        };
        Ok((place, self.plan(&ours[place], theirs, &at)?))
    }

    /// The bytes of a default of ours; none if it is not of that type.
    fn default(&self, schema: &Schema, default: &Json) -> Option<Vec<u8>> {
        let mut out = Vec::new();
        match (self.ours.resolve(schema), default) {
            (Schema::Null, Json::Null) => {}
            (Schema::Boolean, Json::Bool(value)) => out.push(u8::from(*value)),
            (
                Schema::Int | Schema::Long | Schema::Date | Schema::TimestampMillis,
                Json::Number(number),
            ) => put_long(&mut out, number.as_i64()?),
            (Schema::String, Json::String(text)) => put_bytes(&mut out, text.as_bytes()),
            (Schema::Enum(symbols), Json::String(symbol)) => {
                put_long(&mut out, symbols.symbols.iter().position(|s| s == symbol)? as i64);
            }
            (Schema::Union(union), default) => {
                let mut branches = union.variants().iter().enumerate();
                let (place, bytes) = branches
                    .find_map(|(place, branch)| Some((place, self.default(branch, default)?)))?;
                put_long(&mut out, place as i64);
                out.extend(bytes);
            }
            _ => return None,
        }
        Some(out)
    }
}

/// Whether a type without parts has the same bytes and the same meaning in both.
fn same_bytes(ours: &Schema, theirs: &Schema) -> bool {
    use Schema as S;
    match (ours, theirs) {
        (S::Fixed(ours), S::Fixed(theirs) | S::Uuid(UuidSchema::Fixed(theirs))) => {
            ours.name.name() == theirs.name.name() && ours.size == theirs.size
        }
        // A decimal of another scale would be another number.
        (S::Decimal(ours), S::Decimal(theirs)) => {
            ours.scale == theirs.scale
                && ours.precision == theirs.precision
                && matches!(ours.inner, InnerDecimalSchema::Bytes)
                && matches!(theirs.inner, InnerDecimalSchema::Bytes)
        }
        (S::Null, S::Null)
        | (S::Boolean, S::Boolean)
        | (S::Int, S::Int)
        | (S::Long, S::Int | S::Long)
        | (S::Float, S::Float)
        | (S::Double, S::Double)
        | (S::Bytes, S::Bytes)
        | (S::String, S::String | S::Uuid(UuidSchema::String))
        | (S::Date, S::Date)
        | (S::TimestampMillis, S::TimestampMillis | S::Long) => true,
        _ => false,
    }
}

/// A type's name without its namespace, by which the specification matches types.
fn name_of(schema: &Schema) -> Option<&str> {
    schema.name().map(Name::name)
}

/// A type as an error message names it.
fn describe(schema: &Schema) -> String {
    match name_of(schema) {
        Some(name) => name.to_owned(),
        None => schema.to_string().to_lowercase(),
    }
}
