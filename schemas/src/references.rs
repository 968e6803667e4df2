//! Schemas whose named types stand in other schemas, as registries keep them: put into one text, each
//! type where it is first named. What comes of it is a schema like any other.

use std::collections::{HashMap, HashSet};

use serde_json::{Map, Value};

use crate::resolve::SchemaError;

/// Avro's types without a name.
const PRIMITIVES: [&str; 8] =
    ["null", "boolean", "int", "long", "float", "double", "bytes", "string"];

/// Puts the named types of other schemas into a schema, each where it is first named. All are texts of
/// an `.avsc`; a type that none of them has is left as it is.
///
/// # Errors
/// If one is not JSON, or two of them have different types of one name.
pub fn inline(avsc: &str, others: &[String]) -> Result<String, SchemaError> {
    let mut inliner = Inliner::default();
    for other in others {
        inliner.note(&parse(other)?, "")?;
    }
    let whole = inliner.put(parse(avsc)?, "");
    Ok(whole.to_string())
}

fn parse(text: &str) -> Result<Value, SchemaError> {
    serde_json::from_str(text).map_err(|error| SchemaError::Parse(error.to_string()))
}

#[derive(Default)]
struct Inliner {
    /// The named types of the other schemas, by their full names.
    known: HashMap<String, Value>,
    /// The full names of those that stand in the text already.
    put: HashSet<String>,
}

/// The namespace and the full name that a named type has within a namespace.
fn name_of(object: &Map<String, Value>, namespace: &str) -> Option<(String, String)> {
    let is_named = matches!(object.get("type")?.as_str()?, "record" | "error" | "enum" | "fixed");
    let name = object.get("name")?.as_str().filter(|_| is_named)?;
    if let Some((namespace, _)) = name.rsplit_once('.') {
        return Some((namespace.to_owned(), name.to_owned()));
    }
    let own = object.get("namespace").and_then(Value::as_str).unwrap_or(namespace);
    Some((own.to_owned(), full(name, own)))
}

/// A name within a namespace; one with dots is full already.
fn full(name: &str, namespace: &str) -> String {
    if namespace.is_empty() || name.contains('.') {
        name.to_owned()
    } else {
        format!("{namespace}.{name}")
    }
}

/// The parts of a type that are types themselves.
fn parts(object: &mut Map<String, Value>) -> Vec<&mut Value> {
    let mut parts = Vec::new();
    for (key, value) in object.iter_mut() {
        match (key.as_str(), value) {
            ("type" | "items" | "values", value) => parts.push(value),
            ("fields", Value::Array(fields)) => {
                let types = fields.iter_mut().filter_map(|field| field.get_mut("type"));
                parts.extend(types);
            }
            _ => {}
        }
    }
    parts
}

impl Inliner {
    /// Notes every named type in a schema, with its namespace written out.
    fn note(&mut self, schema: &Value, namespace: &str) -> Result<(), SchemaError> {
        match schema {
            Value::Array(branches) => branches.iter().try_for_each(|b| self.note(b, namespace)),
            Value::Object(object) => {
                let mut object = object.clone();
                let named = name_of(&object, namespace);
                let namespace = named.as_ref().map_or(namespace, |(namespace, _)| namespace);
                if let Some((_, name)) = &named {
                    object.insert("namespace".to_owned(), namespace.into());
                    let known = self.known.entry(name.clone()).or_insert(Value::Null);
                    if known.is_null() {
                        *known = Value::Object(object.clone());
                    } else if *known != Value::Object(object.clone()) {
                        let why = format!("two schemas have different types of the name {name}");
                        return Err(SchemaError::Parse(why));
                    }
                }
                parts(&mut object).into_iter().try_for_each(|part| self.note(part, namespace))
            }
            _ => Ok(()),
        }
    }

    /// A type as it stands at a place where the namespace is this one.
    fn put(&mut self, schema: Value, namespace: &str) -> Value {
        match schema {
            Value::String(name) if !PRIMITIVES.contains(&name.as_str()) => {
                self.put_name(name, namespace)
            }
            Value::Array(branches) => {
                branches.into_iter().map(|branch| self.put(branch, namespace)).collect()
            }
            Value::Object(mut object) => {
                let named = name_of(&object, namespace);
                let namespace = named.as_ref().map_or(namespace, |(namespace, _)| namespace);
                if let Some((_, name)) = &named
                    && !self.put.insert(name.clone())
                {
                    return Value::String(name.clone());
                }
                for part in parts(&mut object) {
                    // The kind of a named type is no type.
                    let is_kind = matches!(
                        part.as_str(),
                        Some("record" | "error" | "enum" | "fixed" | "array" | "map")
                    );
                    if !is_kind {
                        *part = self.put(part.take(), namespace);
                    }
                }
                Value::Object(object)
            }
            other => other,
        }
    }

