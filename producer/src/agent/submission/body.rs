//! A request's body: one event, a JSON array of events, or NDJSON (an event a line).

use serde::Deserialize;
use serde::de::{Deserializer, IgnoredAny, SeqAccess, Visitor};
use serde_json::value::RawValue;
use thiserror::Error;

use super::{Fault, Submission, event};
use laju_kafka::problem::{Words, place_of};
use laju_kafka::text::{self, TextError};
use laju_kafka::words;

/// The most events in one body.
pub const MAX_EVENTS: usize = 100_000;

/// Why a whole body is refused.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
pub enum BodyError {
    /// In another encoding.
    #[error("the body: {0}")]
    Encoding(#[from] TextError),
    /// Not JSON at all.
    #[error("{0}")]
    Syntax(Words),
    /// No event in it.
    #[error("the body holds no event")]
    Empty,
    /// Too many.
    #[error("the body holds more than {MAX_EVENTS} events: send them in several requests")]
    TooMany,
}

/// What a body holds.
#[derive(Debug)]
pub enum Body {
    /// One event.
    One(Result<Submission, Fault>),
    /// A batch, even if of one.
    Batch(Vec<Result<Submission, Fault>>),
}

/// How the events of a body are separated.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON object, or an array of them.
    Json,
    /// An object a line; empty lines are passed over.
    Ndjson,
}

/// Reads a body.
///
/// # Errors
/// If it is unclear which events it holds; a mistake in one of them is reported in its place.
pub fn read(format: Format, body: &[u8]) -> Result<Body, BodyError> {
    let body = text::begin(body)?;
    let events = match format {
        Format::Json => match body.iter().find(|byte| !byte.is_ascii_whitespace()) {
            None => return Err(BodyError::Empty),
            Some(b'[') => array(body)?,
            Some(_) => return Ok(Body::One(event(body))),
        },
        Format::Ndjson => {
            let lines = body.split(|byte| *byte == b'\n');
            let lines = lines.filter(|line| !line.trim_ascii().is_empty());
            let events: Vec<_> = lines.take(MAX_EVENTS + 1).map(event).collect();
            if events.len() > MAX_EVENTS {
                return Err(BodyError::TooMany);
            }
            events
        }
    };
    if events.is_empty() { Err(BodyError::Empty) } else { Ok(Body::Batch(events)) }
}

impl BodyError {
    /// What is wrong, in both languages.
    #[must_use]
    pub fn words(&self) -> Words {
        match self {
            Self::Encoding(error) => error.words().map(|text| format!("body: {text}")),
            Self::Syntax(words) => words.clone(),
            Self::Empty => {
                words!("the body holds no event", "isi permintaan tidak memuat peristiwa")
            }
            Self::TooMany => words!(
                "the body holds more than {MAX_EVENTS} events: send them in several requests",
                "isi permintaan memuat lebih dari {MAX_EVENTS} peristiwa: kirim dalam beberapa permintaan"
            ),
        }
    }
}

fn array(body: &[u8]) -> Result<Vec<Result<Submission, Fault>>, BodyError> {
    let Items(items) =
        serde_json::from_slice(body).map_err(|error| BodyError::Syntax(place_of(&error)))?;
    if items.len() > MAX_EVENTS {
        return Err(BodyError::TooMany);
    }
    Ok(items.iter().map(|item| event(item.get().as_bytes())).collect())
}

/// An array's items, no more of them than one too many: a body of tiny ones has millions.
pub(super) struct Items<'a>(pub(super) Vec<&'a RawValue>);

impl<'de> Deserialize<'de> for Items<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Array;
        impl<'de> Visitor<'de> for Array {
            type Value = Items<'de>;

            fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str("an array of events")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
                let mut kept = Vec::new();
                while kept.len() <= MAX_EVENTS
                    && let Some(item) = items.next_element()?
                {
                    kept.push(item);
                }
                // What follows is looked at, but not kept.
                while items.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Items(kept))
            }
        }
        deserializer.deserialize_seq(Array)
    }
}
