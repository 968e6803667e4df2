//! The registry client against canned answers.

use crate::support::CannedRegistry;
use laju_producer::registry::{Registry, RegistryAccess, RegistryError};

const AVSC: &str = r#"{"type":"fixed","name":"A","size":1}"#;

fn client(url: &str) -> Registry {
    Registry::new(url, RegistryAccess::default())
}

#[test]
fn a_schema_that_is_there_is_not_registered_again() {
    let registry = CannedRegistry::start(|_, body| {
        assert!(serde_json::from_str::<serde_json::Value>(body).unwrap()["schema"] == AVSC);
        (200, r#"{"id":7,"version":1}"#)
    });
    assert_eq!(client(&registry.url).register("t-value", AVSC).unwrap(), 7);
    assert_eq!(*registry.asked.lock().unwrap(), ["POST /subjects/t-value"]);
}

#[test]
fn a_new_schema_is_registered() {
    let registry = CannedRegistry::start(|line, _| {
        if line.ends_with("/versions") {
            (200, r#"{"id":8}"#)
        } else {
            (404, r#"{"error_code":40401,"message":"Subject not found."}"#)
        }
    });
    assert_eq!(client(&registry.url).register("t-value", AVSC).unwrap(), 8);
    let asked = registry.asked.lock().unwrap();
    assert_eq!(*asked, ["POST /subjects/t-value", "POST /subjects/t-value/versions"]);
}

#[test]
fn an_incompatible_schema_is_said_to_be_so() {
    let registry = CannedRegistry::start(|line, _| {
        if line.ends_with("/versions") {
            (409, r#"{"error_code":409,"message":"reader field missing"}"#)
        } else {
            (404, r#"{"error_code":40403,"message":"Schema not found"}"#)
        }
    });
    let error = client(&registry.url).register("t-value", AVSC).unwrap_err();
    let text = error.to_string();
    assert!(matches!(error, RegistryError::Incompatible { .. }), "{text}");
    assert!(text.contains("t-value") && text.contains("reader field missing"), "{text}");
}

#[test]
fn only_the_registrys_own_word_makes_an_id_unknown() {
    let registry = CannedRegistry::start(|line, _| match line.rsplit('/').next().unwrap() {
        "1" => (200, r#"{"schema":"\"long\""}"#),
        "2" => (404, r#"{"error_code":40403,"message":"Schema not found"}"#),
        "3" => (404, "<html>no such page</html>"),
        "4" => (500, r#"{"error_code":50001,"message":"store is down"}"#),
        "5" => (401, r#"{"error_code":401,"message":"Unauthorized"}"#),
        // What Confluent's registry answers at a path that it does not serve.
        "7" => (404, r#"{"error_code":404,"message":"HTTP 404 Not Found"}"#),
        _ => (200, "hello"),
    });
    let client = client(&format!("{}/", registry.url));
    assert_eq!(client.schema(1).unwrap().as_deref(), Some("\"long\""));
    assert_eq!(client.schema(2).unwrap(), None);
    assert!(matches!(client.schema(3), Err(RegistryError::NotARegistry { .. })));
    let down = client.schema(4).unwrap_err();
    assert!(down.to_string().contains("store is down"), "{down}");
    assert!(matches!(client.schema(5), Err(RegistryError::Refused { status: 401, .. })));
    assert!(matches!(client.schema(6), Err(RegistryError::NotARegistry { .. })));
    assert!(matches!(client.schema(7), Err(RegistryError::NotARegistry { .. })));
}

#[test]
fn a_registry_that_is_not_there_is_an_outage() {
    let client = client(&format!("http://{}", crate::support::nobody()));
    assert!(matches!(client.schema(1), Err(RegistryError::Unreachable { .. })));
    assert!(matches!(client.register("s", AVSC), Err(RegistryError::Unreachable { .. })));
}
