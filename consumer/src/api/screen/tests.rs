//! The screen as a browser gets it: every part there, nothing else, and only what it has not yet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use axum::Router;
use axum::body::to_bytes;
use axum::http::Request;
use laju_schemas::TimestampMs;
use laju_schemas::event::{
    CardReason, Channel, DeactivationReason, DeferralReason, RetractionReason, Venue,
};
use tower::ServiceExt as _;

use super::*;
use crate::api::{ApiState, router};
use crate::query::fixtures::Fixture;
use laju_kafka::problem::PROBLEM_JSON;

fn node() -> Router {
    let now = TimestampMs(1_700_000_000_000);
    let live = Arc::new(Fixture::new(1).live(now));
    router(ApiState::new(live, Arc::new(move || now), Arc::new(String::new)))
}

async fn get(path: &str, known: &[&str]) -> (StatusCode, HeaderMap, Vec<u8>) {
    let mut request = Request::get(path);
    for tag in known {
        request = request.header(IF_NONE_MATCH, *tag);
    }
    let response = node().oneshot(request.body(Body::empty()).unwrap()).await.unwrap();
    let (parts, body) = response.into_parts();
    (parts.status, parts.headers, to_bytes(body, usize::MAX).await.unwrap().to_vec())
}

#[tokio::test]
async fn every_part_says_what_it_is_and_what_it_may_do() {
    for (path, kind) in [
        ("/", "text/html"),
        ("/assets/js/main.js", "text/javascript"),
        ("/assets/js/views/nation.js", "text/javascript"),
        ("/assets/css/base.css", "text/css"),
        ("/assets/icon.svg", "image/svg+xml"),
        ("/assets/fonts/plus-jakarta-sans-latin-wght-normal.woff2", "font/woff2"),
        ("/assets/map/outline.geojson", "application/geo+json"),
    ] {
        let (status, headers, body) = get(path, &[]).await;
        assert_eq!(status, StatusCode::OK, "{path}");
        assert!(!body.is_empty(), "{path}");
        assert_eq!(headers[CONTENT_TYPE], kind, "{path}");
        assert_eq!(headers[CACHE_CONTROL], "no-cache", "{path}: asked for again, by its tag");
        assert_eq!(headers[X_CONTENT_TYPE_OPTIONS], "nosniff", "{path}");
        assert_eq!(headers[REFERRER_POLICY], "no-referrer", "{path}");
        let policy = headers[CONTENT_SECURITY_POLICY].to_str().unwrap();
        let rules: BTreeMap<_, _> =
            policy.split("; ").filter_map(|rule| rule.split_once(' ')).collect();
        assert_eq!(rules["default-src"], "'self'", "{path}: this server and nobody else");
        assert_eq!((rules["object-src"], rules["base-uri"]), ("'none'", "'none'"), "{path}");
        assert_eq!(rules["frame-ancestors"], "'self'", "{path}");
        assert!(!policy.contains("unsafe") && !policy.contains('*'), "{policy}");
        assert!(!policy.contains("script-src") && !policy.contains("style-src"), "{policy}");
    }
}

#[tokio::test]
async fn what_is_known_already_is_not_sent_again() {
    let mut tags = BTreeSet::new();
    for path in ["/", "/assets/js/main.js", "/assets/css/base.css"] {
        let (_, headers, body) = get(path, &[]).await;
        let tag = headers[ETAG].to_str().unwrap().to_owned();
        assert!(tag.starts_with('"') && tag.ends_with('"') && tag.len() > 20, "{tag} is strong");
        assert!(tags.insert(tag.clone()), "{path} has another's tag");
        let weak = format!("W/{tag}");
        let several = format!("\"other\", {tag}");
        for known in [&[tag.as_str()][..], &[&weak], &[&several], &["\"other\"", &tag], &["*"]] {
            let (status, headers, body) = get(path, known).await;
            assert_eq!((status, body.len()), (StatusCode::NOT_MODIFIED, 0), "{path} {known:?}");
            assert_eq!(headers[ETAG], tag.as_str());
            assert!(headers.contains_key(CONTENT_SECURITY_POLICY));
        }
        for known in [&["\"other\""][..], &[""], &["\"\""]] {
            let (status, _, again) = get(path, known).await;
            assert_eq!((status, &again), (StatusCode::OK, &body), "{path} {known:?}");
        }
    }
}

