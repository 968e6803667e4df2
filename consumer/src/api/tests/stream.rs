//! The live stream as a client sees it: over a socket, from a node whose state is made by hand.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use laju_schemas::{RegionTable, TimestampMs};
use serde_json::Value;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::api::stream::StreamSettings;
use crate::api::{ApiState, server};
use crate::query::fixtures::Fixture;
use crate::query::live_view::LiveView;

const NOW: &str = "2024-08-02T05:00:00Z";
const RESPONSE_TIMEOUT: Duration = Duration::from_secs(20);

fn now() -> TimestampMs {
    NOW.parse().unwrap()
}

/// An event of the stream, or a comment.
#[derive(Clone, Debug, Default, PartialEq)]
struct Event {
    name: String,
    id: Option<String>,
    data: Value,
}

struct Node {
    fixture: Fixture,
    live: Arc<LiveView>,
    address: SocketAddr,
    end: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

impl Node {
    async fn start(settings: StreamSettings) -> Self {
        let mut fixture = Fixture::new(2);
        fixture.activate(0, "18.71", "2023-12-31", 90_000);
        fixture.activate(1, "19.71", "2023-12-31", 7);
        let live = Arc::new(fixture.live(now()));
        let api = ApiState::new(Arc::clone(&live), Arc::new(now), Arc::new(String::new))
            .with_stream(settings);
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let (end, ended) = oneshot::channel::<()>();
        let server = tokio::spawn(server::run(listener, api, async move {
            let _ = ended.await;
        }));
        Self { fixture, live, address, end, server }
    }

    fn activate(&mut self, region: &str, people: i32) {
        self.fixture.activate(0, region, "2024-08-01", people);
        self.live.snapshot.store(Arc::new(self.fixture.snapshot()));
    }

    fn url(&self, query: &str) -> String {
        format!("http://{}/v1/stream{query}", self.address)
    }

    async fn client(&self, query: &str, last_id: Option<&str>) -> Client {
        let url = self.url(query);
        let last_id = last_id.map(str::to_owned);
        let connect = move || Client::connect(&url, last_id.as_deref());
        tokio::task::spawn_blocking(connect).await.unwrap()
    }
}

fn quick() -> StreamSettings {
    let (period, heartbeat) = (Duration::from_millis(10), Duration::from_millis(100));
    StreamSettings { readers: 3, period, heartbeat }
}

fn agent() -> ureq::Agent {
    let config = ureq::Agent::config_builder().http_status_as_error(false);
    config.timeout_recv_body(Some(RESPONSE_TIMEOUT)).build().into()
}

struct Client {
    retry: u64,
    lines: std::io::Lines<BufReader<ureq::BodyReader<'static>>>,
}

impl Client {
    fn connect(url: &str, last_id: Option<&str>) -> Self {
        let mut request = agent().get(url).header("accept-encoding", "gzip");
        if let Some(id) = last_id {
            request = request.header("last-event-id", id);
        }
        let answer = request.call().unwrap();
        assert_eq!(answer.status(), 200, "{url}");
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        assert_eq!(answer.headers()["cache-control"], "no-store");
        assert!(!answer.headers().contains_key("content-encoding"), "it would be collected");
        let mut lines = BufReader::new(answer.into_body().into_reader()).lines();
        let first = lines.next().unwrap().unwrap();
        let retry = first.strip_prefix("retry: ").unwrap().parse().unwrap();
        assert_eq!(lines.next().unwrap().unwrap(), "");
        Self { retry, lines }
    }

    fn next(&mut self) -> Option<Event> {
        let mut event = Event::default();
        loop {
            let line = self.lines.next()?.unwrap();
            match line.split_once(": ") {
                Some(("event", name)) => event.name = name.to_owned(),
                Some(("id", id)) => event.id = Some(id.to_owned()),
                Some(("data", data)) => event.data = serde_json::from_str(data).unwrap(),
                None if line.is_empty() => return Some(event),
                _ => panic!("no line of an event: {line}"),
            }
        }
    }

    /// The next event that is not a heartbeat.
    fn event(&mut self) -> Option<Event> {
        std::iter::from_fn(|| self.next()).find(|event| event.name != "heartbeat")
    }

    /// The events up to and with one of this name.
    fn until(&mut self, name: &str) -> Vec<Event> {
        let mut events = Vec::new();
        while events.last().is_none_or(|event: &Event| event.name != name) {
            events.push(self.event().unwrap());
        }
        events
    }

    async fn tell<T: Send + 'static>(
        self,
        ask: impl FnOnce(&mut Self) -> T + Send + 'static,
    ) -> (Self, T) {
        let mut client = self;
        let ask = move || {
            let told = ask(&mut client);
            (client, told)
        };
        tokio::task::spawn_blocking(ask).await.unwrap()
    }
}

