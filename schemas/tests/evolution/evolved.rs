//! Other versions of a schema, made by changing the JSON of ours, and values written with them.
//!
//! The writer follows the `.avsc` and the specification alone, so that what it writes does not
//! depend on the code under test.

use serde_json::{Map, Value as Json, json};

/// A schema as JSON.
pub(crate) fn schema(avsc: &str) -> Json {
    serde_json::from_str(avsc).expect("a schema is JSON")
}

/// The fields of the record of this name, wherever the schema defines it.
pub(crate) fn fields<'s>(schema: &'s mut Json, record: &str) -> &'s mut Vec<Json> {
    let found = definition(schema, record).expect("a record of this name");
    found["fields"].as_array_mut().expect("a record has fields")
}

/// One field of a record.
pub(crate) fn field<'s>(schema: &'s mut Json, record: &str, name: &str) -> &'s mut Json {
    let fields = fields(schema, record);
    fields.iter_mut().find(|field| field["name"] == name).expect("a field of this name")
}

/// Where the schema defines the type of this name.
pub(crate) fn definition<'s>(schema: &'s mut Json, name: &str) -> Option<&'s mut Json> {
    if schema.get("name").is_some_and(|n| n == name) && schema.get("type").is_some_and(is_named) {
        return Some(schema);
    }
    match schema {
        Json::Object(map) => map.values_mut().find_map(|inner| definition(inner, name)),
        Json::Array(items) => items.iter_mut().find_map(|inner| definition(inner, name)),
        _ => None,
    }
}

fn is_named(kind: &Json) -> bool {
    kind == "record" || kind == "enum" || kind == "fixed"
}

/// The names of all types of a kind, such as `enum`, that a schema defines.
pub(crate) fn names_of(schema: &Json, kind: &str) -> Vec<String> {
    let mut definitions = Map::new();
    take_out(&mut schema.clone(), &mut definitions);
    let of_kind = definitions.into_iter().filter(|(_, definition)| definition["type"] == kind);
    of_kind.map(|(name, _)| name).collect()
}

/// Defines each named type where it is first used, as Avro asks: after fields or branches have
/// changed places.
pub(crate) fn in_order(mut schema: Json) -> Json {
    let mut definitions = Map::new();
    take_out(&mut schema, &mut definitions);
    put_back(&mut schema, &mut definitions);
    schema
}

fn take_out(schema: &mut Json, definitions: &mut Map<String, Json>) {
    match schema {
        Json::Object(map) => {
            let parts = ["type", "fields", "items", "values"];
            map.iter_mut()
                .filter(|(key, _)| parts.contains(&key.as_str()))
                .for_each(|(_, inner)| take_out(inner, definitions));
            if map.get("type").is_some_and(is_named) {
                let name = map["name"].as_str().expect("a name").to_owned();
                definitions.insert(name.clone(), std::mem::replace(schema, Json::String(name)));
            }
        }
        Json::Array(items) => items.iter_mut().for_each(|inner| take_out(inner, definitions)),
        _ => {}
    }
}

fn put_back(schema: &mut Json, definitions: &mut Map<String, Json>) {
    match schema {
        Json::String(name) => {
            if let Some(definition) = definitions.remove(name.as_str()) {
                *schema = definition;
                if let Some(fields) = schema.get_mut("fields") {
                    put_back(fields, definitions);
                }
            }
        }
        Json::Object(map) => {
            let parts = ["type", "items", "values"];
            map.iter_mut()
                .filter(|(key, _)| parts.contains(&key.as_str()))
                .for_each(|(_, inner)| put_back(inner, definitions));
        }
        Json::Array(items) => items.iter_mut().for_each(|inner| put_back(inner, definitions)),
        _ => {}
    }
}

/// A value's Avro bytes by a schema. A field that the value does not have is written with the
/// `sample` that its schema has beside its type, else as null.
pub(crate) fn write(schema: &Json, value: &Json) -> Vec<u8> {
    let (mut out, mut definitions) = (Vec::new(), Map::new());
    take_out(&mut schema.clone(), &mut definitions);
    write_into(schema, value, &definitions, &mut out);
    out
}

