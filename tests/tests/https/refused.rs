//! Who does not get an answer, and why.

use laju_kafka::connection::Connection;
use laju_kafka::http_client::HttpError;
use laju_kafka::registry::RegistryError;
use laju_tests::process::{Ended, run};
use laju_tests::tls::{Canned, TlsFront};

use crate::{LAJU, command, file};

const TOKEN: &str = "laju_0f0f0f0f0f0f";

/// `laju query regions` of the worker at an address.
fn query(url: &str, more: &[&str]) -> Ended {
    let mut asking = command(LAJU, &["query", "regions", "--url", url]);
    asking.args(more);
    run(asking)
}

#[test]
fn a_certificate_that_is_not_trusted_is_said_with_the_option_that_helps() {
    let worker = Canned::start("HTTP/1.1 200 OK\r\n");
    let front = TlsFront::before(worker.address());
    query(&front.url(), &[]).assert_refused(&["its certificate is not trusted", "--ca-file FILE"]);

    let ca = front.authority().to_str().unwrap();
    let by_number = format!("https://127.0.0.1:{}", front.port());
    query(&by_number, &["--ca-file", ca]).assert_refused(&["another host's"]);
    let none = file("no certificate");
    let path = none.path().to_str().unwrap();
    query(&front.url(), &["--ca-file", path]).assert_refused(&[path, "holds no certificate"]);
    assert_eq!(front.heads(), Vec::<String>::new(), "nobody got as far as a request");

    let mut connection = Connection::to("127.0.0.1:9");
    connection.registry = Some(front.url());
    let error = connection.registry_client().unwrap().unwrap().schema(1).unwrap_err();
    let RegistryError::Unreachable { source: HttpError::Untrusted(_), .. } = error else {
        panic!("{error:?}");
    };
}

#[test]
fn the_wrong_protocol_is_named() {
    let worker = Canned::start("HTTP/1.1 200 OK\r\n");
    let front = TlsFront::before(worker.address());
    let ca = front.authority().to_str().unwrap();
    let as_tls = format!("https://{}", worker.address());
    query(&as_tls, &["--ca-file", ca]).assert_refused(&["does not speak TLS"]);
}

#[test]
fn an_address_with_a_password_is_refused_and_not_repeated() {
    for url in ["http://user:hunter2@127.0.0.1:9", "https://hunter2@127.0.0.1:9"] {
        let ended = query(url, &[]);
        ended.assert_refused(&["must not hold a user or a password"]);
        let connected = ["topics", "check", "--brokers", "127.0.0.1:9", "--registry", url];
        run(command(LAJU, &connected)).assert_refused(&["must not hold a user or a password"]);
    }
}

#[test]
fn no_token_and_no_password_goes_where_an_answer_points() {
    let elsewhere = Canned::start("HTTP/1.1 200 OK\r\n");
    let target = format!("http://{}/v1/regions", elsewhere.address());
    let pointing = Canned::start(&format!("HTTP/1.1 302 Found\r\nLocation: {target}\r\n"));
    let secret = file(TOKEN);
    let path = secret.path().to_str().unwrap();
    let url = format!("http://{}", pointing.address());
    let ended = query(&url, &["--token-file", path]);
    ended.assert_refused(&[&target, "where nothing is sent"]);
    assert!(!ended.stderr.contains(TOKEN), "{ended:?}");

    let mut connection = Connection::to("127.0.0.1:9");
    connection.registry = Some(url);
    connection.registry_credentials.registry_user = Some("laju".to_owned());
    connection.registry_credentials.registry_password_file = Some(secret.path().to_owned());
    let registry = connection.registry_client().unwrap().unwrap();
    for error in [registry.schema(1).unwrap_err(), registry.register("s-value", "{}").unwrap_err()]
    {
        assert!(matches!(&error, RegistryError::NotARegistry { .. }), "{error:?}");
        assert!(error.to_string().contains(&target), "{error}");
        assert!(!format!("{error} {error:?} {registry:?}").contains(TOKEN), "{error:?}");
    }
    assert_eq!(pointing.connections(), 3);
    assert_eq!(elsewhere.connections(), 0, "no redirect is followed");
}

#[test]
fn a_registry_that_wants_somebody_else_says_how_to_be_one() {
    for status in ["401 Unauthorized", "403 Forbidden"] {
        let registry = Canned::start(&format!("HTTP/1.1 {status}\r\n"));
        let mut connection = Connection::to("127.0.0.1:9");
        connection.registry = Some(format!("http://{}", registry.address()));
        let error = connection.registry_client().unwrap().unwrap().schema(1).unwrap_err();
        assert!(matches!(&error, RegistryError::Refused { .. }), "{error:?}");
        assert!(error.to_string().contains("--registry-password-file"), "{error}");
    }
}