fn codes(events: &[Event]) -> Vec<String> {
    let progress = events.iter().filter(|event| event.name == "progress");
    progress.map(|event| event.data["region"]["code"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_is_told_all_states_then_what_changes_and_resumes_where_it_was() {
    let mut node = Node::start(quick()).await;
    let query = "?regions=18.71,19,ID";
    let client = node.client(query, None).await;
    assert!((1_000..2_000).contains(&client.retry));
    let (client, first) = client.tell(|client| client.until("live")).await;
    assert_eq!(codes(&first), ["ID", "18.71", "19"]);
    let bandar = &first[1].data;
    assert_eq!((&bandar["activated"], &bandar["as_of"]), (&90_000.into(), &"2024-08-02".into()));
    for member in ["cards", "deferrals", "bounds", "denominators", "target", "missing", "link"] {
        assert!(bandar.get(member).is_some(), "{member} of {bandar}");
    }
    assert!(first[..3].iter().all(|event| event.id.is_none()), "the rest is still to come");
    assert_eq!(first[3].data, serde_json::json!({"regions": 3, "resumed": false}));
    let id = first[3].id.clone().unwrap();
    assert!(id.contains(".0:1,1:1;f") && id.contains(";e"), "{id}");

    node.activate("18.71", 5);
    let (client, changed) =
        client.tell(|client| [client.event().unwrap(), client.event().unwrap()]).await;
    assert_eq!(codes(&changed), ["ID", "18.71"]);
    assert_eq!(changed[1].data["activated"], 90_005);
    assert!(changed[0].id.is_none() && changed[1].id.is_some(), "the batch ends with its id");
    let later = changed[1].id.clone().unwrap();

    // It goes away, and comes back with what it has.
    drop(client);
    node.activate("19.71", 1);
    let witness = node.client("?regions=19.71", None).await;
    witness.tell(|client| while client.event().unwrap().data["activated"] != 8 {}).await;
    let resumed = node.client(query, Some(&later)).await;
    let (_, events) = resumed.tell(|client| client.until("live")).await;
    assert_eq!(codes(&events), ["ID", "19"]);
    assert_eq!(events[2].data["resumed"], true);
    // The first id is older: more has changed since.
    let resumed = node.client(&format!("{query}&last_event_id={id}"), None).await;
    let (_, events) = resumed.tell(|client| client.until("live")).await;
    assert_eq!(codes(&events), ["ID", "18.71", "19"]);
    // With other regions, or of another run, it says nothing.
    for (query, id) in [("?within=18", later.clone()), (query, later.replace(";e", ";ef"))] {
        let client = node.client(query, Some(&id)).await;
        let (_, events) = client.tell(|client| client.until("live")).await;
        assert_eq!(
            (events[0].name.as_str(), &events[0].data["reason"]),
            ("resync", &"unknown_id".into())
        );
        assert_eq!(codes(&events).len(), if query == "?within=18" { 16 } else { 3 });
        assert_eq!(events.last().unwrap().data["resumed"], false);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_choice_every_region_is_told_and_silence_has_a_heart() {
    let node = Node::start(quick()).await;
    let client = node.client("", None).await;
    let (client, events) = client.tell(|client| client.until("live")).await;
    assert_eq!(codes(&events).len(), 553);
    let (_, next) = client.tell(|client| client.next().unwrap()).await;
    assert_eq!(next.name, "heartbeat");
}

#[tokio::test(flavor = "multi_thread")]
async fn the_heart_beats_for_a_quiet_region_while_others_move() {
    let mut node = Node::start(quick()).await;
    let quiet = node.client("?regions=11.71", None).await;
    let (quiet, _) = quiet.tell(|client| client.until("live")).await;
    let hears = tokio::spawn(quiet.tell(|client| client.next().unwrap().name));
    let other = node.client("?regions=18.71", None).await;
    let (mut other, _) = other.tell(|client| client.until("live")).await;
    // Each round takes a revision, and all of them many times what a heartbeat takes.
    for _ in 0..300 {
        if hears.is_finished() {
            break;
        }
        node.activate("18.71", 1);
        let event;
        (other, event) = other.tell(|client| client.event().unwrap()).await;
        assert_eq!(event.name, "progress");
    }
    assert!(hears.is_finished(), "nothing was heard while another region moved");
    assert_eq!(hears.await.unwrap().1, "heartbeat");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_slow_reader_gets_the_latest_states_and_keeps_nobody_waiting() {
    const ROUNDS: i32 = 40;
    let mut node = Node::start(quick()).await;
    let slow = node.client("", None).await;
    let other = node.client("?regions=18.71", None).await;
    let (mut other, _) = other.tell(|client| client.until("live")).await;
    for number in 1..=ROUNDS {
        // More than the sockets hold, all together.
        for (_, region) in RegionTable::get().regencies() {
            node.fixture.activate(0, &region.code.to_string(), "2024-08-01", 1);
        }
        node.live.snapshot.store(Arc::new(node.fixture.snapshot()));
        let reached;
        (other, reached) = other
            .tell(move |client| {
                std::iter::from_fn(|| client.event())
                    .any(|event| event.data["activated"] == 90_000 + number)
            })
            .await;
        assert!(reached);
    }
    // It has taken nothing so far but what lies between it and the node.
    let (_, events) = slow
        .tell(|client| {
            let mut events = client.until("live");
            let is_told = |event: &Event| {
                event.data["region"]["code"] == "18.71"
                    && event.data["activated"] == 90_000 + ROUNDS
            };
            while !events.last().is_some_and(is_told) {
                events.push(client.event().unwrap());
            }
            events
        })
        .await;
    let every_change = 553 * (1 + ROUNDS as usize);
    assert!(events.len() < every_change * 9 / 10, "{} of {every_change}", events.len());
}

#[tokio::test(flavor = "multi_thread")]
async fn readers_beyond_the_limit_are_told_to_come_back() {
    let node = Node::start(quick()).await;
    let mut clients = Vec::new();
    for _ in 0..3 {
        clients.push(node.client("?regions=ID", None).await);
    }
    let url = node.url("?regions=ID");
    let ask = move || {
        let answer = agent().get(&url).call().unwrap();
        let (status, after) =
            (answer.status().as_u16(), answer.headers().get("retry-after").cloned());
        (status, after, answer.into_body().read_to_string().unwrap_or_default())
    };
    let once = ask.clone();
    let (status, after, body) = tokio::task::spawn_blocking(once).await.unwrap();
    assert_eq!((status, after.unwrap().to_str().unwrap()), (503, "2"));
    assert!(body.contains("/problems/too-many-readers"), "{body}");
    // A seat is free again when a reader has gone.
    drop(clients.pop());
    let again = move || {
        let deadline = Instant::now() + RESPONSE_TIMEOUT;
        while agent().head(node.url("")).call().unwrap().status() != 200 {
            assert!(Instant::now() < deadline, "the seat stays taken");
        }
    };
    tokio::task::spawn_blocking(again).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_figures_cannot_be_answered_any_more() {
    let node = Node::start(quick()).await;
    let client = node.client("?regions=ID", None).await;
    let (client, _) = client.tell(|client| client.until("live")).await;
    node.live.update_readiness(|readiness| {
        readiness.positions.remove(&1);
    });
    let (_, [last, end]) = client.tell(|client| [client.event(), client.event()]).await;
    let last = last.unwrap();
    assert_eq!(last.name, "unready");
    let detail = last.data["detail"].as_str().unwrap();
    assert!(detail.contains("loaded: 1 of 2 partitions"), "{detail}");
    assert_eq!(end, None);
    let url = node.url("");
    let ask = move || agent().get(&url).call().unwrap().status().as_u16();
    assert_eq!(tokio::task::spawn_blocking(ask).await.unwrap(), 503);
}

#[tokio::test(flavor = "multi_thread")]
async fn streams_end_at_once_when_the_node_stops() {
    let node = Node::start(quick()).await;
    let client = node.client("?regions=ID", None).await;
    let (client, _) = client.tell(|client| client.until("live")).await;
    let begun = Instant::now();
    node.end.send(()).unwrap();
    let (_, end) = client.tell(|client| client.event()).await;
    assert_eq!(end, None);
    node.server.await.unwrap().unwrap();
    assert!(begun.elapsed() < Duration::from_secs(4), "it waited for {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_choice_that_makes_no_sense_is_refused() {
    let node = Node::start(quick()).await;
    for (query, status, word) in [
        ("?regions=18.71,x", 400, "regions"),
        ("?regions=", 400, "regions"),
        ("?regions=18.99", 404, "unknown-region"),
        ("?regions=18&level=regency", 400, "regions"),
        ("?level=province&within=18.71", 400, "level"),
        ("?as_of=2024-01-01", 400, "as_of"),
    ] {
        let url = node.url(query);
        let ask = move || {
            let answer = agent().get(&url).call().unwrap();
            (answer.status().as_u16(), answer.into_body().read_to_string().unwrap())
        };
        let (found, body) = tokio::task::spawn_blocking(ask).await.unwrap();
        assert_eq!(found, status, "{query}: {body}");
        assert!(body.contains(word), "{query}: {body}");
    }
}
