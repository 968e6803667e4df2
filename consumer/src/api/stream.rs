//! The live stream over HTTP, as server-sent events: `progress` (a region's latest state), `live`
//! (everything has been sent), `resync` (the reader begins again), `unready` (the node cannot answer
//! figures any more; the stream ends), `heartbeat` (nothing to tell).
//!
//! Editions are made once for all readers, a few times a second and only while there is one. A
//! reader has a cursor and no queue: what it has not taken yet is sent as it is when it takes it.
//! Nothing here takes a lock that ingest waits for. The more there is to send, the longer it is to
//! the next edition, so that readers take a bounded share of the machine.

use std::convert::Infallible;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use axum::Extension;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header::CONTENT_TYPE;
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use laju_schemas::RegionCode;
use laju_schemas::position::Position;
use serde::Deserialize;
use serde_json::json;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, watch};
use tokio::time::Instant;
use utoipa::IntoParams;

use super::not_ready;
use super::parameters::Parameters;
use super::position;
use super::problem::{Kind, Problem};
use super::{ApiState, Clock};
use crate::query::question::Level;
use crate::query::stream::{Edition, Editor, Mark, Reader, Resync, Selection, Word};
use crate::query::view::LiveView;
use laju_kafka::problem::Words;
use laju_kafka::words;

/// How much is handed to a connection at once, about: what one that is stuck holds in memory is a
/// small multiple of it.
const FRAME_BYTES: usize = 8 << 10;
/// What readers are sent on average at most, all together, in bytes a second: a few hundredths of
/// a processor.
const BYTES_PER_SECOND: u64 = 32 << 20;
/// What sending anything costs beside its bytes, in bytes that cost as much.
const FRAME_COST: u64 = 4 << 10;
/// The longest that readers wait for the next edition.
const LONGEST_PERIOD: Duration = Duration::from_secs(10);
/// When a reader whose connection broke comes back: readers are spread over as long again.
const RETRY_MS: u64 = 1_000;

/// How the stream runs.
#[derive(Clone, Copy, Debug)]
pub struct StreamSettings {
    /// How many readers are taken at the same time.
    pub readers: usize,
    /// How long it is from one edition to the next, at least.
    pub period: Duration,
    /// How long nothing is sent before a heartbeat is, so that nobody takes the connection for dead:
    /// an event, because a page in a browser never sees a comment.
    pub heartbeat: Duration,
}

impl StreamSettings {
    /// How many readers are taken where nothing else is said.
    pub const READERS: usize = 4_096;
}

impl Default for StreamSettings {
    fn default() -> Self {
        let (period, heartbeat) = (Duration::from_millis(250), Duration::from_secs(15));
        Self { readers: Self::READERS, period, heartbeat }
    }
}

/// What readers look at.
#[derive(Clone)]
enum Status {
    /// Nobody has looked yet.
    Unknown,
    /// The latest edition.
    Edition(Arc<Edition>),
    /// Figures cannot be answered, and why.
    Unready(Words),
    /// The node is stopping.
    Closed,
}

/// Where readers are served from. A clone is the same.
#[derive(Clone)]
pub(super) struct Feed(Arc<Inner>);

struct Inner {
    run: Arc<str>,
    live: Arc<LiveView>,
    clock: Clock,
    settings: StreamSettings,
    seats: Arc<Semaphore>,
    status: watch::Sender<Status>,
    /// Up to where the latest edition holds.
    upto: ArcSwap<Position>,
    desk: Arc<tokio::sync::Mutex<Desk>>,
    crew: Mutex<Crew>,
    /// What sending has cost since the last edition.
    cost: AtomicU64,
}

/// Where editions are made.
struct Desk {
    editor: Editor,
    /// Before then none is made.
    due: Instant,
}

#[derive(Default)]
struct Crew {
    readers: usize,
    /// Readers that there ever were.
    served: u64,
    /// Whether a task makes editions.
    works: bool,
}