    fn put_name(&mut self, name: String, namespace: &str) -> Value {
        let within = full(&name, namespace);
        for name in [&within, &name] {
            if self.put.contains(name) {
                return Value::String(name.clone());
            }
            if let Some(known) = self.known.get(name).cloned() {
                return self.put(known, "");
            }
        }
        Value::String(name)
    }
}

#[cfg(test)]
mod tests {
    use apache_avro::Schema;

    use super::*;
    use crate::known::{ACTIVATION_EVENT, ACTIVATION_EVENT_AVSC, fingerprint};

    /// The events' schema taken apart: every record and enum of it a schema of its own.
    fn apart() -> (String, Vec<String>) {
        fn take(part: &mut Value, pieces: &mut Vec<String>, namespace: &str) {
            match part {
                Value::Array(branches) => {
                    branches.iter_mut().for_each(|branch| take(branch, pieces, namespace));
                }
                Value::Object(object) => {
                    let named = name_of(object, namespace);
                    parts(object).into_iter().for_each(|part| take(part, pieces, namespace));
                    if let Some((namespace, name)) = named {
                        object.insert("namespace".to_owned(), namespace.into());
                        pieces.push(part.to_string());
                        *part = Value::String(name);
                    }
                }
                _ => {}
            }
        }
        let mut whole: Value = serde_json::from_str(ACTIVATION_EVENT_AVSC).unwrap();
        let namespace = whole["namespace"].as_str().unwrap().to_owned();
        let mut pieces = Vec::new();
        for part in parts(whole.as_object_mut().unwrap()) {
            take(part, &mut pieces, &namespace);
        }
        (whole.to_string(), pieces)
    }

    #[test]
    fn a_schema_taken_apart_is_the_same_again_whichever_piece_comes_first() {
        let (root, mut pieces) = apart();
        assert!(pieces.len() > 10 && Schema::parse_str(&root).is_err(), "it is in pieces");
        for _ in 0..2 {
            let whole = inline(&root, &pieces).unwrap();
            assert_eq!(fingerprint(&whole).unwrap(), ACTIVATION_EVENT.fingerprint);
            assert_eq!(Schema::parse_str(&whole).unwrap(), ACTIVATION_EVENT.schema);
            pieces.reverse();
        }
    }

    #[test]
    fn a_type_named_twice_or_within_itself_stands_once() {
        let tree = r#"{"type": "record", "name": "a.Tree", "fields": [
            {"name": "leaf", "type": "Leaf"}, {"name": "next", "type": ["null", "Tree"]}]}"#;
        let leaf = r#"{"type": "fixed", "name": "Leaf", "namespace": "a", "size": 2}"#;
        let root = r#"{"type": "record", "name": "Root", "namespace": "b", "fields": [
            {"name": "one", "type": "a.Leaf"}, {"name": "tree", "type": "a.Tree"},
            {"name": "many", "type": {"type": "array", "items": "a.Tree"}},
            {"name": "by_name", "type": {"type": "map", "values": "a.Leaf"}}]}"#;
        let whole = inline(root, &[tree.to_owned(), leaf.to_owned()]).unwrap();
        assert_eq!(whole.matches(r#""size":2"#).count(), 1, "{whole}");
        Schema::parse_str(&whole).unwrap();
        // It may itself be nothing but a name.
        let whole = inline(r#""a.Tree""#, &[tree.to_owned(), leaf.to_owned()]).unwrap();
        Schema::parse_str(&whole).unwrap();
    }

    #[test]
    fn what_is_missing_stays_a_name_and_what_contradicts_itself_is_refused() {
        let root =
            r#"{"type": "record", "name": "Root", "fields": [{"name": "x", "type": "Gone"}]}"#;
        assert!(Schema::parse_str(&inline(root, &[]).unwrap()).is_err());
        let sized = |size| format!(r#"{{"type": "fixed", "name": "Gone", "size": {size}}}"#);
        assert!(inline(root, &[sized(1), sized(1)]).is_ok());
        assert!(inline(root, &[sized(1), sized(2)]).is_err());
        assert!(inline(root, &["{".to_owned()]).is_err());
    }
}
