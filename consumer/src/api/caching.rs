//! What a client need not be sent again: strong entity tags of answers (RFC 9110 §8.8.3), and `304`
//! for who has the answer already.
//!
//! A figure's tag is made from the question and from the version of all that the answer rests on
//! (offsets, references, rules; and for questions of this moment the day, what is missing and who
//! is silent), so that it is known before the answer is, and an answer that the client has is not
//! worked out. Answers that say more of the moment than that are tagged by their content.

use axum::body::Bytes;
use axum::extract::Request;
use axum::http::header::{
    AGE, CACHE_CONTROL, CONTENT_ENCODING, CONTENT_TYPE, ETAG, IF_NONE_MATCH, VARY,
};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use jiff::civil::Date;
use xxhash_rust::xxh3::{Xxh3, xxh3_128};

use super::at_least;
use crate::query::view::View;
use laju_kafka::problem::{Kind, Language, Problem, tell};
use laju_kafka::words;
use laju_schemas::position::{POSITION_HEADER, Position};

/// Compressions, as their tags' suffixes say.
const ENCODINGS: [&str; 2] = ["gzip", "br"];

/// What a request asked for, and what its client has.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    target: String,
    held: Vec<String>,
    /// The day of knowledge, where the question leaves nothing to the moment of the answer.
    known_at: Option<Date>,
    by_content: bool,
}

/// The tag of an answer, without its quotes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Tag(String);

impl std::fmt::Display for Tag {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "\"{}\"", self.0)
    }
}

impl Asked {
    pub(super) fn of(parts: &Parts) -> Self {
        let mut target = parts.uri.path().to_owned();
        let query = parts.uri.query().map(at_least::without).filter(|query| !query.is_empty());
        if let Some(query) = query {
            target = format!("{target}?{query}");
        }
        let held = parts.headers.get_all(IF_NONE_MATCH).iter();
        let held = held.filter_map(|value| value.to_str().ok()).flat_map(|list| list.split(','));
        let (known_at, by_content) = (None, false);
        Self { target, held: held.map(bare).collect(), known_at, by_content }
    }

    /// Notes the day of knowledge, where the question leaves nothing to the moment of the answer.
    pub(super) fn settle(&mut self, known_at: Option<Date>) {
        self.known_at = known_at;
    }

    /// Tags the answer by its content, because the version of the state does not tell all of it.
    pub(super) fn by_content(self) -> Self {
        Self { by_content: true, ..self }
    }

    /// The tag of the answer to be made from a state, if that tells it.
    pub(super) fn tag_of(&self, view: &View, shapes: u64) -> Option<Tag> {
        if self.by_content {
            return None;
        }
        let settled = self.known_at.is_some_and(|day| day < view.today);
        Some(self.tag(&view.version(settled).to_le_bytes(), shapes))
    }

    /// The tag of an answer that rests on nothing but this state of things.
    pub(super) fn tag(&self, state: &[u8], shapes: u64) -> Tag {
        let mut hash = Xxh3::new();
        // Another version of the program may write another answer, and so may another build of it
        // whose document says that its answers look otherwise.
        hash.update(env!("CARGO_PKG_VERSION").as_bytes());
        hash.update(&shapes.to_le_bytes());
        hash.update(state);
        hash.update(self.target.as_bytes());
        Tag(format!("{:032x}", hash.digest128()))
    }

    /// Whether the client has the answer with this tag, compressed or not.
    pub(super) fn has(&self, tag: &Tag) -> bool {
        self.held.contains(&tag.0)
    }

    /// Whether the client has any answer, as it says.
    fn has_any(&self) -> bool {
        self.held.iter().any(|held| held == "*")
    }
}

/// A tag as a client sends it, without what does not matter here: weakness, quotes, compression.
pub(super) fn bare(sent: &str) -> String {
    let tag = sent.trim();
    let tag = tag.strip_prefix("W/").unwrap_or(tag).trim_matches('"');
    let plain = ENCODINGS.iter().find_map(|encoding| tag.strip_suffix(encoding)?.strip_suffix('-'));
    plain.unwrap_or(tag).to_owned()
}