impl Feed {
    /// Of a node; `run` is a name that no other run of the program has.
    pub(super) fn new(
        live: Arc<LiveView>,
        clock: Clock,
        run: &str,
        settings: StreamSettings,
    ) -> Self {
        let desk = Desk { editor: Editor::new(run), due: Instant::now() };
        Self(Arc::new(Inner {
            run: run.into(),
            live,
            clock,
            settings,
            seats: Arc::new(Semaphore::new(settings.readers)),
            status: watch::Sender::new(Status::Unknown),
            upto: ArcSwap::default(),
            desk: Arc::new(tokio::sync::Mutex::new(desk)),
            crew: Mutex::default(),
            cost: AtomicU64::new(0),
        }))
    }

    /// The same node's and run's, before it has readers, with other settings.
    pub(super) fn with(&self, settings: StreamSettings) -> Self {
        let Inner { live, clock, run, .. } = &*self.0;
        Self::new(Arc::clone(live), Arc::clone(clock), run, settings)
    }

    /// How many readers are taken at the same time.
    pub(super) fn most_readers(&self) -> usize {
        self.0.settings.readers
    }

    /// Ends every stream at once; no new one begins.
    pub(super) fn close(&self) {
        self.0.status.send_replace(Status::Closed);
    }

    /// A seat for a reader, and the edition that it begins with: one that holds up to these positions
    /// at least, where the node is.
    async fn join(&self, wanted: &[Position]) -> Result<(Seat, Arc<Edition>), Problem> {
        let inner = &self.0;
        let permit = Arc::clone(&inner.seats).try_acquire_owned().map_err(|_| {
            let readers = inner.settings.readers;
            let detail = words!(
                "{readers} readers are connected, and no more are taken; ask again later, or \
                 another node",
                "sudah ada {readers} pembaca, dan tidak ditambah lagi; coba lagi nanti, atau tanya \
                 simpul lain"
            );
            Problem::new(Kind::TooManyReaders, StatusCode::SERVICE_UNAVAILABLE, detail)
        })?;
        let seat = Seat::new(inner, permit);
        inner.renew(wanted).await?;
        match &*inner.status.borrow() {
            Status::Edition(edition) => Ok((seat, Arc::clone(edition))),
            Status::Unready(why) => Err(Problem::not_ready(why)),
            Status::Closed => {
                let detail = words!("this node is stopping", "simpul ini sedang berhenti");
                Err(Problem::new(Kind::NotReady, StatusCode::SERVICE_UNAVAILABLE, detail))
            }
            Status::Unknown => Err(Problem::internal()),
        }
    }
}

impl Inner {
    fn crew(&self) -> MutexGuard<'_, Crew> {
        // Nothing that can fail is done under it.
        self.crew.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes an edition, if it is time for one or the latest does not hold up to where it is wanted,
    /// away from the threads that serve connections.
    async fn renew(self: &Arc<Self>, wanted: &[Position]) -> Result<(), Problem> {
        let mut desk = Arc::clone(&self.desk).lock_owned().await;
        let now = Instant::now();
        let upto = self.upto.load();
        if now < desk.due && wanted.iter().all(|wanted| upto.covers(wanted)) {
            return Ok(());
        }
        let cost = self.cost.swap(0, Ordering::Relaxed);
        let pause = Duration::from_micros(cost.saturating_mul(1_000_000) / BYTES_PER_SECOND);
        desk.due = now + pause.min(LONGEST_PERIOD).max(self.settings.period);
        let inner = Arc::clone(self);
        let work = tokio::task::spawn_blocking(move || {
            let status = match inner.live.view((inner.clock)()) {
                Ok(view) => {
                    let (edition, upto) = desk.editor.edition(&view)?;
                    inner.upto.store(upto);
                    Status::Edition(edition)
                }
                Err(not_ready) => Status::Unready(not_ready::words(&not_ready)),
            };
            inner.publish(status);
            Ok(())
        });
        work.await.unwrap_or_else(|_| {
            tracing::error!("the live stream met a state that it did not expect");
            Err(Problem::internal())
        })
    }

