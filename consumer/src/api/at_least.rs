//! The parameter that names a position: it says when a question is answered, and nothing of which
//! question it is.

use axum::http::Uri;

/// The parameter that says the same as the header.
pub(super) const AT_LEAST: &str = "at_least";

/// Whether a request of this address may name a position.
pub(super) fn is_heeded(uri: &Uri) -> bool {
    uri.path().starts_with("/v1/")
}

/// A query without what it names positions by: the same question at another time.
pub(super) fn without(query: &str) -> String {
    let names = |pair: &&str| pair.split('=').next() != Some(AT_LEAST);
    query.split('&').filter(names).collect::<Vec<_>>().join("&")
}
