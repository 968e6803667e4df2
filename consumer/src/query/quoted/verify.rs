//! A figure checked against the same question answered again, field by field.

use laju_schemas::quoted::FigureContent;
use serde::Serialize;
use serde_json::Value;

/// A field that a figure has otherwise than its recomputation.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct FieldDifference {
    /// Where it stands, as in `denominators[0].value`.
    pub field: String,
    /// What was quoted; null also where there was no such field.
    pub quoted: Value,
    /// What comes out now; null also where there is no such field.
    pub recomputed: Value,
}

/// Every field in which two contents differ, in the order of their names; none if they are the same.
#[must_use]
pub fn differences(quoted: &FigureContent, recomputed: &FigureContent) -> Vec<FieldDifference> {
    let json = |content: &FigureContent| {
        let mut content = content.clone();
        content.sort();
        // Plain fields, none of which can fail.
        serde_json::to_value(&content).unwrap_or_default()
    };
    let mut found = Vec::new();
    compare(String::new(), &json(quoted), &json(recomputed), &mut found);
    found
}

fn compare(at: String, quoted: &Value, recomputed: &Value, found: &mut Vec<FieldDifference>) {
    match (quoted, recomputed) {
        (Value::Object(one), Value::Object(other)) => {
            let mut names: Vec<_> = one.keys().chain(other.keys()).collect();
            names.sort_unstable();
            names.dedup();
            for name in names {
                let at = if at.is_empty() { name.clone() } else { format!("{at}.{name}") };
                compare(at, &quoted[name], &recomputed[name], found);
            }
        }
        (Value::Array(one), Value::Array(other)) => {
            for place in 0..one.len().max(other.len()) {
                let of = |rows: &[Value]| rows.get(place).cloned().unwrap_or_default();
                compare(format!("{at}[{place}]"), &of(one), &of(other), found);
            }
        }
        (quoted, recomputed) if quoted != recomputed => found.push(FieldDifference {
            field: at,
            quoted: quoted.clone(),
            recomputed: recomputed.clone(),
        }),
        _ => {}
    }
}
