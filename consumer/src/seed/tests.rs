//! Seeding from a node over HTTP, in one process: what is refused, what is borne with, and what is gone
//! on with.

use std::net::SocketAddr;
use std::path::Path;
use std::sync::Mutex;
use std::sync::atomic::AtomicUsize;

use axum::Router;
use axum::extract::{Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use laju_kafka::http_client::Trust;

use super::*;
use crate::api::access::Access;
use crate::api::tokens::{NewToken, Role, Tokens};
use crate::api::{ApiState, StorePlace};
use crate::projection::store::seed_tests::{Made, log};
use crate::projection::store::{Opening, StoreError, StoreReader};
use crate::query::live_view::LiveView;
use axum::body::{Body, Bytes, to_bytes};
use axum::http::StatusCode;

/// Does something to an answer: its path, which request it is, and its body.
type Meddle = Arc<dyn Fn(&str, usize, Bytes) -> Result<Bytes, StatusCode> + Send + Sync>;

/// What meddles with a node's answers, and what it was asked.
#[derive(Clone)]
struct Meddling {
    meddle: Meddle,
    asked: Arc<Mutex<Vec<String>>>,
    count: Arc<AtomicUsize>,
}

/// A node's interface, listening.
struct Server {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    _runtime: tokio::runtime::Runtime,
}

impl Server {
    fn start(store: Option<StoreReader>, access: Access, meddle: Meddle) -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
        let place = StorePlace::default();
        store.into_iter().for_each(|store| drop(place.set(store)));
        let clock = crate::node::system_clock();
        let live = Arc::new(LiveView::new("a version"));
        let state = ApiState::new(live, clock, Arc::new(String::new)).with_store(place);
        let asked = Arc::<Mutex<Vec<String>>>::default();
        let count = Arc::new(AtomicUsize::new(0));
        let layer =
            from_fn_with_state(Meddling { meddle, asked: Arc::clone(&asked), count }, meddled);
        let router = crate::api::router(state.with_access(access)).layer(layer);
        let address = runtime.block_on(listen(router));
        Self { address, asked, _runtime: runtime }
    }

    fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The chunks asked for since the last time, as paths.
    fn asked(&self) -> Vec<String> {
        let asked = std::mem::take(&mut *self.asked.lock().unwrap());
        asked.into_iter().filter(|path| path.contains('?')).collect()
    }
}

async fn listen(router: Router) -> SocketAddr {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    address
}

async fn meddled(
    State(Meddling { meddle, asked, count }): State<Meddling>,
    request: Request,
    next: Next,
) -> Response {
    let path = request.uri().to_string();
    asked.lock().unwrap().push(path.clone());
    let answer = next.run(request).await;
    let (mut parts, body) = answer.into_parts();
    let body = to_bytes(body, usize::MAX).await.unwrap();
    match meddle(&path, count.fetch_add(1, Ordering::SeqCst), body) {
        Ok(body) => {
            parts.headers.remove("content-length");
            Response::from_parts(parts, Body::from(body))
        }
        Err(status) => status.into_response(),
    }
}

fn untouched() -> Meddle {
    Arc::new(|_, _, body| Ok(body))
}

fn made(directory: &Path, events: u32) -> Made {
    let mut made = Made::new(directory, "the origin");
    made.fold(events);
    made
}

fn seeding(path: &Path, log: &Log) -> Seeding {
    match Store::open_or_seed(path, log, || "the new one".to_owned()).unwrap() {
        Opening::Unfinished(seeding) => *seeding,
        Opening::There(_) => panic!("it is a store"),
    }
}

fn from(url: &str) -> SeedFrom {
    let patience = Duration::from_millis(600);
    SeedFrom { url: url.to_owned(), token_file: None, trust: Trust::default(), patience }
}

fn take_from(url: &str, path: &Path) -> Result<Store, SeedError> {
    let (progress, stop) = (SeedProgress::default(), AtomicBool::new(false));
    take(seeding(path, &log()), &from(url), &progress, &stop)
}

fn positions(store: &Store) -> Vec<PositionRow> {
    let reader = store.reader();
    (0..2).map(|partition| reader.position(partition).unwrap()).collect()
}

