//! Mistakes in JSON, in words of our own: the parser's say what a type is called in this program
//! and where in its memory it stood, which is of no use to the author of the JSON.

use laju_schemas::text::shown;
use serde_json::error::Category;

use super::language::{Language, Words};
use crate::words;

/// The longest name of a field that is repeated, in characters.
const LONGEST_NAME: usize = 64;

/// A mistake in JSON.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mistake {
    /// The field, with those that it stands in: `fact.Activated.channel`; empty if it is none's.
    pub field: String,
    /// What is wrong with it.
    pub what: Words,
}

/// Where text stops being JSON. A body of one event a line has its places counted in its line.
pub fn place_of(error: &serde_json::Error) -> Words {
    let (line, column) = (error.line(), error.column());
    match error.classify() {
        Category::Eof => {
            words!("the JSON ends before it is complete", "JSON berakhir sebelum lengkap")
        }
        _ => words!(
            "not JSON: see line {line}, column {column}",
            "bukan JSON: lihat baris {line}, kolom {column}"
        ),
    }
}

/// The mistake that keeps JSON from being read. `expected` says, for a field, what belongs there;
/// `own` knows the errors of this program's own types, by their English words.
pub fn of_json(
    error: &serde_path_to_error::Error<serde_json::Error>,
    expected: impl Fn(&str) -> Option<Words>,
    own: impl Fn(&str, &str) -> Option<Words>,
) -> Mistake {
    // A question mark stands where the JSON broke off before the name was known.
    let path = error.path().to_string();
    let path = path.trim_end_matches(['.', '?']);
    let inner = error.inner();
    if inner.classify() != Category::Data {
        return Mistake { field: String::new(), what: place_of(inner) };
    }
    let text = inner.to_string();
    let text = text.rfind(" at line ").map_or(text.as_str(), |place| &text[..place]);
    let named = |prefix: &str| text.strip_prefix(prefix).and_then(|rest| rest.split_once('`'));
    if let Some((name, _)) = named("missing field `") {
        let what = words!("is missing", "belum diisi");
        return Mistake { field: within(path, name), what };
    }
    if let Some((name, _)) = named("duplicate field `") {
        let what = words!("is given more than once", "diisi lebih dari sekali");
        return Mistake { field: within(path, name), what };
    }
    if let Some(rest) = text.strip_prefix("unknown field `") {
        let (name, known) = rest.rsplit_once("`, expected ").unwrap_or((rest, ""));
        let known = names_in(known).join(", ");
        let what = words!(
            "there is no such field; known here: {known}",
            "isian ini tidak ada; yang dikenal di sini: {known}"
        );
        return Mistake { field: within(path, name), what };
    }
    let field = fit(path);
    if let Some(rest) = text.strip_prefix("unknown variant `") {
        let known =
            names_in(rest.rsplit_once("`, expected ").map_or("", |(_, known)| known)).join(", ");
        let what = words!("must be one of {known}", "harus salah satu dari {known}");
        return Mistake { field, what };
    }
    let last = path.rsplit('.').next().unwrap_or_default();
    let last = last.split('[').next().unwrap_or_default();
    let what = own(last, text).unwrap_or_else(|| match expected(last) {
        Some(right) => {
            let (en, id) = (right.to(Language::English), right.to(Language::Indonesian));
            Words::new(format!("must be {en}"), format!("harus berupa {id}"))
        }
        None if path.is_empty() => words!("must be a JSON object", "harus berupa objek JSON"),
        None => words!("is not of the kind that belongs here", "bukan jenis nilai yang seharusnya"),
    });
    Mistake { field, what }
}

/// A field's name behind the path that it stands in; the path of some errors ends in it already.
fn within(path: &str, name: &str) -> String {
    if path.is_empty() {
        fit(name)
    } else if path == name || path.ends_with(&format!(".{name}")) {
        fit(path)
    } else {
        fit(&format!("{path}.{name}"))
    }
}

fn fit(name: &str) -> String {
    let name = shown(name);
    if name.chars().count() <= LONGEST_NAME {
        return name;
    }
    name.chars().take(LONGEST_NAME).chain(['…']).collect()
}

/// The names between backticks.
fn names_in(text: &str) -> Vec<&str> {
    text.split('`').skip(1).step_by(2).filter(|name| *name != "unknown").collect()
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields)]
    #[expect(dead_code, reason = "read and thrown away")]
    struct Outer {
        number: u8,
        inner: Vec<Inner>,
    }

    #[derive(Debug, Deserialize)]
    #[serde(deny_unknown_fields, rename_all = "snake_case")]
    #[expect(dead_code, reason = "read and thrown away")]
    enum Inner {
        Some { right: bool },
        Unknown,
    }

    fn mistake(text: &str) -> Mistake {
        let mut reader = serde_json::Deserializer::from_str(text);
        let error = serde_path_to_error::deserialize::<_, Outer>(&mut reader).unwrap_err();
        let number = |field: &str| (field == "number").then(|| words!("a number", "angka"));
        of_json(&error, number, |_, _| None)
    }

    #[test]
    fn every_mistake_is_told_in_words_of_our_own_in_both_languages() {
        for (text, field, english, indonesian) in [
            ("", "", "the JSON ends before it is complete", "JSON berakhir sebelum lengkap"),
            (
                "{\"number\": 1,,",
                "",
                "not JSON: see line 1, column 14",
                "bukan JSON: lihat baris 1, kolom 14",
            ),
            ("7", "", "must be a JSON object", "harus berupa objek JSON"),
            ("{}", "number", "is missing", "belum diisi"),
            (
                "{\"number\": 1, \"number\": 2}",
                "number",
                "is given more than once",
                "diisi lebih dari sekali",
            ),
            ("{\"number\": \"1\"}", "number", "must be a number", "harus berupa angka"),
            ("{\"number\": 300}", "number", "must be a number", "harus berupa angka"),
            (
                "{\"nr\": 1}",
                "nr",
                "there is no such field; known here: number, inner",
                "isian ini tidak ada; yang dikenal di sini: number, inner",
            ),
            (
                "{\"inner\": [{\"other\": {}}]}",
                "inner[0]",
                "must be one of some",
                "harus salah satu dari some",
            ),
            (
                "{\"inner\": 7}",
                "inner",
                "is not of the kind that belongs here",
                "bukan jenis nilai yang seharusnya",
            ),
            ("{\"inner\": [{\"some\": {}}]}", "inner[0].some.right", "is missing", "belum diisi"),
        ] {
            let found = mistake(text);
            assert_eq!(found.field, field, "{text}");
            assert_eq!(found.what.to(Language::English), english, "{text}");
            assert_eq!(found.what.to(Language::Indonesian), indonesian, "{text}");
        }
    }

    #[test]
    fn names_that_clients_make_up_neither_steer_nor_grow_nor_hold_a_nik() {
        assert_eq!(mistake("{\"1871010101900001\": 1}").field, "(16 digits)");
        assert_eq!(mistake("{\"a\\u001b[2J\": 1}").field, "a\u{fffd}[2J");
        let long = mistake(&format!("{{\"{}\": 1}}", "x".repeat(500))).field;
        assert_eq!(long.chars().count(), LONGEST_NAME + 1);
    }
}
