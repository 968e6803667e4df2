//! JSON in the one form that a digest can be taken of: RFC 8785, but that integers are written in
//! full. It knows no figures.

use serde::Serialize;
use serde_json::Value;

/// A value in canonical JSON: names sorted, nothing between the tokens.
pub(super) fn json(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).expect("plain fields, none of which can fail");
    let mut out = String::new();
    write(&value, &mut out);
    out
}

fn write(value: &Value, out: &mut String) {
    match value {
        Value::Object(map) => {
            // Sorted here: whether the map is depends on what else is built into the program.
            let mut members: Vec<_> = map.iter().collect();
            members.sort_unstable_by_key(|(name, _)| name.as_str());
            out.push('{');
            for (place, (name, value)) in members.into_iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                out.push_str(&Value::from(name.as_str()).to_string());
                out.push(':');
                write(value, out);
            }
            out.push('}');
        }
        Value::Array(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                write(item, out);
            }
            out.push(']');
        }
        // Without binary fractions, which the contract has none of, serde_json writes these so.
        plain => out.push_str(&plain.to_string()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    #[test]
    fn names_are_sorted_and_texts_escaped_as_little_as_can_be() {
        let value = json!({
            "b": [1, -2, 9_007_199_254_740_993_i64, null, true],
            "a": {"z": "é \" \\ / \n \u{1f} \u{7f}", "y": []},
        });
        assert_eq!(
            super::json(&value),
            "{\"a\":{\"y\":[],\"z\":\"é \\\" \\\\ / \\n \\u001f \u{7f}\"},\
             \"b\":[1,-2,9007199254740993,null,true]}"
        );
    }
}
