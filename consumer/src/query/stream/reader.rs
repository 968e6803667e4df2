//! A reader's place in the stream: what it has been sent, and what it is sent next.

use std::sync::Arc;

use laju_schemas::position::Position;

use super::last_event_id::LastEventId;
use super::revision::{MOST_BEHIND, Revision};
use super::selection::Selection;

/// Why a reader begins again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Resync {
    /// What it brought along is from other rules or other regions, or from before this node began.
    Unknown,
    /// It takes what it is sent too slowly.
    Slow,
}

/// What a reader is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Message<'a> {
    /// The state of every chosen region follows.
    Resync(Resync),
    /// A region's latest state: a `LiveRow` in JSON.
    State(&'a [u8]),
    /// All that there is has been sent; from here on it is live.
    Live {
        /// Whether only what had changed since the reader's last connection was sent.
        resumed: bool,
    },
}

/// A reader's place in the stream.
#[derive(Clone, Debug)]
pub struct Reader {
    selection: Selection,
    /// The revision up to which everything was sent; 0 for none.
    seen: u64,
    batch: Option<Batch>,
}

/// What is being sent.
#[derive(Clone, Debug)]
struct Batch {
    /// Said before anything else.
    resync: Option<Resync>,
    /// What has changed since this revision is sent.
    since: u64,
    /// Everything up to this revision has been sent at the end.
    upto: u64,
    /// What the id begins with that tells of that revision.
    id: Arc<str>,
    /// How many of the chosen regions have been looked at.
    looked_at: usize,
    /// Whether it ends with the message that the reader is live, and what that says.
    greeting: Option<bool>,
}

impl Reader {
    /// A reader that has just connected, and the id that it brings along. The revision holds up to a
    /// position.
    #[must_use]
    pub fn new(
        selection: Selection,
        (revision, upto): (&Revision, &Position),
        last_id: Option<&str>,
    ) -> Self {
        let last = last_id.and_then(LastEventId::parse);
        let seen = last.and_then(|last| last.seen(revision, upto, &selection)).unwrap_or(0);
        let batch = Batch {
            resync: (last_id.is_some() && seen == 0).then_some(Resync::Unknown),
            since: seen,
            upto: revision.number,
            id: Arc::clone(&revision.id),
            looked_at: 0,
            greeting: Some(seen > 0),
        };
        Self { selection, seen, batch: Some(batch) }
    }

    /// How many regions it has chosen.
    #[must_use]
    pub fn regions(&self) -> usize {
        self.selection.len()
    }

    /// The next thing that it is sent, with the id that goes with it: only the last of a batch has
    /// one, because everything up to it has been sent. `None` if it knows everything.
    ///
    /// The revision may be a later one each time: what has not been sent of a batch yet is sent as
    /// it is now, and what has changed since the batch began is sent (again) in the next one.
    pub fn next<'a>(&mut self, revision: &'a Revision) -> Option<(Message<'a>, Option<String>)> {
        loop {
            let mut batch = match self.batch.take() {
                Some(batch) => batch,
                None if self.seen >= revision.number => return None,
                None => Batch::after(self.seen, revision),
            };
            if let Some(reason) = batch.resync.take() {
                self.batch = Some(batch);
                return Some((Message::Resync(reason), None));
            }
            let is_new = |place: &_| revision.changed_since(*place, batch.since);
            let rest = &self.selection.places()[batch.looked_at..];
            let found = rest.iter().position(is_new);
            let is_last = batch.greeting.is_none()
                && found.is_none_or(|found| !rest[found + 1..].iter().any(is_new));
            let message = match (found, batch.greeting) {
                (Some(found), _) => Some(Message::State(revision.json(rest[found]))),
                (None, greeting) => greeting.map(|resumed| Message::Live { resumed }),
            };
            if found.is_none() || is_last {
                self.seen = batch.upto;
                // Nothing of it concerned this reader: there may be a later revision.
                let Some(message) = message else { continue };
                let id = format!("{}{:x}", batch.id, self.selection.digest());
                return Some((message, Some(id)));
            }
            batch.looked_at += found.map_or(0, |found| found + 1);
            self.batch = Some(batch);
            return message.map(|message| (message, None));
        }
    }
}

impl Batch {
    fn after(seen: u64, revision: &Revision) -> Self {
        let upto = revision.number;
        let is_slow = upto - seen > MOST_BEHIND;
        Self {
            resync: is_slow.then_some(Resync::Slow),
            since: if is_slow { 0 } else { seen },
            upto,
            id: Arc::clone(&revision.id),
            looked_at: 0,
            greeting: is_slow.then_some(false),
        }
    }
}
