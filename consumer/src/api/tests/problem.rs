//! Problems as readers see them: in their language, and in words of our own.

use axum::Router;
use axum::body::Body;
use axum::http::{Method, Request, StatusCode};
use laju_kafka::problem::{Kind, Language};
use serde_json::Value;

use super::{ready, send};
use laju_kafka::problem::PROBLEM_JSON;

/// Words of parsers and frameworks.
const OF_LIBRARIES: [&str; 24] = [
    "expected value",
    "expected struct",
    "expected `",
    "expected one of `",
    "invalid type",
    "invalid value",
    "invalid digit",
    "invalid length",
    "EOF while parsing",
    "missing field `",
    "unknown field `",
    "unknown variant",
    "duplicate field `",
    "trailing characters",
    "at line 1 column",
    "key must be a string",
    "control character (",
    "Failed to",
    "deserialize",
    "Cannot parse",
    "URL",
    "length limit exceeded",
    "Path<",
    "Error(",
];

async fn told(node: &Router, request: Request<Body>) -> (StatusCode, axum::http::HeaderMap, Value) {
    let (status, headers, body) = send(node, request).await;
    let text = String::from_utf8_lossy(&body).into_owned();
    for words in OF_LIBRARIES {
        assert!(!text.contains(words), "'{words}' in {text}");
    }
    (status, headers, serde_json::from_str(&text).unwrap_or_else(|_| panic!("{text}")))
}

fn damaged_paths() -> Vec<String> {
    let mut paths = Vec::new();
    let values = ["", "x", "-1", "99999999999999999999", "1.5", "%ff", "%00", "%", "{}", "true"];
    for value in values {
        for question in [
            "/v1/regions/18.71/progress?as_of=",
            "/v1/regions/18.71/progress?other=",
            "/v1/progress?level=",
            "/v1/progress?level=province&within=",
            "/v1/regions/18.71/series?from=2023-01-01&to=2023-02-01&step=",
            "/v1/regions/18.71/series?from=",
            "/v1/regions/18.71/breakdown?by=",
            "/v1/regions/18.71/change?from=2023-01-01&axis=",
            "/v1/outreach?limit=",
            "/v1/quarantine?limit=",
            "/v1/kiosks?within=",
            "/v1/stream?regions=",
            "/v1/regions/",
            "/v1/kiosks/",
            "/v1/outreach/",
            "/v1/events/",
            "/v1/figures/",
            "/v1/ledger/partitions/",
            "/problems/",
        ] {
            paths.push(format!("{question}{value}"));
        }
    }
    paths
}

#[tokio::test]
async fn no_words_of_a_library_reach_anybody_who_asks() {
    let node = ready();
    let mut problems = 0;
    for path in damaged_paths() {
        for language in ["en", "id"] {
            let request = Request::get(&path).header("accept-language", language);
            let Ok(request) = request.body(Body::empty()) else { continue };
            let (status, headers, body) = send(&node, request).await;
            if status.is_success() {
                continue;
            }
            problems += 1;
            let body = String::from_utf8_lossy(&body);
            for words in OF_LIBRARIES {
                assert!(!body.contains(words), "{path}: '{words}' in {body}");
            }
            assert_eq!(headers["content-type"], PROBLEM_JSON, "{path}");
            assert_eq!(headers["content-language"], language, "{path}");
        }
    }
    assert!(problems > 200, "{problems}");
    let bodies: [&[u8]; 16] = [
        b"",
        b"{",
        b"[]",
        b"7",
        b"null",
        b"{\"region\": 18.71}",
        b"{\"region\": \"1871\"}",
        b"{\"region\": \"18.71\", \"region\": \"18.71\"}",
        b"{\"region\": \"18.71\", \"as_of\": 7}",
        b"{\"region\": \"18.71\", \"as_of\": \"yesterday\"}",
        b"{\"region\": \"18.71\", \"note\": \"\\u001b[2J\"}",
        b"{\"region\": \"18.71\", \"note\": \"1871010101900001\"}",
        b"{\"region\": \"18.71\", \"nte\": \"\"}",
        b"{\"region\": \"\\ud800\"}",
        b"{\"region\": \"\xff\"}",
        b"{\"region\": \"18.71\"} x",
    ];
    for body in bodies {
        for kind in ["application/json", "text/plain"] {
            let request = Request::post("/v1/figures").header("content-type", kind);
            let (status, _, problem) = told(&node, request.body(body.into()).unwrap()).await;
            assert!(status.is_client_error(), "{problem}");
            assert!(!problem.to_string().contains("187101"), "{problem}");
        }
    }
    for method in [Method::POST, Method::PUT, Method::from_bytes(b"FOO").unwrap()] {
        let request = Request::builder().method(method).uri("/v1/regions");
        told(&node, request.body(Body::empty()).unwrap()).await;
    }
}

#[tokio::test]
async fn problems_are_told_in_the_language_of_who_asks() {
    let node = ready();
    for (path, kind, english, indonesian) in [
        (
            "/v1/regions/99/progress",
            Kind::UnknownRegion,
            "there is no region 99",
            "tidak ada wilayah 99",
        ),
        (
            "/v1/regions/x/progress",
            Kind::BadRegionCode,
            "is not a region code",
            "bukan kode wilayah",
        ),
        ("/v1/kiosks/none", Kind::UnknownKiosk, "nothing was ever heard", "belum pernah terdengar"),
        (
            "/v1/outreach/none",
            Kind::UnknownOutreach,
            "nobody was served",
            "tidak ada yang dilayani",
        ),
        (
            "/v1/nothing",
            Kind::NotFound,
            "nothing is at /v1/nothing",
            "tidak ada apa-apa di /v1/nothing",
        ),
        ("/v1/outreach?limit=x", Kind::BadParameter, "not a whole number", "bukan bilangan bulat"),
        ("/v1/regions?as_of=2023-01-01", Kind::BadParameter, "there is no parameter", "tidak ada"),
    ] {
        for (asked, language, words) in [
            ("id-ID,id;q=0.9,en;q=0.5", Language::Indonesian, indonesian),
            ("en-GB,en;q=0.9,id;q=0.5", Language::English, english),
        ] {
            let request = Request::get(path).header("accept-language", asked);
            let (_, headers, body) = told(&node, request.body(Body::empty()).unwrap()).await;
            assert_eq!(headers["content-language"], language.tag());
            let varies = headers.get_all("vary").iter().any(|vary| vary == "accept-language");
            assert!(varies, "{headers:?}");
            assert_eq!(body["type"], kind.path(), "{body}");
            assert_eq!(body["title"], kind.title().to(language));
            assert!(body["detail"].as_str().unwrap().contains(words), "{words}: {body}");
        }
    }
}

#[tokio::test]
async fn every_kind_is_explained_in_both_languages() {
    let node = ready();
    for kind in Kind::ALL {
        for language in [Language::English, Language::Indonesian] {
            let request = Request::get(kind.path()).header("accept-language", language.tag());
            let (status, headers, body) = told(&node, request.body(Body::empty()).unwrap()).await;
            assert_eq!((status, &body["type"]), (StatusCode::OK, &kind.path().into()));
            assert_eq!(headers["content-language"], language.tag());
            assert_eq!(body["title"], kind.title().to(language));
            assert_eq!(body["explanation"], kind.explanation().to(language));
        }
    }
}