/// A number as Avro writes it.
pub(crate) fn long(number: i64) -> Vec<u8> {
    let mut rest = ((number << 1) ^ (number >> 63)) as u64;
    let mut out = Vec::new();
    while rest > 0x7f {
        out.push(rest as u8 | 0x80);
        rest >>= 7;
    }
    out.push(rest as u8);
    out
}

fn write_into(schema: &Json, value: &Json, definitions: &Map<String, Json>, out: &mut Vec<u8>) {
    let number = |value: &Json| match value {
        Json::String(text) => {
            text.parse::<laju_schemas::TimestampMs>().expect("an instant in RFC 3339").0
        }
        value => value.as_i64().unwrap_or_else(|| panic!("{value} is not a number")),
    };
    let text = |value: &Json, out: &mut Vec<u8>| {
        let text = value.as_str().unwrap_or_else(|| panic!("{value} is not a text"));
        out.extend(long(text.len() as i64));
        out.extend_from_slice(text.as_bytes());
    };
    match schema {
        Json::Array(branches) => {
            let (branch, value) = branch(branches, value);
            out.extend(long(branch as i64));
            write_into(&branches[branch], value, definitions, out);
        }
        Json::String(name) => match name.as_str() {
            "null" => {}
            "boolean" => out.push(value.as_bool().expect("a boolean").into()),
            "int" | "long" => out.extend(long(number(value))),
            "double" => {
                out.extend_from_slice(&value.as_f64().expect("a number").to_le_bytes());
            }
            "string" | "bytes" => text(value, out),
            name => write_into(&definitions[name], value, definitions, out),
        },
        Json::Object(object) => match object["type"].as_str() {
            Some("record") => {
                for field in object["fields"].as_array().expect("fields") {
                    let name = field["name"].as_str().expect("a name");
                    let sample = field.get("sample").unwrap_or(&Json::Null);
                    let value = value.get(name).unwrap_or(sample);
                    // Where the schema only names the type, its definition has been seen before.
                    write_into(&field["type"], value, definitions, out);
                }
            }
            Some("enum") => {
                let symbols = object["symbols"].as_array().expect("symbols");
                let symbol = symbols.iter().position(|symbol| symbol == value);
                out.extend(long(symbol.unwrap_or_else(|| panic!("{value}")) as i64));
            }
            Some("fixed") => {
                let id: laju_schemas::EventId =
                    value.as_str().expect("a UUID").parse().expect("a UUID");
                out.extend_from_slice(&id.0);
            }
            Some("array") => {
                let items = value.as_array().expect("an array");
                for item in items {
                    out.extend(long(1));
                    write_into(&object["items"], item, definitions, out);
                }
                out.push(0);
            }
            // One block with its size, as a writer may that wants readers to pass over it.
            Some("map") => {
                let mut block = Vec::new();
                let entries = value.as_object().expect("an object");
                for (key, value) in entries {
                    text(&json!(key), &mut block);
                    write_into(&object["values"], value, definitions, &mut block);
                }
                if !entries.is_empty() {
                    out.extend(long(-(entries.len() as i64)));
                    out.extend(long(block.len() as i64));
                    out.extend(block);
                }
                out.push(0);
            }
            _ => write_into(&object["type"], value, definitions, out),
        },
        _ => panic!("{schema} is not a schema"),
    }
}

/// The branch that a value is of: a record is the one member of an object, under its name.
fn branch<'v>(branches: &[Json], value: &'v Json) -> (usize, &'v Json) {
    let position = |wanted: &dyn Fn(&Json) -> bool| branches.iter().position(wanted);
    if value.is_null() {
        return (position(&|branch| branch == "null").expect("a null branch"), value);
    }
    if let Some((name, inner)) = value.as_object().and_then(|object| object.iter().next())
        && let Some(place) =
            position(&|branch| branch == name || branch.get("name").is_some_and(|n| n == name))
    {
        return (place, inner);
    }
    (position(&|branch| branch != "null").expect("a branch"), value)
}