    /// Tells readers, unless it is what they know already.
    fn publish(&self, status: Status) {
        self.status.send_if_modified(|before| {
            let is_known = match (&*before, &status) {
                (Status::Closed, _) => true,
                (Status::Edition(before), Status::Edition(after)) => Arc::ptr_eq(before, after),
                (Status::Unready(_), Status::Unready(_)) => true,
                _ => false,
            };
            if !is_known {
                *before = status;
            }
            !is_known
        });
    }

    /// Makes one edition after the other as long as there are readers.
    async fn work(self: Arc<Self>) {
        loop {
            let due = self.desk.lock().await.due;
            tokio::time::sleep_until(due).await;
            let is_over = {
                let mut crew = self.crew();
                crew.works = crew.readers > 0;
                !crew.works
            };
            if is_over {
                return;
            }
            // What went wrong is in the log, and the next time it may not.
            let _ = self.renew(&[]).await;
        }
    }
}

/// A reader's seat: given up when its stream is dropped.
struct Seat {
    inner: Arc<Inner>,
    number: u64,
    _permit: OwnedSemaphorePermit,
}

impl Seat {
    fn new(inner: &Arc<Inner>, permit: OwnedSemaphorePermit) -> Self {
        let mut crew = inner.crew();
        crew.readers += 1;
        crew.served += 1;
        if !std::mem::replace(&mut crew.works, true) {
            tokio::spawn(Arc::clone(inner).work());
        }
        metrics::gauge!("laju_stream_readers").set(crew.readers as f64);
        Self { inner: Arc::clone(inner), number: crew.served, _permit: permit }
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut crew = self.inner.crew();
        crew.readers -= 1;
        metrics::gauge!("laju_stream_readers").set(crew.readers as f64);
    }
}

/// One reader's stream.
struct Line {
    seat: Seat,
    status: watch::Receiver<Status>,
    reader: Reader,
    /// When it is to be sent something, whatever happens to other regions.
    due: Instant,
    /// Whether nothing has been sent yet.
    is_new: bool,
    is_over: bool,
}

impl Line {
    /// The next bytes to send; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        let mut frame = String::new();
        if std::mem::take(&mut self.is_new) {
            let spread = self.seat.number.wrapping_mul(377) % RETRY_MS;
            frame.push_str(&format!("retry: {}\n\n", RETRY_MS + spread));
        }
        loop {
            if self.is_over {
                return None;
            }
            let status = self.status.borrow_and_update().clone();
            match status {
                Status::Closed => return None,
                Status::Unready(why) => {
                    event(
                        &mut frame,
                        "unready",
                        &json!({"detail": why.to_string()}).to_string(),
                        None,
                    );
                    self.is_over = true;
                }
                Status::Edition(edition) => self.fill(&mut frame, &edition),
                Status::Unknown => {}
            }
            if frame.is_empty() {
                match tokio::time::timeout_at(self.due, self.status.changed()).await {
                    Ok(Ok(())) => continue,
                    // Nobody is left who could tell anything.
                    Ok(Err(_)) => return None,
                    Err(_) => event(&mut frame, "heartbeat", "{}", None),
                }
            }
            let cost = frame.len() as u64 + FRAME_COST;
            self.seat.inner.cost.fetch_add(cost, Ordering::Relaxed);
            self.due = Instant::now() + self.seat.inner.settings.heartbeat;
            return Some(frame.into());
        }
    }

    /// Writes what the reader has still to be sent, as much as is sent at once.
    fn fill(&mut self, frame: &mut String, edition: &Edition) {
        let regions = self.reader.regions();
        while frame.len() < FRAME_BYTES {
            let Some((word, id)) = self.reader.next(edition) else { return };
            let id = id.as_deref();
            match word {
                Word::State(json) => {
                    // JSON as serde writes it is UTF-8 on one line.
                    event(frame, "progress", std::str::from_utf8(json).unwrap_or_default(), id);
                }
                Word::Live { resumed } => {
                    let data = json!({"regions": regions, "resumed": resumed}).to_string();
                    event(frame, "live", &data, id);
                }
                Word::Resync(reason) => {
                    let reason = match reason {
                        Resync::Unknown => "unknown_id",
                        Resync::Slow => "slow",
                    };
                    event(frame, "resync", &json!({"reason": reason}).to_string(), id);
                }
            }
        }
    }
}

