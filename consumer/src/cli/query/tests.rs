//! Command lines, and answers of a node that runs in the test.

use std::sync::Arc;

use clap::Parser;
use laju_schemas::TimestampMs;

use super::*;
use crate::api::access::Access;
use crate::api::tokens::{NewToken, Role, Tokens};
use crate::api::{ApiState, server};
use crate::query::fixtures::Fixture;

#[derive(Parser)]
struct Program {
    #[command(flatten)]
    query: QueryArgs,
}

fn parse(line: &str) -> Result<QueryCommand, clap::Error> {
    let words = std::iter::once("query").chain(line.split_whitespace());
    Program::try_parse_from(words).map(|program| program.query.command)
}

fn path_of(command: &QueryCommand) -> String {
    use QueryCommand as Of;
    match command {
        Of::Progress(ask) => ask.path(),
        Of::Series(ask) => ask.path(),
        Of::Breakdown(ask) => ask.path(),
        Of::Pace(ask) => ask.path(),
        Of::Change(ask) => ask.path(),
        Of::Evidence(ask) => ask.path(),
        Of::Postings(ask) => ask.path(),
        Of::Flows(ask) => ask.path(),
        Of::Outreach(ask) => ask.path(),
        Of::Kiosks(ask) => ask.path(),
        Of::Kiosk(ask) => ask.path(),
        Of::Event(ask) => ask.path(),
        Of::Figure(ask) => ask.path(),
        Of::Figures(ask) => ask.path(),
        Of::Quarantine(ask) => ask.path(),
        Of::Regions(ask) => ask.path(),
    }
}

