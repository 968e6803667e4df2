//! What an agent answers when something is wrong with a request: with a stable type, in the
//! client's language, in words of its own.

use std::time::Duration;

use laju_kafka::problem::{Kind, Language};
use laju_tests::process::{command, run};
use serde_json::{Value, json};

use crate::KIOSK;
use crate::kiosk::{Kiosk, activation, no_broker};

/// Words of parsers and frameworks.
const OF_LIBRARIES: [&str; 22] = [
    "expected value",
    "expected struct",
    "struct Fields",
    "expected `",
    "expected one of `",
    "expected a sequence",
    "invalid type",
    "invalid value",
    "invalid length",
    "invalid digit",
    "EOF while parsing",
    "missing field `",
    "unknown field `",
    "unknown variant",
    "duplicate field `",
    "trailing characters",
    "at line 1 column",
    "key must be a string",
    "control character (",
    "lone leading surrogate",
    "length limit exceeded",
    "TOML parse error",
];

struct Asker {
    address: String,
    agent: ureq::Agent,
}

impl Asker {
    fn ask(&self, method: &str, path: &str, language: &str, body: &[u8]) -> (u16, String, Value) {
        let request = ureq::http::Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.address))
            .header("accept-language", language)
            .header("content-type", "application/json");
        let answer = match method {
            "POST" => self.agent.run(request.body(body).unwrap()),
            _ => self.agent.run(request.body(()).unwrap()),
        };
        let mut answer = answer.unwrap();
        let text = answer.body_mut().read_to_string().unwrap();
        for words in OF_LIBRARIES {
            assert!(!text.contains(words), "'{words}' in {text}");
        }
        let header = |name: &str| {
            answer.headers().get(name).map_or("", |value| value.to_str().unwrap()).to_owned()
        };
        if answer.status().as_u16() >= 400 && header("content-type") != "application/json" {
            assert_eq!(header("content-type"), "application/problem+json", "{text}");
            let mut varies = answer.headers().get_all("vary").iter();
            assert!(varies.any(|vary| vary == "accept-language"), "{text}");
        }
        let language = header("content-language");
        (answer.status().as_u16(), language, serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}

fn damaged() -> Vec<Vec<u8>> {
    let good = activation(1).to_string();
    let mut bodies: Vec<Vec<u8>> =
        ["", " ", "{", "[", "[{]", "7", "null", "\"x\"", "{}", "[7, {}]", "{\"a\"}"]
            .iter()
            .map(|text| text.as_bytes().to_vec())
            .collect();
    for length in (1..good.len()).step_by(7) {
        bodies.push(good.as_bytes()[..length].to_vec());
    }
    let fields = [
        "nik",
        "home_region",
        "service_region",
        "fact",
        "occurred_at",
        "outreach_id",
        "idempotency_key",
        "other",
    ];
    let values = [
        json!(7),
        json!(18.71),
        json!(true),
        json!([]),
        json!({}),
        json!("x"),
        json!(""),
        json!("1871010101900001"),
        json!("\u{1b}[2J"),
        json!({"Activated": {}}),
        json!({"Activated": {"channel": "ofice", "venue": null, "first_time_holder": 7}}),
        json!({"Other": {}}),
        json!({"Activated": {"channel": "office"}, "Deferred": {"reason": "other"}}),
    ];
    for field in fields {
        for value in &values {
            let mut event = activation(1);
            event[field] = value.clone();
            bodies.push(event.to_string().into_bytes());
            bodies.push(format!("[{event}]").into_bytes());
        }
        let mut event = activation(1);
        event.as_object_mut().unwrap().remove(field);
        bodies.push(event.to_string().into_bytes());
    }
    bodies.push(good.replace("home", "\u{1}home").into_bytes());
    bodies.push([good.as_bytes(), b" x"].concat());
    bodies.push([b"{\"nik\": \"\xff\xfe\"".as_slice(), b"}"].concat());
    bodies
}

