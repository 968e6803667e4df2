//! One reader's server-sent events.

use std::convert::Infallible;

use axum::body::Bytes;
use futures_util::stream::{Stream, unfold};
use serde_json::json;
use tokio::sync::watch;
use tokio::time::Instant;

use super::feed::{Status, Subscription};
use crate::query::stream::{Message, Reader, Resync, Revision};

/// How much is handed to a connection at once, about: what one that is stuck holds in memory is a
/// small multiple of it.
const FRAME_BYTES: usize = 8 << 10;
/// What sending anything costs beside its bytes, in bytes that cost as much.
const FRAME_COST: u64 = 4 << 10;
/// When a reader whose connection broke comes back: readers are spread over as long again.
const RETRY_MS: u64 = 1_000;

/// What a reader is sent, made as they take it.
pub(super) struct Events {
    subscription: Subscription,
    status: watch::Receiver<Status>,
    reader: Reader,
    /// When it is to be sent something, whatever happens to other regions.
    due: Instant,
    /// Whether nothing has been sent yet.
    is_new: bool,
    is_over: bool,
}

impl Events {
    /// Those of a reader who has been sent nothing yet.
    pub(super) fn new(subscription: Subscription, reader: Reader) -> Self {
        let (status, due) = (subscription.status(), subscription.heartbeat_due());
        Self { subscription, status, reader, due, is_new: true, is_over: false }
    }

    /// In frames, each of whole events.
    pub(super) fn frames(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        unfold(self, async |mut events| events.next().await.map(|frame| (Ok(frame), events)))
    }

    /// The next bytes to send; `None` at the end.
    async fn next(&mut self) -> Option<Bytes> {
        let mut frame = String::new();
        if std::mem::take(&mut self.is_new) {
            let spread = self.subscription.number().wrapping_mul(377) % RETRY_MS;
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
                    let data = json!({"detail": why.to_string()}).to_string();
                    event(&mut frame, "unready", &data, None);
                    self.is_over = true;
                }
                Status::Revision(revision) => self.fill(&mut frame, &revision),
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
            self.subscription.add_cost(frame.len() as u64 + FRAME_COST);
            self.due = self.subscription.heartbeat_due();
            return Some(frame.into());
        }
    }

    /// Writes what the reader has still to be sent, as much as is sent at once.
    fn fill(&mut self, frame: &mut String, revision: &Revision) {
        let regions = self.reader.regions();
        while frame.len() < FRAME_BYTES {
            let Some((word, id)) = self.reader.next(revision) else { return };
            let id = id.as_deref();
            match word {
                Message::State(json) => {
                    // JSON as serde writes it is UTF-8 on one line.
                    event(frame, "progress", std::str::from_utf8(json).unwrap_or_default(), id);
                }
                Message::Live { resumed } => {
                    let data = json!({"regions": regions, "resumed": resumed}).to_string();
                    event(frame, "live", &data, id);
                }
                Message::Resync(reason) => {
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