#[test]
fn a_store_is_taken_whole_and_adds_up_when_it_is_loaded() {
    let (at, path) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made = made(at.path(), 5_000);
    let server = Server::start(Some(made.store.reader()), Access::default(), untouched());
    let (progress, stop) = (SeedProgress::default(), AtomicBool::new(false));
    let taken = take(seeding(path.path(), &log()), &from(&server.url()), &progress, &stop);
    let mut store = taken.unwrap();
    assert_eq!(positions(&store), made.rows());
    assert_eq!(progress.how_far(), None, "it is over");
    assert_eq!(progress.chunks.load(Ordering::Relaxed), made.store.chunks());
    store.load(&|_| {}).unwrap();
}

#[test]
fn a_store_of_another_log_or_other_rules_is_refused_before_anything_is_written() {
    let (at, path) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made = made(at.path(), 100);
    let server = Server::start(Some(made.store.reader()), Access::default(), untouched());
    let ours = log();
    let others = [
        ("fold version", Log { fold_version: "other rules".to_owned(), ..ours.clone() }),
        ("cluster", Log { cluster_id: "another".to_owned(), ..ours.clone() }),
        ("topic ", Log { topic: "another".to_owned(), ..ours.clone() }),
        ("topic id", Log { topic_id: Some("another".to_owned()), ..ours.clone() }),
        ("number of partitions", Log { partitions: 3, ..ours.clone() }),
    ];
    let refused = |url: &str, log: &Log| {
        let (progress, stop) = (SeedProgress::default(), AtomicBool::new(false));
        let taken = take(seeding(path.path(), log), &from(url), &progress, &stop);
        let error = taken.err().unwrap();
        assert!(matches!(error, SeedError::Another { .. }), "{error}");
        error.to_string()
    };
    for (what, log) in others {
        let error = refused(&server.url(), &log);
        assert!(error.contains(&format!("its {}", what.trim_end())), "{error}");
    }
    let format = format!("\"format_version\":{FORMAT_VERSION}");
    let newer: Meddle = Arc::new(move |_, _, body| {
        let text = String::from_utf8(body.to_vec()).unwrap();
        assert!(text.contains(&format));
        Ok(text.replace(&format, "\"format_version\":99").into())
    });
    let newer = Server::start(Some(made.store.reader()), Access::default(), newer);
    let error = refused(&newer.url(), &ours);
    assert!(error.contains("store format is 99"), "{error}");
    // Nothing was written: a worker may make a store there as if nothing had been.
    drop(Store::open(path.path(), &ours, false, || "a worker".to_owned()).unwrap());
}

#[test]
fn who_has_no_token_for_it_is_told_so() {
    let (at, path) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made = made(at.path(), 100);
    let tokens = tempfile::NamedTempFile::new().unwrap();
    let [read, seed] = [Role::Read, Role::Seed].map(|role| {
        let made = NewToken::make(role.as_str(), role).unwrap();
        made.append(tokens.path()).unwrap();
        let file = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(file.path(), made.token.as_bytes()).unwrap();
        file
    });
    let tokens = Some(Tokens::read(tokens.path()).unwrap());
    let access = Access { tokens, ..Access::default() };
    let server = Server::start(Some(made.store.reader()), access, untouched());
    let try_with = |file: Option<&Path>| {
        let token_file = file.map(Path::to_owned);
        let from = SeedFrom { token_file, ..from(&server.url()) };
        let (progress, stop) = (SeedProgress::default(), AtomicBool::new(false));
        take(seeding(path.path(), &log()), &from, &progress, &stop)
    };
    let error = try_with(None).err().unwrap();
    assert!(matches!(error, SeedError::NoToken { .. }), "{error}");
    assert!(error.to_string().contains("--seed-token-file"), "{error}");
    let error = try_with(Some(read.path())).err().unwrap();
    assert!(matches!(error, SeedError::Forbidden { .. }), "{error}");
    assert!(error.to_string().contains("--role seed"), "{error}");
    let error = try_with(Some(Path::new("/none"))).err().unwrap();
    assert!(error.to_string().contains("/none"), "{error}");
    assert_eq!(positions(&try_with(Some(seed.path())).unwrap()), made.rows());
}

