//! Parameters of a request, from its path and its query: every one is read by its name, and one that
//! is not known is refused, so that a slip of the pen never silently answers another question.

use std::fmt::Display;

use axum::extract::rejection::RawPathParamsRejection;
use axum::extract::{FromRequestParts, Query, RawPathParams};
use axum::http::request::Parts;
use laju_kafka::problem::{Kind, Problem, Words};
use laju_kafka::words;
use laju_schemas::RegionCode;
use laju_schemas::region::RegionCodeError;
use laju_schemas::text::shown;
use serde::de::value::StrDeserializer;
use serde::de::{
    DeserializeOwned, DeserializeSeed, Deserializer, Expected, IntoDeserializer, MapAccess,
    Unexpected, Visitor,
};
use serde::forward_to_deserialize_any;
use thiserror::Error;

use super::at_least::{self, AT_LEAST};
use super::caching::Asked;
use super::problem::{bad_path_part, not_text};
use crate::query::question::DayParameters;

/// What phrases for a parameter's value are in Indonesian.
const PHRASES: [(&str, &str); 2] = [
    ("a date like 2023-12-31", "tanggal seperti 2023-12-31"),
    ("true or false", "true atau false"),
];

/// The parameters of a request, taken out struct by struct.
pub(super) struct Parameters {
    /// None where they are no text.
    in_path: Option<Vec<(String, String)>>,
    given: Vec<(String, String)>,
    known: Vec<&'static str>,
    asked: Asked,
}

impl<S: Send + Sync> FromRequestParts<S> for Parameters {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, state: &S) -> Result<Self, Problem> {
        let Query(given) = Query::try_from_uri(&parts.uri).map_err(|_| {
            let detail = words!(
                "the parameters behind the question mark cannot be read: name=value, with & between them",
                "parameter di belakang tanda tanya tidak terbaca: nama=nilai, dengan & di antaranya"
            );
            Problem::new(Kind::BadRequest, detail)
        })?;
        let mut given: Vec<(String, String)> = given;
        // It says nothing of the answer, and was heeded before: see `position`.
        if at_least::is_heeded(&parts.uri) {
            given.retain(|(name, _)| name != AT_LEAST);
        }
        let in_path = match RawPathParams::from_request_parts(parts, state).await {
            Ok(named) => Some(named.iter().map(|(n, v)| (n.to_owned(), v.to_owned())).collect()),
            Err(RawPathParamsRejection::InvalidUtf8InPathParam(_)) => None,
            Err(_) => Some(Vec::new()),
        };
        Ok(Self { in_path, given, known: Vec::new(), asked: Asked::of(parts) })
    }
}

impl Parameters {
    /// Those of a struct's members.
    pub(super) fn take<T: DeserializeOwned>(&mut self) -> Result<T, Problem> {
        T::deserialize(Members(self)).map_err(Wrong::into_problem)
    }

    /// The region in the path, if there is one.
    pub(super) fn region(&self) -> Result<Option<RegionCode>, Problem> {
        let in_path = self.in_path.iter().flatten();
        let mut code = in_path.filter(|(name, _)| name == CODE).map(|(_, text)| {
            text.parse().map_err(|error: RegionCodeError| {
                let (error, given) = (shown(&error.to_string()), shorten(text));
                bad_code(words!(
                    "{error}",
                    "'{given}' bukan kode wilayah: kabupaten atau kota ditulis seperti 18.71, provinsi seperti 18, nasional ID"
                ))
            })
        });
        code.next().transpose()
    }

    /// The days of a question.
    pub(super) fn days<D: DayParameters>(&mut self) -> Result<D, Problem> {
        let days: D = self.take()?;
        self.asked.settle(days.settled());
        Ok(days)
    }

    /// Refuses what is left over, and says what was asked.
    pub(super) fn finish(self) -> Result<Asked, Problem> {
        let Some((name, _)) = self.given.first() else { return Ok(self.asked) };
        let (name, known) = (shorten(name), self.known.join(", "));
        let detail = if known.is_empty() {
            words!(
                "there is no parameter '{name}'; none is taken here",
                "parameter '{name}' tidak ada; di sini tidak ada parameter"
            )
        } else {
            words!(
                "there is no parameter '{name}'; known here: {known}",
                "parameter '{name}' tidak ada; yang dikenal di sini: {known}"
            )
        };
        Err(Problem::parameter(&name, detail))
    }
}

fn shorten(text: &str) -> String {
    shown(text).chars().take(40).collect()
}

/// A struct whose members are parameters.
struct Members<'a>(&'a mut Parameters);

impl<'de> Deserializer<'de> for Members<'_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Wrong> {
        Err(serde::de::Error::custom("parameters have names"))
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let Parameters { in_path, given, known, .. } = self.0;
        let Some(in_path) = in_path else {
            return Err(Wrong::of(What::NoText(fields.first().copied().unwrap_or_default())));
        };
        let mut pairs = Vec::new();
        for field in fields {
            let is_its = |(name, _): &mut (String, String)| name == field;
            let before = pairs.len();
            pairs.extend(in_path.extract_if(.., is_its).map(|(_, text)| (*field, text)));
            // What is in the path is not taken from the query as well.
            if pairs.len() == before {
                known.push(field);
                pairs.extend(given.extract_if(.., is_its).map(|(_, text)| (*field, text)));
            }
        }
        visitor.visit_map(Pairs { left: pairs.into_iter(), value: None })
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option
        unit unit_struct newtype_struct seq tuple tuple_struct map enum identifier ignored_any
    }
}