#[test]
fn a_command_line_becomes_a_question() {
    for (line, path) in [
        ("progress", "/v1/progress?level=regency&within=ID"),
        ("progress 18.71", "/v1/regions/18.71/progress"),
        (
            "progress 18.71 --as-of 2023-12-31 --known-at 2024-01-05",
            "/v1/regions/18.71/progress?as_of=2023-12-31&known_at=2024-01-05",
        ),
        (
            "progress --level province --within ID --as-of 2023-12-31",
            "/v1/progress?level=province&within=ID&as_of=2023-12-31",
        ),
        (
            "series 18 --from 2023-01-01 --to 2023-12-31 --step week",
            "/v1/regions/18/series?from=2023-01-01&to=2023-12-31&step=week",
        ),
        ("breakdown ID --by deferral_reason", "/v1/regions/ID/breakdown?by=deferral_reason"),
        ("pace 18.71 --as-of 2024-08-02", "/v1/regions/18.71/pace?as_of=2024-08-02"),
        (
            "pace 36.04 --from 2024-01-01 --to 2024-08-02 --known-at 2024-08-05",
            "/v1/regions/36.04/pace?from=2024-01-01&to=2024-08-02&known_at=2024-08-05",
        ),
        ("pace", "/v1/pace?level=regency&within=ID"),
        (
            "pace --level regency --within 19 --as-of 2024-08-02",
            "/v1/pace?level=regency&within=19&as_of=2024-08-02",
        ),
        (
            "change 18.71 --from 2023-12-31 --to 2024-01-05 --as-of 2023-12-31",
            "/v1/regions/18.71/change?from=2023-12-31&to=2024-01-05&axis=known_at&as_of=2023-12-31",
        ),
        ("evidence 18 --known-at 2024-01-05", "/v1/regions/18/evidence?known_at=2024-01-05"),
        (
            "postings 18 --account deactivations --sign reversed --reason error --happened-to 2024-01-01 \
             --recorded-from 2024-01-02 --age-to 7 --limit 5",
            "/v1/regions/18/postings?account=deactivations&sign=reversed&reason=error\
             &happened_to=2024-01-01&recorded_from=2024-01-02&age_to=7&limit=5",
        ),
        ("flows --within 18 --as-of 2023-12-31", "/v1/flows?within=18&as_of=2023-12-31"),
        (
            "flows --limit 5 --after moves,18.71,18.72",
            "/v1/flows?within=ID&limit=5&after=moves%2C18.71%2C18.72",
        ),
        (
            "breakdown ID --by outreach --limit 5 --after 90,SMA-3",
            "/v1/regions/ID/breakdown?by=outreach&limit=5&after=90%2CSMA-3",
        ),
        ("flows 18.71 --known-at 2023-12-31", "/v1/regions/18.71/flows?known_at=2023-12-31"),
        (
            "outreach --within 18 --from 2024-01-01 --to 2024-03-31 --limit 3",
            "/v1/outreach?within=18&from=2024-01-01&to=2024-03-31&limit=3",
        ),
        ("outreach SMA/3 --as-of 2024-01-01", "/v1/outreach/SMA%2F3?as_of=2024-01-01"),
        ("kiosks", "/v1/kiosks"),
        (
            "kiosks --within 18 --silent --missing --after K/1 --limit 5",
            "/v1/kiosks?limit=5&within=18&silent=true&missing=true&after=K%2F1",
        ),
        (
            "event 018f0000-0000-7000-8000-00000000000A",
            "/v1/events/018f0000-0000-7000-8000-00000000000a",
        ),
        ("kiosk van-7/ä", "/v1/kiosks/van-7%2F%C3%A4"),
        (
            "quarantine --known-at 2024-01-05 --within 18 --limit 3",
            "/v1/quarantine?within=18&limit=3&known_at=2024-01-05",
        ),
        (
            "figure 018F0000-0000-8000-8000-00000000000A",
            "/v1/figures/018f0000-0000-8000-8000-00000000000a",
        ),
        ("progress 18.71 --ahead", "/v1/regions/18.71/progress?ahead=true"),
        ("kiosks --silent=false --missing=true", "/v1/kiosks?silent=false&missing=true"),
        ("figures --region 18 --limit 3", "/v1/figures?region=18&limit=3"),
        ("figures", "/v1/figures"),
        ("regions --level regency --within 18", "/v1/regions?level=regency&within=18"),
    ] {
        assert_eq!(path_of(&parse(line).unwrap()), path, "{line}");
    }
    for line in [
        "progress 1871",
        "progress 18.71 --level province",
        "progress 18.71 --as-of yesterday",
        "series 18.71 --from 2023-01-01",
        "breakdown 18.71 --by colour",
        "pace 18.71 --level province",
        "pace 18.71 --within 18",
        "pace --from 2024-01-01 --to 2024-02-01",
        "pace --within 18 --from 2024-01-01 --to 2024-02-01",
        "change 18.71 --from 2024-01-01",
        "change 18.71 --from 2024-01-01 --to 2024-01-02 --axis time",
        "postings 18.71",
        "postings 18.71 --account print_queue",
        "pace 18.71 --from 2024-01-01",
        "pace 18.71 --to 2024-01-01",
        "pace 18.71 --from 2024-01-01 --to 2024-02-01 --as-of 2024-02-01",
        "event 18.71",
        "figure 18.71",
        "figure",
        "kiosks --as-of 2023-12-31",
        "kiosks --silent=maybe",
        "kiosks --limit 0",
        "flows 18.71 --within 18",
        "outreach SMA-3 --limit 3",
        "",
    ] {
        assert!(parse(line).is_err(), "{line}");
    }
}