#[test]
fn a_damaged_byte_is_refused_and_what_is_damaged_every_time_never_becomes_a_store() {
    let (at, path) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made = made(at.path(), 5_000);
    // In the middle of the first run of facts, once.
    let once = Arc::new(AtomicBool::new(false));
    let flip = |body: Bytes| {
        let mut bytes = body.to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 0x20;
        Bytes::from(bytes)
    };
    let was = Arc::clone(&once);
    let meddle: Meddle = Arc::new(move |path, _, body| {
        let is_it = path.contains("/0/facts?") && !was.swap(true, Ordering::SeqCst);
        Ok(if is_it { flip(body) } else { body })
    });
    let server = Server::start(Some(made.store.reader()), Access::default(), meddle);
    assert_eq!(positions(&take_from(&server.url(), path.path()).unwrap()), made.rows());
    let asked = server.asked();
    let facts: Vec<_> = asked.iter().filter(|path| path.contains("/0/facts")).collect();
    assert_eq!(facts.len(), 2, "{asked:?}");
    assert!(facts[0].contains("from=0&") && !facts[1].contains("from=0&"), "{facts:?}");

    let path = tempfile::tempdir().unwrap();
    let meddle: Meddle = Arc::new(move |path, _, body| {
        let is_it = path.contains("/1/kiosks?");
        Ok(if is_it { flip(body) } else { body })
    });
    let server = Server::start(Some(made.store.reader()), Access::default(), meddle);
    let error = take_from(&server.url(), path.path()).err().unwrap();
    assert!(matches!(error, SeedError::Damaged { .. }), "{error}");
    let refused = Store::open(path.path(), &log(), false, String::new).err().unwrap();
    assert!(matches!(refused, StoreError::Unfinished(_)), "{refused}");
}

#[test]
fn chunks_with_right_checksums_that_are_others_do_not_add_up() {
    let (at, path) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made = made(at.path(), 100);
    let meddle: Meddle = Arc::new(|path, _, body| {
        if !path.contains("/1/facts?") {
            return Ok(body);
        }
        // The last byte of the payload is another, and the checksum fits it.
        let mut bytes = body.to_vec();
        *bytes.last_mut().unwrap() ^= 1;
        let sum = crc32fast::hash(&bytes[8..]).to_le_bytes();
        bytes[4..8].copy_from_slice(&sum);
        Ok(bytes.into())
    });
    let server = Server::start(Some(made.store.reader()), Access::default(), meddle);
    let error = take_from(&server.url(), path.path()).err().unwrap();
    assert!(matches!(error, SeedError::NoSum { partition: 1, kind: "facts", .. }), "{error}");
    let refused = Store::open(path.path(), &log(), false, String::new).err().unwrap();
    assert!(matches!(refused, StoreError::Unfinished(_)), "{refused}");
}

#[test]
fn a_node_that_is_away_is_tried_again_and_what_has_come_is_not_asked_for_again() {
    let (at, path) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let mut made = made(at.path(), 3_000);
    // Every other answer fails: what comes in between is progress.
    let meddle: Meddle =
        Arc::new(
            |_, number, body| {
                if number % 2 == 0 { Err(StatusCode::BAD_GATEWAY) } else { Ok(body) }
            },
        );
    let flaky = Server::start(Some(made.store.reader()), Access::default(), meddle);
    let error = take_from(&flaky.url(), path.path());
    // Each attempt begins with a manifest, so that no chunk ever comes of it.
    assert!(matches!(error.err().unwrap(), SeedError::Away { .. }));

    let gone: Meddle =
        Arc::new(
            |path, _, body| {
                if path.contains("/1/") { Err(StatusCode::BAD_GATEWAY) } else { Ok(body) }
            },
        );
    let server = Server::start(Some(made.store.reader()), Access::default(), gone);
    let error = take_from(&server.url(), path.path()).err().unwrap();
    assert!(matches!(error, SeedError::Away { .. }), "{error}");
    for words in [&server.url(), "502", "start again with --seed"] {
        assert!(error.to_string().contains(words), "{error}");
    }
    assert!(server.asked().iter().any(|path| path.contains("/0/facts?from=0&")));
    // It comes back, and has folded on.
    made.fold(1_000);
    let server = Server::start(Some(made.store.reader()), Access::default(), untouched());
    assert_eq!(positions(&take_from(&server.url(), path.path()).unwrap()), made.rows());
    let asked = server.asked();
    assert!(asked.iter().any(|path| path.contains("/1/facts?from=0&")), "{asked:?}");
    assert!(asked.iter().all(|path| !path.contains("/0/facts?from=0&")), "{asked:?}");
}

