//! The screen: one page, and the styles, scripts, fonts and map that it is made of, all in the
//! program itself. The page asks the interface beside it and nobody else, and its content
//! security policy holds it to that.

#[cfg(test)]
mod tests;

use axum::body::Body;
use axum::extract::Path;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, IF_NONE_MATCH, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderMap, HeaderValue, StatusCode, Uri};
use axum::response::{IntoResponse, Response};
use rust_embed::{EmbeddedFile, RustEmbed};

use super::caching::bare;
use super::problem::not_found;

/// Everything that the page is made of. A debug build reads it from the source tree, so that a
/// change shows at the next reload.
#[derive(RustEmbed)]
#[folder = "assets"]
struct Assets;

/// What the page may do: ask this server, and nothing else. It cannot be framed elsewhere.
const POLICY: &str = "default-src 'self'; img-src 'self' data:; object-src 'none'; \
                      base-uri 'none'; form-action 'self'; frame-ancestors 'self'";

/// `GET /`: the screen.
pub(super) async fn page(uri: Uri, headers: HeaderMap) -> Response {
    file("index.html", uri, &headers).await
}

/// `GET /assets/{path}`: a part of it.
pub(super) async fn asset(Path(path): Path<String>, uri: Uri, headers: HeaderMap) -> Response {
    file(&path, uri, &headers).await
}

async fn file(path: &str, uri: Uri, asked: &HeaderMap) -> Response {
    let Some(EmbeddedFile { data, metadata }) = Assets::get(path) else {
        return not_found(uri).await.into_response();
    };
    let tag = hex::encode(&metadata.sha256_hash()[..16]);
    let known = asked.get_all(IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
    let is_known = known.flat_map(|tags| tags.split(',')).any(|known| {
        let known = bare(known);
        known == "*" || known == tag
    });
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let mut response = Body::from(data.into_owned()).into_response();
        if let Ok(kind) = HeaderValue::from_str(metadata.mimetype()) {
            response.headers_mut().insert(CONTENT_TYPE, kind);
        }
        response
    };
    let headers = response.headers_mut();
    if let Ok(tag) = HeaderValue::from_str(&format!("\"{tag}\"")) {
        headers.insert(ETAG, tag);
    }
    headers.insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    headers.insert(CONTENT_SECURITY_POLICY, HeaderValue::from_static(POLICY));
    headers.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    headers.insert(X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    response
}
