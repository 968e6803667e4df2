//! Where readers of the live stream are served from: the latest revision, made once for all of them.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use arc_swap::ArcSwap;
use laju_kafka::problem::{Kind, Problem, Words};
use laju_kafka::words;
use laju_schemas::position::Position;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::api::clock::Clock;
use crate::api::not_ready;
use crate::query::live_view::LiveView;
use crate::query::stream::{Revision, Revisions};

/// What readers are sent on average at most, all together, in bytes a second: a few hundredths of
/// a processor.
const BYTES_PER_SECOND: u64 = 32 << 20;
/// The longest that readers wait for the next revision.
const LONGEST_PERIOD: Duration = Duration::from_secs(10);

/// How the stream runs.
#[derive(Clone, Copy, Debug)]
pub struct StreamSettings {
    /// How many readers are taken at the same time.
    pub readers: usize,
    /// How long it is from one revision to the next, at least.
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
pub(super) enum Status {
    /// Nobody has looked yet.
    Unknown,
    /// The latest revision.
    Revision(Arc<Revision>),
    /// Figures cannot be answered, and why.
    Unready(Words),
    /// The node is stopping.
    Closed,
}

/// Where readers are served from. A clone is the same.
#[derive(Clone)]
pub(in crate::api) struct Feed(Arc<Inner>);

struct Inner {
    live: Arc<LiveView>,
    clock: Clock,
    settings: StreamSettings,
    status: watch::Sender<Status>,
    /// Up to where the latest revision holds.
    upto: ArcSwap<Position>,
    next: Arc<tokio::sync::Mutex<NextRevision>>,
    readers: Mutex<Readers>,
    /// What sending has cost since the last revision.
    cost: AtomicU64,
}

/// Where revisions are made.
struct NextRevision {
    revisions: Revisions,
    /// Before then none is made.
    due: Instant,
}

#[derive(Default)]
struct Readers {
    connected: usize,
    /// Readers that there ever were.
    served: u64,
    /// Whether a task makes revisions.
    are_renewed: bool,
}

impl Feed {
    pub(in crate::api) fn new(
        live: &Arc<LiveView>,
        clock: &Clock,
        settings: StreamSettings,
    ) -> Self {
        // A name that no other run of the program has.
        let run = uuid::Uuid::new_v4().simple().to_string();
        let next = NextRevision { revisions: Revisions::new(&run[..8]), due: Instant::now() };
        Self(Arc::new(Inner {
            live: Arc::clone(live),
            clock: Arc::clone(clock),
            settings,
            status: watch::Sender::new(Status::Unknown),
            upto: ArcSwap::default(),
            next: Arc::new(tokio::sync::Mutex::new(next)),
            readers: Mutex::default(),
            cost: AtomicU64::new(0),
        }))
    }

    /// How many readers are taken at the same time.
    pub(in crate::api) fn most_readers(&self) -> usize {
        self.0.settings.readers
    }

    /// Ends every stream at once; no new one begins.
    pub(in crate::api) fn close(&self) {
        self.0.status.send_replace(Status::Closed);
    }