#[test]
fn nobody_at_the_address_and_somebody_else_there_are_told_apart() {
    let path = tempfile::tempdir().unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = take_from(&format!("http://{free}"), path.path()).err().unwrap();
    assert!(matches!(error, SeedError::Away { .. }), "{error}");
    let loading = Server::start(None, Access::default(), untouched());
    let error = take_from(&loading.url(), path.path()).err().unwrap();
    assert!(error.to_string().contains("not loaded yet"), "{error}");
    let other: Meddle = Arc::new(|_, _, _| Ok("hello".into()));
    let other = Server::start(None, Access::default(), other);
    let error = take_from(&other.url(), path.path()).err().unwrap();
    assert!(matches!(error, SeedError::Away { .. } | SeedError::NotANode { .. }), "{error}");
}

#[test]
fn a_store_made_again_meanwhile_is_taken_from_the_beginning() {
    let (at, path) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let first = made(at.path(), 3_000);
    let gone: Meddle =
        Arc::new(
            |path, _, body| {
                if path.contains("/1/") { Err(StatusCode::BAD_GATEWAY) } else { Ok(body) }
            },
        );
    let server = Server::start(Some(first.store.reader()), Access::default(), gone);
    drop(take_from(&server.url(), path.path()).err().unwrap());
    drop((server, first));
    // The same node, by other commits: its chunks are others.
    let again = tempfile::tempdir().unwrap();
    let mut again = Made::new(again.path(), "the origin");
    for _ in 0..300 {
        again.fold(10);
    }
    let server = Server::start(Some(again.store.reader()), Access::default(), untouched());
    let mut store = take_from(&server.url(), path.path()).unwrap();
    assert_eq!(positions(&store), again.rows());
    store.load(&|_| {}).unwrap();
}

#[test]
fn several_nodes_at_one_address_are_told_of() {
    let directories = [(); 3].map(|()| tempfile::tempdir().unwrap());
    let first = made(directories[0].path(), 500);
    let mut other = Made::new(directories[1].path(), "another");
    other.fold(500);
    let other = StoreManifest::of(&other.store.reader()).unwrap();
    let other = Bytes::from(serde_json::to_vec(&other).unwrap());
    let meddle: Meddle =
        Arc::new(move |path, _, body| Ok(if path == "/v1/store" { other.clone() } else { body }));
    let server = Server::start(Some(first.store.reader()), Access::default(), meddle);
    let error = take_from(&server.url(), directories[2].path()).err().unwrap();
    assert!(matches!(error, SeedError::Several { .. }), "{error}");
    assert!(error.to_string().contains("not a balancer's"), "{error}");
}

#[test]
fn asked_to_stop_it_stops_wherever_it_is() {
    let (at, path) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
    let made = made(at.path(), 3_000);
    let stop = Arc::new(AtomicBool::new(false));
    let its = Arc::clone(&stop);
    let meddle: Meddle = Arc::new(move |path, _, body| {
        if path.contains("/1/facts") {
            its.store(true, Ordering::Release);
        }
        Ok(body)
    });
    let server = Server::start(Some(made.store.reader()), Access::default(), meddle);
    let progress = SeedProgress::default();
    let mut from = from(&server.url());
    from.patience = Duration::from_secs(60);
    let error = take(seeding(path.path(), &log()), &from, &progress, &stop).err().unwrap();
    assert!(matches!(error, SeedError::Interrupted), "{error}");
    stop.store(false, Ordering::Release);
    server.asked();
    let taken = seeding(path.path(), &log());
    assert!(taken.chain(0, Kind::Facts).count > 0, "it is kept");
}