#[test]
fn an_agent_tells_problems_in_the_clients_language_and_in_words_of_its_own() {
    let kiosk = Kiosk::new(no_broker());
    let (process, client) = kiosk.start();
    let agent = ureq::Agent::config_builder()
        .http_status_as_error(false)
        .timeout_global(Some(Duration::from_secs(60)))
        .allow_non_standard_methods(true)
        .build()
        .new_agent();
    let asker = Asker { address: client.address.clone(), agent };

    let none = "/v1/events/018d4a6e-5c00-7000-8000-000000000001";
    for body in damaged() {
        for path in ["/v1/events", "/v1/set-aside/retry", &format!("{none}/retract")] {
            let (_, _, english) = asker.ask("POST", path, "en", &body);
            assert!(!english.to_string().contains("187101"), "{english}");
            let (_, _, indonesian) = asker.ask("POST", path, "id", &body);
            if let (Some(en), Some(id)) =
                (english["detail"].as_str(), indonesian["detail"].as_str())
            {
                assert_ne!(en, id, "{english}");
                assert_eq!(english["type"], indonesian["type"]);
            }
        }
    }

    let mut wrong = activation(2);
    wrong["home_region"] = "18.99".into();
    let mut disguised = activation(3);
    disguised["outreach_id"] = "1871010x101900001".into();
    let mut early = activation(4);
    let ahead = laju_schemas::TimestampMs(laju_producer::clock::now().0 + 3 * 86_400_000);
    early["occurred_at"] = ahead.to_string().into();
    for (method, path, body, kind, field, english, indonesian) in [
        (
            "POST",
            "/v1/events",
            early.to_string(),
            Kind::WrongClock,
            "",
            "broker has confirmed",
            "belum dipastikan broker",
        ),
        (
            "POST",
            "/v1/events",
            wrong.to_string(),
            Kind::BadEvent,
            "home_region",
            "there is no regency or city 18.99",
            "tidak ada kabupaten atau kota 18.99",
        ),
        (
            "POST",
            "/v1/events",
            disguised.to_string(),
            Kind::BadEvent,
            "outreach_id",
            "holds digits like a NIK's",
            "memuat angka seperti NIK",
        ),
        (
            "POST",
            "/v1/events",
            "[".to_owned(),
            Kind::BadBody,
            "",
            "ends before",
            "berakhir sebelum lengkap",
        ),
        ("GET", "/v1/events/x", String::new(), Kind::BadParameter, "event_id", "UUID", "UUID"),
        (
            "GET",
            none,
            String::new(),
            Kind::UnknownEvent,
            "",
            "has no event",
            "tidak punya peristiwa",
        ),
        ("GET", "/nothing", String::new(), Kind::NotFound, "", "nothing here", "tidak ada apa-apa"),
        (
            "DELETE",
            "/v1/status",
            String::new(),
            Kind::MethodNotAllowed,
            "",
            "another method",
            "metode lain",
        ),
    ] {
        for (asked, language, words) in [
            ("id-ID,id;q=0.9,en;q=0.8", Language::Indonesian, indonesian),
            ("en", Language::English, english),
        ] {
            let (status, told_in, problem) = asker.ask(method, path, asked, body.as_bytes());
            assert_eq!(told_in, language.tag(), "{problem}");
            assert_eq!(problem["type"], kind.path(), "{problem}");
            assert_eq!(problem["title"], kind.title().to(language));
            assert_eq!(problem["status"], status);
            assert_eq!(problem["field"].as_str().unwrap_or_default(), field, "{problem}");
            assert!(problem["detail"].as_str().unwrap().contains(words), "{words}: {problem}");
            let (status, _, explained) = asker.ask("GET", kind.path(), asked, b"");
            assert_eq!((status, &explained["type"]), (200, &problem["type"]));
            assert_eq!(explained["explanation"], kind.explanation().to(language));
        }
    }
    // Within a batch every event is reported in the language of its request.
    let batch = format!("[{wrong}]");
    let (_, _, answer) = asker.ask("POST", "/v1/events", "id", batch.as_bytes());
    assert!(answer["items"][0]["detail"].as_str().unwrap().starts_with("tidak ada"), "{answer}");
    drop(process);
}

#[test]
fn files_are_refused_in_words_of_our_own() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    for text in ["brokers = ", "[run", "a = 1\na = 2\n", "= 7", "\u{1b}[2J"] {
        std::fs::write(&file, text).unwrap();
        let mut status = command(KIOSK, &["status", "--config"]);
        status.arg(&file);
        let ended = run(status);
        assert_eq!(ended.status.code(), Some(2), "{ended:?}");
        assert!(ended.stderr.contains("this is not TOML"), "{ended:?}");
        for words in OF_LIBRARIES {
            assert!(!ended.stderr.contains(words), "'{words}' in {ended:?}");
        }
        assert!(!ended.stderr.contains('\u{1b}'), "{ended:?}");
    }
}