fn run(line: &str) -> Result<String, String> {
    let query = QueryArgs { command: parse(line).unwrap() };
    let mut out = Vec::new();
    query.run(&mut out).map_err(|error| format!("{error:#}"))?;
    Ok(String::from_utf8(out).unwrap())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_running_node_is_asked() {
    let mut state = Fixture::new(2);
    state.activate(1, "18.71", "2023-12-31", 90_000);
    let now: TimestampMs = "2024-08-02T05:00:00Z".parse().unwrap();
    let live = Arc::new(state.live(now));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("--url http://{}", listener.local_addr().unwrap());
    let api = ApiState::new(Arc::clone(&live), Arc::new(move || now), Arc::new(String::new));
    tokio::spawn(server::run(listener, api, std::future::pending()));

    let asked = tokio::task::spawn_blocking(move || {
        let table = run(&format!("progress 18.71 {url}")).unwrap();
        assert!(table.starts_with("Kota Bandar Lampung (18.71), as of 2024-08-02\n"));
        assert!(table.contains("90,000"), "{table}");
        let json = run(&format!("progress 18.71 --json {url}")).unwrap();
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert_eq!(json["activated"], 90_000);
        for line in [
            "progress",
            "series 18.71 --from 2023-12-01 --to 2024-01-31",
            "breakdown 18.71 --by channel",
            "breakdown 18.71 --by card_reason",
            "pace 18.71",
            "pace --level province",
            "pace --within 18",
            "flows",
            "flows 18.71",
            "outreach",
            "change 18.71 --from 2023-12-30 --to 2024-01-05",
            "postings 18.71 --account activations",
            "evidence 18.71",
            "kiosks",
            "event 018f0000-0000-7000-8000-000000000001",
            "quarantine",
            "regions",
        ] {
            assert!(!run(&format!("{line} {url}")).unwrap().is_empty(), "{line}");
        }
        let unknown = run(&format!("progress 18.99 {url}")).unwrap_err();
        assert!(unknown.contains("there is no region 18.99"), "{unknown}");
        live.update_readiness(|readiness| {
            readiness.positions.retain(|partition, _| *partition != 0)
        });
        let part = run(&format!("progress 18.71 {url}")).unwrap_err();
        assert!(part.contains("loaded: 1 of 2 partitions"), "{part}");
    });
    asked.await.unwrap();
}

/// Runs itself again where the environment names a proxy, at which nobody is.
#[test]
fn a_worker_is_asked_directly_whatever_proxy_there_is() {
    if std::env::var_os("ALL_PROXY").is_some() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let answering = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            std::io::Read::read(&mut stream, &mut [0; 4096]).unwrap();
            let answer = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\n{}";
            stream.write_all(answer).unwrap();
        });
        assert_eq!(run(&format!("progress --json --url {url}")).unwrap(), "{}\n");
        answering.join().unwrap();
        return;
    }
    let name = "cli::query::tests::a_worker_is_asked_directly_whatever_proxy_there_is";
    let again = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", name])
        .env("ALL_PROXY", "http://127.0.0.1:1")
        .env_remove("NO_PROXY")
        .env_remove("no_proxy")
        .output()
        .unwrap();
    let told = String::from_utf8_lossy(&again.stdout);
    assert!(again.status.success() && told.contains("1 passed"), "{told}");
}

#[test]
fn nobody_there_is_told_with_what_to_do() {
    // Port 1 of the loopback: nothing listens there.
    let error = run("progress --url http://127.0.0.1:1").unwrap_err();
    assert!(error.contains("laju worker"), "{error}");
    assert!(parse("progress --url ftp://x").is_err());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 1)]
async fn a_node_that_wants_a_token_is_asked_with_one() {
    let directory = tempfile::tempdir().unwrap();
    let (tokens, secret) = (directory.path().join("tokens.toml"), directory.path().join("secret"));
    let made = NewToken::make("desk", Role::Read).unwrap();
    made.append(&tokens).unwrap();
    std::fs::write(&secret, format!("{}\n", *made.token)).unwrap();
    let now: TimestampMs = "2024-08-02T05:00:00Z".parse().unwrap();
    let live = Arc::new(Fixture::new(2).live(now));
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let line = format!("progress 18.71 --url http://{}", listener.local_addr().unwrap());
    let access = Access { tokens: Some(Tokens::read(&tokens).unwrap()), ..Access::default() };
    let api = ApiState::new(live, Arc::new(move || now), Arc::new(String::new));
    tokio::spawn(server::run(listener, api.with_access(access), std::future::pending()));
    let asked = tokio::task::spawn_blocking(move || {
        assert!(run(&line).unwrap_err().contains("--token-file"));
        assert!(run(&format!("{line} --token-file {}", secret.display())).is_ok());
    });
    asked.await.unwrap();
}
