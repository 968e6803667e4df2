//! Judges answers by the document.

use std::collections::{BTreeMap, BTreeSet};

use axum::http::{HeaderMap, StatusCode};
use serde_json::{Value, json};

/// The schemas that are flattened into others.
fn flattened(part: &Value, found: &mut BTreeSet<String>) {
    for item in part["allOf"].as_array().into_iter().flatten() {
        found.extend(item["$ref"].as_str().map(str::to_owned));
    }
    match part {
        Value::Object(members) => members.values().for_each(|member| flattened(member, found)),
        Value::Array(items) => items.iter().for_each(|item| flattened(item, found)),
        _ => {}
    }
}

/// Judges answers by the document, so strictly that a member which it does not know is a fault.
pub(super) struct Judge {
    document: Value,
    validators: BTreeMap<String, jsonschema::Validator>,
    pub(super) judged: BTreeSet<String>,
}

impl Judge {
    pub(super) fn new(document: Value) -> Self {
        let mut strict = document.clone();
        let mut parts = BTreeSet::new();
        flattened(&document, &mut parts);
        let schemas = strict["components"]["schemas"].as_object_mut().unwrap();
        for (name, schema) in schemas {
            // What is flattened into others is judged with them, as a whole.
            let is_part = parts.contains(&format!("#/components/schemas/{name}"));
            if !is_part && (schema["allOf"].is_array() || schema["properties"].is_object()) {
                schema["unevaluatedProperties"] = json!(false);
            }
        }
        Self { document: strict, validators: BTreeMap::new(), judged: BTreeSet::new() }
    }

    /// Whether an answer is as the document says of the path, the status and the content type.
    pub(super) fn judge(
        &mut self,
        asked: &str,
        (status, headers, body): &(StatusCode, HeaderMap, Value),
    ) {
        let path = asked.split('?').next().unwrap();
        let parts: Vec<_> = path.split('/').collect();
        let fits = |template: &&String| {
            let template: Vec<_> = template.split('/').collect();
            template.len() == parts.len()
                && template.iter().zip(&parts).all(|(a, b)| a.starts_with('{') || a == b)
        };
        let template = self.document["paths"].as_object().unwrap().keys().find(fits);
        let template = template.unwrap_or_else(|| panic!("{path} is not in the document")).clone();
        let responses = &self.document["paths"][&template]["get"]["responses"];
        let mut response = &responses[status.as_str()];
        if let Some(reference) = response["$ref"].as_str() {
            response = self.document.pointer(&reference[1..]).unwrap();
        }
        let kind = headers["content-type"].to_str().unwrap();
        let schema = &response["content"][kind]["schema"];
        assert!(schema.is_object(), "{asked}: {status} {kind} is not in the document");
        for name in response["headers"].as_object().into_iter().flatten().map(|(name, _)| name) {
            let rests_on_nothing = ["/v1/regions", "/v1/figures"].contains(&path);
            let without_age = rests_on_nothing && ["Age", "Laju-Position"].contains(&&**name);
            let names_none = name == "Laju-Former-Code" && !asked.contains("91.01");
            let can_lack = without_age || names_none;
            assert!(headers.contains_key(name) || can_lack, "{asked}: {name}");
        }
        let key = schema.to_string();
        let validator = self.validators.entry(key).or_insert_with(|| {
            let mut whole = schema.clone();
            whole["components"] = self.document["components"].clone();
            jsonschema::options()
                .with_draft(jsonschema::Draft::Draft202012)
                .should_validate_formats(true)
                .build(&whole)
                .unwrap()
        });
        let errors: Vec<_> = validator
            .iter_errors(body)
            .map(|error| format!("{}: {error}", error.instance_path()))
            .collect();
        assert!(errors.is_empty(), "{asked}:\n{}\n{body}", errors.join("\n"));
        if *status == StatusCode::OK {
            self.judged.insert(template);
        }
    }
}
