//! The threads that read the topics which every node reads whole: reference, statuses of kiosks, quoted
//! figures.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use laju_kafka::connection::Connection;

use crate::ingest::error::WorkerError;
use crate::ingest::follow::figures::{Told, follow_figures};
use crate::ingest::follow::reference::follow_reference;
use crate::ingest::follow::statuses::follow_statuses;
use crate::ingest::progress::Progress;
use crate::ingest::stop::Stop;
use crate::ingest::troubles::Troubles;
use crate::query::live_view::LiveView;
use crate::query::quoted::FigureStore;
use crate::query::view::ReferenceView;

/// How long reading a topic that every node reads may be interrupted before it is tried again.
const RETRY_TAIL: Duration = Duration::from_secs(2);

/// The topics that a node reads, and what is shown of them. A clone is of the same node.
#[derive(Clone)]
pub(super) struct Topics {
    pub(super) connection: Connection,
    pub(super) patience: Duration,
    pub(super) live: Arc<LiveView>,
    pub(super) progress: Arc<Progress>,
    pub(super) stop: Stop,
    /// Whether the reference topic has been read to the end seen at the start.
    pub(super) reference_read: Arc<AtomicBool>,
    /// The same of the statuses.
    pub(super) statuses_read: Arc<AtomicBool>,
}

impl Topics {
    /// Follows the reference topic.
    pub(super) fn reference(self) -> io::Result<JoinHandle<()>> {
        let Self { connection, patience, live, progress, stop, reference_read, .. } = self;
        spawn("laju-reference", move || {
            again(&stop, "reference", || {
                follow_reference(&connection, patience, &progress.troubles, &stop, |book| {
                    let view =
                        ReferenceView { book: book.clone(), next_offset: book.next_offset() };
                    live.reference.store(Arc::new(view));
                    reference_read.store(true, Ordering::Release);
                })
            });
        })
    }

    /// Follows the topic of kiosks' statuses.
    pub(super) fn statuses(self) -> io::Result<JoinHandle<()>> {
        let Self { connection, live, progress, stop, statuses_read, .. } = self;
        spawn("laju-status", move || {
            again(&stop, "kiosk status", || {
                follow_statuses(&connection, &progress.troubles, &stop, |statuses, next_offset| {
                    live.set_statuses(Arc::new(statuses.clone()), next_offset);
                    statuses_read.store(true, Ordering::Release);
                })
            });
        })
    }

    /// Follows the figures topic. Other figures are answered without it.
    pub(super) fn figures(
        self,
        figure_store: Arc<FigureStore>,
        troubles: Troubles,
    ) -> io::Result<JoinHandle<()>> {
        let Self { connection, patience, stop, .. } = self;
        spawn("laju-figures", move || {
            follow_figures(&connection, patience, &troubles, &stop, |told| match told {
                Told::Record(record) => {
                    if let Some(damage) = figure_store.put(*record) {
                        tracing::error!(
                            offset = damage.offset,
                            figure = damage.figure_id.map(|id| id.to_string()),
                            reason = damage.why,
                            "a record of the figures topic is not what was quoted: it is never shown"
                        );
                    }
                }
                Told::CaughtUp => figure_store.set_read(),
                Told::Trouble(trouble) => figure_store.set_trouble(trouble),
            });
        })
    }
}

/// A thread of this name.
pub(super) fn spawn(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run)
}

/// Tries again what failed, until asked to stop.
fn again(stop: &Stop, what: &str, mut run: impl FnMut() -> Result<(), WorkerError>) {
    while !stop.is_stopped() {
        if let Err(error) = run() {
            tracing::warn!(%error, "reading the {what} topic failed; trying again");
            stop.wait(RETRY_TAIL);
        }
    }
}
