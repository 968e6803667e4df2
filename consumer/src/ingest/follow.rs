//! Follows the topics that every node reads for itself: reference figures and kiosks' statuses.

use std::collections::HashMap;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use arc_swap::ArcSwap;
use laju_producer::connection::Connection;
use laju_producer::registry::Registry;
use laju_schemas::KioskStatus;
use laju_schemas::known::ReadError;
use laju_schemas::status::StatusReader;
use laju_schemas::topic::{KIOSK_STATUS, REFERENCE};

use super::reference::ReferenceFeed;
use super::stop::Stop;
use super::tail::{Tail, TailRecord, Tailed};
use super::worker::WorkerError;
use crate::domain::reference::ReferenceBook;

const OPEN_TIMEOUT: Duration = Duration::from_secs(15);
/// How long a topic that could not be opened, or a registry that did not answer, is left alone.
const RETRY: Duration = Duration::from_secs(1);

/// Follows a topic until asked to stop. Brokers that are away are waited for.
fn follow(
    connection: &Connection,
    topic: &str,
    stop: &Stop,
    mut each: impl FnMut(Tailed<'_>) -> ControlFlow<()>,
) -> Result<(), WorkerError> {
    let failed = |error: super::tail::TailError| WorkerError::Tail(error.to_string());
    let config = connection.client_config()?;
    let mut tail = Tail::open(&config, topic, OPEN_TIMEOUT).map_err(failed)?;
    tail.follow(stop.flag(), |tailed| {
        if stop.is_stopped() {
            return ControlFlow::Break(());
        }
        each(tailed)
    })
    .map_err(failed)
}

/// Follows the reference topic into `publish`, which is told once when the end seen at the start
/// has been reached.
///
/// # Errors
/// If the topic cannot be read.
pub fn reference(
    connection: &Connection,
    stop: &Stop,
    mut publish: impl FnMut(&ReferenceBook, bool),
) -> Result<(), WorkerError> {
    let topic = connection.topic(&REFERENCE);
    let mut feed = ReferenceFeed::new(connection.registry.as_deref())?;
    let mut book = ReferenceBook::default();
    let mut caught_up = false;
    follow(connection, &topic, stop, |tailed| {
        match tailed {
            Tailed::CaughtUp => caught_up = true,
            Tailed::Record(record) => loop {
                match feed.add(&record, &mut book) {
                    Ok(None) => break,
                    Ok(Some(unreadable)) => {
                        tracing::warn!(
                            topic,
                            offset = unreadable.offset,
                            reason = unreadable.reason,
                            "a record that is no reference figure is passed over"
                        );
                        break;
                    }
                    Err(error) => {
                        tracing::warn!(%error, topic, "waiting for the schema registry");
                        std::thread::sleep(RETRY);
                        if stop.is_stopped() {
                            return ControlFlow::Break(());
                        }
                    }
                }
            },
        }
        if caught_up {
            publish(&book, caught_up);
        }
        ControlFlow::Continue(())
    })
}

/// The latest status of each kiosk, by its id.
pub type Statuses = HashMap<String, KioskStatus>;

/// Follows the kiosk status topic into `publish`, likewise.
///
/// # Errors
/// If the topic cannot be read.
pub fn statuses(
    connection: &Connection,
    stop: &Stop,
    published: &ArcSwap<Statuses>,
    caught_up: &AtomicBool,
) -> Result<(), WorkerError> {
    let topic = connection.topic(&KIOSK_STATUS);
    let registry = connection.registry.as_deref().map(Registry::new);
    let mut reader = StatusReader::new()?;
    let mut statuses = Statuses::new();
    let mut is_caught_up = false;
    follow(connection, &topic, stop, |tailed| {
        match tailed {
            Tailed::CaughtUp => is_caught_up = true,
            Tailed::Record(record) => {
                take_status(&record, &mut reader, registry.as_ref(), stop, &mut statuses);
            }
        }
        if is_caught_up {
            published.store(Arc::new(statuses.clone()));
            caught_up.store(true, Ordering::Release);
        }
        ControlFlow::Continue(())
    })
}

fn take_status(
    record: &TailRecord<'_>,
    reader: &mut StatusReader,
    registry: Option<&Registry>,
    stop: &Stop,
    statuses: &mut Statuses,
) {
    let Some(value) = record.value() else {
        if let Some(kiosk) = record.key().and_then(|key| std::str::from_utf8(key).ok()) {
            statuses.remove(kiosk);
        }
        return;
    };
    while !stop.is_stopped() {
        match reader.read(value) {
            Ok(status) => {
                statuses.insert(status.kiosk_id.to_string(), status);
                return;
            }
            Err(ReadError::Unlearned(id)) => match registry.map(|r| r.schema(id)).transpose() {
                Ok(avsc) => reader.learn(id, avsc.flatten().as_deref()),
                Err(error) => {
                    tracing::warn!(%error, "waiting for the schema registry");
                    std::thread::sleep(RETRY);
                }
            },
            Err(error) => {
                tracing::warn!(
                    offset = record.offset(),
                    %error,
                    "a record that is no kiosk's status is passed over"
                );
                return;
            }
        }
    }
}