/// An answer on its way: the whole of it, or only that the client has it.
pub(super) struct Answer {
    tag: Tag,
    json: Option<Vec<u8>>,
    position: Option<String>,
}

impl Answer {
    /// What the client has already.
    pub(super) fn held(tag: Tag) -> Self {
        Self { tag, json: None, position: None }
    }

    /// What has been worked out: it is sent unless the client has just this.
    pub(super) fn made(asked: &Asked, tag: Option<Tag>, json: Vec<u8>) -> Self {
        let tag = tag.unwrap_or_else(|| Tag(format!("{:032x}", xxh3_128(&json))));
        let has = asked.has(&tag) || asked.has_any();
        Self { tag, json: (!has).then_some(json), position: None }
    }

    /// The answer from a state, whose position it bears.
    pub(super) fn from(self, view: &View) -> Self {
        Self { position: Some(view.position.to_string()), ..self }
    }

    /// As a response; kept by the client's own cache only, where it took a token to get it.
    pub(super) fn into_response(self, is_private: bool, age_seconds: Option<u64>) -> Response {
        let response = match self.json {
            Some(json) => {
                let kind = [(CONTENT_TYPE, HeaderValue::from_static("application/json"))];
                (kind, Bytes::from(json)).into_response()
            }
            None => StatusCode::NOT_MODIFIED.into_response(),
        };
        let mut response = dressed(response, &self.tag, is_private, age_seconds);
        bear(&mut response, self.position);
        response
    }
}

/// Has an answer bear the position of the state that it is from.
pub(super) fn bear(response: &mut Response, position: Option<String>) {
    // Nobody would take one that long again.
    let position = position.filter(|position| position.len() <= Position::MAX_LENGTH);
    if let Some(Ok(position)) = position.map(HeaderValue::try_from) {
        response.headers_mut().insert(POSITION_HEADER, position);
    }
}

/// An answer with what caches go by.
pub(super) fn dressed(
    mut response: Response,
    tag: &Tag,
    is_private: bool,
    age_seconds: Option<u64>,
) -> Response {
    let kept = if is_private { "private, no-cache" } else { "no-cache" };
    let headers = response.headers_mut();
    headers.insert(CACHE_CONTROL, HeaderValue::from_static(kept));
    headers.insert(VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::try_from(tag.to_string()) {
        headers.insert(ETAG, tag);
    }
    if let Some(age) = age_seconds {
        headers.insert(AGE, age.into());
    }
    response
}

/// Tells the tag of a compressed answer from that of the same answer as it is: they are not the
/// same bytes, so a strong tag may not be the same (RFC 9110 §8.8.3.3). Goes outside of what
/// compresses.
pub(super) async fn tag_encodings(request: Request, next: Next) -> Response {
    let language = Language::of(request.headers());
    let mut response = next.run(request).await;
    if response.status() == StatusCode::NOT_ACCEPTABLE {
        // Who takes neither a compressed answer nor one as it is.
        let detail = words!(
            "Accept-Encoding leaves none of gzip, br and identity",
            "Accept-Encoding tidak menyisakan gzip, br, atau identity"
        );
        let problem = Problem::new(Kind::BadRequest, detail);
        let mut response = problem.with_status(StatusCode::NOT_ACCEPTABLE).into_response();
        tell(language, &mut response);
        return response;
    }
    let encoding = response
        .headers()
        .get(CONTENT_ENCODING)
        .and_then(|value| ENCODINGS.into_iter().find(|encoding| value == encoding));
    let tag = response.headers().get(ETAG).and_then(|tag| tag.to_str().ok());
    if let Some((encoding, tag)) = encoding.zip(tag)
        && let Some(opaque) = tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"'))
        && let Ok(tag) = HeaderValue::try_from(format!("\"{opaque}-{encoding}\""))
    {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}