struct Pairs {
    left: std::vec::IntoIter<(&'static str, String)>,
    value: Option<(&'static str, String)>,
}

impl<'de> MapAccess<'de> for Pairs {
    type Error = Wrong;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, Wrong> {
        self.value = self.left.next();
        let Some((name, _)) = self.value else { return Ok(None) };
        let name: StrDeserializer<'_, Wrong> = name.into_deserializer();
        seed.deserialize(name).map(Some)
    }

    fn next_value_seed<V: DeserializeSeed<'de>>(&mut self, seed: V) -> Result<V::Value, Wrong> {
        let (name, text) = self.value.take().unwrap_or_default();
        seed.deserialize(Text(&text)).map_err(|wrong| wrong.in_value(name, &text))
    }
}

/// A parameter's value.
struct Text<'a>(&'a str);

macro_rules! numbers {
    ($($deserialize:ident $visit:ident $number:ty,)*) => { $(
        fn $deserialize<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
            let number: $number = self.0.parse().map_err(|_| Wrong::of(What::NoNumber))?;
            visitor.$visit(number)
        }
    )* };
}

impl<'de> Deserializer<'de> for Text<'_> {
    type Error = Wrong;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_str(self.0)
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        visitor.visit_some(self)
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_bool<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Wrong> {
        match self.0 {
            "true" => visitor.visit_bool(true),
            "false" => visitor.visit_bool(false),
            _ => Err(Wrong::of(What::IsNot("true or false".to_owned()))),
        }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _name: &'static str,
        _variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Wrong> {
        let name: StrDeserializer<'_, Wrong> = self.0.into_deserializer();
        visitor.visit_enum(name)
    }

    numbers! {
        deserialize_u32 visit_u32 u32,
        deserialize_u64 visit_u64 u64,
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i64 i128 u8 u16 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq
        tuple tuple_struct map struct identifier ignored_any
    }
}

/// Why parameters cannot be used.
#[derive(Debug, Error)]
#[error("{name}: {what:?}")]
struct Wrong {
    name: &'static str,
    given: String,
    what: What,
}

#[derive(Debug)]
enum What {
    Missing,
    Twice,
    IsNot(String),
    NoneOf(&'static [&'static str]),
    NoNumber,
    Other(String),
    /// What the path has under this name.
    NoText(&'static str),
}

impl Wrong {
    fn of(what: What) -> Self {
        Self { name: "", given: String::new(), what }
    }

    /// The same, of a value of this name.
    fn in_value(self, name: &'static str, given: &str) -> Self {
        Self { name, given: shorten(given), ..self }
    }

    fn into_problem(self) -> Problem {
        let Self { name, given, what } = self;
        let detail: Words = match what {
            What::NoText(CODE) => return bad_code(not_text()),
            What::NoText(name) => return bad_path_part(name),
            What::Missing => words!("{name} is missing", "{name} belum diisi"),
            What::Twice => {
                words!("{name} is given more than once", "{name} diberikan lebih dari sekali")
            }
            What::IsNot(expected) => {
                let indonesian = indonesian(&expected);
                words!(
                    "{name}: '{given}' is not {expected}",
                    "{name}: '{given}' bukan {indonesian}"
                )
            }
            What::NoneOf(known) => {
                let known = known.join(", ");
                words!(
                    "{name}: '{given}' is none of {known}",
                    "{name}: '{given}' bukan salah satu dari {known}"
                )
            }
            What::NoNumber => words!(
                "{name}: '{given}' is not a whole number that is taken here",
                "{name}: '{given}' bukan bilangan bulat yang dapat dipakai di sini"
            ),
            What::Other(error) if ["id", "event_id"].contains(&name) => {
                words!("{name}: {error}", "{name}: '{given}' bukan UUID")
            }
            What::Other(error) => {
                words!("{name}: {error}", "{name}: '{given}' tidak dapat dipakai di sini")
            }
        };
        Problem::parameter(name, detail)
    }
}

/// The region in a path.
pub(super) const CODE: &str = "code";

fn bad_code(detail: Words) -> Problem {
    Problem::new(Kind::BadRegionCode, detail)
}

/// What a value should be, in Indonesian.
fn indonesian(expected: &str) -> String {
    if let Some((least, most)) =
        expected.strip_prefix("a number from ").and_then(|range| range.split_once(" to "))
    {
        return format!("bilangan dari {least} sampai {most}");
    }
    let found = PHRASES.iter().find(|(english, _)| *english == expected);
    found.map_or("nilai yang dapat dipakai di sini", |(_, indonesian)| indonesian).to_owned()
}

impl serde::de::Error for Wrong {
    fn custom<T: Display>(text: T) -> Self {
        Self::of(What::Other(shown(&text.to_string())))
    }

    fn invalid_value(_: Unexpected<'_>, expected: &dyn Expected) -> Self {
        Self::of(What::IsNot(expected.to_string()))
    }

    fn unknown_variant(_: &str, expected: &'static [&'static str]) -> Self {
        Self::of(What::NoneOf(expected))
    }

    fn missing_field(name: &'static str) -> Self {
        Self { name, ..Self::of(What::Missing) }
    }

    fn duplicate_field(name: &'static str) -> Self {
        Self { name, ..Self::of(What::Twice) }
    }
}