/// Writes an event whose data is on one line.
fn event(frame: &mut String, name: &str, data: &str, id: Option<&str>) {
    for (field, value) in [("event", Some(name)), ("id", id), ("data", Some(data))] {
        if let Some(value) = value {
            frame.push_str(field);
            frame.push_str(": ");
            frame.push_str(value);
            frame.push('\n');
        }
    }
    frame.push('\n');
}

/// `GET /v1/stream?regions` or `?level&within`, with `Last-Event-ID` or `last_event_id`.
#[utoipa::path(
    get,
    path = "/v1/stream",
    tag = "figures",
    params(StreamChoice),
    responses((
        status = 200,
        description = "Server-sent events: progress (a region's latest state, a row of /v1/progress \
            with its as_of), live, resync, unready and heartbeat. The last event of a batch has an \
            id to come back with.",
        body = String,
        content_type = "text/event-stream"
    ))
)]
pub(super) async fn stream(
    State(api): State<ApiState>,
    wanted: Option<Extension<position::Wanted>>,
    headers: HeaderMap,
    mut parameters: Parameters,
) -> Result<Response, Problem> {
    let StreamChoice { regions, level, within, last_event_id: last_id } = parameters.take()?;
    parameters.finish()?;
    let selection = match regions {
        Some(_) if level.is_some() || within.is_some() => {
            let detail = words!(
                "regions: either these, or those of a level or within a region",
                "regions: pilih wilayah ini, atau yang setingkat atau di dalam satu wilayah"
            );
            return Err(Problem::parameter("regions", detail));
        }
        Some(Regions(codes)) => Selection::of(&codes)?,
        None => Selection::within(within.unwrap_or(RegionCode::NATION), level.map(Into::into))?,
    };
    let brought = headers.get("last-event-id").map(|id| id.to_str().unwrap_or("?").to_owned());
    let last_id = brought.or(last_id).filter(|id| !id.is_empty());
    // States sent here must not be older than those another node has sent.
    let mut wanted = wanted.map(|Extension(position::Wanted(wanted))| wanted).unwrap_or_default();
    if let Some(mark) = last_id.as_deref().and_then(Mark::parse)
        && api.live.is_of(mark.position.log)
    {
        position::reach(&api, &mark.position).await?;
        wanted.push(mark.position);
    }
    let (seat, edition) = api.feed.join(&wanted).await?;
    let upto = api.feed.0.upto.load_full();
    let reader = Reader::new(selection, (&edition, &upto), last_id.as_deref());
    let status = seat.inner.status.subscribe();
    let due = Instant::now() + seat.inner.settings.heartbeat;
    let line = Line { seat, status, reader, due, is_new: true, is_over: false };
    let frames = futures_util::stream::unfold(line, async |mut line| {
        line.next().await.map(|frame| (Ok::<_, Infallible>(frame), line))
    });
    let headers = [(CONTENT_TYPE, "text/event-stream"), (X_ACCEL_BUFFERING, "no")];
    Ok((headers, Body::from_stream(frames)).into_response())
}

/// Keeps a proxy from collecting events before it passes them on.
const X_ACCEL_BUFFERING: axum::http::HeaderName =
    axum::http::HeaderName::from_static("x-accel-buffering");

/// Whose states are streamed.
#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct StreamChoice {
    /// Codes with commas between them: these regions; not together with `level` and `within`.
    #[param(value_type = Option<String>, example = "18.71,19,ID")]
    regions: Option<Regions>,
    /// Only regions of this level; without any of the three parameters every region.
    #[param(inline)]
    level: Option<Level>,
    /// Only regions within this one.
    within: Option<RegionCode>,
    /// The id of the last event that the reader had; the header `Last-Event-ID` goes before it.
    last_event_id: Option<String>,
}

/// Codes of regions, with commas between them.
#[derive(Deserialize)]
#[serde(try_from = "String")]
struct Regions(Vec<RegionCode>);

impl TryFrom<String> for Regions {
    type Error = laju_schemas::region::RegionCodeError;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        text.split(',').map(str::parse).collect::<Result<_, _>>().map(Self)
    }
}