    /// A place for a reader, and the revision that it begins with, with up to where that holds: up to
    /// these positions at least, where the node is.
    pub(super) async fn join(
        &self,
        wanted: &[Position],
    ) -> Result<(Subscription, Arc<Revision>, Arc<Position>), Problem> {
        let inner = &self.0;
        let subscription = Subscription::new(inner).ok_or_else(|| {
            let readers = inner.settings.readers;
            let detail = words!(
                "{readers} readers are connected, and no more are taken; ask again later, or \
                 another node",
                "sudah ada {readers} pembaca, dan tidak ditambah lagi; coba lagi nanti, atau tanya \
                 simpul lain"
            );
            Problem::new(Kind::TooManyReaders, detail)
        })?;
        inner.renew(wanted).await?;
        match &*inner.status.borrow() {
            Status::Revision(revision) => {
                Ok((subscription, Arc::clone(revision), inner.upto.load_full()))
            }
            Status::Unready(why) => Err(Problem::new(Kind::NotReady, why)),
            Status::Closed => {
                let detail = words!("this node is stopping", "simpul ini sedang berhenti");
                Err(Problem::new(Kind::NotReady, detail))
            }
            Status::Unknown => Err(Problem::internal()),
        }
    }
}

impl Inner {
    fn readers(&self) -> MutexGuard<'_, Readers> {
        // Nothing that can fail is done under it.
        self.readers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Makes a revision, if it is time for one or the latest does not hold up to where it is wanted,
    /// away from the threads that serve connections.
    async fn renew(self: &Arc<Self>, wanted: &[Position]) -> Result<(), Problem> {
        let mut next = Arc::clone(&self.next).lock_owned().await;
        let now = Instant::now();
        let upto = self.upto.load();
        if now < next.due && wanted.iter().all(|wanted| upto.covers(wanted)) {
            return Ok(());
        }
        let cost = self.cost.swap(0, Ordering::Relaxed);
        let pause = Duration::from_micros(cost.saturating_mul(1_000_000) / BYTES_PER_SECOND);
        next.due = now + pause.min(LONGEST_PERIOD).max(self.settings.period);
        let inner = Arc::clone(self);
        let work = tokio::task::spawn_blocking(move || {
            let status = match inner.live.view((inner.clock)()) {
                Ok(view) => {
                    let (revision, upto) = next.revisions.next(&view)?;
                    inner.upto.store(upto);
                    Status::Revision(revision)
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
                (Status::Revision(before), Status::Revision(after)) => Arc::ptr_eq(before, after),
                (Status::Unready(_), Status::Unready(_)) => true,
                _ => false,
            };
            if !is_known {
                *before = status;
            }
            !is_known
        });
    }

    /// Makes one revision after the other as long as there are readers.
    async fn work(self: Arc<Self>) {
        loop {
            let due = self.next.lock().await.due;
            tokio::time::sleep_until(due).await;
            let is_over = {
                let mut readers = self.readers();
                readers.are_renewed = readers.connected > 0;
                !readers.are_renewed
            };
            if is_over {
                return;
            }
            // What went wrong is in the log, and the next time it may not.
            let _ = self.renew(&[]).await;
        }
    }
}

/// A reader's place among those that are taken: given up when its stream is dropped.
pub(super) struct Subscription {
    inner: Arc<Inner>,
    number: u64,
}

impl Subscription {
    /// None where as many are taken as may be.
    fn new(inner: &Arc<Inner>) -> Option<Self> {
        let mut readers = inner.readers();
        if readers.connected >= inner.settings.readers {
            return None;
        }
        readers.connected += 1;
        readers.served += 1;
        if !std::mem::replace(&mut readers.are_renewed, true) {
            tokio::spawn(Arc::clone(inner).work());
        }
        metrics::gauge!("laju_stream_readers").set(readers.connected as f64);
        Some(Self { inner: Arc::clone(inner), number: readers.served })
    }

    /// A number that no other reader has had.
    pub(super) const fn number(&self) -> u64 {
        self.number
    }

    /// What this reader looks at.
    pub(super) fn status(&self) -> watch::Receiver<Status> {
        self.inner.status.subscribe()
    }

    /// When it is sent a heartbeat, if nothing is sent from now on.
    pub(super) fn heartbeat_due(&self) -> Instant {
        Instant::now() + self.inner.settings.heartbeat
    }

    /// Counts what sending something has cost.
    pub(super) fn add_cost(&self, cost: u64) {
        self.inner.cost.fetch_add(cost, Ordering::Relaxed);
    }
}

impl Drop for Subscription {
    fn drop(&mut self) {
        let mut readers = self.inner.readers();
        readers.connected -= 1;
        metrics::gauge!("laju_stream_readers").set(readers.connected as f64);
    }
}