#[tokio::test]
async fn what_is_no_part_of_it_is_not_found() {
    for path in [
        "/assets/",
        "/assets/js",
        "/assets/js/none.js",
        "/assets/INDEX.HTML",
        "/assets/index.html/",
        "/assets/../Cargo.toml",
        "/assets/js/../../Cargo.toml",
        "/assets/%2e%2e/Cargo.toml",
        "/assets/..%2fCargo.toml",
        "/assets/..%2f..%2fCargo.toml",
        "/assets/%2e%2e%2fsrc%2flib.rs",
        "/assets/..%5cCargo.toml",
        "/assets//etc/hostname",
        "/assets/%2fetc%2fhostname",
        "/assets/js%00.js",
    ] {
        let (status, headers, body) = get(path, &[]).await;
        assert_eq!(status, StatusCode::NOT_FOUND, "{path}");
        assert_eq!(headers[CONTENT_TYPE], PROBLEM_JSON, "{path}");
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert_eq!(body["status"], 404, "{path}");
    }
}

#[tokio::test]
async fn a_part_that_came_compressed_is_known_as_well() {
    let get = async |known: Option<&HeaderValue>| {
        let mut request = Request::get("/assets/js/main.js").header("accept-encoding", "gzip");
        if let Some(tag) = known {
            request = request.header(IF_NONE_MATCH, tag);
        }
        node().oneshot(request.body(Body::empty()).unwrap()).await.unwrap()
    };
    let first = get(None).await;
    assert_eq!(
        (first.status(), &first.headers()["content-encoding"]),
        (StatusCode::OK, &"gzip".parse().unwrap())
    );
    let tag = &first.headers()[ETAG];
    assert_eq!(get(Some(tag)).await.status(), StatusCode::NOT_MODIFIED, "{tag:?}");
}

/// What a file names: what follows one of these words up to the quotation mark. Modules and styles
/// name what they need beside themselves; what a script asks for and the page name from the root.
fn named(path: &str, text: &str) -> BTreeSet<String> {
    let (root, folder) = ("", path.rsplit_once('/').map_or("", |(folder, _)| folder));
    let words: &[(&str, &str)] = match path.rsplit_once('.').unwrap().1 {
        "html" => &[("href=\"assets/", root), ("src=\"assets/", root)],
        "css" => &[("url(\"", folder)],
        "js" => &[
            ("from \"", folder),
            ("import \"", folder),
            ("import(\"", folder),
            ("\"assets/", root),
        ],
        _ => &[],
    };
    let mut names = BTreeSet::new();
    for (word, folder) in words {
        for (at, _) in text.match_indices(word) {
            let name = text[at + word.len()..].split('"').next().unwrap();
            let mut parts: Vec<_> = folder.split('/').filter(|part| !part.is_empty()).collect();
            for part in name.split('/') {
                match part {
                    "." => {}
                    ".." => assert!(parts.pop().is_some(), "{path} names {name}, outside"),
                    part => parts.push(part),
                }
            }
            names.insert(parts.join("/"));
        }
    }
    names
}

#[test]
fn everything_that_is_named_is_there_and_everything_there_is_named() {
    let mut reached = BTreeSet::from(["index.html".to_owned()]);
    let mut open: Vec<String> = reached.iter().cloned().collect();
    while let Some(path) = open.pop() {
        let file = Assets::get(&path).unwrap_or_else(|| panic!("there is no {path}"));
        let text = String::from_utf8_lossy(&file.data);
        for name in named(&path, &text) {
            assert!(Assets::get(&name).is_some(), "{path} names {name}, which is not there");
            if reached.insert(name.clone()) {
                open.push(name);
            }
        }
    }
    assert!(reached.contains("js/words/en.js") && reached.contains("map/outline.geojson"));
    assert!(reached.contains("fonts/plus-jakarta-sans-latin-wght-normal.woff2"));
    let is_text = |path: &str| path.contains("LICENSE") || path == "README.md";
    let unused: Vec<_> =
        Assets::iter().filter(|path| !reached.contains(path.as_ref()) && !is_text(path)).collect();
    assert!(unused.is_empty(), "nothing names {unused:?}");
}

#[test]
fn every_symbol_of_the_contract_has_its_words_in_both_languages() {
    let symbols: [Vec<&str>; 6] = [
        Channel::ALL.iter().map(|symbol| symbol.as_str()).collect(),
        Venue::ALL.iter().map(|symbol| symbol.as_str()).collect(),
        DeactivationReason::ALL.iter().map(|symbol| symbol.as_str()).collect(),
        DeferralReason::ALL.iter().map(|symbol| symbol.as_str()).collect(),
        CardReason::ALL.iter().map(|symbol| symbol.as_str()).collect(),
        RetractionReason::ALL.iter().map(|symbol| symbol.as_str()).collect(),
    ];
    for language in ["js/words/en.js", "js/words/id.js"] {
        let words = Assets::get(language).unwrap().data;
        let words = std::str::from_utf8(&words).unwrap();
        let (_, words) = words.split_once("\n  keys: {").unwrap();
        let (words, _) = words.split_once("\n  },").unwrap();
        for symbol in symbols.iter().flatten() {
            assert!(words.contains(&format!(" {symbol}: \"")), "{language} has no {symbol}");
        }
    }
}
