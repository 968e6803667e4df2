//! One event's way with https at every step that is HTTP: its schema is registered and looked up, a
//! worker is asked and verified, a figure quoted, an agent asks for the event's fate.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use laju_tests::broker::TestBroker;
use laju_tests::process::{Process, connect, run, wait_until};
use laju_tests::registry::TestRegistry;
use laju_tests::tls::TlsFront;
use serde_json::json;

use crate::{KIOSK, LAJU, command, file};

const PASSWORD: &str = "correct horse battery staple";
/// `laju:` and the password, in Base64.
const PAIR: &str = "bGFqdTpjb3JyZWN0IGhvcnNlIGJhdHRlcnkgc3RhcGxl";
const TOKEN: &str = "eyJhbGciOiJub25lIn0.verify-may-read";
const KEY: &str = "8f14e45fceea167a5a36dedd4bea2543c9f0f895fb98ab9159f51fd0297e236d";

#[test]
fn every_program_speaks_https_directly_and_tells_nobody_its_secrets() {
    let broker = TestBroker::start(3);
    let registry = TestRegistry::start();
    let registry_front = TlsFront::before(registry.url().trim_start_matches("http://"));
    let password = file(PASSWORD);
    let mut connection = broker.connection();
    connection.registry = Some(registry_front.url());
    let with_registry = |command: &mut Command| {
        connect(command, &connection);
        command.arg("--ca-file").arg(registry_front.authority());
        command.args(["--registry-user", "laju", "--registry-password-file"]).arg(password.path());
    };

    let folder = tempfile::tempdir().unwrap();
    let mut worker = command(LAJU, &["worker", "--listen", "127.0.0.1:0", "--store"]);
    worker.arg(folder.path().join("store"));
    with_registry(&mut worker);
    let mut worker = Process::start(worker);
    let front = TlsFront::before(&worker.address());
    worker.wait_ready();

    // The agent trusts one authority's file: that of both.
    let both = [registry_front.authority(), front.authority()]
        .map(|at| std::fs::read_to_string(at).unwrap());
    let both = file(&both.concat());
    let key = file(KEY);
    std::fs::set_permissions(key.path(), PermissionsExt::from_mode(0o600)).unwrap();
    let mut agent = command(KIOSK, &["run", "--kiosk-id", "kbl-01", "--service-region", "18.71"]);
    agent.args(["--listen", "127.0.0.1:0", "--laju", &front.url(), "--outbox"]);
    agent.arg(folder.path().join("outbox")).arg("--key-file").arg(key.path());
    connect(&mut agent, &connection);
    agent.arg("--ca-file").arg(both.path());
    agent.args(["--registry-user", "laju", "--registry-password-file"]).arg(password.path());
    let mut agent = Process::start(agent);
    let event = json!({
        "nik": "1871010101900001",
        "home_region": "18.71",
        "fact": {"Activated": {"channel": "office", "venue": null, "first_time_holder": false}},
    });
    let (status, taken) = agent.post("/v1/events", &event);
    assert_eq!(status, 202, "{taken}");
    let path = format!("/v1/events/{}", taken["event_id"].as_str().unwrap());
    let mut last = json!(null);
    wait_until("the agent has the worker's word", || {
        last = agent.get(&path).1;
        let why = last["worker"]["error"].as_str();
        assert_eq!(why, None, "{last}");
        last["worker"]["fate"] == "counted"
    });

    let ca = front.authority().to_str().unwrap();
    let https = ["--url", &front.url(), "--ca-file", ca];
    for question in
        [&["query", "progress", "18.71"][..], &["quote", "18.71", "--as-of", "2024-01-01"]]
    {
        let mut asking = command(LAJU, question);
        asking.args(https);
        let ended = run(asking);
        assert!(ended.status.success(), "{question:?}: {ended:?}");
    }
    // By the environment, as every option.
    let mut asking = command(LAJU, &["query", "progress", "18.71", "--json"]);
    asking.env("LAJU_URL", front.url()).env("LAJU_CA_FILE", ca);
    let ended = run(asking);
    assert!(ended.stdout.contains("\"activated\":1,"), "{ended:?}");

    let mut verifying = command(LAJU, &["verify", "--worker", &front.url()]);
    connect(&mut verifying, &connection);
    verifying.arg("--ca-file").arg(both.path());
    let token = file(TOKEN);
    verifying.arg("--registry-token-file").arg(token.path());
    let ended = run(verifying);
    assert!(ended.status.success() && ended.stdout.contains("identical"), "{ended:?}");
    assert_no_secret(&ended.stderr);

    let heads = registry_front.heads();
    assert!(!heads.is_empty() && !front.heads().is_empty());
    let (bearer, basic): (Vec<_>, Vec<_>) =
        heads.into_iter().partition(|head| head.contains(&format!("Bearer {TOKEN}")));
    assert!(!bearer.is_empty() && !basic.is_empty());
    for head in basic {
        assert!(head.contains(&format!("Basic {PAIR}")), "{head}");
    }
    for process in [worker, agent] {
        let ended = process.stop();
        assert!(ended.status.success(), "{ended:?}");
        assert_no_secret(&ended.stderr);
    }
}

/// With everything logged.
fn assert_no_secret(log: &str) {
    assert!(log.contains("TRACE") || log.contains("DEBUG"), "everything is logged: {log}");
    assert!(!log.contains(PASSWORD) && !log.contains(PAIR) && !log.contains(TOKEN), "{log}");
}
